"""Pictures or clips -> pixel_values, as Hugging Face users know it.

`GitImageProcessor` takes one picture or many, or the frames of clips. Its settings, those of
`preprocessor_config.json`, lie in one dict: an attribute that is set, a keyword of a call,
`to_dict` and `save_pretrained` all mean the same one.
Source: transformers 4.37.2, CLIPImageProcessor for stills and VideoMAEImageProcessor for clips.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...errors import UserError, expect
from ...loading.config import GitConfig
from ...loading.config.picture_settings import FILE, read_settings, without_settings
from ...loading.fields import PREPROCESSOR, checked
from ...loading.find import find
from ...loading.formats import read_json
from ...loading.hub import PICTURE_FILES
from ...loading.hub.keywords import sort_keywords, without_secrets
from ...loading.hub.push import check_saving, made_folder, push, push_folder
from ...loading.write_whole import write_text
from ...model.image import CLIP_MEAN, CLIP_STD
from ...model.params import Array
from ..reading import DEFAULT, PictureOptions
from .array_steps import (
    as_array,
    as_setting,
    channels_last,
    crop_array,
    in_layout,
    new_size,
    normalise_array,
    resize_array,
)
from .encoding import BatchFeature, check_names, wants_arrays
from .picture_steps import SETTINGS, ImageProcessor, check_picture, is_one_picture

DEFAULTS: dict[str, Any] = {
    "do_convert_rgb": True, "do_resize": True, "size": {"shortest_edge": 224}, "resample": 3,
    "do_center_crop": True, "crop_size": {"height": 224, "width": 224},
    "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
    "image_mean": list(CLIP_MEAN), "image_std": list(CLIP_STD),
    "image_processor_type": "CLIPImageProcessor",
}  # fmt: skip
VIDEO_DEFAULTS: dict[str, Any] = {
    **DEFAULTS, "resample": 2, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
    "image_processor_type": "VideoMAEImageProcessor",
}  # fmt: skip
LAYOUTS = {"data_format", "input_data_format"}  # of a call, never kept
# settings of other versions and of other models' processors: kept as they are, they change nothing
KEPT = {
    "padding_value", "feature_size", "sampling_rate", "do_pad", "pad_size", "size_divisor",
    "default_to_square", "disable_grouping", "processor_class", "return_tensors",
    "feature_extractor_type", "image_processor_type", "auto_map", "do_flip_channel_order",
    "do_reduce_labels", "device", "image_seq_length", "add_meshgrid",
}  # fmt: skip


class GitImageProcessor:
    """Prepare pictures (B, C, H, W), or clips (B, frames, C, H, W) where a checkpoint is for clips.

    Parameters
    ----------
    **settings
        Those of `preprocessor_config.json`: do_resize, size (pixels), resample, do_center_crop,
        crop_size, do_rescale, rescale_factor, do_normalize, image_mean, image_std, do_convert_rgb.
        What is not given is as in the official class that the file names, for clips bilinear, with
        mean and standard deviation 0.5. They are attributes too, and may be set.

    Raises
    ------
    UserError
        For settings that cannot be, and from a call for what is no picture.

    Examples
    --------
    >>> import numpygit
    >>> from numpygit.storybook import EXAMPLES
    >>> processor = numpygit.GitImageProcessor.from_pretrained("storybook")
    >>> processor.crop_size = {"height": 48, "width": 64}
    >>> processor(EXAMPLES / "sign.png", return_tensors="np").pixel_values.shape
    (1, 3, 48, 64)

    Source: transformers 4.37.2, `CLIPImageProcessor` and `VideoMAEImageProcessor`.
    """

    model_input_names = ("pixel_values",)
    kind: str | None = None  # the official class, where it does not depend on the settings
    options: PictureOptions = DEFAULT  # how files are read, and what is done instead of cropping

    def __init__(self, **settings: Any) -> None:
        given = {name: value for name, value in settings.items() if value is not None}
        kind = self.kind or str(
            given.get("image_processor_type") or given.get("feature_extractor_type") or ""
        )
        defaults = VIDEO_DEFAULTS if kind.startswith("VideoMAE") else DEFAULTS
        self.settings: dict[str, Any] = dict(defaults)
        for name, value in given.items():
            if name in dir(type(self)) or name in ("settings", "steps"):
                raise UserError(f"{name!r} cannot be the name of a setting of pictures")
            setattr(self, name, value)
        if self.kind:
            self.settings["image_processor_type"] = self.kind
        self.made()

    def __getattr__(self, name: str) -> Any:
        settings = self.__dict__.get("settings", {})
        if name == "steps" and settings:
            return self.made()
        if name not in settings:
            raise AttributeError(
                f"{type(self).__name__} has no setting {name!r}; it has: {', '.join(settings)}"
            )
        if isinstance(settings[name], dict | list):
            self.__dict__.pop("steps", None)  # whoever gets it may change it in place
        return settings[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("settings", "steps") or name in dir(type(self)):
            object.__setattr__(self, name, value)
        else:
            self.settings[name] = as_setting(name, value)
            self.__dict__.pop("steps", None)

    @property
    def is_video(self) -> bool:
        """Whether pictures become clips."""
        kind = self.settings.get("image_processor_type") or ""
        return str(kind).startswith("VideoMAE")

    def made(self) -> ImageProcessor:
        """Make the steps for one picture, with the settings as they are now: `self.steps`."""
        steps = ImageProcessor.from_dict(self.settings, options=self.options)
        self.__dict__["steps"] = steps
        return steps

    def read_with(self, options: PictureOptions) -> None:
        """Say how pictures are read from files, and how they are fitted."""
        self.options = options
        self.made()

    # ---------------------------------------------------------------- files

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **settings: Any) -> Any:
        """Read the settings of "storybook", a folder, or a model of the Hub; `settings` win.

        With `return_unused_kwargs` the result is the processor and what it has no use for. For
        the other keywords see `numpygit.loading.hub.keywords`.
        """
        where, settings = sort_keywords(settings)
        wants_unused = settings.pop("return_unused_kwargs", False)
        names = SETTINGS | {"do_convert_rgb"} | KEPT
        unused = {name: settings.pop(name) for name in set(settings) - names}
        if unused and not wants_unused:
            check_names(unused, SETTINGS)
        folder = find(pretrained_model_name_or_path, files=PICTURE_FILES, **where)
        made = cls.from_folder(folder, **settings)
        return (made, unused) if wants_unused else made

    @classmethod
    def from_folder(
        cls, folder: Path, config: GitConfig | None = None, **settings: Any
    ) -> GitImageProcessor:
        """Read the settings of a checkpoint folder; `settings` win.

        With a config they may be missing: then they are those that the Hub has for such a model.
        """
        given = read_settings(folder)
        if given is None and config is not None:
            size = config.vision_config.image_size
            kind = VIDEO_DEFAULTS if config.num_image_with_embedding else DEFAULTS
            crop = {"height": size, "width": size}
            given = {**kind, "size": {"shortest_edge": size}, "crop_size": crop}
        if given is None:
            raise without_settings(folder)
        return cls.named({**given, **settings})

    @classmethod
    def named(cls, settings: Mapping[str, Any]) -> GitImageProcessor:
        """Make the official class that settings name, unless this is one of its own."""
        kind = settings.get("image_processor_type") or settings.get("feature_extractor_type") or ""
        if cls is not GitImageProcessor:
            return cls(**settings)
        is_video = str(kind).startswith("VideoMAE")
        return (VideoMAEImageProcessor if is_video else CLIPImageProcessor)(**settings)

    @classmethod
    def get_image_processor_dict(
        cls, pretrained_model_name_or_path: str | Path, **keywords: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read the settings as a dict: -> those of the file, and the keywords nobody took."""
        where, rest = sort_keywords(keywords)
        folder = find(pretrained_model_name_or_path, files=PICTURE_FILES, **where)
        found = read_settings(folder)
        if found is None:
            raise without_settings(folder)
        return found, rest

    @classmethod
    def from_dict(cls, image_processor_dict: Mapping[str, Any], **settings: Any) -> Any:
        """Take the settings from a dict; `settings` win. See `from_pretrained`."""
        expect("image_processor_dict", image_processor_dict, Mapping, "a dict of settings")
        wants_unused = settings.pop("return_unused_kwargs", False)
        names = set(DEFAULTS) | KEPT | set(image_processor_dict)
        unused = {name: settings.pop(name) for name in set(settings) - names}
        if unused and not wants_unused:
            check_names(unused, SETTINGS)
        made = cls(**{**without_secrets(image_processor_dict), **settings})
        return (made, unused) if wants_unused else made

    @classmethod
    def from_json_file(cls, json_file: str | Path) -> GitImageProcessor:
        """Read the settings from a file."""
        expect("json_file", json_file, (str, PathLike), "a path")
        return cls(**read_json(Path(json_file)))

    def to_dict(self) -> dict[str, Any]:
        """List the settings."""
        return deepcopy(self.settings)

    def to_json_string(self) -> str:
        """Write the settings as JSON."""
        return json.dumps(self.settings, indent=2, sort_keys=True) + "\n"

    def to_json_file(self, json_file_path: str | Path) -> None:
        """Write the settings into a file."""
        text = self.to_json_string()
        write_text(json_file_path, text)

    def save_pretrained(
        self, save_directory: str | Path, push_to_hub: bool = False, **keywords: Any
    ) -> list[str]:
        """Write `preprocessor_config.json` into a folder: -> the path, as a list."""
        check_saving(keywords)
        path = made_folder(save_directory) / FILE
        self.to_json_file(path)
        if push_to_hub:
            push_folder(path.parent, [path.name], **keywords)
        return [str(path)]

    def push_to_hub(self, repo_id: str, **keywords: Any) -> str:
        """Write the settings into a repository of the Hugging Face Hub: -> its address."""
        return push(self, repo_id, **keywords)

    # ---------------------------------------------------------------- pictures

    def __call__(
        self, images: Any = None, return_tensors: object = None, **overrides: Any
    ) -> BatchFeature:
        """Prepare a picture or a list of them -> pixel_values (B, C, H, W).

        For clips: a list of frames -> (1, frames, C, H, W), a list of such lists -> (B, frames,
        C, H, W). A picture is a Pillow picture, a path, or an array of any library, its channels
        first or last, as `input_data_format` says or where they are found. Without
        `return_tensors` the result is a list of arrays, in `data_format`. `overrides` are
        settings for this call. Raises UserError for what is no picture, and for sizes that make
        no array.
        """
        images = overrides.pop("videos", images) if images is None else images
        as_array = wants_arrays(return_tensors)
        layouts = {name: overrides.pop(name) for name in LAYOUTS & set(overrides)}
        settings = {name: value for name, value in overrides.items() if value is not None}
        check_names(settings, SETTINGS | {"do_convert_rgb"} | KEPT)
        changed = {name: as_setting(name, value) for name, value in settings.items()}
        steps = ImageProcessor.from_dict({**self.settings, **changed}, options=self.options)
        prepare: Any = partial(steps, **layouts)
        pixels: list[Any]
        if self.is_video:
            pixels = [[prepare(frame) for frame in clip] for clip in clips_of(images)]
        else:
            pixels = [prepare(picture) for picture in pictures_of(images)]
        if not as_array:
            return BatchFeature(pixel_values=pixels)
        try:
            array = np.array(pixels, np.float32)
        except ValueError:
            raise UserError(
                "the prepared pictures differ in size or the clips in length, and make no array; "
                "leave do_center_crop on, or prepare them one by one"
            ) from None
        return BatchFeature({"pixel_values": array}, return_tensors)

    preprocess = __call__

    def resize(
        self,
        image: Any,
        size: Any,
        resample: int | None = None,
        data_format: object = None,
        input_data_format: object = None,
        **more: Any,
    ) -> Array:
        """Resize a picture array, proportions kept with {"shortest_edge": n}."""
        colours, layout = channels_last(image, input_data_format)
        (size,) = checked({"size": as_setting("size", size)}, PREPROCESSOR).values()
        height, width = new_size(colours, size)
        given = {} if resample is None else {"resample": resample}
        kind = checked(given, PREPROCESSOR).get("resample", self.settings["resample"])
        resized = resize_array(colours, height=height, width=width, resample=kind)
        return in_layout(resized, data_format or layout)

    def center_crop(
        self, image: Any, size: Any, data_format: object = None, input_data_format: object = None,
        **more: Any,
    ) -> Array:  # fmt: skip
        """Cut the middle out of a picture array, or pad it with zeros."""
        colours, layout = channels_last(image, input_data_format)
        return in_layout(crop_array(colours, as_setting("crop_size", size)), data_format or layout)

    def rescale(
        self, image: Any, scale: float, data_format: object = None,
        input_data_format: object = None, **more: Any,
    ) -> Array:  # fmt: skip
        """Multiply a picture array by a number -> float32."""
        expect("scale", scale, (int, float, np.number), "a number")
        colours, layout = channels_last(image, input_data_format)
        return in_layout((colours * float(scale)).astype(np.float32), data_format or layout)

    def normalize(
        self, image: Any, mean: Any, std: Any, data_format: object = None,
        input_data_format: object = None, **more: Any,
    ) -> Array:  # fmt: skip
        """Subtract the mean and divide by the standard deviation, of each channel."""
        colours, layout = channels_last(image, input_data_format)
        return in_layout(normalise_array(colours, mean, std), data_format or layout)

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string()}"


class CLIPImageProcessor(GitImageProcessor):
    """Prepare stills: the official name, with its defaults."""

    kind = "CLIPImageProcessor"


class VideoMAEImageProcessor(GitImageProcessor):
    """Prepare clips: the official name, with its defaults."""

    kind = "VideoMAEImageProcessor"


def pictures_of(images: Any) -> list[Any]:
    """Make a list of pictures of whatever was given: one, several, or an array of several."""
    if is_one_picture(images):
        return [checked_picture(images)]
    pictures = as_list(images)
    if not pictures:
        raise UserError("got an empty list of pictures")
    return [checked_picture(picture) for picture in pictures]


def clips_of(images: Any) -> list[list[Any]]:
    """Make a list of clips: a picture is a clip of one frame, a list of pictures is one clip."""
    if is_one_picture(images):
        return [[checked_picture(images)]]
    clips = as_list(images)
    if clips and all(is_one_picture(each) for each in clips):
        return [[checked_picture(each) for each in clips]]
    return [pictures_of(clip) for clip in clips]


def as_list(images: Any) -> list[Any]:
    """List the members of a list, a tuple, or an array of any library; others are one thing."""
    if hasattr(images, "__array__"):
        return list(as_array(images))
    return list(images) if isinstance(images, list | tuple) else [images]


def checked_picture(given: Any) -> Any:
    """Refuse what is no picture; take arrays of any library as NumPy's."""
    check_picture(given)
    is_array = hasattr(given, "__array__") and not isinstance(given, Image.Image | memoryview)
    if not is_array:
        return given
    array = as_array(given)
    if array.ndim not in (2, 3):
        raise UserError(
            f"a picture array must be of shape (H, W, C), (C, H, W) or (H, W); got {array.shape}"
        )
    return array
