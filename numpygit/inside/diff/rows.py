"""One tensor held against another: how far apart they are, and how far they may be.

Two programs never agree to the last bit, so there must be a measure. It is the noise of float32
in each tensor: how far the float32 run of a trace is from the same run in float64, which `numpygit
trace` measures and keeps. A tensor agrees if its largest and its mean difference are at most 8
times that noise, or 8 roundings (2**-23) of its largest and of its mean number, whichever is more.
Where no noise was measured, 16 and 8 roundings stand in for it. A tolerance, for ports that are
not float32 by design, replaces all that: a share of the largest and of the mean number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...model.params import Array
from ...trace import order
from ..record import BLOCKED, IDS, Distance, distance
from .rounding import UNITS
from .scene import Scene
from .search import sources_of
from .theirs.layouts import Reading

FACTOR = 8  # how many times the noise is still rounding
ROUNDING = 2.0**-23  # of float32, relative to the number
UNMEASURED = Distance(16, 8)  # roundings that stand in for a noise that was not measured
OK, DIFF, SHAPE, MISSING = "OK", "DIFF", "SHAPE", "MISSING"


class Row(NamedTuple):
    """What came out for one tensor."""

    name: str
    status: str  # OK, DIFF, SHAPE or MISSING
    ours: tuple[int, ...] | None
    theirs: tuple[int, ...] | None
    apart: Distance | None = None
    allowed: Distance | None = None
    how: str = ""  # how theirs was read, where it is kept in another layout
    is_aside: bool = False  # differs, but what is computed from it agrees


class Measure(NamedTuple):
    """How far apart tensors may be."""

    noise: Mapping[str, Distance]
    tolerance: float | None = None
    stored: str = ""  # the half precision that all of theirs is stored in


def compare_one(name: str, a: Array | None, reading: Reading | None, measure: Measure) -> Row:
    """Compare one tensor with another; either may be missing."""
    b = None if reading is None else reading.theirs
    if a is None or b is None or reading is None:
        return Row(name, MISSING, None if a is None else a.shape, None if b is None else b.shape)
    mine = reading.of_ours(a)
    if mine.shape != b.shape:
        return Row(name, SHAPE, a.shape, b.shape, how=reading.how)
    is_float = a.dtype.kind == "f"
    apart = distance(mine, b, unit=UNITS.get(measure.stored, 0.0) if is_float else 0.0)
    allowed = allowance(mine, measure.noise.get(name), measure) if is_float else Distance(0, 0)
    agrees = apart.largest <= allowed.largest and apart.mean <= allowed.mean
    status = OK if agrees else DIFF
    return Row(name, status, mine.shape, b.shape, apart, allowed, reading.how)


def allowance(a: Array, noise: Distance | None, measure: Measure | None = None) -> Distance:
    """Say how far apart two tensors may be to count as equal."""
    unblocked = np.abs(a[np.isfinite(a) & (a > BLOCKED)])
    if unblocked.size == 0:
        return Distance(0, 0)
    size, typical = float(unblocked.max()), float(unblocked.mean(dtype=np.float64))
    roundings = UNMEASURED if noise is None else Distance(1, 1)
    largest = ROUNDING * roundings.largest * size
    mean = ROUNDING * roundings.mean * typical
    if noise is not None:
        largest, mean = max(largest, noise.largest), max(mean, noise.mean)
    bound = Distance(FACTOR * largest, FACTOR * mean)
    if measure is not None and measure.tolerance is not None:
        share = measure.tolerance
        return Distance(max(bound.largest, share * size), max(bound.mean, share * typical))
    return bound


def with_asides(rows: list[Row], scene: Scene) -> list[Row]:
    """Mark tensors that differ although all that is computed from them agrees.

    Such a one was written down at another point, or it does not matter.
    """
    status = {row.name: row.status for row in rows}
    if not {DIFF, SHAPE} & set(status.values()):
        return rows
    following: dict[str, list[str]] = {}
    for name in status:
        try:
            for source in sources_of(name, scene):
                following.setdefault(source, []).append(name)
        except (KeyError, ValueError):
            continue
    found = []
    for row in rows:
        after = [status[name] for name in following.get(row.name, []) if status[name] != MISSING]
        is_aside = row.status in (DIFF, SHAPE) and bool(after) and set(after) == {OK}
        found.append(row._replace(is_aside=is_aside))
    return found


def order_of(name: str) -> tuple[int, ...]:
    """Sort the words that are read before everything that is computed."""
    return (-1,) if name == IDS else order(name)
