"""The picture tower: pixels -> image tokens. A CLIP ViT, normalised before each part.

Source: Dosovitskiy et al., arXiv 2010.11929; Radford et al., arXiv 2103.00020; transformers
4.37.2 `modeling_git.py`, GitVisionTransformer. Two habits of GIT differ from CLIP: the last
normalisation serves all tokens, not the class token alone, and nothing is pooled.
"""

from __future__ import annotations

import numpy as np

from .config import GitVisionConfig
from .errors import UserError
from .layers import Trace, attention, layer_norm, mlp, no_trace, scope
from .params import Activation, Array, Block, Vision


def image_tokens(
    pixels: Array, p: Vision, *, config: GitVisionConfig, trace: Trace = no_trace
) -> Array:
    """Encode a batch of stills or clips.

    Stills (B, C, H, W) -> (B, M, D) with M = P + 1 tokens. Clips (B, frames, C, H, W) ->
    (B, M, D) with M = frames * (P + 1): each frame is encoded alone, gets its temporal
    embedding, and the frames stand one after the other. A still gets no temporal embedding,
    in a clip model too. Raises UserError on a wrong rank, size or number of frames.
    """
    check_pixels(pixels, p, config=config)
    trace("pixels", pixels)
    if pixels.ndim == 4:
        return vision_tower(pixels, p, config=config, trace=scope(trace, "vision"))
    B, frames, C, H, W = pixels.shape
    P, D = config.num_patches, config.hidden_size
    stills = pixels.reshape(B * frames, C, H, W)  # (B * frames, C, H, W)
    tokens = vision_tower(stills, p, config=config, trace=scope(trace, "vision"))
    by_frame = tokens.reshape(B, frames, P + 1, D)  # (B, frames, P + 1, D)
    times = p.temporal_embedding[:frames, None, :]  # (frames, 1, D)
    timed = by_frame + times  # (B, frames, P + 1, D)
    clip_tokens = timed.reshape(B, frames * (P + 1), D)  # (B, frames * (P + 1), D)
    trace("clip_tokens", clip_tokens)
    return clip_tokens


def vision_tower(
    pixels: Array, p: Vision, *, config: GitVisionConfig, trace: Trace = no_trace
) -> Array:
    """Encode stills: (B, C, H, W) -> (B, P + 1, D), the class token first."""
    eps = config.layer_norm_eps
    embedded = embed_patches(pixels, p, patch=config.patch_size, trace=trace)
    x = layer_norm(embedded, p.pre_norm, eps=eps)
    trace("x", x)
    for i, block_params in enumerate(p.blocks):
        x = block(
            x,
            block_params,
            heads=config.num_attention_heads,
            eps=eps,
            activation=config.hidden_act,
            trace=scope(trace, str(i)),
        )
    image_tokens = layer_norm(x, p.post_norm, eps=eps)
    trace("image_tokens", image_tokens)
    return image_tokens


def embed_patches(pixels: Array, p: Vision, *, patch: int, trace: Trace = no_trace) -> Array:
    """Turn pixels into tokens with a place: (B, C, H, W) -> (B, P + 1, D)."""
    patches = cut_patches(pixels, patch=patch)
    trace("patches", patches)
    B, P, _ = patches.shape
    D = p.class_embedding.shape[0]
    patch_tokens = patches @ p.patch_embedding.T  # (B, P, D)
    trace("patch_tokens", patch_tokens)
    class_token = np.broadcast_to(p.class_embedding, (B, 1, D))  # (B, 1, D)
    tokens = np.concatenate([class_token, patch_tokens], axis=1)  # (B, P + 1, D)
    embedded = tokens + p.position_embedding  # (B, P + 1, D)
    trace("embedded", embedded)
    return embedded


def cut_patches(pixels: Array, *, patch: int) -> Array:
    """Cut pictures into squares, row by row: (B, C, H, W) -> (B, P, C * patch * patch).

    A convolution whose stride is its kernel is a matrix product over such squares. Rows and
    columns of pixels that do not fill a patch are dropped, as the convolution drops them.
    """
    B, C, H, W = pixels.shape
    rows, columns = H // patch, W // patch
    whole = pixels[:, :, : rows * patch, : columns * patch]
    grid = whole.reshape(B, C, rows, patch, columns, patch)  # (B, C, rows, patch, columns, patch)
    squares = grid.transpose(0, 2, 4, 1, 3, 5)  # (B, rows, columns, C, patch, patch)
    return squares.reshape(B, rows * columns, C * patch * patch)


def block(
    x: Array, p: Block, *, heads: int, eps: float, activation: Activation, trace: Trace = no_trace
) -> Array:
    """One layer, normalised before attention and MLP: (B, T, D) -> (B, T, D).

    The residual stream `x` itself is never normalised. Twin of `text.block`.
    """
    normed = layer_norm(x, p.attention_norm, eps=eps)
    trace("attention_input", normed)
    attended, _ = attention(normed, p.attention, heads=heads, trace=trace)
    x = x + attended
    trace("after_attention", x)
    normed = layer_norm(x, p.mlp_norm, eps=eps)
    trace("mlp_input", normed)
    thought = mlp(normed, p.mlp, activation=activation, trace=trace)
    x = x + thought
    trace("x", x)
    return x


def check_pixels(pixels: Array, p: Vision, *, config: GitVisionConfig) -> None:
    """Refuse pixels that the tower cannot take, before any work."""
    size = config.image_size
    expected = (config.num_channels, size, size)
    if pixels.ndim not in (4, 5):
        raise UserError(
            f"pixel_values must be of rank 4 (B, C, H, W) or 5 (B, frames, C, H, W); "
            f"got shape {pixels.shape}"
        )
    if pixels.shape[-3:] != expected:
        raise UserError(
            f"Input image size ({pixels.shape[-2]}*{pixels.shape[-1]}, "
            f"{pixels.shape[-3]} channels) doesn't match model ({size}*{size}, "
            f"{config.num_channels} channels); prepare pictures with the model's own processor"
        )
    known = p.temporal_embedding.shape[0]
    if pixels.ndim == 5 and not 1 <= pixels.shape[1] <= known:
        raise UserError(
            f"got a clip of {pixels.shape[1]} frames, but this model has temporal embeddings "
            f"for {known} (num_image_with_embedding); pass at most {known} frames, "
            "or stills as (B, C, H, W)"
        )
