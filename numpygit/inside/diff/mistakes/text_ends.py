"""Known mistakes of the text decoder's ends: words and their positions, the sequence, the head."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ....decoding.logits import log_softmax
from ....model.layers import ACTIVATIONS, layer_norm, linear, softmax
from ....model.params import Array
from ...record import IDS
from ..operations import last_text_layer, operation_of, words_before_norm
from ..rounding import OF_WEIGHTS
from ..scene import At, Operation
from .blocks import through
from .masks import of_mask
from .parts import Mistakes, length, sigmoid, sines

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
    mean = params.text.word_embedding.mean(axis=0)
    yield "with the mean of all rows taken away", lambda at: operation_of(at.name)(at) - mean
    for number in range(min(at.tensors[at.name].shape[1], 3)):
        yield (
            f"with zeros for word {number}" + " (the start token)" * (number == 0),
            lambda at, n=number: zeroed_word(operation_of(at.name)(at), n),
        )
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


def zeroed_word(x: Array, number: int) -> Array:
    """Set the vector of one word to zero."""
    x = x.copy()
    x[:, number] = 0
    return x


def of_place_vectors(at: At) -> Mistakes:
    """The rows of the position embedding."""
    shape = at.tensors[at.name].shape
    T = shape[1]
    memory = at.tensors.scene.ours.get("memory")
    M = -1 if memory is None else memory.shape[1]
    table = at.model()[0].text.position_embedding
    for start in range(len(table) - T + 1):
        sentence = f"with positions counted from {start}"
        sentence += ": the M image tokens are counted" if start == M else ""
        sentence += ", as RoBERTa does" if start == 2 else ""
        yield sentence, lambda at, s=start: np.broadcast_to(table[s : s + T], shape)
    for step in (2, 3):
        if step * T <= len(table):
            yield (
                f"with every {('', '', 'second', 'third')[step]} position of the table",
                lambda at, s=step: np.broadcast_to(table[: s * T : s], shape),
            )
    yield "with position 0 for every word", lambda at: np.broadcast_to(table[0], shape)
    yield "with the positions in reverse", lambda at: operation_of(at.name)(at)[:, ::-1]
    yield "without positions (zeros)", lambda at: np.zeros(shape, np.float32)
    for which in (True, False):
        how = "alternating" if which else "in halves"
        yield (
            f"with positions made of sines and cosines ({how}), not learned ones",
            (lambda at, w=which: np.broadcast_to(sines(T, shape[-1], alternating=w), shape)),
        )
    yield (
        "with positions counted from the end of the table",
        lambda at: np.broadcast_to(table[-T:], shape),
    )
    for name, rounded in OF_WEIGHTS.items():
        yield (
            f"with the position embedding in {name}",
            lambda at, r=rounded: r(operation_of(at.name)(at)),
        )


def of_words(at: At) -> Mistakes:
    """The sum of words and positions, and its normalisation."""
    yield from of_places_added()
    params, _ = at.model()
    root = np.float32(math.sqrt(len(params.text.embedding_norm.weight)))
    yield (
        "with words multiplied by sqrt(D) before the positions",
        lambda at: words_normed(at, at.get("word_vectors") * root + at.get("place_vectors")),
    )
    yield (
        "multiplied by sqrt(D) behind the normalisation",
        lambda at: words_normed(at, words_before_norm(at)) * root,
    )
    yield (
        "with the normalisation of the image tokens",
        lambda at: layer_norm(
            words_before_norm(at), params.text.projection_norm, eps=at.model()[1].embedding_eps
        ),
    )
    first = params.text.word_embedding[0]
    yield (
        "with a vector of token types: row 0 of the words added",
        lambda at: words_normed(at, words_before_norm(at) + first),
    )


def words_normed(at: At, x: Array) -> Array:
    """Normalise as words are."""
    params, config = at.model()
    return layer_norm(x, params.text.embedding_norm, eps=config.embedding_eps)


def of_places_added() -> Mistakes:
    """Where and how often the positions are added to the words."""
    yield "without the positions", lambda at: words_normed(at, at.get("word_vectors"))
    yield (
        "with the positions added behind the normalisation",
        lambda at: words_normed(at, at.get("word_vectors")) + at.get("place_vectors"),
    )
    yield (
        "with the positions added twice",
        lambda at: words_normed(at, words_before_norm(at) + at.get("place_vectors")),
    )
    yield (
        "with the positions before and behind the normalisation",
        lambda at: words_normed(at, words_before_norm(at)) + at.get("place_vectors"),
    )


def of_text_x(at: At) -> Mistakes:
    """Image tokens and words in one sequence."""
    yield from of_image_part(at)
    params, config = at.model()
    table, eps = params.text.position_embedding, config.embedding_eps
    norm = params.text.embedding_norm
    yield "with the words before the image tokens", lambda at: joined(*both(at)[::-1])
    yield (
        "with the positions of words added to everything, counted through",
        lambda at: joined(*both(at)) + counted(table, joined(*both(at)).shape[1]),
    )
    yield (
        "with everything normalised once more",
        lambda at: layer_norm(joined(*both(at)), norm, eps=eps),
    )
    yield (
        "with the positions of words added to image tokens too",
        with_image(lambda image: image + counted(table, image.shape[1])),
    )
    yield (
        "with the image tokens normalised as words are",
        with_image(lambda image: layer_norm(image, norm, eps=eps)),
    )
    yield (
        "with the first word between picture and words dropped",
        lambda at: joined(both(at)[0], both(at)[1][:, 1:]),
    )


def of_image_part(at: At) -> Mistakes:
    """Image tokens in another order, or not all of them."""
    yield "with the image tokens in reverse", with_image(lambda image: image[:, ::-1])
    yield (
        "with the picture's class token behind its patches",
        with_image(lambda image: np.roll(image, -1, axis=1)),
    )
    yield "without the picture's class token", with_image(lambda image: image[:, 1:])
    yield "with the picture's class token alone", with_image(lambda image: image[:, :1])
    yield "with zeros for the image tokens", with_image(lambda image: 0 * image)
    yield "with the image tokens left out", lambda at: both(at)[1]


def both(at: At) -> tuple[Array, Array]:
    """Look up image tokens and words."""
    return at.tensors["memory"], at.get("words")


def joined(*parts: Array) -> Array:
    """Put tokens one after the other."""
    return np.concatenate(parts, axis=1)


def with_image(change: Callable[[Array], Array]) -> Operation:
    """Change the image tokens, and leave the words as they are."""
    return lambda at: joined(change(both(at)[0]), both(at)[1])


def counted(table: Array, tokens: int) -> Array:
    """Take so many positions, from the start again behind the last."""
    return table[np.arange(tokens) % len(table)]


# ---------------------------------------------------------------- the head


def of_logits(at: At) -> Mistakes:
    """The vocabulary head."""
    yield from of_head_inputs(at)
    yield from of_scores_after(at)
    ids = at.tensors.scene.ours.get(IDS)
    if ids is not None and not at.run:
        T = np.asarray(ids).shape[-1]
        yield (
            "of the first tokens, image tokens, not of the words",
            lambda at, T=T: np.roll(operation_of(at.name)(at), -T, axis=1),
        )
    embedding = at.model()[0].text.word_embedding
    bias = at.model()[0].text.head.bias
    yield (
        "with the word embedding as the head",
        lambda at: last_text_layer(at) @ embedding.T + bias,
    )
    yield (
        "with the word embedding as the head, and no bias",
        lambda at: last_text_layer(at) @ embedding.T,
    )


def of_head_inputs(at: At) -> Mistakes:
    """What the head is given: normalised or activated once more, or from another layer."""
    p, eps = at.model()[0].text, at.model()[1].layer_norm_eps
    for name, norm in (
        ("the last layer's", p.blocks[-1].mlp_norm),
        ("the words'", p.embedding_norm),
        ("the projection's", p.projection_norm),
    ):
        yield (
            f"with {name} normalisation once more before the head (normalised twice)",
            lambda at, n=norm: linear(layer_norm(last_text_layer(at), n, eps=eps), p.head),
        )
    depth = len(p.blocks)
    last = at._replace(name=f"{at.run}text.{depth - 1}.x")
    if not at.run:
        yield (
            "with the last layer done once more (twice)",
            lambda at: linear(through(last, last_text_layer(at), last.block()), p.head),
        )
    for layer in range(max(0, depth - 3), depth - 1):
        which = " (the penultimate layer, the one before the last)" if layer == depth - 2 else ""
        yield (
            f"of the stream behind layer {layer}, not behind the last{which}",
            lambda at, i=layer: linear(at.get(f"text.{i}.x"), p.head),
        )
    for name in ("gelu", "gelu_new", "relu", "tanh"):
        f = ACTIVATIONS.get(name, np.tanh)
        yield f"with {name} before the head", lambda at, f=f: linear(f(last_text_layer(at)), p.head)


def of_scores_after(at: At) -> Mistakes:
    """What is done with the right scores afterwards."""
    root = np.float32(math.sqrt(at.model()[0].text.head.weight.shape[1]))
    changes: list[tuple[str, Callable[[Array], Array]]] = [
        ("as log-probabilities (log-softmax)", log_softmax),
        ("as probabilities (softmax)", lambda x: softmax(x)),
        ("as probabilities (sigmoid)", sigmoid),
        ("divided by sqrt(D)", lambda x: x / root),
        ("multiplied by sqrt(D)", lambda x: x * root),
        *(
            (f"capped: {cap} tanh(logits / {cap})", lambda x, c=cap: c * np.tanh(x / c))
            for cap in (10, 20, 30, 50)
        ),
        (
            "shifted by one: each position holds the scores of the position before",
            lambda x: np.roll(x, 1, axis=1),
        ),
        (
            "shifted by one: each position holds the scores of the next position",
            lambda x: np.roll(x, -1, axis=1),
        ),
        ("with the highest score taken away", lambda x: x - x.max(axis=-1, keepdims=True)),
    ]
    for sentence, change in changes:
        yield sentence, lambda at, c=change: c(operation_of(at.name)(at))


TEXT_ENDS: dict[str, Callable[[At], Mistakes]] = {
    "word_vectors": of_word_vectors,
    "place_vectors": of_place_vectors,
    "words": of_words,
    "text.x": of_text_x,
    "text.mask": of_mask,
    "logits": of_logits,
}
