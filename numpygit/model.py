"""Parameters and config behind one object. No mathematics: that is in the five files.

`GitForCausalLM` is the model, `Captioner` the model with its processor: picture in, words out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import checkpoint
from .config import GitConfig
from .decoding import Calls, Generation, GenerationConfig, Plan, decode, lazily, make_plan
from .errors import UserError
from .generate import Choose, Step
from .layers import Trace, no_trace, scope
from .params import Array, Git
from .processor import GitProcessor, Picture
from .text import Cache, forward, project, see
from .vision import image_tokens

Subject = Picture | Sequence[Picture] | Cache  # what one can ask about


class GitForCausalLM:
    """GIT with its vocabulary head."""

    def __init__(self, config: GitConfig, params: Git) -> None:
        self.config = config
        self.params = params

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, revision: str | None = None, local_files_only: bool = False
    ) -> GitForCausalLM:
        """Load "storybook", a folder, or a model of the Hugging Face Hub."""
        folder = checkpoint.find(name, revision=revision, local_files_only=local_files_only)
        return cls(*checkpoint.load(folder))

    def memory(self, pixel_values: Array | None, *, trace: Trace = no_trace) -> Array:
        """Encode pictures for the text tower: (B, C, H, W) or clips -> (B, M, D)."""
        config = self.config
        if pixel_values is None:
            return np.zeros((1, 0, config.hidden_size), np.float32)
        pixel_values = np.asarray(pixel_values, np.float32)
        tokens = image_tokens(
            pixel_values, self.params.vision, config=config.vision_config, trace=trace
        )
        eps = config.vision_config.layer_norm_eps
        return project(tokens, self.params.text, eps=eps, trace=trace)

    def see(self, pixel_values: Array | None, *, trace: Trace = no_trace) -> Cache:
        """Look at pictures once: what `steps` needs of them, for as many prompts as you like."""
        memory = self.memory(pixel_values, trace=trace)
        return see(memory, self.params.text, config=self.config, trace=scope(trace, "image"))

    def logits(
        self,
        input_ids: Array,
        pixel_values: Array | None = None,
        *,
        attention_mask: Array | None = None,
        trace: Trace = no_trace,
    ) -> Array:
        """Score every next word at every place, without a cache: -> (B, M + T, V)."""
        input_ids = as_ids(input_ids)
        memory = self.memory(pixel_values, trace=trace)
        logits, _ = forward(
            same_rows(memory, input_ids),
            input_ids,
            self.params.text,
            config=self.config,
            attention_mask=attention_mask,
            trace=trace,
        )
        return logits

    def steps(
        self,
        pixel_values: Array | Cache | None = None,
        input_ids: Array | None = None,
        *,
        attention_mask: Array | None = None,
        choose: Choose | None = None,
        trace: Trace = no_trace,
        **options: Any,
    ) -> Iterator[Step]:
        """Continue a prompt word by word; arguments and options as for `generate`.

        Pictures that `see` has looked at may be given as its Cache. `choose` replaces the
        likeliest word, or the draw, by a choice of your own.
        """
        plan = self.plan(pixel_values, input_ids, attention_mask, None, Calls(), options)
        if isinstance(pixel_values, Cache):
            memory: Array | Cache = pixel_values
        else:
            memory = self.memory(pixel_values, trace=trace)
        yield from lazily(memory, self.params.text, plan, choose=choose, trace=trace)

    def generate(
        self,
        pixel_values: Array | None = None,
        input_ids: Array | None = None,
        *,
        attention_mask: Array | None = None,
        past_key_values: Cache | None = None,
        generation_config: GenerationConfig | None = None,
        logits_processor: Sequence[Callable[[Array, Array], Array]] | None = None,
        stopping_criteria: Sequence[Callable[..., Any]] | None = None,
        prefix_allowed_tokens_fn: Callable[[int, Array], Sequence[int]] | None = None,
        streamer: Any = None,
        trace: Trace = no_trace,
        **options: Any,
    ) -> Array | Generation:
        """Continue prompts to the end: -> ids (B, T), prompt included, padded where finished.

        Without input_ids every picture starts from the start token. One picture serves several
        prompts; prompts may be padded on either side. The options are the fields of
        `decoding.GenerationConfig`; with return_dict_in_generate a `Generation` comes back.
        past_key_values, from an earlier Generation or from `text.see`, stands for the pictures
        and for the first words of input_ids.
        """
        calls = Calls(
            tuple(logits_processor or ()),
            tuple(stopping_criteria or ()),
            prefix_allowed_tokens_fn,
            streamer,
        )
        plan = self.plan(pixel_values, input_ids, attention_mask, generation_config, calls, options)
        memory = past_key_values or self.memory(pixel_values, trace=trace)
        found = decode(memory, self.params.text, plan, trace=trace)
        return found if plan.options.return_dict_in_generate else found.sequences

    def plan(
        self,
        pixel_values: Array | Cache | None,
        input_ids: Array | None,
        attention_mask: Array | None,
        generation_config: GenerationConfig | None,
        calls: Calls,
        options: Mapping[str, Any],
    ) -> Plan:
        """Check what `generate` was given, before any work."""
        chosen = (generation_config or GenerationConfig()).change(options)
        if input_ids is None:
            rows = 1 if pixel_values is None else count_rows(pixel_values)
            start = self.config.bos_token_id
            start = start if chosen.bos_token_id is None else chosen.bos_token_id
            input_ids = np.full((rows, 1), start, np.int64)
            attention_mask = np.ones((rows, 1), np.int64)
        return make_plan(
            as_ids(input_ids),
            config=self.config,
            options=chosen,
            attention_mask=attention_mask,
            calls=calls,
        )


def as_ids(input_ids: Array) -> Array:
    """Refuse what cannot be rows of token ids."""
    ids = np.asarray(input_ids)
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise UserError(
            f"input_ids must be whole numbers of shape (B, T); got {ids.dtype} of shape {ids.shape}"
        )
    return ids


def same_rows(memory: Array, input_ids: Array) -> Array:
    """Give each row of words its picture: one picture serves all rows, else one a row."""
    rows = input_ids.shape[0]
    if memory.shape[0] == rows:
        return memory
    if memory.shape[0] == 1:
        return np.repeat(memory, rows, axis=0)
    raise UserError(
        f"got {memory.shape[0]} pictures and {rows} rows of input_ids; "
        "give one row for each picture, or one picture for all rows"
    )


def count_rows(pictures: Array | Cache) -> int:
    """Count the pictures in pixels or in a Cache."""
    return len(pictures.attention_mask if isinstance(pictures, Cache) else pictures)


class Captioner:
    """A model and its processor: ask it for captions and answers.

    A picture is a path, a Pillow picture, a list of these as the frames of a clip, or what `see`
    returned. For a model of clips a path may lead to a clip: GIF, WebP, APNG, or a video.
    """

    def __init__(self, model: GitForCausalLM, processor: GitProcessor, name: str) -> None:
        self.model = model
        self.processor = processor
        self.name = name

    def pixels(self, picture: Picture | Sequence[Picture]) -> Array:
        """Prepare a picture or a clip for the model: (1, C, H, W) or (1, frames, C, H, W)."""
        frames = self.model.config.num_image_with_embedding
        return self.processor.pixels(picture, frames=frames)

    def see(self, picture: Picture | Sequence[Picture], *, trace: Trace = no_trace) -> Cache:
        """Look at a picture once, to ask several things about it."""
        return self.model.see(self.pixels(picture), trace=trace)

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
        unused = self.processor.words.unused()
        for shape in sorted({one.shape for one in prepared}):
            places = [i for i, one in enumerate(prepared) if one.shape == shape]
            batch = np.concatenate([prepared[i] for i in places])
            for step in self.model.steps(batch, max_length=max_length, suppress_tokens=unused):
                ids = step.ids
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
        unused = self.processor.words.unused()
        steps = self.model.steps(
            pixels, prompt, max_length=max_length, suppress_tokens=unused, trace=trace
        )
        told, before = "", ""
        for step in steps:
            now = self.processor.words.decode(step.ids[0, prompt.shape[1] :].tolist())
            stable = common_start(before, now)
            if len(stable) > len(told):
                yield stable[len(told) :]
                told = stable
            before = now
        if before[len(told) :]:
            yield before[len(told) :]


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
) -> Captioner:
    """Load "storybook", a folder, or a model of the Hugging Face Hub, ready to caption."""
    folder = checkpoint.find(name, revision=revision, local_files_only=local_files_only)
    processor = GitProcessor.from_folder(folder)
    return Captioner(GitForCausalLM(*checkpoint.load(folder)), processor, str(name))
