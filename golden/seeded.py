"""Random weights and inputs that two programs can draw alike, each by itself.

Every tensor has a generator of its own, seeded with its name: the order does not matter, and
nothing has to be stored. Matrices are spread by 1/sqrt(inputs) and norms lie around 1, so that the
numbers stay of size 1 through all layers; the decoder's queries and keys are twice as large, so
that every word changes what comes next. More than that, and rounding grows from layer to layer.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def seeded_tensor(name: str, shape: tuple[int, ...], *, seed: int = 0) -> Array:
    """Draw one tensor by the name it has in the checkpoint file: float32."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    drawn = rng.standard_normal(shape, np.float32)
    if name.endswith(".bias"):
        return drawn * np.float32(0.1)
    if "norm" in name.lower() or "visual_projection.1" in name:
        return np.float32(1) + drawn * np.float32(0.1)
    if "embedding" in name and "patch" not in name:
        return drawn
    gain = 2 if name.split(".")[-2] in ("query", "key") else 1
    return drawn * np.float32(gain / math.sqrt(math.prod(shape[1:])))


def seeded_tensors(shapes: dict[str, tuple[int, ...]], *, seed: int = 0) -> dict[str, Array]:
    """Draw a whole checkpoint: name -> shape becomes name -> float32 array."""
    return {name: seeded_tensor(name, shape, seed=seed) for name, shape in shapes.items()}


def seeded_pixels(shape: tuple[int, ...], *, seed: int = 0) -> Array:
    """Draw pixels around 0, of the spread that a normalised picture has: float32."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape, np.float32)


def corner(tensor: Array) -> Array:
    """Keep a slice of every axis: the first, the middle and the last place."""
    for axis, size in enumerate(tensor.shape):
        tensor = tensor.take(sorted({0, size // 2, size - 1}), axis=axis)
    return np.ascontiguousarray(tensor)
