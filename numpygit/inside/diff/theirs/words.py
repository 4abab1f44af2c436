"""How the words that two programs read differ, and how far they can be compared all the same."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ....model.config import Config
from ....model.params import Array
from ....trace import find
from ...record import IDS


def in_rows(ids: Array) -> Array:
    """Give ids two axes: (B, T)."""
    ids = np.asarray(ids)
    return ids[None] if ids.ndim == 1 else ids


def how_ids_differ(ours: Array, theirs: Array, config: Config | None) -> str:
    """Say in a sentence how the words of two programs differ."""
    a, b = in_rows(ours), in_rows(theirs)
    if len(a) != len(b):
        return f"theirs has {len(b)} rows of words, ours {len(a)}"
    ends = ends_of(a, config)
    start = int(a[0, 0])
    if np.array_equal(a[:, 1:], b):
        return f"theirs lacks the first word, {start}: the start token ([CLS])"
    if (b[:, 0] == start).all() and np.array_equal(a, b[:, 1:]):
        return f"theirs has the start token {start} ([CLS]) twice"
    if np.array_equal(a, b[:, :-1]):
        last = int(b[0, -1])
        what = "the end token ([SEP])" if last in ends else f"one word more, {last}, at the end"
        return f"theirs has {what} added" if last in ends else f"theirs has {what}"
    if np.array_equal(a[:, :-1], b):
        return "theirs lacks the last word"
    if np.array_equal(a[:, 1:], b[:, :-1]):
        return "theirs is shifted by one: it begins with our second word"
    if a.shape == b.shape and np.array_equal(np.sort(a), np.sort(b)):
        return "theirs holds the same words in another order"
    if a.shape == b.shape and len(np.unique(b - a)) == 1:
        return f"each word of theirs is ours plus {int((b - a)[0, 0])}"
    same = common(a, b)
    shorter = min(a.shape[1], b.shape[1])
    if same == shorter:
        return f"theirs has {b.shape[1]} words, ours {a.shape[1]}; the first {same} are the same"
    return (
        f"the first {same} words are the same, then ours reads {int(a[0, same])} and theirs "
        f"{int(b[0, same])}" if same else f"they differ from the first word on: ours begins with "
        f"{int(a[0, 0])}, theirs with {int(b[0, 0])}"
    )  # fmt: skip


def ends_of(ours: Array, config: Config | None) -> tuple[int, ...]:
    """List the tokens that may end a text."""
    if config is None:
        return (102, 3)  # of BERT's vocabulary, and of the bundled model's
    end = config.eos_token_id
    return tuple(end) if isinstance(end, list | tuple) else (int(end),)


def common(ours: Array, theirs: Array) -> int:
    """Count the words at the beginning that all rows share."""
    a, b = in_rows(ours), in_rows(theirs)
    if len(a) != len(b):
        return 0
    shorter = min(a.shape[1], b.shape[1])
    apart = (a[:, :shorter] != b[:, :shorter]).any(axis=0)
    return int(np.argmax(apart)) if apart.any() else shorter


# ---------------------------------------------------------------- comparing the words they share


def resized(name: str, ours: Array, now: int, wanted: int, words: int) -> Array:
    """Cut or fill the axes that count words, so that an array has as many as another program's.

    `words` is how many ours has; an axis of words, or of image tokens and words, has that length.
    """
    for axis in axes_of_words(name, ours, now, words):
        size = ours.shape[axis] + wanted - words
        if size < ours.shape[axis]:
            ours = np.take(ours, np.arange(size), axis=axis)
        else:
            room = [(0, size - ours.shape[axis]) if i == axis else (0, 0) for i in range(ours.ndim)]
            ours = np.pad(ours, room)
    return ours


def axes_of_words(name: str, array: Array, now: int, words: int) -> list[int]:
    """Find the axes that count words: T and S in the table's letters; `now` is M + words."""
    location = find(name)
    if location is None or not is_of_words(name):
        return []
    letters = [part.strip() for part in location.row.shape.strip("()").split(",") if part.strip()]
    if len(letters) != array.ndim:
        return []
    sizes = (now, words)
    return [i for i, letter in enumerate(letters) if letter in "TS" and array.shape[i] in sizes]


def is_of_words(name: str) -> bool:
    """Tell whether a tensor depends on the words."""
    location = find(name)
    row = "" if location is None else location.row.name
    return row in ("word_vectors", "place_vectors", "words", "logits") or row.startswith("text.")


def without_words(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Leave out what depends on words."""
    return {name: array for name, array in tensors.items() if name != IDS and not is_of_words(name)}
