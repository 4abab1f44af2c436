"""Numbers of half precision and of 8 bits, made of float32: what ports round to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....model.params import Array

Round = Callable[[Array], Array]


def float16(x: Array) -> Array:
    """Round to float16: 11 bits."""
    with np.errstate(over="ignore"):
        return x.astype(np.float16).astype(np.float32)


def bfloat16(x: Array) -> Array:
    """Round to bfloat16, to even where a number lies in the middle: 8 bits."""
    x = np.ascontiguousarray(x, np.float32)
    bits = x.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    values = rounded.astype(np.uint32).view(np.float32)
    return np.where(np.isfinite(x), values, x).astype(np.float32)


def int8_by_row(weight: Array) -> Array:
    """Round a matrix to 255 steps, each row by its own largest number."""
    step = np.abs(weight).max(axis=-1, keepdims=True) / 127
    return in_steps(weight, step)


def int8(weight: Array) -> Array:
    """Round a matrix to 255 steps of its largest number."""
    return in_steps(weight, np.abs(weight).max() / 127)


def in_steps(weight: Array, step: Array) -> Array:
    """Round to whole steps."""
    safe = np.where(step == 0, 1, step)
    return (np.rint(weight / safe) * safe).astype(np.float32)


HALVES: dict[str, Round] = {"bfloat16": bfloat16, "float16": float16}
OF_WEIGHTS: dict[str, Round] = {
    **HALVES,
    "8 bits (int8, one scale for each row)": int8_by_row,
    "8 bits (int8, one scale for the matrix)": int8,
}
UNITS = {"float16": 2.0**-11, "bfloat16": 2.0**-8}  # half a step, relative to the number


def stored_in(x: Array) -> str:
    """Name the half precision that holds every number, "" if none does; of integers, none."""
    if x.dtype.kind != "f":
        return ""
    numbers = x[np.isfinite(x)]
    if numbers.size == 0 or np.array_equal(numbers, np.rint(numbers)):
        return ""
    for name, rounded in HALVES.items():
        if np.array_equal(rounded(numbers), numbers):
            return name
    return ""
