"""Trying a mistake out: computing what it gives, and holding that against theirs.

A candidate is a sentence and the operations that it puts in place of the right ones. What follows
from them is computed again, up to the tensors that both programs have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from ...model.params import Array
from ..record import BLOCKED, Distance, distance
from .operations import tensors_of
from .scene import Operation, Scene, Tensors
from .theirs.layouts import Reading, rearranged

Progress = Callable[[int, int], None]  # is told how many were tried, of how many
SIZE = 2.0**-19  # of the largest number: what a mistake that makes numbers large may leave
NEARLY = 0.998  # of the difference explained, when no mistake fits exactly
ROUNDED = 0.9  # the same for half precision, whose last bits depend on the order of sums


class Candidate(NamedTuple):
    """A sentence, and the operations that it puts in place of the right ones."""

    sentence: str
    changed: dict[str, Operation]
    must_fit: bool = False  # whether nearly is not enough


class Fit(NamedTuple):
    """A candidate that gives theirs, and what it leaves."""

    candidate: Candidate
    left: Distance
    seen: int  # how many tensors of theirs it explains
    explained: float  # 1 for all of the difference


class Target(NamedTuple):
    """A tensor of theirs that a candidate must give."""

    name: str
    reading: Reading
    allowed: Distance
    unit: float = 0.0  # half a step of the precision that theirs is stored in, relative
    part: slice = slice(None)  # of the tokens, axis -2: the others agree


def following(changed: Iterable[str], sources: Mapping[str, set[str]]) -> frozenset[str]:
    """List the tensors that have to be computed again where some are changed."""
    reached = set(changed)
    for name, needed in sources.items():
        if needed & reached:
            reached.add(name)
    return frozenset(reached)


def try_out(
    candidate: Candidate,
    targets: list[Target],
    sources: Mapping[str, set[str]],
    scene: Scene,
) -> Fit | None:
    """Compute the first target with a mistake; hold it, and others that it changes, to theirs."""
    anew = following(set(candidate.changed), sources)
    tensors = tensors_of(scene, candidate.changed, anew)
    first = targets[0]
    measured = measure(tensors, first)
    if measured is None:
        return None
    left, explained, is_exact = measured
    is_rounded = any(name in candidate.sentence for name in ("float16", "TF32"))
    if not is_exact and (candidate.must_fit or explained < (ROUNDED if is_rounded else NEARLY)):
        return None
    seen = 1
    for other in targets[1:]:
        if is_exact and other.name in candidate.changed:
            again = measure(tensors, other)
            if again is None or not (again[2] or (is_rounded and again[1] >= ROUNDED)):
                return None
            seen += 1
    return Fit(candidate, left, seen, 1.0 if is_exact else explained)


def measure(tensors: Tensors, target: Target) -> tuple[Distance, float, bool] | None:
    """Compute a tensor with a mistake: what is left, the share explained, whether it fits."""
    try:
        with np.errstate(all="ignore"):
            value = tensors[target.name]
    except (KeyError, ValueError, IndexError, RecursionError):
        return None
    value, theirs = side_by_side(value, target, tensors.scene)
    ours, _ = side_by_side(tensors.scene.ours[target.name], target, tensors.scene)
    if value.shape != theirs.shape:
        return None
    if target.part != slice(None):
        value, ours, theirs = (x[..., target.part, :] for x in (value, ours, theirs))
    left = distance(value, theirs, unit=target.unit)
    bound = bound_for(ours, theirs, target.allowed)
    is_exact = left.largest <= bound.largest and left.mean <= bound.mean
    return left, explained_by(ours, value, theirs), is_exact


def side_by_side(value: Array, target: Target, scene: Scene) -> tuple[Array, Array]:
    """Bring a value of ours and theirs to one shape, if that can be."""
    theirs = target.reading.theirs
    if value.shape == scene.ours[target.name].shape:
        value = target.reading.of_ours(value)
    if value.shape != theirs.shape:
        fitting = [array for array, _ in rearranged(value.shape, theirs)]
        theirs = next((array for array in fitting if array.shape == value.shape), theirs)
    return value, theirs


class Part(NamedTuple):
    """Some of the tokens: their name and their positions."""

    name: str
    positions: slice


def differing_part(target: Target, scene: Scene) -> Part | None:
    """Find the part of the tokens that alone differs, the smallest that has a name."""
    ours, theirs = side_by_side(scene.ours[target.name], target, scene)
    if ours.shape != theirs.shape or ours.ndim < 3 or ours.dtype.kind != "f":
        return None
    apart = np.abs(np.where(ours > BLOCKED, ours, 0) - np.where(theirs > BLOCKED, theirs, 0))
    others = tuple(axis for axis in range(ours.ndim) if axis != ours.ndim - 2)
    differing = np.flatnonzero((apart > target.allowed.largest).any(axis=others))
    T, memory = ours.shape[-2], scene.ours.get("memory")
    M = T if memory is None else memory.shape[1]
    parts = [Part("the first token (the class token)", slice(0, 1))]
    if "text." in target.name and M < T:
        parts += [Part("the words", slice(M, T)), Part("the image tokens", slice(0, M))]
    parts += [Part("all but the first token (the patches)", slice(1, T))]
    for part in parts:
        start, stop, _ = part.positions.indices(T)
        if differing.size and start <= differing.min() and differing.max() < stop:
            return part
    return None


def bound_for(ours: Array, theirs: Array, allowed: Distance) -> Distance:
    """Say what a fitting mistake may leave: more where it makes the numbers larger."""
    a, b = (np.abs(x[np.isfinite(x) & (x > BLOCKED)]) for x in (ours, theirs))
    if not a.size or not b.size:
        return allowed
    larger = max(1.0, float(b.max()) / max(float(a.max()), 1e-30))
    more = max(1.0, float(b.mean(dtype=np.float64)) / max(float(a.mean(dtype=np.float64)), 1e-30))
    return Distance(
        max(allowed.largest * larger, SIZE * float(b.max())),
        max(allowed.mean * more, SIZE / 4 * float(b.mean(dtype=np.float64))),
    )


def explained_by(ours: Array, value: Array, theirs: Array) -> float:
    """Say which share of the difference a mistake explains, or of ours, if that is less."""
    unblocked = np.isfinite(value) & np.isfinite(theirs) & (theirs > BLOCKED) & (value > BLOCKED)
    if ours.shape == theirs.shape:
        unblocked &= np.isfinite(ours) & (ours > BLOCKED)
    blocked_alike = (value > BLOCKED) == (theirs > BLOCKED)
    if not unblocked.any() or not blocked_alike.all():
        return 0.0
    left = square(value[unblocked] - theirs[unblocked])
    size = square(theirs[unblocked] - theirs[unblocked].mean(dtype=np.float64))
    if ours.shape == theirs.shape:
        size = min(size, square(ours[unblocked] - theirs[unblocked]))
    return 1 - left / size if size > 0 else 0.0


def square(x: Array) -> float:
    """Take the mean square."""
    return float((np.asarray(x, np.float64) ** 2).mean())
