"""The authors' own layout of a checkpoint: their names, queries, keys and values in one matrix.

Source: microsoft/GenerativeImage2Text at faae4fb; transformers 4.37.2, `convert_git_to_pytorch.py`,
read backwards.
"""

from __future__ import annotations

from collections import OrderedDict

import torch

Tensors = dict[str, torch.Tensor]

TOWER = "git.image_encoder.vision_model."
IN_THE_TOWER = (
    ("embeddings.class_embedding", "class_embedding"),
    ("embeddings.position_embedding.weight", "positional_embedding"),
    ("embeddings.patch_embedding", "conv1"),
    ("pre_layrnorm", "ln_pre"),
    ("post_layernorm", "ln_post"),
    ("encoder.layers", "transformer.resblocks"),
    ("self_attn.out_proj", "attn.out_proj"),
    ("layer_norm", "ln_"),
    ("fc1", "c_fc"),
    ("fc2", "c_proj"),
)
IN_THE_TEXT = (
    ("git.embeddings.word_embeddings", "textual.embedding.words"),
    ("git.embeddings.position_embeddings", "textual.embedding.positions"),
    ("git.embeddings.LayerNorm", "textual.embedding.layer_norm"),
    ("git.visual_projection.", "textual."),
    ("git.encoder", "textual.transformer.encoder"),
)


def authors_tensors(tensors: Tensors) -> Tensors:
    """Name and join tensors as the authors do, CLIP's unused projection among them."""
    theirs: Tensors = OrderedDict()
    for name, tensor in tensors.items():
        if ".self_attn." not in name or "out_proj" in name:
            theirs[authors_name(name)] = tensor
    layers = {name.split(".")[5] for name in tensors if name.startswith(f"{TOWER}encoder.layers.")}
    for layer in sorted(layers, key=int):
        for part in ("weight", "bias"):
            stem = f"{TOWER}encoder.layers.{layer}.self_attn."
            joined = [tensors[f"{stem}{which}_proj.{part}"] for which in "qkv"]
            new = f"image_encoder.transformer.resblocks.{layer}.attn.in_proj_{part}"
            theirs[new] = torch.cat(joined)
    theirs["image_encoder.proj"] = torch.ones(64, 5)
    return theirs


def authors_name(name: str) -> str:
    """Rename one tensor."""
    if name.startswith(TOWER):
        name = "image_encoder." + name.removeprefix(TOWER)
        for ours, new in IN_THE_TOWER:
            name = name.replace(ours, new)
        return name
    if name.startswith("git.img_temperal"):
        return name.removeprefix("git.")
    if name.startswith("output."):
        return f"textual.{name}"
    for ours, new in IN_THE_TEXT:
        name = name.replace(ours, new)
    return name
