"""Tensors by their names in a file <-> params.

`walk` is the one table of names: it goes through the whole model once and asks for every tensor
by its name in the file and its shape. Asked with different questions, it lists the names, builds
the parameters, or names what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np

from ..errors import UserError
from ..model.config import Config
from ..model.params import (
    MLP,
    Array,
    Attention,
    Block,
    Git,
    LayerNorm,
    Linear,
    Relative,
    Text,
    Vision,
    named_arrays,
)
from .formats.mapped import DTYPES, FLOATS

Take = Callable[..., Array]

# Buffers that the official files carry and no model needs (transformers before 4.31 saved them).
IGNORED = (
    "git.embeddings.position_ids",
    "git.image_encoder.vision_model.embeddings.position_ids",
)
WORD_EMBEDDING = "git.embeddings.word_embeddings.weight"
# The parts of one layer, in the order of the fields of Block
VISION_LAYER = (
    "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.out_proj "
    "layer_norm1 mlp.fc1 mlp.fc2 layer_norm2"
)
TEXT_LAYER = (
    "attention.self.query attention.self.key attention.self.value "
    "attention.output.dense attention.output.LayerNorm "
    "intermediate.dense output.dense output.LayerNorm"
)
# What a file holds whose names lack `git.`
BODY = ("embeddings.", "encoder.", "image_encoder.", "visual_projection.", "img_temp")


# ---------------------------------------------------------------- names


def walk(config: Config, take: Take) -> Git:
    """Go through the model and ask `take(name, *shape)` for every tensor."""
    return Git(walk_vision(config, take), walk_text(config, take))


def walk_vision(config: Config, take: Take) -> Vision:
    """Ask for the tensors of the vision encoder."""
    c = config.vision_config
    D, patch = c.hidden_size, c.patch_size
    tower = "git.image_encoder.vision_model."
    frames = range(config.num_image_with_embedding or 0)
    times = [take(f"git.img_temperal_embedding.{i}", 1, 1, D) for i in frames]  # sic
    temporal = np.concatenate([np.zeros((0, D), np.float32)] + [t[0] for t in times])
    temporal.flags.writeable = any(t.flags.writeable for t in times)  # as what it is made of
    patches = take(f"{tower}embeddings.patch_embedding.weight", D, c.num_channels, patch, patch)
    return Vision(
        patch_embedding=patches.reshape(D, -1),
        class_embedding=take(f"{tower}embeddings.class_embedding", D),
        position_embedding=take(
            f"{tower}embeddings.position_embedding.weight", c.num_patches + 1, D
        ),
        pre_norm=walk_norm(take, f"{tower}pre_layrnorm", D),  # sic
        blocks=tuple(
            walk_block(
                take,
                f"{tower}encoder.layers.{i}.",
                VISION_LAYER,
                D,
                c.intermediate_size,
            )
            for i in range(c.num_hidden_layers)
        ),
        post_norm=walk_norm(take, f"{tower}post_layernorm", D),
        temporal_embedding=temporal,
    )


def walk_text(config: Config, take: Take) -> Text:
    """Ask for the tensors of the projection, the decoder and the head."""
    D, V = config.hidden_size, config.vocab_size
    projection = "git.visual_projection.visual_projection."
    return Text(
        projection=walk_linear(take, f"{projection}0", config.vision_config.hidden_size, D),
        projection_norm=walk_norm(take, f"{projection}1", D),
        word_embedding=take("git.embeddings.word_embeddings.weight", V, D),
        position_embedding=take(
            "git.embeddings.position_embeddings.weight", config.max_position_embeddings, D
        ),
        embedding_norm=walk_norm(take, "git.embeddings.LayerNorm", D),
        blocks=tuple(
            walk_block(
                take,
                f"git.encoder.layer.{i}.",
                TEXT_LAYER,
                D,
                config.intermediate_size,
                walk_relative(take, f"git.encoder.layer.{i}.attention.self.", config),
            )
            for i in range(config.num_hidden_layers)
        ),
        head=walk_linear(take, "output", D, V),
    )


def walk_relative(take: Take, prefix: str, config: Config) -> Relative | None:
    """Ask for the vectors of relative positions, if the config has such."""
    if config.position_embedding_type == "absolute":
        return None
    distances, A = (
        2 * config.max_position_embeddings - 1,
        config.hidden_size // config.num_attention_heads,
    )
    return Relative(
        embedding=take(f"{prefix}distance_embedding.weight", distances, A),
        by_key=config.position_embedding_type == "relative_key_query",
    )


def walk_block(
    take: Take, prefix: str, names: str, D: int, F: int, relative: Relative | None = None
) -> Block:
    """Ask for the tensors of one layer; `names` in the order of the fields of Block."""
    q, k, v, out, attention_norm, up, down, mlp_norm = [prefix + name for name in names.split()]
    return Block(
        attention=Attention(
            query=walk_linear(take, q, D, D),
            key=walk_linear(take, k, D, D),
            value=walk_linear(take, v, D, D),
            out=walk_linear(take, out, D, D),
            relative=relative,
        ),
        attention_norm=walk_norm(take, attention_norm, D),
        mlp=MLP(up=walk_linear(take, up, D, F), down=walk_linear(take, down, F, D)),
        mlp_norm=walk_norm(take, mlp_norm, D),
    )


def walk_linear(take: Take, name: str, inside: int, outside: int) -> Linear:
    """Ask for a matrix and its bias."""
    return Linear(take(f"{name}.weight", outside, inside), take(f"{name}.bias", outside))


def walk_norm(take: Take, name: str, D: int) -> LayerNorm:
    """Ask for the scale and shift of a normalisation."""
    return LayerNorm(take(f"{name}.weight", D), take(f"{name}.bias", D))


def tensor_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """List every tensor of a checkpoint: name in the file -> shape."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, *shape: int) -> Array:
        shapes[name] = shape
        return np.broadcast_to(np.float32(0), shape)

    walk(config, note)
    return shapes


# ---------------------------------------------------------------- tensors -> params


def params_from(tensors: Mapping[str, Array], config: Config, *, source: str) -> Git:
    """Put tensors into their places, after checking every name and shape.

    Raises UserError that names what is missing, unknown or misshapen. `source` is named in it.
    """
    found = {official_name(name): array for name, array in tensors.items()}
    found = {name: array for name, array in found.items() if name not in IGNORED}
    if config.tie_word_embeddings and WORD_EMBEDDING in found:
        found["output.weight"] = found[WORD_EMBEDDING]
    check_tensors(found, tensor_shapes(config), source=source)

    def take(name: str, *shape: int) -> Array:
        return found[name]

    return walk(config, take)


def official_name(name: str) -> str:
    """Give a tensor the name it has in the official files, however it was saved.

    transformers 4.57 and later spell the temporal embeddings another way; GitModel saves names
    without `git.`, GitVisionModel without `git.image_encoder.`.
    """
    if name.startswith("vision_model."):
        name = f"git.image_encoder.{name}"
    if name.startswith(BODY):
        name = f"git.{name}"
    return name.replace("git.img_temporal_embedding.", "git.img_temperal_embedding.")


def check_tensors(
    found: Mapping[str, Array], expected: Mapping[str, tuple[int, ...]], *, source: str
) -> None:
    """Compare names, shapes and kinds of numbers with what the config asks for."""
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    misfits = [n for n in expected if n in found and misfit(found[n], expected[n])]
    lines = []
    for name in [*missing, *unknown, *misfits][:5]:
        if name in missing:
            near = get_close_matches(name, unknown, n=1, cutoff=0.8)
            lines.append(f"missing {name}" + (f" (the file has {near[0]})" if near else ""))
        elif name in unknown:
            near = get_close_matches(name, missing or expected, n=1, cutoff=0.8)
            lines.append(f"unknown {name}" + (f" (expected is {near[0]})" if near else ""))
        else:
            lines.append(f"{name} has {misfit(found[name], expected[name])}")
    more = len(missing) + len(unknown) + len(misfits) - len(lines)
    if lines:
        shown = "; ".join(lines) + (f"; and {more} more" if more else "")
        raise UserError(f"{source} does not fit its config.json: {shown}")


def misfit(array: Array, shape: tuple[int, ...]) -> str:
    """Say what is wrong with a tensor's shape or numbers, if anything is."""
    if array.shape != shape:
        return f"shape {array.shape}, its config says {shape}"
    if array.dtype != np.float32:
        dtype = next(name for name, kind in DTYPES.items() if kind == array.dtype)
        return f"dtype {dtype}; expected one of {', '.join(FLOATS)}"
    return ""


def not_finite(params: Any) -> Iterator[str]:
    """Name the arrays of params that hold infinities or NaN. This reads every number."""
    arrays = named_arrays(params, "params")
    return (name for name, array in arrays if not np.isfinite(array).all())
