"""Two runs made comparable: names, layouts, and words as far as both programs share them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...model.config import Config
from ...model.params import Array
from ..record import IDS
from .layouts import WHOLE, Reading, read_as_ours
from .mistakes.rounding import stored_in
from .words import common, how_ids_differ, in_rows, is_of_words, resized


class Both(NamedTuple):
    """Two runs made comparable: names, words, readings."""

    ours: dict[str, Array]
    readings: dict[str, Reading]
    notes: list[str]


def split_fused(tensors: dict[str, Array]) -> dict[str, Array]:
    """Cut what is written as one `qkv` into three."""
    found = dict(tensors)
    for name, array in tensors.items():
        if name.endswith(".qkv") and array.shape[-1] % 3 == 0:
            layer = name.rpartition(".")[0]
            for part, piece in zip("qkv", np.split(array, 3, axis=-1), strict=True):
                found.setdefault(f"{layer}.{part}", piece)
    return found


def made_comparable(
    ours: Mapping[str, Array], theirs: Mapping[str, Array], config: Config | None
) -> Both:
    """Read every tensor of theirs in our layout, and words as far as both programs share them."""
    said: list[str] = []
    mine = dict(ours)
    if IDS not in ours or IDS not in theirs or is_same(ours[IDS], theirs[IDS]):
        words = in_rows(ours[IDS]).shape[1] if IDS in ours else None
        readings = {
            name: read_as_ours(name, ours[name], array, words=words)
            for name, array in theirs.items()
            if name in ours
        }
        if IDS in readings:
            readings[IDS] = Reading(in_rows(theirs[IDS]), WHOLE, "")
        return Both(mine, readings, said)
    shared = common(ours[IDS], theirs[IDS])
    a, b = in_rows(ours[IDS]).shape[1], in_rows(theirs[IDS]).shape[1]
    image = mine["memory"].shape[1] if "memory" in mine else None
    said.append(
        f"the two programs read different words: {how_ids_differ(ours[IDS], theirs[IDS], config)}"
    )
    said.append(
        f"the text tower is compared for the {shared} words that both read first"
        if shared and image is not None
        else "the text tower is not compared"
    )
    readings = {IDS: Reading(in_rows(theirs[IDS]), WHOLE, "")}
    for name, array in theirs.items():
        if name not in ours or name == IDS:
            continue
        if not is_of_words(name):
            readings[name] = read_as_ours(name, ours[name], array, words=a)
        elif shared and image is not None:
            wide = resized(name, ours[name], image + a, b, a)
            reading = read_as_ours(name, wide, array, words=b)
            if reading.part == WHOLE and reading.theirs.shape == wide.shape:
                cut = resized(name, reading.theirs, image + b, shared, b)
                readings[name] = Reading(cut, WHOLE, reading.how)
    for name in ours:
        if is_of_words(name):
            del mine[name]
            if shared and image is not None:
                mine[name] = resized(name, ours[name], image + a, shared, a)
    return Both(mine, readings, said)


def is_same(a: Array, b: Array) -> bool:
    """Tell whether two programs read the same words."""
    return np.array_equal(in_rows(a), in_rows(b))


def stored_precision(theirs: Mapping[str, Array]) -> str:
    """Name the half precision that every tensor of theirs was rounded to when it was written."""
    kinds = set()
    for name, array in theirs.items():
        if array.dtype.kind == "f" and not name.endswith("mask"):
            kinds.add(stored_in(array))
            if kinds - {"float16"} and kinds - {"bfloat16"}:
                return ""
    return kinds.pop() if len(kinds) == 1 else ""
