"""Numbers small enough for a page: one byte each, or exact text."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np

from ...model.params import Array

Packed = dict[str, Any]


def exact(values: Array) -> Any:
    """Give float32 as the shortest decimals that say it exactly; minus infinity as None."""
    array = np.asarray(values, np.float32)
    if array.ndim:
        return [exact(each) for each in array]
    return float(str(array[()])) if np.isfinite(array) else None


def text_of(data: bytes) -> str:
    """Compress bytes and write them as letters."""
    return base64.b64encode(zlib.compress(data, 9)).decode("ascii")


def shares(weights: Array, *, levels: int = 255) -> Packed:
    """Pack weights of 0 or more, each row of the last axis in `levels` parts of its own highest.

    What is unpacked differs from the true weight by at most half a part.
    """
    highest = weights.max(axis=-1, keepdims=True).astype(np.float32)
    steps = np.rint(weights / np.where(highest == 0, 1, highest) * levels).astype(np.uint8)
    return {
        "shape": list(weights.shape),
        "levels": levels,
        "bytes": text_of(steps.tobytes()),
        "highest": floats(highest),
    }


def floats(values: Array) -> str:
    """Pack float32 numbers as they are."""
    return text_of(np.ascontiguousarray(values, "<f4").tobytes())


def unpack_shares(packed: Packed) -> Array:
    """Read what `shares` has packed; the page does the same."""
    shape = packed["shape"]
    steps = np.frombuffer(zlib.decompress(base64.b64decode(packed["bytes"])), np.uint8)
    highest = np.frombuffer(zlib.decompress(base64.b64decode(packed["highest"])), "<f4")
    return steps.reshape(shape) * (highest.reshape(*shape[:-1], 1) / np.float32(packed["levels"]))


def thumbnail(values: Array, *, rows: int = 48, columns: int = 96) -> Packed:
    """Shrink a matrix by averaging cells, lowest to highest as 0 to 255: for the eye only."""
    finite = np.where(np.isfinite(values), values, 0).astype(np.float64)
    small = average(average(finite, rows).T, columns).T
    low, high = small.min(), small.max()
    steps = np.rint((small - low) / (high - low if high > low else 1) * 255).astype(np.uint8)
    return {"shape": list(small.shape), "bytes": text_of(steps.tobytes())}


def average(values: Array, most: int) -> Array:
    """Average neighbouring rows, so that at most `most` are left."""
    if len(values) <= most:
        return values
    edges = np.linspace(0, len(values), most + 1).astype(int)
    sums = np.add.reduceat(values, edges[:-1], axis=0)
    return sums / np.diff(edges)[:, None]
