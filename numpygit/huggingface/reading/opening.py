"""Whatever holds a picture -> an RGB picture: a path, an address, bytes, a file object, an array.

`source_of` finds the bytes, `open_picture` decodes them. A picture that is read from a file is
turned as its EXIF says, and greys of 16 bits or floats are scaled by their range; a Pillow picture
that was handed over is only made RGB. `PictureOptions` has the choices.
Source: transformers 4.37.2, `image_utils.load_image`, which turns and converts in this order.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from ...errors import NotFoundError, UserError, shown
from ...model.image import to_rgb
from ...model.params import Array
from .address import fetch_address, is_address
from .content import WHAT_HELPS, kind_of, register_plugin
from .held_back import held_back, joined
from .options import DEFAULT, PictureOptions

Picture: TypeAlias = Image.Image | str | os.PathLike[str] | bytes | BinaryIO | Array
ORIENTATION = 0x0112  # the EXIF tag
NEVER_READ = ("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF")  # no decoder, or another program's
LIBRARIES = ("PIL", "av", "pillow_heif", "pillow_jxl")  # what they raise is about the file


class InMemory(io.BytesIO):
    """The bytes of a file, and what to call it."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


Source: TypeAlias = Path | InMemory


# ------------------------------------------------------------------ what was given


def is_one_picture(given: object) -> bool:
    """Tell one picture, or one file of a clip, from a list of them and from an array of a clip."""
    if isinstance(given, Image.Image | str | os.PathLike | bytes | bytearray | memoryview):
        return True
    if hasattr(given, "__array__"):
        return np.ndim(given) < 4
    return hasattr(given, "read")


def is_file(given: object) -> bool:
    """Tell what is read from a file, an address or bytes from pictures that are in memory."""
    return (
        is_one_picture(given)
        and not isinstance(given, Image.Image)
        and (isinstance(given, memoryview) or not hasattr(given, "__array__"))
    )


def check_picture(given: object) -> None:
    """Refuse what is no picture at all, such as None."""
    if not is_one_picture(given):
        shape = f" of shape {np.shape(given)}" if hasattr(given, "__array__") else ""
        raise UserError(
            "a picture must be a path, an address, bytes, an open file, a Pillow picture, or an "
            f"array (H, W, C), (C, H, W) or (H, W); got {shown(type(given).__name__)}{shape}"
        )


def frames_of(given: Any) -> Any:
    """Take a list of frames, or an array (frames, H, W, C); refuse everything else."""
    if not isinstance(given, list | tuple) and not hasattr(given, "__array__"):
        check_picture(given)
    if len(given) == 0:
        raise UserError("got an empty list of frames; pass a picture, or at least one frame")
    return given


def source_of(given: Any, options: PictureOptions = DEFAULT) -> tuple[Source, str]:
    """Find the bytes of a picture or clip file: -> a path or a file in memory, and its name.

    Raises NotFoundError for a missing file, UserError for what is no file, and for an address
    while `local_files_only` holds.
    """
    check_picture(given)
    if isinstance(given, InMemory):
        return given, given.name
    if isinstance(given, str) and is_address(given):
        content, name = fetch_address(given, local_files_only=options.local_files_only)
        return InMemory(content, name), name
    if isinstance(given, str | os.PathLike):
        path, name = Path(given), shown(os.fspath(given))
        check_regular(path, name)
        return path, name
    if isinstance(given, bytes | bytearray | memoryview):
        name = f"the picture of {len(given)} bytes"
        return InMemory(bytes(given), name), name
    if not hasattr(given, "read"):
        raise UserError(f"got {shown(type(given).__name__)}, expected a picture file")
    name = shown(str(getattr(given, "name", "the open file")))
    return InMemory(content_of(given, name), name), name


def content_of(file: Any, name: str) -> bytes:
    """Read an open file from its start, or from where it is if it cannot go back."""
    try:
        if hasattr(file, "seek") and getattr(file, "seekable", bool)():
            file.seek(0)
        content = file.read()
    except (OSError, ValueError) as error:
        raise UserError(f"{name} cannot be read: {error}") from None
    if not isinstance(content, bytes):
        raise UserError(f"{name} is open as text; open picture files with mode 'rb'")
    return content


def check_regular(path: Path, name: str) -> None:
    """Refuse paths that lead to no regular file: reading a pipe could wait for ever."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise NotFoundError(f"no such picture file: {name}") from None
    except (OSError, ValueError) as error:  # too long a name, a loop of links, a NUL in it
        reason = getattr(error, "strerror", None) or error
        raise NotFoundError(f"no such picture file: {name} ({reason})") from None
    if stat.S_ISDIR(mode):
        raise UserError(f"{name} is a folder, expected a picture file")
    if not stat.S_ISREG(mode):
        raise UserError(f"{name} is a pipe or a device, expected a picture file")


# ------------------------------------------------------------------ what it becomes


def open_picture(given: Any, options: PictureOptions = DEFAULT) -> Image.Image:
    """Read a picture file completely: -> RGB picture, the first frame of an animation.

    Raises NotFoundError for a missing file, UserError for one that is no picture or cut short.
    """
    source, name = source_of(given, options)
    with reading(source, name), opened(source) as picture:
        picture.load()
        return finished(picture, options)


@contextmanager
def opened(source: Source) -> Iterator[Image.Image]:
    """Open a file with Pillow, without the decoders that would start another program."""
    Image.init()
    formats = [name for name in Image.OPEN if name not in NEVER_READ]
    with as_binary(source) as file:
        if register_plugin(kind_of(file)):
            formats = [name for name in Image.OPEN if name not in NEVER_READ]
        with Image.open(file, formats=formats) as picture:
            yield picture


@contextmanager
def as_binary(source: Source) -> Iterator[BinaryIO]:
    """Open a path; a file in memory is read from its start and stays open."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield file
    else:
        source.seek(0)
        yield source


def handed_over(picture: Image.Image, options: PictureOptions = DEFAULT) -> Image.Image:
    """Make a Pillow picture that was handed over RGB: it is not turned, and greys are clipped."""
    return finished(picture, replace(options, turn=False, depth="clip"))


def finished(picture: Image.Image, options: PictureOptions) -> Image.Image:
    """Turn a loaded picture, bring its colours to 8 bits of RGB, and lay it on a background."""
    if options.turn:
        picture = turned(picture, orientation_of(picture))
    if options.to_srgb:
        picture = in_srgb(picture)
    if options.depth == "scale":
        picture = in_8_bits(picture)
    colour = options.background_colour()
    if colour is not None and picture.has_transparency_data:
        clear = picture.convert("RGBA")
        ground = Image.new("RGBA", clear.size, (*colour, 255))
        return Image.alpha_composite(ground, clear).convert("RGB")
    return to_rgb(picture)


def orientation_of(picture: Image.Image) -> int:
    """Read how a picture is to be turned from its EXIF; 1, as it is, where that is damaged."""
    try:
        return int(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # Pillow raises whatever a damaged EXIF makes it stumble over
        return 1


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def turned(picture: Image.Image, orientation: int) -> Image.Image:
    """Turn or mirror a picture; an orientation that EXIF does not know leaves it as it is."""
    turn = TURNS.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def in_8_bits(picture: Image.Image) -> Image.Image:
    """Scale greys of 16 or 32 bits and of floats to 0..255 by their range; others stay.

    The range is that of the kind of number: 0..65535 for 16 bits, 0..1 or 0..255 for floats that
    lie within; numbers that fit none of these are scaled from their smallest to their largest.
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
    if mode.startswith("I;16"):
        return 0.0, 65535.0
    bounds = (1.0, 255.0, 65535.0) if mode == "F" else (65535.0,)  # "I": older Pillow, 16 bits
    for bound in bounds:
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


# ------------------------------------------------------------------ what goes wrong


@contextmanager
def reading(source: Source, name: str) -> Iterator[None]:
    """Turn what Pillow and PyAV raise about a file into one sentence; other mistakes go on."""
    with held_back() as lines:
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            if not is_of_library(error):
                raise
            raise unreadable(source, name, error, lines) from None


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


def unreadable(source: Source, name: str, error: Exception, lines: list[str]) -> UserError:
    """Say in one sentence why a picture or clip file cannot be read."""
    if isinstance(error, PermissionError):
        return UserError(f"{name} may not be read: permission denied")
    if isinstance(error, FileNotFoundError):
        return NotFoundError(f"no such picture file: {name}")
    if isinstance(error, Image.DecompressionBombError):
        return UserError(f"{name} says that it has too many pixels: {error}")
    try:
        with as_binary(source) as file:
            kind = kind_of(file)
    except OSError:
        kind = ""
    if kind in WHAT_HELPS and isinstance(error, UnidentifiedImageError):
        return UserError(f"{name} is {WHAT_HELPS[kind]}")
    if isinstance(error, UnidentifiedImageError):
        return UserError(
            f"{name} is not a picture that Pillow can read; give a JPEG, PNG, WebP, GIF, ..."
        )
    why = shown(str(error).splitlines()[0] if str(error) else type(error).__name__, 200)
    return UserError(f"{name} is damaged or cut short: {why}{joined(lines, why)}")
