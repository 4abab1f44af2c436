"""The vision encoder: pixels -> image tokens. A CLIP ViT, pre-norm: attention and MLP each begin
with layer normalisation.

Source: Dosovitskiy et al., arXiv 2010.11929; Radford et al., arXiv 2103.00020; transformers
4.37.2 `modeling_git.py`, GitVisionTransformer. Two habits of GIT differ from CLIP: the last
normalisation serves all tokens, not the class token alone, and nothing is pooled.
"""

from __future__ import annotations

import numpy as np

from .checks import check_pixels
from .config import VisionConfig
from .layers import Trace, attention, layer_norm, mlp, no_trace, scope
from .params import Activation, Array, Block, Vision
from .variants.other_sizes import resize_positions


def image_tokens(
    pixels: Array,
    p: Vision,
    *,
    config: VisionConfig,
    interpolate: bool = False,
    trace: Trace = no_trace,
) -> Array:
    """Encode a batch of stills or clips.

    Stills (B, C, H, W) -> (B, M, D) with M = P + 1 tokens. Clips (B, frames, C, H, W) ->
    (B, M, D) with M = frames * (P + 1): each frame is encoded alone, gets its temporal
    embedding, and the frames stand one after the other. A still gets no temporal embedding,
    in a clip model too. Pictures of other sizes, not square ones too, are taken only with
    `interpolate`, which stretches the grid of position embeddings over them. Raises UserError on
    a wrong rank, size or number of frames.
    """
    check_pixels(pixels, p, config=config, interpolate=interpolate)
    trace("pixels", pixels)
    vision_trace = scope(trace, "vision")
    if pixels.ndim == 4:
        return vision_tower(pixels, p, config=config, interpolate=interpolate, trace=vision_trace)
    B, frames, C, H, W = pixels.shape
    stills = pixels.reshape(B * frames, C, H, W)  # (B * frames, C, H, W)
    tokens = vision_tower(stills, p, config=config, interpolate=interpolate, trace=vision_trace)
    P, D = tokens.shape[1] - 1, config.hidden_size
    by_frame = tokens.reshape(B, frames, P + 1, D)  # (B, frames, P + 1, D)
    temporal = p.temporal_embedding[:frames, None, :]  # (frames, 1, D)
    timed = by_frame + temporal  # (B, frames, P + 1, D)
    clip_tokens = timed.reshape(B, frames * (P + 1), D)  # (B, frames * (P + 1), D)
    trace("clip_tokens", clip_tokens)
    return clip_tokens


def vision_tower(
    pixels: Array,
    p: Vision,
    *,
    config: VisionConfig,
    interpolate: bool,
    trace: Trace = no_trace,
) -> Array:
    """Encode stills: (B, C, H, W) -> (B, P + 1, D), the class token first."""
    eps = config.layer_norm_eps
    patch = config.patch_size
    embedded = embed_patches(pixels, p, patch=patch, interpolate=interpolate, trace=trace)
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


def embed_patches(
    pixels: Array, p: Vision, *, patch: int, interpolate: bool = False, trace: Trace = no_trace
) -> Array:
    """Patch and position embeddings, the class token first: (B, C, H, W) -> (B, P + 1, D)."""
    patches = cut_patches(pixels, patch=patch)
    trace("patches", patches)
    B, P, _ = patches.shape
    D = p.class_embedding.shape[0]
    patch_tokens = patches @ p.patch_embedding.T  # (B, P, D)
    trace("patch_tokens", patch_tokens)
    class_token = np.broadcast_to(p.class_embedding, (B, 1, D))  # (B, 1, D)
    tokens = np.concatenate([class_token, patch_tokens], axis=1)  # (B, P + 1, D)
    positions = p.position_embedding
    if interpolate:
        rows, columns = pixels.shape[2] // patch, pixels.shape[3] // patch
        positions = resize_positions(positions, rows=rows, columns=columns)  # (P + 1, D)
    embedded = tokens + positions  # (B, P + 1, D)
    trace("embedded", embedded)
    return embedded


def cut_patches(pixels: Array, *, patch: int) -> Array:
    """Cut pictures into patches, row by row: (B, C, H, W) -> (B, P, C * patch * patch).

    A convolution whose stride is its kernel is a matrix product over such patches. Rows and
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
    """One pre-norm layer: (B, T, D) -> (B, T, D).

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
