"""A checkpoint folder -> config and params: a whole GIT, one without a head, or a vision tower."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..model.params import Array, Git, Linear, Vision
from .authors import authors_config
from .config import GitConfig, GitVisionConfig, read_config, stored
from .find import is_authors
from .formats import read_tensors
from .names import IGNORED, check_tensors, official_name, params_from, walk_vision

TOWER = "git.image_encoder."


def load_body(folder: Path) -> tuple[GitConfig, Git]:
    """Read a model without its vocabulary head, from a file that may lack one."""
    config = read_config(folder)
    tensors = read_tensors(folder)
    V, D = config.vocab_size, config.hidden_size
    tensors.setdefault("output.weight", np.broadcast_to(np.float32(0), (V, D)))
    tensors.setdefault("output.bias", np.broadcast_to(np.float32(0), (V,)))
    return config, headless(params_from(tensors, config, source=str(folder)))


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
    named = {official_name(n): a for n, a in read_tensors(folder).items()}
    found = {
        name: array
        for name, array in named.items()
        if name.startswith(TOWER) and name not in IGNORED
    }
    check_tensors(found, expected, source=str(folder))
    return config, walk_vision(whole, take)


# ---------------------------------------------------------------- files -> tensors


def load(folder: Path) -> tuple[GitConfig, Git]:
    """Read config and parameters of a checkpoint folder."""
    if is_authors(folder):
        tensors = read_tensors(folder)
        config = stored(authors_config(folder, tensors))
    else:
        config = read_config(folder)
        tensors = read_tensors(folder)
    return config, params_from(tensors, config, source=str(folder))


def headless(params: Git) -> Git:
    """Give the model a vocabulary head of no words, so that it costs nothing."""
    D = params.text.word_embedding.shape[1]
    none = Linear(np.zeros((0, D), np.float32), np.zeros(0, np.float32))
    return replace(params, text=replace(params.text, head=none))
