"""What the model saw: the picture as given, what was cut away, and what was left."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from ...huggingface.processing.authors import OriginalImageProcessor, shortest_edge
from ...huggingface.processing.picture_steps import ImageProcessor
from ...huggingface.reading.colours import size_within
from ...model.params import Array
from .traced_run import Run

LONGEST = 720  # of the original in the page
FRAMES_LONGEST = 360  # the same where there are several


def as_seen(run: Run) -> dict[str, Any]:
    """Show every frame as it was given and as the model has it, with the border that was lost."""
    longest = LONGEST if len(run.frames) == 1 else FRAMES_LONGEST
    return {
        "originals": [jpeg(shrink(frame, longest)) for frame in run.frames],
        "sizes": [list(frame.size) for frame in run.frames],
        "kept": [kept(run, frame) for frame in run.frames],
        "fit": fit_of(run),
        "pictures": [picture_of(pixels, run) for pixels in stills(run.pixels)],
        "pixels": list(run.pixels.shape),
        "grid": list(run.grid),
        "patch": run.captioner.model.config.vision_config.patch_size,
    }


def stills(pixels: Array) -> Array:
    """Take the frames of one picture or clip: -> (frames, C, H, W)."""
    return pixels.reshape(-1, *pixels.shape[-3:])


def settings(run: Run) -> ImageProcessor | OriginalImageProcessor:
    """Find the settings that one picture is prepared with."""
    processor = run.captioner.processor.image_processor
    return processor if isinstance(processor, OriginalImageProcessor) else processor.steps


def kept(run: Run, frame: Image.Image) -> dict[str, Any]:
    """Say how a frame was resized, and which part of it the patches cover, as shares of its sides.

    A part larger than 1 was filled up with a colour.
    """
    width, height = resized(run, frame)
    rows, columns = run.grid
    H, W = run.pixels.shape[-2:]
    patch = run.captioner.model.config.vision_config.patch_size
    left, top = before_middle(width, W) / width, before_middle(height, H) / height
    box = [left, top, columns * patch / width, rows * patch / height]
    return {"resized": [width, height], "box": box}


def before_middle(side: int, wanted: int) -> int:
    """Count the pixels of a side that are cut off before its middle; fewer than 0 are added."""
    whole = max(side, wanted)
    return (whole - wanted) // 2 - (whole - side) // 2


def fit_of(run: Run) -> str:
    """Name how pictures are fitted into the model's square: crop, squash, pad, or whole."""
    steps = settings(run)
    if isinstance(steps, OriginalImageProcessor):
        return "crop" if steps.longest is None else "whole"
    if steps.options.fit != "crop":
        return steps.options.fit
    if steps.do_resize and steps.exact_size is not None:
        return "squash"
    return "crop" if steps.do_center_crop else "whole"


def resized(run: Run, frame: Image.Image) -> tuple[int, int]:
    """Find the size that a frame is brought to before anything is cut or added: width, height."""
    steps = settings(run)
    if isinstance(steps, OriginalImageProcessor):
        edge = steps.size
        if steps.longest is not None:
            edge = shortest_edge(frame.size, size=steps.size, longest=steps.longest)
        return with_short_side(frame, edge)
    H, W = run.pixels.shape[-2:]
    if steps.options.fit == "squash":
        return W, H
    if steps.options.fit == "pad":
        return size_within(frame.size, W, H)
    if not steps.do_resize:
        return frame.size
    if steps.exact_size is not None:
        return steps.exact_size[1], steps.exact_size[0]
    return with_short_side(frame, steps.shortest_edge)


def with_short_side(frame: Image.Image, edge: int) -> tuple[int, int]:
    """Bring the shorter side to `edge` and keep the proportions: width, height."""
    long = int(edge * max(frame.size) / min(frame.size))
    return (edge, long) if frame.width <= frame.height else (long, edge)


def picture_of(pixels: Array, run: Run) -> str:
    """Turn a frame's pixels back into colours: (C, H, W) -> a picture for the page."""
    steps = run.captioner.processor.image_processor
    mean, std, factor = [0.0] * 3, [1.0] * 3, 1 / 255
    if isinstance(steps, OriginalImageProcessor):
        from ...huggingface.processing.authors import MEAN, STD

        mean, std = MEAN, STD
    else:
        if steps.steps.do_normalize:
            mean, std = steps.steps.image_mean, steps.steps.image_std
        factor = steps.steps.rescale_factor if steps.steps.do_rescale else 1.0
    colours = pixels.transpose(1, 2, 0) * np.array(std) + np.array(mean)
    whole = np.clip(np.rint(colours / factor), 0, 255).astype(np.uint8)
    return jpeg(Image.fromarray(whole))


def shrink(picture: Image.Image, longest: int) -> Image.Image:
    """Make a large picture small enough for the page."""
    small = picture.copy()
    small.thumbnail((longest, longest))
    return small


def jpeg(picture: Image.Image) -> str:
    """Write a picture into an address that needs no file: PNG if it is small, else JPEG."""
    file = io.BytesIO()
    kind = "png" if max(picture.size) <= 128 else "jpeg"
    picture.save(file, kind, **({} if kind == "png" else {"quality": 85}))
    return f"data:image/{kind};base64," + base64.b64encode(file.getvalue()).decode("ascii")
