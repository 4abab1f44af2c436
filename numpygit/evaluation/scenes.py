"""Scenes of the bundled model's world that it has never seen, as a source to be scored on.

`storybook:3000` draws 3,000 scenes, a third of them clips; half of all hold a combination that
training never showed. Of each scene a caption and one question are asked, and the whole text must
be right. `storybook:3000:7` are the scenes of another seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import storybook
from ..data import Row
from ..errors import UserError

BEGINNING = "storybook:"
SPREAD = 20_241_122  # makes the seeds different from those of training


@dataclass(frozen=True)
class Drawing:
    """A scene that is drawn when it is read."""

    seed: int
    is_clip: bool
    is_held_out: bool

    def read(self) -> Any:
        """Draw it: -> a picture, or the frames of a clip."""
        return storybook.render(self.make()[0])

    def make(self) -> tuple[storybook.Scene, str, str, str]:
        """Make the scene up: -> scene, caption, question, answer."""
        rng = np.random.default_rng([self.seed, SPREAD])
        kind = "clip" if self.is_clip else None
        scene = storybook.sample(rng, kind, held_out=self.is_held_out)
        _, question, answer = storybook.questions(scene, rng)[0]  # in random order
        return scene, storybook.caption(scene), question, answer


def scenes(source: str) -> Iterator[Row]:
    """Read `storybook:3000` or `storybook:3000:7`: two rows a scene, a caption and a question."""
    numbers = source.removeprefix(BEGINNING).split(":")
    if not 1 <= len(numbers) <= 2 or not all(n.isascii() and n.isdigit() for n in numbers):
        raise UserError(f"scenes are storybook:3000 or storybook:3000:7, not {source!r}")
    count, seed = int(numbers[0]), int((numbers[1:] or ["1"])[0])
    for i in range(count):
        drawing = Drawing(seed * 10**6 + i, i % 3 == 2, (i // 3) % 2 == 1)
        kind = "clips" if drawing.is_clip else "stills"
        kind += " held-out" if drawing.is_held_out else " seen"
        _, caption, question, answer = drawing.make()
        yield Row(f"{i}", drawing, (caption,), labels={"set": f"{kind}, captions"})
        labels = {"set": f"{kind}, answers"}
        yield Row(f"{i}?", drawing, (), question, (answer,), labels)
