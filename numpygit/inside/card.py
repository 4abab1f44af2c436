"""One tensor as lines of text: its name, meaning, shape, numbers and picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..model.layers import softmax
from ..model.params import Array
from ..trace import find
from .character_pictures import sketch
from .debug import count_odd
from .record import BLOCKED
from .source_line import Traced

# ---------------------------------------------------------------- what is shown


def card(one: Traced, count: int, side: tuple[int, int]) -> list[str]:
    """Describe a tensor in some lines of at most 80 columns."""
    location = find(one.name)
    value = one.value
    shape = f"{value.dtype} {value.shape}"
    lines = [f"[{count}] {one.name}"]
    if location is not None:
        shape = f"{location.row.shape} = {value.shape} {value.dtype}"
        if value.ndim != location.row.shape.count(",") + (not location.row.shape.endswith(",)")):
            shape = f"{value.shape} {value.dtype}"  # a clip's pixels have one axis more
        lines += [f"    {location.row.meaning}", f"    {shape}"]
    else:
        lines.append(f"    {shape}")
    lines.append(f"    {one.file}:{one.line}  {one.source}"[:80])
    lines.append(f"    {in_numbers(value)}")
    picture = sketch(one.name, value, side)
    return lines + ["    " + line for line in picture]


def in_numbers(value: Array) -> str:
    """Say the range, the mean, the standard deviation, and what is not finite."""
    finite = value[np.isfinite(value) & (value > BLOCKED)] if value.dtype.kind == "f" else value
    odd = count_odd(value)
    if finite.size == 0:
        return odd or "empty"
    low, high = finite.min(), finite.max()
    mean, std = finite.mean(dtype=np.float64), finite.std(dtype=np.float64)
    text = f"{low:.4g} to {high:.4g}, mean {mean:.4g}, std {std:.4g}"
    return f"{text}, {odd}" if odd else text


def likeliest(logits: Array, words: Sequence[str]) -> list[str]:
    """List the likeliest next words after the last one, with their probabilities."""
    last = logits[0, -1].astype(np.float64)
    if not np.isfinite(last).all():
        return []
    probability = softmax(last)
    best = np.argsort(-probability)[:5]
    lines = ["    what may come after the last word"]
    for i in best:
        lines.append(
            f"      {words[i]:14} {probability[i]:6.1%} {'#' * round(40 * probability[i])}".rstrip()
        )
    return lines
