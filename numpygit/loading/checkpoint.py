"""A checkpoint folder -> config and params: a whole GIT, one without a head, or a vision tower."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..fast.memory import check_memory
from ..model.params import Array, Git, Linear, Vision
from .adapter import with_adapter
from .config import GitConfig, GitVisionConfig, read_config
from .formats import is_mapped, read_tensors, weights_file
from .names import IGNORED, check_tensors, official_name, params_from, walk_vision
from .pruned_heads import grow

LOG = logging.getLogger("numpygit")
TOWER = "git.image_encoder."


def load(folder: Path, *, adapter: Path | None = None) -> tuple[GitConfig, Git]:
    """Read config and parameters of a checkpoint folder, with the adapter of another folder."""
    config = read_config(folder)
    return config, fitting(folder, whole_from, config, adapter=adapter)


def load_body(folder: Path) -> tuple[GitConfig, Git]:
    """Read a model without its vocabulary head, from a file that may lack one."""
    config = read_config(folder)
    return config, fitting(folder, body_from, config)


def load_tower(folder: Path) -> tuple[GitVisionConfig, Vision]:
    """Read the vision encoder, from a file of its own or out of a whole GIT.

    transformers 4.37.2 finds none of its tensors in a whole GIT and leaves all of them random.
    """
    config = GitVisionConfig.from_pretrained(folder)
    return config, fitting(folder, tower_from, config)


def fitting(
    folder: Path, make: Callable[..., Any], config: Any, *, adapter: Path | None = None
) -> Any:
    """Make params of the tensors of a folder.

    Names and shapes are held against the config before a number is read, so that a file that does
    not fit, or is too large for the memory, costs nothing.
    """
    check_config(config, folder)
    source = str(weights_file(folder))
    LOG.info("weights: %s", source)
    look = with_adapter(read_tensors(folder, look_only=True), adapter, look_only=True)
    make(look, config, source=source)
    check_room(look, source)
    return make(with_adapter(read_tensors(folder), adapter), config, source=source)


def check_room(look: Mapping[str, Array], source: object) -> None:
    """Refuse tensors that the memory cannot hold, by what stands for them before they are read."""
    copied = sum(array.nbytes for array in look.values() if not is_mapped(array))
    check_memory(sum(array.nbytes for array in look.values()), source, copied=copied)


def check_config(config: Any, folder: Path | None) -> None:
    """Refuse sizes that no model can have, naming the file that says so."""
    try:
        config.check()
    except UserError as error:
        where = "" if folder is None else f"{folder / 'config.json'}: "
        raise UserError(f"{where}{error}") from None


# ---------------------------------------------------------------- tensors -> params


def whole_from(tensors: Mapping[str, Array], config: GitConfig, *, source: str) -> Git:
    """Make the params of a whole GIT; pruned heads come back with an output of 0."""
    named = {official_name(name): array for name, array in tensors.items()}
    return params_from(grow(named, config), config, source=source)


def body_from(tensors: Mapping[str, Array], config: GitConfig, *, source: str) -> Git:
    """Make the params of a GIT without a vocabulary head, whether the tensors hold one or not."""
    V, D = config.vocab_size, config.hidden_size
    head = {"output.weight": np.broadcast_to(np.float32(0), (V, D)),
            "output.bias": np.broadcast_to(np.float32(0), (V,))}  # fmt: skip
    return headless(whole_from({**head, **tensors}, config, source=source))


def tower_from(tensors: Mapping[str, Array], config: GitVisionConfig, *, source: str) -> Vision:
    """Make the params of a vision encoder, from its own tensors or those of a whole GIT."""
    whole = GitConfig(vision_config=config)
    expected: dict[str, tuple[int, ...]] = {}

    def note(name: str, *shape: int) -> Array:
        expected[name] = shape
        return np.broadcast_to(np.float32(0), shape)

    def take(name: str, *shape: int) -> Array:
        return found[name]

    walk_vision(whole, note)
    named = {official_name(name): array for name, array in tensors.items()}
    found = {
        name: array
        for name, array in named.items()
        if name.startswith(TOWER) and name not in IGNORED
    }
    check_tensors(found, expected, source=source)
    return walk_vision(whole, take)


def headless(params: Git) -> Git:
    """Give the model a vocabulary head of no words, so that it costs nothing."""
    D = params.text.word_embedding.shape[1]
    none = Linear(np.zeros((0, D), np.float32), np.zeros(0, np.float32))
    return replace(params, text=replace(params.text, head=none))
