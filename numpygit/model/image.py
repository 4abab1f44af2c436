"""Picture -> pixels. Every step is a function of its own.

Source: transformers 4.37.2, `CLIPImageProcessor` and `image_transforms.py`, with Pillow. The
order is: RGB, resize, centre crop, scale, normalise. Rotation notes of cameras (EXIF) are
ignored, as there.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import NotFoundError, UserError
from .params import Array

MOST_PIXELS = 100_000_000  # of a resized picture, before it is cropped: 300 MB
BROKEN = (  # what Pillow raises for files that it cannot read
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, RuntimeError, ArithmeticError),
    *(struct.error, Image.DecompressionBombError),
)


def open_picture(path: str | Path) -> Image.Image:
    """Read a picture file completely: path -> RGB picture, the first frame of an animation.

    Raises NotFoundError for a missing file, UserError for one that is no picture or cut short.
    """
    try:
        with Image.open(path) as picture:
            return to_rgb(picture)
    except BROKEN as error:
        raise unreadable(path, error) from None


def unreadable(path: str | Path, error: Exception) -> UserError:
    """Say in one sentence why a picture file cannot be read."""
    if os.path.isdir(path):
        return UserError(f"{path} is a folder, expected a picture file")
    if isinstance(error, FileNotFoundError):
        return NotFoundError(f"no such picture file: {path}")
    if isinstance(error, UnidentifiedImageError):
        return UserError(
            f"{path} is not a picture that Pillow can read; give a JPEG, PNG, WebP, GIF, ..."
        )
    if isinstance(error, PermissionError):
        return UserError(f"{path} may not be read: permission denied")
    if isinstance(error, Image.DecompressionBombError):
        return UserError(f"{path} says that it has too many pixels: {error}")
    return UserError(f"{path} is damaged or cut short: {error}")


def to_rgb(picture: Image.Image) -> Image.Image:
    """Give a picture of any mode three channels: transparency is dropped, not blended."""
    if isinstance(picture.info.get("transparency"), bytes):
        picture = picture.convert("RGBA")  # the same colours, but Pillow does not warn
    return picture.convert("RGB")


def resize(picture: Image.Image, *, shortest_edge: int, resample: int) -> Image.Image:
    """Bring the shorter side to `shortest_edge` pixels and keep the proportions.

    The longer side is rounded down. Pillow computes in 8 bits: the result is rounded to whole
    numbers and clipped to 0..255. Raises UserError for a line so thin that its longer side would
    become absurd.
    """
    width, height = picture.size
    short, long = min(width, height), max(width, height)
    new_long = int(shortest_edge * long / short)
    if shortest_edge * new_long > MOST_PIXELS:
        raise UserError(
            f"a picture of {width}x{height} pixels is too thin: with its shorter side at "
            f"{shortest_edge} the longer one would have {new_long}; cut a piece out of it"
        )
    size = (shortest_edge, new_long) if width <= height else (new_long, shortest_edge)
    return picture.resize(size, resample=Image.Resampling(resample))


def centre_crop(colours: Array, *, height: int, width: int) -> Array:
    """Cut the middle out; where there is too little, pad with zeros around it.

    (H, W, C) -> (height, width, C). An odd rest leaves one pixel more at the bottom and right
    when cutting, and one less at the top and left when padding. The official code returns a
    picture one pixel too small when the missing rest is odd; this does not.
    """
    H, W, C = colours.shape
    padded = np.zeros((max(H, height), max(W, width), C), colours.dtype)
    top, left = (padded.shape[0] - H) // 2, (padded.shape[1] - W) // 2
    padded[top : top + H, left : left + W] = colours
    top, left = (padded.shape[0] - height) // 2, (padded.shape[1] - width) // 2
    return padded[top : top + height, left : left + width]


def scale(colours: Array, *, factor: float) -> Array:
    """Bring 0..255 to 0..1: uint8 -> float32 of the same shape."""
    return (colours * factor).astype(np.float32)


def normalise(colours: Array, *, mean: list[float], std: list[float]) -> Array:
    """Subtract the mean and divide by the spread of each colour: (H, W, C) -> (H, W, C)."""
    H, W, C = colours.shape
    centred = colours - np.array(mean, np.float32)  # (H, W, C)
    return centred / np.array(std, np.float32)
