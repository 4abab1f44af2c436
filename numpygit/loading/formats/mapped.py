"""Memory-mapped files: arrays are views of the file's bytes, and nothing is read before it is used.

Pages of the file come in when a number is used, and the system may drop them again, so a
checkpoint costs no memory of its own. What cannot be used as it lies in the file, because it is
no float32, not aligned or not in order, is copied, one tensor at a time.
"""

from __future__ import annotations

import math
import mmap as mmap_module
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...model.params import Array
from .small_files import LFS_POINTER, check_regular

DTYPES: dict[str, np.dtype[Any]] = {  # named as in .safetensors
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),  # NumPy has no bfloat16: its bits, as integers
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
FLOATS = ("F32", "F16", "BF16", "F64")
MOST_DIMENSIONS = 8
MOST_NUMBERS = 2**40  # in one tensor; git-large's word embedding has 2**25


def map_file(path: Path) -> mmap:
    """Map a whole file, to be read only. Raises UserError where there is nothing to map."""
    check_regular(path)
    try:
        with path.open("rb") as file:
            data = mmap(file.fileno(), 0, access=ACCESS_READ)
    except ValueError:
        raise UserError("it is empty") from None
    except OSError as error:
        raise UserError(f"it cannot be read: {error.strerror}") from None
    if data[: len(LFS_POINTER)] == LFS_POINTER:
        raise UserError("it only stands for a file in git-lfs; `git lfs pull` fetches that")
    return data


def let_go(data: mmap) -> None:
    """Give back the pages that have been looked at: for one byte the system maps up to 2 MB."""
    if hasattr(mmap_module, "MADV_DONTNEED"):
        data.madvise(mmap_module.MADV_DONTNEED)


def read_array(
    path: Path,
    data: mmap,
    *,
    start: int,
    dtype: str,
    shape: tuple[int, ...],
    steps: tuple[int, ...],
) -> Array:
    """Give one tensor of a file: float32, or integers as they are. Whoever calls checked bounds.

    `start` counts bytes of the file, `steps` (torch says stride) numbers from one element to the
    next along each axis. Only float32 in order, from a multiple of four bytes on, is mapped.
    """
    kind = DTYPES[dtype]
    count = math.prod(shape)
    if count == 0:
        raw = np.zeros(shape, kind)
    elif in_order(shape, steps):
        if dtype == "F32" and start % 4 == 0:
            raw = np.frombuffer(data, kind, count, start).reshape(shape)
        else:  # read, because copying from the map would keep the bytes in memory twice
            raw = np.fromfile(path, kind, count, offset=start).reshape(shape)
    else:
        reach = 1 + sum((size - 1) * step for size, step in zip(shape, steps, strict=True))
        inside = np.frombuffer(data, kind, reach, start)
        strides = [step * kind.itemsize for step in steps]
        raw = np.lib.stride_tricks.as_strided(inside, shape, strides, writeable=False)
    array = to_float32(raw, dtype) if dtype in FLOATS else np.asarray(raw, order="C")
    array.flags.writeable = False  # copied or mapped, it behaves alike
    return array


def stand_in(dtype: str, shape: tuple[int, ...]) -> Array:
    """Make an array of a tensor's shape and kind of numbers that takes no memory.

    It counts as mapped if the tensor will be, as far as its kind of numbers tells.
    """
    if dtype == "F32":
        return np.broadcast_to(np.frombuffer(bytes(4), np.float32), (*shape, 1))[..., 0]
    kind = np.dtype(np.float32) if dtype in FLOATS else DTYPES[dtype]
    return np.broadcast_to(np.zeros((), kind), shape)


def to_float32(raw: Array, dtype: str) -> Array:
    """Turn floating point numbers of any kind into float32 in order; a copy only if need be."""
    if dtype == "BF16":  # the upper half of a float32
        wide = raw.astype(np.uint32, order="C")
        wide <<= 16
        return wide.view(np.float32)
    with np.errstate(all="ignore"):  # infinities and NaN are told of, with their name, later
        return raw.astype(np.float32, order="C", copy=False)


def is_mapped(array: Array) -> bool:
    """Say whether an array looks at a file, rather than at memory of its own."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return owner is not None


def in_order(shape: tuple[int, ...], steps: tuple[int, ...]) -> bool:
    """Say whether numbers lie one after the other, the last axis fastest."""
    return all(
        size == 1 or step == right
        for size, step, right in zip(shape, steps_in_order(shape), steps, strict=True)
    )


def steps_in_order(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Count the numbers from one element to the next along each axis of an array in order."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def check_whole(*numbers: object) -> None:
    """Refuse sizes, steps and offsets that no tensor of a model has."""
    for number in numbers:
        if type(number) is not int or not 0 <= number < MOST_NUMBERS:
            raise UserError("a tensor has a size, stride or offset that is no number below 2**40")


def check_axes(shape: tuple[int, ...]) -> None:
    """Refuse more axes than a tensor of a model has."""
    if len(shape) > MOST_DIMENSIONS:
        raise UserError(f"a tensor has {len(shape)} axes; the most is {MOST_DIMENSIONS}")


def check_shape(shape: tuple[int, ...]) -> None:
    """Refuse shapes that no tensor of a model has, and that NumPy could not count."""
    check_axes(shape)
    if math.prod(max(size, 1) for size in shape) > MOST_NUMBERS:
        raise UserError("a tensor has more than 2**40 numbers")
