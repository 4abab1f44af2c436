"""Parameters -> tensors by their names in a file: the other way of `loading.names`.

Temporal embeddings are one array here, and one tensor a frame in a file.
"""

from __future__ import annotations

from ..loading.checkpoint import TOWER
from ..loading.config import GitConfig
from ..loading.names import TEXT_LAYER, VISION_LAYER
from ..model.config import VisionConfig
from ..model.params import Array, Block, Git, LayerNorm, Linear, Text, Vision

VISION = f"{TOWER}vision_model."


def tensors_of(params: Git, config: GitConfig) -> dict[str, Array]:
    """List all parameters by their names in the file; `loading.params_from` goes the other way."""
    return tensors_of_vision(params.vision, config.vision_config) | tensors_of_text(params.text)


def tensors_of_vision(p: Vision, config: VisionConfig) -> dict[str, Array]:
    """List the parameters of the vision encoder; a temporal embedding is one tensor a frame."""
    D, patch = config.hidden_size, config.patch_size
    squares = p.patch_embedding.reshape(D, -1, patch, patch)
    tensors = {
        f"{VISION}embeddings.class_embedding": p.class_embedding,
        f"{VISION}embeddings.patch_embedding.weight": squares,
        f"{VISION}embeddings.position_embedding.weight": p.position_embedding,
    }
    tensors |= weight_and_bias(f"{VISION}pre_layrnorm", p.pre_norm)  # sic
    tensors |= weight_and_bias(f"{VISION}post_layernorm", p.post_norm)
    for i, block in enumerate(p.blocks):
        tensors |= tensors_of_block(block, f"{VISION}encoder.layers.{i}.", VISION_LAYER)
    for i, frame in enumerate(p.temporal_embedding):
        tensors[f"git.img_temperal_embedding.{i}"] = frame.reshape(1, 1, D)  # sic
    return tensors


def tensors_of_text(p: Text) -> dict[str, Array]:
    """List the parameters of the projection, the text decoder and the head."""
    tensors = {
        "git.embeddings.word_embeddings.weight": p.word_embedding,
        "git.embeddings.position_embeddings.weight": p.position_embedding,
    }
    tensors |= weight_and_bias("git.visual_projection.visual_projection.0", p.projection)
    tensors |= weight_and_bias("git.visual_projection.visual_projection.1", p.projection_norm)
    tensors |= weight_and_bias("git.embeddings.LayerNorm", p.embedding_norm)
    tensors |= weight_and_bias("output", p.head)
    for i, block in enumerate(p.blocks):
        layer = f"git.encoder.layer.{i}."
        tensors |= tensors_of_block(block, layer, TEXT_LAYER)
        if block.attention.relative is not None:
            name = f"{layer}attention.self.distance_embedding.weight"
            tensors[name] = block.attention.relative.embedding
    return tensors


def tensors_of_block(block: Block, prefix: str, names: str) -> dict[str, Array]:
    """List the parameters of one layer; `names` as `loading.names` has them."""
    a, m = block.attention, block.mlp
    parts: tuple[Linear | LayerNorm, ...] = (
        a.query,
        a.key,
        a.value,
        a.out,
        block.attention_norm,
        m.up,
        m.down,
        block.mlp_norm,
    )
    tensors: dict[str, Array] = {}
    for name, part in zip(names.split(), parts, strict=True):
        tensors |= weight_and_bias(prefix + name, part)
    return tensors


def weight_and_bias(name: str, part: Linear | LayerNorm) -> dict[str, Array]:
    """List the two arrays of a linear layer or a normalisation."""
    return {f"{name}.weight": part.weight, f"{name}.bias": part.bias}
