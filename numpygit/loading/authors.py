"""A config for the authors' own `model.pt`, which has none: read off the shapes of its tensors.

Source: microsoft/GenerativeImage2Text at faae4fb; transformers 4.37.2, `convert_git_to_pytorch.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from ..errors import UserError
from ..model.config import Config, VisionConfig
from ..model.params import Array
from .formats import ORIGINAL
from .formats.authors_names import TOWER
from .formats.authors_settings import ENCODERS, Parameters, parameters_of


def authors_config(folder: Path, tensors: Mapping[str, Array]) -> Config:
    """Say what the authors' config.json would say: the shapes tell it, the settings agree."""
    try:
        config = config_from(tensors)
        if settings := parameters_of(folder):
            check_parameters(config, settings[0], source=settings[1])
    except UserError as error:
        raise UserError(f"{folder / ORIGINAL} cannot be used: {error}") from None
    return config


HEAD_WIDTH = 64  # in both towers of every model of the authors


def config_from(tensors: Mapping[str, Array]) -> Config:
    """Read a config off the shapes of tensors with official names.

    What no shape tells is as in all of the authors' models: heads of width 64, their activations
    and epsilons, BERT's special tokens.
    """
    h, patch = axes(tensors, f"{TOWER}embeddings.patch_embedding.weight", 0, 3)
    (positions,) = axes(tensors, f"{TOWER}embeddings.position_embedding.weight", 0)
    (vision_hidden,) = axes(tensors, f"{TOWER}encoder.layers.0.mlp.fc1.bias", 0)
    vocabulary, D = axes(tensors, "git.embeddings.word_embeddings.weight", 0, 1)
    (max_positions,) = axes(tensors, "git.embeddings.position_embeddings.weight", 0)
    (hidden,) = axes(tensors, "git.encoder.layer.0.intermediate.dense.bias", 0)
    if h % HEAD_WIDTH or D % HEAD_WIDTH:
        raise UserError(
            f"its widths {h} and {D} are no multiples of {HEAD_WIDTH}: add a config.json"
        )
    return Config(
        vision_config=VisionConfig(
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
        max_position_embeddings=max_positions,
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


def check_parameters(config: Config, parameters: Parameters, *, source: str) -> None:
    """Hold a model's settings against the sizes that its tensors have."""
    vision = config.vision_config
    width_and_patch = ENCODERS.get(parameters.image_encoder_type)
    sizes = {
        "test_crop_size": (parameters.test_crop_size, vision.image_size),
        "num_image_with_embedding": (
            parameters.num_image_with_embedding,
            config.num_image_with_embedding or 0,
        ),
        "width and patch of the image_encoder_type": (
            width_and_patch,
            (vision.hidden_size, vision.patch_size) if width_and_patch else None,
        ),
    }
    for name, (setting, shape) in sizes.items():
        if setting != shape:
            raise UserError(f"{name} is {setting} in {source}, and {shape} in the file of weights")
