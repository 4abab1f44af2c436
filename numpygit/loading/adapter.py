"""PEFT adapters (LoRA): the adapter's folder and its base model -> tensors with LoRA added.

    adapter_config.json         rank, alpha, the name of the base model
    adapter_model.safetensors   A (rank, in) and B (out, rank) of each matrix, or adapter_model.bin

W' = W + (alpha / rank) * B @ A, in float32, as PEFT's `merge_and_unload` does it; rsLoRA divides by
the root of the rank, DoRA gives every row a length of its own. What else PEFT can do is refused in
one sentence, for its tensors would mean something else.
Source: Hu et al., arXiv 2106.09685; Liu et al., arXiv 2402.09353 (DoRA); PEFT 0.17, `tuners/lora`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import NotFoundError, UserError, shown
from ..model.params import Array
from .fields import ADAPTER, checked
from .formats import KINDS, read_file, read_json, without_wrappers
from .names import official_name

SETTINGS = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
PARTS = {  # how the names of an adapter's tensors end -> what they are
    "lora_A.weight": "A",
    "lora_B.weight": "B",
    "lora_embedding_A": "A",
    "lora_embedding_B": "B",
    "lora_B.bias": "bias",
    "lora_magnitude_vector": "lengths",
    "lora_magnitude_vector.weight": "lengths",
}
# Ways to begin that change the base model too: what is in the file does not fit the base as it was
CHANGING = ("pissa", "olora", "loftq", "corda", "lora_ga")
ELSEWHERE = ("layer_replication", "alora_invocation_tokens", "trainable_token_indices")
HOW = "merge it with PEFT, model.merge_and_unload().save_pretrained(...), and load the result"


def is_adapter(folder: Path) -> bool:
    """Tell whether a folder holds an adapter and no weights of a whole model."""
    has_weights = any((folder / kind).is_file() for kind in KINDS)
    return (folder / SETTINGS).is_file() and not has_weights


def read_settings(folder: Path) -> dict[str, Any]:
    """Read `adapter_config.json`; refuse adapters that cannot be merged here, saying how."""
    path = folder / SETTINGS
    values = checked(read_json(path), ADAPTER, where=path)
    kind = values.get("peft_type")
    if kind != "LORA":
        raise UserError(f"{path} describes a {shown(str(kind))} adapter, expected LORA; {HOW}")
    begun = str(values.get("init_lora_weights"))
    if begun.startswith(CHANGING):
        raise UserError(f"{path}: init_lora_weights {begun!r} changed the base model too; {HOW}")
    for name in ELSEWHERE:
        if values.get(name):
            raise UserError(f"{path} has {name}, which is not done here; {HOW}")
    alphas = values.get("alpha_pattern") or {}
    odd = next((pattern for pattern in alphas if not re.fullmatch(r"\^?[\w.]+", pattern)), None)
    if odd is not None:
        raise UserError(f"{path}: alpha_pattern has {shown(odd)!r}, expected names of modules")
    checked(alphas, dict.fromkeys(alphas, ADAPTER["lora_alpha"]), where=f"{path}: alpha_pattern")
    return values


def base_of(folder: Path) -> tuple[str, str | None]:
    """Say which model an adapter was made for: -> its name and revision."""
    values = read_settings(folder)
    name = values.get("base_model_name_or_path")
    if not name:
        raise UserError(
            f"{folder} is an adapter that does not say which model it was made for; give that "
            "with --base, or base=..."
        )
    return name, values.get("revision")


def weights_of(folder: Path) -> Path:
    """Say which file holds the tensors of an adapter."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise NotFoundError(f"{folder} is an adapter without {' and without '.join(WEIGHTS)}")


def with_adapter(
    tensors: Mapping[str, Array], folder: Path | None, *, look_only: bool = False
) -> dict[str, Array]:
    """Add an adapter to the tensors of its base model, which stay as they are: -> new tensors.

    With `look_only` names and shapes are compared and nothing is added. Raises UserError for
    tensors that do not fit the base model. Without a folder the tensors are what they were.
    """
    if folder is None:
        return dict(tensors)
    settings, path = read_settings(folder), weights_of(folder)
    whole = {official_name(name): array for name, array in tensors.items()}
    parts, replaced = sorted_parts(read_file(path, look_only=look_only), whole, path)
    for name, array in replaced.items():
        check_same(name, array.shape, whole[name].shape, path)
        whole[name] = array
    for name, found in parts.items():
        check_parts(name, found, whole[name].shape, path)
        if look_only:
            whole[name] = np.broadcast_to(np.float32(0), whole[name].shape)  # it will be new
            continue
        changed = merged(name, found, whole, scale_of(name, found, settings))
        if not all(np.isfinite(array).all() for array in changed.values()):
            raise UserError(f"{path} makes numbers of {name} that are not finite")
        whole |= changed
    return whole


def sorted_parts(
    tensors: dict[str, Array], whole: Mapping[str, Array], path: Path
) -> tuple[dict[str, dict[str, Array]], dict[str, Array]]:
    """Sort an adapter's tensors: -> the parts by the matrix they change, and whole new tensors."""
    parts: dict[str, dict[str, Array]] = {}
    replaced: dict[str, Array] = {}
    for given, array in without_wrappers(tensors).items():
        name = official_name(given.replace(".base_layer.", "."))
        end = next((end for end in PARTS if name.endswith(f".{end}")), None)
        target = name if end is None else f"{name.removesuffix(end)}weight"
        if target not in whole:
            near = get_close_matches(target, whole, n=1, cutoff=0.8)
            hint = f" (the nearest is {near[0]})" if near else ""
            raise UserError(f"{path} changes {target}, which its base model does not have{hint}")
        if end is None:
            replaced[target] = array
        else:
            parts.setdefault(target, {})[PARTS[end]] = array
    if not parts and not replaced:
        raise UserError(f"{path} holds no tensors")
    return parts, replaced


def check_parts(name: str, found: Mapping[str, Array], shape: tuple[int, ...], path: Path) -> None:
    """Hold the parts of one matrix against its shape."""
    if "A" not in found or "B" not in found:
        raise UserError(f"{path} has {' and '.join(found)} of {name}; LoRA needs A and B")
    wide, narrow, rank = shape[0], math.prod(shape[1:]), sum(found["A"].shape[:1])
    if rank < 1 or (is_embedding(name) and "lengths" in found):
        raise UserError(f"{path}: the parts of {name} cannot be merged here; {HOW}")
    if is_embedding(name):
        wide, narrow = narrow, wide
    expected = {"A": (rank, narrow), "B": (wide, rank), "bias": (wide,), "lengths": (wide,)}
    for part, array in found.items():
        check_same(f"{part} of {name}", flat(array, part), expected[part], path)


def flat(array: Array, part: str) -> tuple[int, ...]:
    """Say what shape a part has as a matrix or a vector; those of convolutions have more axes."""
    if part in ("A", "B") and array.ndim > 1:
        return array.shape[0], array.size // max(array.shape[0], 1)
    return (array.size,) if part == "lengths" else array.shape


def check_same(name: str, shape: tuple[int, ...], expected: tuple[int, ...], path: Path) -> None:
    """Refuse a tensor of another shape than the base model has room for."""
    if shape != expected:
        raise UserError(f"{path}: {name} has shape {shape}, its base model wants {expected}")


def is_embedding(name: str) -> bool:
    """Tell the tables of vectors, whose parts PEFT keeps the other way round."""
    return name.endswith("embeddings.weight") or name.endswith("position_embedding.weight")


def scale_of(name: str, found: Mapping[str, Array], settings: Mapping[str, Any]) -> float:
    """Find what B @ A is multiplied by: alpha over the rank, or over its root (rsLoRA)."""
    alpha = settings.get("lora_alpha", 8)
    module = name.removesuffix(".weight")
    for pattern, other in (settings.get("alpha_pattern") or {}).items():
        plain = pattern.removeprefix("^")
        if module == plain or (plain == pattern and module.endswith(f".{plain}")):
            alpha = other
            break
    rank = found["A"].shape[0]
    return float(alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank))


def merged(
    name: str, found: Mapping[str, Array], whole: Mapping[str, Array], scale: float
) -> dict[str, Array]:
    """Add LoRA to one matrix, (out, in) or a convolution, and to its bias if it has a part of it.

    DoRA: the rows of the sum get the lengths that were learned.
    """
    weight, rank = whole[name], found["A"].shape[0]
    a, b = found["A"].reshape(rank, -1), found["B"].reshape(-1, rank)
    product = b @ a  # (out, in)
    if is_embedding(name):
        product = product.T
    sums = weight + np.float32(scale) * product.reshape(weight.shape)
    if "lengths" in found:
        axes = tuple(range(1, sums.ndim))
        lengths = np.sqrt((sums * sums).sum(axis=axes, keepdims=True))
        sums = sums * (found["lengths"].reshape(lengths.shape) / lengths)
    changed = {name: sums}
    if "bias" in found:
        bias = name.removesuffix("weight") + "bias"
        changed[bias] = whole[bias] + np.float32(scale) * found["bias"]
    return changed
