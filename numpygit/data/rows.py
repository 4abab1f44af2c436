"""One row of a data set: a picture, what is known about it, and where its bytes lie.

Rows are small: a picture stays where it is until it is read, so a list of a million rows fits
into memory, and rows can be sent to other processes.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any, Protocol

from ..errors import NotFoundError, UserError

MOST_BYTES = 2**28  # of one picture or clip inside a larger file: 256 MB


class Stored(Protocol):
    """A picture inside a larger file."""

    def read(self) -> Any:
        """Read the picture: its bytes, or what else a captioner takes; may be a UserError."""


@dataclass(frozen=True)
class Row:
    """One picture of a data set, with a question where it is asked one.

    A row that cannot be used says why in `error`, and its picture is None: one broken picture is
    a value among the others and never stops whoever goes through the rows.
    """

    key: str  # unique in its data set: a path inside the source, or an id
    picture: Path | Stored | None
    texts: tuple[str, ...] = ()  # captions that are known
    question: str | None = None
    answers: tuple[str, ...] = ()  # of all people who were asked
    labels: Mapping[str, str | int] = field(default_factory=dict)  # image_id, question_type, ...
    error: str | None = None

    def read(self) -> Any:
        """Find the picture: -> the path of its file, or the bytes of it.

        Raises UserError for a row with an error, and for bytes that cannot be read.
        """
        if self.error is not None or self.picture is None:
            raise UserError(self.error or f"{self.key} has no picture")
        return self.picture if isinstance(self.picture, Path) else self.picture.read()

    def failed(self, why: str) -> Row:
        """Make the same row without its picture, and say why."""
        return replace(self, picture=None, error=why)


@dataclass(frozen=True)
class Piece:
    """A part of a file: `size` bytes from `offset` on, as they are or in base64."""

    path: Path
    offset: int
    size: int
    name: str  # what it is called in messages
    is_base64: bool = False

    def read(self) -> bytes:
        """Read the part; UserError where it is too large, cut short or not base64."""
        if self.size > MOST_BYTES:
            raise UserError(f"{self.name} says that it has {self.size:,} bytes; too many")
        try:
            found = self.path.stat()
            file = handle(self.path, found.st_ino, found.st_mtime_ns)
            data = file.read(self.offset, self.size)
        except FileNotFoundError:
            raise NotFoundError(f"no such file any more: {self.path}") from None
        except OSError as error:
            raise UserError(f"{self.path} cannot be read: {error.strerror}") from None
        if len(data) < self.size:
            raise UserError(f"{self.name} is cut short: {self.path} ends before it")
        if not self.is_base64:
            return data
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise UserError(f"{self.name} is not base64: {error}") from None


class Handle:
    """A file that stays open: on a network drive, opening costs more than reading."""

    def __init__(self, path: Path) -> None:
        self.file: int | None = None
        self.file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self.lock = Lock()

    def read(self, offset: int, size: int) -> bytes:
        """Read bytes of the file; fewer where it ends."""
        parts = []
        with self.lock:
            os.lseek(self.file, offset, os.SEEK_SET)  # type: ignore[arg-type]
            while size and (part := os.read(self.file, size)):  # type: ignore[arg-type]
                parts.append(part)
                size -= len(part)
        return b"".join(parts)

    def __del__(self, close: Callable[[int], object] = os.close) -> None:
        if self.file is not None:
            close(self.file)


@lru_cache(maxsize=8)
def handle(path: Path, inode: int, changed: int) -> Handle:
    """Open a file, or find it open; one that was written anew meanwhile is another."""
    return Handle(path)


def why_outside(name: str) -> str | None:
    """Say why a name inside a data set leads out of it or cannot be a name; None if it is fine."""
    if not name or "\0" in name or any(ord(letter) < 32 for letter in name):
        return f"{name!a} is no name of a file"
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or path.parts[0].endswith(":"):
        return f"{name!a} leads out of the data set"
    return None


def inside(folder: Path, name: str, row: Row) -> Row:
    """Give a row the picture `name` of a folder, or the reason why it cannot have it."""
    why = why_outside(name)
    if why is not None:
        return row.failed(why)
    path = folder / name
    if not path.is_file():
        is_there = path.exists()
        return row.failed(f"{path} is no file" if is_there else f"no such picture file: {path}")
    return replace(row, picture=path)
