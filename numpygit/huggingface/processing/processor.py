"""Pictures and words together, prepared as one checkpoint wants them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ... import loading
from ...errors import UserError
from ...loading.config import GitConfig
from ...loading.formats.authors_settings import parameters_of
from ...model.params import Array
from .authors import OriginalImageProcessor, cut_question
from .encoding import BatchEncoding, check_names
from .image_processor import GitImageProcessor, pictures_of
from .picture_steps import SETTINGS, ImageProcessor, Picture, is_clip, is_video
from .tokenizer import WORD_SETTINGS, GitTokenizer, Text
from .video import read_clip
from .vocabulary import Words

PREPROCESSING = ("hf", "original")
TEXT_SETTINGS = {
    "padding", "truncation", "max_length", "add_special_tokens", "is_split_into_words",
    "return_attention_mask",
}  # fmt: skip


class GitProcessor:
    """Everything that stands between a person's picture and text and the model's numbers.

    Source: transformers 4.37.2, `processing_git.py`. Bare settings, the authors' too, and a bare
    vocabulary are taken as well, as `image_processor` and `tokenizer`.
    """

    model_input_names = ("input_ids", "attention_mask", "pixel_values")

    def __init__(
        self,
        image_processor: GitImageProcessor | ImageProcessor | OriginalImageProcessor,
        tokenizer: GitTokenizer | Words,
        *,
        stills_are_clips: bool = False,
    ) -> None:
        if isinstance(tokenizer, Words):
            tokenizer = GitTokenizer(tokenizer)
        if isinstance(image_processor, ImageProcessor):
            image_processor = GitImageProcessor(**image_processor.as_settings())
        self.image_processor = image_processor
        self.tokenizer = tokenizer
        self.stills_are_clips = stills_are_clips  # a still is a clip of one frame

    @property
    def words(self) -> Words:
        """The vocabulary."""
        return self.tokenizer.words

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        local_files_only: bool = False,
        **settings: Any,
    ) -> GitProcessor:
        """Read settings and vocabulary of "storybook", a folder, or a model of the Hub.

        `settings`, of pictures and of the tokenizer, go before those of the files.
        """
        check_names(settings, SETTINGS | WORD_SETTINGS)
        folder = loading.find(
            name,
            revision=revision,
            local_files_only=local_files_only,
            files=(*loading.PICTURE_FILES, *loading.WORD_FILES),
        )
        for_images = {n: value for n, value in settings.items() if n in SETTINGS}
        for_words = {n: value for n, value in settings.items() if n in WORD_SETTINGS}
        return cls(
            GitImageProcessor.from_folder(folder, **for_images),
            GitTokenizer.from_folder(folder, **for_words),
        )

    @classmethod
    def from_folder(cls, folder: Path, *, preprocessing: str = "hf") -> GitProcessor:
        """Read the settings and the vocabulary of a checkpoint folder.

        preprocessing "hf" takes the folder's own settings, "original" the authors': original.py.
        A folder of the authors has no settings for "hf": there they are the Hub's for such a model.
        """
        if preprocessing not in PREPROCESSING:
            raise UserError(
                f"preprocessing is {preprocessing!r}, expected one of {', '.join(PREPROCESSING)}"
            )
        if preprocessing == "hf" and not loading.is_authors(folder):
            return cls(GitImageProcessor.from_folder(folder), GitTokenizer.from_folder(folder))
        config = loading.read_config(folder)
        if preprocessing == "hf":
            settings = GitImageProcessor.from_folder(folder, config)
            return cls(settings, GitTokenizer.from_folder(folder))
        processor, clips = authors_settings(folder, config), bool(config.num_image_with_embedding)
        return cls(processor, GitTokenizer.from_folder(folder), stills_are_clips=clips)

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write the settings and the vocabulary into a folder."""
        if isinstance(self.image_processor, OriginalImageProcessor):
            raise UserError("the authors' preparation has no settings file; save the other one")
        self.image_processor.save_pretrained(save_directory)
        self.tokenizer.save_pretrained(save_directory)

    def __call__(
        self,
        text: Text | None = None,
        images: Any = None,
        return_tensors: str | None = None,
        **settings: Any,
    ) -> BatchEncoding:
        """Prepare texts, pictures or both: -> input_ids, attention_mask, pixel_values.

        See `GitTokenizer.__call__` for texts and `GitImageProcessor.__call__` for pictures; both
        take their settings from `settings`. Raises UserError, a ValueError, for neither.
        """
        if text is None and images is None:
            raise UserError("You have to specify either text or images. Both cannot be none.")
        check_names(settings, TEXT_SETTINGS | SETTINGS)
        for_text = {name: v for name, v in settings.items() if name in TEXT_SETTINGS}
        for_images = {name: v for name, v in settings.items() if name in SETTINGS}
        prepared = BatchEncoding()
        if text is not None:
            prepared |= self.tokenizer(text, return_tensors=return_tensors, **for_text)
        if images is not None and isinstance(self.image_processor, OriginalImageProcessor):
            pixels = [self.pixels(picture) for picture in pictures_of(images)]
            prepared["pixel_values"] = np.concatenate(pixels)
        elif images is not None and not isinstance(self.image_processor, OriginalImageProcessor):
            prepared |= self.image_processor(images, return_tensors=return_tensors, **for_images)
        return prepared

    def decode(self, token_ids: Any, skip_special_tokens: bool = False, **more: Any) -> str:
        """Turn ids into text; see `GitTokenizer.decode`."""
        return self.tokenizer.decode(token_ids, skip_special_tokens, **more)

    def batch_decode(
        self, sequences: Any, skip_special_tokens: bool = False, **more: Any
    ) -> list[str]:
        """Turn rows of ids into texts; see `GitTokenizer.batch_decode`."""
        return self.tokenizer.batch_decode(sequences, skip_special_tokens, **more)

    @property
    def original(self) -> bool:
        """Tell whether pictures and questions are prepared as the authors do it."""
        return isinstance(self.image_processor, OriginalImageProcessor)

    def pixels(self, picture: Picture | Sequence[Picture], *, frames: int | None = None) -> Array:
        """Prepare a picture -> (1, C, H, W), or a list of frames -> (1, frames, C, H, W).

        With `frames`, a file that holds a clip becomes a list of at most so many frames, evenly
        spaced; without, its first frame is the picture.
        """
        if isinstance(picture, str | Path) and (is_clip(picture) if frames else is_video(picture)):
            clip = read_clip(picture, frames or 1)
            picture = clip if len(clip) > 1 else clip[0]
        if isinstance(picture, Image.Image | str | Path):
            pixels = self.image_processor.steps(picture)[None]
            return pixels[None] if self.stills_are_clips else pixels
        if len(picture) == 0:
            raise UserError("got an empty list of frames; pass a picture, or at least one frame")
        prepared = [self.image_processor.steps(frame) for frame in picture]
        if len({frame.shape for frame in prepared}) > 1:
            raise UserError("the frames of a clip must all be of one size")
        return np.stack(prepared)[None]

    def prompt(self, question: str | None = None) -> Array:
        """Write the words a text starts with: the start token, then the question -> (1, T)."""
        ids = self.words.encode(question) if question else []
        if self.original:
            ids = cut_question(ids)
        return np.array([[self.words.start_id, *ids]], np.int64)


def authors_settings(folder: Path, config: GitConfig) -> OriginalImageProcessor:
    """Choose how the authors prepare pictures for a model: as its settings say, or by its size."""
    size = config.vision_config.image_size
    settings = parameters_of(folder) if loading.is_authors(folder) else None
    if settings:
        return OriginalImageProcessor(size, settings[0].test_respect_ratio_max or None)
    return OriginalImageProcessor.for_size(size)
