"""Tensors that other programs keep in another layout, read as what they are.

`read_as_ours` brings one to our shape where that can be done without guessing at numbers: axes of
one, other orders of axes, heads not split, patches as a grid, masks that say what to keep, words
without the picture. What was done is said, and the comparison goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple

import numpy as np

from ....model.params import Array
from ...record import BLOCKED, distance

Slices = tuple[slice, ...]
WHOLE: Slices = ()
MOST_FRAMES = 32


class Reading(NamedTuple):
    """Their tensor in our layout, the part of ours that it is to be held against, what was done."""

    theirs: Array
    part: Slices  # of ours; () for all
    how: str  # "" if nothing was done

    def of_ours(self, ours: Array) -> Array:
        """Take the part of a tensor of ours that theirs is."""
        return ours[self.part] if self.part else ours


def read_as_ours(name: str, ours: Array, theirs: Array, *, words: int | None) -> Reading:
    """Bring a tensor to our layout; where it cannot be, it comes back as it is.

    `words` is the number of words that were read: some programs keep those alone.
    """
    last = name.rpartition(".")[2]
    if last == "mask":
        return read_mask(ours, theirs)
    if last == "scores" and theirs.shape == ours.shape:
        return Reading(with_weak_masks(ours, theirs), WHOLE, "")
    if theirs.shape == ours.shape:
        return Reading(theirs, WHOLE, "")
    fitting = list(layouts(ours.shape, theirs, parts_of(name, ours, words)))
    if not fitting:
        return Reading(theirs, WHOLE, "")
    return min(fitting, key=lambda one: distance(one.of_ours(ours), one.theirs).mean)


def parts_of(name: str, ours: Array, words: int | None) -> list[tuple[Slices, str]]:
    """List the parts of ours that another program may keep alone."""
    found: list[tuple[Slices, str]] = [(WHOLE, "")]
    is_text = name.startswith(("text.", "logits"))
    if is_text and words is not None and ours.ndim >= 3 and ours.shape[-2] > words:
        rows = (Ellipsis, slice(-words, None), slice(None))
        found.append((rows, "for the words alone"))  # type: ignore[arg-type]
    if name.startswith("vision.") and 1 < len(ours) <= MOST_FRAMES:
        found += [((slice(i, i + 1),), f"for frame {i} alone") for i in range(len(ours))]
    if name == "logits":
        last = (Ellipsis, slice(-1, None), slice(None))
        found.append((last, "for the last word alone"))  # type: ignore[arg-type]
    return found


def layouts(
    shape: tuple[int, ...], theirs: Array, parts: list[tuple[Slices, str]]
) -> Iterator[Reading]:
    """List the ways to read a tensor that give the shape of ours, or of a part of ours."""
    for part, kept in parts:
        wanted = np.empty(shape, bool)[part].shape if part else shape
        for array, how in rearranged(wanted, theirs):
            if array.shape == wanted:
                yield Reading(array, part, ", ".join(filter(None, (how, kept))))


def rearranged(wanted: tuple[int, ...], theirs: Array) -> Iterator[tuple[Array, str]]:
    """Bring a tensor to a shape by moving axes, never by changing a number."""
    yield theirs, ""
    bare = theirs.reshape([size for size in theirs.shape if size != 1])
    bare_wanted = tuple(size for size in wanted if size != 1)
    if bare.shape == bare_wanted:
        yield bare.reshape(wanted), "with other axes of one"
    for axes in permutations(range(bare.ndim)):
        if axes != tuple(range(bare.ndim)):
            turned = bare.transpose(axes)
            if turned.shape == bare_wanted:
                yield turned.reshape(wanted), f"as {theirs.shape}, its axes in another order"
    yield from heads(wanted, theirs)
    yield from squares(wanted, theirs)


def heads(wanted: tuple[int, ...], theirs: Array) -> Iterator[tuple[Array, str]]:
    """Split heads that lie side by side in the width, or beside the batch."""
    if len(wanted) != 4:
        return
    B, N, T, A = wanted
    if theirs.ndim == 3 and theirs.shape[-1] == N * A:
        if theirs.shape[:2] == (B, T):
            yield theirs.reshape(B, T, N, A).transpose(0, 2, 1, 3), "with the heads side by side"
        if theirs.shape[:2] == (T, B):
            split = theirs.reshape(T, B, N, A).transpose(1, 2, 0, 3)
            yield split, "with tokens first and the heads side by side"
    if theirs.shape == (B * N, T, A):
        yield theirs.reshape(wanted), "with batch and heads in one axis"
    if B == 1 and theirs.shape == (T, N * A):
        yield theirs.reshape(T, N, A).transpose(1, 0, 2)[None], "with the heads side by side"


def squares(wanted: tuple[int, ...], theirs: Array) -> Iterator[tuple[Array, str]]:
    """Lay a grid of patches out as a row: the output of a convolution."""
    if len(wanted) != 3 or theirs.ndim != 4:
        return
    B, P, D = wanted
    if theirs.shape[:2] == (B, D) and theirs.shape[2] * theirs.shape[3] == P:
        yield theirs.reshape(B, D, P).swapaxes(1, 2), "as the grid (B, D, rows, columns)"
    if theirs.shape[0] == B and theirs.shape[3] == D and theirs.shape[1] * theirs.shape[2] == P:
        yield theirs.reshape(B, P, D), "as the grid (B, rows, columns, D)"


# ---------------------------------------------------------------- masks


def read_mask(ours: Array, theirs: Array) -> Reading:
    """Read any mask: bool, 1 and 0, 0 and a low number; -> 0 and -inf, in our shape."""
    blocks, how = meaning(ours, theirs)
    if blocks is None:
        return Reading(theirs, WHOLE, "")
    for shape_how, found in shaped(ours, blocks):
        mask = np.where(found, np.float32(-np.inf), np.float32(0))
        part: Slices = WHOLE
        if found.shape != ours.shape:
            part = (Ellipsis, slice(-found.shape[-2], None), slice(-found.shape[-1], None))  # type: ignore[assignment]
        return Reading(mask, part, ", ".join(filter(None, (how, shape_how))))
    return Reading(theirs, WHOLE, "")


def meaning(ours: Array, theirs: Array) -> tuple[Array | None, str]:
    """Tell which positions a mask blocks, and how it says so; None if it is no such mask."""
    values = np.unique(theirs[~np.isnan(theirs)] if theirs.dtype.kind == "f" else theirs)
    if values.size == 0 or values.size > 2:
        return None, ""
    if theirs.dtype.kind == "b" or set(values.tolist()) <= {0, 1}:
        keeps = theirs.astype(bool)
        if theirs.dtype.kind == "f" and not (values == 1).any():
            return ~keeps & False, ""  # nothing but zeros: added, it blocks nothing
        share = (ours < BLOCKED).mean()
        if abs((~keeps).mean() - share) <= abs(keeps.mean() - share):
            return ~keeps, "as a mask that says what to keep"
        return keeps, "as a mask that says what to block"
    if values.max() == 0 and values.min() < -30:
        low = values.min()
        how = "" if low < BLOCKED else f"with {low:.6g} for blocked positions"
        return theirs < -30, how
    return None, ""


def shaped(ours: Array, blocks: Array) -> Iterator[tuple[str, Array]]:
    """Give a mask the axes of ours: (B, 1, T, S)."""
    T, S = ours.shape[-2:]
    if blocks.ndim >= 2 and blocks.shape[-2:] == (T, S):
        lead = blocks.reshape(-1, T, S)
        if len(lead) in (1, len(ours)):
            how = "" if blocks.ndim == ours.ndim else f"of shape {blocks.shape}"
            yield how, np.broadcast_to(lead[:, None], ours.shape)
        else:  # one mask for each head
            first = lead.reshape(len(ours), -1, T, S)
            if (first == first[:, :1]).all():
                yield "once for each head", first[:, :1]
    elif blocks.ndim >= 2 and 1 < blocks.shape[-1] == blocks.shape[-2] < S:
        words = blocks.reshape(-1, *blocks.shape[-2:])
        if len(words) in (1, len(ours)):
            shape = (len(ours), 1, *words.shape[-2:])
            yield "for the words alone", np.broadcast_to(words[:, None], shape)


def with_weak_masks(ours: Array, theirs: Array) -> Array:
    """Count scores as blocked that a mask such as -100 has made too low to matter.

    exp(-80) of the highest is nothing in float32.
    """
    is_blocked = ours < BLOCKED
    if not is_blocked.any() or theirs.dtype.kind != "f":
        return theirs
    with np.errstate(invalid="ignore"):
        highest = np.where(is_blocked, -np.inf, theirs).max(axis=-1, keepdims=True)
        low = is_blocked & (theirs < highest - 80)
    return np.where(low, np.float32(-np.inf), theirs)
