"""The command line: `numpygit caption`, `answer`, ...; each group of commands has its file.

    commands.py     the parser; caption, answer, classify, explain, models
    dataset.py      caption of folders and data sets       evaluate.py    evaluate
    inside.py       trace, diff, step                      play.py        play
    train.py        train, lesson                          completion.py  completion
    wording.py      options that several commands share    loading.py     the model, the picture
    help_texts.py   descriptions and examples of --help

Little is imported before Ctrl-C is taken care of: what is pressed earlier, Python shows in its way.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # that of `typing`, which takes a tenth of the start to import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

INTERRUPTED = 128 + signal.SIGINT  # as shells expect


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code. Ctrl-C is one line, while modules are imported too.

    After the command Ctrl-C means nothing any more. Inside another program, or where Ctrl-C is
    ignored already, nothing is changed.
    """
    pressed: list[int] = []
    is_program = arguments is None
    is_mine = is_program and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    try:
        if is_mine:
            watch_keyboard(pressed)
        if is_program:
            from ..fast import SLEEP_SOON

            os.environ.setdefault(*SLEEP_SOON)  # for the processes that it starts, too
        from .commands import main as run  # here, so that Ctrl-C is noticed meanwhile

        return run(arguments)
    except BaseException:  # KeyboardInterrupt, or what an import in C has made of it
        if not pressed:
            raise
        complain("stopped")
        return INTERRUPTED
    finally:
        if is_mine:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def watch_keyboard(pressed: list[int]) -> None:
    """Note each Ctrl-C in a list; one that Python would print and drop ends the process at once."""

    def note(number: int, frame: object) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    def dropped(problem: Any) -> None:
        if problem.exc_type is not KeyboardInterrupt:
            sys.__unraisablehook__(problem)
            return
        complain("stopped")
        os._exit(INTERRUPTED)  # what was written is on the disk

    signal.signal(signal.SIGINT, note)
    sys.unraisablehook = dropped


def complain(message: str) -> None:
    """Print one line on the error stream, if there is one."""
    from ..errors import complain as told

    told(message)
