"""The settings of a training: names, defaults and checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import UserError
from ..loading.config import GitConfig
from .optimizers import schedule


@dataclass(frozen=True)
class Settings:
    """How to train. Defaults suit fine-tuning; None is worked out from the model and the data."""

    what: str = "all"  # parameters.KINDS
    epochs: float = 10.0
    steps: int | None = None  # instead of epochs
    batch: int = 32
    accumulate: int = 1  # batches that make up a step
    rate: float | None = None  # default: rate_of
    schedule: str = "linear"
    warm_up: float = 0.1  # a share of all steps
    optimizer: str = "adamw"  # or "muon", for the matrices of the blocks
    decay: float = 0.01
    smoothing: float = 0.0
    clip: float = 1.0
    validation: float = 0.1  # the share of pictures that is held back
    augment: bool = False
    merge: bool = False
    seed: int = 0
    save_every: int = 100  # steps
    look_every: int | None = None  # steps between two looks at the validation; default: an epoch
    pieces: int | None = None  # of a batch, side by side; part of the result's bits


def settings_of(given: dict[str, Any]) -> Settings:
    """Check names and numbers of settings."""
    names = Settings.__dataclass_fields__
    for name in given:
        if name not in names:
            raise UserError(f"unknown setting {name!r}; known are: {', '.join(names)}")
    asked = Settings(**given)
    least = {"epochs": 0, "batch": 1, "accumulate": 1, "save_every": 1, "decay": 0, "warm_up": 0}
    for name, value in least.items():
        if getattr(asked, name) < value:
            raise UserError(f"{name} is {getattr(asked, name)}; give {value} or more")
    for name in ("smoothing", "validation"):
        if not 0 <= getattr(asked, name) < 1:
            raise UserError(f"{name} is {getattr(asked, name)}; give 0 or a share below 1")
    if asked.optimizer not in ("adamw", "muon"):
        raise UserError(f"optimizer is {asked.optimizer!r}; known are: adamw, muon")
    if asked.augment and asked.what.partition(":")[0] in ("last", "head"):
        raise UserError("augment needs new states each time; last:N and head keep theirs")
    schedule(asked.schedule, 0, warm_up=0, total=1)
    return asked


def rate_of(asked: Settings, config: GitConfig) -> float:
    """The default rate: 5e-5 at the width of git-base, as everybody has it; more for thin models.

    LoRA, and the head alone, bear ten times as much.
    """
    base = 5e-5 * 768 / config.hidden_size
    return base * (10 if asked.what.startswith(("lora", "head")) else 1)
