"""Scenes of the storybook world as a training sees them: pictures, and all their texts in one row.

Packing: the caption and as many questions with their answers as fit stand in one sequence; each
text sees the picture and itself, positions begin anew with each. What is drawn hangs on a seed and
on the number of a scene alone, so a training that goes on finds the same scenes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from numpygit import storybook
from numpygit.huggingface.loss import IGNORED
from numpygit.huggingface.processing.vocabulary import read_vocabulary
from numpygit.learning.fast.text import Batch

SIDE, T = 96, 48  # of a picture; tokens of all its texts together
CLS, SEP, MASK = 2, 3, 4
FRAMES, HIDDEN = 4, 0.15
MEAN = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)[:, None, None]
STD = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)[:, None, None]


@cache
def word_ids(word: str) -> tuple[int, ...]:
    """The tokens of one word, by the tokenizer of the checkpoint."""
    return tuple(vocabulary().encode(word))


@cache
def vocabulary() -> Any:
    """The tokenizer of the bundled model: the world has its words."""
    return read_vocabulary(storybook.CHECKPOINT)


def text_ids(text: str) -> list[int]:
    """The tokens of a text, word by word."""
    return [i for word in re.findall(r"[a-z0-9]+|[,?]", text) for i in word_ids(word)]


def packed(scene: storybook.Scene, rng: np.random.Generator) -> np.ndarray:
    """Lay as many texts as fit into one row: words in, words out, text, position (4, T)."""
    asked = sorted(storybook.questions(scene, rng), key=lambda text: text[0] != "read")
    texts = [("", storybook.caption(scene)), *((q, a) for _, q, a in asked)]
    return laid_out([(text_ids(prompt), text_ids(answer)) for prompt, answer in texts], T, IGNORED)


def laid_out(
    texts: Iterable[tuple[list[int], list[int]]], length: int, unlabelled: int
) -> np.ndarray:
    """Lay prompts and what is said, as token ids, into one row; what is too long is left out.

    -> (4, length): words in; words out, `unlabelled` where nothing is learned; text; position.
    """
    rows = np.zeros((4, length), np.int64)
    rows[1] = unlabelled
    start = 0
    for number, (prompt, said) in enumerate(texts, 1):
        words_in = [CLS, *prompt, *said]
        stop = start + len(words_in)
        if stop > length:
            continue
        rows[0, start:stop] = words_in
        rows[1, stop - len(said) - 1 : stop] = [*said, SEP]
        rows[2, start:stop] = number
        rows[3, start:stop] = np.arange(len(words_in))
        start = stop
    return rows


def draw(seed: list[int], clip: bool) -> tuple[np.ndarray, np.ndarray]:
    """Draw one scene: bytes (H, W, 3), of a clip (4, H, W, 3), and its texts (4, T)."""
    rng = np.random.default_rng(seed)
    scene = storybook.sample(rng, "clip" if clip else None)
    rows = packed(scene, rng)
    drawn = storybook.render(scene, SIDE)
    return np.array([np.asarray(f) for f in drawn] if clip else np.asarray(drawn)), rows


class Portion(NamedTuple):
    """What a step takes: the scenes from `first` up to `end` are new, all before them are old."""

    first: int
    end: int


class Store:
    """The newest scenes that a process has drawn; the oldest are written over.

    Scenes are drawn for several steps at once, so that all processes need nearly equal times.
    """

    def __init__(self, seed: list[int], capacity: int, clip: bool) -> None:
        self.seed, self.capacity, self.clip = seed, capacity, clip
        shape = (capacity, FRAMES, SIDE, SIDE, 3) if clip else (capacity, SIDE, SIDE, 3)
        self.pictures = np.zeros(shape, np.uint8)
        self.rows = np.zeros((capacity, 4, T), np.int64)
        self.made = 0

    def fill(self, made: int) -> None:
        """Draw until `made` scenes have been drawn in all; those long written over are left out."""
        for number in range(max(self.made, made - self.capacity), made):
            place = number % self.capacity
            self.pictures[place], self.rows[place] = draw([*self.seed, number], self.clip)
        self.made = max(self.made, made)

    def batch(self, count: int, new: Portion, rng: np.random.Generator) -> Batch:
        """Take the new scenes and some older ones, a little grainy, some words hidden."""
        oldest = max(0, self.made - self.capacity)
        fresh = np.arange(new.first, new.end)[:count]
        old = rng.integers(oldest, max(new.end, oldest + 1), size=count - len(fresh))
        picked = np.concatenate([fresh, old]) % self.capacity
        ids, targets, text, positions = self.rows[picked].transpose(1, 0, 2)
        said = (np.roll(targets, 1, axis=1) >= 0) & (positions > 0)
        hidden = said & (rng.random(ids.shape) < HIDDEN)
        ids = np.where(hidden, MASK, ids)
        return Batch(ids, targets, text, positions, pixels=grainy(self.pictures[picked], rng))


def grainy(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bytes (..., H, W, 3) -> pixels (..., 3, H, W), each picture of its own light and grain."""
    x = np.moveaxis(pictures, -1, -3).astype(np.float32) / 255
    each = (len(x), *[1] * (x.ndim - 1))
    x *= 1 + 0.06 * (rng.random(each, np.float32) - 0.5)
    x += rng.standard_normal(x.shape, np.float32) * (rng.random(each, np.float32) * 0.02)
    return (x.clip(0, 1) - MEAN) / STD
