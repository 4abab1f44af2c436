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
from .layers import linear, whole_linear
from .pool import cut
from .teams import WHOLE, Member

SCORES = 524_288  # scores worked on at once, of one head or several: 2 MB
SAFE = (1e-25, 1e30)  # sums of powers between these have lost nothing to float32's limits


def safe(sums: Array) -> bool:
    """Tell whether the powers of e in these sums neither overflowed nor vanished; not for NaN."""
    return bool(SAFE[0] < sums.min() and sums.max() < SAFE[1])


def image_attention(
    x: Array, p: Attention, *, heads: int, plus: Array | None = None, pictures: int = 1,
    member: Member = WHOLE,
) -> tuple[Array, KeyValue]:  # fmt: skip
    """Twin of `layers.attention` for the tokens of pictures side by side: (D, B * M) -> same.

    Returns the keys and values of all pictures too; `plus` (D, B * M) is added where it is given.
    The `member` of a team has some heads.
    """
    D, A = len(x), len(x) // heads
    rows = rows_of_heads(heads, A, member)
    q = linear(x, p.query, rows=rows)
    q *= np.float32(1 / math.sqrt(A))
    k = linear(x, p.key, rows=rows)
    v = linear(x, p.value, rows=rows)
    mixed = np.empty(q.shape, np.float32)
    by_heads = [by_head(array, A, pictures) for array in (q, k, v, mixed)]

    def share(some: slice) -> None:
        mix_image(*(array[:, some] for array in by_heads))

    member.share(share, len(q) // A)
    joined, k, v = member.gather(mixed, k, v, own=rows, total=D)
    return whole_linear(joined, p.out, plus=plus, member=member), key_values(k, v, heads, pictures)


def rows_of_heads(heads: int, width: int, member: Member) -> slice:
    """Say which rows of queries, keys and values belong to this thread's heads."""
    own = member.own(heads)
    return slice(own.start * width, own.stop * width)


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


def image_keys_and_values(
    x: Array, p: Attention, *, heads: int, pictures: int = 1, member: Member = WHOLE
) -> KeyValue:
    """Twin of `layers.keys_and_values`: (D, B * M) -> twice (B, N, M, A), views of (D, B * M)."""
    rows = rows_of_heads(heads, len(x) // heads, member)
    k, v = linear(x, p.key, rows=rows), linear(x, p.value, rows=rows)
    k, v = member.gather(k, v, own=rows, total=len(x))
    return key_values(k, v, heads, pictures)


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
