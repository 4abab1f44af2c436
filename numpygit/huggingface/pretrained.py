"""Models <-> folders: what `from_pretrained` and `save_pretrained` do for the three classes.

A folder may hold a whole GIT, one without the vocabulary head (GitModel), or the picture tower
alone (GitVisionModel). Names in the files are those of the official ones, with the temporal
embeddings spelled as there: transformers 4.26 to 4.56 read them, later ones lose them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..loading.checkpoint import TOWER
from ..loading.config import GitConfig, GitVisionConfig
from ..loading.formats import WEIGHTS
from ..loading.names import TEXT_LAYER, VISION_LAYER
from ..loading.write_whole import write_tensors, write_whole
from ..model.config import VisionConfig
from ..model.params import Array, Block, Git, LayerNorm, Linear, Text, Vision

VISION = f"{TOWER}vision_model."


def save_model(folder: str | Path, config: GitConfig, params: Git) -> None:
    """Write a whole GIT, or one without a head, so that transformers can read it."""
    tensors = tensors_of(params, config)
    architecture, prefix = "GitForCausalLM", ""
    if len(params.text.head.bias) == 0:
        architecture, prefix = "GitModel", "git."
        tensors = {n: a for n, a in tensors.items() if not n.startswith("output.")}
    if config.tie_word_embeddings:
        tensors.pop("output.weight", None)
    write_folder(folder, config.to_dict(), architecture, without_prefix(tensors, prefix))


def save_tower(folder: str | Path, config: GitVisionConfig, p: Vision) -> None:
    """Write a picture tower alone."""
    tensors = tensors_of_vision(replace(p, temporal_embedding=p.temporal_embedding[:0]), config)
    write_folder(folder, config.to_dict(), "GitVisionModel", without_prefix(tensors, TOWER))


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


def without_prefix(tensors: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Shorten names, as the official classes do when they save a part."""
    return {name.removeprefix(prefix): array for name, array in tensors.items()}


def write_folder(
    folder: str | Path, config: Mapping[str, Any], architecture: str, tensors: Mapping[str, Array]
) -> None:
    """Write `config.json` and `model.safetensors`: each is there whole, or not at all."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; give the name of a folder to save into")
    folder.mkdir(parents=True, exist_ok=True)
    values = {**config, "architectures": [architecture], "torch_dtype": "float32"}
    try:
        text = json.dumps(values, indent=2, sort_keys=True) + "\n"
    except TypeError as error:
        raise UserError(f"config.json cannot hold these settings: {error}") from None
    packed = {n: np.ascontiguousarray(a, np.float32) for n, a in tensors.items()}
    write_tensors(folder / WEIGHTS, packed, {"format": "pt"})
    write_whole(folder / "config.json", lambda path: path.write_text(text, encoding="utf-8"))
