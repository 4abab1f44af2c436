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
from .products import product, products
from .threads import blas_threads

HANDS = 8  # threads that share the keys and values of several pictures: more wait for each other
PICTURES = 2  # for each of these threads, at least; fewer than 2 * PICTURES are not shared


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


def linears(x: Array, *several: Linear, threads: int) -> list[Array]:
    """Do what `linear` does for layers of one shape: (T, in) -> n times (T, out)."""
    found = products(x, *(p.weight for p in several), threads=threads)
    for rows, p in zip(found, several, strict=True):
        rows += p.bias
    return found


def word_attention(
    x: Array, p: Attention, image_kv: KeyValue, past: KeyValue, *, mask: Array | None,
    plus: Array | None = None, threads: int = 1,
) -> tuple[Array, KeyValue]:  # fmt: skip
    """Twin of `layers.attention` for words: (B * T, D) -> (B * T, D), and the longer past.

    The keys and values of a picture serve all its rows of words, texts or beams, at once.
    """
    projected = linears(x, p.query, p.key, p.value, threads=threads)
    q, k, v = (split_rows(rows, past) for rows in projected)  # each (B, N, T, A)
    B, N, T, A = q.shape
    q *= np.float32(1 / math.sqrt(A))
    text_kv = extend(past, KeyValue(k, v))
    joined = np.empty(x.shape, np.float32)
    mixed = split_rows(joined, past)  # (B, N, T, A)
    mixed[:] = mix_words(q, image_kv, text_kv, mask=mask, threads=threads)
    return linear(joined, p.out, plus=plus, threads=threads), text_kv


def mix_words(
    q: Array, image_kv: KeyValue, text_kv: KeyValue, *, mask: Array | None, threads: int = 1
) -> Array:
    """Weigh the values of the picture and of the words by softmax of the scores of both.

    q (B, N, T, A), image_kv (pictures, N, M, A), text_kv (B, N, S - M, A) -> (B, N, T, A).
    """
    # OpenBLAS's kernels set the processor's flag "invalid" at times without a number being so, as
    # in NumPy's issues 13173 and 24067; what is not finite is looked for in the logits.
    with np.errstate(over="ignore", invalid="ignore"):
        mixed, sums = weigh(q, image_kv, text_kv, mask=mask, threads=threads)
        if not safe(sums):
            highest = highest_scores(q, image_kv, text_kv, mask=mask)
            mixed, sums = weigh(q, image_kv, text_kv, mask=mask, less=highest, threads=threads)
    mixed /= sums
    return mixed


def weigh(
    q: Array, image_kv: KeyValue, text_kv: KeyValue, *, mask: Array | None,
    less: Array | None = None, threads: int = 1,
) -> tuple[Array, Array]:  # fmt: skip
    """Weigh values by the powers of e of their scores, and add up these powers.

    q, image_kv and text_kv as above -> (B, N, T, A), (B, N, T, 1). `less` (B, N, T, 1) is
    subtracted from the scores where it is given.
    """
    (B, N, T, A), (pictures, _, M, _) = q.shape, image_kv.k.shape
    S, texts = M + text_kv.k.shape[2], B // pictures
    rows = by_picture(q, texts)  # (pictures, N, texts * T, A)
    shift = None if less is None else by_picture(less, texts)
    of_image, image_sums = weigh_image(rows, image_kv, less=shift, threads=threads)
    to_words = word_scores(q, text_kv, mask=mask)  # (B, N, T, S - M)
    if less is not None:
        to_words -= less
    np.exp(to_words, out=to_words)
    mixed = to_words @ text_kv.v  # (B, N, T, A)
    mixed += by_row(of_image, texts)
    sums = to_words.sum(axis=3, keepdims=True)  # (B, N, T, 1)
    sums += by_row(image_sums, texts)
    return mixed, sums


def weigh_image(q: Array, kv: KeyValue, *, less: Array | None, threads: int) -> tuple[Array, Array]:
    """Weigh the values of image tokens: q (pictures, N, R, A), kv (pictures, N, M, A) -> as q.

    The sums of the powers come with it, (pictures, N, R, 1). Of several pictures, threads take some
    each and read their keys and values.
    """
    (pictures, N, R, A), M = q.shape, kv.k.shape[2]
    mixed = np.empty(q.shape, np.float32)
    sums = np.empty((pictures, N, R, 1), np.float32)

    def share(some: slice) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            scores = q[some] @ kv.k[some].transpose(0, 1, 3, 2)
            if less is not None:
                scores -= less[some]
            np.exp(scores, out=scores)
            np.matmul(scores, kv.v[some], out=mixed[some])
            np.sum(scores, axis=3, keepdims=True, out=sums[some])

    hands = min(threads, HANDS, pictures // PICTURES)
    if hands < 2:
        share(slice(0, pictures))
    else:
        with blas_threads(1):
            spread(share, pictures, threads=hands)
    return mixed, sums


def word_scores(q: Array, kv: KeyValue, *, mask: Array | None) -> Array:
    """Score the keys of words: q (B, N, T, A), kv (B, N, S - M, A) -> (B, N, T, S - M)."""
    scores = q @ kv.k.transpose(0, 1, 3, 2)
    if mask is not None:
        scores += mask
    return scores


def highest_scores(q: Array, image_kv: KeyValue, text_kv: KeyValue, *, mask: Array | None) -> Array:
    """Find the largest score of each word, of picture and words: (B, N, T, 1)."""
    texts = len(q) // len(image_kv.k)
    to_image = by_picture(q, texts) @ image_kv.k.transpose(0, 1, 3, 2)
    to_words = word_scores(q, text_kv, mask=mask)
    of_image = by_row(to_image.max(axis=3, keepdims=True), texts)
    return np.maximum(of_image, to_words.max(axis=3, keepdims=True))


def by_picture(x: Array, texts: int) -> Array:
    """Put the texts of a picture together: (B, N, T, A) -> (pictures, N, texts * T, A)."""
    if texts == 1:
        return x
    B, N, T, A = x.shape
    apart = x.reshape(B // texts, texts, N, T, A)
    return apart.transpose(0, 2, 1, 3, 4).reshape(B // texts, N, texts * T, A)


def by_row(x: Array, texts: int) -> Array:
    """Undo `by_picture`: (pictures, N, texts * T, A) -> (B, N, T, A)."""
    if texts == 1:
        return x
    pictures, N, columns, A = x.shape
    apart = x.reshape(pictures, N, texts, columns // texts, A)
    return apart.transpose(0, 2, 1, 3, 4).reshape(pictures * texts, N, columns // texts, A)
