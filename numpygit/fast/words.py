"""Layers for words: tokens that are rows, x is (B * T, D). Few at a time, one a row of the batch.

Twins of the functions in model/layers.py. The products are in products.py.
"""

from __future__ import annotations

import math

import numpy as np

from ..model.layers import KeyValue, extend
from ..model.params import MLP, Activation, Array, Attention, LayerNorm, Linear
from .attention import safe
from .layers import activate_in_place
from .pool import spread
from .products import product
from .threads import blas_threads

MANY = 8  # pictures: from so many on, threads take some each and read their keys and values
HANDS = 4  # threads that do so: more of them wait for each other


def linear(x: Array, p: Linear, *, plus: Array | None = None, threads: int = 1) -> Array:
    """Twin of `layers.linear`: (T, in) -> (T, out), `plus` (T, out) added where it is given."""
    found = product(x, p.weight, threads=threads)
    found += p.bias
    if plus is not None:
        found += plus
    return found


def layer_norm(x: Array, p: LayerNorm, *, eps: float) -> Array:
    """Twin of `layers.layer_norm`: (T, D) -> (T, D). Means are products with a column of 1 / D."""
    T, D = x.shape
    average = np.full((D, 1), 1 / D, np.float32)
    normed = x - x @ average
    variance = (normed * normed) @ average  # (T, 1)
    normed /= np.sqrt(variance + np.float32(eps))
    normed *= p.weight
    normed += p.bias
    return normed


def mlp(
    x: Array, p: MLP, *, activation: Activation, plus: Array | None = None, threads: int = 1
) -> Array:
    """Twin of `layers.mlp`: (T, D) -> (T, D), `plus` added where it is given."""
    T, F = len(x), len(p.up.weight)
    hidden = linear(x, p.up, threads=threads)  # (T, F)
    activate_in_place(hidden, name=activation)
    return linear(hidden, p.down, plus=plus, threads=threads)


def split_rows(x: Array, past: KeyValue) -> Array:
    """View rows as texts and heads: (B * T, N * A) -> (B, N, T, A)."""
    B, N, _, A = past.k.shape
    return x.reshape(B, -1, N, A).transpose(0, 2, 1, 3)


def word_attention(
    x: Array, p: Attention, image_kv: KeyValue, past: KeyValue, *, mask: Array | None,
    plus: Array | None = None, threads: int = 1,
) -> tuple[Array, KeyValue]:  # fmt: skip
    """Twin of `layers.attention` for words: (B * T, D) -> (B * T, D), and the longer past.

    The keys and values of a picture serve all its rows of words, texts or beams, at once.
    """
    pictures, N, M, A = image_kv.k.shape
    B = len(past.k)
    texts, T = B // pictures, len(x) // B
    q = split_rows(linear(x, p.query, threads=threads), past)  # (B, N, T, A)
    q *= np.float32(1 / math.sqrt(A))
    k = split_rows(linear(x, p.key, threads=threads), past)  # (B, N, T, A)
    v = split_rows(linear(x, p.value, threads=threads), past)  # (B, N, T, A)
    text_kv = extend(past, KeyValue(k, v))
    joined = np.empty((len(x), N * A), np.float32)
    mixed = split_rows(joined, past)  # (B, N, T, A)

    def share(some: slice) -> None:
        rows = slice(some.start * texts, some.stop * texts)
        mixed[rows] = mix_words(
            q[rows],
            KeyValue(image_kv.k[some], image_kv.v[some]),
            KeyValue(text_kv.k[rows], text_kv.v[rows]),
            mask=None if mask is None else mask[rows],
        )

    if pictures < MANY or threads == 1:
        share(slice(0, pictures))
    else:
        with blas_threads(1):
            spread(share, pictures, threads=min(threads, HANDS))
    return linear(joined, p.out, plus=plus, threads=threads), text_kv


def mix_words(q: Array, image_kv: KeyValue, text_kv: KeyValue, *, mask: Array | None) -> Array:
    """Weigh the values of the picture and of the words by softmax of the scores of both.

    q (B, N, T, A), image_kv (pictures, N, M, A), text_kv (B, N, S - M, A) -> (B, N, T, A).
    """
    B, N, T, A = q.shape
    texts = B // len(image_kv.k)
    # OpenBLAS's kernels set the processor's flag "invalid" at times without a number being so, as
    # in NumPy's issues 13173 and 24067; what is not finite is looked for in the logits.
    with np.errstate(over="ignore", invalid="ignore"):
        to_image, to_words = word_scores(q, image_kv, text_kv, mask=mask)
        sums = sums_of_powers(to_image, to_words, texts)  # (B, N, T, 1)
    if not safe(sums):
        to_image, to_words = word_scores(q, image_kv, text_kv, mask=mask)
        highest = by_row(to_image.max(axis=3, keepdims=True), texts)
        highest = np.maximum(highest, to_words.max(axis=3, keepdims=True))
        to_image -= by_picture(highest, texts)
        to_words -= highest
        sums = sums_of_powers(to_image, to_words, texts)
    mixed = by_row(to_image @ image_kv.v, texts)  # (B, N, T, A)
    mixed += to_words @ text_kv.v
    mixed /= sums
    return mixed


def word_scores(
    q: Array, image_kv: KeyValue, text_kv: KeyValue, *, mask: Array | None
) -> tuple[Array, Array]:
    """Score keys: (pictures, N, texts * T, M) of the picture's, (B, N, T, S - M) of the words'."""
    B, N, T, A = q.shape
    pictures, _, M, _ = image_kv.k.shape
    S, texts = M + text_kv.k.shape[2], B // pictures
    image_keys = image_kv.k.transpose(0, 1, 3, 2)  # (pictures, N, A, M)
    to_image = by_picture(q, texts) @ image_keys  # (pictures, N, texts * T, M)
    to_words = q @ text_kv.k.transpose(0, 1, 3, 2)  # (B, N, T, S - M)
    if mask is not None:
        to_words += mask
    return to_image, to_words


def sums_of_powers(to_image: Array, to_words: Array, texts: int) -> Array:
    """Turn scores into powers of e, in place, and sum them over picture and words: (B, N, T, 1)."""
    np.exp(to_image, out=to_image)
    np.exp(to_words, out=to_words)
    sums = by_row(to_image.sum(axis=3, keepdims=True), texts)
    return sums + to_words.sum(axis=3, keepdims=True)


def by_picture(x: Array, texts: int) -> Array:
    """Put the texts of a picture together: (B, N, T, A) -> (pictures, N, texts * T, A)."""
    B, N, T, A = x.shape
    apart = x.reshape(B // texts, texts, N, T, A)
    return apart.transpose(0, 2, 1, 3, 4).reshape(B // texts, N, texts * T, A)


def by_row(x: Array, texts: int) -> Array:
    """Undo `by_picture`: (pictures, N, texts * T, A) -> (B, N, T, A)."""
    pictures, N, columns, A = x.shape
    apart = x.reshape(pictures, N, texts, columns // texts, A)
    return apart.transpose(0, 2, 1, 3, 4).reshape(pictures * texts, N, columns // texts, A)
