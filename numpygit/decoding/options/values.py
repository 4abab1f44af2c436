"""Values of single options: as JSON writes them, and numbers that are none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral
from typing import Any

from ...errors import UserError
from ...loading.fields import FACTOR, GENERATION


def read_bias(bias: Any) -> dict[tuple[int, ...], float]:
    """Read sequence_bias as a file holds it, [[[ids], number], ...]; a dict stays one."""
    try:
        pairs = bias.items() if isinstance(bias, Mapping) else bias
        return {tuple(int(word) for word in words): float(value) for words, value in pairs}
    except (TypeError, ValueError):
        raise UserError(f"sequence_bias is {bias!r}; it must be [[[ids], number], ...]") from None


def check_numbers(options: Any) -> None:
    """Refuse infinities and NaN where a number is wanted, and a seed that is none."""
    for name, kind in GENERATION.items():
        value = getattr(options, name, None)
        if kind == FACTOR and isinstance(value, float) and name != "max_time":
            require(name, value, math.isfinite(value), "a finite number")
    seed = options.seed
    whole = seed is None or (isinstance(seed, Integral) and int(seed) >= 0)
    require("seed", seed, whole, "a whole number from 0 on")


def require(name: str, value: object, is_fine: bool, expected: str) -> None:
    """Raise the error that says which option is wrong, and how it should be."""
    if not is_fine:
        raise UserError(f"{name} is {value!r}; it must be {expected}")
