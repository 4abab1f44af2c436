"""`config.json` <-> the settings of a model: `model/config.py` with what reads and writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from ..errors import UserError
from ..model.config import Config, VisionConfig
from ..model.layers import activate
from .authors import authors_config
from .find import find, is_authors
from .formats import read_json, read_tensors
from .hub import CONFIG_FILES

Kind = TypeVar("Kind", bound="Settings")


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
    def from_dict(cls: type[Kind], values: Mapping[str, Any], **more: Any) -> Kind:
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
    def from_json_file(cls: type[Kind], json_file: str | Path) -> Kind:
        """Read the settings from a file."""
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


def keep_unknown(config_class: type[Kind]) -> type[Kind]:
    """Let a dataclass take any keyword: what is no field becomes a plain attribute."""
    names = {field.name for field in fields(config_class)}  # type: ignore[arg-type]
    plain: Callable[..., None] = config_class.__init__

    @wraps(plain)
    def init(self: Kind, *values: Any, **named: Any) -> None:
        for name in [name for name in named if name not in names]:
            value, ours = named.pop(name), getattr(config_class, name, None)
            if not (callable(ours) or isinstance(ours, property)):  # a file must not hide a method
                setattr(self, name, value)
        plain(self, *values, **named)

    config_class.__init__ = init  # type: ignore[method-assign, assignment]
    return config_class


@keep_unknown
@dataclass(eq=False, repr=False)
class GitVisionConfig(Settings, VisionConfig):
    """The vision encoder, a CLIP ViT. The defaults are those of `microsoft/git-base`.

    Any other keyword is kept as an attribute. Raises UserError for sizes that cannot be.
    """

    model_type: ClassVar[str] = "git_vision_model"

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
        folder = find(
            name,
            revision=revision,
            local_files_only=local_files_only,
            files=CONFIG_FILES,
        )
        if not is_authors(folder):
            values = read_json(folder / "config.json")
            if values.get("model_type") == cls.model_type:
                return cls.from_dict(values, **settings)
        config = read_config(folder).vision_config
        return cls.from_dict(config.to_dict(), **settings) if settings else config


@keep_unknown
@dataclass(eq=False, repr=False)
class GitConfig(Settings, Config):
    """The whole model: the text decoder's fields, and the vision encoder's in `vision_config`.

    `vision_config` may be given as a dict, as a GitVisionConfig, or not at all. Any other keyword
    is kept as an attribute. Raises UserError for sizes and names that cannot be.
    """

    vision_config: GitVisionConfig = None  # type: ignore[assignment]

    model_type: ClassVar[str] = "git"

    def __post_init__(self) -> None:
        if not isinstance(self.vision_config, GitVisionConfig):
            self.vision_config = GitVisionConfig.from_dict(self.vision_config or {})  # type: ignore[unreachable]
        super().__post_init__()

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
        folder = find(
            name,
            revision=revision,
            local_files_only=local_files_only,
            files=CONFIG_FILES,
        )
        config = read_config(folder)
        return cls.from_dict(config.to_dict(), **settings) if settings else config


def read_config(folder: Path) -> GitConfig:
    """Read `config.json`, or what stands for it in a folder of the authors."""
    if is_authors(folder):
        return stored(authors_config(folder, read_tensors(folder)))
    values = read_json(folder / "config.json")
    if values.get("model_type", "git") != "git":
        raise UserError(
            f"{folder / 'config.json'} describes a {values['model_type']!r} model; "
            "numpygit runs models of type 'git'"
        )
    try:
        check_numbers(values, GitConfig)
        check_numbers(values.get("vision_config") or {}, GitVisionConfig)
        config = GitConfig.from_dict(values)
        for activation in (config.hidden_act, config.vision_config.hidden_act):
            activate(np.zeros(1, np.float32), name=activation)
    except UserError as error:
        raise UserError(f"{folder / 'config.json'}: {error}") from None
    return config


def check_numbers(values: Any, config_class: type) -> None:
    """Refuse numbers of a config that are none: text, null, halves, sizes below 1."""
    if not isinstance(values, dict):
        raise UserError(f"{config_class.__name__} is {values!r}, expected an object {{...}}")
    for known in fields(config_class):
        value, least = values.get(known.name, known.default), 0 if "_id" in known.name else 1
        if known.name == "eos_token_id" and isinstance(value, list) and value:
            check_ends(value)
        elif type(known.default) is int and (type(value) is not int or value < least):
            raise UserError(f"{known.name} is {value!r}, expected a whole number from {least} on")
        if type(known.default) is float and type(value) not in (int, float):
            raise UserError(f"{known.name} is {value!r}, expected a number")


def check_ends(ends: list[Any]) -> None:
    """Refuse a list of end tokens that are no token ids."""
    if any(type(end) is not int or end < 0 for end in ends):
        raise UserError(f"eos_token_id is {ends!r}, expected whole numbers from 0 on")


def stored(config: Config) -> GitConfig:
    """Give plain settings the methods that read and write them."""
    vision = GitVisionConfig(**vars(config.vision_config))
    return GitConfig(**{**vars(config), "vision_config": vision})
