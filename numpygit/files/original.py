"""The authors' own `model.pt`: their names, and a config from the shapes of its tensors.

Source: microsoft/GenerativeImage2Text at faae4fb, `layers/CLIP/model.py` and `layers/decoder.py`;
transformers 4.37.2, `convert_git_to_pytorch.py`. The shapes say all about the network: width and
patch of the picture tower, the size of pictures (from the number of positions) and the frames of a
clip. `parameter.py` has what they cannot say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..config import GitConfig, GitVisionConfig
from ..errors import UserError
from ..params import Array

TOWER = "git.image_encoder.vision_model."
HEAD_WIDTH = 64  # in both towers of every model of the authors

NAMES = (  # how a name begins: theirs, and in the files of the Hugging Face Hub
    ("image_encoder.class_embedding", f"{TOWER}embeddings.class_embedding"),
    ("image_encoder.positional_embedding", f"{TOWER}embeddings.position_embedding.weight"),
    ("image_encoder.conv1.", f"{TOWER}embeddings.patch_embedding."),
    ("image_encoder.ln_pre.", f"{TOWER}pre_layrnorm."),  # sic
    ("image_encoder.ln_post.", f"{TOWER}post_layernorm."),
    ("image_encoder.transformer.resblocks.", f"{TOWER}encoder.layers."),
    ("textual.embedding.words.", "git.embeddings.word_embeddings."),
    ("textual.embedding.positions.", "git.embeddings.position_embeddings."),
    ("textual.embedding.layer_norm.", "git.embeddings.LayerNorm."),
    ("textual.visual_projection.", "git.visual_projection.visual_projection."),
    ("textual.transformer.encoder.", "git.encoder."),
    ("textual.output.", "output."),
    ("img_temperal_embedding.", "git.img_temperal_embedding."),  # sic
)
PARTS = (  # inside a layer of the picture tower
    (".attn.out_proj.", ".self_attn.out_proj."),
    (".ln_1.", ".layer_norm1."),
    (".ln_2.", ".layer_norm2."),
    (".mlp.c_fc.", ".mlp.fc1."),
    (".mlp.c_proj.", ".mlp.fc2."),
)


def is_original(tensors: Mapping[str, Array]) -> bool:
    """Say whether these are the authors' names."""
    return any(name.removeprefix("module.").startswith("textual.") for name in tensors)


def official_names(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Rename the authors' tensors as they are named on the Hugging Face Hub.

    Their queries, keys and values stand in one matrix, q above k above v: each gets its part,
    without a copy. CLIP's projection into the space of captions is left out: GIT does not use it.
    Unknown names stay as they are. GIT_BASE alone has "module." before every name.
    """
    renamed: dict[str, Array] = {}
    for given, array in tensors.items():
        name = official_name(given.removeprefix("module."))
        stem, _, tail = name.partition(".attn.in_proj_")
        if name == "image_encoder.proj":
            continue
        if tail and (array.ndim == 0 or array.shape[0] % 3 != 0):
            raise UserError(f"{given} has shape {array.shape}, expected three parts: q, k, v")
        if tail:
            third = array.shape[0] // 3
            for i, part in enumerate(("q_proj", "k_proj", "v_proj")):
                renamed[f"{stem}.self_attn.{part}.{tail}"] = array[i * third : (i + 1) * third]
        else:
            renamed[name] = array
    words = "git.embeddings.word_embeddings.weight"
    if words in renamed:  # tied in their program, so that a file may hold it once
        renamed.setdefault("output.weight", renamed[words])
    return renamed


def official_name(name: str) -> str:
    """Rename one tensor."""
    for theirs, ours in NAMES:
        if name.startswith(theirs):
            name = ours + name.removeprefix(theirs)
            break
    if name.startswith(f"{TOWER}encoder.layers."):
        for theirs, ours in PARTS:
            name = name.replace(theirs, ours)
    return name


def config_from(tensors: Mapping[str, Array]) -> GitConfig:
    """Read a config off the shapes of tensors with official names.

    What no shape tells is as in all of the authors' models: heads of width 64, their activations
    and epsilons, BERT's special tokens.
    """
    h, patch = axes(tensors, f"{TOWER}embeddings.patch_embedding.weight", 0, 3)
    (positions,) = axes(tensors, f"{TOWER}embeddings.position_embedding.weight", 0)
    (vision_hidden,) = axes(tensors, f"{TOWER}encoder.layers.0.mlp.fc1.bias", 0)
    vocabulary, D = axes(tensors, "git.embeddings.word_embeddings.weight", 0, 1)
    (places,) = axes(tensors, "git.embeddings.position_embeddings.weight", 0)
    (hidden,) = axes(tensors, "git.encoder.layer.0.intermediate.dense.bias", 0)
    if h % HEAD_WIDTH or D % HEAD_WIDTH:
        raise UserError(
            f"its widths {h} and {D} are no multiples of {HEAD_WIDTH}: add a config.json"
        )
    return GitConfig(
        vision_config=GitVisionConfig(
            hidden_size=h,
            intermediate_size=vision_hidden,
            num_hidden_layers=layers(tensors, TOWER + "encoder.layers.{i}.layer_norm1.bias"),
            num_attention_heads=h // HEAD_WIDTH,
            image_size=math.isqrt(positions - 1) * patch,  # one position is the class token's
            patch_size=patch,
        ),
        vocab_size=vocabulary,
        hidden_size=D,
        num_hidden_layers=layers(tensors, "git.encoder.layer.{i}.output.dense.bias"),
        num_attention_heads=D // HEAD_WIDTH,
        intermediate_size=hidden,
        max_position_embeddings=places,
        num_image_with_embedding=layers(tensors, "git.img_temperal_embedding.{i}") or None,
    )


def axes(tensors: Mapping[str, Array], name: str, *which: int) -> list[int]:
    """Look up some sizes of one tensor: at least 1 each."""
    shape = tensors[name].shape if name in tensors else ()
    if len(shape) <= max(which) or 0 in shape:
        raise UserError(f"it has no {name} of {max(which) + 1} or more axes: it is no GIT model")
    return [shape[axis] for axis in which]


def layers(tensors: Mapping[str, Array], name: str) -> int:
    """Count the layers that have a tensor of this name."""
    count = 0
    while name.format(i=count) in tensors:
        count += 1
    return count
