"""Rows -> captions and answers; each result is a text or the reason why there is none.

This is the one function that the command line, the processes of `--workers`, Ray and Spark share.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeVar

from ..errors import NotReadableError, UserError
from ..huggingface.reading.lines import printed
from ..huggingface.reading.mistakes import joined
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


class Scored(NamedTuple):
    """One of several texts about a picture."""

    text: str
    log_probability: float  # of the whole text, its end token included
    mean: float  # the same for each token


class Spoken(NamedTuple):
    """What was said about a picture: a text, the best of several, or an error."""

    row: Row
    text: str | None
    error: str | None = None
    is_fine: bool = False  # an error, though the picture is: nothing here can read its kind
    notes: tuple[str, ...] = ()  # warnings while it was read
    several: tuple[Scored, ...] = ()  # where several were asked for, the best first


Speak = Callable[[Iterable[list[Row]]], Iterator[list[Spoken]]]
Several = Callable[[Any, str | None], Sequence[Scored]]  # picture, question -> the best first


def speak(
    captioner: Speaker,
    rows: Sequence[Row],
    *,
    max_length: int | None = None,
    several: Several | None = None,
    is_held_back: bool = False,
) -> list[Spoken]:
    """Caption some pictures as one batch, and answer where a question is asked.

    `several` says several texts of a picture with their scores, one picture after the other. A
    picture that cannot be read becomes an error and leaves the others as they are. With
    `is_held_back`, what C libraries print meanwhile is kept from the screen and put into the error.
    """
    spoken, waiting = list[Spoken](), dict[int, Any]()  # what is said, pictures to caption
    prepare = captioner.pixels if several is None else captioner.prefill
    looked_at, content, cache = object(), None, None  # questions about a picture follow each other
    for i, row in enumerate(rows):
        lines, notes = list[str](), list[str]()
        is_new = row.question is None or row.picture != looked_at
        content = None if is_new else content
        try:
            with held_back(lines, notes) if is_held_back else nullcontext():
                if is_new:
                    content = row.read()
                if row.question is None:
                    waiting[i] = prepare(content)
                elif is_new:
                    cache, looked_at = captioner.prefill(content), row.picture
            text, found = answered(captioner, cache, row.question, max_length, several)
            spoken.append(Spoken(row, text, notes=tuple(notes), several=found))
        except Exception as error:  # of whatever kind: one picture never stops a run
            why = reason(error, row, content) + joined(lines, str(error))
            spoken.append(Spoken(row, None, why, isinstance(error, NotReadableError), tuple(notes)))
    captions = captioned(captioner, list(waiting.values()), max_length, several)
    for i, (text, found) in zip(waiting, captions, strict=True):
        spoken[i] = spoken[i]._replace(text=text, several=found)
    return spoken


def answered(
    captioner: Speaker,
    cache: Any,
    question: str | None,
    length: int | None,
    several: Several | None,
) -> tuple[str | None, tuple[Scored, ...]]:
    """Answer a question, if there is one: -> the text, and, where asked for, several."""
    if question is None:
        return None, ()
    if several is None:
        return captioner.answer(cache, question, max_length=length), ()
    found = tuple(several(cache, question))
    return found[0].text, found


def captioned(
    captioner: Speaker, prepared: Sequence[Any], length: int | None, several: Several | None
) -> list[tuple[str, tuple[Scored, ...]]]:
    """Caption what was prepared: -> the same of each."""
    if several is None:
        return [(text, ()) for text in captioner.caption_pixels(prepared, max_length=length)]
    found = [tuple(several(cache, None)) for cache in prepared]
    return [(one[0].text, one) for one in found]


def reason(error: Exception, row: Row, content: Any) -> str:
    """Say why nothing could be said; with the key where the error does not name the picture."""
    is_told = isinstance(error, UserError | OSError)
    why = str(error) if is_told else f"{type(error).__name__}: {error}"
    return why if is_told and not isinstance(content, bytes) else f"{row.key}: {why}"


@contextmanager
def held_back(lines: list[str], notes: list[str]) -> Iterator[None]:
    """Collect what C libraries print while a picture is read, and warnings of Python's.

    For processes that read one picture after the other.
    """
    with printed(lines), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            notes += [str(note.message) for note in caught]


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut a sequence into pieces of `size`, the last one shorter."""
    iterator = iter(items)
    while piece := list(islice(iterator, size)):
        yield piece
