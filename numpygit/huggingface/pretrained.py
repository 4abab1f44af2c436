"""Models <-> folders: what `from_pretrained` and `save_pretrained` do for the three classes.

A folder may hold a whole GIT, one without the vocabulary head (GitModel), or the vision encoder
alone (GitVisionModel). Names in the files are those of the official ones, with the temporal
embeddings spelled as there: transformers 4.26 to 4.56 read them, later ones lose them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..decoding.options import save_options
from ..decoding.options.config import GENERATION
from ..errors import UserError, expect
from ..loading.checkpoint import TOWER
from ..loading.config import GitConfig, GitVisionConfig
from ..loading.hub.push import check_saving, made_folder, push_folder
from ..loading.pruned_heads import cut
from ..loading.write_whole import write_tensors, write_whole
from ..model.params import Array, Git, Vision
from .tensors import tensors_of, tensors_of_vision


class Saved(Protocol):
    """A model that can be written: its config, and parameters by their names in a file."""

    config: Any

    def tensors(self) -> dict[str, Array]:
        """List the parameters."""


def save(
    model: Saved,
    folder: str | Path,
    *,
    state_dict: Mapping[str, Any] | None = None,
    with_config: bool = True,
    most: int | str = "5GB",
    variant: str | None = None,
    upload: bool = False,
    **keywords: Any,
) -> None:
    """Write a model into a folder, so that transformers can read it; see `save_pretrained`."""
    check_saving(keywords)
    folder = made_folder(folder)
    if state_dict is not None:
        expect("state_dict", state_dict, Mapping, "a dict of arrays by their names")
    tensors = model.tensors() if state_dict is None else state_dict
    tensors = {name: np.asarray(array, np.float32) for name, array in tensors.items()}
    if getattr(model.config, "tie_word_embeddings", False):
        tensors.pop("output.weight", None)
    files = write_weights(folder, tensors, most=most, variant=variant)
    if with_config:
        write_config(folder / "config.json", model.config, type(model).__name__)
        files.append("config.json")
        if hasattr(model, "generation_config"):
            save_options(folder, model.generation_config)
            files.append(GENERATION)
    if upload:
        push_folder(folder, files, **keywords)


def whole_tensors(params: Git, config: GitConfig) -> dict[str, Array]:
    """List the parameters of a whole GIT, pruned heads cut out, by their names in a file."""
    return cut(tensors_of(params, config), config)


def body_tensors(params: Git, config: GitConfig) -> dict[str, Array]:
    """List the parameters of a GIT without its head, by their names in a file."""
    tensors = {n: a for n, a in whole_tensors(params, config).items() if n.startswith("git.")}
    return without_prefix(tensors, "git.")


def tower_tensors(params: Vision, config: GitVisionConfig) -> dict[str, Array]:
    """List the parameters of a vision encoder alone, by their names in a file."""
    stills = replace(params, temporal_embedding=params.temporal_embedding[:0])
    return without_prefix(tensors_of_vision(stills, config), TOWER)


def without_prefix(tensors: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Shorten names, as the official classes do when they save a part."""
    return {name.removeprefix(prefix): array for name, array in tensors.items()}


def write_config(path: Path, config: GitConfig | GitVisionConfig, architecture: str) -> None:
    """Write `config.json`: it is there whole, or not at all."""
    values = {**config.to_dict(), "architectures": [architecture], "torch_dtype": "float32"}
    try:
        text = json.dumps(values, indent=2, sort_keys=True) + "\n"
    except TypeError as error:
        raise UserError(f"config.json cannot hold these settings: {error}") from None
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_weights(
    folder: Path, tensors: Mapping[str, Array], *, most: int | str, variant: str | None
) -> list[str]:
    """Write `model.safetensors`, or shards of at most so many bytes and their index: -> names."""
    shards = shards_of(tensors, bytes_of(most))
    middle = f".{variant}" if variant else ""
    if len(shards) == 1:
        names = [f"model{middle}.safetensors"]
    else:
        names = [f"model{middle}-{i + 1:05}-of-{len(shards):05}.safetensors"
                 for i in range(len(shards))]  # fmt: skip
    for old in folder.glob("model*.safetensors*"):  # of an earlier save, in other shards
        if old.name not in names and belongs(old.name, middle):
            old.unlink()
    for name, shard in zip(names, shards, strict=True):
        packed = {n: np.ascontiguousarray(a, np.float32) for n, a in shard.items()}
        write_tensors(folder / name, packed, {"format": "pt"})
    if len(shards) == 1:
        return names
    size = sum(array.nbytes for array in tensors.values())
    weight_map = {
        tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard
    }
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    text = json.dumps(index, indent=2, sort_keys=True) + "\n"
    named = f"model.safetensors.index{middle}.json"
    write_whole(folder / named, lambda part: part.write_text(text, encoding="utf-8"))
    return [*names, named]


def belongs(name: str, middle: str) -> bool:
    """Tell whether a file holds weights of this variant: "" or ".fp16"."""
    shard = rf"model{re.escape(middle)}(-\d+-of-\d+)?\.safetensors"
    index = rf"model\.safetensors\.index{re.escape(middle)}\.json"
    return re.fullmatch(f"{shard}|{index}", name) is not None


def shards_of(tensors: Mapping[str, Array], most: int) -> list[dict[str, Array]]:
    """Split tensors, in their order, so that no part has more bytes unless it is one tensor."""
    shards: list[dict[str, Array]] = [{}]
    size = 0
    for name, array in tensors.items():
        if shards[-1] and size + array.nbytes > most:
            shards.append({})
            size = 0
        shards[-1][name] = array
        size += array.nbytes
    return shards


def bytes_of(size: int | str) -> int:
    """Read a size: 1000, "200MB", "5GiB". Raises UserError for what is none."""
    units = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
             "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}  # fmt: skip
    found = re.fullmatch(r"(\d+)\s*([KMGT]?I?)B?", str(size).upper())
    if not found or found[2] not in units or not int(found[1]):
        raise UserError(f"max_shard_size is {size!r}; give a number of bytes, or '200MB', '5GB'")
    return int(found[1]) * units[found[2]]
