"""The text decoder with relative positions: the twin of `text.py`, function by function.

Words get no position embedding; attention scores their distances. Everything else is as there.
`choose.text_of` picks the one that a config asks for.
"""

from __future__ import annotations

import numpy as np

from ..checks import check_words
from ..config import Config
from ..layers import KeyValue, Trace, layer_norm, linear, mlp, no_trace, scope
from ..params import Activation, Array, Block, Text
from ..text import Cache, full_mask, word_mask, word_positions
from .relative_positions import attention, sequence_positions


def forward(
    memory: Array,
    ids: Array,
    p: Text,
    *,
    config: Config,
    attention_mask: Array | None = None,
    positions: Array | None = None,
    keep: int = 0,
    trace: Trace = no_trace,
) -> tuple[Array, Array]:
    """Twin of `text.forward`; `positions` are checked and have no effect."""
    B, M, D = memory.shape
    B, T = ids.shape[:2]
    S = M + T
    if attention_mask is None:
        attention_mask = np.ones((B, T), np.int64)
    counted = word_positions(attention_mask)  # (B, T)
    given = counted if positions is None else positions
    words = embed_words(ids, given, p, config=config, trace=trace)
    x = np.concatenate([memory, words], axis=1)  # (B, S, D)
    trace("text.x", x)
    mask = full_mask(attention_mask, image=M)  # (B, 1, S, S)
    trace("text.mask", mask)
    position = sequence_positions(counted, image=M)  # (B, S)
    inside = scope(trace, "text")
    x, _ = text_tower(x, p, config=config, mask=mask, position=position, trace=inside)
    logits = linear(x[:, -keep:], p.head)
    trace("logits", logits)
    return logits, x


def prefill(memory: Array, p: Text, *, config: Config, trace: Trace = no_trace) -> Cache:
    """Twin of `text.prefill`: memory (B, M, D) -> Cache."""
    B, M, D = memory.shape
    N = config.num_attention_heads
    empty = np.zeros((B, N, 0, D // N), np.float32)
    text_kv = (KeyValue(empty, empty),) * len(p.blocks)
    no_mask = np.zeros((B, 0), np.int64)
    if M == 0:
        return Cache(text_kv, text_kv, no_mask)
    _, image_kv = text_tower(memory, p, config=config, trace=scope(trace, "text"))
    return Cache(image_kv, text_kv, no_mask)


def decode_step(
    ids: Array,
    cache: Cache,
    p: Text,
    *,
    config: Config,
    attention_mask: Array | None = None,
    positions: Array | None = None,
    trace: Trace = no_trace,
) -> tuple[Array, Cache]:
    """Twin of `text.decode_step`: ids (B, T) -> logits (B, T, V) and the longer cache."""
    B, T = ids.shape[:2]
    if attention_mask is None:
        attention_mask = np.ones((B, T), np.int64)
    M = cache.image_kv[0].k.shape[2]
    S = M + cache.attention_mask.shape[1] + T
    attention_mask = np.concatenate([cache.attention_mask, attention_mask], axis=1)  # (B, S - M)
    counted = word_positions(attention_mask)  # (B, S - M)
    given = counted[:, -T:] if positions is None else positions
    x = embed_words(ids, given, p, config=config, trace=trace)
    mask = word_mask(attention_mask, image=M, now=T)  # (B, 1, T, S)
    trace("text.mask", mask)
    position = sequence_positions(counted, image=M)  # (B, S)
    inside = scope(trace, "text")
    x, text_kv = text_tower(
        x, p, config=config, mask=mask, cache=cache, position=position, trace=inside
    )
    logits = linear(x, p.head)
    trace("logits", logits)
    return logits, Cache(cache.image_kv, text_kv, attention_mask)


def embed_words(
    ids: Array, positions: Array, p: Text, *, config: Config, trace: Trace = no_trace
) -> Array:
    """Token embeddings alone, normalised: ids (B, T) -> (B, T, D)."""
    check_words(ids, positions, p)
    word_vectors = ids if ids.ndim == 3 else p.word_embedding[ids]
    trace("word_vectors", word_vectors)
    words = layer_norm(word_vectors, p.embedding_norm, eps=config.embedding_eps)
    trace("words", words)
    return words


def text_tower(
    x: Array,
    p: Text,
    *,
    config: Config,
    mask: Array | None = None,
    cache: Cache | None = None,
    position: Array | None = None,
    trace: Trace = no_trace,
) -> tuple[Array, tuple[KeyValue, ...]]:
    """Twin of `text.text_tower`: (B, T, D) -> (B, T, D), and each layer's keys and values."""
    new_kv = []
    for i, block_params in enumerate(p.blocks):
        x, kv = block(
            x,
            block_params,
            heads=config.num_attention_heads,
            eps=config.layer_norm_eps,
            activation=config.hidden_act,
            mask=mask,
            context=None if cache is None else cache.image_kv[i],
            past=None if cache is None else cache.text_kv[i],
            position=position,
            trace=scope(trace, str(i)),
        )
        new_kv.append(kv)
    return x, tuple(new_kv)


def block(
    x: Array,
    p: Block,
    *,
    heads: int,
    eps: float,
    activation: Activation,
    mask: Array | None = None,
    context: KeyValue | None = None,
    past: KeyValue | None = None,
    position: Array | None = None,
    trace: Trace = no_trace,
) -> tuple[Array, KeyValue]:
    """Twin of `text.block`, post-norm: (B, T, D) -> (B, T, D), and its keys and values."""
    attended, kv = attention(
        x, p.attention, heads=heads, mask=mask, context=context, past=past, position=position,
        trace=trace,
    )  # fmt: skip
    x = layer_norm(x + attended, p.attention_norm, eps=eps)
    trace("after_attention", x)
    thought = mlp(x, p.mlp, activation=activation, trace=trace)
    x = layer_norm(x + thought, p.mlp_norm, eps=eps)
    trace("x", x)
    return x, kv
