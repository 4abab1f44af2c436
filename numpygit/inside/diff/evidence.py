"""For differences that no known mistake explains: what they look like, and what is usually wrong.

`evidence` describes the numbers: where they differ, and what is regular about it.
`usual_suspects` says which mistakes to look for first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...model.params import Array
from ...trace import find
from ..record import BLOCKED
from .rounding import stored_in


def evidence(
    name: str, ours: Array, theirs: Array, allowed: float, *, image: int | None
) -> list[str]:
    """Describe how two tensors of one shape differ; `image` tokens stand before the words."""
    found = [*not_finite(ours, theirs), *one_blocked(ours, theirs, image)]
    unblocked = np.isfinite(ours) & np.isfinite(theirs) & (ours > BLOCKED) & (theirs > BLOCKED)
    a, b = np.where(unblocked, ours, 0), np.where(unblocked, theirs, 0)
    apart = np.abs(a - b) > allowed
    if not apart.any():
        return found
    for look in (precision, zeroed, clipped, one_factor, one_vector, own_scale):
        found += look(a, b, allowed)
    letters = letters_of(name, apart.ndim)
    moved = list(moved_along(a, b, allowed, letters))
    found += moved or reordered(a, b, allowed)
    found += factors_along(a, b, allowed, letters)
    found += where_apart(name, apart, letters, image)
    return found


def not_finite(ours: Array, theirs: Array) -> Iterator[str]:
    """Count NaN and infinities that only they have."""
    nan = int((np.isnan(theirs) & ~np.isnan(ours)).sum())
    if nan:
        yield f"Theirs has {nan} numbers that are NaN."
    if theirs.size and nan == 0 and np.all(theirs == 0):
        yield "Theirs is nothing but zeros."


def one_blocked(ours: Array, theirs: Array, image: int | None) -> Iterator[str]:
    """Count positions that one of the two masks alone blocks, and say who may not look at whom."""
    for one, other, who in ((ours, theirs, "ours"), (theirs, ours, "theirs")):
        alone: Array = (one < BLOCKED) & ~(other < BLOCKED)
        if not alone.any():
            continue
        sentence = f"{int(alone.sum())} of {ours.size} positions are blocked in {who} alone"
        if alone.ndim < 2:
            yield f"{sentence}."
            continue
        pairs: Array = np.any(alone.reshape(-1, *alone.shape[-2:]), axis=0)  # (T, S)
        rows = tokens_in_words(np.flatnonzero(pairs.any(axis=1)), image)
        columns = tokens_in_words(np.flatnonzero(pairs.any(axis=0)), image)
        yield f"{sentence}: {rows} looking at {columns}."


def tokens_in_words(positions: Array, image: int | None) -> str:
    """Name tokens of a sequence: the class token, patches, words; `image` tokens stand first."""
    if image is None:
        return f"tokens {ranges(positions)}"
    kinds = (
        ("the class token", positions[positions == 0]),
        ("image tokens", positions[(positions > 0) & (positions < image)]),
        ("words", positions[positions >= image] - image),
    )
    named = [
        name if name == "the class token" else f"{name} {ranges(found)}"
        for name, found in kinds
        if found.size
    ]
    return " and ".join(named)


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
    sentence = f"{share:.0%} of theirs is 0 where ours is not, and the rest is ours"
    if abs(factor - 1) < 1e-3:
        yield f"{sentence}."
        return
    chance = 4 * np.sqrt(share * (1 - share) / a.size)
    as_dropout = abs((1 - 1 / factor) - share) <= chance + 1e-6
    tail = ", as dropout would leave it." if as_dropout and factor > 1 else "."
    yield f"{sentence} times {factor:.4g}{tail}"


def one_factor(a: Array, b: Array, allowed: float) -> Iterator[str]:
    """See whether theirs is ours times one number."""
    factor = float((a * b).sum() / (a * a).sum()) if a.any() else 0.0
    if factor and abs(factor - 1) > 1e-3 and np.abs(b - factor * a).max() <= allowed * abs(factor):
        yield f"Theirs is ours times {factor:.6g} everywhere."


def one_vector(a: Array, b: Array, allowed: float) -> Iterator[str]:
    """See whether the same vector is added to every token, or to every one that differs."""
    if a.ndim != 3:
        return
    apart = b - a
    some = (np.abs(apart) > allowed).any(axis=(0, 2))  # (T,)
    if some.sum() * a.shape[0] < 2:
        return
    vector = apart[:, some].mean(axis=(0, 1), keepdims=True)
    if np.abs(apart[:, some] - vector).max() <= 2 * allowed < np.abs(vector).max():
        which = "every token" if some.all() else f"the {int(some.sum())} tokens that differ"
        yield f"Theirs is ours plus the same vector for {which}, as a bias would be."


def own_scale(a: Array, b: Array, allowed: float) -> Iterator[str]:
    """See whether each number of the width has a factor and an offset of its own."""
    if a.ndim != 3 or a.shape[0] * a.shape[1] < 8:
        return
    x, y = (each.reshape(-1, each.shape[-1]).astype(np.float64) for each in (a, b))
    rest = x - x.mean(axis=0)
    size = (rest * rest).sum(axis=0)
    slope = (rest * (y - y.mean(axis=0))).sum(axis=0) / np.where(size == 0, 1, size)
    left = np.abs(y - y.mean(axis=0) - slope * rest).max()
    if left <= 2 * allowed * max(1.0, float(np.abs(slope).max())) and np.ptp(slope) > 1e-3:
        yield (
            "Theirs is ours with another scale and shift for each number of the width, as a "
            "normalisation with other parameters, or untrained ones, would give."
        )


def clipped(a: Array, b: Array, allowed: float) -> Iterator[str]:
    """See whether theirs is ours, kept between two numbers."""
    low, high = float(b.min()), float(b.max())
    if high > low and np.abs(np.clip(a, low, high) - b).max() <= allowed:
        yield f"Theirs is ours clipped to between {low:.4g} and {high:.4g}."


def reordered(a: Array, b: Array, allowed: float) -> Iterator[str]:
    """See whether theirs holds the same numbers."""
    if np.abs(np.sort(a, axis=None) - np.sort(b, axis=None)).max() <= allowed:
        yield "Theirs holds the same numbers in another order."


NAMES = {
    "B": "B (pictures)", "C": "C (colours)", "H": "H (rows of pixels)", "W": "W (columns)",
    "P": "P (patches)", "M": "M (image tokens)", "T": "T (tokens)", "S": "S (keys)",
    "D": "D (the width)", "N": "N (heads)", "A": "A (the width of a head)", "F": "F (hidden)",
    "V": "V (the vocabulary)",
}  # fmt: skip


def letters_of(name: str, axes: int) -> list[str]:
    """Name the axes of a tensor by letters; none where they do not fit, as a clip's pixels."""
    location = find(name)
    if location is None:
        return []
    letters = [part.strip() for part in location.row.shape.strip("()").split(",") if part.strip()]
    return letters if len(letters) == axes else []


def along(letter: str) -> str:
    """Name an axis in words."""
    return f"Along {NAMES.get(letter, letter)}"


def moved_along(a: Array, b: Array, allowed: float, letters: list[str]) -> Iterator[str]:
    """See whether theirs is ours with the positions of one axis in another order."""
    for axis, letter in enumerate(letters):
        order = order_along(a, b, axis)
        if order is None or np.abs(np.take(a, order, axis=axis) - b).max() > allowed:
            continue
        yield f"{along(letter)}, theirs is ours {in_words(order)}."


def order_along(a: Array, b: Array, axis: int) -> Array | None:
    """Find which position of ours each of theirs may be: by a sum with fixed random factors."""
    n = a.shape[axis]
    if n < 2:
        return None
    ours, theirs = (np.moveaxis(x, axis, 0).reshape(n, -1).astype(np.float64) for x in (a, b))
    factors = np.random.default_rng(0).standard_normal(ours.shape[1])
    order = np.empty(n, np.int64)
    order[np.argsort(theirs @ factors, kind="stable")] = np.argsort(ours @ factors, kind="stable")
    return None if np.array_equal(order, np.arange(n)) else order


def in_words(order: Array) -> str:
    """Say an order of positions in words."""
    n = len(order)
    if np.array_equal(order, np.arange(n)[::-1]):
        return "in reverse"
    if np.array_equal(order, np.roll(np.arange(n), -int(order[0]))):
        by = int(order[0])
        return f"rolled by {by if by <= n - by else by - n}"
    shown = ", ".join(str(i) for i in order[:8])
    return f"in the order {shown}{', ...' if n > 8 else ''}"


def factors_along(a: Array, b: Array, allowed: float, letters: list[str]) -> Iterator[str]:
    """See whether theirs is ours times a number for each position of one axis."""
    for axis, letter in enumerate(letters):
        others = tuple(i for i in range(a.ndim) if i != axis)
        if a.shape[axis] < 2 or a.size == a.shape[axis]:
            continue
        size = (a * a).sum(axis=others, keepdims=True)
        factor = (a * b).sum(axis=others, keepdims=True) / np.where(size == 0, 1, size)
        low, high = float(factor.min()), float(factor.max())
        if high - low > 1e-3 and np.abs(b - factor * a).max() <= allowed * max(1.0, abs(high)):
            yield f"{along(letter)}, each position has its own factor: {low:.4g} to {high:.4g}."


def where_apart(name: str, apart: Array, letters: list[str], image: int | None) -> Iterator[str]:
    """Say along which axes only some positions differ."""
    for axis, letter in enumerate(letters):
        others = tuple(i for i in range(apart.ndim) if i != axis)
        differing = np.flatnonzero(apart.any(axis=others))
        size = apart.shape[axis]
        if 0 < len(differing) < size:
            text = (
                f"{along(letter)}, {len(differing)} of {size} positions differ: {ranges(differing)}"
            )
            location = find(name)
            is_text = location is not None and location.row.name.startswith(("text.", "logits"))
            if is_text and letter in "TS" and image is not None and size > image:
                text += image_or_words(differing, image)
            yield text + "."


def image_or_words(differing: Array, image: int) -> str:
    """Say whether positions in the text decoder's sequence are those of the picture or of words."""
    if differing.min() >= image:
        return ", words only"
    return ", image tokens only" if differing.max() < image else ""


def ranges(positions: Array) -> str:
    """Write whole numbers in a short way: 0 to 4, 7, 9 to 11."""
    runs = np.split(positions, np.flatnonzero(np.diff(positions) > 1) + 1)
    words = [f"{run[0]}" if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return ", ".join(words[:4]) + (", ..." if len(words) > 4 else "")


# ---------------------------------------------------------------- what is usually wrong

LINEAR = "weight transposed, bias missing, the parameters of another layer, half precision"
NORM = "epsilon, scale and shift missing, variance divided by D - 1, the wrong normalisation"
SUSPECTS = {
    "pixels": "mean and std, resize (bicubic, in 8 bits), crop, red and blue, 0..1 or 0..255",
    "vision.patches": "order of the patches (row by row), order inside a patch (C, H, W)",
    "vision.patch_tokens": "order of the patches, kernel read as (H, W, C), a bias (it has none)",
    "vision.embedded": "class token not in front, positions missing or one too late",
    "vision.x": NORM + ", left out (CLIP has it, plain ViT has not)",
    "vision.image_tokens": NORM + ", used for the class token alone as in CLIP",
    "clip_tokens": "times of frames missing or in another order, frames woven together",
    "memory": NORM + " (the vision encoder's, 1e-5, and not the text decoder's 1e-12)",
    "word_vectors": "other token ids, the embedding scaled, the head's rows",
    "place_vectors": "image tokens counted, counted from 1, padding counted",
    "words": NORM + ", positions not added",
    "text.x": "words before the image tokens, class token of the picture dropped",
    "text.mask": "off by one, image tokens looking at words, padding, queries and keys exchanged",
    "logits": "head tied to the word embedding, bias missing, a last normalisation (there is none)",
    "word": "suppressed words, another search",
    "scores": "scale (1/sqrt(A), of one head), mask, q and k exchanged",
    "weights": "axis of the softmax (the last), mask after the softmax, dropout left on",
    "mixed": "weights transposed, keys for values, dropout left on",
    "joined": "heads joined without the transpose before",
    "activated": "kind of gelu (picture: quick_gelu; text: exact gelu, not the tanh one), float64",
    "attention_input": NORM + ", layers in another order",
    "mlp_input": NORM,
    "after_attention": "residual missing or taken from the wrong place, pre-norm and post-norm "
    "exchanged (picture: pre, text: post), " + NORM,
    "q": LINEAR + ", cut into heads wrongly, q and k exchanged",
}
SUSPECTS |= {"x": SUSPECTS["after_attention"], "k": SUSPECTS["q"], "v": SUSPECTS["q"]}


def usual_suspects(name: str) -> str:
    """Say what is usually wrong where a tensor is computed."""
    location = find(name)
    if location is None:
        return LINEAR
    last = location.row.name.rpartition(".")[2]
    return SUSPECTS.get(location.row.name, SUSPECTS.get(last, LINEAR))
