"""Measured importance, part by part: hide a part of the picture, and see what each word loses.
And the quick guess at the same: gradient times input.

The mathematics is `inside/explain/importance.py`; here it is one event for each few parts, so
that a person sees it grow and can stop it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from ...huggingface.loss import IGNORED
from ...inside.explain.importance import AT_ONCE, around, chances, cuts, hide
from ...inside.explain.traced_run import Run
from ...learning.backward.model import loss_and_gradients
from ...model import vision
from ...model.params import Array
from ..protocol import Event, Request
from . import words
from .takes import Captioner


def measure(
    captioner: Captioner, frames: Sequence[Image.Image], pixels: Array, request: Request
) -> Iterator[Event]:
    """Say the words, then hide each part in turn: `progress` events with the drops so far."""
    prompt = captioner.processor.prompt(request.subject.question or None)
    cache = captioner.model.prefill(pixels, interpolate_pos_encoding=captioner.processor.original)
    *_, end = words.events(captioner, cache, request)
    token_ids: list[int] = end["ids"]
    run = Run(captioner, list(frames), pixels, prompt[0].tolist(), token_ids, True, {})
    rows, columns = (cuts(side) for side in run.grid)
    boxes = [(*down, *across) for down in around(rows) for across in around(columns)]
    whole = chances(run, pixels)[0]  # (words,)
    for start in range(0, len(boxes), AT_ONCE):
        hidden = np.concatenate([hide(run, box) for box in boxes[start : start + AT_ONCE]])
        drops = whole - chances(run, hidden)  # (boxes, words)
        yield {
            "event": "progress",
            "done": min(start + AT_ONCE, len(boxes)),
            "all": len(boxes),
            "rows": rows,
            "columns": columns,
            "first": start,
            "drops": drops.round(5).tolist(),
        }


def gradients(captioner: Captioner, pixels: Array, request: Request) -> Iterator[Event]:
    """Say the words, then go backwards from each: `gradient` events, frames x patches in a row.

    A patch's share is the gradient of the word's log-probability times the patch, summed over its
    pixels: what the word would lose if the patch faded to the mean colour, were all of it linear.
    Source: Shrikumar et al., arXiv 1605.01713.
    """
    prompt = captioner.processor.prompt(request.subject.question or None)
    cache = captioner.model.prefill(pixels, interpolate_pos_encoding=captioner.processor.original)
    *_, end = words.events(captioner, cache, request)
    ids = np.concatenate([prompt, [end["ids"]]], axis=1)  # (1, T)
    config, params = captioner.model.config, captioner.model.params
    patch = config.vision_config.patch_size
    frames = pixels.reshape(-1, *pixels.shape[-3:])  # (frames, C, H, W)
    patches = vision.cut_patches(frames, patch=patch)
    for number in range(len(end["ids"])):
        labels = np.full_like(ids, IGNORED)
        labels[:, prompt.shape[1] + number] = end["ids"][number]
        found: dict[str, Array] = {}
        loss_and_gradients(params, config, pixels, ids, labels, trace=found.__setitem__)
        shares = -(found["vision.patches"] * patches).sum(axis=-1)  # (frames, P)
        done = number + 1
        yield {
            "event": "gradient",
            "done": done,
            "all": len(end["ids"]),
            "index": number,
            "frames": len(frames),
            "values": shares.ravel().round(6).tolist(),
        }
