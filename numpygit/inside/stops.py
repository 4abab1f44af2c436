"""Where to stop: at a name, at a shape, at a number."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np

from ..errors import UserError
from ..model.params import Array
from .debug import count_odd
from .record import BLOCKED, nearest_name


class Stop(NamedTuple):
    """What to stop at."""

    text: str
    fits: Callable[[str, Array], bool]


def number(text: str) -> int:
    """Read how many."""
    if not text:
        return 1
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise UserError(f"expected a number from 1 on, got {text!r}")
    return int(text)


def make_stop(text: str, names: Sequence[str]) -> Stop:
    """Understand `nan`, a shape, or a name."""
    if text.lower() == "nan":
        return Stop("nan", lambda name, value: bool(count_odd(masked(name, value))))
    if text.startswith("("):
        return by_shape(text)
    return by_name(text, names)


def masked(name: str, value: Array) -> Array:
    """Leave out what a mask blocks, which is no mistake."""
    if name.endswith(("mask", "scores")):
        return np.where(value < BLOCKED, np.float32(0), value)
    return value


def by_name(text: str, names: Sequence[str]) -> Stop:
    """Stop at a name, which must be one that can come."""
    if not text:
        raise UserError("give a name, such as text.0.weights")
    if not any(fnmatchcase(name, text) for name in names):
        raise UserError(f"no tensor is called {text!r}{nearest_name(text, names)}")
    return Stop(text, lambda name, value: fnmatchcase(name, text))


def by_shape(text: str) -> Stop:
    """Stop at a shape; `*` stands for any size."""
    sizes = [size.strip() for size in text.strip("()").split(",") if size.strip()]
    if not re.fullmatch(r"\([\d\s,*]*\)", text) or not all(s == "*" or s.isdigit() for s in sizes):
        raise UserError(f"{text!r} is no shape; write it as (1, 5, *, 75)")

    def fits(name: str, value: Array) -> bool:
        return len(sizes) == value.ndim and all(
            wanted in ("*", str(size)) for wanted, size in zip(sizes, value.shape, strict=True)
        )

    return Stop(text, fits)
