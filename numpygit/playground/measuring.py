"""Measured importance, part by part: hide a part of the picture, and see what each word loses.

The mathematics is `inside/explain/importance.py`; here it is one event for each few parts, so
that a person sees it grow and can stop it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from ..inside.explain.importance import AT_ONCE, around, chances, cuts, hide
from ..inside.explain.traced_run import Run
from ..model.params import Array
from . import words
from .protocol import Event, Request
from .takes import Captioner


def measure(
    captioner: Captioner, frames: Sequence[Image.Image], pixels: Array, request: Request
) -> Iterator[Event]:
    """Say the words, then hide each part in turn: `progress` events with the drops so far."""
    prompt = captioner.processor.prompt(request.subject.question or None)
    cache = captioner.model.see(pixels, interpolate_pos_encoding=captioner.processor.original)
    *_, end = words.say(captioner, cache, request)
    said: list[int] = end["ids"]
    run = Run(captioner, list(frames), pixels, prompt[0].tolist(), said, True, {})
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
