"""A .safetensors file: a header that names every tensor and its bytes, then the bytes.

    8 bytes   length of the header, little-endian
    header    JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
    the rest  the tensors, one after the other, without gaps

Source: github.com/huggingface/safetensors, section "Format" of its README. That package could
read the file too, but gives arrays that are copies. Many official files have a header whose
length is no multiple of four, so that no tensor of theirs is aligned.
"""

from __future__ import annotations

import json
import math
from mmap import mmap
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...model.params import Array
from .mapped import DTYPES, check_shape, check_whole, map_file, read_array, stand_in, steps_in_order

LONGEST_HEADER = (
    2**20
)  # git-large has 65 thousand bytes; the objects of JSON take 25 times its text


def read_safetensors(path: Path, *, look_only: bool = False) -> dict[str, Array]:
    """Read all tensors: name -> float32 array, or integers as they are."""
    try:
        return read(path, look_only=look_only)
    except UserError as error:
        raise UserError(f"{path} is damaged or cut short: {error}") from None


def read(path: Path, *, look_only: bool = False) -> dict[str, Array]:
    """Read all tensors; complaints do not name the file."""
    data = map_file(path)
    header, start = read_header(data)
    header.pop("__metadata__", None)
    ends = [0]
    arrays = {}
    for name, entry in sorted(header.items(), key=offsets_of):
        dtype, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        if dtype not in DTYPES:
            raise UserError(f"{name[:80]!r} has dtype {dtype[:20]!r}; known: {', '.join(DTYPES)}")
        check_whole(*shape, begin, end)
        check_shape(shape)
        if begin != ends[-1] or end - begin != math.prod(shape) * DTYPES[dtype].itemsize:
            raise UserError(f"{name[:80]!r} of shape {shape} has the wrong bytes, {begin} to {end}")
        if start + end > len(data):
            raise UserError(f"{name[:80]!r} ends behind the end of the file")
        ends.append(end)
        steps = steps_in_order(shape)
        where = start + begin
        arrays[name] = (
            stand_in(dtype, shape)
            if look_only
            else read_array(path, data, start=where, dtype=dtype, shape=shape, steps=steps)
        )
    if start + ends[-1] != len(data):
        raise UserError(f"it has {len(data) - start - ends[-1]} bytes that belong to no tensor")
    return arrays


def read_header(data: mmap) -> tuple[dict[str, dict[str, Any]], int]:
    """Read the header and say where the tensors begin."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise UserError(f"it has {len(data)} bytes, and a header of {length}")
    if length > LONGEST_HEADER:
        raise UserError(f"its header has {length} bytes; the most is {LONGEST_HEADER}")
    try:
        header = json.loads(data[8 : 8 + length].decode())
    except (ValueError, RecursionError) as error:
        raise UserError(f"its header is not valid JSON: {str(error)[:80]}") from None
    if type(header) is not dict:
        raise UserError("its header is no JSON object")
    for name, entry in header.items():
        if name != "__metadata__" and not describes_tensor(entry):
            raise UserError(
                f"its header does not say dtype, shape and data_offsets of {name[:80]!r}"
            )
    return header, 8 + length


def describes_tensor(entry: object) -> bool:
    """Say whether an entry of the header has its three fields, of the right types."""
    match entry:
        case {"dtype": str(), "shape": list(), "data_offsets": [int(), int()]}:
            return True
    return False


def offsets_of(item: tuple[str, dict[str, Any]]) -> tuple[int, int]:
    """Order tensors as they lie in the file."""
    begin, end = item[1]["data_offsets"]
    return begin, end
