"""Heads that were pruned: a checkpoint lacks their rows and columns, the params here have zeros.

transformers 4.37.2 cuts the rows of query, key and value that belong to a pruned head, and its
columns of the output matrix. Here a pruned head stays in place and adds nothing, because its
columns are zero: the same function, and every layer keeps one shape. `config.pruned_heads`,
{layer: [head, ...]}, says which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import UserError, shown
from ..model.params import Array

ROWS = tuple(f"attention.self.{name}.{kind}" for name in ("query", "key", "value")
             for kind in ("weight", "bias"))  # fmt: skip
COLUMNS = ("attention.output.dense.weight",)


def pruned_heads(config: Any, given: Any = None) -> dict[int, list[int]]:
    """Read which heads are pruned, as `config.pruned_heads` says or as `given`, counted from 0.

    Raises UserError for layers and heads that there are not.
    """
    given = (getattr(config, "pruned_heads", None) or {}) if given is None else given
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    found: dict[int, set[int]] = {}
    try:
        pairs = [(int(layer), [int(head) for head in gone]) for layer, gone in given.items()]
    except (AttributeError, TypeError, ValueError):
        raise UserError(f"pruned_heads is {shown(repr(given), 60)}; it must be "
                        "{layer: [head, ...]}") from None  # fmt: skip
    for layer, gone in pairs:
        if not (-layers <= layer < layers and all(-heads <= head < heads for head in gone)):
            raise UserError(
                f"cannot prune heads {gone} of layer {layer}: there are {layers} layers "
                f"of {heads} heads, counted from 0"
            )
        found.setdefault(layer % layers, set()).update(head % heads for head in gone)
    return {layer: sorted(gone) for layer, gone in sorted(found.items())}


def kept_numbers(config: Any) -> Iterator[tuple[int, Array]]:
    """For each pruned layer list the rows that are left: the numbers of the heads that stay."""
    width = config.hidden_size // config.num_attention_heads
    for layer, gone in pruned_heads(config).items():
        kept = [head for head in range(config.num_attention_heads) if head not in gone]
        yield layer, (np.array(kept, int)[:, None] * width + np.arange(width)).reshape(-1)


def cut(tensors: Mapping[str, Array], config: Any) -> dict[str, Array]:
    """Leave out the rows and columns of pruned heads, as in a file: official names -> arrays."""
    found = dict(tensors)
    for layer, numbers in kept_numbers(config):
        for name in ROWS:
            full = f"git.encoder.layer.{layer}.{name}"
            found[full] = found[full][numbers]
        for name in COLUMNS:
            full = f"git.encoder.layer.{layer}.{name}"
            found[full] = found[full][:, numbers]
    return found


def grow(tensors: Mapping[str, Array], config: Any) -> dict[str, Array]:
    """Put zeros in the place of pruned heads: the opposite of `cut`; whole tensors stay."""
    found = dict(tensors)
    D = config.hidden_size
    for layer, numbers in kept_numbers(config):
        for name in (*ROWS, *COLUMNS):
            full = f"git.encoder.layer.{layer}.{name}"
            part = found.get(full)
            if part is None:
                continue
            if name in ROWS and len(part) == len(numbers) != D:
                whole = np.zeros((D, *part.shape[1:]), np.float32)
                whole[numbers] = part
                found[full] = whole
            elif name in COLUMNS and part.shape[1:] == (len(numbers),):
                whole = np.zeros((part.shape[0], D), np.float32)
                whole[:, numbers] = part
                found[full] = whole
    return found
