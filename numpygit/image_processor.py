"""Pictures -> pixel_values: the steps of `image.py` with the settings of a checkpoint.

`ImageProcessor` prepares one picture. `GitImageProcessor` is what Hugging Face users know: it takes
one picture or many, or the frames of clips, and keeps the settings as their file has them.
Source: transformers 4.37.2, CLIPImageProcessor for stills and VideoMAEImageProcessor for clips.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from . import checkpoint
from .config import GitConfig
from .errors import UserError
from .image import centre_crop, normalise, open_picture, resize, scale, to_rgb
from .outputs import BatchEncoding, wants_arrays
from .params import Array

Picture = Image.Image | str | Path

SETTINGS = {
    "size", "crop_size", "resample", "rescale_factor", "image_mean", "image_std",
    "do_resize", "do_center_crop", "do_rescale", "do_normalize",
}  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "do_convert_rgb": True, "do_resize": True, "size": {"shortest_edge": 224}, "resample": 3,
    "do_center_crop": True, "crop_size": {"height": 224, "width": 224},
    "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "image_processor_type": "CLIPImageProcessor",
}  # fmt: skip
VIDEO_DEFAULTS: dict[str, Any] = {
    **DEFAULTS, "resample": 2, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
    "image_processor_type": "VideoMAEImageProcessor",
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
            f"image_mean {mean!r}": are_numbers(mean) and len(mean) == 3,
            f"image_std {std!r}": are_numbers(std) and len(std) == 3 and 0 not in std,
        }
        for setting, is_fine in fine.items():
            if not is_fine:
                raise UserError(f"preprocessor_config.json: {setting} cannot be used")

    def as_settings(self) -> GitImageProcessor:
        """Make the processor for many pictures with the same settings."""
        size: Any = {"shortest_edge": self.shortest_edge}
        if self.exact_size is not None:
            size = {"height": self.exact_size[0], "width": self.exact_size[1]}
        crop = {"height": self.crop_height, "width": self.crop_width}
        rest = {name: getattr(self, name) for name in SETTINGS - {"size", "crop_size"}}
        return GitImageProcessor(size=size, crop_size=crop, **rest)

    def __call__(self, picture: Picture | Array) -> Array:
        """Prepare one picture: a Pillow picture, a path or an array -> pixels (C, H, W) float32.

        An array may have its channels first or last, or none, in 0 to 255 or in 0 to 1.
        """
        given, is_scaled = picture, False
        if isinstance(given, np.ndarray):
            given, is_scaled = picture_of(given)
        if not isinstance(given, Image.Image):
            given = open_picture(given)
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
        return np.ascontiguousarray(colours.transpose(2, 0, 1), np.float32)  # (C, H, W)


class GitImageProcessor:
    """Prepare pictures, or clips where the checkpoint is one for clips.

    Settings are those of `preprocessor_config.json`, as keywords; what is not given is as in the
    official class that the file names, for clips bilinear, with mean and spread 0.5.
    """

    model_input_names = ("pixel_values",)

    def __init__(self, **settings: Any) -> None:
        kind = str(
            settings.get("image_processor_type") or settings.get("feature_extractor_type") or ""
        )
        self.is_video = kind.startswith("VideoMAE")
        self.settings = {**(VIDEO_DEFAULTS if self.is_video else DEFAULTS), **settings}
        self.steps = ImageProcessor.from_dict(self.settings)

    def __getattr__(self, name: str) -> Any:
        settings = self.__dict__.get("settings", {})
        if name not in settings:
            raise AttributeError(f"there is no setting {name!r}; there is: {', '.join(settings)}")
        return settings[name]

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        local_files_only: bool = False,
        **settings: Any,
    ) -> GitImageProcessor:
        """Read the settings of "storybook", a folder, or a model of the Hub; `settings` win."""
        check_names(settings, SETTINGS)
        folder = checkpoint.find(
            name,
            revision=revision,
            local_files_only=local_files_only,
            files=checkpoint.PICTURE_FILES,
        )
        return cls.from_folder(folder, **settings)

    @classmethod
    def from_folder(
        cls, folder: Path, config: GitConfig | None = None, **settings: Any
    ) -> GitImageProcessor:
        """Read the settings of a checkpoint folder; `settings` win.

        With a config they may be missing: then they are those that the Hub has for such a model.
        """
        if config is not None and not (folder / "preprocessor_config.json").is_file():
            size = config.vision_config.image_size
            kind = VIDEO_DEFAULTS if config.num_image_with_embedding else DEFAULTS
            crop = {"height": size, "width": size}
            given = {**kind, "size": {"shortest_edge": size}, "crop_size": crop}
        else:
            given = checkpoint.read_json(folder / "preprocessor_config.json")
        return cls(**{**given, **settings})

    def to_dict(self) -> dict[str, Any]:
        """List the settings."""
        return dict(self.settings)

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write `preprocessor_config.json` into a folder."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.settings, indent=2) + "\n"
        (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")

    def __call__(
        self, images: Any, return_tensors: str | None = None, **overrides: Any
    ) -> BatchEncoding:
        """Prepare a picture or a list of them -> pixel_values (B, C, H, W).

        For clips: a list of frames -> (1, frames, C, H, W), a list of such lists -> (B, frames,
        C, H, W). A picture is a Pillow picture, a path, or an array, channels first or last.
        Without `return_tensors="np"` the result is a list of arrays. `overrides` are settings
        for this call. Raises UserError for what is no picture, and for sizes that make no array.
        """
        as_array = wants_arrays(return_tensors)
        steps = self.steps
        if overrides:
            check_names(overrides, SETTINGS)
            steps = ImageProcessor.from_dict({**self.settings, **overrides})
        pixels: list[Any]
        if self.is_video:
            pixels = [[steps(frame) for frame in clip] for clip in clips_of(images)]
        else:
            pixels = [steps(picture) for picture in pictures_of(images)]
        if not as_array:
            return BatchEncoding(pixel_values=pixels)
        try:
            return BatchEncoding(pixel_values=np.array(pixels, np.float32))
        except ValueError:
            raise UserError(
                "the prepared pictures differ in size or the clips in length, and make no array; "
                "leave do_center_crop on, or prepare them one by one"
            ) from None

    preprocess = __call__

    def __repr__(self) -> str:
        return f"GitImageProcessor {json.dumps(self.settings, indent=2)}"


def pictures_of(images: Any) -> list[Any]:
    """Make a list of pictures of whatever was given: one, several, or an array of several."""
    if is_picture(images):
        return [images]
    pictures = list(images) if isinstance(images, list | tuple | np.ndarray) else [images]
    if not pictures:
        raise UserError("got an empty list of pictures")
    return [checked_picture(picture) for picture in pictures]


def clips_of(images: Any) -> list[list[Any]]:
    """Make a list of clips: a picture is a clip of one frame, a list of pictures is one clip."""
    if is_picture(images):
        return [[images]]
    clips = list(images) if isinstance(images, list | tuple | np.ndarray) else [images]
    if clips and all(is_picture(each) for each in clips):
        return [clips]
    return [pictures_of(clip) for clip in clips]


def is_picture(given: Any) -> bool:
    """Tell one picture from several."""
    return isinstance(given, Image.Image | str | Path) or (
        hasattr(given, "__array__") and np.ndim(given) in (2, 3)
    )


def checked_picture(given: Any) -> Any:
    """Refuse what is no picture; take arrays of any library as NumPy's."""
    if not is_picture(given):
        raise UserError(
            f"a picture must be a Pillow picture, a path, or an array of shape (H, W, C), "
            f"(C, H, W) or (H, W); got {type(given).__name__}"
            + (f" of shape {np.shape(given)}" if hasattr(given, "__array__") else "")
        )
    return given if isinstance(given, Image.Image | str | Path) else np.asarray(given)


def picture_of(array: Array) -> tuple[Image.Image, bool]:
    """Make a Pillow picture of an array, and say whether its colours were in 0 to 1.

    (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels. Where both ends could be the channels,
    they are first, as in the official code. Colours in 0 to 1 must not be divided by 255 once
    more: the official code does so, and the model sees black.
    """
    colours = np.asarray(array)
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


def check_names(given: Mapping[str, Any], known: set[str]) -> None:
    """Refuse keywords that nobody knows."""
    unknown = sorted(set(given) - known)
    if unknown:
        raise UserError(
            f"unknown settings {', '.join(unknown)}; known are: {', '.join(sorted(known))}"
        )


def are_numbers(values: object, kind: type | tuple[type, ...] = (int, float)) -> bool:
    """Tell whether something is a list of numbers of a kind."""
    return isinstance(values, list | tuple) and all(isinstance(v, kind) for v in values)
