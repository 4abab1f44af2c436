"""Check that folders written here load in transformers, and folders written there load here.

    python golden/check_saved.py           # with transformers 4.37.2, and again with 5.23.0

Prints one line for each class and direction; the exit code is 1 if anything differs. For clip
models the temporal embeddings are renamed first where transformers, from 4.57 on, wants that.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file, save_file

import numpygit

CONFIG = {
    "vocab_size": 61, "hidden_size": 30, "num_hidden_layers": 3, "num_attention_heads": 5,
    "intermediate_size": 44, "max_position_embeddings": 23, "bos_token_id": 2, "eos_token_id": 3,
    "vision_config": {"hidden_size": 28, "intermediate_size": 52, "num_hidden_layers": 2,
                      "num_attention_heads": 4, "image_size": 27, "patch_size": 9},
}  # fmt: skip
RNG = np.random.default_rng(1)
STILL = RNG.standard_normal((2, 3, 27, 27), np.float32)
CLIP = RNG.standard_normal((2, 3, 3, 27, 27), np.float32)
IDS = RNG.integers(4, 61, (2, 6))


def asked(model: object, pixels: np.ndarray) -> np.ndarray:
    """Ask one model, of either implementation, for its first output."""
    given = {"pixel_values": pixels}
    if "Vision" not in type(model).__name__:
        given["input_ids"] = IDS
    if not isinstance(model, torch.nn.Module):
        return model(**given)[0]
    with torch.no_grad():
        return model(**{n: torch.from_numpy(a) for n, a in given.items()})[0].numpy()


def trip(name: str, pixels: np.ndarray, frames: int | None) -> list[str]:
    """Save with one implementation and load with the other, both ways."""
    ours, theirs = getattr(numpygit, name), getattr(transformers, name)
    lines = []
    for tie in (False, True) if name == "GitForCausalLM" else (False,):
        values = {**CONFIG, "num_image_with_embedding": frames, "tie_word_embeddings": tie}
        config = numpygit.GitConfig(**values)
        model = ours(config.vision_config if name == "GitVisionModel" else config, seed=4)
        if frames:
            model.params.vision.temporal_embedding[:] = RNG.standard_normal((frames, 28))
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            if frames and is_late(transformers.__version__):
                respell(Path(folder))
            loaded = theirs.from_pretrained(folder, attn_implementation="eager").eval()
            gone = apart(asked(model, pixels), asked(loaded, pixels))
            loaded.save_pretrained(Path(folder) / "back")
            back = ours.from_pretrained(Path(folder) / "back")
            came = apart(asked(loaded, pixels), asked(back, pixels))
        kind = f"{name}{' for clips' if frames else ''}{' tied' if tie else ''}"
        lines.append(f"{kind}: saved here, loaded there {gone:.1e}; saved there, loaded here "
                     f"{came:.1e}")  # fmt: skip
    return lines


def options_come_back() -> bool:
    """Save options of generation here, load and save them there, load them here; use them all."""
    given = {"num_beams": 3, "max_length": 9, "eos_token_id": [3, 17], "length_penalty": 0.5,
             "bad_words_ids": [[5], [9, 11]], "early_stopping": True}  # fmt: skip
    model = numpygit.GitForCausalLM(numpygit.GitConfig(**CONFIG), seed=4)
    model.generation_config = model.generation_config.change(given)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        loaded = transformers.GitForCausalLM.from_pretrained(folder).eval()
        loaded.save_pretrained(Path(folder) / "back")
        back = numpygit.GitForCausalLM.from_pretrained(Path(folder) / "back")
    there = {name: getattr(loaded.generation_config, name) for name in given}
    with torch.no_grad():
        said = loaded.generate(pixel_values=torch.from_numpy(STILL), use_cache=False).tolist()
    is_same = back.generation_config == model.generation_config
    return there == given and is_same and said == back.generate(pixel_values=STILL).tolist()


def respell(folder: Path) -> None:
    """Rename the temporal embeddings as transformers from 4.57 on wants them."""
    path = folder / "model.safetensors"
    tensors = {n.replace("temperal", "temporal"): a.copy() for n, a in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})


def is_late(version: str) -> bool:
    """Tell 4.57 and later."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return (major, minor) >= (4, 57)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Measure the largest difference."""
    return float(np.abs(a - b).max())


def main() -> int:
    """Try every class."""
    lines = []
    for name in ("GitVisionModel", "GitModel", "GitForCausalLM"):
        lines += trip(name, STILL, None)
    lines += trip("GitForCausalLM", CLIP, 4)
    print(f"transformers {transformers.__version__}")
    print("\n".join(lines))
    are_kept = options_come_back()
    print(f"generation_config.json: {'comes back, and is obeyed alike' if are_kept else 'DIFFERS'}")
    numbers = [float(word.strip(";")) for line in lines for word in line.split() if "e-" in word]
    return 0 if are_kept and len(numbers) == 2 * len(lines) and max(numbers) < 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main())
