"""Twins of `model/text.py` and `backward/text.py`, with several texts in a row if need be."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ...huggingface.loss import IGNORED
from ...loading.config import GitConfig
from ...model.params import Array, Block, Linear, Text
from .layers import (
    add_to_last,
    attention,
    attention_backward,
    layer_norm,
    layer_norm_backward,
    linear,
    linear_backward,
    mlp,
    mlp_backward,
)


class Batch(NamedTuple):
    """Pictures and the words about them. Exactly one of pixels, tokens and states is given."""

    ids: Array  # (B, T), the words that go in
    targets: Array  # (B, T), the word that should come after each; -100 for none
    text: Array  # (B, T), which text of its picture a word belongs to; 0 for padding
    positions: Array  # (B, T), counted from 0 in each text
    pixels: Array | None = None  # (B, C, H, W), or (B, frames, C, H, W)
    tokens: Array | None = None  # (B, M, vision D): kept, where the vision encoder is frozen
    states: Array | None = None  # (B, M + T, D): kept, what goes into the lowest trained layer


def allowed_of(text: Array, image: int, dtype: Any) -> Array:
    """Who may look at whom, 1 or 0: text (B, T) -> (B, 1, M + T, M + T).

    Twin of `text.full_mask`: image tokens look at each other; a word looks at the picture and at
    the words of its own text up to itself.
    """
    B, T = text.shape
    M = image
    allowed = np.zeros((B, 1, M + T, M + T), dtype)  # (B, 1, M + T, M + T)
    allowed[:, :, :, :M] = 1
    position = np.arange(T)
    earlier = position[:, None] >= position[None, :]  # (T, T)
    allowed[:, 0, M:, M:] = (text[:, :, None] == text[:, None, :]) & earlier
    return allowed


def begin(
    tokens: Array, batch: Batch, p: Text, *, config: GitConfig
) -> tuple[Array, tuple[Any, ...]]:
    """Project image tokens and embed words, side by side: -> (B, M + T, D), and what to keep."""
    B, M, wide = tokens.shape
    T, D = batch.ids.shape[1], config.hidden_size
    rows = tokens.reshape(-1, wide)  # (B * M, wide)
    projected = linear(rows, p.projection)  # (B * M, D)
    memory, kept_1 = layer_norm(
        projected, p.projection_norm, eps=config.vision_config.layer_norm_eps
    )
    embedded = p.word_embedding[batch.ids]  # (B, T, D)
    embedded += p.position_embedding[batch.positions]
    words, kept_2 = layer_norm(embedded.reshape(-1, D), p.embedding_norm, eps=config.embedding_eps)
    x = np.empty((B, M + T, D), tokens.dtype)  # (B, M + T, D)
    x[:, :M] = memory.reshape(B, M, D)
    x[:, M:] = words.reshape(B, T, D)
    return x, (rows, kept_1, kept_2)


def begin_backward(
    dx: Array, batch: Batch, saved: tuple[Any, ...], p: Text
) -> tuple[Array, dict[str, Any]]:
    """Gradients of `begin`: dx (B, M + T, D) -> of the image tokens (B * M, vision D)."""
    rows, kept_1, kept_2 = saved
    B, S, D = dx.shape
    T = batch.ids.shape[1]
    M = S - T
    dwords = dx[:, M:].reshape(-1, D)  # (B * T, D)
    dembedded, dembedding_norm = layer_norm_backward(dwords, kept_2, p.embedding_norm)
    dword = np.zeros_like(p.word_embedding)
    np.add.at(dword, batch.ids.reshape(-1), dembedded)
    dposition = np.zeros_like(p.position_embedding)
    np.add.at(dposition, batch.positions.reshape(-1), dembedded)
    dmemory = dx[:, :M].reshape(-1, D)  # (B * M, D)
    dprojected, dprojection_norm = layer_norm_backward(dmemory, kept_1, p.projection_norm)
    dtokens, dprojection = linear_backward(dprojected, rows, p.projection)
    return dtokens, {
        "projection": dprojection,
        "projection_norm": dprojection_norm,
        "word_embedding": dword,
        "position_embedding": dposition,
        "embedding_norm": dembedding_norm,
    }


def block(
    x: Array,
    p: Block,
    qkv: Linear,
    *,
    config: GitConfig,
    batch: int,
    allowed: Array,
    rows: int | None,
) -> tuple[Array, tuple[Any, ...]]:
    """Twin of `text.block`: (B * S, D) -> (B * S, D), or of the last `rows` tokens only."""
    heads, eps = config.num_attention_heads, config.layer_norm_eps
    attended, looked = attention(
        x, p.attention, qkv, batch=batch, heads=heads, allowed=allowed, rows=rows
    )
    attended += looked.asking
    x, kept_1 = layer_norm(attended, p.attention_norm, eps=eps)
    thought, kept_2 = mlp(x, p.mlp, activation=config.hidden_act)
    thought += x
    x, kept_3 = layer_norm(thought, p.mlp_norm, eps=eps)
    return x, (looked, kept_1, kept_2, kept_3)


def block_backward(
    dx: Array,
    saved: tuple[Any, ...],
    p: Block,
    qkv: Linear,
    *,
    heads: int,
    batch: int,
    wanted: str,
) -> tuple[Array, Block]:
    """Twin of `backward.text.block_backward`."""
    looked, kept_1, kept_2, kept_3 = saved
    dx, dnorm_2 = layer_norm_backward(dx, kept_3, p.mlp_norm)
    dbranch, dmlp = mlp_backward(dx, kept_2, p.mlp, wanted=wanted)
    dbranch += dx
    dx, dnorm_1 = layer_norm_backward(dbranch, kept_1, p.attention_norm)
    dbranch, dlook = attention_backward(dx, looked, p.attention, qkv, wanted=wanted)
    add_to_last(dbranch, dx, batch)
    return dbranch, Block(dlook, dnorm_1, dmlp, dnorm_2)


def head_backward(
    x: Array, batch: Batch, p: Text, *, count: int, smoothing: float
) -> tuple[float, Array, Linear]:
    """Loss, its gradient at the words' last states x (B * T, D), and the head's gradients."""
    targets = batch.targets.reshape(-1)
    used = np.flatnonzero(targets != IGNORED)
    asked, states = targets[used], x[used]
    n, V = len(used), p.head.weight.shape[0]
    logits = linear(states, p.head)  # (n, V)
    logits -= logits.max(axis=1, keepdims=True)
    rest = smoothing / (V - 1)
    first = 1 - smoothing
    row = np.arange(n)
    of_label = logits[row, asked]  # (n,)
    total_logits = logits.sum(axis=1) if smoothing else of_label
    shares = np.exp(logits, out=logits)
    sums = shares.sum(axis=1)  # (n,)
    logs = np.log(sums)
    losses = logs - of_label
    if smoothing:
        others = (total_logits - of_label) - (V - 1) * logs
        best = first * math.log(first) + smoothing * math.log(rest)
        losses = best + first * losses - rest * others
    shares /= sums[:, None]
    if smoothing:
        shares -= rest
    shares[row, asked] -= first - rest
    shares /= count
    rows, D = x.shape
    dx = np.zeros_like(x)  # (rows, D)
    dstates, dhead = linear_backward(shares, states, p.head)
    dx[used] = dstates
    return float(losses.sum()) / count, dx, dhead
