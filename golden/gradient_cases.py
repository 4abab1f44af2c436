"""The questions of `golden/make_gradients.py`: inputs drawn alike by the program and the tests."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
KEPT = 150  # numbers of a tensor that a golden keeps, beside its norm and its projections
PROJECTIONS = 4


class Case(NamedTuple):
    """One question: a model, a batch of pictures and words, and what is to be learnt of it."""

    model: str  # "tiny", "storybook" or "git-base"
    frames: int  # 0 for stills
    lengths: tuple[int, ...]  # words of each row, the rest is padding
    prompts: tuple[int, ...]  # how many of them are not learnt
    smoothing: float = 0.0


CASES = {
    "tiny-still": Case("tiny", 0, (7, 5, 4), (1, 1, 3)),
    "tiny-clip": Case("tiny", 3, (6, 7), (1, 2), 0.1),
    "storybook-stills": Case("storybook", 0, (12, 9, 7, 12, 5), (1, 1, 1, 4, 2)),
    "storybook-smoothing": Case("storybook", 0, (12, 9, 7, 12, 5), (1, 1, 1, 4, 2), 0.1),
    "storybook-clips": Case("storybook", 4, (10, 8, 11), (1, 1, 5)),
    "git-base": Case("git-base", 0, (11, 8), (1, 4)),
}
SIZES = {"tiny": (27, 61), "storybook": (96, 154), "git-base": (224, 30522)}  # pixels, words


def draw(name: str) -> dict[str, Array]:
    """Draw the inputs of a case: pixels, ids, labels with -100, and the attention mask."""
    case = CASES[name]
    side, words = SIZES[case.model]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    B, T = len(case.lengths), max(case.lengths)
    shape = (B, case.frames, 3, side, side) if case.frames else (B, 3, side, side)
    ids = rng.integers(5, words, (B, T))
    places = np.arange(T)[None]
    attention_mask = (places < np.array(case.lengths)[:, None]).astype(np.int64)
    ids = ids * attention_mask
    learnt = attention_mask * (places >= np.array(case.prompts)[:, None])
    return {
        "pixel_values": rng.standard_normal(shape, np.float32).astype(np.float64),
        "input_ids": ids,
        "attention_mask": attention_mask,
        "labels": np.where(learnt, ids, -100),
    }


def digest(name: str, gradient: Array) -> Array:
    """Keep of a large tensor its norm, sums with random signs, and numbers evenly spread."""
    flat = gradient.astype(np.float64).ravel()
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    signs = rng.integers(0, 2, (PROJECTIONS, flat.size), np.int8) * 2.0 - 1
    sums = signs @ flat / np.sqrt(flat.size)
    step = -(-flat.size // KEPT)
    return np.concatenate([[np.sqrt(flat @ flat)], sums, flat[::step]])
