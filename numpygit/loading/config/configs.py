"""`config.json` <-> the settings of a model: `model/config.py` with what reads and writes them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...errors import UserError
from ...model.config import Config, VisionConfig
from ...model.layers import activate
from ..authors import authors_config
from ..find import is_authors
from ..formats import read_json, read_tensors
from .settings import Settings, keep_unknown


@keep_unknown
@dataclass(eq=False, repr=False)
class GitVisionConfig(Settings, VisionConfig):
    """The vision encoder, a CLIP ViT. The defaults are those of `microsoft/git-base`.

    Any other keyword is kept as an attribute. Raises UserError for sizes that cannot be.
    """

    model_type: ClassVar[str] = "git_vision_model"

    @classmethod
    def from_folder(cls, folder: Path) -> GitVisionConfig:
        """Read the settings of a vision encoder, alone or of a whole GIT."""
        if not is_authors(folder):
            values = read_json(folder / "config.json")
            if values.get("model_type") == cls.model_type:
                made: GitVisionConfig = cls.from_dict(values)
                return made
        return read_config(folder).vision_config


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

    @classmethod
    def from_folder(cls, folder: Path) -> GitConfig:
        """Read the settings of a checkpoint folder."""
        return read_config(folder)


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
        config.check()
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
        if "token_id" in known.name and value is None:
            continue  # there is none; generate then has its own rule
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
