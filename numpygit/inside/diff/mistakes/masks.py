"""Known mistakes of the text decoder's mask: other rules about who may attend to whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ....model.params import Array
from ...record import BLOCKED
from ..scene import At, Operation
from .parts import Mistakes

Rules = Iterator[tuple[str, Array]]  # a sentence, and True where a key is blocked for a query


class Sequence(NamedTuple):
    """Where image tokens end and words begin, and what GIT blocks: all arrays fit (S, S)."""

    image: int  # M, the image tokens
    position: Array  # (S,)
    ahead: Array  # how far a key lies ahead of a query
    to_words: Array  # the key is a word
    from_words: Array  # the query is a word
    causal: Array  # the key is a later word
    padding: Array  # the key is padding: (B, 1, S, S)


def of_mask(at: At) -> Mistakes:
    """Rules that are not GIT's."""
    ours = at.tensors.scene.ours[f"{at.run}text.mask"]
    if ours.shape[-1] != ours.shape[-2]:
        return
    s = sequence(ours, at.tensors.scene.ours["memory"].shape[1])
    for rules in RULES:
        for sentence, where in rules(s):
            yield sentence, blocked(where, ours.shape)
    frames = at.tensors.scene.ours.get("vision.image_tokens")
    if frames is not None and frames.shape[1] < s.image:
        for sentence, where in of_frames(s, frames.shape[1]):
            yield sentence, blocked(where, ours.shape)
    yield "with the mask's keys and queries exchanged", lambda at: ours.swapaxes(-1, -2)
    yield (
        "turned around: what is open is blocked",
        lambda at: np.where(ours < BLOCKED, np.float32(0), np.float32(-np.inf)),
    )


def sequence(mask: Array, image: int) -> Sequence:
    """Describe the sequence that a mask (B, 1, S, S) is for."""
    position = np.arange(mask.shape[-1])
    ahead = position[None, :] - position[:, None]
    to_words, from_words = position[None, :] >= image, position[:, None] >= image
    padding = (mask[:, :, -1:] < BLOCKED) & to_words
    return Sequence(image, position, ahead, to_words, from_words, to_words & (ahead > 0), padding)


def blocked(where: Array, shape: tuple[int, ...]) -> Operation:
    """Make a mask of minus infinity where keys are blocked."""
    found = np.broadcast_to(np.where(where, np.float32(-np.inf), np.float32(0)), shape)
    return lambda at: found


def of_words_ahead(s: Sequence) -> Rules:
    """How far ahead a word may look."""
    yield "with nothing blocked", np.zeros(s.ahead.shape, bool)
    yield "with padding open", s.causal
    one_ahead = (s.to_words & (s.ahead > 1)) | (s.to_words & ~s.from_words)
    yield "off by one: a word may look at the next one", one_ahead | s.padding
    yield "off by one: a word may not look at itself", (s.to_words & (s.ahead >= 0)) | s.padding
    yield (
        "without the causal part: words look ahead",
        (s.to_words & ~s.from_words) | s.padding,
    )
    yield "with nothing but padding blocked", s.padding
    yield (
        "with words that see only themselves and the picture",
        (s.to_words & (s.ahead != 0)) | s.padding,
    )
    rest, between = s.causal | s.padding, s.from_words & (s.ahead != 0)
    yield (
        "with words blind to the first word, the start token",
        rest | (between & (s.position[None, :] == s.image)),
    )
    yield (
        "with words blind to the word right before them",
        rest | (s.to_words & s.from_words & (s.ahead == -1)),
    )


def of_image_tokens(s: Sequence) -> Rules:
    """What image tokens may look at: each other, all of them, and nothing else."""
    within = ~s.from_words & ~s.to_words
    yield "with image tokens looking at words", (s.causal & s.from_words) | s.padding
    yield "causal for image tokens too", (s.ahead > 0) | s.padding
    yield (
        "with image tokens that see only themselves",
        s.causal | s.padding | (within & (s.ahead != 0)),
    )
    first = s.position[None, :] == 0
    yield (
        "with patches blind to the class token",
        s.causal | s.padding | (within & first & (s.ahead != 0)),
    )


def of_blind_words(s: Sequence) -> Rules:
    """Words that do not see the picture, or only a part of it."""
    to_image = s.from_words & ~s.to_words
    rest = s.causal | s.padding
    first = s.position[None, :] == 0
    yield "with words blind to the picture", rest | to_image
    yield (
        "with words blind to the picture, and image tokens causal",
        (s.ahead > 0) | to_image | s.padding,
    )
    yield "with words blind to the picture's class token", rest | (s.from_words & first)
    yield (
        "with words that see only words before, and the first image token",
        rest | (to_image & ~first),
    )


def of_halves(s: Sequence) -> Rules:
    """Words that see a part of the picture, or the first words that see each other both ways."""
    to_image = s.from_words & ~s.to_words
    rest, key = s.causal | s.padding, s.position[None, :]
    for cut, name in ((s.image // 2, "half"), (s.image // 4, "quarter"), (1, "token")):
        yield (
            f"with words that see only the first {name} of the image tokens",
            rest | (to_image & (key >= cut)),
        )
        yield (
            f"with words that see only the last {name} of the image tokens",
            rest | (to_image & (key < s.image - cut)),
        )
    for count in range(2, len(s.position) - s.image):
        within = (s.position < s.image + count)[:, None] & s.from_words & (key < s.image + count)
        yield (
            f"with the first {count} words (a prompt) seeing each other both ways",
            (s.causal & ~within) | s.padding,
        )


def of_windows(s: Sequence) -> Rules:
    """Words that forget what lies too far back."""
    for size in range(1, len(s.position) - s.image):
        far = s.from_words & s.to_words & (s.ahead <= -size)
        yield (
            f"with a window: words see the last {size} words only",
            s.causal | far | s.padding,
        )


def of_late_words(s: Sequence) -> Rules:
    """Words that are thought to begin somewhere else."""
    S = len(s.position)
    for start in sorted({s.image - 1, s.image + 1, S - s.image} - {s.image}):
        if 0 < start < S:
            wrong = (s.position[None, :] >= start) & (s.ahead > 0)
            yield (
                f"with the words thought to begin at token {start}, not {s.image}",
                wrong | s.padding,
            )


def of_frames(s: Sequence, tokens: int) -> Rules:
    """Image tokens of a clip that do not see all frames; `tokens` are in each."""
    own = s.position // tokens
    within = ~s.from_words & ~s.to_words
    rest = s.causal | s.padding
    yield (
        "with image tokens that see their own frame only",
        rest | ((own[None, :] != own[:, None]) & within),
    )
    yield (
        "with image tokens that see no later frame",
        rest | ((own[None, :] > own[:, None]) & within),
    )


RULES = (of_words_ahead, of_image_tokens, of_blind_words, of_halves, of_windows, of_late_words)
