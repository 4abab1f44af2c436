"""Caption a whole source into a sink: what is done already is passed over, errors are counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ..rows import Row
from ..speak import Speak, Spoken, batches
from . import Sink

Report = Callable[[str], object]


@dataclass
class Counts:
    """How a run ended."""

    captioned: int = 0
    had: int = 0  # a caption already
    failed: int = 0  # pictures that could not be read, or whose captions could not be kept
    fine: int = 0  # of these, pictures that only cannot be read here
    seconds: float = field(default=0.0, compare=False)

    def __str__(self) -> str:
        is_timed = self.captioned and self.seconds
        each = f", {self.seconds / self.captioned:.2f} s each" if is_timed else ""
        need = f"{self.fine} not readable here, " if self.fine else ""
        broken = f"{self.failed - self.fine} failed"
        return f"{self.captioned} captioned{each}, {self.had} had one already, {need}{broken}"


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
    several; rows with an error never get there. A failed row is not kept as done, so the next run
    tries it again.
    """
    counts, begun = Counts(), time.perf_counter()

    def left() -> Iterator[Row]:
        for row in rows:
            if sink.has(row):
                counts.had += 1
                advance(1)
            elif row.error is not None:
                keep([Spoken(row, None, row.error)], sink, counts, report)
                advance(1)
            else:
                yield row

    for spoken in speak(batches(left(), batch_size)):
        keep(spoken, sink, counts, report)
        advance(len(spoken))
    sink.finish()
    counts.seconds = time.perf_counter() - begun
    return counts


def keep(spoken: list[Spoken], sink: Sink, counts: Counts, report: Report) -> None:
    """Keep what was said for good, count it, and report what went wrong."""
    for one in spoken:
        for note in one.notes:
            report(f"note: {note}")
        if one.error is not None:
            report(one.error)
    unkept = sink.write(spoken) or []
    for why in unkept:
        report(why)
    counts.captioned += sum(one.text is not None for one in spoken) - len(unkept)
    counts.failed += sum(one.error is not None for one in spoken) + len(unkept)
    counts.fine += sum(one.is_fine for one in spoken)
