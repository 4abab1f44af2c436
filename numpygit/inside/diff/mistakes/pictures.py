"""Known mistakes of preparation: colours and scales, tried on our pixels.

Colours are worked out backwards from our pixels. Other ways to resize and cut, in `sizes.py`, need
the picture that the trace was made of; without it they are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
from PIL import Image

from ....model.image import CLIP_MEAN, CLIP_STD
from ....model.params import Array
from .sizes import of_changed, of_sizes

NAMES = ("red", "green", "blue")
Tried = Iterator[tuple[str, Array]]
CLIP = (list(CLIP_MEAN), list(CLIP_STD))
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALF = ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
KNOWN = {"CLIP": CLIP, "ImageNet": IMAGENET, "0.5": HALF}


class Colours:
    """How our pixels were normalised: found out from the pixels, which must be whole 255ths."""

    def __init__(self, pixels: Array) -> None:
        found = [name for name in KNOWN if is_whole(undone(pixels, *KNOWN[name]))]
        if not found:
            raise KeyError("our pixels are normalised in no known way")
        self.name = found[0]
        self.mean, self.std = (column(values) for values in KNOWN[self.name])

    def normalised(self, x: Array) -> Array:
        """Normalise 0 to 1 as ours: (..., C, H, W)."""
        return (x - self.mean) / self.std

    def of_bytes(self, x: Array) -> Array:
        """Normalise (H, W, C), 0 to 255, as ours: -> (C, H, W)."""
        return self.normalised(np.moveaxis(np.asarray(x, np.float32) / np.float32(255), -1, 0))


def column(values: list[float]) -> Array:
    """Shape three numbers to be added to (..., C, H, W)."""
    return np.array(values, np.float32)[:, None, None]


def undone(pixels: Array, mean: list[float], std: list[float]) -> Array:
    """Take a normalisation back: -> 0 to 1."""
    return pixels * column(std) + column(mean)


def is_whole(x: Array) -> bool:
    """Tell whether numbers are 255ths from 0 to 1."""
    steps = x * 255
    return bool(np.abs(steps - np.rint(steps)).max() < 0.01 and x.min() > -0.01 and x.max() < 1.01)


def of_pixels(ours: Array, theirs: Array, picture: Image.Image | None = None) -> Tried:
    """Mistakes of preparation, one alone at a time."""
    yield "with red and blue exchanged", np.flip(ours, axis=-3)
    yield "with height and width exchanged", ours.swapaxes(-1, -2)
    yield "turned upside down", np.flip(ours, axis=-2)
    yield "mirrored", np.flip(ours, axis=-1)
    yield "turned half around", np.flip(ours, axis=(-1, -2))
    yield "turned by a quarter to the left", np.rot90(ours, axes=(-2, -1))
    yield "turned by a quarter to the right", np.rot90(ours, -1, axes=(-2, -1))
    yield from of_shifts(ours)
    if ours.ndim == 5:
        yield "with the frames in reverse", ours[:, ::-1]
        yield "with the first frame again and again", np.broadcast_to(ours[:, :1], ours.shape)
        yield "with the frames rolled by one", np.roll(ours, 1, axis=1)
    try:
        colours = Colours(ours)
    except KeyError:
        return
    shares = (ours * colours.std + colours.mean).astype(np.float32)
    yield from of_scale(ours, shares, colours)
    if picture is not None and ours.ndim == 4 and len(ours) == 1:
        for tried in (of_sizes, of_changed):
            for sentence, array in tried(picture, *ours.shape[-2:]):
                yield sentence, colours.of_bytes(array)[None]
    yield from of_layout(ours, shares, colours)


def of_shifts(ours: Array) -> Tried:
    """The picture a few pixels away; what is moved out comes in on the other side."""
    for down in range(-2, 3):
        for right in range(-2, 3):
            if down or right:
                moved = ", ".join(
                    f"{abs(by)} pixel{'s' * (abs(by) > 1)} {way[by > 0]}"
                    for by, way in (
                        (down, ("up", "down")),
                        (right, ("to the left", "to the right")),
                    )
                    if by
                )
                yield f"shifted: {moved}, rolled", np.roll(ours, (down, right), axis=(-2, -1))


def of_scale(ours: Array, shares: Array, colours: Colours) -> Tried:
    """Scales and normalisations; `shares` are 0 to 1."""
    mean, std = colours.mean, colours.std
    yield "left at 0 to 1, not normalised", shares
    yield "left at 0 to 255, not normalised", shares * 255
    yield "brought to -1 to 1 (mean and std 0.5)", shares * 2 - 1
    yield "not divided by 255 before mean and std", colours.normalised(shares * 255)
    yield "divided by 255 twice", colours.normalised(shares / 255)
    yield "divided by 256, not 255", colours.normalised(shares * np.float32(255 / 256))
    yield "divided by 128, less 1", shares * np.float32(255 / 128) - 1
    yield "with the mean divided by 255, the pixels not", (shares - mean / 255) / std
    yield "with the std divided by 255, the pixels not", (shares - mean) / (std / 255)
    yield "in whole numbers (int), cut off behind the point", np.trunc(ours)
    yield "clipped to between -1 and 1", np.clip(ours, -1, 1)
    yield "clipped to between 0 and 1", np.clip(ours, 0, 1)
    yield "with the mean taken away, not divided by the std", shares - mean
    yield "divided by the std, the mean not taken away", shares / std
    yield "normalised twice", colours.normalised(ours)
    yield "multiplied by the std, not divided", (shares - mean) * std
    yield "divided by the variance", (shares - mean) / (std * std)
    yield "with mean and std exchanged", (shares - std) / mean
    yield (
        "with one mean and std, of the picture itself",
        ((shares - shares.mean()) / (shares.std() + np.float32(1e-12))),
    )
    own = shares - shares.mean(axis=(-1, -2), keepdims=True)
    spread = shares.std(axis=(-1, -2), keepdims=True) + np.float32(1e-12)
    yield "with mean and std of each colour of the picture itself", own / spread
    yield from of_other_spreads(shares, colours)
    yield from of_colours(shares, colours)


def of_other_spreads(shares: Array, colours: Colours) -> Tried:
    """Mean and standard deviation of colours that belong to other models."""
    for name, (other_mean, other_std) in KNOWN.items():
        if name != colours.name:
            a, b = column(other_mean), column(other_std)
            tail = ": another mean or std of colours"
            yield f"with mean and std of {name}, not of {colours.name}{tail}", (shares - a) / b
            yield f"with the mean of {name}{tail}", (shares - a) / colours.std
            yield f"with the std of {name}{tail}", (shares - colours.mean) / b
            reverse = (np.flip(shares, axis=-3) - a) / b
            yield f"with red and blue exchanged, and mean and std of {name}", reverse


def of_colours(shares: Array, colours: Colours) -> Tried:
    """Colours in another order, in grey, or on another scale of brightness."""
    mean, std = colours.mean, colours.std
    blue = np.flip(shares, axis=-3)
    yield "with red and blue exchanged before mean and std", colours.normalised(blue)
    yield (
        "with mean and std of the colours in reverse, the colours as they are",
        ((shares - np.flip(mean, 0)) / np.flip(std, 0)),
    )
    for order in permutations(range(3)):
        if order not in ((0, 1, 2), (2, 1, 0)):
            listed = ", ".join(NAMES[i] for i in order)
            yield (
                f"with the colours in the order {listed}",
                colours.normalised(np.take(shares, order, axis=-3)),
            )
    for i, name in enumerate(NAMES):
        one = np.take(shares, [i, i, i], axis=-3)
        yield f"with {name} alone, for all three colours", colours.normalised(one)
    grey = shares.mean(axis=-3, keepdims=True)
    yield "in grey (mean of the colours)", colours.normalised(np.broadcast_to(grey, shares.shape))
    luma = (shares * column([0.299, 0.587, 0.114])).sum(axis=-3, keepdims=True)
    yield "in grey (luminance)", colours.normalised(np.broadcast_to(luma, shares.shape))
    yield "as a negative", colours.normalised(1 - shares)
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    yield "with the gamma of sRGB undone", colours.normalised(linear.astype(np.float32))


def of_layout(ours: Array, shares: Array, colours: Colours) -> Tried:
    """Numbers in the order of another layout, reshaped where axes should have been exchanged."""
    hwc = np.moveaxis(shares, -3, -1)
    yield (
        "reshaped from (H, W, C) to (C, H, W) without a transpose",
        colours.normalised(hwc.reshape(shares.shape)),
    )
    yield (
        "normalised, then reshaped from (H, W, C) without a transpose",
        np.moveaxis(ours, -3, -1).reshape(ours.shape),
    )


def fitted(ours: Array, theirs: Array) -> tuple[str, Array]:
    """Fit a factor and an offset for each colour: the last resort."""
    parts, words = [], []
    for a, b in zip(np.moveaxis(ours, -3, 0), np.moveaxis(theirs, -3, 0), strict=True):
        rest = a - a.mean(dtype=np.float64)
        slope = float((rest * b).sum() / max(float((rest * rest).sum()), 1e-30))
        offset = float(b.mean(dtype=np.float64) - slope * a.mean(dtype=np.float64))
        parts.append(slope * a + offset)
        words.append(f"times {slope:.4g} plus {offset:.4g}")
    sentence = f"{', '.join(words)} in its colours: another mean or std of colours"
    return sentence, np.moveaxis(np.stack(parts), 0, -3)
