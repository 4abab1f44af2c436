"""`AutoModel`, `AutoProcessor` and the other Auto classes. Here every checkpoint is a GIT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import loading
from ..errors import UserError, expect
from ..loading.config import GitConfig, GitVisionConfig
from ..loading.hub.keywords import sort_keywords
from .models import GitForCausalLM, GitModel, GitVisionModel
from .processing.image_processor import GitImageProcessor
from .processing.processor import GitProcessor
from .processing.tokenizer import GitTokenizer


class AutoConfig:
    """Settings: GitConfig, or GitVisionConfig where the folder holds a vision encoder alone."""

    @staticmethod
    def from_pretrained(pretrained_model_name_or_path: str | Path, **keywords: Any) -> Any:
        """Read `config.json`; settings among the keywords win."""
        kind = kind_of(pretrained_model_name_or_path, keywords, GitConfig, GitVisionConfig)
        return kind.from_pretrained(pretrained_model_name_or_path, **keywords)

    @staticmethod
    def for_model(model_type: str, *args: Any, **settings: Any) -> GitConfig | GitVisionConfig:
        """Make the settings of a kind of model: "git" or "git_vision_model"."""
        kinds: dict[str, Any] = {k.model_type: k for k in (GitConfig, GitVisionConfig)}
        expect("model_type", model_type, str, f"one of {', '.join(kinds)}")
        if model_type not in kinds:
            raise UserError(f"there is no model_type {model_type!r} here; there are: "
                            f"{', '.join(kinds)}")  # fmt: skip
        made: GitConfig | GitVisionConfig = kinds[model_type](*args, **settings)
        return made

    @staticmethod
    def register(*args: Any, **more: Any) -> None:
        """Refuse: every checkpoint here is a GIT."""
        raise UserError(NO_REGISTRY)


class AutoModel:
    """A model without a vocabulary head: GitModel, or GitVisionModel for a vision encoder."""

    @staticmethod
    def from_pretrained(pretrained_model_name_or_path: str | Path, *args: Any, **more: Any) -> Any:
        """Read config and parameters."""
        kind = kind_of(pretrained_model_name_or_path, more, GitModel, GitVisionModel)
        return kind.from_pretrained(pretrained_model_name_or_path, *args, **more)

    @staticmethod
    def from_config(config: GitConfig | GitVisionConfig, *, seed: int = 0, **more: Any) -> Any:
        """Make a model with random parameters."""
        sort_all(more)
        expect("config", config, (GitConfig, GitVisionConfig), "a GitConfig or a GitVisionConfig")
        kind: Any = GitVisionModel if isinstance(config, GitVisionConfig) else GitModel
        return kind(config, seed=seed)

    register = AutoConfig.register


class AutoModelForCausalLM:
    """A model that writes: GitForCausalLM."""

    from_pretrained = GitForCausalLM.from_pretrained
    register = AutoConfig.register

    @staticmethod
    def from_config(config: GitConfig, *, seed: int = 0, **more: Any) -> GitForCausalLM:
        """Make a model with random parameters."""
        sort_all(more)
        expect("config", config, GitConfig, "a GitConfig")
        return GitForCausalLM(config, seed=seed)


AutoModelForVision2Seq = AutoModelForCausalLM
AutoModelForImageTextToText = AutoModelForCausalLM


class AutoProcessor:
    """Pictures and words: GitProcessor."""

    from_pretrained = GitProcessor.from_pretrained
    register = staticmethod(AutoConfig.register)


class AutoTokenizer:
    """Words: GitTokenizer."""

    from_pretrained = GitTokenizer.from_pretrained
    register = staticmethod(AutoConfig.register)


class AutoImageProcessor:
    """Pictures: GitImageProcessor."""

    from_pretrained = GitImageProcessor.from_pretrained
    register = staticmethod(AutoConfig.register)


AutoFeatureExtractor = AutoImageProcessor
NO_REGISTRY = "there is nothing to register: every checkpoint here is a GIT"


def sort_all(keywords: dict[str, Any]) -> None:
    """Refuse keywords of from_config that mean something, and nobody knows."""
    _, rest = sort_keywords(keywords)
    if rest:
        raise UserError(f"from_config has no {', '.join(sorted(rest))}; set it in the config")


def kind_of(name: str | Path, keywords: dict[str, Any], whole: Any, tower: Any) -> Any:
    """Choose the class by `config.json`."""
    where, _ = sort_keywords(keywords)
    folder = loading.find(name, files=loading.CONFIG_FILES, **where)
    return tower if is_tower(folder) else whole


def is_tower(folder: Path) -> bool:
    """Tell whether a folder holds a vision encoder alone."""
    if loading.is_authors(folder):
        return False
    values = loading.read_json(folder / "config.json")
    return values.get("model_type") == GitVisionConfig.model_type
