"""Pictures and words together, prepared as one checkpoint wants them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ... import loading
from ...errors import UserError, shown
from ...loading.config import GitConfig
from ...loading.formats.authors_settings import parameters_of
from ...loading.hub.keywords import sort_keywords
from ...loading.hub.push import check_saving, push, push_folder
from ...loading.write_whole import write_text
from ...model.params import Array
from ..reading import PictureOptions
from .authors import OriginalImageProcessor, cut_question
from .encoding import BatchFeature, check_names
from .image_processor import KEPT, LAYOUTS, GitImageProcessor, pictures_of
from .picture_steps import (
    SETTINGS,
    ImageProcessor,
    InMemory,
    Picture,
    frames_of,
    is_one_picture,
    opened_still,
)
from .tokenizer import TEXT_SETTINGS, WORD_SETTINGS, GitTokenizer, Text
from .video import read_clip
from .vocabulary import Vocabulary

PREPROCESSING = ("hf", "original")
PICTURE_SETTINGS = SETTINGS | LAYOUTS | KEPT
GROUPS = ("text_kwargs", "images_kwargs", "videos_kwargs", "common_kwargs")  # of transformers 5


class GitProcessor:
    """Prepare pictures and texts: an image processor and a tokenizer behind one call.

    A call gives input_ids and attention_mask (B, T) and pixel_values, (B, C, H, W) for stills and
    (B, frames, C, H, W) for clips, float32 around 0.

    Parameters
    ----------
    image_processor : GitImageProcessor
        Or bare settings, the authors' too.
    tokenizer : GitTokenizer
        Or a bare vocabulary.
    stills_are_clips : bool
        Make a clip of one frame of every still.

    Raises
    ------
    UserError
        For neither pictures nor texts, and for pictures that cannot be read.

    Examples
    --------
    >>> import numpygit
    >>> from numpygit.storybook import EXAMPLES
    >>> processor = numpygit.GitProcessor.from_pretrained("storybook")
    >>> picture = EXAMPLES / "sign.png"
    >>> given = processor(text="what is it?", images=picture, return_tensors="np")
    >>> given["input_ids"].shape, given["pixel_values"].shape
    ((1, 6), (1, 3, 96, 96))

    Source: transformers 4.37.2, `processing_git.py`.
    """

    model_input_names = ("input_ids", "attention_mask", "pixel_values")
    attributes = ("image_processor", "tokenizer")
    image_processor_class = "AutoImageProcessor"
    tokenizer_class = "AutoTokenizer"
    feature_extractor_class = None

    def __init__(
        self,
        image_processor: GitImageProcessor | ImageProcessor | OriginalImageProcessor,
        tokenizer: GitTokenizer | Vocabulary,
        *,
        stills_are_clips: bool = False,
    ) -> None:
        if isinstance(tokenizer, Vocabulary):
            tokenizer = GitTokenizer(tokenizer)
        if isinstance(image_processor, ImageProcessor):
            image_processor = GitImageProcessor(**image_processor.as_settings())
        self.image_processor = image_processor
        self.tokenizer = tokenizer
        self.stills_are_clips = stills_are_clips  # a still is a clip of one frame

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary."""
        return self.tokenizer.vocabulary

    words = vocabulary  # its earlier name

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **settings: Any) -> Any:
        """Read settings and vocabulary of "storybook", a folder, or a model of the Hub.

        `settings`, of pictures and of the tokenizer, go before those of the files. For the other
        keywords see `numpygit.loading.hub.keywords`; with `return_unused_kwargs` the result is the
        processor and what neither has a use for.
        """
        where, settings = sort_keywords(settings)
        wants_unused = settings.pop("return_unused_kwargs", False)
        for_images = {n: settings.pop(n) for n in SETTINGS | KEPT if n in settings}
        for_words = {n: settings.pop(n) for n in WORD_SETTINGS if n in settings}
        if settings and not wants_unused:
            check_names(settings, SETTINGS | WORD_SETTINGS)
        files = (*loading.PICTURE_FILES, *loading.WORD_FILES)
        folder = loading.find(pretrained_model_name_or_path, files=files, **where)
        made = cls(
            GitImageProcessor.from_folder(folder, **for_images),
            GitTokenizer.from_folder(
                folder, name_or_path=str(pretrained_model_name_or_path), **for_words
            ),
        )
        return (made, settings) if wants_unused else made

    @classmethod
    def from_folder(cls, folder: Path, *, preprocessing: str = "hf") -> GitProcessor:
        """Read the settings and the vocabulary of a checkpoint folder.

        preprocessing "hf" takes the folder's own settings, "original" the authors': authors.py.
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

    def save_pretrained(
        self, save_directory: str | Path, push_to_hub: bool = False, **keywords: Any
    ) -> list[str]:
        """Write the settings and the vocabulary into a folder: -> the paths."""
        if isinstance(self.image_processor, OriginalImageProcessor):
            raise UserError("the authors' preparation has no settings file; save the other one")
        check_saving(keywords)
        paths = [*self.image_processor.save_pretrained(save_directory),
                 *self.tokenizer.save_pretrained(save_directory)]  # fmt: skip
        if push_to_hub:
            push_folder(Path(save_directory), [Path(path).name for path in paths], **keywords)
        return paths

    def push_to_hub(self, repo_id: str, **keywords: Any) -> str:
        """Write settings and vocabulary into a repository of the Hub: -> the commit's address."""
        return push(self, repo_id, **keywords)

    def to_dict(self) -> dict[str, Any]:
        """List the settings: those of pictures, and the class."""
        settings = getattr(self.image_processor, "settings", {})
        return {"processor_class": type(self).__name__, "image_processor": dict(settings)}

    def to_json_string(self) -> str:
        """Write the settings as JSON."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def to_json_file(self, json_file_path: str | Path) -> None:
        """Write the settings into a file."""
        text = self.to_json_string()
        write_text(json_file_path, text)

    def __repr__(self) -> str:
        return f"{type(self).__name__}:\n- {self.image_processor!r}\n- {self.tokenizer!r}"

    def __call__(
        self,
        text: Text | None = None,
        images: Any = None,
        return_tensors: object = None,
        videos: Any = None,
        **settings: Any,
    ) -> Any:
        """Prepare texts, pictures or both: -> input_ids, attention_mask, pixel_values.

        See `GitTokenizer.encode_texts` for texts and `GitImageProcessor.__call__` for pictures;
        both take their settings from `settings`, or from text_kwargs, images_kwargs and
        common_kwargs. Raises UserError, a ValueError, for neither.
        """
        images = videos if images is None else images
        if text is None and images is None:
            raise UserError("You have to specify either text or images. Both cannot be none.")
        for_text, for_images = settings_for(settings)
        found: Any = BatchFeature()
        if text is not None:
            found = self.tokenizer(text, return_tensors=return_tensors, **for_text)
        if images is not None and isinstance(self.image_processor, OriginalImageProcessor):
            pixels = [self.pixels(picture) for picture in pictures_of(images)]
            found["pixel_values"] = np.concatenate(pixels)
        elif images is not None and not isinstance(self.image_processor, OriginalImageProcessor):
            found |= self.image_processor(images, return_tensors=return_tensors, **for_images)
        return found

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{type(self).__name__} has no {name!r}: chats, sounds and placeholders are not for "
            "GIT; docs/coming-from-transformers.md lists what differs"
        )

    def post_process_image_text_to_text(
        self, generated_outputs: Any, skip_special_tokens: bool = True, **more: Any
    ) -> list[str]:
        """Turn what generate returned into texts."""
        return self.batch_decode(generated_outputs, skip_special_tokens, **more)

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

    @property
    def options(self) -> PictureOptions:
        """How pictures are read from files, and how they are fitted."""
        return self.image_processor.options

    def read_with(self, options: PictureOptions) -> None:
        """Say how pictures are read from files, and how they are fitted."""
        if not isinstance(self.image_processor, OriginalImageProcessor):
            self.image_processor.read_with(options)
            return
        if options.fit != "crop":
            raise UserError(
                f"fit is {options.fit!r}, but the authors' preparation has its own way to fit "
                'pictures; use preprocessing "hf"'
            )
        self.image_processor = replace(self.image_processor, options=options)

    def check_sizes(self, config: GitConfig, name: str) -> None:
        """Refuse settings that prepare pictures of another size than the model takes."""
        steps, size = self.image_processor.steps, config.vision_config.image_size
        if not isinstance(steps, ImageProcessor) or not steps.do_center_crop:
            return
        if (steps.crop_height, steps.crop_width) != (size, size):
            raise UserError(
                f"preprocessor_config.json of {name}: crop_size makes pictures of "
                f"{steps.crop_height}x{steps.crop_width}, and the model takes {size}x{size} "
                "(image_size)"
            )

    def opened(self, picture: Picture | Sequence[Picture], *, frames: int | None) -> Any:
        """Open a file: a still, or a clip as a list of frames; what is no file stays as it is."""
        one = opened_still(picture, self.options, clips=bool(frames))
        if not isinstance(one, Path | InMemory):
            return one
        clip = read_clip(one, frames or 1, self.options)
        return clip if len(clip) > 1 else clip[0]

    def pixels(self, picture: Picture | Sequence[Picture], *, frames: int | None = None) -> Array:
        """Prepare a picture -> (1, C, H, W), or a list of frames -> (1, frames, C, H, W).

        With `frames`, a file that holds a clip becomes a list of at most so many frames, evenly
        spaced; without, its first frame is the picture.
        """
        one = self.opened(picture, frames=frames)
        if isinstance(one, Image.Image) or is_one_picture(one):
            pixels = self.image_processor.steps(one)[None]
            return pixels[None] if self.stills_are_clips else pixels
        prepared = [self.image_processor.steps(frame) for frame in frames_of(one)]
        if len({frame.shape for frame in prepared}) > 1:
            raise UserError("the frames of a clip must all be of one size")
        return np.stack(prepared)[None]

    def prompt(self, question: str | None = None, *, begin: str = "") -> Array:
        """Write the words a text starts with: start token, question or `begin` -> (1, T)."""
        asked: Any = question or begin
        if not isinstance(asked, str):
            raise UserError(f"{shown(repr(asked))} is no text to begin with")
        ids = self.vocabulary.encode(asked) if asked else []
        if self.original and question:
            ids = cut_question(ids)
        return np.array([[self.vocabulary.start_id, *ids]], np.int64)


def authors_settings(folder: Path, config: GitConfig) -> OriginalImageProcessor:
    """Choose how the authors prepare pictures for a model: as its settings say, or by its size."""
    size = config.vision_config.image_size
    settings = parameters_of(folder) if loading.is_authors(folder) else None
    if settings:
        return OriginalImageProcessor(size, settings[0].test_respect_ratio_max or None)
    return OriginalImageProcessor.for_size(size)


def settings_for(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sort the settings of a call: -> those of texts, those of pictures.

    transformers 5 groups them; a group goes before what stands alone.
    """
    groups = {name: settings.pop(name, None) or {} for name in GROUPS}
    others = {name: v for name, v in settings.items() if name not in KEPT}
    check_names(others, TEXT_SETTINGS | SETTINGS | LAYOUTS)
    common = groups["common_kwargs"]
    for_text = {n: v for n, v in {**common, **settings}.items() if n in TEXT_SETTINGS}
    for_images = {n: v for n, v in {**common, **settings}.items() if n in PICTURE_SETTINGS}
    for_images |= {**groups["images_kwargs"], **groups["videos_kwargs"]}
    for_text |= groups["text_kwargs"]
    for group in (for_text, for_images):
        group.pop("return_tensors", None)
    return for_text, for_images
