"""Gradient times input: the quick guess at what a measurement would find, patch by patch.

The way back from a word says how its log-probability changes when a patch fades a little towards
the mean colour. Hiding a patch is no small change, so this is a guess, and the page shows it beside
the measurement. Source: Shrikumar et al., arXiv 1605.01713.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...learning.backward.layers import Tape
from ...learning.backward.model import forward
from ...learning.backward.text import forward_backward, project_backward
from ...learning.backward.vision import image_tokens_backward
from ...model.params import Array
from ...model.text import word_positions
from .importance import Box, correlation
from .pack import exact
from .traced_run import Run

MOST_NUMBERS = 250_000_000  # of attention weights that the way back keeps: 1 GB


def gradient_maps(run: Run, drops: Array, boxes: list[Box]) -> dict[str, Any] | None:
    """Gradient times input of each word, and how it correlates with the measured drops.

    drops (words, boxes). None where nobody has written the way back (relative positions, pictures
    of another size than the model's), and where there is too much to keep.
    """
    if not is_possible(run):
        return None
    maps = faded(run)  # (words, frames * P)
    rows, columns = run.grid
    squares = maps.reshape(len(maps), -1, rows, columns).sum(axis=1)  # (words, rows, columns)
    sums = [[one[t:b, x:y].sum() for t, b, x, y in boxes] for one in squares]
    pairs = zip(drops, np.array(sums), strict=True)
    return {"values": exact(maps), "agreement": [correlation(*pair) for pair in pairs]}


def is_possible(run: Run) -> bool:
    """Tell whether there is a way back for this model and picture, in memory that is there."""
    config = run.captioner.model.config
    vision = config.vision_config
    sizes = {run.pixels.shape[-2], run.pixels.shape[-1]}
    if config.position_embedding_type != "absolute" or sizes != {vision.image_size}:
        return False
    S, frame = run.memory + len(run.prompt) + len(run.token_ids), run.grid[0] * run.grid[1] + 1
    kept = config.num_hidden_layers * config.num_attention_heads * S * S
    frames = run.memory // frame
    kept += vision.num_hidden_layers * vision.num_attention_heads * frames * frame * frame
    return kept <= MOST_NUMBERS


def faded(run: Run) -> Array:
    """What each word would lose if a patch faded to the mean colour, were all of it linear.

    -> (words, frames * P): the gradient of the word's log-probability times the patch, summed over
    its pixels. Forwards once, then backwards once a word.
    """
    model = run.captioner.model
    ids = np.array([run.prompt + run.token_ids[:-1]], np.int64)
    logits, tape = forward(model.params, model.config, run.pixels, ids, np.ones_like(ids))
    logits[:, :, run.captioner.processor.vocabulary.unused()] = -np.inf  # as the choice does
    maps = []
    for number, word in enumerate(run.token_ids):
        at = run.memory + len(run.prompt) - 1 + number  # the token after which the word came
        dlogits = np.zeros_like(logits)
        dlogits[:, at] = of_log_probability(logits[:, at], word)
        dpatches = patches_backward(run, dlogits, ids, tape)
        maps.append((dpatches * tape["vision.patches"]).sum(axis=-1).reshape(-1))
    return np.stack(maps)


def of_log_probability(logits: Array, word: int) -> Array:
    """The gradient of a word's log-probability by its logits: (1, V) -> (1, V).

    It is 1 - p for the word, and -p for the others. Where p is nearly 1, float32 has no digits left
    for 1 - p: so it is the sum of the others, in float64.
    """
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    others = powers / powers.sum(axis=-1, keepdims=True)
    others[:, word] = 0
    gradient = -others
    gradient[:, word] = others.sum(axis=-1)
    return gradient.astype(np.float32)


def patches_backward(run: Run, dlogits: Array, ids: Array, tape: Tape) -> Array:
    """Go back from the logits (1, S, V) to the patches: -> (frames, P, C * patch * patch)."""
    config, params = run.captioner.model.config, run.captioner.model.params
    found: dict[str, Array] = {}
    positions = word_positions(np.ones_like(ids))
    dmemory, _ = forward_backward(dlogits, ids, positions, params.text, config=config, tape=tape)
    vision = config.vision_config
    dtokens, _, _ = project_backward(dmemory, params.text, eps=vision.layer_norm_eps, tape=tape)
    image_tokens_backward(dtokens, params.vision, config=vision, tape=tape, trace=found.__setitem__)
    return found["vision.patches"]
