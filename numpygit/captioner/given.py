"""Checks of a captioner's arguments: lists, texts and settings of the right kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import UserError, shown
from ..model.params import Array


def texts_of(given: Any, name: str, *, instead: str = "") -> list[str]:
    """Make a list of texts of whatever was given; refuse a single text, None, and other things."""
    if isinstance(given, str):
        raise UserError(f"{name} is the text {shown(given)!r}; give a list{instead}")
    found = list_of(given, name)
    for text in found:
        check_text(text, f"one of {name}")
    return found


def list_of(given: Any, name: str) -> list[Any]:
    """Make a list of whatever was given; refuse what has no members in an order."""
    is_list = isinstance(given, Iterable) and not isinstance(given, Mapping)
    if not is_list and not hasattr(given, "__array__"):
        raise UserError(f"{name} is {type(given).__name__}, expected a list")
    return list(given)


def check_text(given: object, name: str) -> None:
    """Refuse what is no text."""
    if not isinstance(given, str):
        raise UserError(f"{name} is {shown(repr(given))}, expected a text")


def check_kind(given: object, kind: type, name: str) -> None:
    """Refuse settings that are no `kind`; None stands for its defaults."""
    if given is not None and not isinstance(given, kind):
        raise UserError(f"{name} is {shown(repr(given))}, expected {kind.__name__}(...)")


def check_frames(pixels: Array, frames: int | None, name: str) -> None:
    """Refuse a clip, (1, frames, C, H, W), that is longer than the model's: a list may be meant."""
    if pixels.shape[1] > (frames or 0):
        takes = f"clips of at most {frames} frames" if frames else "stills only"
        raise UserError(
            f"a list of pictures is one clip, here of {pixels.shape[1]} frames, and {name} takes "
            f"{takes}; for a caption of each use captions"
        )
