"""The authors' own preparation of pictures and questions, for `preprocessing="original"`.

Source: microsoft/GenerativeImage2Text at faae4fb: `inference.py`, MinMaxResizeForTest, and the
`parameter.yaml` of each model. The Hub's checkpoints come with another preparation, the default
here; they differ so:

               original                                  on the Hub
    questions  the whole picture, its proportions kept,  the square in its middle
               on a grid of patches that is not square
    clips      bicubic, CLIP's mean and std              bilinear, mean and std 1/2
    the rest   the same, but an odd rest of the crop is rounded to even, not down
    a prompt   the last 38 of its first 40 tokens        all of it
    words      normalised with epsilon 1e-8              1e-12
    a still    for a clip model, is a clip of one frame  has no time

Decoding is the authors' own too: captions and answers are searched with four beams and the GNMT
length penalty 0.6, `decoding.AUTHORS`, and come as a whole; by default words are chosen greedily.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from ...errors import UserError
from ...loading.config import GitConfig
from ...model.image import CLIP_MEAN, CLIP_STD, normalise, resize, scale
from ...model.params import Array
from ..reading import DEFAULT, PictureOptions
from .picture_steps import Picture, as_rgb

MEAN, STD = list(CLIP_MEAN), list(CLIP_STD)
# image_size -> the longest side allowed; only the VQAv2 and TextVQA models have these sizes
LONGEST_EDGE = {480: 640, 420: 560}
FIRST_TOKENS, LAST_TOKENS = 40, 38
EMBEDDING_NORM_EPS = 1e-8


@dataclass(frozen=True)
class OriginalImageProcessor:
    """A picture as the authors' test code prepares it: a square cut out, or the whole picture."""

    size: int = 224  # of the square, or of the whole picture's shorter side
    longest: int | None = None  # the longer side's limit; None cuts the square out
    options: PictureOptions = DEFAULT  # how files are read

    @classmethod
    def for_size(cls, image_size: int) -> OriginalImageProcessor:
        """Choose what the authors chose for models of this picture size."""
        return cls(image_size, LONGEST_EDGE.get(image_size))

    def steps(self, picture: Picture) -> Array:
        """Prepare one picture, however it is held -> pixels (C, H, W) float32."""
        rgb = as_rgb(picture, self.options)
        short = self.size
        if self.longest is not None:
            short = shortest_edge(rgb.size, size=self.size, longest=self.longest)
        resized = resize(rgb, shortest_edge=short, resample=Image.Resampling.BICUBIC)
        colours = np.asarray(resized)  # (H, W, C)
        if self.longest is None:
            colours = crop_square(colours, size=self.size)
        normal = normalise(scale(colours, factor=1 / 255), mean=MEAN, std=STD)
        return np.ascontiguousarray(normal.transpose(2, 0, 1))  # (C, H, W)

    __call__ = steps


def shortest_edge(picture_size: tuple[int, int], *, size: int, longest: int) -> int:
    """Choose the length of the shorter side: `size`, or less where the longer would pass `longest`.

    The longer side may still end one pixel beyond: the shorter one is rounded before.
    """
    short, long = min(picture_size), max(picture_size)
    if long / short * size > longest:
        size = round(longest * short / long)
    if size < 1:
        raise UserError(
            f"a picture of {picture_size[0]}x{picture_size[1]} pixels is too thin: with its "
            f"longer side at {longest} nothing is left of the shorter one; cut a piece out of it"
        )
    return size


def crop_square(colours: Array, *, size: int) -> Array:
    """Cut the middle out: (H, W, C) -> (size, size, C). Half a pixel is rounded to even."""
    height, width = colours.shape[:2]
    top, left = round((height - size) / 2), round((width - size) / 2)
    return colours[top : top + size, left : left + size]


def cut_question(ids: list[int]) -> list[int]:
    """Keep the last 38 of the first 40 tokens of a question."""
    return ids[:FIRST_TOKENS][-LAST_TOKENS:]


def original_config(config: GitConfig) -> GitConfig:
    """Give a config the epsilon that the authors' code normalises embedded words with."""
    return replace(config, embedding_norm_eps=EMBEDDING_NORM_EPS)
