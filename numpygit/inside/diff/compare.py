"""Compare two runs tensor by tensor, and say where the first difference is and what makes it.

    report = compare(read("ours.safetensors"), read("theirs.safetensors"))
    report.first                                    # the row of the first tensor that differs

Two programs never agree to the last bit, so there must be a measure. It is the noise of float32
in each tensor: how far the float32 run of a trace is from the same run in float64, which `numpygit
trace` measures and keeps. A tensor agrees if its largest and its mean difference are at most 8
times that noise, or 8 roundings (2**-23) of its largest and of its mean number, whichever is more.
Where no noise was measured, 16 and 8 roundings stand in for it. A tolerance, for ports that are
not float32 by design, replaces all that: a share of the largest and of the mean number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ...errors import UserError
from ...model.config import Config
from ...model.params import Array, Git
from ...trace import find, order
from ..backward import MODE, suspects_of
from ..record import BLOCKED, IDS, Distance, Run, distance, nearest_name
from .comparable import Both, made_comparable, split_fused, stored_precision
from .evidence import evidence
from .foreign_names import translate, without_rivals
from .layouts import Reading, read_as_ours
from .mistakes.pictures import fitted, of_pixels
from .mistakes.rounding import UNITS
from .operations import Scene
from .search import Candidate, Target, causes, sources_of, unseen
from .suspects import usual_suspects
from .words import in_rows

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


class Report(NamedTuple):
    """Every row in the order of computation, the first difference, and what it looks like."""

    rows: list[Row]
    first: Row | None
    causes: list[str]  # what makes ours equal to theirs, and what the numbers show
    suspects: str  # what is usually wrong there, where no cause was found
    notes: list[str]
    unseen: list[str] = []  # noqa: RUF012  what theirs lacks before the first difference

    @property
    def equal(self) -> bool:
        """Tell whether all that both runs hold agrees."""
        return self.first is None


class Measure(NamedTuple):
    """How far apart tensors may be."""

    noise: Mapping[str, Distance]
    tolerance: float | None = None
    stored: str = ""  # the half precision that all of theirs is stored in


def compare(
    ours: Run,
    theirs: Run,
    *,
    params: Git | None = None,
    config: Config | None = None,
    names: Mapping[str, str] | None = None,
    tolerance: float | None = None,
    picture: Image.Image | None = None,
) -> Report:
    """Compare all tensors of two runs.

    With the parameters of ours, causes can be tried out; with the picture, other ways to resize it.
    `names` maps names of theirs to ours. `tolerance` is how far apart tensors may be, relative to
    their size, for ports that compute in half precision or less by design.
    """
    renamed = translate(theirs.tensors, given=names)
    best = without_rivals(renamed)
    found = {best[name]: array for name, array in theirs.tensors.items() if name in best}
    found = {name: array for name, array in split_fused(found).items() if name == IDS or find(name)}
    if not found.keys() & ours.tensors.keys():
        raise UserError(nothing_in_common(ours.tensors, theirs.tensors))
    noise = ours.facts.get("noise") or theirs.facts.get("noise") or {}
    measure = Measure(noise, tolerance, stored_precision(found))
    both = made_comparable(ours.tensors, found, config)
    rows = [
        compare_one(name, both.ours.get(name), both.readings.get(name), measure)
        for name in sorted(ours.tensors.keys() | found.keys(), key=place_of)
        if (name == IDS or find(name)) and not (name not in both.ours and name in ours.tensors)
    ]
    if ours.facts.get("mode") == MODE:  # gradients: computed from the logits backwards
        rows = [row for row in rows if row.name == IDS] + [
            row for row in reversed(rows) if row.name != IDS
        ]
        first = first_of(rows)
        why = "" if first is None else suspects_of(first.name)
        return Report(rows, first, [], why, notes(ours, theirs, rows, renamed, measure))
    scene = Scene(both.ours, params, config)
    rows = with_asides(rows, scene)
    first = first_of(rows)
    said = [*both.notes, *notes(ours, theirs, rows, renamed, measure)]
    if first is None or first.name == IDS:
        ids_note = both.notes[:1] if first is not None else []
        return Report(rows, first, ids_note, "", said)
    return explained(rows, first, scene, both, picture, said)


def first_of(rows: list[Row]) -> Row | None:
    """Choose the first difference: other words only count if nothing else differs."""
    differing = [row for row in rows if row.status in (DIFF, SHAPE)]
    ranked = [
        [row for row in differing if row.name != IDS and not row.is_aside],
        [row for row in differing if row.name == IDS],
        differing,
    ]
    return next((rank[0] for rank in ranked if rank), None)


def explained(
    rows: list[Row], first: Row, scene: Scene, both: Both,
    picture: Image.Image | None, said: list[str],
) -> Report:  # fmt: skip
    """Find out what makes the first difference."""
    status = {row.name: row.status for row in rows}
    reading = both.readings[first.name]

    def agrees(name: str) -> bool:
        return status.get(name) == OK

    gap = unseen(first.name, scene, agrees)
    lacking = [name for name in gap if name != first.name]
    others = pixel_mistakes(scene, reading, gap, picture)
    found = causes(targets_of(first, rows, both, gap), gap, scene, others)
    suspects = "" if found else usual_suspects(first.name)
    if not found and first.name == "pixels" and first.apart is not None:
        found = colours_fitted(scene.ours[first.name], reading, first.allowed)
    if not found and first.allowed is not None and first.apart is not None:
        memory = scene.ours.get("memory")
        image = None if memory is None else memory.shape[1]
        ours = reading.of_ours(scene.ours[first.name])
        found = evidence(first.name, ours, reading.theirs, first.allowed.largest, image=image)
    if not found and first.status == SHAPE:
        words = in_rows(scene.ours[IDS]).shape[1] if IDS in scene.ours else None
        found = shapes(first.name, scene.ours[first.name], reading.theirs, words)
    return Report(rows, first, found, suspects, said, lacking)


def targets_of(
    first: Row, rows: list[Row], both: Both, gap: Mapping[str, set[str]]
) -> list[Target]:
    """List the first difference, and the others of its layer, for mistakes that touch several."""
    layer = first.name.rpartition(".")[0]
    found = []
    for row in [first, *(row for row in rows if row.status == DIFF and row is not first)]:
        is_near = row is first or (layer and row.name.rpartition(".")[0] == layer)
        if is_near and row.name in both.readings:
            allowed = row.allowed or estimated(both.readings[row.name].theirs)
            found.append(Target(row.name, both.readings[row.name], allowed))
    return found


def estimated(theirs: Array) -> Distance:
    """Estimate how far apart tensors may be, where the shapes of two programs differ."""
    open_places = np.abs(theirs[np.isfinite(theirs) & (theirs > BLOCKED)])
    size = float(open_places.max(initial=0))
    return Distance(2e-5 * size, 4e-6 * size)


def pixel_mistakes(
    scene: Scene, reading: Reading, gap: Mapping[str, set[str]], picture: Image.Image | None
) -> Iterator[Candidate]:
    """List the mistakes of preparation, where pixels are what differs or were not written."""
    if "pixels" not in gap or "pixels" not in scene.ours:
        return
    ours = scene.ours["pixels"]
    for sentence, array in of_pixels(ours, reading.theirs, picture):
        yield Candidate(sentence, {"pixels": lambda at, a=array: a})


def colours_fitted(ours: Array, reading: Reading, allowed: Distance | None) -> list[str]:
    """Fit a factor and an offset for each colour, if that is all."""
    theirs = reading.theirs
    if ours.shape != theirs.shape or allowed is None:
        return []
    sentence, array = fitted(ours, theirs)
    left = distance(array, theirs)
    size = max(1.0, float(np.abs(theirs).max()) / max(float(np.abs(ours).max()), 1e-30))
    if left.largest > 4 * allowed.largest * size:
        return []
    return [f"Theirs equals ours {sentence}; what is left is {left.largest:.1e}."]


def shapes(name: str, ours: Array, theirs: Array, words: int | None) -> list[str]:
    """Say what the shapes alone show."""
    if ours.size == theirs.size:
        if ours.ndim == theirs.ndim == 4 and np.array_equal(
            np.sort(ours.ravel()), np.sort(theirs.ravel())
        ):
            return ["Theirs holds the same numbers in another order."]
        return [
            f"Both hold {ours.size} numbers: theirs is reshaped or its axes are in another order."
        ]
    if not name.endswith("logits") or theirs.ndim < 2:
        return []
    extra = theirs.shape[-1] - ours.shape[-1]
    if extra <= 0:
        return []
    reading = read_as_ours(name, ours, theirs[..., : ours.shape[-1]], words=words)
    if reading.of_ours(ours).shape != reading.theirs.shape:
        return []
    close = distance(reading.theirs, reading.of_ours(ours)).largest
    is_ours = close < 1e-4 * float(np.abs(ours).max())
    same = "the others are equal to ours" if is_ours else "the others differ too"
    return [
        f"The vocabulary of theirs is padded: it has {extra} more scores than the "
        f"{ours.shape[-1]} words; {same}."
    ]


def place_of(name: str) -> tuple[int, ...]:
    """Sort the words that are read before everything that is computed."""
    return (-1,) if name == IDS else order(name)


# ---------------------------------------------------------------- one tensor


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
    open_places = np.abs(a[np.isfinite(a) & (a > BLOCKED)])
    if open_places.size == 0:
        return Distance(0, 0)
    size, typical = float(open_places.max()), float(open_places.mean(dtype=np.float64))
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


def nothing_in_common(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> str:
    """Say that no name of one run is in the other, with names that look alike."""
    if not ours or not theirs:
        return "one of the files holds no tensors; make a trace with `numpygit trace`"
    strange = next((name for name in (*theirs, *ours) if not find(name)), next(iter(theirs)))
    near = nearest_name(strange, list(ours)) or ";"
    return (
        f"the two files have no tensor in common; {strange!r} is in one only{near} "
        "`numpygit trace --table` lists the names, and --map FILE tells ours from theirs"
    )


def notes(
    ours: Run, theirs: Run, rows: list[Row], renamed: Mapping[str, str], measure: Measure
) -> list[str]:
    """Say what else is to be known before the rows are believed."""
    found = []
    other = [f"{theirs_} is {mine}" for theirs_, mine in renamed.items() if theirs_ != mine]
    if other:
        found.append(f"{len(other)} names of theirs were read as ours, such as {other[0]}")
    unknown = [n for n in theirs.tensors if n not in renamed]
    unknown += [n for n in ours.tensors if n != IDS and not find(n)]
    if unknown:
        near = nearest_name(unknown[0], [row.name for row in rows])
        found.append(f"names not in the table: {len(unknown)}, such as {unknown[0]!r}{near}")
    read = [row for row in rows if row.how]
    if read:
        found.append(
            f"{len(read)} tensors of theirs were read from another layout: "
            f"{read[0].name} {read[0].how}" + (", ..." if len(read) > 1 else "")
        )
    if measure.stored:
        found.append(
            f"theirs is stored in {measure.stored}: half a step of that counts as no difference"
        )
    found += asides(rows)
    if "noise" not in ours.facts and "noise" not in theirs.facts:
        found.append("no noise was measured for either file: the bounds are estimates")
    double = theirs.facts.get("float64", [])
    if double:
        found.append(f"theirs holds float64, from {min(double, key=place_of)} on")
    modes = {run.facts.get("mode", "uncached") for run in (ours, theirs)}
    if len(modes) > 1:
        if MODE in modes:
            found.append("one file holds tensors and one gradients: they cannot agree")
        else:
            found.append("one run is with a cache and one without: few names are in both")
    return found


def asides(rows: list[Row]) -> list[str]:
    """Name the tensors that differ alone."""
    names = [row.name for row in rows if row.is_aside]
    if not names:
        return []
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return [
        f"{names[0]}{more} differs, but what is computed from it agrees: it was written down at "
        "another point, or the difference does not matter"
    ]


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
        measure = Measure(self.theirs.facts.get("noise", {}))
        is_first = self.first is None
        array = self.theirs.tensors.get(name)
        reading = None if array is None else read_as_ours(name, value, array, words=None)
        self.rows.append(compare_one(name, value, reading, measure))
        if is_first and self.first is not None and self.then is not None:
            self.then(self.first)

    @property
    def first(self) -> Row | None:
        """The first tensor that differs."""
        return next((row for row in self.rows if row.status in (DIFF, SHAPE)), None)
