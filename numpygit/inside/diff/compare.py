"""Compare two runs tensor by tensor, and say where the first difference is and what makes it.

    report = compare(read("ours.safetensors"), read("theirs.safetensors"))
    report.first                                    # the row of the first tensor that differs

`rows.py` says what counts as equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ...errors import UserError
from ...model.config import Config
from ...model.params import Array, Git
from ...trace import find
from ..backward import MODE, suspects_of
from ..record import BLOCKED, IDS, Distance, Run, distance, nearest_name
from .evidence import evidence, usual_suspects
from .mistakes.pictures import fitted, of_pixels
from .rounding import UNITS
from .rows import DIFF, OK, SHAPE, Measure, Row, compare_one, order_of, with_asides
from .scene import Scene
from .search import causes, unseen
from .theirs.comparable import Both, made_comparable, split_fused, stored_precision
from .theirs.foreign_names import translate, without_rivals
from .theirs.layouts import Reading, read_as_ours
from .theirs.words import in_rows
from .trying import Candidate, Progress, Target


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


def compare(
    ours: Run,
    theirs: Run,
    *,
    params: Git | None = None,
    config: Config | None = None,
    names: Mapping[str, str] | None = None,
    tolerance: float | None = None,
    picture: Image.Image | None = None,
    progress: Progress | None = None,
) -> Report:
    """Compare all tensors of two runs.

    With the parameters of ours, causes can be tried out; with the picture, other ways to resize it.
    `names` maps names of theirs to ours. `tolerance` is how far apart tensors may be, relative to
    their size, for ports that compute in half precision or less by design. `progress` is told how
    many known mistakes were tried, of how many.
    """
    renamed = translate(theirs.tensors, given=names)
    found = in_our_names(theirs.tensors, renamed)
    if not found.keys() & ours.tensors.keys():
        raise UserError(nothing_in_common(ours.tensors, theirs.tensors))
    noise = ours.facts.get("noise") or theirs.facts.get("noise") or {}
    measure = Measure(noise, tolerance, stored_precision(found))
    both = made_comparable(ours.tensors, found, config)
    rows = all_rows(ours.tensors, found, both, measure)
    if ours.facts.get("mode") == MODE:
        return of_gradients(rows, notes(ours, theirs, rows, renamed, measure))
    scene = Scene(both.ours, params, config)
    rows = with_asides(rows, scene)
    first = first_of(rows)
    remarks = [*both.notes, *notes(ours, theirs, rows, renamed, measure)]
    if first is None or first.name == IDS:
        ids_note = both.notes[:1] if first is not None else []
        return Report(rows, first, ids_note, "", remarks)
    return explained(rows, first, scene, both, picture, remarks, progress)


def in_our_names(theirs: Mapping[str, Array], renamed: Mapping[str, str]) -> dict[str, Array]:
    """Give their tensors our names; those that have none are left out."""
    best = without_rivals(dict(renamed))
    found = split_fused({best[name]: array for name, array in theirs.items() if name in best})
    return {name: array for name, array in found.items() if name == IDS or find(name)}


def all_rows(
    ours: Mapping[str, Array], found: Mapping[str, Array], both: Both, measure: Measure
) -> list[Row]:
    """Compare all tensors that either has, in the order of computation."""
    names = [name for name in ours.keys() | found.keys() if name == IDS or find(name)]
    left_out = ours.keys() - both.ours.keys()  # of words that the two programs do not share
    return [
        compare_one(name, both.ours.get(name), both.readings.get(name), measure)
        for name in sorted(names, key=order_of)
        if name not in left_out
    ]


def of_gradients(rows: list[Row], remarks: list[str]) -> Report:
    """Report on gradients: they are computed from the logits backwards."""
    ids = [row for row in rows if row.name == IDS]
    rows = ids + [row for row in reversed(rows) if row.name != IDS]
    first = first_of(rows)
    return Report(rows, first, [], "" if first is None else suspects_of(first.name), remarks)


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
    picture: Image.Image | None, remarks: list[str], progress: Progress | None,
) -> Report:  # fmt: skip
    """Find out what makes the first difference."""
    status = {row.name: row.status for row in rows}
    reading = both.readings[first.name]

    def agrees(name: str) -> bool:
        return status.get(name) == OK

    gap = unseen(first.name, scene, agrees)
    lacking = [name for name in gap if name != first.name]
    others = pixel_mistakes(scene, reading, gap, picture)
    found = causes(targets_of(first, rows, both), gap, scene, others, progress)
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
    return Report(rows, first, found, suspects, remarks, lacking)


def targets_of(first: Row, rows: list[Row], both: Both) -> list[Target]:
    """List the first difference, and the others of its layer, for mistakes that touch several."""
    layer = first.name.rpartition(".")[0]
    stored = stored_precision({name: reading.theirs for name, reading in both.readings.items()})
    unit = UNITS.get(stored, 0.0)
    found = []
    for row in [first, *(row for row in rows if row.status == DIFF and row is not first)]:
        is_near = row is first or (layer and row.name.rpartition(".")[0] == layer)
        if is_near and row.name in both.readings:
            allowed = row.allowed or estimated(both.readings[row.name].theirs)
            found.append(Target(row.name, both.readings[row.name], allowed, unit))
    return found


def estimated(theirs: Array) -> Distance:
    """Estimate how far apart tensors may be, where the shapes of two programs differ."""
    unblocked = np.abs(theirs[np.isfinite(theirs) & (theirs > BLOCKED)])
    size = float(unblocked.max(initial=0))
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
        found.append(f"theirs holds float64, from {min(double, key=order_of)} on")
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
