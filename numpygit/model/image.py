"""Picture -> pixels. Every step is a function of its own.

Source: transformers 4.37.2, `CLIPImageProcessor` and `image_transforms.py`, with Pillow. The
order is: RGB, resize, centre crop, scale, normalise. How a file becomes a picture is in
`huggingface/reading/`.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..errors import UserError
from .params import Array

# mean and standard deviation of the colours that CLIP was trained on, red, green, blue in 0..1
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
MOST_PIXELS = 100_000_000  # of a resized picture, before it is cropped: 300 MB


def to_rgb(picture: Image.Image) -> Image.Image:
    """Give a picture of any mode three channels: transparency is dropped, not blended."""
    if isinstance(picture.info.get("transparency"), bytes):
        picture = picture.convert("RGBA")  # the same colours, but Pillow does not warn
    if picture.mode == "La":  # multiplied by its transparency; there is no other way out
        picture = picture.convert("LA")
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
    """Subtract mean, divide by standard deviation, of each colour: (H, W, C) -> (H, W, C)."""
    H, W, C = colours.shape
    centred = colours - np.array(mean, np.float32)  # (H, W, C)
    return centred / np.array(std, np.float32)
