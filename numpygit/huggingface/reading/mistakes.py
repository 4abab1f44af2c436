"""Error messages for picture files that cannot be read."""

from __future__ import annotations

import re

from PIL import Image, UnidentifiedImageError

from ...errors import NotFoundError, NotReadableError, UserError, shown
from .content import EMPTY, PICTURE, WHAT_HELPS, has_decoder

LIBRARIES = ("PIL", "av", "pillow_heif", "pillow_jxl")  # what they raise is about the file


def is_of_library(error: Exception) -> bool:
    """Tell whether a decoder raised this, or the system for the file, rather than this package."""
    if isinstance(error, OSError | MemoryError) or type(error).__module__.startswith(LIBRARIES):
        return True
    packages = []
    trace = error.__traceback__
    while trace is not None:
        packages.append(trace.tb_frame.f_globals.get("__name__", "").split(".")[0])
        trace = trace.tb_next
    ours = max((i for i, name in enumerate(packages) if name == __name__.split(".")[0]), default=-1)
    return any(name in LIBRARIES for name in packages[ours + 1 : ours + 3])


def unreadable(name: str, kind: str, error: Exception, lines: list[str]) -> UserError:
    """Say in one sentence why a picture or clip file of a kind (content.py) cannot be read."""
    name = shown(name)
    is_unknown = isinstance(error, UnidentifiedImageError)
    if isinstance(error, PermissionError):
        return UserError(f"{name} may not be read: permission denied")
    if isinstance(error, FileNotFoundError):
        return NotFoundError(f"no such picture file: {name}")
    if isinstance(error, Image.DecompressionBombError):
        pixels = " of at most ".join(re.findall(r"\d+", str(error))[:2])
        return UserError(
            f"{name} says that it has too many pixels: {pixels} that are opened; save it smaller"
        )
    if kind in WHAT_HELPS and is_unknown and not has_decoder(kind):
        return NotReadableError(f"{name} is {WHAT_HELPS[kind]}")
    if kind == EMPTY:
        return UserError(f"{name} is empty: it has no bytes")
    if is_unknown and (has_decoder(kind) or kind == PICTURE):
        why = "no picture in it can be decoded, or it is of a kind that Pillow has no decoder for"
    elif is_unknown:
        why = "is not a picture that Pillow can read; give a JPEG, PNG, WebP, GIF, ..."
        return UserError(f"{name} {why}{joined(lines, str(error))}")
    else:
        why = shown(str(error).splitlines()[0] if str(error) else type(error).__name__, 200)
    return UserError(f"{name} is damaged or cut short: {why}{joined(lines, why)}")


def joined(lines: list[str], why: str) -> str:
    """Write collected lines behind a reason, each once, in brackets; "" where there are none."""
    new = [line for line in dict.fromkeys(" ".join(each.split()) for each in lines) if line != why]
    return f" ({'; '.join(new[:3])})" if new else ""
