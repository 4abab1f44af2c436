"""Twins of `model/vision.py` and `backward/vision.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...model.config import VisionConfig
from ...model.params import Array, Block, Linear, Vision
from ...model.vision import cut_patches
from .layers import (
    attention,
    attention_backward,
    layer_norm,
    layer_norm_backward,
    mlp,
    mlp_backward,
)


def vision_tower(
    pixels: Array, p: Vision, qkv: Sequence[Linear], *, config: VisionConfig
) -> tuple[Array, list[Any]]:
    """Twin of `vision.image_tokens`: stills or clips -> (B, M, D), and what to keep."""
    frames = pixels.shape[1] if pixels.ndim == 5 else 0
    stills = pixels.reshape(-1, *pixels.shape[-3:])
    B, D = len(stills), config.hidden_size
    heads, eps = config.num_attention_heads, config.layer_norm_eps
    patches = cut_patches(stills, patch=config.patch_size)
    P = patches.shape[1]
    patches = patches.reshape(B * P, -1)
    x = np.empty((B, P + 1, D), pixels.dtype)  # (B, P + 1, D)
    x[:, 0] = p.class_embedding
    x[:, 1:] = (patches @ p.patch_embedding.T).reshape(B, P, D)
    x += p.position_embedding
    x, kept = layer_norm(x.reshape(-1, D), p.pre_norm, eps=eps)
    saved: list[Any] = [patches, kept]
    for block, merged in zip(p.blocks, qkv, strict=True):
        normed, kept_1 = layer_norm(x, block.attention_norm, eps=eps)
        attended, looked = attention(normed, block.attention, merged, batch=B, heads=heads)
        x = np.add(attended, x, out=attended)
        normed, kept_2 = layer_norm(x, block.mlp_norm, eps=eps)
        thought, kept_3 = mlp(normed, block.mlp, activation=config.hidden_act)
        x = np.add(thought, x, out=thought)  # (B * (P + 1), D)
        saved.append((kept_1, looked, kept_2, kept_3))
    x, kept = layer_norm(x, p.post_norm, eps=eps)
    saved.append(kept)
    several = frames or 1
    x = x.reshape(-1, several, P + 1, D)  # (B // several, several, P + 1, D)
    if frames:
        x += p.temporal_embedding[:frames, None]
    M = several * (P + 1)
    tokens = x.reshape(-1, M, D)  # (B // several, M, D)
    return tokens, saved


def vision_tower_backward(
    dtokens: Array,
    saved: list[Any],
    p: Vision,
    qkv: Sequence[Linear],
    *,
    config: VisionConfig,
    frames: int,
) -> Vision:
    """Twin of `backward.image_tokens_backward`, from the gradient of the image tokens."""
    D, heads = config.hidden_size, config.num_attention_heads
    dtime = np.zeros_like(p.temporal_embedding)
    P = len(p.position_embedding) - 1
    if frames:
        dtime[:frames] = dtokens.reshape(-1, frames, P + 1, D).sum(axis=(0, 2))
    dx, dpost = layer_norm_backward(dtokens.reshape(-1, D), saved.pop(), p.post_norm)
    B = len(dx) // (P + 1)
    dblocks: list[Block] = []
    for block, merged in zip(reversed(p.blocks), reversed(qkv), strict=True):
        kept_1, looked, kept_2, kept_3 = saved.pop()
        dbranch, dmlp = mlp_backward(dx, kept_3, block.mlp)
        dbranch, dnorm_2 = layer_norm_backward(dbranch, kept_2, block.mlp_norm)
        dx = np.add(dbranch, dx, out=dbranch)
        dbranch, dlook = attention_backward(dx, looked, block.attention, merged, wanted="all")
        dbranch, dnorm_1 = layer_norm_backward(dbranch, kept_1, block.attention_norm)
        dx = np.add(dbranch, dx, out=dbranch)
        dblocks.insert(0, Block(dlook, dnorm_1, dmlp, dnorm_2))
    dx, dpre = layer_norm_backward(dx, saved.pop(), p.pre_norm)
    dx = dx.reshape(B, P + 1, D)  # (B, P + 1, D)
    patches = saved.pop()
    square = patches.shape[1]
    dpatch = dx[:, 1:].reshape(-1, D).T @ patches  # (D, square)
    return Vision(dpatch, dx[:, 0].sum(axis=0), dx.sum(axis=0), dpre, tuple(dblocks), dpost, dtime)
