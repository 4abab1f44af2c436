"""Two runs made comparable: names, layouts, and words as far as both programs share them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ....model.config import Config
from ....model.params import Array
from ...record import IDS
from ..rounding import stored_in
from .layouts import WHOLE, Reading, read_as_ours
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
    if IDS in ours and IDS in theirs and not is_same(ours[IDS], theirs[IDS]):
        return with_other_words(ours, theirs, config)
    words = in_rows(ours[IDS]).shape[1] if IDS in ours else None
    readings = {
        name: read_as_ours(name, ours[name], array, words=words)
        for name, array in theirs.items()
        if name in ours
    }
    if IDS in readings:
        readings[IDS] = Reading(in_rows(theirs[IDS]), WHOLE, "")
    return Both(dict(ours), readings, [])


class Lengths(NamedTuple):
    """How many tokens each program has, and how many words both read first."""

    image: int | None  # image tokens; None where the text decoder cannot be compared
    ours: int  # words
    theirs: int
    shared: int

    def cut_ours(self, name: str, array: Array) -> Array:
        """Keep the words that both read."""
        image = self.image or 0
        return resized(name, array, image + self.ours, self.shared, self.ours)

    def read_theirs(self, name: str, ours: Array, theirs: Array) -> Reading | None:
        """Read a tensor of words in our layout, as long as theirs, and keep the shared words."""
        image = self.image or 0
        wide = resized(name, ours, image + self.ours, self.theirs, self.ours)
        reading = read_as_ours(name, wide, theirs, words=self.theirs)
        if reading.part != WHOLE or reading.theirs.shape != wide.shape:
            return None
        cut = resized(name, reading.theirs, image + self.theirs, self.shared, self.theirs)
        return Reading(cut, WHOLE, reading.how)


def with_other_words(
    ours: Mapping[str, Array], theirs: Mapping[str, Array], config: Config | None
) -> Both:
    """Compare the vision encoder, and the text decoder for the words that both read first."""
    image = ours["memory"].shape[1] if "memory" in ours else None
    counts = (in_rows(ours[IDS]).shape[1], in_rows(theirs[IDS]).shape[1])
    shared = common(ours[IDS], theirs[IDS]) if image is not None else 0
    lengths = Lengths(image, *counts, shared)
    remarks = [
        f"the two programs read different words: {how_ids_differ(ours[IDS], theirs[IDS], config)}",
        f"the text decoder is compared for the {shared} words that both read first"
        if shared
        else "the text decoder is not compared",
    ]
    readings = {IDS: Reading(in_rows(theirs[IDS]), WHOLE, "")}
    for name in theirs.keys() & ours.keys() - {IDS}:
        if not is_of_words(name):
            readings[name] = read_as_ours(name, ours[name], theirs[name], words=counts[0])
        elif shared:
            reading = lengths.read_theirs(name, ours[name], theirs[name])
            if reading is not None:
                readings[name] = reading
    mine = {
        name: lengths.cut_ours(name, array) if is_of_words(name) else array
        for name, array in ours.items()
        if shared or not is_of_words(name)
    }
    return Both(mine, readings, remarks)


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
