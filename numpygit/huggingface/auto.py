"""The names that pick a class by the checkpoint. Here every checkpoint is a GIT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import loading
from ..loading.config import GitConfig, GitVisionConfig
from .models import GitForCausalLM, GitModel, GitVisionModel
from .processing.image_processor import GitImageProcessor
from .processing.processor import GitProcessor
from .processing.tokenizer import GitTokenizer


class AutoConfig:
    """Settings: GitConfig, or GitVisionConfig where the folder holds a picture tower alone."""

    @staticmethod
    def from_pretrained(
        name: str | Path,
        *,
        revision: str | None = None,
        local_files_only: bool = False,
        **settings: Any,
    ) -> GitConfig | GitVisionConfig:
        """Read `config.json`; `settings` win."""
        folder = loading.find(
            name,
            revision=revision,
            local_files_only=local_files_only,
            files=loading.CONFIG_FILES,
        )
        kind = GitVisionConfig if is_tower(folder) else GitConfig
        return kind.from_pretrained(folder, **settings)


class AutoModel:
    """A model without a vocabulary head: GitModel, or GitVisionModel for a picture tower."""

    @staticmethod
    def from_pretrained(
        name: str | Path, *, revision: str | None = None, local_files_only: bool = False
    ) -> GitModel | GitVisionModel:
        """Read config and parameters."""
        folder = loading.find(name, revision=revision, local_files_only=local_files_only)
        kind = GitVisionModel if is_tower(folder) else GitModel
        return kind.from_pretrained(folder)

    @staticmethod
    def from_config(config: GitConfig, *, seed: int = 0) -> GitModel:
        """Make a model with random parameters."""
        return GitModel(config, seed=seed)


class AutoModelForCausalLM:
    """A model that writes: GitForCausalLM."""

    from_pretrained = GitForCausalLM.from_pretrained

    @staticmethod
    def from_config(config: GitConfig, *, seed: int = 0) -> GitForCausalLM:
        """Make a model with random parameters."""
        return GitForCausalLM(config, seed=seed)


AutoProcessor = GitProcessor
AutoTokenizer = GitTokenizer
AutoImageProcessor = GitImageProcessor


def is_tower(folder: Path) -> bool:
    """Tell whether a folder holds a picture tower alone."""
    if loading.is_authors(folder):
        return False
    values = loading.read_json(folder / "config.json")
    return values.get("model_type") == GitVisionConfig.model_type
