"""Layers for words: tokens that are rows, x is (B * T, D). Few at a time, one a row of the batch.

Twins of the functions in model/layers.py. The products are in products.py.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from ..model.layers import KeyValue
from ..model.params import MLP, Activation, Array, Attention, LayerNorm, Linear
from .attention import rows_of_heads, safe
from .layers import ALL, activate_in_place
from .pool import spread
from .products import product, products
from .teams import WHOLE, Member
from .threads import blas_threads

HANDS = 8  # threads that share the keys and values of several pictures: more wait for each other
PICTURES = 2  # for each of these threads, at least; fewer than 2 * PICTURES are not shared


def linear(
    x: Array, p: Linear, *, plus: Array | None = None, rows: slice = ALL, threads: int = 1
) -> Array:
    """Twin of `layers.linear`: (T, in) -> (T, out), or some rows of the weight: some columns of it.

    `plus` (T, out) is added where it is given.
    """
    found = product(x, p.weight[rows], threads=threads)
    found += p.bias[rows]
    if plus is not None:
        found += plus[:, rows]
    return found


def whole_linear(x: Array, p: Linear, *, plus: Array | None, member: Member, threads: int) -> Array:
    """Do the same in a team: (T, in) -> (T, out)."""
    rows = member.own(len(p.weight))
    part = linear(x, p, plus=plus, rows=rows, threads=threads)
    return member.gather(part, own=rows, total=len(p.weight), axis=1)


def layer_norm(x: Array, p: LayerNorm, *, eps: float) -> Array:
    """Twin of `layers.layer_norm`: (T, D) -> (T, D). Means are products with a column of 1 / D."""
    T, D = x.shape
    average = averaging(D)
    normed = x - x @ average
    variance = (normed * normed) @ average  # (T, 1)
    normed /= np.sqrt(variance + np.float32(eps))
    normed *= p.weight
    normed += p.bias
    return normed


@cache
def averaging(D: int) -> Array:
    """Make the column of 1 / D with which a product gives means: (D, 1)."""
    return np.full((D, 1), 1 / D, np.float32)


def mlp(
    x: Array, p: MLP, *, activation: Activation, plus: Array | None = None,
    member: Member = WHOLE, threads: int = 1,
) -> Array:  # fmt: skip
    """Twin of `layers.mlp`: (T, D) -> (T, D), `plus` added where it is given."""
    T, F = len(x), len(p.up.weight)
    own = member.own(F)
    part = linear(x, p.up, rows=own, threads=threads)
    activate_in_place(part, name=activation)
    hidden = member.gather(part, own=own, total=F, axis=1)  # (T, F)
    return whole_linear(hidden, p.down, plus=plus, member=member, threads=threads)


def split_rows(x: Array, B: int, width: int) -> Array:
    """View rows as texts and heads: (B * T, n * A) -> (B, n, T, A)."""
    return x.reshape(B, len(x) // B, -1, width).transpose(0, 2, 1, 3)


def linears(x: Array, *several: Linear, rows: slice, threads: int) -> list[Array]:
    """Do what `linear` does for layers of one shape: (T, in) -> n times (T, out)."""
    found = products(x, *(p.weight[rows] for p in several), threads=threads)
    for columns, p in zip(found, several, strict=True):
        columns += p.bias[rows]
    return found


def word_attention(
    x: Array, p: Attention, image_kv: KeyValue, past: KeyValue, *, mask: Array | None,
    keep: KeyValue, plus: Array | None = None, member: Member = WHOLE, threads: int = 1,
) -> Array:  # fmt: skip
    """Twin of `layers.attention` for words: (B * T, D) -> same; the longer past goes into `keep`.

    The keys and values of a picture serve all its rows of words, texts or beams, at once. The
    `member` of a team has some heads.
    """
    N, A = past.k.shape[1], past.k.shape[3]
    own = member.own(N)
    rows = rows_of_heads(own, A)
    mixed = np.empty((len(x), rows.stop - rows.start), np.float32)
    if mixed.size:  # a team may have more members than heads
        of_own = (KeyValue(kv.k[:, own], kv.v[:, own]) for kv in (image_kv, past, keep))
        mix_heads(x, p, *of_own, rows=rows, mask=mask, out=mixed, threads=threads)
    joined = member.gather(mixed, own=rows, total=N * A, axis=1)
    return whole_linear(joined, p.out, plus=plus, member=member, threads=threads)


def mix_heads(
    x: Array, p: Attention, image_kv: KeyValue, past: KeyValue, keep: KeyValue, *, rows: slice,
    mask: Array | None, out: Array, threads: int,
) -> None:  # fmt: skip
    """Do the attention of some heads, whose rows of the weights these are: (B * T, D) -> `out`.

    image_kv, past and keep are of these heads, and so is `out` (B * T, n * A).
    """
    projected = linears(x, p.query, p.key, p.value, rows=rows, threads=threads)
    B, _, before, A = past.k.shape
    q, k, v, into = (split_rows(array, B, A) for array in (*projected, out))  # each (B, n, T, A)
    q *= np.float32(1 / math.sqrt(A))
    keep.k[:, :, :before], keep.k[:, :, before:] = past.k, k
    keep.v[:, :, :before], keep.v[:, :, before:] = past.v, v
    into[:] = mix_words(q, image_kv, keep, mask=mask, threads=threads)


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
