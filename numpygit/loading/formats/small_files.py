"""Small text files, read whole: JSON, vocabularies, settings.

A pipe or a device is not read, for it could go on for ever; neither is a file that is longer than
such files are. A byte order mark at the start, as some editors write it, is no part of the text.
"""

from __future__ import annotations

import codecs
import json
import os
import stat
from pathlib import Path
from typing import Any

from ...errors import NotFoundError, UserError, shown
from ..fields import check_depth

LONGEST_JSON = 2**20
LFS_POINTER = b"version https://git-lfs"  # what a clone without git-lfs has in place of a file


def check_regular(path: Path) -> None:
    """Refuse what is there and no file, a pipe or a device: to open it could wait for ever."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # whoever opens it says what is wrong
        return
    if not stat.S_ISREG(mode):
        raise UserError(f"{path} is a pipe, a device or a folder, expected a file")


def read_small(path: Path, *, longest: int = LONGEST_JSON) -> bytes:
    """Read a file of at most `longest` bytes.

    Raises NotFoundError for one that is not there, UserError for what is no regular file, too
    long, or only the pointer of git-lfs to a file.
    """
    try:
        handle = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise UserError(f"{path} is a pipe, a device or a folder, expected a file")
            content = file.read(longest + 1)
    except FileNotFoundError:
        raise NotFoundError(f"no such file: {path}") from None
    except UserError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path} cannot be read: {reason}") from None
    if len(content) > longest:
        raise UserError(f"{path} has more than {longest} bytes")
    if content.startswith(LFS_POINTER):
        raise UserError(f"{path} only stands for a file in git-lfs; `git lfs pull` fetches that")
    return content


def decoded(content: bytes) -> str:
    """Decode a text in UTF-8, or in UTF-16 as Windows marks it, without its byte order mark."""
    return content.decode(encoding_of(content))


def encoding_of(start: bytes) -> str:
    """Tell UTF-16 from UTF-8 by the byte order mark at the start of a file."""
    is_wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return "utf-16" if is_wide else "utf-8-sig"


def read_text(path: Path, *, longest: int = LONGEST_JSON) -> str:
    """Read a text in UTF-8, or in UTF-16 with its mark."""
    try:
        return decoded(read_small(path, longest=longest))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text in UTF-8: {error}") from None


def read_json(path: Path, *, longest: int = LONGEST_JSON) -> dict[str, Any]:
    """Read a JSON object, or say what is wrong with the file."""
    if not os.path.lexists(path):
        raise NotFoundError(f"{path.parent} is no checkpoint folder: it has no {path.name}")
    content = read_small(path, longest=longest)
    try:
        values = json.loads(decoded(content))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {shown(str(error), 80)}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} holds {type(values).__name__}, expected an object {{...}}")
    check_depth(values, where=path)
    return values
