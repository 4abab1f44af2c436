"""Parameters and config behind one object. No mathematics: that is in the five files.

`GitForCausalLM` is the model, `Captioner` the model with its processor: picture in, words out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from . import checkpoint
from .config import GitConfig
from .errors import UserError
from .generate import Choose, Step, generate, greedy
from .layers import Trace, no_trace
from .original import original_config
from .params import Array, Git
from .processor import GitProcessor, Picture
from .text import forward, project
from .vision import image_tokens

DEFAULT_MAX_LENGTH = 50


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

    def memory(
        self,
        pixel_values: Array | None,
        *,
        interpolate_pos_encoding: bool = False,
        trace: Trace = no_trace,
    ) -> Array:
        """Encode pictures for the text tower: (B, C, H, W) or clips -> (B, M, D)."""
        config = self.config
        if pixel_values is None:
            return np.zeros((1, 0, config.hidden_size), np.float32)
        pixel_values = np.asarray(pixel_values, np.float32)
        tokens = image_tokens(
            pixel_values,
            self.params.vision,
            config=config.vision_config,
            interpolate=interpolate_pos_encoding,
            trace=trace,
        )
        eps = config.vision_config.layer_norm_eps
        return project(tokens, self.params.text, eps=eps, trace=trace)

    def logits(
        self,
        input_ids: Array,
        pixel_values: Array | None = None,
        *,
        attention_mask: Array | None = None,
        interpolate_pos_encoding: bool = False,
        trace: Trace = no_trace,
    ) -> Array:
        """Score every next word at every place, without a cache: -> (B, M + T, V)."""
        input_ids = as_ids(input_ids)
        memory = self.memory(
            pixel_values, interpolate_pos_encoding=interpolate_pos_encoding, trace=trace
        )
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
        pixel_values: Array | None = None,
        input_ids: Array | None = None,
        *,
        attention_mask: Array | None = None,
        max_length: int | None = None,
        choose: Choose = greedy,
        interpolate_pos_encoding: bool = False,
        trace: Trace = no_trace,
    ) -> Iterator[Step]:
        """Continue a prompt word by word; see `generate.generate`.

        Without input_ids every picture starts from the start token. `max_length` counts text
        tokens, the start token and the prompt included; as far as the model has places.
        """
        places = self.config.max_position_embeddings
        max_length = min(DEFAULT_MAX_LENGTH, places) if max_length is None else max_length
        if input_ids is None:
            rows = 1 if pixel_values is None else len(pixel_values)
            input_ids = np.full((rows, 1), self.config.bos_token_id, np.int64)
        input_ids = as_ids(input_ids)
        check_length(max_length, prompt=input_ids.shape[1], places=places)
        if attention_mask is not None and not np.all(attention_mask[:, -1]):
            raise UserError("prompts of different lengths must be padded on the left")
        memory = self.memory(
            pixel_values, interpolate_pos_encoding=interpolate_pos_encoding, trace=trace
        )
        steps = generate(
            same_rows(memory, input_ids),
            input_ids,
            self.params.text,
            config=self.config,
            max_length=max_length,
            attention_mask=attention_mask,
            choose=choose,
            trace=trace,
        )
        yield from self.finite(steps)

    def finite(self, steps: Iterator[Step]) -> Iterator[Step]:
        """Stop at infinities and NaN instead of making words of them."""
        for step in steps:
            if not np.isfinite(step.logits).all():
                raise self.why_not_finite()
            yield step

    def why_not_finite(self) -> UserError:
        """Say where infinities and NaN come from."""
        broken = list(checkpoint.not_finite(self.params))
        if broken:
            return UserError(
                f"the weights are damaged: {', '.join(broken[:5])} hold numbers that are not finite"
            )
        return UserError("pixel_values hold numbers that are not finite, or far too large")

    def generate(
        self,
        pixel_values: Array | None = None,
        input_ids: Array | None = None,
        *,
        attention_mask: Array | None = None,
        max_length: int | None = None,
        interpolate_pos_encoding: bool = False,
    ) -> Array:
        """Continue prompts to the end: -> ids (B, T), prompt included, padded where finished."""
        steps = self.steps(
            pixel_values,
            input_ids,
            attention_mask=attention_mask,
            max_length=max_length,
            interpolate_pos_encoding=interpolate_pos_encoding,
        )
        *_, last = steps
        return last.ids


def check_length(max_length: int, *, prompt: int, places: int) -> None:
    """Refuse a length that leaves no room for a word, or needs places that there are not."""
    if not prompt < max_length <= places:
        raise UserError(
            f"max_length is {max_length}; it must be more than the prompt's "
            f"{prompt} tokens and at most the model's {places} places"
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


class Captioner:
    """A model and its processor: ask it for captions and answers.

    A picture is a path, a Pillow picture, or a list of these as the frames of a clip.
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

    def caption(
        self, picture: Picture | Sequence[Picture], *, max_length: int | None = None
    ) -> str:
        """Say what the picture shows."""
        return "".join(self.stream(picture, max_length=max_length))

    def answer(
        self,
        picture: Picture | Sequence[Picture],
        question: str,
        *,
        max_length: int | None = None,
    ) -> str:
        """Answer a question about the picture. The question itself is not repeated."""
        return "".join(self.stream(picture, question, max_length=max_length))

    def stream(
        self,
        picture: Picture | Sequence[Picture],
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
        pixels = self.processor.pixels(picture)
        prompt = self.processor.prompt(question)
        steps = self.model.steps(
            pixels,
            prompt,
            max_length=max_length,
            interpolate_pos_encoding=self.processor.original,
            trace=trace,
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
    preprocessing: str = "hf",
) -> Captioner:
    """Load "storybook", a folder, or a model of the Hugging Face Hub, ready to caption.

    `preprocessing` "hf" prepares pictures and questions as the checkpoint's files say, "original"
    as the authors' code does: see original.py.
    """
    folder = checkpoint.find(name, revision=revision, local_files_only=local_files_only)
    processor = GitProcessor.from_folder(folder, preprocessing=preprocessing)
    config, params = checkpoint.load(folder)
    if processor.original:
        config = original_config(config)
    model = GitForCausalLM(config, params)
    return Captioner(model, processor, str(name), source=checkpoint.weights_file(folder))
