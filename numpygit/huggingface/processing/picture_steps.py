"""One picture -> pixels: the steps of `model/image.py` with the settings of a checkpoint.

Source: transformers 4.37.2, CLIPImageProcessor for stills and VideoMAEImageProcessor for clips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from ...errors import UserError
from ...loading.fields import PREPROCESSOR, checked
from ...model.image import centre_crop, normalise, resize, scale
from ...model.params import Array
from ..reading import DEFAULT, PictureOptions, open_picture
from ..reading import Picture as Picture
from ..reading.opening import handed_over

SETTINGS = {
    "size", "crop_size", "resample", "rescale_factor", "image_mean", "image_std",
    "do_resize", "do_center_crop", "do_rescale", "do_normalize",
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
        if not isinstance(crop, dict):
            crop = {"height": crop, "width": crop}
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

    def __call__(self, picture: Picture) -> Array:
        """Prepare one picture, however it is held -> pixels (C, H, W) float32.

        An array may have its channels first or last, or none, in 0 to 255 or in 0 to 1.
        """
        rgb, is_scaled = as_rgb(picture, self.options)
        colours = np.asarray(self.fitted(rgb))
        if self.do_center_crop:
            colours = centre_crop(colours, height=self.crop_height, width=self.crop_width)
        if self.do_rescale or is_scaled:
            factor = 1 / 255 if is_scaled else self.rescale_factor
            colours = scale(colours, factor=factor)
        if self.do_normalize:
            colours = normalise(colours, mean=self.image_mean, std=self.image_std)
        return np.ascontiguousarray(colours.transpose(2, 0, 1), np.float32)  # (C, H, W)

    def fitted(self, rgb: Image.Image) -> Image.Image:
        """Bring a picture to the size that the square is cut from, or to the square itself."""
        how = Image.Resampling(self.resample)
        if self.options.fit == "squash":
            return rgb.resize((self.crop_width, self.crop_height), how)
        if self.options.fit == "pad":
            mean = [round(255 * min(max(level, 0), 1)) for level in self.image_mean]
            return padded(rgb, self.crop_width, self.crop_height, resample=how, colour=mean)
        if self.do_resize and self.exact_size is not None:
            height, width = self.exact_size
            return rgb.resize((width, height), how)
        if self.do_resize:
            return resize(rgb, shortest_edge=self.shortest_edge, resample=self.resample)
        return rgb


def as_rgb(picture: Any, options: PictureOptions) -> tuple[Image.Image, bool]:
    """Open a picture, and say whether it was an array of colours in 0 to 1."""
    if isinstance(picture, Image.Image):
        return handed_over(picture, options), False
    if hasattr(picture, "__array__") and not isinstance(picture, memoryview):
        given, is_scaled = picture_of(np.asarray(picture))
        return handed_over(given, options), is_scaled
    return open_picture(picture, options), False


def padded(
    rgb: Image.Image, width: int, height: int, *, resample: Image.Resampling, colour: list[int]
) -> Image.Image:
    """Bring a whole picture into a frame, in proportion, in the middle of a plain colour."""
    share = min(width / rgb.width, height / rgb.height)
    size = (max(1, round(rgb.width * share)), max(1, round(rgb.height * share)))
    ground = Image.new("RGB", (width, height), tuple(colour))
    place = ((width - size[0]) // 2, (height - size[1]) // 2)
    ground.paste(rgb.resize(size, resample), place)
    return ground


def picture_of(array: Array) -> tuple[Image.Image, bool]:
    """Make a Pillow picture of an array, and say whether its colours were in 0 to 1.

    (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels. Where both ends could be the channels,
    they are first, as in the official code. Colours in 0 to 1 must not be divided by 255 once
    more: the official code does so, and the model sees black.
    """
    colours = np.asarray(array)
    if colours.dtype.kind not in "buif":
        raise UserError(f"a picture array must hold numbers; got dtype {colours.dtype}")
    if colours.dtype.kind == "b":
        colours = colours * np.uint8(255)
    if colours.size == 0:
        raise UserError(f"a picture array must have pixels; got shape {colours.shape}")
    if colours.ndim == 3 and colours.shape[0] in (1, 3, 4):
        colours = colours.transpose(1, 2, 0)
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
