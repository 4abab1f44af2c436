"""Models <-> folders: what `from_pretrained` and `save_pretrained` do for the three classes.

A folder may hold a whole GIT, one without the vocabulary head (GitModel), or the picture tower
alone (GitVisionModel). Names in the files are those of the official ones, with the temporal
embeddings spelled as there: transformers 4.26 to 4.56 read them, later ones lose them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import loading
from ..errors import UserError
from ..loading.checkpoint import TOWER
from ..loading.config import GitConfig, GitVisionConfig
from ..loading.formats import WEIGHTS
from ..loading.names import Take
from ..loading.write_whole import write_tensors, write_whole
from ..model.params import Array, Git, Vision


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
    whole = GitConfig(vision_config=config)
    tensors = inverse(p, lambda take: loading.walk_vision(whole, take))
    write_folder(folder, config.to_dict(), "GitVisionModel", without_prefix(tensors, TOWER))


def tensors_of(params: Git, config: GitConfig) -> dict[str, Array]:
    """List all parameters by their names in the file: the inverse of `loading.params_from`."""
    return inverse(params, lambda take: loading.walk(config, take))


def inverse(params: Any, walk: Callable[[Take], Any]) -> dict[str, Array]:
    """Find out which tensor of the file each parameter is, by sending numbers along `walk`.

    Every tensor is asked for with its number as its content; where the numbers come out, the
    tensors belong. Temporal embeddings, one a frame in the file, are one array here.
    """
    asked: list[tuple[str, tuple[int, ...]]] = []

    def number(name: str, *shape: int) -> Array:
        asked.append((name, shape))
        return np.broadcast_to(np.float32(len(asked) - 1), shape)

    numbers = list(arrays_in(walk(number)))
    tensors = {}
    for where, array in zip(numbers, arrays_in(params), strict=True):
        if where.size == 0:
            continue
        rows = [(where, array)]
        if where.flat[0] != where.flat[-1]:
            rows = list(zip(where, array, strict=True))
        for row_numbers, row in rows:
            name, shape = asked[int(row_numbers.flat[0])]
            tensors[name] = row.reshape(shape) if row.size else row
    return tensors


def arrays_in(part: Any) -> Iterator[Array]:
    """Go through all arrays of nested parameters, in the order of their fields."""
    if isinstance(part, np.ndarray):
        yield part
    elif isinstance(part, tuple):
        for piece in part:
            yield from arrays_in(piece)
    elif is_dataclass(part):
        for field in fields(part):
            yield from arrays_in(getattr(part, field.name))


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
