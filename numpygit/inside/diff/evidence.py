"""What a difference of two tensors looks like: where it is, and what is regular about it.

`evidence` describes the numbers. For differences that no mistake
of `mistakes` explains.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...model.params import Array
from ...trace import find
from ..record import BLOCKED
from .mistakes.rounding import stored_in


def evidence(
    name: str, ours: Array, theirs: Array, allowed: float, *, image: int | None
) -> list[str]:
    """Describe how two tensors of one shape differ; `image` tokens stand before the words."""
    found = [*not_finite(ours, theirs), *one_blocked(ours, theirs)]
    open_places = np.isfinite(ours) & np.isfinite(theirs) & (ours > BLOCKED) & (theirs > BLOCKED)
    a, b = np.where(open_places, ours, 0), np.where(open_places, theirs, 0)
    apart = np.abs(a - b) > allowed
    if not apart.any():
        return found
    for look in (precision, zeroed, one_factor, one_vector, reordered):
        found += look(a, b, allowed)
    found += where_apart(name, apart, image)
    return found


def not_finite(ours: Array, theirs: Array) -> Iterator[str]:
    """Count NaN and infinities that only they have."""
    nan = int((np.isnan(theirs) & ~np.isnan(ours)).sum())
    if nan:
        yield f"Theirs has {nan} numbers that are NaN."
    if theirs.size and nan == 0 and np.all(theirs == 0):
        yield "Theirs is nothing but zeros."


def one_blocked(ours: Array, theirs: Array) -> Iterator[str]:
    """Count places that one of the two masks alone blocks."""
    for one, other, who in ((ours, theirs, "ours"), (theirs, ours, "theirs")):
        alone = int(((one < BLOCKED) & ~(other < BLOCKED)).sum())
        if alone:
            yield f"{alone} of {ours.size} places are blocked in {who} alone."


def precision(a: Array, b: Array, allowed: float) -> Iterator[str]:
    """Tell numbers that were rounded to half precision; whole numbers tell nothing."""
    kind = stored_in(b)
    if kind and stored_in(a) != kind:
        yield f"Every number of theirs is a {kind}: it was stored, or computed, in half precision."


def zeroed(a: Array, b: Array, allowed: float) -> Iterator[str]:
    """Tell zeros, and whether the others grew by what dropout makes them grow by."""
    lost = (b == 0) & (a != 0)
    if not lost.any() or lost.all() or not (~lost).any():
        return
    kept_a, kept_b = a[~lost], b[~lost]
    factor = float((kept_a * kept_b).sum() / max(float((kept_a * kept_a).sum()), 1e-30))
    if np.abs(kept_b - factor * kept_a).max() > allowed * max(abs(factor), 1):
        return
    share = float(lost.mean())
    said = f"{share:.0%} of theirs is 0 where ours is not, and the rest is ours"
    if abs(factor - 1) < 1e-3:
        yield f"{said}."
        return
    chance = 4 * np.sqrt(share * (1 - share) / a.size)
    as_dropout = abs((1 - 1 / factor) - share) <= chance + 1e-6
    tail = ", as dropout would leave it." if as_dropout and factor > 1 else "."
    yield f"{said} times {factor:.4g}{tail}"


def one_factor(a: Array, b: Array, allowed: float) -> Iterator[str]:
    """See whether theirs is ours times one number."""
    factor = float((a * b).sum() / (a * a).sum()) if a.any() else 0.0
    if factor and abs(factor - 1) > 1e-3 and np.abs(b - factor * a).max() <= allowed * abs(factor):
        yield f"Theirs is ours times {factor:.6g} everywhere."


def one_vector(a: Array, b: Array, allowed: float) -> Iterator[str]:
    """See whether the same vector is added to every token."""
    if a.ndim != 3 or a.shape[0] * a.shape[1] < 2:
        return
    apart = b - a
    vector = apart.mean(axis=(0, 1), keepdims=True)
    if np.abs(apart - vector).max() <= 2 * allowed < np.abs(vector).max():
        yield "Theirs is ours plus the same vector for every token, as a bias would be."


def reordered(a: Array, b: Array, allowed: float) -> Iterator[str]:
    """See whether the same numbers or the same tokens stand in another order."""
    same_numbers = np.abs(np.sort(a, axis=None) - np.sort(b, axis=None)).max() <= allowed
    if not same_numbers:
        return
    yield "Theirs holds the same numbers in another order."
    if a.ndim == 3 and a.shape[0] > 1 and np.abs(a[::-1] - b).max() <= allowed:
        yield "The rows of the batch are in reverse."


def where_apart(name: str, apart: Array, image: int | None) -> Iterator[str]:
    """Say along which axes only some places differ."""
    location = find(name)
    if location is None:
        return
    letters = [part.strip() for part in location.row.shape.strip("()").split(",") if part.strip()]
    if len(letters) != apart.ndim:  # a clip's pixels
        return
    for axis, letter in enumerate(letters):
        others = tuple(i for i in range(apart.ndim) if i != axis)
        differing = np.flatnonzero(apart.any(axis=others))
        size = apart.shape[axis]
        if 0 < len(differing) < size:
            text = f"Along {letter}, {len(differing)} of {size} places differ: {ranges(differing)}"
            is_sequence = letter in "TS" and location.row.name.startswith(("text.", "logits"))
            if is_sequence and image is not None and size > image:
                text += image_or_words(differing, image)
            yield text + "."


def image_or_words(differing: Array, image: int) -> str:
    """Say whether places in the text tower's sequence are those of the picture or of words."""
    if differing.min() >= image:
        return ", words only"
    return ", image tokens only" if differing.max() < image else ""


def ranges(indices: Array) -> str:
    """Write whole numbers in a short way: 0 to 4, 7, 9 to 11."""
    runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    words = [f"{run[0]}" if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return ", ".join(words[:4]) + (", ..." if len(words) > 4 else "")
