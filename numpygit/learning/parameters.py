"""Parameters that change: copies to train, their names, and which of them are trained.

Names here are the fields of the dataclasses, such as `text.blocks.3.mlp.up.weight`; gradients have
the same, because they have the same dataclasses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

import numpy as np

from ..errors import UserError
from ..model.params import Array, Git

KINDS = ("all", "text", "last:N", "head", "lora:R")


def astype(part: Any, dtype: Any) -> Any:
    """Copy nested parameters as arrays of a kind, in memory of their own.

    Parameters that come from a file are mapped from it and cannot be changed.
    """
    if isinstance(part, np.ndarray):
        return np.array(part, dtype, order="C")
    if isinstance(part, tuple):
        return tuple(astype(piece, dtype) for piece in part)
    if not is_dataclass(part):
        return part
    return type(part)(**{name: astype(piece, dtype) for name, piece in vars(part).items()})  # type: ignore[misc]


def replaced(part: Any, arrays: Iterator[Array]) -> Any:
    """Build nested parameters anew from other arrays, taken in the order of `named_arrays`."""
    if isinstance(part, np.ndarray):
        return next(arrays)
    if isinstance(part, tuple):
        return tuple(replaced(piece, arrays) for piece in part)
    if not is_dataclass(part):
        return part
    return type(part)(**{name: replaced(piece, arrays) for name, piece in vars(part).items()})  # type: ignore[misc]


def decays(name: str) -> bool:
    """Whether weight decay pulls at a parameter: at all but biases and norms, as in the Trainer."""
    return not (name.endswith("bias") or "norm" in name)


def is_block_matrix(name: str) -> bool:
    """Whether Muon moves a parameter: the matrices of the blocks, as in golden/train_storybook."""
    return ".blocks." in name and name.endswith("weight") and "norm" not in name


def lowest_block(what: str, layers: int) -> int:
    """Say from which text layer on a kind of training changes something, `layers` for none."""
    kind, _, number = what.partition(":")
    if kind == "last":
        return layers - int(number)
    return layers if kind == "head" else 0


def is_trained(name: str, what: str, *, layers: int) -> bool:
    """Whether a kind of training changes a parameter. Of LoRA these are the matrices it adds to."""
    kind = what.partition(":")[0]
    if kind == "all":
        return True
    if kind == "text":
        return name.startswith("text.")
    if kind == "lora":
        return name.startswith("text.blocks.") and name.endswith(("query.weight", "value.weight"))
    if name.startswith("text.head."):
        return True
    lowest = lowest_block(what, layers)
    return any(name.startswith(f"text.blocks.{i}.") for i in range(lowest, layers))


def check_kind(what: str, params: Git) -> None:
    """Refuse a kind of training that there is not, or that this model has no layers for."""
    kind, colon, number = what.partition(":")
    layers, D = len(params.text.blocks), params.text.word_embedding.shape[1]
    if kind in ("all", "text", "head") and not colon:
        return
    most = {"last": layers, "lora": D}.get(kind)
    if most is None or not number.isdecimal():
        raise UserError(f"train is {what!r}; give one of: {', '.join(KINDS)}")
    if not 1 <= int(number) <= most:
        raise UserError(f"train is {what!r}; {kind}:N can be 1 to {most} in this model")
