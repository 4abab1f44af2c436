"""The names in the authors' own `model.pt` -> the names of the Hub.

Source: microsoft/GenerativeImage2Text at faae4fb, `layers/CLIP/model.py` and `layers/decoder.py`;
transformers 4.37.2, `convert_git_to_pytorch.py`. The shapes say all about the network: width and
patch of the vision encoder, the size of pictures (from the number of positions) and the frames of a
clip. `authors_settings.py` has what they cannot say.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import UserError
from ...model.params import Array

TOWER = "git.image_encoder.vision_model."

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
PARTS = (  # inside a layer of the vision encoder
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
