"""A checkpoint folder -> config and params: a whole GIT, one without a head, or a vision tower."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..model.params import Array, Git, Linear, Vision
from .config import GitConfig, GitVisionConfig, read_config
from .formats import read_tensors
from .names import IGNORED, check_tensors, official_name, params_from, walk_vision

TOWER = "git.image_encoder."


def load_body(folder: Path) -> tuple[GitConfig, Git]:
    """Read a model without its vocabulary head, from a file that may lack one."""
    config, params = load(folder, with_head=False)
    return config, headless(params)


def load_tower(folder: Path) -> tuple[GitVisionConfig, Vision]:
    """Read the picture tower, from a file of its own or out of a whole GIT.

    transformers 4.37.2 finds none of its tensors in a whole GIT and leaves all of them random.
    """
    config = GitVisionConfig.from_pretrained(folder)
    whole = GitConfig(vision_config=config)
    expected: dict[str, tuple[int, ...]] = {}

    def note(name: str, *shape: int) -> Array:
        expected[name] = shape
        return np.broadcast_to(np.float32(0), shape)

    def take(name: str, *shape: int) -> Array:
        return found[name]

    walk_vision(whole, note)
    check_tensors(tower_of(folder, look_only=True), expected, source=str(folder))
    found = tower_of(folder)
    check_tensors(found, expected, source=str(folder))
    return config, walk_vision(whole, take)


def tower_of(folder: Path, *, look_only: bool = False) -> dict[str, Array]:
    """Read the tensors of the picture tower."""
    tensors = read_tensors(folder, look_only=look_only)
    named = {official_name(name): array for name, array in tensors.items()}
    return {n: a for n, a in named.items() if n.startswith(TOWER) and n not in IGNORED}


# ---------------------------------------------------------------- files -> tensors


def load(folder: Path, *, with_head: bool = True) -> tuple[GitConfig, Git]:
    """Read config and parameters of a checkpoint folder.

    Names and shapes are held against the config before a number is read, so that a file that does
    not fit costs nothing.
    """
    config = read_config(folder)
    for look_only in (True, False):
        tensors = read_tensors(folder, look_only=look_only)
        if not with_head:
            V, D = config.vocab_size, config.hidden_size
            tensors.setdefault("output.weight", np.broadcast_to(np.float32(0), (V, D)))
            tensors.setdefault("output.bias", np.broadcast_to(np.float32(0), (V,)))
        params = params_from(tensors, config, source=str(folder))
    return config, params


def headless(params: Git) -> Git:
    """Give the model a vocabulary head of no words, so that it costs nothing."""
    D = params.text.word_embedding.shape[1]
    none = Linear(np.zeros((0, D), np.float32), np.zeros(0, np.float32))
    return replace(params, text=replace(params.text, head=none))
