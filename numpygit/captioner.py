"""A model with its processor: ask it for captions and answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from . import checkpoint
from .errors import UserError
from .image_processor import Picture
from .layers import Trace, no_trace
from .model import GitForCausalLM
from .original import original_config
from .processor import GitProcessor


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
        unused = self.processor.words.unused()
        steps = self.model.steps(
            pixels,
            prompt,
            max_length=max_length,
            suppress_tokens=unused,
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
