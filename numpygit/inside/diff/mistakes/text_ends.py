"""Known mistakes of the text tower's ends: words and their positions, the mask, the head."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ....model.layers import ACTIVATIONS, layer_norm, linear
from ....model.params import Array
from ...record import BLOCKED
from ..operations import At, last_text_layer, operation_of, words_before_norm
from .parts import Mistakes, length, sigmoid, sines
from .rounding import OF_WEIGHTS

# ---------------------------------------------------------------- words


def of_word_vectors(at: At) -> Mistakes:
    """The rows of the word embedding."""
    root = np.float32(math.sqrt(at.tensors[at.name].shape[-1]))
    yield "multiplied by sqrt(D)", lambda at: operation_of(at.name)(at) * root
    yield "divided by sqrt(D)", lambda at: operation_of(at.name)(at) / root
    yield (
        "brought to length 1",
        lambda at: operation_of(at.name)(at) / length(operation_of(at.name)(at)),
    )
    for name, rounded in OF_WEIGHTS.items():
        yield (
            f"with the word embedding in {name}",
            lambda at, r=rounded: r(operation_of(at.name)(at)),
        )
    params, _ = at.model()
    V = len(params.text.word_embedding)
    yield "with the rows of the vocabulary head", lambda at: params.text.head.weight[at.get("ids")]
    for by in (-1, 1):
        side = "before" if by < 0 else "behind"
        yield (
            f"with the row {side} each word's",
            lambda at, b=by: params.text.word_embedding[(at.get("ids") + b) % V],
        )
    yield (
        "with the words shifted by one: each has the vector of the word before",
        lambda at: np.roll(operation_of(at.name)(at), 1, axis=1),
    )
    yield (
        "with the words shifted by one: each has the vector of the next word",
        lambda at: np.roll(operation_of(at.name)(at), -1, axis=1),
    )


def of_place_vectors(at: At) -> Mistakes:
    """The rows of the position embedding."""
    shape = at.tensors[at.name].shape
    T = shape[1]
    memory = at.tensors.scene.ours.get("memory")
    M = -1 if memory is None else memory.shape[1]
    table = at.model()[0].text.position_embedding
    for start in range(len(table) - T + 1):
        sentence = f"with places counted from {start}"
        sentence += ": the M image tokens are counted" if start == M else ""
        sentence += ", as RoBERTa does" if start == 2 else ""
        yield sentence, lambda at, s=start: np.broadcast_to(table[s : s + T], shape)
    yield "with place 0 for every word", lambda at: np.broadcast_to(table[0], shape)
    yield "with the places in reverse", lambda at: operation_of(at.name)(at)[:, ::-1]
    yield "without places (zeros)", lambda at: np.zeros(shape, np.float32)
    for which in (True, False):
        how = "alternating" if which else "in halves"
        yield (
            f"with places made of sines and cosines ({how}), not learned ones",
            (lambda at, w=which: np.broadcast_to(sines(T, shape[-1], alternating=w), shape)),
        )
    yield (
        "with places counted from the end of the table",
        lambda at: np.broadcast_to(table[-T:], shape),
    )
    for name, rounded in OF_WEIGHTS.items():
        yield (
            f"with the position embedding in {name}",
            lambda at, r=rounded: r(operation_of(at.name)(at)),
        )


def of_words(at: At) -> Mistakes:
    """The sum of words and places, and its normalisation."""
    params, config = at.model()
    norm, eps = params.text.embedding_norm, config.embedding_eps

    def normed(x: Array) -> Array:
        return layer_norm(x, norm, eps=eps)

    def vectors(at: At) -> Array:
        return at.get("word_vectors")

    def places(at: At) -> Array:
        return at.get("place_vectors")

    root = np.float32(math.sqrt(len(norm.weight)))
    yield "without the places", lambda at: normed(vectors(at))
    yield (
        "with the places added behind the normalisation",
        lambda at: normed(vectors(at)) + places(at),
    )
    yield "with the places added twice", lambda at: normed(vectors(at) + places(at) + places(at))
    yield (
        "with the places before and behind the normalisation",
        lambda at: normed(words_before_norm(at)) + places(at),
    )
    yield (
        "with words multiplied by sqrt(D) before the places",
        lambda at: normed(vectors(at) * root + places(at)),
    )
    yield (
        "multiplied by sqrt(D) behind the normalisation",
        lambda at: normed(words_before_norm(at)) * root,
    )
    yield (
        "with the normalisation of the image tokens",
        lambda at: layer_norm(words_before_norm(at), params.text.projection_norm, eps=eps),
    )
    first = params.text.word_embedding[0]
    yield (
        "with a vector of token types: row 0 of the words added",
        lambda at: normed(words_before_norm(at) + first),
    )


def of_text_x(at: At) -> Mistakes:
    """Image tokens and words in one sequence."""

    def parts(at: At) -> tuple[Array, Array]:
        return at.tensors["memory"], at.get("words")

    def joined(*parts: Array) -> Array:
        return np.concatenate(parts, axis=1)

    params, config = at.model()
    table, eps = params.text.position_embedding, config.embedding_eps
    yield "with the words before the image tokens", lambda at: joined(*parts(at)[::-1])
    yield (
        "with the places of words added to image tokens too",
        lambda at: joined(parts(at)[0] + counted(table, parts(at)[0].shape[1]), parts(at)[1]),
    )
    yield (
        "with the places of words added to everything, counted through",
        lambda at: joined(*parts(at)) + counted(table, joined(*parts(at)).shape[1]),
    )
    yield (
        "with everything normalised once more",
        lambda at: layer_norm(joined(*parts(at)), params.text.embedding_norm, eps=eps),
    )
    yield (
        "with the image tokens normalised as words are",
        lambda at: joined(
            layer_norm(parts(at)[0], params.text.embedding_norm, eps=eps), parts(at)[1]
        ),
    )
    yield "with the image tokens in reverse", lambda at: joined(parts(at)[0][:, ::-1], parts(at)[1])
    yield (
        "with the picture's class token behind its squares",
        lambda at: joined(np.roll(parts(at)[0], -1, axis=1), parts(at)[1]),
    )
    yield (
        "with the first word between picture and words dropped",
        lambda at: joined(parts(at)[0], parts(at)[1][:, 1:]),
    )
    yield "without the picture's class token", lambda at: joined(parts(at)[0][:, 1:], parts(at)[1])
    yield (
        "with the picture's class token alone",
        lambda at: joined(parts(at)[0][:, :1], parts(at)[1]),
    )
    yield "with the image tokens left out", lambda at: parts(at)[1]
    yield "with zeros for the image tokens", lambda at: joined(0 * parts(at)[0], parts(at)[1])


def counted(table: Array, tokens: int) -> Array:
    """Take so many places, from the start again behind the last."""
    return table[np.arange(tokens) % len(table)]


# ---------------------------------------------------------------- who may look at whom


def of_mask(at: At) -> Mistakes:
    """Rules that are not GIT's."""
    ours = at.tensors.scene.ours[f"{at.run}text.mask"]
    if ours.shape[-1] != ours.shape[-2]:
        return
    S = ours.shape[-1]
    M = at.tensors.scene.ours["memory"].shape[1]
    place = np.arange(S)

    def blocked(where: Array) -> Callable[[At], Array]:
        found = np.broadcast_to(np.where(where, np.float32(-np.inf), np.float32(0)), ours.shape)
        return lambda at: found

    ahead = place[None, :] - place[:, None]  # how far a key lies ahead of a query
    to_words, from_words = place[None, :] >= M, place[:, None] >= M
    padding = (ours[:, :, -1:] < BLOCKED) & to_words
    causal = to_words & (ahead > 0)
    of_image = to_words & ~from_words
    yield "with nothing blocked", blocked(np.zeros((S, S), bool))
    yield "with padding open", blocked(causal)
    yield "with image tokens looking at words", blocked((causal & from_words) | padding)
    one_ahead = (to_words & (ahead > 1)) | of_image | padding
    yield "off by one: a word may look at the next one", blocked(one_ahead)
    itself = (to_words & (ahead >= 0)) | padding
    yield "off by one: a word may not look at itself", blocked(itself)
    yield "causal for image tokens too", blocked((ahead > 0) | padding)
    yield "without the causal part: words look ahead", blocked(of_image | padding)
    yield "with nothing but padding blocked", blocked(padding)
    yield "with the mask's keys and queries exchanged", lambda at: ours.swapaxes(-1, -2)
    to_image = from_words & ~to_words
    yield "with words blind to the picture", blocked(causal | to_image | padding)
    yield (
        "with words blind to the picture, and image tokens causal",
        blocked((ahead > 0) | to_image | padding),
    )
    yield (
        "with words blind to the picture's class token",
        blocked(causal | padding | (from_words & (place[None, :] == 0))),
    )
    yield (
        "with words that see only themselves and the picture",
        blocked((to_words & (ahead != 0)) | padding),
    )
    yield (
        "with words that see only words before, and the first image token",
        blocked(causal | padding | (from_words & ~to_words & (place[None, :] > 0))),
    )
    for size in range(1, S - M):
        far = from_words & to_words & (ahead <= -size)
        yield (
            f"with a window: words see the last {size} words only",
            blocked(causal | far | padding),
        )
    frames = at.tensors.scene.ours.get("vision.image_tokens")
    if frames is not None and frames.shape[1] < M:
        own = place // frames.shape[1]
        other = (own[None, :] != own[:, None]) & ~from_words & ~to_words
        yield "with image tokens that see their own frame only", blocked(causal | other | padding)
        later = (own[None, :] > own[:, None]) & ~from_words & ~to_words
        yield "with image tokens that see no later frame", blocked(causal | later | padding)
    yield (
        "with image tokens that see only themselves",
        blocked(causal | padding | (~from_words & ~to_words & (ahead != 0))),
    )
    yield (
        "turned around: what is open is blocked",
        lambda at: np.where(ours < BLOCKED, np.float32(0), np.float32(-np.inf)),
    )
    for start in range(1, min(M, S)):
        if start != M:
            wrong = (place[None, :] >= start) & (ahead > 0)
            if start in (M - 1, M + 1, S - M):
                yield (
                    f"with the words thought to begin at token {start}, not {M}",
                    blocked(wrong | padding),
                )


# ---------------------------------------------------------------- the head


def of_logits(at: At) -> Mistakes:
    """The vocabulary head."""
    params, _ = at.model()
    p = params.text
    depth = len(p.blocks)

    def right(at: At) -> Array:
        return operation_of(at.name)(at)

    def tied(at: At) -> Array:
        return last_text_layer(at) @ p.word_embedding.T

    yield "with the word embedding as the head", lambda at: tied(at) + p.head.bias
    yield "with the word embedding as the head, and no bias", tied
    for name, norm in (
        ("the last layer's", p.blocks[-1].mlp_norm),
        ("the words'", p.embedding_norm),
        ("the projection's", p.projection_norm),
    ):
        yield (
            f"with {name} normalisation once more before the head (normalised twice)",
            (
                lambda at, n=norm: linear(
                    layer_norm(last_text_layer(at), n, eps=at.model()[1].layer_norm_eps), p.head
                )
            ),
        )
    for layer in range(max(0, depth - 3), depth - 1):
        which = " (the penultimate layer, the one before the last)" if layer == depth - 2 else ""
        yield (
            f"of the stream behind layer {layer}, not behind the last{which}",
            lambda at, i=layer: linear(at.get(f"text.{i}.x"), p.head),
        )
    root = np.float32(math.sqrt(p.head.weight.shape[1]))
    yield "as log-probabilities (log-softmax)", lambda at: logarithms(right(at))
    yield "as probabilities (softmax)", lambda at: np.exp(logarithms(right(at)))
    yield "as probabilities (sigmoid)", lambda at: sigmoid(right(at))
    yield "divided by sqrt(D)", lambda at: right(at) / root
    yield "multiplied by sqrt(D)", lambda at: right(at) * root
    for cap in (10, 20, 30, 50):
        yield f"capped: {cap} tanh(logits / {cap})", lambda at, c=cap: c * np.tanh(right(at) / c)
    yield (
        "shifted by one: each place holds the scores of the place before",
        lambda at: np.roll(right(at), 1, axis=1),
    )
    yield (
        "shifted by one: each place holds the scores of the next place",
        lambda at: np.roll(right(at), -1, axis=1),
    )
    for name in ("gelu", "gelu_new", "relu", "tanh"):
        f = ACTIVATIONS.get(name, np.tanh)
        yield f"with {name} before the head", lambda at, f=f: linear(f(last_text_layer(at)), p.head)
    yield (
        "with the highest score taken away",
        lambda at: right(at) - right(at).max(axis=-1, keepdims=True),
    )


def logarithms(x: Array) -> Array:
    """Take log-softmax."""
    rest = x - x.max(axis=-1, keepdims=True)
    return rest - np.log(np.exp(rest).sum(axis=-1, keepdims=True))


TEXT_ENDS: dict[str, Callable[[At], Mistakes]] = {
    "word_vectors": of_word_vectors,
    "place_vectors": of_place_vectors,
    "words": of_words,
    "text.x": of_text_x,
    "text.mask": of_mask,
    "logits": of_logits,
}
