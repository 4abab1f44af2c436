"""What libraries print while they read a picture: held back, and joined to the mistake about it."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

MOST_BYTES = 10_000  # of what was printed about one picture
_turn = threading.RLock()
OWNERS: list[object] = []  # of the error stream: programs, from `error_stream_is_ours` on


@contextmanager
def error_stream_is_ours() -> Iterator[None]:
    """Hold back what C libraries print too, whenever a picture is read: for whole programs.

    Such lines go to the error stream of the process, past Python: it leads into a file while a
    picture is read. That would take away what another program's threads print meanwhile.
    """
    program = object()
    OWNERS.append(program)
    try:
        yield
    finally:
        OWNERS.remove(program)


class Lines(logging.Handler):
    """Collects messages in a list."""

    lines: list[str]

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        self.lines.append(record.getMessage())


@contextmanager
def printed(lines: list[str]) -> Iterator[None]:
    """Collect what C libraries print on the error stream: -> in `lines`, at the end.

    One thread at a time. Where no file can be written, what is printed is dropped.
    """
    with _turn:
        try:
            kept = os.dup(2)
        except OSError:  # there is no error stream
            yield
            return
        try:
            file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed below
        except OSError:  # a full disk, or one that nobody may write to
            file = open(os.devnull, "w+b")  # noqa: SIM115
        with file:
            os.dup2(file.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(kept, 2)
                os.close(kept)
                file.seek(0)
                lines += file.read(MOST_BYTES).decode(errors="replace").splitlines()


def renew() -> None:
    """Let a child that was forked read pictures, whatever its parent's threads were reading."""
    global _turn
    _turn = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=renew)
