"""One picture, however it is held -> pixels: opened, fitted, and the steps of `model/image.py`.

A picture that is read from a file is turned as its EXIF says, and greys of 16 bits or floats are
scaled by their range; a Pillow picture that was handed over is only made RGB. `PictureOptions` has
the choices. What is seldom needed of it is in `huggingface/reading/`.
Source: transformers 4.37.2, `image_utils.load_image`, which turns and converts in this order;
CLIPImageProcessor for stills and VideoMAEImageProcessor for clips.
"""

from __future__ import annotations

import io
import logging
import os
import stat
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from PIL import Image, UnidentifiedImageError

from ...errors import NotFoundError, UserError, shown
from ...loading.fields import PREPROCESSOR, checked
from ...model.image import CLIP_MEAN, CLIP_STD, centre_crop, normalise, resize, scale, to_rgb
from ...model.params import Array
from ..reading import DEFAULT, PictureOptions, lines
from ..reading.address import content_of, fetch_address, is_address
from ..reading.colours import in_8_bits, in_srgb, laid_on, padded, picture_of
from ..reading.content import ANIMATED, RAW, is_video, kind_of, kind_of_file, register_plugin
from ..reading.mistakes import is_of_library, joined, unreadable
from .array_steps import FIRST, LAST, as_array, channels_last, in_layout

Picture: TypeAlias = Image.Image | str | os.PathLike[str] | bytes | BinaryIO | Array
SETTINGS = {
    "size", "crop_size", "resample", "rescale_factor", "image_mean", "image_std",
    "do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb",
}  # fmt: skip
ORIENTATION = 0x0112  # the EXIF tag
NEVER_READ = ("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF")  # no decoder, or another program's


@dataclass(frozen=True)
class ImageProcessor:
    """The steps of `image.py` with the settings of a `preprocessor_config.json`.

    The defaults are those of transformers 4.37.2, CLIPImageProcessor.
    """

    shortest_edge: int = 224
    crop_height: int = 224
    crop_width: int = 224
    resample: int = 3  # bicubic, as Pillow counts
    rescale_factor: float = 1 / 255
    image_mean: list[float] = field(default_factory=lambda: list(CLIP_MEAN))
    image_std: list[float] = field(default_factory=lambda: list(CLIP_STD))
    exact_size: tuple[int, int] | None = None  # height and width, where proportions are not kept
    do_resize: bool = True
    do_center_crop: bool = True
    do_rescale: bool = True
    do_normalize: bool = True
    do_convert_rgb: bool = True  # False keeps the four channels of an array or a picture
    options: PictureOptions = DEFAULT  # how files are read, and what is done instead of cropping

    @classmethod
    def from_dict(
        cls,
        values: Mapping[str, Any],
        *,
        options: PictureOptions = DEFAULT,
        where: object = "preprocessor_config.json",
    ) -> ImageProcessor:
        """Take the settings from the file's values; refuse what cannot be honoured."""
        values = checked(values, PREPROCESSOR, where=where)
        size, crop = values.get("size", 224), values.get("crop_size", 224)
        exact, edge = None, size
        if isinstance(size, dict) and {"height", "width"} <= set(size):
            exact, edge = (size["height"], size["width"]), 224
        elif isinstance(size, dict):
            edge = size["shortest_edge"]
        crop = crop if isinstance(crop, dict) else {"height": crop, "width": crop}
        settings = (SETTINGS - {"size", "crop_size"}) & set(values)
        given = {name: values[name] for name in settings}
        return cls(edge, crop["height"], crop["width"], exact_size=exact, options=options, **given)

    def as_settings(self) -> dict[str, Any]:
        """List the settings under the names of `preprocessor_config.json`."""
        size: Any = {"shortest_edge": self.shortest_edge}
        if self.exact_size is not None:
            size = {"height": self.exact_size[0], "width": self.exact_size[1]}
        crop = {"height": self.crop_height, "width": self.crop_width}
        rest = {name: getattr(self, name) for name in SETTINGS - {"size", "crop_size"}}
        return {"size": size, "crop_size": crop, **rest}

    def __call__(
        self,
        picture: Picture,
        data_format: object = FIRST,
        input_data_format: object = None,
    ) -> Array:
        """Prepare one picture, however it is held -> pixels (C, H, W) float32.

        An array may have its channels first or last, or none, in 0 to 255 or in 0 to 1.
        `input_data_format` says where its channels are; `data_format` where they shall be, None
        as they were.
        """
        given: Any = picture
        is_scaled, layout, four = False, LAST, not self.do_convert_rgb
        if hasattr(given, "__array__") and not isinstance(given, Image.Image | memoryview):
            colours, layout = channels_last(given, input_data_format)
            given, is_scaled = picture_of(colours)
            four = four or {np.size(self.image_mean), np.size(self.image_std)} <= {1, 4}
        kept = four and isinstance(given, Image.Image) and given.mode == "RGBA"
        colours = np.asarray(self.fitted(given if kept else as_rgb(given, self.options)))
        if self.do_center_crop:
            colours = centre_crop(colours, height=self.crop_height, width=self.crop_width)
        if self.do_rescale or is_scaled:
            factor = 1 / 255 if is_scaled else float(self.rescale_factor)
            colours = scale(colours, factor=factor)
        if self.do_normalize:
            colours = normalise(colours, mean=self.image_mean, std=self.image_std)
        if data_format != FIRST:
            return np.ascontiguousarray(in_layout(colours, data_format or layout), np.float32)
        return np.ascontiguousarray(colours.transpose(2, 0, 1), np.float32)  # (C, H, W)

    def fitted(self, rgb: Image.Image) -> Image.Image:
        """Bring a picture to the size that the square is cut from, or to the square itself."""
        how = Image.Resampling(self.resample)
        if self.options.fit == "squash":
            return rgb.resize((self.crop_width, self.crop_height), how)
        if self.options.fit == "pad":
            mean = [round(255 * min(max(level, 0), 1)) for level in np.ravel(self.image_mean)]
            return padded(rgb, self.crop_width, self.crop_height, resample=how, colour=mean)
        if self.do_resize and self.exact_size is not None:
            height, width = self.exact_size
            return rgb.resize((width, height), how)
        if self.do_resize:
            return resize(rgb, shortest_edge=self.shortest_edge, resample=self.resample)
        return rgb


def as_rgb(picture: Any, options: PictureOptions) -> Image.Image:
    """Open a picture: -> RGB."""
    if isinstance(picture, Image.Image):
        return handed_over(picture, options)
    if hasattr(picture, "__array__") and not isinstance(picture, memoryview):
        return handed_over(picture_of(channels_last(picture)[0])[0], options)
    return open_picture(picture, options)


class InMemory(io.BytesIO):
    """The bytes of a file, and what to call it."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


Source: TypeAlias = Path | InMemory


def is_one_picture(given: object) -> bool:
    """Tell one picture, or one file of a clip, from a list of them and from an array of a clip."""
    if isinstance(given, Image.Image | str | os.PathLike | bytes | bytearray | memoryview):
        return True
    if hasattr(given, "__array__"):
        return as_array(given).ndim < 4
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
        shape = f" of shape {as_array(given).shape}" if hasattr(given, "__array__") else ""
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
        content, name = fetch_address(
            given, local_files_only=options.local_files_only, timeout=options.timeout
        )
        return InMemory(content, name), name
    if isinstance(given, str | os.PathLike):
        path, name = Path(given), os.fspath(given)
        check_regular(path, name)
        return path, name
    if isinstance(given, bytes | bytearray | memoryview):
        name = f"the picture of {len(given)} bytes"
        return InMemory(bytes(given), name), name
    if not hasattr(given, "read"):
        raise UserError(f"got {shown(type(given).__name__)}, expected a picture file")
    name = shown(str(getattr(given, "name", "the open file")))
    return InMemory(content_of(given, name), name), name


def check_regular(path: Path, name: str) -> None:
    """Refuse paths that lead to no regular file: reading a pipe could wait for ever."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise NotFoundError(f"no such picture file: {shown(name)}") from None
    except (OSError, ValueError) as error:  # too long a name, a loop of links, a NUL in it
        reason = getattr(error, "strerror", None) or error
        raise NotFoundError(f"no such picture file: {shown(name)} ({reason})") from None
    if stat.S_ISDIR(mode):
        raise UserError(f"{shown(name)} is a folder, expected a picture file")
    if not stat.S_ISREG(mode):
        raise UserError(f"{shown(name)} is a pipe or a device, expected a picture file")


def open_picture(given: Any, options: PictureOptions = DEFAULT) -> Image.Image:
    """Read a picture file completely: -> RGB picture, the first frame of an animation.

    Raises NotFoundError for a missing file, UserError for one that is no picture or cut short.
    """
    source, name = source_of(given, options)
    with reading(source, name), opened(source) as picture:
        picture.load()
        return finished(picture, options)


def opened_still(given: Any, options: PictureOptions, *, clips: bool) -> Any:
    """Open what is a file of a still picture; a file of a clip becomes its source, to be read on.

    What is no file stays as it is. An animation counts as a clip where `clips` are wanted. Pillow
    is asked first; where it knows a file by no signature, the first bytes are looked at.
    """
    if not is_file(given):
        return given
    source, name = source_of(given, options)
    with reading(source, name):
        try:
            with opened(source) as picture:
                opener = Image.OPEN.get(picture.format or "")  # not MPO, which is found inside JPEG
                has_signature = opener is None or opener[1] is not None
                is_animated = picture.format in ANIMATED and getattr(picture, "is_animated", False)
                if (clips and is_animated) or (not has_signature and is_video(source)):
                    return source
                picture.load()
                return finished(picture, options)
        except UnidentifiedImageError:
            if is_video(source):
                return source
            raise


@contextmanager
def opened(source: Source, formats: tuple[str, ...] = ()) -> Iterator[Image.Image]:
    """Open a file with Pillow as one of some formats; else as any that starts no other program."""
    Image.init()
    with as_binary(source) as file:
        try:
            picture = Image.open(file, formats=formats or harmless())
        except UnidentifiedImageError:
            if formats or not register_plugin(kind_of(file)):
                raise
            picture = Image.open(file, formats=harmless())
        with picture:
            if picture.format == "TIFF" and kind_of(file) == RAW:  # this is its small preview
                raise UnidentifiedImageError(RAW)
            yield picture


def harmless() -> list[str]:
    """List the formats that Pillow decodes by itself."""
    return [name for name in Image.OPEN if name not in NEVER_READ]


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
    if picture.mode == "RGB" and not picture.info.get("transparency") and not options.to_srgb:
        return picture
    return finished(picture, replace(options, turn=False, depth="clip"))


def finished(picture: Image.Image, options: PictureOptions) -> Image.Image:
    """Turn a loaded picture, bring its colours to 8 bits of RGB, and lay it on a background."""
    if options.turn:
        picture = turned(picture, orientation_of(picture))
    if options.to_srgb:
        picture = in_srgb(picture)
    if options.depth == "scale" and picture.mode[0] in "IF":
        picture = in_8_bits(picture)
    colour = options.background and options.background_colour()
    if colour and picture.has_transparency_data:
        return laid_on(picture, colour)
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture.copy()  # what is decoded next into the same picture does not change it
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


@contextmanager
def reading(source: Source, name: str) -> Iterator[None]:
    """Turn what Pillow and PyAV raise about a file into one sentence; other mistakes go on.

    What they print meanwhile is held back, and joined to the sentence.
    """
    problem: Exception | None = None
    with held_back() as found:
        try:
            yield
        except Exception as error:
            problem = error
    if isinstance(problem, UserError) and found:
        raise type(problem)(f"{problem}{joined(found, str(problem))}")
    if problem is not None and not isinstance(problem, UserError) and is_of_library(problem):
        raise unreadable(name, kind_of_file(source), problem, found)
    if problem is not None:
        raise problem


@contextmanager
def held_back() -> Iterator[list[str]]:
    """Collect warnings and log lines of Pillow and PyAV, and a program's C lines: -> at the end."""
    found: list[str] = []
    handler, logger = lines.Lines(logging.WARNING), logging.getLogger("PIL")
    handler.lines = found
    logger.addHandler(handler)
    propagates, logger.propagate = logger.propagate, False
    caught: list[warnings.WarningMessage] = []
    try:
        with (
            lines.printed(found) if lines.OWNERS else nullcontext(),
            warnings.catch_warnings(record=True) as caught,
        ):
            warnings.simplefilter("always")
            yield found
    finally:
        found += [str(each.message) for each in caught]
        logger.propagate = propagates
        logger.removeHandler(handler)
