"""Pictures and words together, prepared as one checkpoint wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .checkpoint import read_json
from .errors import UserError
from .image import centre_crop, normalise, open_picture, resize, scale, to_rgb
from .params import Array
from .video import is_video, read_clip
from .words import Words, read_words

Picture = Image.Image | str | Path


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

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ImageProcessor:
        """Take the settings from the file's values; refuse what cannot be honoured."""
        for step in ("do_resize", "do_center_crop", "do_rescale", "do_normalize"):
            if not values.get(step, True):
                raise UserError(f"preprocessor_config.json: {step} false is not supported")
        size, crop = values.get("size", 224), values.get("crop_size", 224)
        edge = size.get("shortest_edge") if isinstance(size, dict) else size
        if edge is None:
            raise UserError(f"preprocessor_config.json: size {size} has no 'shortest_edge'")
        if not isinstance(crop, dict):
            crop = {"height": crop, "width": crop}
        settings = {"resample", "rescale_factor", "image_mean", "image_std"} & set(values)
        height, width = crop.get("height", 0), crop.get("width", 0)
        made = cls(edge, height, width, **{name: values[name] for name in settings})
        made.check()
        return made

    def check(self) -> None:
        """Refuse settings that no picture could be prepared with."""
        edge, crop = self.shortest_edge, (self.crop_height, self.crop_width)
        mean, std = self.image_mean, self.image_std
        fine = {
            f"size {edge!r}": are_numbers([edge], int) and edge > 0,
            f"crop_size {crop}": are_numbers(crop, int) and min(crop) > 0,
            f"resample {self.resample!r}": self.resample in list(Image.Resampling),
            f"rescale_factor {self.rescale_factor!r}": are_numbers([self.rescale_factor]),
            f"image_mean {mean!r}": are_numbers(mean) and len(mean) == 3,
            f"image_std {std!r}": are_numbers(std) and len(std) == 3 and 0 not in std,
        }
        for setting, is_fine in fine.items():
            if not is_fine:
                raise UserError(f"preprocessor_config.json: {setting} cannot be used")

    def __call__(self, picture: Picture) -> Array:
        """Prepare one picture: a Pillow picture or a path -> pixels (C, H, W) float32."""
        if not isinstance(picture, Image.Image):
            picture = open_picture(picture)
        rgb = to_rgb(picture)
        resized = resize(rgb, shortest_edge=self.shortest_edge, resample=self.resample)
        cropped = centre_crop(np.asarray(resized), height=self.crop_height, width=self.crop_width)
        scaled = scale(cropped, factor=self.rescale_factor)
        normal = normalise(scaled, mean=self.image_mean, std=self.image_std)
        return np.ascontiguousarray(normal.transpose(2, 0, 1))  # (C, H, W)


@dataclass(frozen=True)
class GitProcessor:
    """Everything that stands between a person's picture and text and the model's numbers."""

    image_processor: ImageProcessor
    words: Words

    @classmethod
    def from_folder(cls, folder: Path) -> GitProcessor:
        """Read the settings and the vocabulary of a checkpoint folder."""
        settings = read_json(folder / "preprocessor_config.json")
        return cls(ImageProcessor.from_dict(settings), read_words(folder))

    def pixels(self, picture: Picture | Sequence[Picture], *, frames: int | None = None) -> Array:
        """Prepare a picture -> (1, C, H, W), or a list of frames -> (1, frames, C, H, W).

        With `frames`, a file that holds a clip becomes a list of at most so many frames, evenly
        spaced; without, its first frame is the picture.
        """
        if isinstance(picture, str | Path) and (frames or is_video(picture)):
            clip = read_clip(picture, frames or 1)
            picture = clip if len(clip) > 1 else clip[0]
        if isinstance(picture, Image.Image | str | Path):
            return self.image_processor(picture)[None]
        if len(picture) == 0:
            raise UserError("got an empty list of frames; pass a picture, or at least one frame")
        return np.stack([self.image_processor(frame) for frame in picture])[None]

    def prompt(self, question: str | None = None) -> Array:
        """Write the words a text starts with: the start token, then the question -> (1, T)."""
        ids = self.words.encode(question) if question else []
        return np.array([[self.words.start_id, *ids]], np.int64)


def are_numbers(values: object, kind: type | tuple[type, ...] = (int, float)) -> bool:
    """Tell whether something is a list of numbers of a kind."""
    return isinstance(values, list | tuple) and all(isinstance(v, kind) for v in values)
