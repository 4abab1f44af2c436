"""Pictures -> pixel_values: the steps of `image.py` with the settings of a checkpoint.

`ImageProcessor` prepares one picture. `GitImageProcessor` is what Hugging Face users know: it takes
one picture or many, or the frames of clips, and keeps the settings as their file has them.
Source: transformers 4.37.2, CLIPImageProcessor for stills and VideoMAEImageProcessor for clips.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ... import loading
from ...errors import UserError
from ...loading.config import GitConfig
from ...loading.fields import PREPROCESSOR, checked
from ..reading import PictureOptions
from .encoding import BatchEncoding, check_names, wants_arrays
from .picture_steps import SETTINGS, ImageProcessor, check_picture, is_one_picture

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

    def read_with(self, options: PictureOptions) -> None:
        """Say how pictures are read from files, and how they are fitted."""
        self.steps = replace(self.steps, options=options)

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
        folder = loading.find(
            name,
            revision=revision,
            local_files_only=local_files_only,
            files=loading.PICTURE_FILES,
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
            path = folder / "preprocessor_config.json"
            given = checked(loading.read_json(path), PREPROCESSOR, where=path)
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
            steps = ImageProcessor.from_dict(
                {**self.settings, **overrides}, options=self.steps.options
            )
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
        return list(np.asarray(images))
    return list(images) if isinstance(images, list | tuple) else [images]


def checked_picture(given: Any) -> Any:
    """Refuse what is no picture; take arrays of any library as NumPy's."""
    check_picture(given)
    is_array = hasattr(given, "__array__") and not isinstance(given, Image.Image | memoryview)
    if is_array and np.ndim(given) not in (2, 3):
        raise UserError(
            f"a picture array must be of shape (H, W, C), (C, H, W) or (H, W); got "
            f"{np.shape(given)}"
        )
    return np.asarray(given) if is_array else given
