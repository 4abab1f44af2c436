"""Relative positions: how far apart two tokens stand, learned as vectors, added to their scores.

No official checkpoint uses them; configs may ask for them with `position_embedding_type`. Then
words get no absolute position, and the distance counts places in the whole sequence, image tokens
first. Source: Shaw et al., arXiv 1803.02155 ("relative_key"); Huang et al., arXiv 2009.13658,
method 4 ("relative_key_query"); transformers 4.37.2, GitSelfAttention.
"""

from __future__ import annotations

import numpy as np

from ...errors import UserError
from ..params import Array, Relative


def word_places(positions: Array, *, image: int) -> Array:
    """Say where each token stands, image tokens before words: positions (B, T) -> (B, M + T).

    Padding on the left does not count, because it does not count in `positions`.
    """
    B, T = positions.shape
    M = image
    of_image = np.broadcast_to(np.arange(M), (B, M))  # (B, M)
    return np.concatenate([of_image, positions + M], axis=1)


def relative_scores(q: Array, k: Array, p: Relative, *, place: Array | None) -> Array:
    """Score how well distances fit queries, and keys too where p says so.

    q (B, N, T, A) stands at the last T of place (B, S), k (B, N, S, A) at all of them; without
    place the tokens are counted -> (B, N, T, S), to be added before the division by sqrt(A).
    Raises UserError when the sequence is longer than the model knows distances.
    """
    B, N, T, A = q.shape
    S = k.shape[2]
    if place is None:
        place = np.broadcast_to(np.arange(S), (B, S))  # (B, S)
    furthest = (p.embedding.shape[0] - 1) // 2
    distances = place[:, -T:, None] - place[:, None, :]  # (B, T, S)
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
