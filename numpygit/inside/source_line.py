"""Which line of the source computed a tensor."""

from __future__ import annotations

import ast
import linecache
import re
import sys
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from ..model.image import normalise
from ..model.params import Array


class Traced(NamedTuple):
    """A tensor that has come, and where it was computed."""

    name: str
    value: Array
    file: str
    line: int
    function: str
    source: str


def calling_frame() -> FrameType:
    """Find the function of the model that called `trace`."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_name in ("scoped", "observe"):
        frame = frame.f_back
    if frame is None:
        raise AssertionError("an observer is always called by a function")
    return frame


def traced(name: str, value: Array, frame: FrameType) -> Traced:
    """Note a tensor and the line that computed it."""
    file, line = frame.f_code.co_filename, frame.f_lineno
    function = frame.f_code.co_name
    if name == "pixels":  # computed before the run, by the processor: the last step of it
        code = normalise.__code__
        file, function = code.co_filename, code.co_name
        line = max(end for *_, end in code.co_lines() if end is not None)
        return Traced(name, value, Path(file).name, line, function, source_of(file, line))
    line, source = line_of(file, line, frame.f_code.co_firstlineno)
    return Traced(name, value, Path(file).name, line, function, source)


def source_of(file: str, line: int) -> str:
    """Read a line of a file."""
    return linecache.getline(file, line).strip()


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
