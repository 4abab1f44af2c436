"""Backward functions of `text.py`: the gradient of the logits -> those of the text decoder.

In its order; each stands for its twin there, `forward` without a cache being the definition.
"""

from __future__ import annotations

import numpy as np

from ...model.config import Config
from ...model.layers import Trace, no_trace, scope
from ...model.params import Activation, Array, Block, LayerNorm, Linear, Text
from .layers import (
    Tape,
    attention_backward,
    layer_norm_backward,
    linear_backward,
    mlp_backward,
    part,
)


def project_backward(
    dmemory: Array, p: Text, *, eps: float, tape: Tape, trace: Trace = no_trace
) -> tuple[Array, Linear, LayerNorm]:
    """Gradients of the projection: dmemory (B, M, D) -> of the image tokens (B, M, vision D)."""
    trace("memory", dmemory)
    dprojected, dnorm = layer_norm_backward(dmemory, tape["projected"], p.projection_norm, eps=eps)
    trace("projected", dprojected)
    tokens = tape["clip_tokens"] if "clip_tokens" in tape else tape["vision.image_tokens"]
    dtokens, dprojection = linear_backward(dprojected, tokens, p.projection)
    return dtokens, dprojection, dnorm


def forward_backward(
    dlogits: Array,
    ids: Array,
    positions: Array,
    p: Text,
    *,
    config: Config,
    tape: Tape,
    trace: Trace = no_trace,
) -> tuple[Array, Text]:
    """Gradients of `text.forward`: dlogits (B, S, V) -> dmemory (B, M, D) and the text decoder's.

    The projection belongs to the bridge: its two gradients are zeros here, for
    `project_backward` to fill in.
    """
    trace("logits", dlogits)
    last = f"text.{len(p.blocks) - 1}.x" if p.blocks else "text.x"
    dx, dhead = linear_backward(dlogits, tape[last], p.head)
    dx, dblocks = text_tower_backward(dx, p, config=config, tape=part(tape, "text"), trace=trace)
    B, S, D = dx.shape
    T = ids.shape[1]
    M = S - T
    trace("text.x", dx)
    dmemory = np.ascontiguousarray(dx[:, :M])  # (B, M, D)
    dwords = np.ascontiguousarray(dx[:, M:])  # (B, T, D)
    dword, dposition, dnorm = embed_words_backward(
        dwords, ids, positions, p, config=config, tape=tape, trace=trace
    )
    bridge, bridge_norm = p.projection, p.projection_norm
    return dmemory, Text(
        projection=Linear(np.zeros_like(bridge.weight), np.zeros_like(bridge.bias)),
        projection_norm=LayerNorm(np.zeros_like(bridge_norm.weight), np.zeros_like(bridge.bias)),
        word_embedding=dword,
        position_embedding=dposition,
        embedding_norm=dnorm,
        blocks=dblocks,
        head=dhead,
    )


def embed_words_backward(
    dwords: Array,
    ids: Array,
    positions: Array,
    p: Text,
    *,
    config: Config,
    tape: Tape,
    trace: Trace = no_trace,
) -> tuple[Array, Array, LayerNorm]:
    """Gradients of both embedding tables from dwords (B, T, D).

    A row of a table gets the sum over all places where its word (or position) stood.
    """
    trace("words", dwords)
    embedded = tape["word_vectors"] + tape["place_vectors"]
    dembedded, dnorm = layer_norm_backward(
        dwords, embedded, p.embedding_norm, eps=config.embedding_eps
    )
    trace("place_vectors", dembedded)
    trace("word_vectors", dembedded)
    dword = np.zeros_like(p.word_embedding)
    np.add.at(dword, ids, dembedded)
    dposition = np.zeros_like(p.position_embedding)
    np.add.at(dposition, positions, dembedded)
    return dword, dposition, dnorm


def text_tower_backward(
    dx: Array, p: Text, *, config: Config, tape: Tape, trace: Trace = no_trace
) -> tuple[Array, tuple[Block, ...]]:
    """Gradients of all layers, the last first: (B, S, D) -> (B, S, D)."""
    inside = scope(trace, "text")
    before = ["x", *(f"{i}.x" for i in range(len(p.blocks)))]  # what goes into each block
    dblocks: list[Block] = []
    for i in reversed(range(len(p.blocks))):
        dx, dblock = block_backward(
            dx,
            tape[before[i]],
            p.blocks[i],
            tape=part(tape, str(i)),
            heads=config.num_attention_heads,
            eps=config.layer_norm_eps,
            activation=config.hidden_act,
            trace=scope(inside, str(i)),
        )
        dblocks.insert(0, dblock)
    return dx, tuple(dblocks)


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
    """Gradients of a post-norm block: dx of its result, x its input, both (B, S, D) -> dx.

    The norms stand on the residual stream itself, so every gradient goes through them. Twin of
    `vision.block_backward`.
    """
    trace("x", dx)
    middle = tape["after_attention"]
    dsum, dmlp_norm = layer_norm_backward(dx, middle + tape["thought"], p.mlp_norm, eps=eps)
    dbranch, dmlp = mlp_backward(dsum, middle, p.mlp, tape=tape, activation=activation, trace=trace)
    dx = dsum + dbranch
    trace("after_attention", dx)
    dsum, dattention_norm = layer_norm_backward(dx, x + tape["attended"], p.attention_norm, eps=eps)
    dbranch, dattention = attention_backward(
        dsum, x, p.attention, tape=tape, heads=heads, trace=trace
    )
    dx = dsum + dbranch
    return dx, Block(dattention, dattention_norm, dmlp, dmlp_norm)
