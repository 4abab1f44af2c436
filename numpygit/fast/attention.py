"""Attention for image tokens, which are columns: twins of `attention` and `keys_and_values`.

Their definitions are in model/layers.py. Heads are blocks of rows here, so that nothing is
transposed or copied to split or join them.

Softmax goes without the usual first pass that finds the largest score of each row: powers of e are
taken as they are, and their sums tell whether one was too large or all were too small for float32.
Only then is it done again with the largest score subtracted, which gives the same weights.
"""

from __future__ import annotations

import math

import numpy as np

from ..model.layers import KeyValue
from ..model.params import Array, Attention
from .layers import joined_weights, linear, whole_linear
from .pool import cut
from .teams import WHOLE, Member

SCORES = 524_288  # scores worked on at once, of one head or several: 2 MB
SAFE = (1e-25, 1e30)  # sums of powers between these have lost nothing to float32's limits


def safe(sums: Array) -> bool:
    """Tell whether the powers of e in these sums neither overflowed nor vanished; not for NaN."""
    return bool(SAFE[0] < sums.min() and sums.max() < SAFE[1])


def image_attention(
    x: Array, p: Attention, *, heads: int, plus: Array | None = None, pictures: int = 1,
    keep: KeyValue | None = None, member: Member = WHOLE,
) -> Array:  # fmt: skip
    """Twin of `layers.attention` for the tokens of pictures side by side: (D, B * M) -> same.

    Writes the keys and values into `keep`, (B, N, M, A), where it is given; `plus` (D, B * M) is
    added where it is given. The `member` of a team has some heads.
    """
    D, A = len(x), len(x) // heads
    own = member.own(heads)
    rows = rows_of_heads(own, A)
    projected = queries_keys_values(x, p, rows=rows, member=member)
    biases = [one.bias[rows, None] for one in (p.query, p.key, p.value)]
    mixed = np.empty(projected[0].shape, np.float32)
    kept = None if keep is None else KeyValue(keep.k[:, own], keep.v[:, own])

    def share(some: slice) -> None:
        these = rows_of_heads(some, A)
        for array, bias in zip(projected, biases, strict=True):
            array[these] += bias[these]
        projected[0][these] *= np.float32(1 / math.sqrt(A))
        q, k, v, into = (by_head(array[these], A, pictures) for array in (*projected, mixed))
        mix_image(q, k, v, into)
        if kept is not None:
            write_keys_and_values(k, v, KeyValue(kept.k[:, some], kept.v[:, some]))

    member.share(share, len(mixed) // A)
    joined = member.gather(mixed, own=rows, total=D)
    return whole_linear(joined, p.out, plus=plus, member=member)


def queries_keys_values(x: Array, p: Attention, *, rows: slice, member: Member) -> list[Array]:
    """Multiply by three weights: (D, T) -> three times some rows (n * A, T). No biases yet."""
    together = joined_weights(p) if member.hands > 1 else None
    if together is None:
        return [one.weight[rows] @ x for one in (p.query, p.key, p.value)]
    q, k, v = (together @ x).reshape(3, len(x), -1)
    return [q, k, v]


def rows_of_heads(heads: slice, width: int) -> slice:
    """Say which rows of queries, keys and values belong to these heads."""
    return slice(heads.start * width, heads.stop * width)


def by_head(x: Array, width: int, pictures: int) -> Array:
    """View rows as heads and columns as pictures: (n * A, B * M) -> (B, n, A, M)."""
    M = x.shape[1] // pictures
    return x.reshape(-1, width, pictures, M).transpose(2, 0, 1, 3)


def image_keys_and_values(
    x: Array, p: Attention, *, heads: int, keep: KeyValue, pictures: int = 1,
    member: Member = WHOLE,
) -> None:  # fmt: skip
    """Twin of `layers.keys_and_values`: (D, B * M) -> twice (B, N, M, A), written into `keep`."""
    A = len(x) // heads
    own = member.own(heads)
    rows = rows_of_heads(own, A)
    k = by_head(linear(x, p.key, rows=rows), A, pictures)
    v = by_head(linear(x, p.value, rows=rows), A, pictures)
    write_keys_and_values(k, v, KeyValue(keep.k[:, own], keep.v[:, own]))


def write_keys_and_values(k: Array, v: Array, keep: KeyValue) -> None:
    """Write keys and values as the cache has them: twice (B, n, A, M) -> twice (B, n, M, A)."""
    keep.k[:] = k.transpose(0, 1, 3, 2)
    keep.v[:] = v.transpose(0, 1, 3, 2)


def mix_image(q: Array, k: Array, v: Array, mixed: Array) -> None:
    """Write softmax(k^T q) of v into `mixed`, a few heads at a time.

    k and v are (B, n, A, M), q and mixed (B, n, A, T) of T of these tokens.
    """
    B, n, A, T = q.shape
    M = k.shape[3]
    together = max(1, SCORES // (M * T))
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
