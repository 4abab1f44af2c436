"""Walk through a run in the terminal, tensor by tensor: forwards, backwards, into the debugger.

The walker is an observer. The model calls it with every tensor and waits while a person looks
around: so the run stands still in the very function that has just computed the tensor, and `pdb`
opens there. Going back shows what was kept; going forward past the newest lets the run go on.
"""

from __future__ import annotations

import ast
import bdb
import linecache
import pdb
import re
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import numpy as np

from .captioner import Captioner
from .debugging import count_odd, debug
from .errors import UserError
from .params import Array
from .record import BLOCKED, Subject, names_of, nearest_name, record
from .sketch import sketch
from .trace import find

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


class Seen(NamedTuple):
    """A tensor that has come, and where it was computed."""

    name: str
    value: Array
    file: str
    line: int
    function: str
    source: str


class Stop(NamedTuple):
    """What to stop at."""

    said: str
    fits: Callable[[str, Array], bool]


class Quit(Exception):  # noqa: N818  not an error: the person has seen enough
    """Leave the run where it is."""


class Walker:
    """An observer that shows tensors and takes commands."""

    def __init__(self, names: Sequence[str], side: tuple[int, int], words: Sequence[str]) -> None:
        self.names = names  # that can come
        self.side = side  # rows and columns of patches
        self.words = words  # of the vocabulary
        self.history: list[Seen] = []
        self.at = -1  # which of them is shown
        self.skip = 0  # so many more before the next halt
        self.goal: Stop | None = None  # of a jump
        self.running = False  # until a stop or the end
        self.stops: list[Stop] = []
        self.ended = False
        self.wants_debugger = False

    def __call__(self, name: str, value: Array) -> None:
        frame = calling_frame()
        self.history.append(seen(name, value, frame))
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
                say(f"stop {stop.said}:")
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
                say(f"unknown command {command!r}; h lists the commands")
                continue
            try:
                if COMMANDS[command](self, rest):
                    return
            except UserError as error:
                say(str(error))

    def end(self, text: str) -> None:
        """Say what came out, and let the person look back."""
        if self.goal is not None:
            say(f"no further tensor fits {self.goal.said}")
        self.ended = True
        self.at = len(self.history)
        say(f"the run ends here: {text!r}")
        say("b goes back, q quits")
        self.talk()

    def show(self) -> None:
        """Show one tensor: name, shape with letters, sentence, line, numbers, a picture."""
        one = self.history[self.at]
        say()
        for line in card(one, self.at + 1, self.side):
            say(line)
        if one.name.endswith("logits"):
            for line in likeliest(one.value, self.words):
                say(line)

    # Every command returns whether the run goes on.

    def forward(self, rest: str) -> bool:
        """Show the next one, or the one after some."""
        count = number(rest)
        if self.at + count < len(self.history):
            self.at += count
            self.show()
            return False
        if self.ended:
            say("the run has ended; b goes back, q quits")
            return False
        self.skip = count - (len(self.history) - 1 - self.at)
        return True

    def back(self, rest: str) -> bool:
        """Show one before."""
        if self.at <= 0:
            say("this is the first")
            return False
        self.at = max(self.at - number(rest), 0)
        self.show()
        return False

    def jump(self, rest: str) -> bool:
        """Show the next tensor of a name, else an earlier one, else let the run go on to it."""
        goal = by_name(rest, self.names)
        fitting = [i for i, one in enumerate(self.history) if goal.fits(one.name, one.value)]
        later = [i for i in fitting if i > self.at]
        if later or (fitting and self.ended) or (fitting and rest == self.history[fitting[0]].name):
            self.at = (later or fitting)[0]
            self.show()
            return False
        if self.ended:
            say(f"no tensor of this run fits {rest}")
            return False
        self.goal = goal
        return True

    def go_on(self, rest: str) -> bool:
        """Let the run go on until a stop."""
        if self.ended:
            say("the run has ended; b goes back, q quits")
            return False
        self.running = True
        return True

    def add_stop(self, rest: str) -> bool:
        """Add a stop."""
        stop = make_stop(rest, self.names)
        self.stops.append(stop)
        say(f"c will stop at {stop.said}")
        return False

    def list_stops(self, rest: str) -> bool:
        """List the stops."""
        say("\n".join(f"  {stop.said}" for stop in self.stops) or "there are no stops")
        return False

    def clear(self, rest: str) -> bool:
        """Remove the stops."""
        self.stops.clear()
        say("there are no stops any more")
        return False

    def numbers(self, rest: str) -> bool:
        """Print numbers, the middle left out."""
        value = self.history[min(self.at, len(self.history) - 1)].value
        say(np.array2string(value, precision=4, threshold=60, edgeitems=3, max_line_width=78))
        return False

    def list_seen(self, rest: str) -> bool:
        """List what has come."""
        for i, one in enumerate(self.history):
            say(f"{'>' if i == self.at else ' '}{i + 1:4} {one.name:30} {one.value.shape}")
        return False

    def open_debugger(self, rest: str) -> bool:
        """Open pdb where the newest tensor was computed."""
        if self.ended:
            say("the run has ended: its functions are gone. Start again, and j to the tensor")
            return False
        if self.at != len(self.history) - 1:
            self.at = len(self.history) - 1
            say("functions of earlier tensors are gone; this is the newest:")
            self.show()
        say("pdb: `p NAME` shows an array, `n` goes on by a line, `u` shows the caller,")
        say("`c` comes back here at the next tensor, `q` quits")
        self.skip = 1
        self.wants_debugger = True
        return True

    def help(self, rest: str) -> bool:
        """List the commands."""
        say(HELP)
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
    words = [captioner.processor.words.tokenizer.id_to_token(i) or "?"
             for i in range(config.vocab_size)]  # fmt: skip
    walker = Walker(names_of(config, cached=cached), (H // patch, W // patch), words)
    say("Every tensor of a run, one after the other. h lists the commands.")
    with debug():
        try:
            run = record(captioner, picture, question, cached=cached, trace=walker)
            walker.end(run.facts["text"])
        except (Quit, bdb.BdbQuit):
            say("left")
    return 0


# ---------------------------------------------------------------- talking


def say(text: str = "") -> None:
    """Print, at once."""
    print(text, flush=True)


def ask() -> str:
    """Read one command; the end of the input quits. A command from a pipe is printed too."""
    try:
        line = input("step> ")
    except EOFError:
        say()
        raise Quit from None
    if not sys.stdin.isatty():
        say(line)
    return line.strip()


def number(text: str) -> int:
    """Read how many."""
    if not text:
        return 1
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise UserError(f"expected a number from 1 on, got {text!r}")
    return int(text)


def make_stop(text: str, names: Sequence[str]) -> Stop:
    """Understand `nan`, a shape, or a name."""
    if text.lower() == "nan":
        return Stop("nan", lambda name, value: bool(count_odd(masked(name, value))))
    if text.startswith("("):
        return by_shape(text)
    return by_name(text, names)


def masked(name: str, value: Array) -> Array:
    """Leave out what a mask blocks, which is no mistake."""
    if name.endswith(("mask", "scores")):
        return np.where(value < BLOCKED, np.float32(0), value)
    return value


def by_name(text: str, names: Sequence[str]) -> Stop:
    """Stop at a name, which must be one that can come."""
    if not text:
        raise UserError("give a name, such as text.0.weights")
    if not any(fnmatchcase(name, text) for name in names):
        raise UserError(f"no tensor is called {text!r}{nearest_name(text, names)}")
    return Stop(text, lambda name, value: fnmatchcase(name, text))


def by_shape(text: str) -> Stop:
    """Stop at a shape; `*` stands for any size."""
    sizes = [size.strip() for size in text.strip("()").split(",") if size.strip()]
    if not re.fullmatch(r"\([\d\s,*]*\)", text) or not all(s == "*" or s.isdigit() for s in sizes):
        raise UserError(f"{text!r} is no shape; write it as (1, 5, *, 75)")

    def fits(name: str, value: Array) -> bool:
        return len(sizes) == value.ndim and all(
            wanted in ("*", str(size)) for wanted, size in zip(sizes, value.shape, strict=True)
        )

    return Stop(text, fits)


# ---------------------------------------------------------------- what is shown


def card(one: Seen, count: int, side: tuple[int, int]) -> list[str]:
    """Describe a tensor in some lines of at most 80 columns."""
    place = find(one.name)
    value = one.value
    shape = f"{value.dtype} {value.shape}"
    lines = [f"[{count}] {one.name}"]
    if place is not None:
        shape = f"{place.row.shape} = {value.shape} {value.dtype}"
        if value.ndim != place.row.shape.count(",") + (not place.row.shape.endswith(",)")):
            shape = f"{value.shape} {value.dtype}"  # a clip's pixels have one axis more
        lines += [f"    {place.row.meaning}", f"    {shape}"]
    else:
        lines.append(f"    {shape}")
    lines.append(f"    {one.file}:{one.line}  {one.source}"[:80])
    lines.append(f"    {in_numbers(value)}")
    picture = sketch(one.name, value, side)
    return lines + ["    " + line for line in picture]


def in_numbers(value: Array) -> str:
    """Say the range, the mean, the spread, and what is not finite."""
    finite = value[np.isfinite(value) & (value > BLOCKED)] if value.dtype.kind == "f" else value
    odd = count_odd(value)
    if finite.size == 0:
        return odd or "empty"
    low, high = finite.min(), finite.max()
    mean, spread = finite.mean(dtype=np.float64), finite.std(dtype=np.float64)
    text = f"{low:.4g} to {high:.4g}, mean {mean:.4g}, spread {spread:.4g}"
    return f"{text}, {odd}" if odd else text


def likeliest(logits: Array, words: Sequence[str]) -> list[str]:
    """List the likeliest next words after the last one, with their probabilities."""
    last = logits[0, -1].astype(np.float64)
    if not np.isfinite(last).all():
        return []
    powers = np.exp(last - last.max())
    shares = powers / powers.sum()
    best = np.argsort(-shares)[:5]
    lines = ["    what may come after the last word"]
    for i in best:
        lines.append(f"      {words[i]:14} {shares[i]:6.1%} {'#' * round(40 * shares[i])}".rstrip())
    return lines


def calling_frame() -> FrameType:
    """Find the function of the model that called `trace`."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_name in ("scoped", "observe"):
        frame = frame.f_back
    if frame is None:
        raise AssertionError("an observer is always called by a function")
    return frame


def seen(name: str, value: Array, frame: FrameType) -> Seen:
    """Note a tensor and the line that computed it."""
    file, line = frame.f_code.co_filename, frame.f_lineno
    line, source = line_of(file, line, frame.f_code.co_firstlineno)
    return Seen(name, value, Path(file).name, line, frame.f_code.co_name, source)


def line_of(file: str, traced: int, first: int) -> tuple[int, str]:
    """Find the line that computed what line `traced` hands to `trace`: its number and text."""
    call = re.match(r'\s*\w*trace\("[\w.]+", (\w+)\)', linecache.getline(file, traced))
    if call is None:
        return traced, linecache.getline(file, traced).strip()
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.FunctionDef) and node.lineno == first:
            lines = assignments(node, call[1])
            line = max((line for line in lines if line < traced), default=first)
            return line, linecache.getline(file, line).strip()
    return traced, linecache.getline(file, traced).strip()


def assignments(function: ast.FunctionDef, name: str) -> list[int]:
    """List the lines of a function that give a name a value."""
    lines = []
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            parts = [part for target in node.targets for part in ast.walk(target)]
            if any(isinstance(part, ast.Name) and part.id == name for part in parts):
                lines.append(node.lineno)
    return lines


TREES: dict[str, ast.Module] = {}


def tree_of(file: str) -> ast.Module:
    """Parse a file, once."""
    if file not in TREES:
        TREES[file] = ast.parse("".join(linecache.getlines(file)))
    return TREES[file]
