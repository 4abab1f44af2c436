"""The settings of a GIT model: the fields and defaults of `config.json`, nothing else.

Source of names and defaults: transformers 4.37.2, `models/git/configuration_git.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from .errors import UserError
from .params import Activation

POSITIONS = ("absolute", "relative_key", "relative_key_query")

Config = TypeVar("Config", bound="Settings")


class Settings:
    """What both configs can do beside holding fields: compare, print, read and write JSON."""

    model_type: ClassVar[str]
    output_attentions = False
    output_hidden_states = False
    return_dict = True

    @property
    def use_return_dict(self) -> bool:
        """Whether outputs come with names, or as plain tuples."""
        return self.return_dict

    def to_dict(self) -> dict[str, Any]:
        """List every setting, those that were given beyond the fields included."""
        values = {"model_type": self.model_type, **vars(self)}
        return {name: v.to_dict() if isinstance(v, Settings) else v for name, v in values.items()}

    @classmethod
    def from_dict(cls: type[Config], values: Mapping[str, Any], **more: Any) -> Config:
        """Take the settings from `values`, then those from `more`; fill the rest with defaults.

        What is no field is kept as an attribute. Third-party checkpoints often carry a
        `vision_config` with only a few fields, and the official ones carry leftovers such as
        `projection_dim`: both are fine.
        """
        given = {**values, **more}
        given.pop("model_type", None)
        return cls(**given)

    def to_json_string(self, use_diff: bool = False) -> str:
        """Write all settings as JSON; with `use_diff` only those that differ from the defaults.

        Raises UserError for an activation that is a function: JSON has no place for it.
        """
        values = self.to_dict()
        if use_diff:
            defaults = type(self)().to_dict()
            values = {n: v for n, v in values.items() if n not in defaults or v != defaults[n]}
            values["model_type"] = self.model_type
        try:
            return json.dumps(values, indent=2, sort_keys=True) + "\n"
        except TypeError as error:
            raise UserError(f"these settings cannot be written as JSON: {error}") from None

    def to_json_file(self, json_file_path: str | Path, use_diff: bool = False) -> None:
        """Write all settings into a file."""
        Path(json_file_path).write_text(self.to_json_string(use_diff), encoding="utf-8")

    @classmethod
    def from_json_file(cls: type[Config], json_file: str | Path) -> Config:
        """Read the settings from a file."""
        from .checkpoint import read_json

        return cls.from_dict(read_json(Path(json_file)))

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write `config.json` into a folder, which is made if need be."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        self.to_json_file(folder / "config.json")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __repr__(self) -> str:
        try:
            return f"{type(self).__name__} {self.to_json_string()}"
        except UserError:
            return f"{type(self).__name__} {self.to_dict()}"


def keep_unknown(config_class: type[Config]) -> type[Config]:
    """Let a dataclass take any keyword: what is no field becomes a plain attribute."""
    names = {field.name for field in fields(config_class)}  # type: ignore[arg-type]
    plain: Callable[..., None] = config_class.__init__

    @wraps(plain)
    def init(self: Config, *values: Any, **named: Any) -> None:
        for name in [name for name in named if name not in names]:
            value, ours = named.pop(name), getattr(config_class, name, None)
            if not (callable(ours) or isinstance(ours, property)):  # a file must not hide a method
                setattr(self, name, value)
        plain(self, *values, **named)

    config_class.__init__ = init  # type: ignore[method-assign, assignment]
    return config_class


@keep_unknown
@dataclass(eq=False, repr=False)
class GitVisionConfig(Settings):
    """The picture tower, a CLIP ViT. The defaults are those of `microsoft/git-base`.

    Any other keyword is kept as an attribute. Raises UserError for sizes that cannot be.
    """

    hidden_size: int = 768
    intermediate_size: int = 3072
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    num_channels: int = 3
    image_size: int = 224
    patch_size: int = 16
    hidden_act: Activation = "quick_gelu"
    layer_norm_eps: float = 1e-5
    attention_dropout: float = 0.0
    initializer_range: float = 0.02

    model_type: ClassVar[str] = "git_vision_model"

    def __post_init__(self) -> None:
        check_heads("vision_config", self.hidden_size, self.num_attention_heads)
        if self.image_size < self.patch_size:
            raise UserError(
                f"vision_config: image_size {self.image_size} is smaller than "
                f"patch_size {self.patch_size}; a picture needs at least one patch"
            )

    @property
    def num_patches(self) -> int:
        """Patches of one picture, P. What does not fill a patch at the border is dropped."""
        return (self.image_size // self.patch_size) ** 2

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        local_files_only: bool = False,
        **settings: Any,
    ) -> GitVisionConfig:
        """Read the settings of a picture tower, alone or of a whole GIT; `settings` win."""
        from . import checkpoint

        folder = checkpoint.find(
            name,
            revision=revision,
            local_files_only=local_files_only,
            files=checkpoint.CONFIG_FILES,
        )
        if not checkpoint.is_authors(folder):
            values = checkpoint.read_json(folder / "config.json")
            if values.get("model_type") == cls.model_type:
                return cls.from_dict(values, **settings)
        config = checkpoint.read_config(folder).vision_config
        return cls.from_dict(config.to_dict(), **settings) if settings else config


@keep_unknown
@dataclass(eq=False, repr=False)
class GitConfig(Settings):
    """The whole model: the text decoder's fields, and the picture tower's in `vision_config`.

    `vision_config` may be given as a dict, as a GitVisionConfig, or not at all. Any other keyword
    is kept as an attribute. Raises UserError for sizes and names that cannot be.
    """

    vision_config: GitVisionConfig = None  # type: ignore[assignment]
    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 6
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: Activation = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 1024
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0
    position_embedding_type: str = "absolute"
    use_cache: bool = True
    tie_word_embeddings: bool = False
    bos_token_id: int = 101
    eos_token_id: int | list[int] = 102
    num_image_with_embedding: int | None = None
    # in no config.json: None stands for layer_norm_eps; the authors' code has 1e-8
    embedding_norm_eps: float | None = None

    model_type: ClassVar[str] = "git"

    def __post_init__(self) -> None:
        if not isinstance(self.vision_config, GitVisionConfig):
            self.vision_config = GitVisionConfig.from_dict(self.vision_config or {})  # type: ignore[unreachable]
        check_heads("config", self.hidden_size, self.num_attention_heads)
        if self.position_embedding_type not in POSITIONS:
            raise UserError(
                f"config: position_embedding_type is {self.position_embedding_type!r}; "
                f"known are: {', '.join(POSITIONS)}"
            )

    @property
    def embedding_eps(self) -> float:
        """Epsilon of the normalisation of embedded words."""
        eps = self.embedding_norm_eps
        return self.layer_norm_eps if eps is None else eps

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        local_files_only: bool = False,
        **settings: Any,
    ) -> GitConfig:
        """Read the settings of "storybook", a folder, or a model of the Hub; `settings` win."""
        from . import checkpoint

        folder = checkpoint.find(
            name,
            revision=revision,
            local_files_only=local_files_only,
            files=checkpoint.CONFIG_FILES,
        )
        config = checkpoint.read_config(folder)
        return cls.from_dict(config.to_dict(), **settings) if settings else config


def check_heads(where: str, hidden_size: int, heads: int) -> None:
    """Refuse a width that the heads cannot share evenly."""
    if heads < 1 or hidden_size % heads != 0:
        raise UserError(
            f"{where}: hidden_size {hidden_size} is not a multiple of num_attention_heads {heads}"
        )
