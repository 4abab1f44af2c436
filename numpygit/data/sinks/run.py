"""Caption a whole source into a sink: what is done already is passed over, errors are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ..rows import Row
from ..speak import Spoken, batches
from . import Sink

Speak = Callable[[Iterable[list[Row]]], Iterator[list[Spoken]]]
Report = Callable[[str], object]


class Counts(NamedTuple):
    """How a run ended."""

    captioned: int = 0
    had: int = 0  # a caption already
    failed: int = 0  # pictures that could not be read

    def __str__(self) -> str:
        return f"{self.captioned} captioned, {self.had} had one already, {self.failed} failed"


def run(
    rows: Iterable[Row],
    sink: Sink,
    speak: Speak,
    *,
    batch_size: int,
    report: Report,
    advance: Callable[[int], object] = lambda number: None,
) -> Counts:
    """Caption the rows that the open `sink` does not have; each failure is reported.

    `speak` turns batches of rows into what was said, in the same order: in this process or in
    several. A failed row is not kept as done, so the next run tries it again.
    """
    captioned = had = failed = 0

    def left() -> Iterator[Row]:
        nonlocal had
        for row in rows:
            if sink.has(row):
                had += 1
                advance(1)
            else:
                yield row

    for spoken in speak(batches(left(), batch_size)):
        for one in spoken:
            if one.error is not None:
                failed += 1
                report(one.error)
        unkept = sink.write(spoken) or []
        for why in unkept:
            report(why)
        failed += len(unkept)
        captioned += sum(one.text is not None for one in spoken) - len(unkept)
        advance(len(spoken))
    sink.finish()
    return Counts(captioned, had, failed)
