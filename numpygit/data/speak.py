"""Rows -> captions and answers, each a value: what was said, or why nothing could be.

This is the one function that the command line, the processes of `--workers`, Ray and Spark share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeVar

from ..errors import UserError
from .rows import Row

Item = TypeVar("Item")


class Speaker(Protocol):
    """What is needed of a captioner."""

    name: str

    def pixels(self, picture: Any, /) -> Any:
        """Prepare a picture for the model."""

    def caption_pixels(self, prepared: Sequence[Any], /, *, max_length: int | None) -> list[str]:
        """Caption what was prepared, all at once."""

    def prefill(self, picture: Any, /) -> Any:
        """Encode a picture once, to ask several things about it."""

    def answer(self, picture: Any, question: str, /, *, max_length: int | None) -> str:
        """Answer a question."""


class Spoken(NamedTuple):
    """What was said about a picture: a text, or an error."""

    row: Row
    text: str | None
    error: str | None = None


def speak(
    captioner: Speaker, rows: Sequence[Row], *, max_length: int | None = None
) -> list[Spoken]:
    """Caption some pictures as one batch, and answer where a question is asked.

    A picture that cannot be read becomes an error and leaves the others as they are.
    """
    spoken: list[Spoken] = []
    waiting: dict[int, Any] = {}
    looked_at, cache = None, None  # questions about one picture mostly follow each other
    for i, row in enumerate(rows):
        picture = None
        try:
            picture = row.read()
            if row.question is None:
                waiting[i] = captioner.pixels(picture)
                spoken.append(Spoken(row, None))
            else:
                if row.picture != looked_at:
                    looked_at, cache = row.picture, captioner.prefill(picture)
                text = captioner.answer(cache, row.question, max_length=max_length)
                spoken.append(Spoken(row, text))
        except (UserError, OSError) as error:
            name = f"{row.key}: " if isinstance(picture, bytes) else ""  # bytes have none
            spoken.append(Spoken(row, None, f"{name}{error}"))
    texts = captioner.caption_pixels(list(waiting.values()), max_length=max_length)
    for i, text in zip(waiting, texts, strict=True):
        spoken[i] = Spoken(rows[i], text)
    return spoken


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut a sequence into pieces of `size`, the last one shorter."""
    iterator = iter(items)
    while piece := list(islice(iterator, size)):
        yield piece
