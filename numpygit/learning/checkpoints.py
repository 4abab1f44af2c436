"""What a training leaves on disk: the model in the official format, and the state to go on from.

    OUTPUT/                     the model, as from_pretrained reads it: the best one so far
    OUTPUT/training/            settings.json, state.safetensors, log.csv, kept/
    OUTPUT/curves.html          the curves

Every file is written whole or not at all. The state is written last, so whatever it tells is there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from ..errors import UserError
from ..huggingface.models import GitForCausalLM
from ..huggingface.processing.processor import GitProcessor
from ..loading.write_whole import write_whole
from ..model.params import Array, named_arrays
from .optimizers import Momenta, Moments
from .weights import Weights

STATE, SETTINGS = "state.safetensors", "settings.json"


class Progress(NamedTuple):
    """How far a training has come, beside its arrays."""

    step: int
    best: tuple[float, ...] | None  # the score of the model in OUTPUT


def folder_of(output: Path) -> Path:
    """The folder of the state, made if need be."""
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file; give the name of a folder to train into")
    folder = output / "training"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def check_settings(output: Path, settings: Mapping[str, Any]) -> bool:
    """Tell whether a training goes on here; refuse one that was begun with other settings.

    Settings of a run that ended before it saved anything, such as at a broken picture, do not bind.
    """
    path = folder_of(output) / SETTINGS
    if path.is_file() and (path.parent / STATE).is_file():
        old = json.loads(path.read_text(encoding="utf-8"))
        for name, value in settings.items():
            if old.get(name) != value:
                called = "train" if name == "what" else name
                raise UserError(
                    f"{output} holds a training with {called} {old.get(name)!r}, not {value!r}; "
                    "go on with that, or give another folder"
                )
        return True
    text = json.dumps(dict(settings), indent=2) + "\n"
    write_whole(path, lambda to: to.write_text(text, encoding="utf-8"))
    return False


def check_room(output: Path, weights: Weights, *, states: int) -> None:
    """Refuse a disk that cannot hold what the training will write."""
    moved = sum(array.nbytes for array in weights.arrays)
    whole = sum(array.nbytes for _, array in named_arrays(weights.params))
    needed = 2 * whole + 2 * states * moved  # the new file stands beside the old one for a moment
    free = shutil.disk_usage(output).free
    if free < needed:
        raise UserError(
            f"{output} has {free / 1e9:.1f} GB left on its disk; this training needs "
            f"{needed / 1e9:.1f} GB"
        )


def arrays_of(weights: Weights, adam: Moments, momenta: Momenta) -> dict[str, Array]:
    """Name everything that changes from step to step."""
    found = dict(zip((f"weights.{name}" for name in weights.names), weights.arrays, strict=True))
    found |= {f"first.{i}": array for i, array in enumerate(adam.first)}
    found |= {f"second.{i}": array for i, array in enumerate(adam.second)}
    found |= {f"momentum.{i}": array for i, array in enumerate(momenta.sums)}
    return found


def save_state(
    output: Path, weights: Weights, adam: Moments, momenta: Momenta, progress: Progress
) -> None:
    """Write the state that a killed training goes on from."""
    facts = {"step": str(progress.step), "best": json.dumps(progress.best)}
    facts["adam_steps"] = str(adam.steps)
    arrays = arrays_of(weights, adam, momenta)
    path = folder_of(output) / STATE
    write_whole(path, lambda to: save_file(arrays, to, metadata=facts))


def load_state(output: Path, weights: Weights, adam: Moments, momenta: Momenta) -> Progress:
    """Read a state into the arrays of a training that was set up alike."""
    path = folder_of(output) / STATE
    arrays = arrays_of(weights, adam, momenta)
    try:
        with safe_open(str(path), framework="np") as file:
            facts = file.metadata()
            for name, array in arrays.items():
                array[...] = file.get_tensor(name)
    except Exception as error:
        raise UserError(f"{path} cannot be read: {error}; remove it to begin anew") from None
    adam.steps = int(facts["adam_steps"])
    best = json.loads(facts["best"])
    weights.refresh()
    return Progress(int(facts["step"]), None if best is None else tuple(best))


def save_best(
    output: Path, model: GitForCausalLM, weights: Weights, processor: GitProcessor
) -> None:
    """Write the model in the official format."""
    check_finite(output, weights)
    processor.save_pretrained(output)
    model.save_pretrained(output)


def check_finite(output: Path, weights: Weights) -> None:
    """Refuse to write over good weights what is none."""
    if not all(np.isfinite(array).all() for array in weights.arrays):
        raise UserError(f"the weights are not finite any more; {output} keeps the last good ones")
