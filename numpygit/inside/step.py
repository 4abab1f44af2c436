"""Walk through a run in the terminal, tensor by tensor: forwards, backwards, into the debugger.

The walker is an observer. The model calls it with every tensor and waits while a person looks
around: so the run stands still in the very function that has just computed the tensor, and `pdb`
opens there. Going back shows what was kept; going forward past the newest lets the run go on.
"""

from __future__ import annotations

import bdb
import pdb
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

import numpy as np

from ..errors import UserError
from ..model.params import Array
from ..trace import order
from .card import card, likeliest
from .debug import debug
from .record import Subject, names_of, record
from .source_line import Traced, calling_frame, traced
from .stops import Stop, by_name, make_stop, number
from .takes import Captioner

HELP = """\
  n, Enter      the next tensor            n 5       five further
  b             the one before             b 5       five back
  j NAME        jump to a name: j text.0.weights, j *.mask (* is anything)
  c             go on until a stop, or the end
  stop nan      stop where a number is not finite
  stop NAME     stop at a name:    stop text.*.weights
  stop SHAPE    stop at a shape:   stop (1, 5, *, 75), * stands for any size
  stops, clear  list the stops, remove them
  v             numbers of this tensor     l         what came so far
  pdb           open the debugger where the newest tensor was computed
  h             this help                  q         quit"""


class Quit(Exception):  # noqa: N818  not an error: the person has seen enough
    """Leave the run where it is."""


class Walker:
    """An observer that shows tensors and takes commands."""

    def __init__(self, names: Sequence[str], side: tuple[int, int], words: Sequence[str]) -> None:
        self.names = names  # that can come
        self.side = side  # rows and columns of patches
        self.words = words  # of the vocabulary
        self.history: list[Traced] = []
        self.at = -1  # which of them is shown
        self.skip = 0  # so many more before the next halt
        self.goal: Stop | None = None  # of a jump
        self.running = False  # until a stop or the end
        self.stops: list[Stop] = []
        self.ended = False
        self.wants_debugger = False

    def __call__(self, name: str, value: Array) -> None:
        frame = calling_frame()
        self.history.append(traced(name, value, frame))
        if not self.is_halt(name, value):
            return
        self.at = len(self.history) - 1
        self.show()
        self.talk()
        if self.wants_debugger:
            self.wants_debugger = False
            pdb.Pdb(nosigint=True).set_trace(frame)  # the last thing done here: it stops next

    def is_halt(self, name: str, value: Array) -> bool:
        """Decide whether the person wants to look at this one."""
        for stop in self.stops:
            if stop.fits(name, value):
                write(f"stop {stop.text}:")
                self.running, self.goal, self.skip = False, None, 0
                return True
        if self.goal is not None:
            if not self.goal.fits(name, value):
                return False
            self.goal = None
            return True
        self.skip -= 1
        return not self.running and self.skip <= 0

    def talk(self) -> None:
        """Take commands until one lets the run go on."""
        while True:
            words = ask().split(maxsplit=1)
            command, rest = (
                (words[0], words[1].strip() if words[1:] else "") if words else ("n", "")
            )
            if command not in COMMANDS:
                write(f"unknown command {command!r}; h lists the commands")
                continue
            try:
                if COMMANDS[command](self, rest):
                    return
            except UserError as error:
                write(str(error))

    def end(self, text: str) -> None:
        """Say what came out, and let the person look back."""
        self.ended = True
        self.at = len(self.history)
        passed = [] if self.goal is None else self.fitting(self.goal)
        if self.goal is not None:
            write(f"no further tensor fits {self.goal.text}")
        write(f"the run ends here: {text!r}")
        if passed:  # in a cached run nobody knows how many words will come
            self.at = passed[-1]
            self.show()
        write("b goes back, q quits")
        self.talk()

    def show(self) -> None:
        """Show one tensor: name, shape with letters, sentence, line, numbers, a picture."""
        one = self.history[self.at]
        write()
        for line in card(one, self.at + 1, self.side):
            write(line)
        if one.name.endswith("logits"):
            for line in likeliest(one.value, self.words):
                write(line)

    # Every command returns whether the run goes on.

    def forward(self, rest: str) -> bool:
        """Show the next one, or the one after some."""
        count = number(rest)
        if self.at + count < len(self.history):
            self.at += count
            self.show()
            return False
        if self.ended:
            write("the run has ended; b goes back, q quits")
            return False
        self.skip = count - (len(self.history) - 1 - self.at)
        return True

    def back(self, rest: str) -> bool:
        """Show one before."""
        if self.at <= 0:
            write("this is the first")
            return False
        self.at = max(self.at - number(rest), 0)
        self.show()
        return False

    def jump(self, rest: str) -> bool:
        """Show the next tensor of a name, else an earlier one, else let the run go on to it."""
        goal = by_name(rest, self.names)
        fitting = self.fitting(goal)
        later = [i for i in fitting if i > self.at]
        if later or (fitting and not self.can_come(goal)):
            self.at = later[0] if later else fitting[-1]
            self.show()
            return False
        if self.ended:
            write(f"no tensor of this run fits {rest}")
            return False
        self.goal = goal
        return True

    def fitting(self, goal: Stop) -> list[int]:
        """List the tensors so far that fit."""
        return [i for i, one in enumerate(self.history) if goal.fits(one.name, one.value)]

    def can_come(self, goal: Stop) -> bool:
        """Tell whether the run can still reach a name that fits."""
        if self.ended:
            return False
        newest = order(self.history[-1].name)
        return any(order(name) > newest and fnmatchcase(name, goal.text) for name in self.names)

    def go_on(self, rest: str) -> bool:
        """Let the run go on until a stop."""
        if self.ended:
            write("the run has ended; b goes back, q quits")
            return False
        self.running = True
        return True

    def add_stop(self, rest: str) -> bool:
        """Add a stop."""
        stop = make_stop(rest, self.names)
        self.stops.append(stop)
        write(f"c will stop at {stop.text}")
        return False

    def list_stops(self, rest: str) -> bool:
        """List the stops."""
        write("\n".join(f"  {stop.text}" for stop in self.stops) or "there are no stops")
        return False

    def clear(self, rest: str) -> bool:
        """Remove the stops."""
        self.stops.clear()
        write("there are no stops any more")
        return False

    def numbers(self, rest: str) -> bool:
        """Print numbers, the middle left out."""
        value = self.history[min(self.at, len(self.history) - 1)].value
        write(np.array2string(value, precision=4, threshold=60, edgeitems=3, max_line_width=78))
        return False

    def list_seen(self, rest: str) -> bool:
        """List what has come."""
        for i, one in enumerate(self.history):
            write(f"{'>' if i == self.at else ' '}{i + 1:4} {one.name:30} {one.value.shape}")
        return False

    def open_debugger(self, rest: str) -> bool:
        """Open pdb where the newest tensor was computed."""
        if self.ended:
            write("the run has ended: its functions are gone. Start again, and j to the tensor")
            return False
        if self.at != len(self.history) - 1:
            self.at = len(self.history) - 1
            write("functions of earlier tensors are gone; this is the newest:")
            self.show()
        write("pdb: `p NAME` shows an array, `n` goes on by a line, `u` shows the caller,")
        write("`c` comes back here at the next tensor, `q` quits")
        self.skip = 1
        self.wants_debugger = True
        return True

    def help(self, rest: str) -> bool:
        """List the commands."""
        write(HELP)
        return False

    def leave(self, rest: str) -> bool:
        """Quit."""
        raise Quit


COMMANDS: dict[str, Callable[[Walker, str], bool]] = {
    **dict.fromkeys(["n", "next", "s"], Walker.forward),
    **dict.fromkeys(["b", "back", "p"], Walker.back),
    **dict.fromkeys(["j", "jump"], Walker.jump),
    **dict.fromkeys(["c", "continue"], Walker.go_on),
    **dict.fromkeys(["stop", "break"], Walker.add_stop),
    **dict.fromkeys(["v", "values"], Walker.numbers),
    **dict.fromkeys(["l", "list"], Walker.list_seen),
    **dict.fromkeys(["h", "help", "?"], Walker.help),
    **dict.fromkeys(["q", "quit", "exit"], Walker.leave),
    "stops": Walker.list_stops,
    "clear": Walker.clear,
    "pdb": Walker.open_debugger,
}


def walk(
    captioner: Captioner, picture: Subject, question: str | None = None, *, cached: bool = False
) -> int:
    """Walk through a run; return the exit code."""
    config = captioner.model.config
    patch = config.vision_config.patch_size
    H, W = captioner.pixels(picture).shape[-2:]
    words = [captioner.processor.vocabulary.tokenizer.id_to_token(i) or "?"
             for i in range(config.vocab_size)]  # fmt: skip
    walker = Walker(names_of(config, cached=cached), (H // patch, W // patch), words)
    write("Every tensor of a run, one after the other. h lists the commands.")
    with debug():
        try:
            run = record(captioner, picture, question, cached=cached, trace=walker)
            walker.end(run.facts["text"])
        except (Quit, bdb.BdbQuit):
            write("left")
    return 0


# ---------------------------------------------------------------- talking


def write(text: str = "") -> None:
    """Print, at once."""
    print(text, flush=True)


def ask() -> str:
    """Read one command; the end of the input quits. A command from a pipe is printed too."""
    try:
        line = input("step> ")
    except EOFError:
        write()
        raise Quit from None
    if not sys.stdin.isatty():
        write(line)
    return line.strip()
