"""What takes part in `generate`: streamers, logits processors, stopping criteria, the random seed.

A streamer is handed words one by one, while `generate` goes on.

`TextStreamer` prints them, `TextIteratorStreamer` gives them to a loop in another thread. A piece
of text is held back until a space has come after it, because the next token can still change it.
Source of names and of what is held back: transformers 4.37.2, `generation/streamers.py`.
"""

from __future__ import annotations

import random
from queue import Queue
from typing import Any

import numpy as np

from ..errors import UserError


class LogitsProcessorList(list[Any]):
    """Logits processors, one after the other: (input_ids, scores) -> scores."""

    def __call__(self, input_ids: Any, scores: Any, **more: Any) -> Any:
        """Let each change the scores."""
        for process in self:
            scores = process(input_ids, scores, **more)
        return scores


class StoppingCriteriaList(list[Any]):
    """Criteria to stop: (input_ids, scores) -> whether any says so."""

    def __call__(self, input_ids: Any, scores: Any, **more: Any) -> bool:
        """Ask each."""
        return any(bool(np.all(stop(input_ids, scores, **more))) for stop in self)

    @property
    def max_length(self) -> int | None:
        """The length that one of them stops at."""
        return next((c.max_length for c in self if hasattr(c, "max_length")), None)


def set_seed(seed: int, deterministic: bool = False) -> None:
    """Make the draws of `generate` that follow repeatable, those without a seed of their own.

    Sets the global random numbers of Python and of NumPy, from which such draws start.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002


CJK = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2CEAF),
       (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))  # fmt: skip


class TextStreamer:
    """Print a text while it is generated.

        model.generate(pixel_values=pixels, streamer=TextStreamer(processor.tokenizer))

    With `skip_prompt` the prompt is not printed; `decode_kwargs` go to `tokenizer.decode`. One
    text at a time: raises UserError for a batch.
    """

    def __init__(self, tokenizer: Any, skip_prompt: bool = False, **decode_kwargs: Any) -> None:
        self.tokenizer = tokenizer
        self.skip_prompt = skip_prompt
        self.decode_kwargs = decode_kwargs
        self.ids: list[int] = []
        self.printed = 0  # characters of the text of these ids
        self.is_prompt = True

    def put(self, value: Any) -> None:
        """Take the prompt (1, T) first, then one token (1,) at a time."""
        ids = np.asarray(value)
        if ids.ndim > 1 and len(ids) > 1:
            raise UserError(f"a streamer takes one text at a time; got {len(ids)} rows")
        is_prompt, self.is_prompt = self.is_prompt, False
        if is_prompt and self.skip_prompt:
            return
        self.ids += ids.reshape(-1).tolist()
        text = self.tokenizer.decode(self.ids, **self.decode_kwargs)
        if text.endswith("\n"):
            ready, self.ids = text[self.printed :], []
            self.printed = 0
        else:
            end = len(text) if text and is_cjk(text[-1]) else text.rfind(" ") + 1
            ready = text[self.printed : end]
            self.printed += len(ready)
        self.on_finalized_text(ready)

    def end(self) -> None:
        """Let out what was held back, and get ready for another text."""
        text = self.tokenizer.decode(self.ids, **self.decode_kwargs) if self.ids else ""
        rest, self.ids = text[self.printed :], []
        self.printed, self.is_prompt = 0, True
        self.on_finalized_text(rest, stream_end=True)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Print a piece that will not change any more."""
        print(text, flush=True, end="\n" if stream_end else "")


class TextIteratorStreamer(TextStreamer):
    """Loop over the pieces of a text while another thread generates it.

        streamer = TextIteratorStreamer(processor.tokenizer, skip_prompt=True)
        Thread(target=model.generate, kwargs={**inputs, "streamer": streamer}).start()
        for piece in streamer: ...

    Raises `queue.Empty` where no piece comes for `timeout` seconds.
    """

    def __init__(
        self,
        tokenizer: Any,
        skip_prompt: bool = False,
        timeout: float | None = None,
        **decode_kwargs: Any,
    ) -> None:
        super().__init__(tokenizer, skip_prompt, **decode_kwargs)
        self.text_queue: Queue[str | None] = Queue()
        self.stop_signal = None
        self.timeout = timeout

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Put a piece where the loop takes it from."""
        self.text_queue.put(text, timeout=self.timeout)
        if stream_end:
            self.text_queue.put(self.stop_signal, timeout=self.timeout)

    def __iter__(self) -> TextIteratorStreamer:
        return self

    def __next__(self) -> str:
        piece = self.text_queue.get(timeout=self.timeout)
        if piece is None:
            raise StopIteration
        return piece


def is_cjk(character: str) -> bool:
    """Tell whether a character is a Chinese one: these have no spaces to wait for."""
    return any(low <= ord(character) <= high for low, high in CJK)
