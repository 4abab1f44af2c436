"""One picture -> pixels: the steps of `model/image.py` with the settings of a checkpoint.

Source: transformers 4.37.2, CLIPImageProcessor for stills and VideoMAEImageProcessor for clips.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...errors import UserError
from ...model.image import BROKEN, centre_crop, normalise, open_picture, resize, scale, to_rgb
from ...model.params import Array
from .array_steps import LAST, channels_last, in_layout

Picture = Image.Image | str | Path
VIDEO_SUFFIXES = (
    ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv",
    ".webm", ".wmv",
)  # fmt: skip
ANIMATED = ("AVIF", "FLI", "GIF", "PNG", "WEBP")  # several pictures in a TIFF or MPO are no clip

SETTINGS = {
    "size", "crop_size", "resample", "rescale_factor", "image_mean", "image_std",
    "do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb",
}  # fmt: skip


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
    image_mean: list[float] = field(default_factory=lambda: [0.48145466, 0.4578275, 0.40821073])
    image_std: list[float] = field(default_factory=lambda: [0.26862954, 0.26130258, 0.27577711])
    exact_size: tuple[int, int] | None = None  # height and width, where proportions are not kept
    do_resize: bool = True
    do_center_crop: bool = True
    do_rescale: bool = True
    do_normalize: bool = True
    do_convert_rgb: bool = True  # False keeps the four channels of an array or a picture

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ImageProcessor:
        """Take the settings from the file's values; refuse what cannot be honoured."""
        size, crop = values.get("size", 224), values.get("crop_size", 224)
        exact, edge = None, size
        if isinstance(size, dict) and {"height", "width"} <= set(size):
            exact, edge = (size["height"], size["width"]), 224
        elif isinstance(size, dict):
            edge = size.get("shortest_edge")
        if edge is None:
            raise UserError(
                f"preprocessor_config.json: size {size} has neither 'shortest_edge' nor 'height' "
                "and 'width'"
            )
        if not isinstance(crop, dict):
            crop = {"height": crop, "width": crop}
        settings = (SETTINGS - {"size", "crop_size"}) & set(values)
        height, width = crop.get("height", 0), crop.get("width", 0)
        given = {name: values[name] for name in settings}
        made = cls(edge, height, width, exact_size=exact, **given)
        made.check()
        return made

    def check(self) -> None:
        """Refuse settings that no picture could be prepared with."""
        edge, crop = self.shortest_edge, (self.crop_height, self.crop_width)
        mean, std = self.image_mean, self.image_std
        fine = {
            f"size {edge!r}": are_numbers([edge], int) and edge > 0,
            f"size {self.exact_size}": self.exact_size is None
            or (are_numbers(self.exact_size, int) and min(self.exact_size) > 0),
            f"crop_size {crop}": are_numbers(crop, int) and min(crop) > 0,
            f"resample {self.resample!r}": self.resample in list(Image.Resampling),
            f"rescale_factor {self.rescale_factor!r}": are_numbers([self.rescale_factor]),
            f"image_mean {mean!r}": are_levels(mean),
            f"image_std {std!r}": are_levels(std) and np.all(np.asarray(std) != 0),
        }
        for setting, is_fine in fine.items():
            if not is_fine:
                raise UserError(f"preprocessor_config.json: {setting} cannot be used")

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
        picture: Picture | Array,
        data_format: object = "channels_first",
        input_data_format: object = None,
    ) -> Array:
        """Prepare one picture: a Pillow picture, a path or an array -> pixels (C, H, W) float32.

        An array may have its channels first or last, or none, in 0 to 255 or in 0 to 1.
        `input_data_format` says where its channels are; `data_format` where they shall be, None
        as they were.
        """
        given, is_scaled, layout = picture, False, LAST
        if isinstance(given, np.ndarray):
            colours, layout = channels_last(given, input_data_format)
            given, is_scaled = picture_of(colours)
        if not isinstance(given, Image.Image):
            given = open_picture(given)
        rgb = given
        if given.mode != "RGBA" or not self.keeps_four(picture):
            rgb = to_rgb(given)
        if self.do_resize and self.exact_size is not None:
            height, width = self.exact_size
            rgb = rgb.resize((width, height), resample=Image.Resampling(self.resample))
        elif self.do_resize:
            rgb = resize(rgb, shortest_edge=self.shortest_edge, resample=self.resample)
        colours = np.asarray(rgb)
        if self.do_center_crop:
            colours = centre_crop(colours, height=self.crop_height, width=self.crop_width)
        if self.do_rescale or is_scaled:
            factor = 1 / 255 if is_scaled else self.rescale_factor
            colours = scale(colours, factor=factor)
        if self.do_normalize:
            colours = normalise(colours, mean=self.image_mean, std=self.image_std)
        if data_format == "channels_first":
            return np.ascontiguousarray(colours.transpose(2, 0, 1), np.float32)  # (C, H, W)
        return np.ascontiguousarray(in_layout(colours, data_format or layout), np.float32)

    def keeps_four(self, given: object) -> bool:
        """Tell whether transparency is kept as a fourth channel.

        So it is with do_convert_rgb=False, and for arrays when image_mean and image_std say how
        to treat four channels; the official code keeps the four channels of every array.
        """
        lengths = {np.size(self.image_mean), np.size(self.image_std)}
        return not self.do_convert_rgb or (isinstance(given, np.ndarray) and lengths <= {1, 4})


def is_video(path: str | Path) -> bool:
    """Tell whether a file's name says that it is for PyAV, not for Pillow."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def is_clip(path: str | Path) -> bool:
    """Tell whether a file holds several frames: a video by its name, else by looking into it.

    A file that cannot be read is no clip: whoever opens it next says what is wrong with it.
    """
    if is_video(path):
        return True
    try:
        with Image.open(path) as picture:
            return picture.format in ANIMATED and getattr(picture, "is_animated", False)
    except BROKEN:
        return False


def picture_of(array: Array) -> tuple[Image.Image, bool]:
    """Make a Pillow picture of an array, and say whether its colours were in 0 to 1.

    (H, W, C) with 1, 3 or 4 channels. Colours in 0 to 1 must not be divided by 255 once
    more: the official code does so, and the model sees black.
    """
    colours = np.asarray(array)
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
            "Is it prepared already? Then pass it to the model as pixel_values"
        )
    is_scaled = bool(np.issubdtype(colours.dtype, np.floating) and high <= 1)
    whole = np.rint(colours * 255.0) if is_scaled else np.rint(colours)
    return Image.fromarray(whole.astype(np.uint8)), is_scaled


def are_numbers(values: object, kind: type | tuple[type, ...] = (int, float)) -> bool:
    """Tell whether something is a list of numbers of a kind."""
    return isinstance(values, list | tuple) and all(isinstance(v, kind) for v in values)


def are_levels(values: object) -> bool:
    """Tell whether something is a mean or a spread: one number, or one a channel."""
    if isinstance(values, list | tuple):
        return are_numbers(values) and len(values) in (1, 3, 4)
    return are_numbers([values])
