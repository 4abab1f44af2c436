"""Greys of many bits, ICC profiles, backgrounds, borders and arrays -> 8 bits of RGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

from ...errors import UserError
from ...model.params import Array

BITS = (8, 10, 12, 14, 16)


def in_8_bits(picture: Image.Image) -> Image.Image:
    """Scale greys of 16 or 32 bits and of floats to 0..255 by their range; others stay.

    The range begins at 0 and has as many bits as the largest number needs, of those that cameras
    have: 8, 10, 12, 14 or 16, whatever a file could hold; for floats it may be 0..1. Numbers that
    fit none of these are scaled from their smallest to their largest.
    """
    if picture.mode not in ("I", "F") and not picture.mode.startswith("I;16"):
        return picture
    numbers = np.asarray(picture, np.float64)  # (H, W)
    numbers = np.nan_to_num(numbers, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = range_of(numbers, picture.mode)
    scaled = (numbers - low) * (255 / (high - low)) if high > low else numbers * 0
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


def range_of(numbers: Array, mode: str) -> tuple[float, float]:
    """Choose the range that greys are scaled from."""
    low, high = float(numbers.min(initial=0)), float(numbers.max(initial=0))
    for bound in [*([1.0] if mode == "F" else []), *(2.0**bits - 1 for bits in BITS)]:
        if low >= 0 and high <= bound:
            return 0.0, bound
    return low, high


def in_srgb(picture: Image.Image) -> Image.Image:
    """Convert a picture from the ICC profile that it carries; without one it stays."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return picture
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    plain = picture.convert("RGB") if alpha is not None else picture
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(plain, given, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):  # a damaged profile, or one of other colours
        return picture
    if converted is None:
        return picture
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def laid_on(picture: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """Lay a transparent picture on a colour: -> RGB."""
    clear = (picture.convert("LA") if picture.mode == "La" else picture).convert("RGBA")
    ground = Image.new("RGBA", clear.size, (*colour, 255))
    return Image.alpha_composite(ground, clear).convert("RGB")


def picture_of(array: Array) -> tuple[Image.Image, bool]:
    """Make a Pillow picture of an array, and say whether its colours were in 0 to 1.

    (H, W) or (H, W, C) with 1, 3 or 4 channels. Colours in 0 to 1 must not be divided by 255 once
    more: the official code does so, and the model sees black.
    """
    colours = np.asarray(array)
    if colours.dtype.kind not in "buif":
        raise UserError(f"a picture array must hold numbers; got dtype {colours.dtype}")
    if colours.dtype.kind == "b":
        colours = colours * np.uint8(255)
    if colours.size == 0:
        raise UserError(f"a picture array must have pixels; got shape {colours.shape}")
    if colours.ndim == 3 and colours.shape[2] == 1:
        colours = colours[:, :, 0]
    if colours.ndim not in (2, 3) or (colours.ndim == 3 and colours.shape[2] not in (3, 4)):
        raise UserError(
            f"a picture array must be of shape (H, W, C), (C, H, W) or (H, W) with 1, 3 or 4 "
            f"channels; got {np.shape(array)}"
        )
    low, high = colours.min(initial=0), colours.max(initial=0)
    if not (low >= 0 and high <= 255):
        raise UserError(
            f"a picture array must hold colours in 0 to 255, or in 0 to 1; got {low} to {high}. "
            + (
                "Divide 16-bit colours by 65535"
                if colours.dtype.kind in "ui" and low >= 0
                else "Is it prepared already? Then pass it to the model as pixel_values"
            )
        )
    is_scaled = bool(np.issubdtype(colours.dtype, np.floating) and high <= 1)
    whole = np.rint(colours * 255.0) if is_scaled else np.rint(colours)
    return Image.fromarray(whole.astype(np.uint8)), is_scaled


def size_within(size: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """Find the largest width and height, in proportion, at which a picture fits into a frame."""
    share = min(width / size[0], height / size[1])
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def padded(
    rgb: Image.Image, width: int, height: int, *, resample: Image.Resampling, colour: list[int]
) -> Image.Image:
    """Bring a whole picture into a frame, in proportion, in the middle of a plain colour."""
    size = size_within(rgb.size, width, height)
    ground = Image.new("RGB", (width, height), tuple(colour))
    corner = ((width - size[0]) // 2, (height - size[1]) // 2)
    ground.paste(rgb.resize(size, resample), corner)
    return ground
