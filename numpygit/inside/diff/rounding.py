"""Numbers of half precision, of 8 and of 4 bits, made of float32: what ports round to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...model.params import Array

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


def tf32(x: Array) -> Array:
    """Round to the 11 bits that tensor cores keep of float32 (TensorFloat-32)."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x0FFF + ((bits >> 13) & 1)) & 0xFFFFE000
    return np.where(np.isfinite(x), rounded.astype(np.uint32).view(np.float32), x)


def float8(x: Array, *, bits: int, least: int, largest: float) -> Array:
    """Round to so many bits behind the point; below 2**least the steps stay equal."""
    _, power = np.frexp(x)
    step = np.exp2(np.maximum(power - 1, least) - bits)
    return np.clip(np.rint(x / step) * step, -largest, largest).astype(np.float32)


def e4m3(x: Array) -> Array:
    """Round to float8 with 4 bits of exponent."""
    return float8(x, bits=3, least=-6, largest=448.0)


def e5m2(x: Array) -> Array:
    """Round to float8 with 5 bits of exponent."""
    return float8(x, bits=2, least=-14, largest=57344.0)


def in_integers(bits: int, *, group: int = 0, by_row: bool = True) -> Round:
    """Make a rounding to whole steps, of the largest number of each row, group or matrix."""
    most = 2 ** (bits - 1) - 1

    def rounded(weight: Array) -> Array:
        parts = weight
        if group and weight.shape[-1] % group == 0:
            parts = weight.reshape(*weight.shape[:-1], -1, group)
        sizes = np.abs(parts)
        step = (sizes.max(axis=-1, keepdims=True) if by_row else sizes.max()) / most
        return in_steps(parts, step).reshape(weight.shape)

    return rounded


def in_decimals(decimals: int) -> Round:
    """Make a rounding to so many decimals, as numbers written as text have."""
    return lambda x: np.round(x, decimals).astype(np.float32)


def in_steps(weight: Array, step: Array) -> Array:
    """Round to whole steps."""
    safe = np.where(step == 0, 1, step)
    return (np.rint(weight / safe) * safe).astype(np.float32)


HALVES: dict[str, Round] = {"bfloat16": bfloat16, "float16": float16}
OF_WEIGHTS: dict[str, Round] = {
    **HALVES,
    "float8 (e4m3)": e4m3,
    "float8 (e5m2)": e5m2,
    "8 bits (int8, one scale for each row)": in_integers(8),
    "8 bits (int8, one scale for the matrix)": in_integers(8, by_row=False),
    "4 bits (int4, one scale for each row)": in_integers(4),
    "4 bits (int4, one scale for each 32 numbers)": in_integers(4, group=32),
    **{f"{bits} bits (one scale for each row)": in_integers(bits) for bits in (2, 3, 5, 6)},
    **{f"numbers of {decimals} decimals": in_decimals(decimals) for decimals in (1, 2, 3, 4, 5)},
}
OF_INPUTS: dict[str, Round] = {
    "8 bits (int8, one scale for each token)": in_integers(8),
    "8 bits (int8, one scale for all)": in_integers(8, by_row=False),
}
OF_OUTPUTS = {**HALVES, "float8 (e4m3)": e4m3, "float8 (e5m2)": e5m2, **OF_INPUTS}
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
