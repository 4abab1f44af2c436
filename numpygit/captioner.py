"""A model with its processor: ask it for captions and answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checkpoint
from .decoding import AUTHORS, GenerationConfig
from .errors import UserError
from .image_processor import Picture
from .layers import Trace, no_trace
from .model import GitForCausalLM
from .original import original_config
from .params import Array
from .pretrained import load_options
from .processor import GitProcessor
from .text import Cache
from .threads import check_threads

if TYPE_CHECKING:
    from .explain import Explanation

Subject = Picture | Sequence[Picture] | Cache  # what one can ask about


class Captioner:
    """A model and its processor: ask it for captions and answers.

    A picture is a path, a Pillow picture, a list of these as the frames of a clip, or what `see`
    returned. For a model of clips a path may lead to a clip: GIF, WebP, APNG, or a video.
    """

    def __init__(
        self,
        model: GitForCausalLM,
        processor: GitProcessor,
        name: str,
        *,
        source: Path | None = None,
    ) -> None:
        self.model = model
        self.processor = processor
        self.name = name
        self.source = source  # the file that the weights came from

    def pixels(self, picture: Picture | Sequence[Picture]) -> Array:
        """Prepare a picture or a clip for the model: (1, C, H, W) or (1, frames, C, H, W)."""
        frames = self.model.config.num_image_with_embedding
        return self.processor.pixels(picture, frames=frames)

    def see(self, picture: Picture | Sequence[Picture], *, trace: Trace = no_trace) -> Cache:
        """Look at a picture once, to ask several things about it."""
        interpolate = self.processor.original
        return self.model.see(
            self.pixels(picture), interpolate_pos_encoding=interpolate, trace=trace
        )

    def caption(self, picture: Subject, *, max_length: int | None = None) -> str:
        """Say what the picture shows."""
        return "".join(self.stream(picture, max_length=max_length))

    def captions(
        self, pictures: Sequence[Picture | Sequence[Picture]], *, max_length: int | None = None
    ) -> list[str]:
        """Say what each of several pictures shows, all of them at once as one batch."""
        prepared = [self.pixels(picture) for picture in pictures]
        return self.caption_pixels(prepared, max_length=max_length)

    def caption_pixels(
        self, prepared: Sequence[Array], *, max_length: int | None = None
    ) -> list[str]:
        """Caption what `pixels` has prepared: stills, and clips of equal length, go together."""
        found = [""] * len(prepared)
        for shape in sorted({one.shape for one in prepared}):
            places = [i for i, one in enumerate(prepared) if one.shape == shape]
            batch = np.concatenate([prepared[i] for i in places])
            prompt = self.processor.prompt().repeat(len(batch), axis=0)
            for step in self.say(batch, prompt, max_length=max_length):
                ids = step
            for i, row in zip(places, ids.tolist(), strict=True):
                found[i] = self.processor.words.decode(row[1:])
        return found

    def answer(self, picture: Subject, question: str, *, max_length: int | None = None) -> str:
        """Answer a question about the picture. The question itself is not repeated."""
        return "".join(self.stream(picture, question, max_length=max_length))

    def answers(
        self, picture: Subject, questions: Sequence[str], *, max_length: int | None = None
    ) -> list[str]:
        """Answer several questions about one picture, which is looked at only once."""
        if isinstance(questions, str):
            raise UserError(f"questions is the text {questions!r}; give a list, or use answer")
        seen = picture if isinstance(picture, Cache) else self.see(picture)
        return [self.answer(seen, question, max_length=max_length) for question in questions]

    def stream(
        self,
        picture: Subject,
        question: str | None = None,
        *,
        max_length: int | None = None,
        trace: Trace = no_trace,
    ) -> Iterator[str]:
        """Yield a caption or an answer piece by piece, as its words come.

        A piece is held back until the next token has come, because that can still change it: a
        space before a full stop or an apostrophe goes away.
        """
        if question is not None and not question.strip():
            raise UserError("the question is empty; ask something, or ask for a caption")
        pixels = picture if isinstance(picture, Cache) else self.pixels(picture)
        prompt = self.processor.prompt(question)
        told, before = "", ""
        for ids in self.say(pixels, prompt, max_length=max_length, trace=trace):
            now = self.processor.words.decode(ids[0, prompt.shape[1] :].tolist())
            stable = common_start(before, now)
            if len(stable) > len(told):
                yield stable[len(told) :]
                told = stable
            before = now
        if before[len(told) :]:
            yield before[len(told) :]

    def explain(
        self,
        picture: Picture | Sequence[Picture],
        question: str | None = None,
        *,
        max_length: int | None = None,
        measure: bool = True,
    ) -> Explanation:
        """Make a page of how a caption or an answer comes about; see `numpygit.explain`."""
        from .explain import explain  # a page is seldom asked for, and takes a while to import

        return explain(self, picture, question, max_length=max_length, measure=measure)

    def say(
        self,
        pictures: Array | Cache,
        prompt: Array,
        *,
        max_length: int | None = None,
        trace: Trace = no_trace,
    ) -> Iterator[Array]:
        """Continue prompts: -> ids (B, T), longer by a word each time, or all at once.

        A search with beams, such as the authors', knows its text only at the end.
        """
        asked: dict[str, Any] = {
            "generation_config": self.options(max_length),
            "interpolate_pos_encoding": self.processor.original,
            "trace": trace,
        }
        if asked["generation_config"].num_beams == 1:
            for step in self.model.steps(pictures, prompt, **asked):
                yield step.ids
            return
        pixels, seen = (None, pictures) if isinstance(pictures, Cache) else (pictures, None)
        yield self.model.generate(pixels, prompt, past_key_values=seen, **asked)  # type: ignore[misc]

    def options(self, max_length: int | None = None) -> GenerationConfig:
        """Say how words are chosen: as `generation_config.json` says, or as the authors do.

        One text for each prompt, and no placeholders of the vocabulary.
        """
        base, places = self.model.generation_config, self.model.config.max_position_embeddings
        if self.processor.original:
            base = AUTHORS.change({"max_length": min(AUTHORS.max_length or places, places)})
        quiet = [*(base.suppress_tokens or ()), *self.processor.words.unused()]
        length = {} if max_length is None else {"max_length": max_length, "max_new_tokens": None}
        one = {"num_return_sequences": 1, "return_dict_in_generate": False}
        return base.change({"suppress_tokens": quiet, **one, **length})


def common_start(a: str, b: str) -> str:
    """Return what two texts begin with alike."""
    length = 0
    while length < min(len(a), len(b)) and a[length] == b[length]:
        length += 1
    return a[:length]


def load(
    name: str | Path = "microsoft/git-base-coco",
    *,
    revision: str | None = None,
    local_files_only: bool = False,
    preprocessing: str = "hf",
    threads: int | None = None,
    plain: bool = False,
) -> Captioner:
    """Load "storybook", a folder, or a model of the Hugging Face Hub, ready to caption.

    `preprocessing` "hf" prepares pictures and questions as the checkpoint's files say, "original"
    as the authors' code does: see original.py. `threads` is how many cores to use, None for all
    that NumPy may. `plain` runs the five files of the model alone, to read along or to step
    through; else fast.py takes part.
    """
    check_threads(threads)
    folder = checkpoint.find(name, revision=revision, local_files_only=local_files_only)
    processor = GitProcessor.from_folder(folder, preprocessing=preprocessing)
    config, params = checkpoint.load(folder)
    if processor.original:
        config = original_config(config)
    options = load_options(folder, config)
    model = GitForCausalLM(config, params, generation_config=options)
    model.threads, model.plain = threads, plain
    return Captioner(model, processor, str(name), source=checkpoint.weights_file(folder))
