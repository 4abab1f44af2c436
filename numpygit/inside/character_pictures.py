"""Tensors as small pictures of characters, where a picture says more than a range of numbers.

`sketch(name, value, side)` gives lines, or none where no picture helps. `side` says how many rows
and columns of patches a picture has. Of several pictures, and of a clip, the first is drawn.
"""

from __future__ import annotations

import numpy as np

from ..model.params import Array
from ..trace import find
from .record import BLOCKED

SHADES = " .:-=+*#%@"
MOST_ROWS, MOST_COLUMNS = 16, 72


def sketch(name: str, value: Array, side: tuple[int, int]) -> list[str]:
    """Draw what helps: attention over the picture, lengths of tokens, the mask, brightness."""
    location = find(name)
    if location is None or value.ndim < 3:
        return []
    last = location.row.name.rpartition(".")[2]
    if last == "pixels":
        brightness = value.reshape(-1, *value.shape[-3:])[0].mean(axis=0)
        return titled("how bright the picture is", shrink(brightness))
    if last == "weights":
        return of_weights(name, value, side)
    if last == "mask":
        return of_mask(value)
    if last == "patches":
        return titled("the middle of each patch", grid(value[0].mean(axis=-1), side))
    if value.ndim == 3 and last in LENGTHS:
        return of_tokens(value, side)
    return []


LENGTHS = (
    *("patch_tokens", "embedded", "x", "attention_input", "attended", "after_attention"),
    *("mlp_input", "thought", "image_tokens", "projected", "memory", "clip_tokens", "joined"),
)


def of_weights(name: str, value: Array, side: tuple[int, int]) -> list[str]:
    """Draw where one token looks in the picture: the class token, or the last word."""
    rows, columns = side
    P = rows * columns
    shares = value[0].mean(axis=0)  # (T, S), the mean of the heads
    is_vision = name.startswith("vision.")
    looked = shares[0] if is_vision else shares[-1]
    if len(looked) < P + 1 or (name.startswith("image.") and not is_vision):
        return []
    who = "the class token" if is_vision else "the last word"
    heads = value.shape[1]
    on_picture = looked[1 : P + 1]
    title = f"where {who} looks, mean of {heads} heads, {on_picture.sum():.0%} here"
    return titled(title, grid(on_picture, side), low=0)


def of_tokens(value: Array, side: tuple[int, int]) -> list[str]:
    """Draw the length of each patch's vector."""
    P = side[0] * side[1]
    tokens = value[0]
    if len(tokens) < P:
        return []
    squares = tokens[:P] if len(tokens) == P else tokens[1 : P + 1]
    return titled("the length of each patch's vector", grid(norms(squares), side))


def norms(tokens: Array) -> Array:
    """Measure vectors: (P, D) -> (P,)."""
    return np.sqrt((tokens * tokens).sum(axis=-1))


def of_mask(value: Array) -> list[str]:
    """Draw who may look at whom; many alike tokens become a few."""
    blocked = value[0, 0] < BLOCKED
    T, S = blocked.shape
    rows = np.unique(np.linspace(0, T - 1, min(T, MOST_ROWS)).astype(int))
    if T > MOST_ROWS:  # the last are words, and they matter
        words = np.arange(T - MOST_ROWS + 2, T)
        rows = np.unique(np.concatenate([[0, T // 2], words]))
    columns = np.arange(S)[-min(S, MOST_COLUMNS - 6) :]
    lines = [f"who may look at whom: # yes, . no; columns {columns[0]} to {S - 1} of {S}"]
    for row in rows:
        lines.append(f"{row:5} " + "".join(".#"[int(not b)] for b in blocked[row, columns]))
    return lines


def grid(values: Array, side: tuple[int, int]) -> Array:
    """Lay numbers of patches out as the patches lie."""
    return values.reshape(side)


def shrink(picture: Array) -> Array:
    """Make a picture small enough for a terminal by taking means of patches."""
    step = -(-max(picture.shape[0], picture.shape[1] // 2) // (2 * MOST_ROWS - 8))
    rows, columns = picture.shape[0] // step, picture.shape[1] // step
    whole = picture[: rows * step, : columns * step]
    return whole.reshape(rows, step, columns, step).mean(axis=(1, 3))


def titled(title: str, values: Array, *, low: float | None = None) -> list[str]:
    """Draw numbers as shades, two characters each, under a line that names the range."""
    values = np.nan_to_num(np.asarray(values, np.float64))
    lowest = float(values.min()) if low is None else low
    highest = float(values.max())
    spread = highest - lowest or 1.0
    shades = ((values - lowest) / spread * (len(SHADES) - 1)).round().astype(int)
    wide = 2 if values.shape[1] * 2 <= MOST_COLUMNS else 1
    lines = ["  |" + "".join(SHADES[max(s, 0)] * wide for s in row) + "|" for row in shades]
    return [f"{title} ({lowest:.3g} to {highest:.3g})", *lines]
