"""Make `golden/tiny`: every named tensor of a random GIT whose sizes are all different.

    python golden/make_tiny.py          # needs the extra [golden]; takes seconds

The official implementation runs twice, in float32 and in float64. The distance between the two
runs is the noise of float32 in each tensor; our tests ask to stay within 8 times that noise of
the float64 result.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from official import build, capture
from safetensors.numpy import save_file
from seeded import seeded_tensors

from numpygit.loading.config import GitConfig
from numpygit.loading.names import tensor_shapes

HERE = Path(__file__).parent / "tiny"
CONFIG = {
    "model_type": "git",
    "vocab_size": 61,
    "hidden_size": 30,
    "num_hidden_layers": 3,
    "num_attention_heads": 5,
    "intermediate_size": 44,
    "max_position_embeddings": 23,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "pad_token_id": 0,
    "num_image_with_embedding": 4,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "vision_config": {
        "hidden_size": 28,
        "intermediate_size": 52,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 27,
        "patch_size": 9,
    },
}


def make_inputs(frames: int | None) -> dict[str, np.ndarray]:
    """Draw pictures or clips and words; the second row is padded on the right."""
    rng = np.random.default_rng(7)
    shape = (2, 3, 27, 27) if frames is None else (2, frames, 3, 27, 27)
    ids = rng.integers(4, 61, (2, 6))
    attention_mask = np.ones((2, 6), np.int64)
    attention_mask[1, 4:] = 0
    return {
        "pixel_values": rng.standard_normal(shape, np.float32),
        "input_ids": ids,
        "attention_mask": attention_mask,
    }


def ask(tensors: dict, inputs: dict, dtype: torch.dtype) -> dict[str, np.ndarray]:
    """Run the official model in one precision."""
    model = build(CONFIG, tensors).to(dtype)
    given = {name: torch.from_numpy(array) for name, array in inputs.items()}
    given["pixel_values"] = given["pixel_values"].to(dtype)
    return capture(model, **given)


def main() -> None:
    """Write the checkpoint and the goldens."""
    HERE.mkdir(exist_ok=True)
    tensors = seeded_tensors(tensor_shapes(GitConfig.from_dict(CONFIG)), seed=1)
    (HERE / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    save_file(tensors, HERE / "model.safetensors", metadata={"format": "pt"})
    for kind, frames in (("still", None), ("clip", 3)):
        inputs = make_inputs(frames)
        exact = ask(tensors, inputs, torch.float64)
        rounded = ask(tensors, inputs, torch.float32)
        arrays = {f"input/{name}": array for name, array in inputs.items()}
        arrays |= {f"float64/{name}": np.ascontiguousarray(a) for name, a in exact.items()}
        arrays |= {f"float32/{name}": np.ascontiguousarray(a) for name, a in rounded.items()}
        save_file(arrays, HERE / f"{kind}.safetensors")
        print(f"{kind}: {len(exact)} tensors")


if __name__ == "__main__":
    main()
