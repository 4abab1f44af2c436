"""The command line: `numpygit caption`, `answer`, ...; each group of commands has its file."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import complain

# Threads of OpenBLAS look for more work before they sleep, on cores that Python's own threads want
# (fast/teams.py): for 2^20 cycles, half a millisecond, in place of 2^26 or 2^28. NumPy loads later.
SLEEP_SOON = ("OPENBLAS_THREAD_TIMEOUT", "20")
INTERRUPTED = 128 + signal.SIGINT  # as shells expect


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code. Ctrl-C is one line, while modules are imported too."""
    if arguments is None:
        os.environ.setdefault(*SLEEP_SOON)
    with watched_keyboard(is_program=arguments is None) as pressed:
        try:
            from .commands import main as run  # here, so that Ctrl-C is noticed meanwhile

            return run(arguments)
        except BaseException:  # KeyboardInterrupt, or what an import in C has made of it
            if not pressed:
                raise
            complain("stopped")
            return INTERRUPTED


@contextmanager
def watched_keyboard(*, is_program: bool) -> Iterator[list[int]]:
    """Note each Ctrl-C in a list; one that Python would print and drop ends the process at once.

    After the command Ctrl-C means nothing any more. Inside another program, or where Ctrl-C is
    ignored already, nothing is changed.
    """
    pressed: list[int] = []

    def note(number: int, frame: object) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    def dropped(problem: Any) -> None:
        if problem.exc_type is not KeyboardInterrupt:
            sys.__unraisablehook__(problem)
            return
        complain("stopped")
        os._exit(INTERRUPTED)  # what was written is on the disk

    mine = is_program and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if mine:
        sys.unraisablehook = dropped
        signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        if mine:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
