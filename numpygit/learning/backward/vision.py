"""Backward functions of `vision.py`: the gradient of the image tokens -> those of the tower.

In its order; each stands for its twin there. Source: the twins' own, read backwards.
"""

from __future__ import annotations

import numpy as np

from ...model.config import VisionConfig
from ...model.layers import Trace, no_trace, scope
from ...model.params import Activation, Array, Block, Vision
from .layers import Tape, attention_backward, layer_norm_backward, mlp_backward, part


def image_tokens_backward(
    dtokens: Array, p: Vision, *, config: VisionConfig, tape: Tape, trace: Trace = no_trace
) -> Vision:
    """Gradients of the vision encoder from that of its image tokens, (B, M, D).

    For clips the frames were the tower's batch. The temporal embedding of a frame was added to
    all its tokens, so it gets the sum over them; frames that the clip did not have get 0, and
    so do all when stills went in.
    """
    inside = scope(trace, "vision")
    dtime = np.zeros_like(p.temporal_embedding)
    if "clip_tokens" in tape:
        trace("clip_tokens", dtokens)
        B, M, D = dtokens.shape
        P = tape["vision.patches"].shape[1]
        frames = M // (P + 1)
        by_frame = dtokens.reshape(B, frames, P + 1, D)  # (B, frames, P + 1, D)
        dtime[:frames] = by_frame.sum(axis=(0, 2))
        dtokens = dtokens.reshape(B * frames, P + 1, D)  # (B * frames, P + 1, D)
    return vision_tower_backward(
        dtokens, p, config=config, tape=part(tape, "vision"), dtime=dtime, trace=inside
    )


def vision_tower_backward(
    dtokens: Array,
    p: Vision,
    *,
    config: VisionConfig,
    tape: Tape,
    dtime: Array,
    trace: Trace = no_trace,
) -> Vision:
    """Gradients of the tower for stills: dtokens (B, P + 1, D), the class token first."""
    eps = config.layer_norm_eps
    trace("image_tokens", dtokens)
    before = ["x", *(f"{i}.x" for i in range(len(p.blocks)))]  # what goes into each block
    dx, dpost = layer_norm_backward(dtokens, tape[before[-1]], p.post_norm, eps=eps)
    dblocks: list[Block] = []
    for i in reversed(range(len(p.blocks))):
        dx, dblock = block_backward(
            dx,
            tape[before[i]],
            p.blocks[i],
            tape=part(tape, str(i)),
            heads=config.num_attention_heads,
            eps=eps,
            activation=config.hidden_act,
            trace=scope(trace, str(i)),
        )
        dblocks.insert(0, dblock)
    trace("x", dx)
    dembedded, dpre = layer_norm_backward(dx, tape["embedded"], p.pre_norm, eps=eps)
    dpatch, dclass, dposition = embed_patches_backward(dembedded, p, tape=tape, trace=trace)
    return Vision(dpatch, dclass, dposition, dpre, tuple(dblocks), dpost, dtime)


def embed_patches_backward(
    dembedded: Array, p: Vision, *, tape: Tape, trace: Trace = no_trace
) -> tuple[Array, Array, Array]:
    """Gradients of patch, class and position embedding from dembedded (B, P + 1, D).

    All pictures share the three, so each sums over the batch. The gradient of the patches
    themselves is traced: it says which pixels would have changed the loss.
    """
    trace("embedded", dembedded)
    dposition = dembedded.sum(axis=0)
    dclass = dembedded[:, 0].sum(axis=0)
    dpatch_tokens = np.ascontiguousarray(dembedded[:, 1:])
    B, P, D = dpatch_tokens.shape
    trace("patch_tokens", dpatch_tokens)
    if trace is not no_trace:
        trace("patches", dpatch_tokens @ p.patch_embedding)
    patches = tape["patches"].reshape(B * P, -1)
    dpatch = dpatch_tokens.reshape(B * P, D).T @ patches
    return dpatch, dclass, dposition


def uncut_patches(patches: Array, *, shape: tuple[int, ...], patch: int) -> Array:
    """Lay patches out as pictures again: (B, P, C * patch * patch) -> (B, C, H, W).

    The twin of `vision.cut_patches` backwards: what that dropped at the border gets 0.
    """
    B, C, H, W = shape
    rows, columns = H // patch, W // patch
    squares = patches.reshape(B, rows, columns, C, patch, patch)
    grid = squares.transpose(0, 3, 1, 4, 2, 5)  # (B, C, rows, patch, columns, patch)
    pixels = np.zeros(shape, patches.dtype)  # (B, C, H, W)
    whole = grid.reshape(B, C, rows * patch, columns * patch)
    pixels[:, :, : rows * patch, : columns * patch] = whole
    return pixels


def block_backward(
    dx: Array,
    x: Array,
    p: Block,
    *,
    tape: Tape,
    heads: int,
    eps: float,
    activation: Activation,
    trace: Trace = no_trace,
) -> tuple[Array, Block]:
    """Gradients of a pre-norm block: dx of its result, x its input, both (B, T, D) -> dx.

    Each residual connection hands its gradient on unchanged and adds what came through the
    normalised branch. Twin of `text.block_backward`.
    """
    trace("x", dx)
    dnormed, dmlp = mlp_backward(
        dx, tape["mlp_input"], p.mlp, tape=tape, activation=activation, trace=trace
    )
    trace("mlp_input", dnormed)
    dbranch, dmlp_norm = layer_norm_backward(dnormed, tape["after_attention"], p.mlp_norm, eps=eps)
    dx = dx + dbranch
    trace("after_attention", dx)
    dnormed, dattention = attention_backward(
        dx, tape["attention_input"], p.attention, tape=tape, heads=heads, trace=trace
    )
    trace("attention_input", dnormed)
    dbranch, dattention_norm = layer_norm_backward(dnormed, x, p.attention_norm, eps=eps)
    dx = dx + dbranch
    return dx, Block(dattention, dattention_norm, dmlp, dmlp_norm)
