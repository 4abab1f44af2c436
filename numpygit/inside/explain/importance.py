"""Measured importance: hide a region of the picture, and see how much less likely a word becomes.

Attention says where the model looked; this says what would change if something were not there.
Source: Zeiler and Fergus, arXiv 1311.2901, section 4.2 (occlusion).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...model.params import Array
from ...model.text import decode_step
from .pack import exact
from .traced_run import Run, log_softmax

REGIONS = 8  # at most, along each side
AT_ONCE = 4


def measured(run: Run) -> dict[str, Any]:
    """Hide each region and those around it: -> the drop of each word's log-probability.

    A single region is often too small to matter, when the rest of a thing stays in sight.
    """
    rows, columns = (cuts(side) for side in run.grid)
    boxes = [(*down, *across) for down in around(rows) for across in around(columns)]
    whole = chances(run, run.pixels)[0]  # (words,)
    drops = []
    for start in range(0, len(boxes), AT_ONCE):
        hidden = [hide(run, box) for box in boxes[start : start + AT_ONCE]]
        drops.extend(whole - chances(run, np.concatenate(hidden)))
    table = np.array(drops, np.float32)  # (regions, words)
    return {
        "rows": rows,
        "columns": columns,
        "drops": exact(table.T),
        "agreement": [agreement(run, number, table[:, number], boxes)
                      for number in range(len(run.said))],
    }  # fmt: skip


def cuts(side: int) -> list[int]:
    """Cut a side of the grid into at most REGIONS parts, equal ones if it can be."""
    parts = max(part for part in range(1, REGIONS + 1) if side % part == 0)
    if parts < min(side, REGIONS / 2):
        parts = min(side, REGIONS)
    return [round(side * i / parts) for i in range(parts + 1)]


def around(edges: list[int]) -> list[tuple[int, int]]:
    """Widen every part of a side by its neighbours: edges -> from where to where."""
    last = len(edges) - 1
    return [(edges[max(0, i - 1)], edges[min(last, i + 2)]) for i in range(last)]


def hide(run: Run, box: tuple[int, int, int, int]) -> Array:
    """Paint a region of every frame with the mean colour of all pixels; patches as measure."""
    top, bottom, left, right = (
        edge * run.captioner.model.config.vision_config.patch_size for edge in box
    )
    pixels = run.pixels.copy()
    colours = [axis for axis in range(pixels.ndim) if axis != pixels.ndim - 3]
    mean = pixels.mean(axis=tuple(colours), keepdims=True)
    pixels[..., top:bottom, left:right] = mean
    return pixels


def chances(run: Run, pixels: Array) -> Array:
    """Score the words that were said, for each of several pictures: -> (B, words)."""
    model = run.captioner.model
    seen = model.see(pixels, interpolate_pos_encoding=run.captioner.processor.original)
    ids = np.array([run.prompt + run.said[:-1]] * len(pixels), np.int64)
    logits, _ = decode_step(ids, seen, model.params.text, config=model.config)
    logits = logits[:, len(run.prompt) - 1 :]
    logits[:, :, run.captioner.processor.words.unused()] = -np.inf
    found = log_softmax(logits)
    places = np.array(run.said)[None, :, None]
    return np.take_along_axis(found, places, axis=2)[:, :, 0]


def agreement(
    run: Run, number: int, drops: Array, boxes: list[tuple[int, int, int, int]]
) -> float | None:
    """Correlate attention, the mean of all layers and heads, with importance: -1 to 1."""
    names = [f"word.{number}.text.{layer}.weights" for layer in range(run.layers)]
    weights = np.mean([run.tensors[name][0, :, -1, : run.memory] for name in names], axis=(0, 1))
    rows, columns = run.grid
    maps = weights.reshape(-1, rows * columns + 1)[:, 1:].sum(axis=0).reshape(rows, columns)
    looked = np.array([maps[t:b, x:y].sum() for t, b, x, y in boxes])
    if looked.std() == 0 or drops.std() == 0:
        return None
    return float(np.corrcoef(looked, drops)[0, 1])
