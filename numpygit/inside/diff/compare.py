"""Compare two runs tensor by tensor, and say where the first difference is.

    report = compare(read("ours.safetensors"), read("theirs.safetensors"))
    report.first                                    # the row of the first tensor that differs

Two programs never agree to the last bit, so there must be a measure. It is the noise of float32
in each tensor: how far the float32 run of a trace is from the same run in float64, which `numpygit
trace` measures and keeps. A tensor agrees if its largest and its mean difference are at most 8
times that noise, or 8 roundings (2**-23) of its largest and of its mean number, whichever is more.
Where no noise was measured, 16 and 8 roundings stand in for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ...errors import UserError
from ...loading.config import GitConfig
from ...model.params import Array, Git
from ...trace import find, order
from ..record import BLOCKED, IDS, Distance, Run, distance, nearest_name
from .evidence import evidence
from .mistakes import what_if
from .scene import Scene
from .suspects import usual_suspects

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


class Report(NamedTuple):
    """Every row in the order of computation, the first difference, and what it looks like."""

    rows: list[Row]
    first: Row | None
    causes: list[str]  # what makes ours equal to theirs, and what the numbers show
    suspects: str  # what is usually wrong there, where no cause was found
    notes: list[str]

    @property
    def equal(self) -> bool:
        """Tell whether all that both runs hold agrees."""
        return self.first is None


def compare(
    ours: Run, theirs: Run, *, params: Git | None = None, config: GitConfig | None = None
) -> Report:
    """Compare all tensors of two runs. With the parameters of ours, causes can be tried out."""
    noise = ours.facts.get("noise") or theirs.facts.get("noise") or {}
    rows = [
        compare_one(name, ours.tensors.get(name), theirs.tensors.get(name), noise.get(name))
        for name in sorted(ours.tensors.keys() | theirs.tensors.keys(), key=place_of)
        if name == IDS or find(name)
    ]
    if not any(row.status != MISSING for row in rows):
        raise UserError(nothing_in_common(ours.tensors, theirs.tensors))
    first = next((row for row in rows if row.status in (DIFF, SHAPE)), None)
    causes: list[str] = []
    suspects = ""
    if first is not None and first.name != IDS:
        scene = Scene(first.name, ours.tensors, theirs.tensors, params, config)
        causes = what_if(scene, first.allowed)
        if not causes:
            suspects = usual_suspects(first.name)
        if not causes and first.allowed is not None:
            a, b = ours.tensors[first.name], theirs.tensors[first.name]
            memory = ours.tensors.get("memory")
            image = None if memory is None else memory.shape[1]
            causes = evidence(first.name, a, b, first.allowed.largest, image=image)
    return Report(rows, first, causes, suspects, notes(ours, theirs, rows))


def place_of(name: str) -> tuple[int, ...]:
    """Sort the words that are read before everything that is computed."""
    return (-1,) if name == IDS else order(name)


def compare_one(name: str, a: Array | None, b: Array | None, noise: Distance | None) -> Row:
    """Compare one tensor with another; either may be missing."""
    shape_a, shape_b = (None if x is None else x.shape for x in (a, b))
    if a is None or b is None:
        return Row(name, MISSING, shape_a, shape_b)
    if shape_a != shape_b:
        return Row(name, SHAPE, shape_a, shape_b)
    apart = distance(a, b)
    allowed = allowance(a, noise) if a.dtype.kind == "f" else Distance(0, 0)
    agrees = apart.largest <= allowed.largest and apart.mean <= allowed.mean
    return Row(name, OK if agrees else DIFF, shape_a, shape_b, apart, allowed)


def allowance(a: Array, noise: Distance | None) -> Distance:
    """Say how far apart two tensors may be to count as equal."""
    open_places = np.abs(a[np.isfinite(a) & (a > BLOCKED)])
    if open_places.size == 0:
        return Distance(0, 0)
    roundings = UNMEASURED if noise is None else Distance(1, 1)
    largest = ROUNDING * roundings.largest * float(open_places.max())
    mean = ROUNDING * roundings.mean * float(open_places.mean(dtype=np.float64))
    if noise is not None:
        largest, mean = max(largest, noise.largest), max(mean, noise.mean)
    return Distance(FACTOR * largest, FACTOR * mean)


def nothing_in_common(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> str:
    """Say that no name of one run is in the other, with names that look alike."""
    if not ours or not theirs:
        return "one of the files holds no tensors; make a trace with `numpygit trace`"
    strange = next((name for name in (*theirs, *ours) if not find(name)), next(iter(theirs)))
    near = nearest_name(strange, list(ours)) or ";"
    return (
        f"the two files have no tensor in common; {strange!r} is in one only{near} "
        "`numpygit trace --table` lists the names"
    )


def notes(ours: Run, theirs: Run, rows: list[Row]) -> list[str]:
    """Say what else is to be known before the rows are believed."""
    found = []
    unknown = [n for run in (ours, theirs) for n in run.tensors if n != IDS and not find(n)]
    if unknown:
        near = nearest_name(unknown[0], [row.name for row in rows])
        found.append(f"names not in the table: {len(unknown)}, such as {unknown[0]!r}{near}")
    if "noise" not in ours.facts and "noise" not in theirs.facts:
        found.append("no noise was measured for either file: the bounds are estimates")
    double = theirs.facts.get("float64", [])
    if double:
        found.append(f"theirs holds float64, from {min(double, key=place_of)} on")
    modes = {run.facts.get("mode", "uncached") for run in (ours, theirs)}
    if len(modes) > 1:
        found.append("one run is with a cache and one without: few names are in both")
    return found


class Comparer:
    """An observer that compares a run with another one while it happens.

    `then` is called at the first difference, inside the function that computed the tensor:
    `Comparer(run, then=lambda row: breakpoint())`.
    """

    def __init__(self, theirs: Run, *, then: Callable[[Row], Any] | None = None) -> None:
        self.theirs = theirs
        self.then = then
        self.rows: list[Row] = []

    def __call__(self, name: str, value: Array) -> None:
        noise = self.theirs.facts.get("noise", {}).get(name)
        is_first = self.first is None
        self.rows.append(compare_one(name, value, self.theirs.tensors.get(name), noise))
        if is_first and self.first is not None and self.then is not None:
            self.then(self.first)

    @property
    def first(self) -> Row | None:
        """The first tensor that differs."""
        return next((row for row in self.rows if row.status in (DIFF, SHAPE)), None)
