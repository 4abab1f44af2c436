"""How models and outputs show themselves: sizes, never numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from ..model.text import Cache


def show_model(name: str, config: Any, params: Any) -> str:
    """Say in a few lines what a model is: widths, layers, heads, and how many numbers it holds."""
    vision = getattr(config, "vision_config", config)
    count = sum(math.prod(shape) for shape in shapes_in(params))
    lines = [
        f"{name} of {count:,} numbers",
        f"  vision encoder: {show_layers(vision)}; {vision.image_size} x {vision.image_size} "
        f"pixels, {vision.num_patches} patches of {vision.patch_size} x {vision.patch_size}",
    ]
    if vision is not config:
        frames = config.num_image_with_embedding
        lines.append(
            f"  text decoder: {show_layers(config)}; {config.vocab_size:,} words, "
            f"{config.max_position_embeddings} positions" + (f", {frames} frames" if frames else "")
        )
    return "\n".join(lines)


def show_layers(config: Any) -> str:
    """Say how deep and how wide one tower is."""
    return (
        f"{config.num_hidden_layers} layers, width {config.hidden_size}, "
        f"{config.num_attention_heads} heads, MLP {config.intermediate_size}"
    )


def show_value(value: Any) -> str:
    """Say what an output holds: an array by dtype and shape, several of a kind by their number."""
    if isinstance(value, Cache):
        layers, image = len(value.text_kv), value.image_kv[0].k.shape[2] if value.image_kv else 0
        rows, words = value.attention_mask.shape
        return f"Cache({layers} layers, {rows} rows, {image} image tokens, {words} words)"
    if isinstance(value, np.ndarray | np.generic):
        return f"{value.dtype} {value.shape}" if value.shape else f"{value.dtype} {value}"
    if isinstance(value, tuple) and value and not hasattr(value, "_fields"):
        shown = [show_value(part) for part in value]
        same = all(part == shown[0] for part in shown)
        return f"{len(value)} x {shown[0]}" if same else f"({', '.join(shown)})"
    return repr(value)


def shapes_in(part: Any) -> Iterator[tuple[int, ...]]:
    """List the shapes of all arrays in nested parameters."""
    if isinstance(part, np.ndarray):
        yield part.shape
    elif isinstance(part, tuple):
        for piece in part:
            yield from shapes_in(piece)
    elif is_dataclass(part):
        for field in fields(part):
            yield from shapes_in(getattr(part, field.name))
