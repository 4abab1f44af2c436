"""Params -> changed params: heads switched off, a vocabulary of another size, no head, vectors in
place of words.

Nothing is changed in place; arrays that stay the same are shared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import UserError, expect
from ..model.params import Array, Block, Git, Linear
from .arguments import numbers


def mask_heads(params: Git, head_mask: Array, *, heads: int) -> Git:
    """Multiply what each head of the text decoder says: (L, N), or (N,) for every layer alike.

    1 keeps a head, 0 silences it. What a head says reaches the others through its columns of
    the matrix `out` alone, so scaling those is the same as scaling its attention weights.
    """
    blocks = params.text.blocks
    mask = numbers("head_mask", head_mask)
    if mask.ndim == 1:
        mask = np.broadcast_to(mask, (len(blocks), mask.shape[0]))
    if mask.shape != (len(blocks), heads):
        raise UserError(
            f"head_mask must be of shape ({heads},), one number a head, or {(len(blocks), heads)}, "
            f"one a layer and head; got {np.shape(head_mask)}"
        )
    masked = [scale_heads(block, row) for block, row in zip(blocks, mask, strict=True)]
    return replace(params, text=replace(params.text, blocks=tuple(masked)))


def layers_of(head_mask: Any, layers: int) -> Array:
    """Repeat a head mask (N,) for each layer; one of (L, N) stays: -> (L, N)."""
    expect("num_hidden_layers", layers, (int, np.integer), "a whole number")
    mask = numbers("head_mask", head_mask)
    if mask.ndim == 1 and layers > 0:
        return np.broadcast_to(mask, (layers, len(mask)))
    if mask.ndim != 2 or len(mask) != layers:
        raise UserError(f"head_mask must be of shape (N,) or ({layers}, N); got {mask.shape}")
    return mask


def scale_heads(block: Block, factors: Array) -> Block:
    """Multiply what each head of one layer says: factors (N,)."""
    out = block.attention.out
    columns = np.repeat(factors, out.weight.shape[1] // len(factors))  # (D,)
    scaled = Linear(out.weight * columns, out.bias)
    return replace(block, attention=replace(block.attention, out=scaled))


def heads_without(layers: int, heads: int, pruned: Mapping[int, Sequence[int]]) -> Array:
    """Write the head mask that has 0 for the named heads of each named layer: (L, N)."""
    mask = np.ones((layers, heads), np.float32)
    for layer, gone in pruned.items():
        if not (0 <= layer < layers and all(0 <= head < heads for head in gone)):
            raise UserError(
                f"cannot prune heads {list(gone)} of layer {layer}: there are {layers} layers "
                f"of {heads} heads, counted from 0"
            )
        mask[layer, list(gone)] = 0
    return mask


def resize_words(params: Git, size: int, *, std: float, seed: int = 0) -> Git:
    """Cut or extend the vocabulary, in the embedding and in the head; new vectors are random.

    A model whose head and embedding are one array keeps them one. New biases are 0.
    """
    expect("new_num_tokens", size, (int, np.integer), "a whole number")
    if size < 1:
        raise UserError(f"a vocabulary of {size} words cannot be; give 1 or more")
    text = params.text
    rng = np.random.default_rng(seed)
    word_embedding = resize_rows(text.word_embedding, size, rng, std)
    is_tied = text.head.weight is text.word_embedding
    if len(text.head.bias) == 0:  # no head: GitModel
        return replace(params, text=replace(text, word_embedding=word_embedding))
    weight = word_embedding if is_tied else resize_rows(text.head.weight, size, rng, std)
    bias = resize_rows(text.head.bias, size, rng, 0)
    resized = replace(text, word_embedding=word_embedding, head=Linear(weight, bias))
    return replace(params, text=resized)


def resize_rows(rows: Array, size: int, rng: np.random.Generator, std: float) -> Array:
    """Keep the first rows of an array, and draw those that are missing."""
    new = rng.standard_normal((max(0, size - len(rows)), *rows.shape[1:]), np.float32)
    return np.concatenate([rows[:size], new * np.float32(std)])


def with_vectors(params: Git, vectors: Array) -> tuple[Git, Array]:
    """Give vectors (B, T, D) ids of their own, behind the vocabulary: -> params and ids (B, T).

    What reads ids reads vectors then. The head does not know these ids, so none is ever said.
    """
    B, T, D = vectors.shape
    text = params.text
    words = replace_words(params, np.concatenate([text.word_embedding, vectors.reshape(-1, D)]))
    return words, len(text.word_embedding) + np.arange(B * T).reshape(B, T)


def replace_words(params: Git, word_embedding: Array) -> Git:
    """Put another array in the place of the word embedding."""
    given = numbers("the word embeddings", word_embedding)
    D = params.text.word_embedding.shape[1]
    if given.ndim != 2 or given.shape[1] != D:
        raise UserError(f"word embeddings must be of shape (V, {D}); got {given.shape}")
    return replace(params, text=replace(params.text, word_embedding=given))


def replace_head(params: Git, head: Any) -> Git:
    """Put another vocabulary head in its place: a matrix (V, D), with a bias (V,) if it has one."""
    weight = numbers("the vocabulary head", getattr(head, "weight", head))
    V, D = params.text.head.weight.shape
    if weight.ndim != 2 or weight.shape[1] != D:
        raise UserError(f"a vocabulary head must be of shape (V, {D}); got {weight.shape}")
    bias = getattr(head, "bias", None)
    if bias is None:
        bias = params.text.head.bias if len(weight) == V else np.zeros(len(weight), np.float32)
    given = Linear(weight, numbers("the bias of the vocabulary head", bias))
    if given.bias.shape != (len(weight),):
        raise UserError(f"the bias of a vocabulary head must be of shape ({len(weight)},); got "
                        f"{given.bias.shape}")  # fmt: skip
    return replace(params, text=replace(params.text, head=given))
