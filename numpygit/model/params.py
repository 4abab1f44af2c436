"""The learned numbers of a GIT model: frozen dataclasses of arrays, a shape on every field.

Weights lie as they lie in the file, (out, in), so that a memory-mapped checkpoint is used
without a copy. All arrays are float32.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Activation: TypeAlias = str | Callable[[Array], Array]  # a name, or the function itself


@dataclass(frozen=True)
class Linear:
    """y = x @ weight.T + bias."""

    weight: Array  # (out, in)
    bias: Array  # (out,)


@dataclass(frozen=True)
class LayerNorm:
    """Scale and shift after normalisation."""

    weight: Array  # (D,)
    bias: Array  # (D,)


@dataclass(frozen=True)
class Relative:
    """A vector for every distance between two tokens, of models with relative positions."""

    embedding: Array  # (2 * max_positions - 1, A), from the furthest behind to the furthest ahead
    by_key: bool  # whether keys, and not queries alone, are scored with it


@dataclass(frozen=True)
class Attention:
    """Multi-head self-attention: three projections in, one out."""

    query: Linear  # D -> D, seen as N heads of width A
    key: Linear  # D -> D
    value: Linear  # D -> D
    out: Linear  # D -> D
    relative: Relative | None = None


@dataclass(frozen=True)
class MLP:
    """The feed-forward part: two linear layers with an activation between them."""

    up: Linear  # D -> F
    down: Linear  # F -> D


@dataclass(frozen=True)
class Block:
    """One transformer layer, of either tower.

    The vision encoder normalises before attention and MLP (pre-norm), the text decoder after them
    (post-norm).
    """

    attention: Attention
    attention_norm: LayerNorm
    mlp: MLP
    mlp_norm: LayerNorm


@dataclass(frozen=True)
class Vision:
    """The vision encoder, a CLIP ViT."""

    patch_embedding: Array  # (D, C * patch * patch), no bias
    class_embedding: Array  # (D,)
    position_embedding: Array  # (P + 1, D), the class token first
    pre_norm: LayerNorm
    blocks: tuple[Block, ...]  # L
    post_norm: LayerNorm
    temporal_embedding: Array  # (frames, D), no frames in a model for stills


@dataclass(frozen=True)
class Text:
    """The projection of image tokens, the text decoder, and the vocabulary head."""

    projection: Linear  # vision D -> text D
    projection_norm: LayerNorm
    word_embedding: Array  # (V, D)
    position_embedding: Array  # (max_positions, D)
    embedding_norm: LayerNorm
    blocks: tuple[Block, ...]  # L
    head: Linear  # D -> V


@dataclass(frozen=True)
class Git:
    """Everything a checkpoint holds."""

    vision: Vision
    text: Text


def named_arrays(part: Any, prefix: str = "") -> Iterator[tuple[str, Array]]:
    """Walk through all arrays of nested parameters (or gradients), in order, each with its name."""
    if isinstance(part, np.ndarray):
        yield prefix, part
    elif isinstance(part, tuple):
        for i, piece in enumerate(part):
            yield from named_arrays(piece, f"{prefix}.{i}")
    elif is_dataclass(part):
        start = f"{prefix}." if prefix else ""
        for field in fields(part):
            yield from named_arrays(getattr(part, field.name), start + field.name)
