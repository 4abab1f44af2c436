"""Attention for tokens that are columns: of image tokens to each other, and of words to both.

Twins of `attention` and `keys_and_values` in model/layers.py. Heads are blocks of rows, so that
nothing is transposed or copied to split or join them.

Softmax goes without the usual first pass that finds the largest score of each row: powers of e are
taken as they are, and their sums tell whether one was too large or all were too small for float32.
Only then is it done again with the largest score subtracted, which gives the same weights.
"""

from __future__ import annotations

import math

import numpy as np

from ..model.layers import KeyValue, extend
from ..model.params import Array, Attention
from .layers import linear
from .pool import cut, spread
from .threads import blas_threads

SCORES = 131_072  # scores worked on at once, of one head or several: 512 KB
MANY = 8  # pictures: from so many on, threads take some each and read their keys and values
HANDS = 4  # threads that do so: more of them wait for each other
SAFE = (1e-25, 1e30)  # sums of powers between these have lost nothing to float32's limits


def safe(sums: Array) -> bool:
    """Tell whether the powers of e in these sums neither overflowed nor vanished; not for NaN."""
    return bool(SAFE[0] < sums.min() and sums.max() < SAFE[1])


def image_attention(
    x: Array, p: Attention, *, heads: int, pictures: int = 1, plus: Array | None = None
) -> tuple[Array, KeyValue]:
    """Twin of `layers.attention` for the tokens of pictures side by side: (D, B * M) -> same.

    Returns the keys and values of all pictures too; `plus` (D, B * M) is added where it is given.
    """
    A = len(x) // heads
    q = linear(x, p.query)
    q *= np.float32(1 / math.sqrt(A))
    k, v = linear(x, p.key), linear(x, p.value)
    mixed = np.empty(x.shape, np.float32)
    mix_image(*(by_head(array, A, pictures) for array in (q, k, v, mixed)))
    return linear(mixed, p.out, plus=plus), key_values(k, v, heads, pictures)


def by_head(x: Array, width: int, pictures: int) -> Array:
    """View rows as heads and columns as pictures: (n * A, B * M) -> (B, n, A, M)."""
    M = x.shape[1] // pictures
    return x.reshape(-1, width, pictures, M).transpose(2, 0, 1, 3)


def key_values(k: Array, v: Array, heads: int, pictures: int) -> KeyValue:
    """View keys and values as layers.py has them: twice (D, B * M) -> twice (B, N, M, A)."""
    A = len(k) // heads
    return KeyValue(
        by_head(k, A, pictures).transpose(0, 1, 3, 2),
        by_head(v, A, pictures).transpose(0, 1, 3, 2),
    )


def image_keys_and_values(x: Array, p: Attention, *, heads: int, pictures: int = 1) -> KeyValue:
    """Twin of `layers.keys_and_values`: (D, B * M) -> twice (B, N, M, A), views of (D, B * M)."""
    k, v = linear(x, p.key), linear(x, p.value)
    return key_values(k, v, heads, pictures)


def mix_image(q: Array, k: Array, v: Array, mixed: Array) -> None:
    """Write softmax(k^T q) of v into `mixed`, a few heads at a time: four of (B, n, A, M)."""
    B, n, A, M = q.shape
    together = max(1, SCORES // (M * M))
    ones = np.ones((1, M), np.float32)
    for picture in range(B):
        for some in cut(n, -(-n // together)):
            here = (picture, some)
            scores, sums = powers_of_scores(k[here].transpose(0, 2, 1), q[here], ones)
            np.matmul(v[here], scores, out=mixed[here])
            mixed[here] /= sums


def powers_of_scores(keys: Array, q: Array, ones: Array) -> tuple[Array, Array]:
    """Compute exp(keys @ q) and its sums over M: keys (n, M, A), q (n, A, T) -> (n, M, T), sums."""
    (n, M, A), T = keys.shape, q.shape[2]
    scores = keys @ q  # (n, M, T)
    with np.errstate(over="ignore"):
        np.exp(scores, out=scores)
        sums = ones @ scores  # (n, 1, T)
    if not safe(sums):
        np.matmul(keys, q, out=scores)
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        sums = ones @ scores
    return scores, sums


def word_attention(
    x: Array, p: Attention, image_kv: KeyValue, past: KeyValue, *, mask: Array | None,
    plus: Array | None = None, threads: int = 1,
) -> tuple[Array, KeyValue]:  # fmt: skip
    """Twin of `layers.attention` for words: (D, B * T) -> (D, B * T), and the longer past.

    The keys and values of a picture serve all its rows of words, texts or beams, at once.
    """
    pictures, N, M, A = image_kv.k.shape
    D, columns = x.shape
    B = len(past.k)
    texts, T = B // pictures, columns // B
    q = heads_of_rows(linear(x, p.query, threads=threads), past)  # (B, N, T, A)
    q *= np.float32(1 / math.sqrt(A))
    k = heads_of_rows(linear(x, p.key, threads=threads), past)  # (B, N, T, A)
    v = heads_of_rows(linear(x, p.value, threads=threads), past)  # (B, N, T, A)
    text_kv = extend(past, KeyValue(k, v))
    joined = np.empty((D, columns), np.float32)
    mixed = joined.reshape(N, A, B, T).transpose(2, 0, 3, 1)  # (B, N, T, A)

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
    # Products of a few numbers set the flag "invalid" at times, where OpenBLAS computes in lanes
    # that it then throws away; numbers that are not finite are looked for in the logits.
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
    to_image = by_picture(q, texts) @ image_kv.k.transpose(
        0, 1, 3, 2
    )  # (pictures, N, texts * T, M)
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


def heads_of_rows(x: Array, past: KeyValue) -> Array:
    """Take the columns of words apart: (D, B * T) -> (B, N, T, A)."""
    B, N, _, A = past.k.shape
    return x.reshape(N, A, B, -1).transpose(2, 0, 3, 1)
