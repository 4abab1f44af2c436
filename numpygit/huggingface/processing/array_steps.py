"""The steps of preparation on arrays of any layout, as methods of an image processor offer them.

Each takes a picture with its channels first or last and gives it back as it came, or in
`data_format`. Names of layouts: "channels_first" (C, H, W), "channels_last" (H, W, C), "none"
(H, W). Source: transformers 4.37.2, `image_transforms.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from ...errors import UserError, shown
from ...loading.fields import PREPROCESSOR, checked
from ...model.image import centre_crop
from ...model.params import Array

FIRST, LAST, NONE = "channels_first", "channels_last", "none"
FORMATS = (FIRST, LAST, NONE)


def as_array(given: Any) -> Array:
    """Take an array, or ask an object for its own, as tensors of other libraries are asked."""
    try:
        return np.asarray(given)
    except Exception as error:  # a tensor on a graphics card, for one, raises what it likes
        why = shown(" ".join(str(error).split()), 200)
        raise UserError(
            f"{type(given).__name__} gives no array ({why}); give a NumPy array"
        ) from None


def layout_of(picture: Array, given: object = None) -> str:
    """Tell where the channels of an array are: as `given` says, else where there are 1, 3 or 4."""
    name = getattr(given, "value", given)
    if name is not None and name not in FORMATS:
        raise UserError(f"a data format is {name!r}; it must be one of {', '.join(FORMATS)}")
    if name is not None:
        return str(name)
    if picture.ndim == 2:
        return NONE
    if picture.ndim == 3 and picture.shape[0] in (1, 3, 4):
        return FIRST
    return LAST


def channels_last(picture: Any, given: object = None) -> tuple[Array, str]:
    """Bring a picture to (H, W, C): -> the array, and the layout it had."""
    array = as_array(picture)
    layout = layout_of(array, given)
    if array.ndim != (2 if layout == NONE else 3):
        hint = "" if given is None else f", and {layout} as said"
        raise UserError(f"a picture array must be of shape (H, W, C), (C, H, W) or (H, W){hint}; "
                        f"got {array.shape}")  # fmt: skip
    if layout == NONE:
        return array[:, :, None], layout
    return (array.transpose(1, 2, 0) if layout == FIRST else array), layout


def in_layout(colours: Array, layout: object) -> Array:
    """Bring (H, W, C) to a layout."""
    name = layout_of(colours, layout)
    if name == FIRST:
        return np.ascontiguousarray(colours.transpose(2, 0, 1))
    return colours[:, :, 0] if name == NONE else colours


def resize_array(colours: Array, *, height: int, width: int, resample: int) -> Array:
    """Resize (H, W, C) through Pillow, in 8 bits: colours in 0 to 1 come back in 0 to 1."""
    is_scaled = bool(np.issubdtype(colours.dtype, np.floating) and colours.max(initial=0) <= 1)
    whole = np.rint(colours * 255.0) if is_scaled else np.rint(colours)
    plain = whole.astype(np.uint8)
    picture = Image.fromarray(plain[:, :, 0] if plain.shape[2] == 1 else plain)
    resized = np.asarray(picture.resize((width, height), resample=Image.Resampling(resample)))
    resized = resized.reshape(height, width, -1)
    return (resized / 255.0).astype(colours.dtype) if is_scaled else resized


def new_size(colours: Array, size: dict[str, int]) -> tuple[int, int]:
    """Work out height and width: exact ones, or proportions kept with the shorter side given."""
    if {"height", "width"} <= set(size):
        return size["height"], size["width"]
    if "shortest_edge" not in size:
        raise UserError(f"size {size} has neither 'shortest_edge' nor 'height' and 'width'")
    height, width = colours.shape[:2]
    if not height or not width:
        raise UserError(f"a picture of {height} by {width} pixels cannot be resized")
    short, long = (
        size["shortest_edge"],
        int(size["shortest_edge"] * max(height, width) / min(height, width)),
    )
    return (long, short) if height > width else (short, long)


def crop_array(colours: Array, size: dict[str, int]) -> Array:
    """Cut the middle out of (H, W, C)."""
    if not {"height", "width"} <= set(size):
        raise UserError(f"crop_size {size} must name 'height' and 'width'")
    return centre_crop(colours, height=size["height"], width=size["width"])


def normalise_array(
    colours: Array, mean: float | Sequence[float], std: float | Sequence[float]
) -> Array:
    """Subtract the mean and divide by the standard deviation: one number, or one a channel."""
    for name, given in (("mean", mean), ("std", std)):
        if isinstance(given, list | tuple) and len(given) != colours.shape[2]:
            raise UserError(
                f"{name} has {len(given)} numbers, and the picture {colours.shape[2]} channels"
            )
        checked({f"image_{name}": given}, PREPROCESSOR)
    kind = colours.dtype if np.issubdtype(colours.dtype, np.floating) else np.dtype(np.float32)
    return (colours.astype(kind) - np.asarray(mean, kind)) / np.asarray(std, kind)


def as_setting(name: str, value: Any) -> Any:
    """Write a size as 4.37.2 does: a number is the shorter side, or a square for crop_size."""
    if name not in ("size", "crop_size") or isinstance(value, Mapping):
        return dict(value) if isinstance(value, Mapping) else value
    if isinstance(value, int) and not isinstance(value, bool):
        return {"shortest_edge": value} if name == "size" else {"height": value, "width": value}
    if isinstance(value, list | tuple) and len(value) == 2:
        return {"height": value[0], "width": value[1]}
    raise UserError(
        f"{name} is {shown(repr(value), 60)}; it must be a number, (height, width), or a "
        "dict of 'shortest_edge' or of 'height' and 'width'"
    )
