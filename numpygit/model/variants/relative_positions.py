"""Relative positions: how far apart two tokens stand, learned as vectors, added to their scores.

No official checkpoint uses them; configs may ask for them with `position_embedding_type`. Then
words get no position embedding, and the distance counts positions in the whole sequence, image
tokens first. `relative_text.py` is the text decoder with them. Source: Shaw et al., arXiv
1803.02155 ("relative_key"); Huang et al., arXiv 2009.13658, method 4 ("relative_key_query");
transformers 4.37.2, GitSelfAttention.
"""

from __future__ import annotations

import math

import numpy as np

from ...errors import UserError
from ..layers import (
    KeyValue,
    Trace,
    extend,
    join_heads,
    keys_and_values,
    linear,
    no_trace,
    softmax,
    split_heads,
)
from ..params import Array, Attention, Relative


def sequence_positions(positions: Array, *, image: int) -> Array:
    """Say where each token stands, image tokens before words: positions (B, T) -> (B, M + T).

    Padding on the left does not count, because it does not count in `positions`.
    """
    B, T = positions.shape
    M = image
    of_image = np.broadcast_to(np.arange(M), (B, M))  # (B, M)
    return np.concatenate([of_image, positions + M], axis=1)


def relative_scores(q: Array, k: Array, p: Relative, *, position: Array | None) -> Array:
    """Score how well distances fit queries, and keys too where p says so.

    q (B, N, T, A) stands at the last T of position (B, S), k (B, N, S, A) at all of them; without
    position the tokens are counted -> (B, N, T, S), to be added before the division by sqrt(A).
    Raises UserError when the sequence is longer than the model knows distances.
    """
    B, N, T, A = q.shape
    S = k.shape[2]
    if position is None:
        position = np.broadcast_to(np.arange(S), (B, S))  # (B, S)
    furthest = (p.embedding.shape[0] - 1) // 2
    distances = position[:, -T:, None] - position[:, None, :]  # (B, T, S)
    if np.abs(distances).max(initial=0) > furthest:
        raise UserError(
            f"image tokens and words make a sequence of {S} tokens, but this model knows relative "
            f"positions up to {furthest + 1} (max_position_embeddings); use a shorter text"
        )
    vectors = p.embedding[distances + furthest]  # (B, T, S, A)
    queries = q.transpose(0, 2, 1, 3)  # (B, T, N, A)
    by_query = queries @ vectors.transpose(0, 1, 3, 2)  # (B, T, N, S)
    scores = by_query.transpose(0, 2, 1, 3)  # (B, N, T, S)
    if not p.by_key:
        return scores
    keys = k.transpose(0, 2, 1, 3)  # (B, S, N, A)
    by_key = keys @ vectors.transpose(0, 2, 3, 1)  # (B, S, N, T)
    return scores + by_key.transpose(0, 2, 3, 1)


def attention(
    x: Array,
    p: Attention,
    *,
    heads: int,
    mask: Array | None = None,
    context: KeyValue | None = None,
    past: KeyValue | None = None,
    position: Array | None = None,
    trace: Trace = no_trace,
) -> tuple[Array, KeyValue]:
    """Twin of `layers.attention` that adds relative scores: (B, T, D) -> (B, T, D).

    `position` (B, S) says where in the whole sequence keys stand, queries at its end.
    """
    q = split_heads(linear(x, p.query), heads=heads)
    trace("q", q)
    kv = extend(past, keys_and_values(x, p, heads=heads, trace=trace))
    all_kv = extend(context, kv)
    B, N, T, A = q.shape
    S = all_kv.k.shape[2]
    products = q @ all_kv.k.transpose(0, 1, 3, 2)  # (B, N, T, S)
    if p.relative is not None:
        products = products + relative_scores(q, all_kv.k, p.relative, position=position)
    scores = products * (1 / math.sqrt(A))  # (B, N, T, S)
    if mask is not None:
        scores = scores + mask
    trace("scores", scores)
    weights = softmax(scores)  # (B, N, T, S)
    trace("weights", weights)
    mixed = weights @ all_kv.v  # (B, N, T, A)
    trace("mixed", mixed)
    joined = join_heads(mixed)  # (B, T, N * A)
    trace("joined", joined)
    attended = linear(joined, p.out)  # (B, T, N * A)
    trace("attended", attended)
    return attended, kv
