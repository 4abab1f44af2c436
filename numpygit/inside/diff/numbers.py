"""Mistakes with a number in them that may be any: a factor, an epsilon, a slope. It is fitted.

Where no known mistake gives theirs, one number is looked for that does: by how much something was
multiplied, which epsilon was used. Gauss-Newton steps: the difference of theirs and ours divided by
what a small change of the number does, again and again. What is said has then been computed with
that number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ...model.layers import layer_norm, softmax
from ...model.params import Array
from ..record import BLOCKED
from .mistakes.attention import ahead
from .mistakes.parts import sigmoid
from .operations import (
    OPERATIONS,
    Normalised,
    by_frame,
    class_and_patches,
    clip_tokens,
    operation_of,
    picture_positions,
    row_of,
    tensors_of,
)
from .scene import At, Operation, Scene
from .trying import Candidate, Target, following, side_by_side

STEPS = 25
ALIKE = 0.2  # the least cosine of a change and the difference that is worth going after
SETTLED = 1e-6  # of the number, or of 1


class Slot(NamedTuple):
    """A mistake with a number: a sentence with `{}`, the operation for a number, where to start."""

    sentence: str
    operation: Callable[[float], Operation]
    start: float  # 1 where the right operation is that of 1
    is_power: bool = False  # of ten


def slots(name: str, scene: Scene) -> Iterator[Slot]:
    """List the mistakes with a number that an operation may have."""
    row, at = row_of(name), At(tensors_of(scene), name)
    if row in ("pixels", "text.mask"):
        return
    yield Slot(
        "multiplied by {}", lambda c: lambda at: np.float32(c) * operation_of(at.name)(at), 1
    )
    operation = OPERATIONS.get(row)
    if isinstance(operation, Normalised):
        norm = operation
        yield Slot(
            "with epsilon {}",
            lambda c: lambda at: layer_norm(norm.x(at), norm.p(at), eps=10.0**c),
            -4,
            is_power=True,
        )
    if row in ADDED:
        yield Slot(*ADDED[row], 1)
    if ("{i}" in row or row == "logits") and at.last in LISTED:
        yield from LISTED[at.last](at)


ADDED: dict[str, tuple[str, Callable[[float], Operation]]] = {
    "vision.embedded": (
        "with the positions multiplied by {}",
        lambda c: lambda at: class_and_patches(at) + np.float32(c) * picture_positions(at),
    ),
    "clip_tokens": (
        "with the times of frames multiplied by {}",
        lambda c: (
            lambda at: (
                np.float32(c) * clip_tokens(at)
                + np.float32(1 - c) * by_frame(at).reshape(clip_tokens(at).shape)
            )
        ),
    ),
}


def of_residual(at: At) -> Iterator[Slot]:
    """The two parts of a sum."""
    new = "attended" if at.last == "after_attention" else "thought"

    def old(at: At) -> Array:
        return at.stream() if at.last == "after_attention" else at.near("after_attention")

    def summed(at: At, x: Array) -> Array:
        if at.tower == "vision":
            return x
        own = "attention_norm" if at.last == "after_attention" else "mlp_norm"
        return layer_norm(x, getattr(at.block(), own), eps=at.eps())

    yield Slot(
        "with the residual times {}",
        lambda c: lambda at: summed(at, np.float32(c) * old(at) + at.near(new)),
        1,
    )
    yield Slot(
        "with what is added times {}",
        lambda c: lambda at: summed(at, old(at) + np.float32(c) * at.near(new)),
        1,
    )


def of_slopes(at: At) -> Iterator[Slot]:
    """Activations that have a number."""
    yield Slot(
        "with x sigmoid({} x) as the activation: quick_gelu with another factor",
        lambda c: lambda at: at.near("hidden") * sigmoid(np.float32(c) * at.near("hidden")),
        1.5,
    )
    yield Slot(
        "with leaky relu of slope {} as the activation",
        lambda c: (
            lambda at: np.where(
                at.near("hidden") > 0, at.near("hidden"), np.float32(c) * at.near("hidden")
            )
        ),
        0.1,
    )
    yield Slot(
        "with elu of alpha {} as the activation",
        lambda c: (
            lambda at: np.where(
                at.near("hidden") > 0,
                at.near("hidden"),
                np.float32(c) * np.expm1(np.minimum(at.near("hidden"), 0)),
            )
        ),
        0.5,
    )


def of_caps(at: At) -> Iterator[Slot]:
    """Scores that are kept below a number."""

    def right(at: At) -> Array:
        return operation_of(at.name)(at)

    def open_only(x: Array, changed: Array) -> Array:
        return np.where(x > BLOCKED, changed, x)

    if at.last == "scores":
        yield Slot(
            "with {} times the distance of the tokens taken away",
            lambda c: lambda at: right(at) - np.float32(c) * np.abs(ahead(at)).astype(np.float32),
            0.05,
        )
    for start in (3.0, 30.0):
        yield Slot(
            "capped: {0} tanh(x / {0})",
            lambda c: lambda at: open_only(right(at), c * np.tanh(right(at) / np.float32(c))),
            start,
        )
        yield Slot(
            "clipped to between -{0} and {0}",
            lambda c: lambda at: open_only(right(at), np.clip(right(at), -abs(c), abs(c))),
            start,
        )


def of_temperature(at: At) -> Iterator[Slot]:
    """Weights of scores that were multiplied first."""
    yield Slot(
        "with the scores times {} before the softmax",
        lambda c: lambda at: softmax(np.float32(c) * at.near("scores")),
        1,
    )


LISTED: dict[str, Callable[[At], Iterator[Slot]]] = {
    "after_attention": of_residual, "x": of_residual, "activated": of_slopes, "scores": of_caps,
    "logits": of_caps, "weights": of_temperature,
}  # fmt: skip


# ---------------------------------------------------------------- fitting


def fitted(
    target: Target, gap: Mapping[str, set[str]], sources: Mapping[str, set[str]], scene: Scene
) -> Iterator[Candidate]:
    """Fit each number, in each tensor alone and in all of them at once."""
    everywhere: dict[str, dict[str, Slot]] = defaultdict(dict)
    for name in gap:
        try:
            for slot in slots(name, scene):
                everywhere[f"{slot.sentence} {slot.start}"][name] = slot
        except KeyError:  # the parameters are missing
            continue
    for named in everywhere.values():
        for some in [{n: s} for n, s in named.items()] + [named] * (len(named) > 1):
            made = fit(target, some, sources, scene)
            if made is not None:
                yield made


def fit(
    target: Target, named: Mapping[str, Slot], sources: Mapping[str, set[str]], scene: Scene
) -> Candidate | None:
    """Find the number that brings ours nearest to theirs; None if it leads nowhere."""
    slot = next(iter(named.values()))
    anew = following(named, sources)

    def value(c: float) -> tuple[Array, Array]:
        changed = {name: each.operation(c) for name, each in named.items()}
        with np.errstate(all="ignore"):
            made = tensors_of(scene, changed, anew)[target.name]
        made, theirs = side_by_side(made, target, scene)
        if made.shape != theirs.shape:
            raise ValueError("no shape in common")
        both = np.isfinite(made) & np.isfinite(theirs) & (made > BLOCKED) & (theirs > BLOCKED)
        return np.where(both, made, 0).astype(np.float64), np.where(both, theirs, 0)

    try:
        c = descend(value, float(slot.start), needs_likeness=slot.start == 1)
    except (KeyError, ValueError, IndexError, FloatingPointError):
        return None
    if c is None or (slot.start == 1 and abs(c - 1) < 1e-4):
        return None
    number = f"{10**c:.3g}" if slot.is_power else f"{c:.4g}"
    changed = {name: each.operation(c) for name, each in named.items()}
    return Candidate(slot.sentence.format(number), changed, must_fit=True)


def descend(
    value: Callable[[float], tuple[Array, Array]], start: float, *, needs_likeness: bool
) -> float | None:
    """Take Gauss-Newton steps, halved where they lead upwards."""
    c = start
    now, theirs = value(c)
    left = float(((theirs - now) ** 2).sum())
    for step in range(STEPS):
        small = 1e-3 * max(abs(c), 0.1)
        slope = (value(c + small)[0] - now) / small
        size = float((slope * slope).sum())
        if size == 0:
            return None
        along = float((slope * (theirs - now)).sum())
        if step == 0 and needs_likeness and along**2 < ALIKE**2 * size * left:
            return None
        move = float(np.clip(along / size, -2 * max(abs(c), 0.5), 2 * max(abs(c), 0.5)))
        for _ in range(6):
            there = value(c + move)[0]
            better = float(((theirs - there) ** 2).sum())
            if better <= left:
                break
            move /= 2
        else:
            return c
        c, now, left = c + move, there, better
        if abs(move) < SETTLED * max(abs(c), 1.0):
            break
    return c
