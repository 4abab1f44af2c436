"""Attentions and hidden states of every generated token, collected from a trace.

Shapes as in transformers 5.23, which keeps the picture in its cache as we do: for the first word
all image tokens and the prompt, for each later word only the word before it. Image tokens never
look at words; those zeros are written in here. Without a cache (`use_cache=False`) every word has
all rows up to it, as if all had been read again: `all_rows`, `all_states`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..model.params import Array

RECORDED = ("*text.*.weights", "*text.*.x", "*words")


def attentions_of(
    tensors: Mapping[str, Array], *, layers: int, rows: int
) -> tuple[tuple[Array, ...], ...]:
    """Collect attention weights, a word each, a layer each; beams read a prompt in one row.

    (rows, N, M + T, M + T) for the first word, (rows, N, 1, S) for later ones; where the picture
    was seen before (a Cache was given), (rows, N, T, S) for the first.
    """
    found = []
    for word in range(words_in(tensors)):
        weights = [tensors[f"word.{word}.text.{i}.weights"] for i in range(layers)]
        if word == 0 and "image.text.0.weights" in tensors:
            image = [tensors[f"image.text.{i}.weights"] for i in range(layers)]
            weights = [with_image(*pair) for pair in zip(image, weights, strict=True)]
        found.append(tuple(fork(layer, rows) for layer in weights))
    return tuple(found)


def with_image(image: Array, words: Array) -> Array:
    """Put the rows of image tokens over those of words: -> (rows, N, M + T, M + T)."""
    unseen = words.shape[3] - image.shape[3]
    image = np.pad(image, ((0, 0), (0, 0), (0, 0), (0, unseen)))
    return np.concatenate([fork(image, len(words)), words], axis=2)


def hidden_states_of(
    tensors: Mapping[str, Array], memory: object, *, layers: int, rows: int
) -> tuple[tuple[Array, ...], ...]:
    """Collect hidden states, a word each: what goes into the tower, and what leaves each layer.

    (rows, M + T, D) for the first word, (rows, 1, D) for later ones.
    """
    found = []
    for word in range(words_in(tensors)):
        states = [tensors[f"word.{word}.words"]]
        states += [tensors[f"word.{word}.text.{i}.x"] for i in range(layers)]
        if word == 0 and isinstance(memory, np.ndarray) and memory.shape[1]:
            image = [memory] + [tensors[f"image.text.{i}.x"] for i in range(layers)]
            pairs = zip(image, states, strict=True)
            states = [np.concatenate([fork(a, len(b)), b], axis=1) for a, b in pairs]
        found.append(tuple(fork(state, rows) for state in states))
    return tuple(found)


def all_rows(
    found: Sequence[tuple[Array, ...]], ancestors: Sequence[Array]
) -> tuple[tuple[Array, ...], ...]:
    """Put the rows of earlier words over those of each: (rows, N, M + T, M + T) for every word.

    `ancestors[t]` (rows, t + 1): the row that each word was found in, of beams; [] for others.
    """
    whole = [found[0]]
    for word in range(1, len(found)):
        length = found[word][0].shape[3]
        layers = []
        for i, layer in enumerate(found[word]):
            earlier = earlier_words(found, ancestors, word, i)
            padded = [
                np.pad(a, ((0, 0), (0, 0), (0, 0), (0, length - a.shape[3]))) for a in earlier
            ]
            layers.append(np.concatenate([*padded, layer], axis=2))
        whole.append(tuple(layers))
    return tuple(whole)


def all_states(
    found: Sequence[tuple[Array, ...]], ancestors: Sequence[Array]
) -> tuple[tuple[Array, ...], ...]:
    """Put the states of earlier words before those of each: (rows, M + T, D) for every word."""
    whole = [found[0]]
    for word in range(1, len(found)):
        layers = []
        for i, layer in enumerate(found[word]):
            earlier = earlier_words(found, ancestors, word, i)
            layers.append(np.concatenate([*earlier, layer], axis=1))
        whole.append(tuple(layers))
    return tuple(whole)


def earlier_words(
    found: Sequence[tuple[Array, ...]], ancestors: Sequence[Array], word: int, layer: int
) -> list[Array]:
    """Look up what the words before one had in a layer, each row in the beam that it was in."""
    earlier = [found[j][layer] for j in range(word)]
    if not ancestors:
        return earlier
    return [array[ancestors[word - 1][:, j]] for j, array in enumerate(earlier)]


def words_in(tensors: Mapping[str, Array]) -> int:
    """Count the words that a trace has seen."""
    return sum(name.startswith("word.") and name.endswith(".words") for name in tensors)


def fork(array: Array, rows: int) -> Array:
    """Repeat each row, so that there are so many: (B, ...) -> (rows, ...)."""
    return array.repeat(rows // len(array), axis=0)
