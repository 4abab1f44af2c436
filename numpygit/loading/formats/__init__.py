"""Files of weights -> arrays by name. The names are those of the Hub.

    safetensors_file.py   .safetensors
    torch_file.py         what torch.save writes, new and old: .bin, .pt
    pickled.py            its pickle, read as data: no code of a file is ever run
    archive.py            its zip archive
    mapped.py             a file mapped into memory; its numbers as float32
    authors_names.py      the names in the authors' own model.pt
    authors_settings.py   the settings of the authors' models
    small_files.py        JSON, vocabularies

Whatever is wrong with a file ends in one UserError that names the file, before any large memory
is asked for. Infinities and NaN in a tensor that is copied, and in every vector, are errors too;
matrices that are mapped are not read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...errors import NotFoundError, UserError
from ...model.params import Array
from .authors_names import is_original, official_names
from .mapped import is_mapped as is_mapped
from .safetensors_file import read_safetensors
from .small_files import read_json as read_json
from .torch_file import read_torch

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
ORIGINAL = "model.pt"
KINDS = (  # what a folder may hold; the first that it has is read
    WEIGHTS,
    INDEX,
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    ORIGINAL,
)
MOST_TENSORS = 10_000
WRAPPERS = ("module.", "model.", "_orig_mod.", "_forward_module.", "base_model.")


def kinds(variant: str | None = None, use_safetensors: bool | None = None) -> list[str]:
    """List the files that weights may lie in, as transformers calls a variant such as "fp16"."""
    found = [kind for kind in KINDS if "safetensors" in kind or not use_safetensors]
    if use_safetensors is False:
        found = [kind for kind in KINDS if "safetensors" not in kind]
    if variant is None:
        return found
    named = [kind for kind in found if kind != ORIGINAL]
    return [f"{kind.rpartition('.')[0]}.{variant}.{kind.rpartition('.')[2]}" for kind in named]


def weights_file(
    folder: Path, *, variant: str | None = None, use_safetensors: bool | None = None
) -> Path:
    """Say which file of a folder its weights are read from; an index stands for its shards."""
    possible = kinds(variant, use_safetensors)
    for kind in possible:
        if (folder / kind).is_file():
            return folder / kind
    raise NotFoundError(f"{folder} has no {' and no '.join(possible)}")


def read_tensors(
    folder: Path,
    *,
    variant: str | None = None,
    use_safetensors: bool | None = None,
    look_only: bool = False,
) -> dict[str, Array]:
    """Read all tensors of a folder, from one file or from the shards that an index lists.

    With `look_only` names, shapes and kinds are read and no numbers: the arrays are all of one
    number and take no memory, so that a file can be held against its config before any work.
    Float32 is mapped where it lies right in the file; other floating point becomes float32;
    integers stay what they are. The authors' names are replaced by the official ones. `variant`
    and `use_safetensors` say which file, where there are several.
    """
    path = weights_file(folder, variant=variant, use_safetensors=use_safetensors)
    read = read_shards if ".index." in path.name else read_file
    tensors = without_wrappers(read(path, look_only=look_only))
    try:
        return official_names(tensors) if is_original(tensors) else tensors
    except UserError as error:
        raise UserError(f"{path} cannot be used: {error}") from None


def read_shards(index: Path, *, look_only: bool = False) -> dict[str, Array]:
    """Read the files that an index lists."""
    tensors: dict[str, Array] = {}
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(p, str) for p in weight_map.values()):
        raise UserError(f"{index} has no 'weight_map' from tensor names to file names")
    for shard in sorted(set(weight_map.values())):
        if Path(shard).name != shard or not is_file(index.parent / shard):
            raise NotFoundError(f"{index} lists {shard[:80]!r}, which is not in the folder")
        for name, array in read_file(index.parent / shard, look_only=look_only).items():
            if name in tensors:
                raise UserError(f"{index} lists several files that hold {name}")
            tensors[name] = array
    return tensors


def without_wrappers(tensors: dict[str, Array]) -> dict[str, Array]:
    """Take away what training programs put before every name: "module.", "_orig_mod.", ..."""
    while True:
        shared = next((w for w in WRAPPERS if all(n.startswith(w) for n in tensors)), None)
        if shared is None or not tensors:
            return tensors
        tensors = {name.removeprefix(shared): array for name, array in tensors.items()}


def read_file(path: Path, *, look_only: bool = False) -> dict[str, Array]:
    """Read one file of tensors; see `read_tensors` for `look_only`."""
    read = read_safetensors if path.suffix == ".safetensors" else read_torch
    try:
        tensors = read(path, look_only=look_only)
    except MemoryError:
        raise UserError(f"{path} cannot be used: its numbers do not fit the memory") from None
    try:
        check_names(tensors)
        if not look_only:
            check_finite(tensors)
    except UserError as error:
        raise UserError(f"{path} cannot be used: {error}") from None
    return tensors


def check_names(tensors: Mapping[str, Array]) -> None:
    """Refuse names that no tensor has, before they are printed in a message."""
    if len(tensors) > MOST_TENSORS:
        raise UserError(f"it holds {len(tensors)} tensors; the most is {MOST_TENSORS}")
    for name in tensors:
        if len(name) > 200 or not name.isprintable():
            raise UserError(f"it holds a tensor called {name[:40]!r}...")


def check_finite(tensors: Mapping[str, Array]) -> None:
    """Refuse infinities and NaN, which would make every word of a caption the same.

    Looks where it costs nothing: at vectors, and at what has been copied anyway. A mapped matrix
    is left alone, since looking at it would read it.
    """
    for name, array in tensors.items():
        free = array.ndim < 2 or not is_mapped(array)
        if array.dtype == np.float32 and free and not np.isfinite(array).all():
            raise UserError(f"{name} has {np.sum(~np.isfinite(array))} numbers that are not finite")


def is_file(path: Path) -> bool:
    """Say whether a file is there, also for names that no file can have."""
    try:
        return path.is_file()
    except OSError:
        return False
