"""Measured importance: hide a region of the picture, and see how much less likely a word becomes.

Attention says where the model looked; this says what would change if something were not there.
Source: Zeiler and Fergus, arXiv 1311.2901, section 4.2 (occlusion).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...decoding.logits import log_softmax
from ...model.layers import KeyValue
from ...model.params import Array
from ...model.text import Cache
from ...model.variants.choose import text_of
from .pack import exact
from .traced_run import Run

REGIONS = 8  # at most, along each side
SEARCHED = 4  # parts of each side, whose rectangles are all tried
AT_ONCE = 4
NOTHING = 0.01  # a drop below this is no drop
Progress = Callable[[int, int], None]  # pictures that have been looked at, of how many

Box = tuple[int, int, int, int]  # top, bottom, left, right, in patches


def no_progress(done: int, total: int) -> None:
    """Tell nobody."""


def measured(run: Run, progress: Progress = no_progress) -> dict[str, Any]:
    """Hide parts of the picture: -> the drop of each word's log-probability.

    Each region with those around it; every rectangle of a coarse grid, the whole picture among
    them; and the image tokens of each region alone, which no word may then look at. A single region
    is often too small to matter, when the rest of a thing stays in sight.
    """
    rows, columns = (cuts(side) for side in run.grid)
    boxes = regions(run)
    wide = [(*down, *across) for down in spans(run.grid[0]) for across in spans(run.grid[1])]
    whole = chances(run, run.pixels)[0]  # (words,)
    total = len(boxes) + len(wide)
    drops: list[Array] = []
    for start in range(0, total, AT_ONCE):
        hidden = [hide(run, box) for box in [*boxes, *wide][start : start + AT_ONCE]]
        drops.extend(whole - chances(run, np.concatenate(hidden)))
        progress(len(drops), total)
    table = np.array(drops, np.float32)  # (regions and rectangles, words)
    masked = np.array([whole - without_tokens(run, box) for box in boxes], np.float32)
    near, far = table[: len(boxes)], table[len(boxes) :]
    return {
        "rows": rows,
        "columns": columns,
        "drops": exact(near.T),
        "masked": exact(masked.T),
        "whole": exact(far[wide.index((0, run.grid[0], 0, run.grid[1]))]),
        "best": [best(far[:, number], wide, run.grid) for number in range(len(run.token_ids))],
        "agreement": [
            agreement(run, number, near[:, number], boxes) for number in range(len(run.token_ids))
        ],
    }


def regions(run: Run) -> list[Box]:
    """List the regions that are hidden in turn, each with those around it."""
    rows, columns = (around(cuts(side)) for side in run.grid)
    return [(*down, *across) for down in rows for across in columns]


def spans(side: int) -> list[tuple[int, int]]:
    """List all stretches of a side that end at quarters: (0, 2), (0, 4), ..."""
    edges = sorted({round(side * i / SEARCHED) for i in range(SEARCHED + 1)})
    return [(a, b) for i, a in enumerate(edges) for b in edges[i + 1 :]]


def best(drops: Array, boxes: list[Box], grid: tuple[int, int]) -> dict[str, Any] | None:
    """Find the smallest rectangle that costs at least half of what the costliest one costs."""
    most = float(drops.max())
    if most < NOTHING:
        return None

    def size(box: Box) -> int:
        return (box[1] - box[0]) * (box[3] - box[2])

    enough = [i for i, drop in enumerate(drops) if drop >= most / 2]
    found = min(enough, key=lambda i: (size(boxes[i]), -float(drops[i])))
    share = size(boxes[found]) / (grid[0] * grid[1])
    return {"box": list(boxes[found]), "drop": exact(drops[found]), "share": share}


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


def hide(run: Run, box: Box) -> Array:
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
    cache = look(run, pixels)
    return scored_words(run, cache)


def look(run: Run, pixels: Array) -> Cache:
    """Encode pictures for the text decoder."""
    model, stretch = run.captioner.model, run.captioner.processor.original
    return model.prefill(pixels, interpolate_pos_encoding=stretch)


def without_tokens(run: Run, box: Box) -> Array:
    """Score the words while they may not look at some image tokens: -> (words,).

    The tokens' keys and values are taken out of the text decoder; what other image tokens know of
    them stays.
    """
    rows, columns = run.grid
    kept = np.ones((rows, columns), bool)
    kept[box[0] : box[1], box[2] : box[3]] = False
    by_frame = np.concatenate([[True], kept.reshape(-1)])  # the class token stays
    keep = np.tile(by_frame, run.memory // len(by_frame))
    cache = look(run, run.pixels)
    image_kv = tuple(KeyValue(layer.k[:, :, keep], layer.v[:, :, keep]) for layer in cache.image_kv)
    return scored_words(run, cache._replace(image_kv=image_kv))[0]


def scored_words(run: Run, cache: Cache) -> Array:
    """Read the words that were said after pictures: -> log-probabilities (B, words)."""
    model = run.captioner.model
    pictures = len(cache.attention_mask)
    ids = np.array([run.prompt + run.token_ids[:-1]] * pictures, np.int64)
    logits, _ = text_of(model.config).decode_step(
        ids, cache, model.params.text, config=model.config
    )
    logits = logits[:, len(run.prompt) - 1 :]
    logits[:, :, run.captioner.processor.vocabulary.unused()] = -np.inf
    found = log_softmax(logits.astype(np.float64))
    chosen = np.array(run.token_ids)[None, :, None]
    return np.take_along_axis(found, chosen, axis=2)[:, :, 0]


def agreement(run: Run, number: int, drops: Array, boxes: list[Box]) -> float | None:
    """Correlate attention, the mean of all layers and heads, with importance: -1 to 1."""
    names = [f"word.{number}.text.{layer}.weights" for layer in range(run.layers)]
    weights = np.mean([run.tensors[name][0, :, -1, : run.memory] for name in names], axis=(0, 1))
    rows, columns = run.grid
    maps = weights.reshape(-1, rows * columns + 1)[:, 1:].sum(axis=0).reshape(rows, columns)
    return correlation(drops, np.array([maps[t:b, x:y].sum() for t, b, x, y in boxes]))


def correlation(drops: Array, guesses: Array) -> float | None:
    """Correlate what was measured of all regions with a guess at it: -1 to 1.

    None where nothing was measured: no region costs the word anything.
    """
    if np.abs(drops).max() < NOTHING or guesses.std() == 0 or drops.std() == 0:
        return None
    return float(np.corrcoef(guesses, drops)[0, 1])
