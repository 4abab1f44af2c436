"""Make `golden/git_base_seeded`: the full git-base geometry with seeded weights, two photographs.

    NUMPYGIT_PHOTOS=folder python golden/make_git_base.py   # extra [golden]; 2 GB, a minute

The weights are drawn by `golden/seeded.py`, here and in the test, so that nothing large is
stored. The photographs `boats.jpg` and `mountain.jpg` are examples of
microsoft/GenerativeImage2Text (aux_data/images/1.jpg and 2.jpg).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from official import build, capture
from PIL import Image
from seeded import seeded_tensors

from numpygit.loading.config import GitConfig
from numpygit.loading.names import tensor_shapes

HERE = Path(__file__).parent
PHOTOS = Path(os.environ.get("NUMPYGIT_PHOTOS", HERE.parent.parent / "shared/data/photos"))
NAMES = ("boats", "mountain")
WORDS = 20
PROMPT = (101, 1037, 6302, 1997)  # [CLS] a photo of


def corner(tensor: np.ndarray) -> np.ndarray:
    """Keep a slice of every axis: the first, the middle and the last place."""
    for axis, size in enumerate(tensor.shape):
        tensor = tensor.take(sorted({0, size // 2, size - 1}), axis=axis)
    return np.ascontiguousarray(tensor)


def main() -> None:
    """Write pixels, slices of every tensor, logits of the last word, and 20 greedy ids."""
    from transformers import CLIPImageProcessor

    tensors = seeded_tensors(tensor_shapes(GitConfig()), seed=2)
    model = build({}, tensors)
    arrays = {}
    for name in NAMES:
        picture = Image.open(PHOTOS / f"{name}.jpg")
        pixels = CLIPImageProcessor()(picture, return_tensors="pt").pixel_values
        arrays[f"{name}/pixels"] = pixels.numpy()
        ids = torch.tensor([PROMPT])
        inside = capture(model, input_ids=ids, pixel_values=pixels)
        arrays[f"{name}/last_logits"] = inside["logits"][:, -1]
        arrays |= {f"{name}/slice/{key}": corner(array) for key, array in inside.items()}
        words = model.generate(
            pixel_values=pixels, max_length=WORDS + 1, min_length=WORDS + 1, use_cache=False
        )
        arrays[f"{name}/greedy_ids"] = words.numpy()
        print(name, words.tolist())
    np.savez_compressed(HERE / "git_base_seeded.npz", **arrays)


if __name__ == "__main__":
    main()
