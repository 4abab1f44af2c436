"""What libraries print while they read a file, held back so that one line can say it all."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class Lines(logging.Handler):
    """Collects messages."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        self.lines.append(record.getMessage())


@contextmanager
def held_back() -> Iterator[list[str]]:
    """Collect the warnings and log lines of Pillow and PyAV instead of printing them."""
    lines: list[str] = []
    handler, logger = Lines(lines), logging.getLogger("PIL")
    logger.addHandler(handler)
    propagates, logger.propagate = logger.propagate, False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield lines
    finally:
        lines += [str(each.message) for each in caught]
        logger.propagate = propagates
        logger.removeHandler(handler)


def joined(lines: list[str], why: str) -> str:
    """Write collected lines behind a reason, each once, in brackets; "" where there are none."""
    new = [line for line in dict.fromkeys(" ".join(each.split()) for each in lines) if line != why]
    return f" ({'; '.join(new[:3])})" if new else ""
