"""Other ways to resize and cut a picture, for `pictures.py`: each is tried on the picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from ....model.image import CLIP_MEAN
from ....model.params import Array

Tried = Iterator[tuple[str, Array]]
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


def of_changed(picture: Image.Image, H: int, W: int) -> Tried:
    """Change the picture first, then resize and cut it as it should be."""
    for sentence, change in CHANGES.items():
        try:
            yield sentence, shortest(change(picture), ways_to_resize()["bicubic (Pillow)"], H, W)
        except ValueError:
            continue


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    """Save a picture as JPEG, and open it again."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    **{
        f"of a picture saved as JPEG (quality {quality}) before": (
            lambda p, q=quality: as_jpeg(p, q)
        )
        for quality in (50, 60, 70, 75, 80, 85, 90, 95)
    },
    "of a picture turned to 256 colours before (GIF, palette)": lambda p: p.convert(
        "P", palette=Image.Palette.ADAPTIVE
    ).convert("RGB"),
    "of a picture turned to grey before": lambda p: p.convert("L").convert("RGB"),
    **{
        f"resized in two steps, the shorter side to {edge} first": (
            lambda p, e=edge: p.resize(short_side(p, e), Image.Resampling.BICUBIC)
        )
        for edge in (112, 120, 128, 144, 160, 192, 224, 256, 288, 320, 384, 448, 480, 512)
    },
    "reduced by 2 first (draft)": lambda p: p.reduce(2),
    "reduced by 4 first (draft)": lambda p: p.reduce(4),
}


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
        found[f"{name}, of decimal numbers, cut off at the end"] = lambda p, size, f=f: np.clip(
            np.floor(as_floats(p, size, f)), 0, 255
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


def padded(
    p: Image.Image, resize: Resize, H: int, W: int, *, colour: float | list[float], where: str
) -> Array:
    """Bring the longer side to the size, and fill up."""
    scale = max(p.size)
    size = (max(1, W * p.width // scale), max(1, H * p.height // scale))
    whole = np.empty((H, W, 3), np.float32)
    whole[:] = colour
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


def beside(p: Image.Image, resize: Resize, H: int, W: int, *, by: int, axis: int) -> Array:
    """Cut a few pixels beside the middle: axis 0 below or above, 1 right or left."""
    array = resize(p, short_side(p, H))
    corner = [(array.shape[0] - H) // 2, (array.shape[1] - W) // 2]
    corner[axis] += by
    if min(corner) < 0 or corner[axis] + (H, W)[axis] > array.shape[axis]:
        raise ValueError("there is nothing beside the middle")
    return centre(array, H, W, *corner)


Cut = Callable[[Image.Image, Resize, int, int], Array]
FILLINGS: dict[str, float | list[float]] = {
    "black": 0,
    "white": 255,
    "grey (128)": 128,
    "grey (127)": 127,
    "grey (114)": 114,
    "the mean colour of CLIP": [255 * share for share in CLIP_MEAN],
    "the mean colour of CLIP, in whole numbers": [round(255 * share) for share in CLIP_MEAN],
    "the mean colour of CLIP, cut off to whole numbers": [int(255 * s) for s in CLIP_MEAN],
}
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
    **{
        f"filled up to a square with {name} {where}": (
            lambda p, r, H, W, c=colour, w=where: padded(p, r, H, W, colour=c, where=w)
        )
        for name, colour in FILLINGS.items()
        for where in ("around", "at the end")
    },
    **{
        f"cut {abs(by)} pixel{'s' * (abs(by) > 1)} {way[by > 0]} of the middle": (
            lambda p, r, H, W, b=by, i=axis: beside(p, r, H, W, by=b, axis=i)
        )
        for axis, way in ((0, ("above", "below")), (1, ("to the left", "to the right")))
        for by in (-2, -1, 1, 2)
    },
}
