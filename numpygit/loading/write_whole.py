"""Atomic writing: a file is written whole, or not at all."""

from __future__ import annotations

import os
import secrets
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import UserError, expect
from ..model.params import Array

MOST_NAME = 255  # bytes of a file's name on most systems


def write_text(file: str | Path, text: str) -> None:
    """Write a text into a file, whole or not at all. Raises UserError for what is no path."""
    expect("the name of a file", file, (str, os.PathLike), "a path")
    if Path(file).is_dir():
        raise UserError(f"{file} is a folder, expected the name of a file")
    write_whole(Path(file), lambda path: path.write_text(text, encoding="utf-8"))


def write_whole(path: Path, write: Callable[[Path], object], *, part: Path | None = None) -> None:
    """Write beside the file first, then put the result in its place in one step.

    `write` gets the path to write to; what it wrote is on the disk before it gets its place.
    `part` is that path for those who alone write there: what a kill leaves of one attempt, the
    next one writes over. Without it each attempt has a name of its own.
    """
    part = part or beside(path, f".{secrets.token_hex(4)}.part")
    try:
        write(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def beside(path: Path, ending: str) -> Path:
    """Name a file beside another one: the same name with an ending, or a hash if that is long."""
    name = path.name + ending
    if len(os.fsencode(name)) > MOST_NAME:
        name = f".{zlib.crc32(os.fsencode(path.name)):08x}{ending}"
    return path.with_name(name)


def write_tensors(path: Path, tensors: Mapping[str, Array], facts: Mapping[str, str]) -> None:
    """Write a .safetensors file, whole or not at all; `facts` are its metadata.

    Raises UserError without the package `safetensors`, which only writing needs.
    """
    try:
        from safetensors.numpy import save_file
    except ImportError:
        raise UserError(f"{path} needs the package safetensors: pip install safetensors") from None
    write_whole(path, lambda to: save_file(dict(tensors), to, metadata=dict(facts)))
