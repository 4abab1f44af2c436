"""Read the pickle of a PyTorch state dict as data. No code of the file is run: none can be.

A pickle is a program for a small machine with a stack, and Python's own machine imports and
calls whatever the program names. This machine knows only the instructions that a state dict
is written with. What they make is numbers, text, tuples, lists, dicts, and a few records of
this module; a "call" is one of four that are written out in `call`. Every other instruction and
every other name ends in UserError.

Source: CPython, `Lib/pickle.py` and `Lib/pickletools.py`; torch 2.13, `torch/serialization.py`
and `torch/_utils.py`.
"""

from __future__ import annotations

import math
import pickle  # for the names of the instructions, nothing else
import struct
import sys
from dataclasses import dataclass
from mmap import mmap
from typing import Any

from ...errors import UserError
from .mapped import MOST_NUMBERS, check_axes, check_shape, check_whole

MOST_INSTRUCTIONS = 100_000  # git-large takes 15 thousand; with so few, memory stays small
MOST_WORK = 1_000_000  # copying an item of a list or a dict counts like an instruction
LONGEST_TEXT = 10_000
MOST_TEXT = 2**24  # bytes of memory that all texts together may take

DICT = "collections.OrderedDict"
TENSOR = "torch._utils._rebuild_tensor_v2"
OLD_TENSOR = "torch._utils._rebuild_tensor"
PARAMETER = "torch._utils._rebuild_parameter"
STORAGES = {  # name in torch -> name in .safetensors
    "torch.DoubleStorage": "F64",
    "torch.FloatStorage": "F32",
    "torch.HalfStorage": "F16",
    "torch.BFloat16Storage": "BF16",
    "torch.LongStorage": "I64",
    "torch.IntStorage": "I32",
    "torch.ShortStorage": "I16",
    "torch.CharStorage": "I8",
    "torch.ByteStorage": "U8",
    "torch.BoolStorage": "BOOL",
}
NAMES = (DICT, TENSOR, OLD_TENSOR, PARAMETER, *STORAGES)

CONSTANTS = {pickle.NONE: None, pickle.NEWTRUE: True, pickle.NEWFALSE: False}
NUMBERS = {
    pickle.BININT1: "<B",
    pickle.BININT2: "<H",
    pickle.BININT: "<i",
    pickle.BINFLOAT: ">d",
}
TEXTS = {  # bytes of the length that stands before the text
    pickle.SHORT_BINUNICODE: 1,
    pickle.BINUNICODE: 4,
    pickle.SHORT_BINSTRING: 1,  # these two are written by Python 2
    pickle.BINSTRING: 4,
}
TUPLES = {pickle.EMPTY_TUPLE: 0, pickle.TUPLE1: 1, pickle.TUPLE2: 2, pickle.TUPLE3: 3}
PUTS = {pickle.BINPUT: 1, pickle.LONG_BINPUT: 4}
GETS = {pickle.BINGET: 1, pickle.LONG_BINGET: 4}


@dataclass(frozen=True)
class Global:
    """A name that Python's own machine would import."""

    name: str


@dataclass(frozen=True)
class Storage:
    """A row of numbers somewhere in the file."""

    key: str
    dtype: str
    size: int  # in numbers


@dataclass(frozen=True)
class View:
    """A tensor: which numbers of a storage it looks at."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    steps: tuple[int, ...]  # torch says stride

    @property
    def count(self) -> int:
        """Count its numbers."""
        return math.prod(self.shape)


class Machine:
    """Reads one pickle, from `at` to its end."""

    def __init__(self, data: mmap | bytes, at: int = 0, end: int | None = None) -> None:
        self.data = data
        self.at = at
        self.end = len(data) if end is None else end
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}
        self.work = 0
        self.text_memory = 0

    def run(self) -> Any:
        """Follow the instructions to the end and return what they made."""
        for _ in range(MOST_INSTRUCTIONS):
            code = self.take(1)
            if code == pickle.STOP:
                return self.pop()
            if not (self.read_value(code) or self.read_container(code) or self.read_object(code)):
                raise UserError(
                    f"its pickle uses the instruction {code!r}, no part of a state dict"
                )
        raise UserError(f"its pickle has more than {MOST_INSTRUCTIONS} instructions")

    # -------- instructions: each of the three says whether it knew the code

    def read_value(self, code: bytes) -> bool:
        """Numbers, text, constants, and the memory for what comes again."""
        if code in CONSTANTS:
            self.push(CONSTANTS[code])
        elif code in NUMBERS:
            kind = NUMBERS[code]
            self.push(struct.unpack(kind, self.take(struct.calcsize(kind)))[0])
        elif code == pickle.LONG1:
            self.push(int.from_bytes(self.take(self.number(1)), "little", signed=True))
        elif code in TEXTS:
            self.push(self.text(self.number(TEXTS[code])))
        elif code in PUTS:
            self.memo[self.number(PUTS[code])] = self.top()
        elif code == pickle.MEMOIZE:
            self.memo[len(self.memo)] = self.top()
        elif code in GETS:
            index = self.number(GETS[code])
            if index not in self.memo:
                raise UserError("its pickle recalls what it has not stored")
            self.push(self.memo[index])
        elif code == pickle.PROTO:
            if self.number(1) > pickle.HIGHEST_PROTOCOL:
                raise UserError("its pickle is of a version that is not known")
        elif code == pickle.FRAME:  # for reading ahead, which is not done here
            if self.number(8) > self.end - self.at:
                raise UserError("its pickle is cut short")
        else:
            return False
        return True

    def read_container(self, code: bytes) -> bool:
        """Tuples, lists and dicts."""
        if code == pickle.MARK:
            self.below.append(self.stack)
            self.stack = []
        elif code in TUPLES:
            items = [self.pop() for _ in range(TUPLES[code])]
            self.push(tuple(reversed(items)))
        elif code == pickle.TUPLE:
            self.push(tuple(self.since_mark()))
        elif code == pickle.EMPTY_LIST:
            self.push([])
        elif code == pickle.APPEND:
            item = self.pop()
            self.top(list).append(item)
        elif code == pickle.APPENDS:
            items = self.since_mark()
            self.top(list).extend(items)
        elif code == pickle.EMPTY_DICT:
            self.push({})
        elif code == pickle.SETITEM:
            value, key = self.pop(), self.pop()
            fill(self.top(dict), [key, value])
        elif code == pickle.SETITEMS:
            items = self.since_mark()
            fill(self.top(dict), items)
        else:
            return False
        return True

    def read_object(self, code: bytes) -> bool:
        """Names, calls, attributes and storages: all that could do harm elsewhere."""
        if code == pickle.GLOBAL:
            self.push(global_of(self.line(), self.line()))
        elif code == pickle.STACK_GLOBAL:
            name, module = self.pop(), self.pop()
            self.push(global_of(module, name))
        elif code == pickle.REDUCE:
            arguments, function = self.pop(), self.pop()
            self.count_work(weight_of(arguments))
            self.push(call(function, arguments))
        elif code == pickle.BUILD:  # state_dict() keeps the versions of its layers like this
            state = self.pop()
            if type(state) is not dict or len(state) != 1 or "_metadata" not in state:
                raise UserError("its pickle sets attributes, and more than '_metadata'")
            self.top(dict)
        elif code == pickle.BINPERSID:
            storage = storage_from(self.pop())
            if self.storages.setdefault(storage.key, storage) != storage:
                raise UserError("its pickle describes one storage in two ways")
            self.push(storage)
        else:
            return False
        return True

    # -------- the file and the stack

    def take(self, count: int) -> bytes:
        """Go on by `count` bytes."""
        if count > self.end - self.at:
            raise UserError("its pickle is cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count: int) -> int:
        """Read a whole number of `count` bytes."""
        return int.from_bytes(self.take(count), "little")

    def text(self, count: int) -> str:
        """Read text of `count` bytes."""
        if count > LONGEST_TEXT:
            raise UserError(f"its pickle has a text of {count} bytes; the most is {LONGEST_TEXT}")
        try:
            text = self.take(count).decode()
        except UnicodeDecodeError:
            raise UserError("its pickle has text that is no UTF-8") from None
        self.text_memory += sys.getsizeof(text)
        if self.text_memory > MOST_TEXT:
            raise UserError(f"its pickle has texts of more than {MOST_TEXT} bytes")
        return text

    def count_work(self, items: int) -> None:
        """Count what is copied; a few instructions could copy one long list over and over."""
        self.work += items
        if self.work > MOST_WORK:
            raise UserError(f"its pickle copies more than {MOST_WORK} items")

    def line(self) -> str:
        """Read text up to the end of the line."""
        end = self.data.find(b"\n", self.at, min(self.end, self.at + LONGEST_TEXT))
        if end < 0:
            raise UserError("its pickle has a name without an end")
        text = self.text(end - self.at)
        self.at += 1
        return text

    def top(self, kind: type = object) -> Any:
        """Look at what was made last."""
        if not self.stack or (kind is not object and type(self.stack[-1]) is not kind):
            raise UserError(f"its pickle expects {kind.__name__} where there is none")
        return self.stack[-1]

    def push(self, made: Any) -> None:
        """Put what was made on the stack."""
        self.stack.append(made)

    def pop(self) -> Any:
        """Take what was made last."""
        self.top()
        return self.stack.pop()

    def since_mark(self) -> list[Any]:
        """Take everything since the last mark."""
        if not self.below:
            raise UserError("its pickle goes back to a mark that it has not set")
        items, self.stack = self.stack, self.below.pop()
        self.count_work(len(items))
        return items


def weight_of(arguments: object) -> int:
    """Count what a call may copy: its arguments, and what is in each of them."""
    if not isinstance(arguments, tuple):
        return 0
    sizes = [len(a) for a in arguments[:8] if isinstance(a, tuple | list | dict)]
    return len(arguments) + sum(sizes)


def global_of(module: object, name: object) -> Global:
    """Look a name up among those that a state dict needs. Nothing is imported."""
    full = f"{module}.{name}" if type(module) is str and type(name) is str else "no name"
    if full not in NAMES:
        raise UserError(f"its pickle asks for {full[:80]!r}, which no state dict needs")
    return Global(full)


def call(function: object, arguments: object) -> Any:
    """Do what the four functions of a state dict do."""
    if type(function) is not Global or type(arguments) is not tuple:
        raise UserError("its pickle calls something that is no function")
    if function.name == DICT and len(arguments) == 0:
        return {}
    if function.name == DICT and len(arguments) == 1 and type(arguments[0]) is list:
        return pairs(arguments[0])  # as Python 2 writes it
    if function.name in (TENSOR, OLD_TENSOR) and len(arguments) in (4, 6, 7):
        return view(*arguments[:4])  # then: requires_grad, hooks, metadata
    if function.name == PARAMETER and len(arguments) == 3 and type(arguments[0]) is View:
        return arguments[0]
    raise UserError(f"its pickle calls {function.name} in a way that no state dict does")


def view(storage: object, offset: Any, shape: object, steps: object) -> View:
    """Describe a tensor, after making sure that it stays within its storage."""
    if type(storage) is not Storage or type(shape) is not tuple or type(steps) is not tuple:
        raise UserError("its pickle describes a tensor without storage, size or stride")
    if len(shape) != len(steps):
        raise UserError(f"a tensor has {len(shape)} sizes and {len(steps)} strides")
    check_axes(shape)
    check_whole(*shape, *steps, offset)
    check_shape(shape)
    reach = sum((size - 1) * step for size, step in zip(shape, steps, strict=True))
    if 0 not in shape and offset + reach >= storage.size:
        raise UserError(
            f"a tensor of shape {shape} reaches number {offset + reach} (from 0) "
            f"of a storage of {storage.size}"
        )
    return View(storage, offset, shape, steps)


def storage_from(given: object) -> Storage:
    """Read a storage: ("storage", type, key, location, size), in old files a sixth part."""
    match given:
        case ("storage", Global(name=name), str(key), str(), int(size), *rest) if (
            name in STORAGES and rest in ([], [None]) and 0 <= size < MOST_NUMBERS
        ):
            return Storage(key, STORAGES[name], int(size))
    raise UserError("its pickle describes a storage in a way that torch does not")


def fill(target: dict[Any, Any], items: list[Any]) -> None:
    """Put keys and values, one after the other, into a dict."""
    if len(items) % 2 != 0:
        raise UserError("its pickle has a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) not in (str, int):
            raise UserError("its pickle has a key that is neither text nor a number")
        target[key] = value


def pairs(items: list[Any]) -> dict[Any, Any]:
    """Make a dict of a list of pairs."""
    made: dict[Any, Any] = {}
    for item in items:
        if type(item) not in (list, tuple) or len(item) != 2:
            raise UserError("its pickle makes a dict of something that is no pairs")
        fill(made, list(item))
    return made
