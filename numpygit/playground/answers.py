"""Messages -> events: what the playground does, the same for the server and for the browser.

    playground = Playground(numpygit.load("storybook"))
    for event in playground.handle({"version": 1, "op": "caption", "picture": {...}}):
        ...

An event is made when it is asked for, and nothing is computed in advance: whoever stops iterating
stops the work.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from ..errors import UserError
from ..inside.explain import explain
from ..model.params import Array
from ..storybook import EXAMPLES
from ..trace import TABLE
from .answering import code, measuring, words
from .answering.pictures import draw, frames_of, png, world
from .answering.takes import Captioner
from .answering.variants import variant
from .protocol import VERSION, Event, Request, parse

PREVIEW = 512  # longest side of a picture that is sent back


class Playground:
    """A captioner that answers messages of the page; see `protocol.py`.

    `editable`: take other code for functions of the model. Only inside a browser, where whoever
    writes the code runs it.
    """

    def __init__(self, captioner: Captioner, *, editable: bool = False) -> None:
        self.captioner = captioner
        self.editable = editable
        self.edits = code.Edits()

    def handle(self, message: Any) -> Iterator[Event]:
        """Answer one message with events; the last one is `error` where it cannot be done."""
        try:
            yield from self.answer(parse(message))
        except UserError as error:
            yield {"event": "error", "text": str(error)}
        except Exception as error:
            if not self.edits.active:
                raise
            yield {"event": "error", "text": code.mistake(error), "in_edit": True}

    def answer(self, request: Request) -> Iterator[Event]:
        """Do what a checked message asks for."""
        if request.op == "hello":
            yield self.ready()
        elif request.op == "backdrop":
            empty = replace(request.scene, stickers=())
            yield {"event": "backdrop", "png": png(draw(empty, request.size))}
        elif request.op == "source":
            yield self.edits.source(request.name)
        elif request.op in ("edit", "reset"):
            yield self.edit(request)
        elif request.op == "caption":
            yield from self.caption(request)
        else:
            yield from self.look_closer(request)

    def ready(self) -> Event:
        """Say what the page must know before anything is asked."""
        config = self.captioner.model.config
        patch = config.vision_config.patch_size
        return {
            "event": "ready",
            "version": VERSION,
            "model": self.captioner.name.rsplit("/", 1)[-1],
            "layers": config.num_hidden_layers,
            "heads": config.num_attention_heads,
            "side": config.vision_config.image_size // patch,
            "image_size": config.vision_config.image_size,
            "clips": config.num_image_with_embedding or 0,
            "vocabulary": config.vocab_size,
            "editable": self.editable,
            "examples": sorted(path.name for path in EXAMPLES.iterdir()),
            "functions": code.names(),
            "tensors": [
                {"name": row.name, "shape": row.shape, "meaning": row.meaning, "in": row.function}
                for row in TABLE
            ],
            **world(),
        }

    def edit(self, request: Request) -> Event:
        """Put another text in the place of a function, or all the original ones back."""
        if not self.editable:
            raise UserError(
                "code is edited in the browser version only (numpygit play --static): a server "
                "runs nothing that a page sends"
            )
        if request.op == "reset":
            return self.edits.reset()
        return self.edits.edit(request.name, request.source)

    def caption(self, request: Request) -> Iterator[Event]:
        """Look, and say word after word."""
        began = time.perf_counter()
        frames = frames_of(request.subject)
        yield {"event": "picture", "frames": [png(small(frame)) for frame in frames[:6]]}
        captioner = self.variant(request)
        cache = captioner.prefill(as_subject(captioner, frames))
        looked = time.perf_counter() - began
        for event in words.events(captioner, cache, request):
            if event["event"] == "end":
                event |= {"look": looked, "seconds": time.perf_counter() - began}
            yield event

    def look_closer(self, request: Request) -> Iterator[Event]:
        """Measure what mattered, show one tensor, or make the page of explain."""
        captioner, frames = self.variant(request), frames_of(request.subject)
        pixels = captioner.pixels(as_subject(captioner, frames))
        if request.op == "measure":
            yield from measuring.measure(captioner, frames, pixels, request)
        elif request.op == "gradient":
            yield from measuring.gradients(captioner, pixels, request)
        elif request.op == "tensor":
            yield words.tensor(captioner, pixels, request)
        else:
            question = request.subject.question or None
            page = explain(captioner, as_subject(captioner, frames), question, measure=False)
            yield {"event": "page", "html": page.html}

    def variant(self, request: Request) -> Captioner:
        """Make the captioner that the settings ask for; edited code runs without `fast/`."""
        captioner = variant(self.captioner, request.settings)
        if self.edits.active and not captioner.model.plain:
            captioner = variant(captioner, request.settings, plain=True)
        return captioner


def as_subject(
    captioner: Captioner, frames: Sequence[Image.Image]
) -> Image.Image | list[Image.Image]:
    """Choose frames as `caption` does for a file: evenly spaced; one if it takes no clips."""
    if len(frames) == 1:
        return frames[0]
    most = captioner.model.config.num_image_with_embedding or 1
    chosen = [frames[i] for i in spaced(min(most, len(frames)), len(frames))]
    return chosen if len(chosen) > 1 else chosen[0]


def spaced(count: int, total: int) -> Array:
    """Spread so many indices from the first to the last."""
    return np.arange(count) * (total - 1) // max(count - 1, 1)


def small(frame: Image.Image) -> Image.Image:
    """Make a picture small enough to be sent back."""
    copy = frame.copy()
    copy.thumbnail((PREVIEW, PREVIEW))
    return copy
