"""One traced run: a picture or a clip, an optional question, the words chosen greedily."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from PIL import Image

from ...errors import UserError
from ...huggingface.processing.picture_steps import Picture, as_rgb, is_one_picture
from ...huggingface.processing.picture_steps import frames_of as each_frame
from ...model.params import Array
from ..takes import Captioner

MOST_WORDS = 24
KEPT = (
    "pixels", "vision.patches", "vision.patch_tokens", "vision.x", "vision.*.x", "vision.0.weights",
    "vision.image_tokens", "clip_tokens", "memory", "image.text.*.k", "word.*.words",
    "word.*.text.mask", "word.*.text.*.q", "word.*.text.*.k", "word.*.text.*.scores",
    "word.*.text.*.weights", "word.*.text.*.joined", "word.*.text.*.x", "word.*.logits",
    "word.*.word",
)  # fmt: skip


class Run(NamedTuple):
    """What was seen, what was said, and the tensors on the way."""

    captioner: Captioner
    frames: list[Image.Image]  # as they were given, RGB
    pixels: Array  # (1, C, H, W) or (1, frames, C, H, W)
    prompt: list[int]
    token_ids: list[int]  # the end token among them, if it came
    finished: bool
    tensors: dict[str, Array]

    @property
    def memory(self) -> int:
        """Count the image tokens."""
        return int(self.tensors["memory"].shape[1])

    @property
    def layers(self) -> int:
        """Count the layers of the text decoder."""
        return len(self.captioner.model.params.text.blocks)

    @property
    def grid(self) -> tuple[int, int]:
        """Count the rows and columns of patches."""
        patch = self.captioner.model.config.vision_config.patch_size
        return self.pixels.shape[-2] // patch, self.pixels.shape[-1] // patch

    def token(self, word: int) -> str:
        """Name a token of the vocabulary."""
        return self.captioner.processor.vocabulary.tokenizer.id_to_token(word) or f"[{word}]"


class Watcher:
    """Keep the tensors that the page needs, and of the vision encoder's weights the mean of heads.

    The weights themselves would be a gigabyte for the largest pictures.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Array] = {}

    def __call__(self, name: str, value: Array) -> None:
        if re.fullmatch(r"vision\.\d+\.weights", name):
            self.tensors[f"{name}.mean"] = value.mean(axis=1)
        if any(fnmatchcase(name, pattern) for pattern in KEPT):
            self.tensors[name] = value


def watch(
    captioner: Captioner,
    picture: Picture | Sequence[Picture],
    question: str | None = None,
    *,
    max_length: int | None = None,
) -> Run:
    """Look, choose the likeliest word again and again, and keep what the page shows."""
    if question is not None and not question.strip():
        raise UserError("the question is empty; ask something, or ask for a caption")
    model, processor = captioner.model, captioner.processor
    frames = frames_of(captioner, picture)
    is_still = is_one_picture(picture) and len(frames) == 1
    pixels = processor.pixels(frames[0] if is_still else frames)
    prompt = processor.prompt(question)
    if max_length is None:
        positions = model.config.max_position_embeddings
        max_length = min(prompt.shape[1] + MOST_WORDS, positions)
    watcher = Watcher()
    steps = list(
        model.steps(
            pixels,
            prompt,
            max_length=max_length,
            num_beams=1,
            do_sample=False,
            suppress_tokens=processor.vocabulary.unused(),
            interpolate_pos_encoding=processor.original,
            trace=watcher,
        )
    )
    if not steps:
        raise UserError(f"max_length is {max_length}, which leaves no room for a word")
    step = steps[-1]
    token_ids = step.ids[0, prompt.shape[1] :].tolist()
    finished = bool(step.finished[0])
    return Run(captioner, frames, pixels, prompt[0].tolist(), token_ids, finished, watcher.tensors)


def frames_of(captioner: Captioner, picture: Picture | Sequence[Picture]) -> list[Image.Image]:
    """Open a picture or a clip: as many frames as the model will look at."""
    processor = captioner.processor
    one = processor.opened(picture, frames=captioner.model.config.num_image_with_embedding)
    frames = [one] if is_one_picture(one) else each_frame(one)
    return [as_rgb(frame, processor.options) for frame in frames]
