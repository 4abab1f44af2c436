"""Checks of what goes into the model, pixels and words, before any work."""

from __future__ import annotations

from ..errors import UserError
from .config import Config, VisionConfig
from .params import Array, Text, Vision


def check_pixels(
    pixels: Array, p: Vision, *, config: VisionConfig, interpolate: bool = False
) -> None:
    """Refuse pixels of a rank, size or number of frames that the vision encoder does not take."""
    size = config.image_size
    if pixels.ndim not in (4, 5):
        raise UserError(
            f"pixel_values must be of rank 4 (B, C, H, W) or 5 (B, frames, C, H, W); "
            f"got shape {pixels.shape}"
        )
    channels, height, width = pixels.shape[-3:]
    fits = min(height, width) >= config.patch_size if interpolate else height == width == size
    if channels != config.num_channels or not fits:
        raise UserError(
            f"Input image size ({height}*{width}, {channels} channels) doesn't match model "
            f"({size}*{size}, {config.num_channels} channels); prepare pictures with the "
            f"model's own processor, or pass interpolate_pos_encoding=True for sizes from "
            f"{config.patch_size} on"
        )
    frames = p.temporal_embedding.shape[0]
    if pixels.ndim == 5 and not 1 <= pixels.shape[1] <= frames:
        most = f"pass at most {frames} frames, or " if frames else "pass "
        raise UserError(
            f"got a clip of {pixels.shape[1]} frames, but this model has temporal embeddings "
            f"for {frames or 'none'} (num_image_with_embedding); {most}stills as (B, C, H, W)"
        )


def check_absolute(config: Config) -> None:
    """Refuse a model with relative positions, which `variants/relative_text.py` runs."""
    if config.position_embedding_type != "absolute":
        raise UserError(
            f"position_embedding_type is {config.position_embedding_type!r}, which model/text.py "
            "does not know; take the functions of `model.variants.relative_text`"
        )


def check_words(ids: Array, positions: Array, p: Text) -> None:
    """Refuse token ids, vectors and positions that the text decoder does not have."""
    V = p.word_embedding.shape[0]
    max_positions = p.position_embedding.shape[0]
    D, is_vectors = p.word_embedding.shape[1], ids.ndim == 3
    if (is_vectors and ids.shape[2] != D) or positions.shape[-1] != ids.shape[1]:
        raise UserError(
            f"words must be ids of shape (B, T), or vectors of shape (B, T, {D}), with positions "
            f"to match; got {ids.shape} and positions {positions.shape}"
        )
    if not is_vectors and ids.size and not 0 <= ids.min() <= ids.max() < V:
        raise UserError(
            f"token ids must lie in 0 to {V - 1}, the vocabulary; got {ids.min()} to {ids.max()}"
        )
    if positions.size and not 0 <= positions.min() <= positions.max() < max_positions:
        raise UserError(
            f"a word would stand at position {positions.max()}, but this model has {max_positions} "
            "positions (max_position_embeddings); use a shorter text or a smaller max_length"
        )
