"""Known mistakes of preparation: colours, sizes, cuts, tried on our pixels and on the picture.

Colours are worked out backwards from our pixels. Other ways to resize and cut need the picture that
the trace was made of; without it they are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from ....model.image import CLIP_MEAN, CLIP_STD
from ....model.params import Array

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
        for sentence, array in of_sizes(picture, *ours.shape[-2:]):
            yield sentence, colours.of_bytes(array)[None]
    yield from of_layout(ours, shares, colours)


def of_scale(ours: Array, shares: Array, colours: Colours) -> Tried:
    """Scales and normalisations; `shares` are 0 to 1."""
    mean, std = colours.mean, colours.std
    yield "left at 0 to 1, not normalised", shares
    yield "left at 0 to 255, not normalised", shares * 255
    yield "brought to -1 to 1 (mean and spread 0.5)", shares * 2 - 1
    yield "not divided by 255 before mean and spread", colours.normalised(shares * 255)
    yield "divided by 255 twice", colours.normalised(shares / 255)
    yield "divided by 256, not 255", colours.normalised(shares * np.float32(255 / 256))
    yield "with the mean taken away, not divided by the spread (std)", shares - mean
    yield "divided by the spread (std), the mean not taken away", shares / std
    yield "normalised twice", colours.normalised(ours)
    yield "multiplied by the spread (std), not divided", (shares - mean) * std
    yield "divided by the square of the spread (the variance)", (shares - mean) / (std * std)
    yield "with mean and spread exchanged", (shares - std) / mean
    yield (
        "with one mean and spread, of the picture itself",
        ((shares - shares.mean()) / (shares.std() + np.float32(1e-12))),
    )
    yield from of_other_spreads(shares, colours)
    yield from of_colours(shares, colours)


def of_other_spreads(shares: Array, colours: Colours) -> Tried:
    """Mean and spread of colours that belong to other models."""
    for name, (other_mean, other_std) in KNOWN.items():
        if name != colours.name:
            a, b = column(other_mean), column(other_std)
            tail = ": another mean or spread of colours"
            yield f"with mean and spread of {name}, not of {colours.name}{tail}", (shares - a) / b
            yield f"with the mean of {name}{tail}", (shares - a) / colours.std
            yield f"with the spread of {name}{tail}", (shares - colours.mean) / b
            reverse = (np.flip(shares, axis=-3) - a) / b
            yield f"with red and blue exchanged, and mean and spread of {name}", reverse


def of_colours(shares: Array, colours: Colours) -> Tried:
    """Colours in another order, in grey, or on another scale of brightness."""
    mean, std = colours.mean, colours.std
    blue = np.flip(shares, axis=-3)
    yield "with red and blue exchanged before mean and spread", colours.normalised(blue)
    yield (
        "with mean and spread of the colours in reverse, the colours as they are",
        ((shares - np.flip(mean, 0)) / np.flip(std, 0)),
    )
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


# ---------------------------------------------------------------- sizes and cuts


FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
Resize = Callable[[Image.Image, tuple[int, int]], Array]


def of_sizes(picture: Image.Image, H: int, W: int) -> Tried:
    """Resize and cut the picture in every other way: (H, W, C), 0 to 255."""
    for how, resize in ways_to_resize().items():
        for shape, cut in WAYS_TO_CUT.items():
            try:
                array = cut(picture, resize, H, W)
            except ValueError:  # the picture is too small for this way
                continue
            if array.shape[:2] == (H, W):
                yield f"resized with {how}, {shape}", array


def ways_to_resize() -> dict[str, Resize]:
    """Name ways to resize a picture to (width, height)."""
    found: dict[str, Resize] = {
        f"{name} (Pillow)": lambda p, size, f=f: np.asarray(p.resize(size, f), np.float32)
        for name, f in FILTERS.items()
    }
    for name in ("bilinear", "bicubic", "lanczos"):
        f = FILTERS[name]
        found[f"{name}, of decimal numbers, as torchvision does with tensors"] = (
            lambda p, size, f=f: as_floats(p, size, f)
        )
        found[f"{name}, of decimal numbers, rounded at the end"] = lambda p, size, f=f: np.clip(
            np.rint(as_floats(p, size, f)), 0, 255
        )
    for corners in (False, True):
        how = "align_corners=True" if corners else "align_corners=False, as OpenCV does"
        found[f"bilinear without antialiasing, {how}"] = lambda p, size, c=corners: sampled(
            p, size, linear_at, corners=c
        )
        found[f"bicubic without antialiasing, {how}"] = lambda p, size, c=corners: sampled(
            p, size, cubic_at, corners=c
        )
    found["nearest, rounded down, as torch and OpenCV do"] = lambda p, size: nearest(p, size)
    return found


def as_floats(picture: Image.Image, size: tuple[int, int], method: Image.Resampling) -> Array:
    """Resize each colour as decimal numbers."""
    colours = np.moveaxis(np.asarray(picture, np.float32), -1, 0)
    parts = [np.asarray(Image.fromarray(one).resize(size, method)) for one in colours]
    return np.stack(parts, axis=-1)


def sampled(
    picture: Image.Image,
    size: tuple[int, int],
    weights: Callable[[Array], list[tuple[int, Array]]],
    *,
    corners: bool,
) -> Array:
    """Take weighted sums of a few pixels around each new one, rows and columns apart."""
    x = np.asarray(picture, np.float64)
    for axis, new in ((0, size[1]), (1, size[0])):
        old = x.shape[axis]
        place = np.arange(new)
        at = place * (old - 1) / max(new - 1, 1) if corners else (place + 0.5) * old / new - 0.5
        start = np.floor(at).astype(int)
        total = 0
        for offset, weight in weights(at - start):
            taken = np.take(x, np.clip(start + offset, 0, old - 1), axis=axis)
            shape = [-1 if i == axis else 1 for i in range(3)]
            total = total + taken * weight.reshape(shape)
        x = np.asarray(total)
    return x.astype(np.float32)


def linear_at(rest: Array) -> list[tuple[int, Array]]:
    """Weigh two neighbours."""
    return [(0, 1 - rest), (1, rest)]


def cubic_at(rest: Array) -> list[tuple[int, Array]]:
    """Weigh four neighbours; a = -0.75, as in torch and OpenCV."""
    a, found = -0.75, []
    for offset in (-1, 0, 1, 2):
        d = np.abs(rest - offset)
        near = (a + 2) * d**3 - (a + 3) * d**2 + 1
        far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
        found.append((offset, np.where(d <= 1, near, far)))
    return found


def nearest(picture: Image.Image, size: tuple[int, int]) -> Array:
    """Take the pixel at the rounded-down place."""
    x = np.asarray(picture, np.float32)
    down = np.arange(size[1]) * x.shape[0] // size[1]
    across = np.arange(size[0]) * x.shape[1] // size[0]
    return x[down][:, across]


def centre(array: Array, H: int, W: int, top: int | None = None, left: int | None = None) -> Array:
    """Cut (H, W) out, of the middle unless it is said where."""
    if array.shape[0] < H or array.shape[1] < W:
        raise ValueError("too small")
    top = (array.shape[0] - H) // 2 if top is None else top
    left = (array.shape[1] - W) // 2 if left is None else left
    return array[top : top + H, left : left + W]


def short_side(picture: Image.Image, edge: int, *, up: bool = False) -> tuple[int, int]:
    """Find the size with the shorter side at `edge`."""
    width, height = picture.size
    short, long = min(width, height), max(width, height)
    new = round(edge * long / short) if up else int(edge * long / short)
    return (edge, new) if width <= height else (new, edge)


def squashed(p: Image.Image, resize: Resize, H: int, W: int) -> Array:
    """Bring both sides to the size at once."""
    return resize(p, (W, H))


def cut_first(p: Image.Image, resize: Resize, H: int, W: int) -> Array:
    """Cut the middle square out, then resize."""
    side = min(p.size)
    left, top = (p.width - side) // 2, (p.height - side) // 2
    return resize(p.crop((left, top, left + side, top + side)), (W, H))


def padded(p: Image.Image, resize: Resize, H: int, W: int, *, colour: int, where: str) -> Array:
    """Bring the longer side to the size, and fill up."""
    scale = max(p.size)
    size = (max(1, W * p.width // scale), max(1, H * p.height // scale))
    whole = np.full((H, W, 3), colour, np.float32)
    small = resize(p, size)
    top = (H - size[1]) // 2 if where == "around" else 0
    left = (W - size[0]) // 2 if where == "around" else 0
    whole[top : top + size[1], left : left + size[0]] = small
    return whole


def shortest(
    p: Image.Image, resize: Resize, H: int, W: int,
    *, ratio: float = 1.0, up: bool = False, top: int | None = None, left: int | None = None,
) -> Array:  # fmt: skip
    """Bring the shorter side to the size, or more, and cut."""
    return centre(resize(p, short_side(p, int(H * ratio), up=up)), H, W, top, left)


def far_corner(p: Image.Image, resize: Resize, H: int, W: int) -> Array:
    """Cut the bottom right corner."""
    array = resize(p, short_side(p, H))
    return array[array.shape[0] - H :, array.shape[1] - W :]


def rounded_cut(p: Image.Image, resize: Resize, H: int, W: int) -> Array:
    """Cut where torchvision does: the half is rounded."""
    array = resize(p, short_side(p, H))
    top, left = round((array.shape[0] - H) / 2), round((array.shape[1] - W) / 2)
    return centre(array, H, W, top, left)


Cut = Callable[[Image.Image, Resize, int, int], Array]
WAYS_TO_CUT: dict[str, Cut] = {
    "shorter side first, then the middle": shortest,
    "squashed to a square, nothing cut": squashed,
    "the middle cut out first": cut_first,
    "the top left corner cut out": lambda p, r, H, W: shortest(p, r, H, W, top=0, left=0),
    "the bottom right corner cut out": far_corner,
    "shorter side to 8/7 of the size (256 for 224), then the middle": (
        lambda p, r, H, W: shortest(p, r, H, W, ratio=256 / 224)
    ),
    "longer side rounded, not cut off, then the middle": (
        lambda p, r, H, W: shortest(p, r, H, W, up=True)
    ),
    "the middle rounded to the other pixel": rounded_cut,
    "not resized, the middle cut out": lambda p, r, H, W: centre(np.asarray(p, np.float32), H, W),
    "filled up to a square with black around": (
        lambda p, r, H, W: padded(p, r, H, W, colour=0, where="around")
    ),
    "filled up to a square with white around": (
        lambda p, r, H, W: padded(p, r, H, W, colour=255, where="around")
    ),
    "filled up to a square with black at the end": (
        lambda p, r, H, W: padded(p, r, H, W, colour=0, where="end")
    ),
}


def fitted(ours: Array, theirs: Array) -> tuple[str, Array]:
    """Fit a factor and an offset for each colour: the last resort."""
    parts, words = [], []
    for a, b in zip(np.moveaxis(ours, -3, 0), np.moveaxis(theirs, -3, 0), strict=True):
        rest = a - a.mean(dtype=np.float64)
        slope = float((rest * b).sum() / max(float((rest * rest).sum()), 1e-30))
        offset = float(b.mean(dtype=np.float64) - slope * a.mean(dtype=np.float64))
        parts.append(slope * a + offset)
        words.append(f"times {slope:.4g} plus {offset:.4g}")
    sentence = f"{', '.join(words)} in its colours: another mean or spread of colours"
    return sentence, np.moveaxis(np.stack(parts), 0, -3)
