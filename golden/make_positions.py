"""Make `golden/positions.npz`: places stretched over pictures of other sizes.

    python golden/make_positions.py     # torch and transformers 5.23.0, not 4.37.2; seconds

Grids of places stretched by torch, and last logits of the model in `golden/tiny` for stills and a
clip of other sizes with interpolate_pos_encoding=True, which transformers 4.37.2 does not have.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from seeded import seeded_pixels

HERE = Path(__file__).parent
# (old side, rows, columns); 30 -> 30x40 and 40x30 are what the VQAv2 models at 480 meet
GRIDS = [(3, 4, 2), (3, 7, 5), (7, 3, 3), (14, 11, 11), (30, 30, 40), (5, 5, 5), (2, 1, 9)]
SIZES = [(1, 3, 40, 20), (2, 3, 63, 45), (1, 3, 27, 35), (1, 3, 9, 95), (1, 3, 3, 36, 50)]
IDS = [2, 17, 5, 40, 9, 22]
WIDTH = 3


def stretch(side: int, rows: int, columns: int) -> dict[str, np.ndarray]:
    """Let torch stretch a seeded grid."""
    old = seeded_pixels((1, WIDTH, side, side), seed=7)
    new = torch.nn.functional.interpolate(
        torch.from_numpy(old), size=(rows, columns), mode="bicubic", align_corners=False
    )
    name = f"grid/{side}/{rows}x{columns}"
    return {f"{name}/old": old[0].transpose(1, 2, 0), f"{name}/new": new[0].permute(1, 2, 0)}


def build_tiny() -> torch.nn.Module:
    """Load `golden/tiny`; this version spells the temporal embeddings another way."""
    from transformers import GitConfig, GitForCausalLM

    config = json.loads((HERE / "tiny" / "config.json").read_text())
    model = GitForCausalLM(GitConfig(**config)).eval()
    tensors = load_file(HERE / "tiny" / "model.safetensors")
    state = {n.replace("temperal", "temporal"): torch.from_numpy(a) for n, a in tensors.items()}
    model.load_state_dict(state, strict=True)
    return model


def main() -> None:
    """Write the grids and the logits."""
    arrays: dict[str, np.ndarray] = {}
    for grid in GRIDS:
        arrays |= {name: np.asarray(array) for name, array in stretch(*grid).items()}
    model = build_tiny()
    for shape in SIZES:
        pixels = torch.from_numpy(seeded_pixels(shape, seed=8))
        ids = torch.tensor([IDS] * shape[0])
        with torch.no_grad():
            answer = model(
                input_ids=ids,
                pixel_values=pixels,
                position_ids=torch.arange(len(IDS))[None],
                interpolate_pos_encoding=True,
                use_cache=False,
            )
        name = "x".join(map(str, shape))
        arrays[f"logits/{name}"] = answer.logits.numpy()
        print(name, answer.logits.shape)
    np.savez_compressed(HERE / "positions.npz", **arrays)


if __name__ == "__main__":
    main()
