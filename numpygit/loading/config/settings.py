"""What both configs can do beside holding fields: compare, print, read and write JSON.

Settings that every config of transformers has can be read, and set, here too; what was never set
is not written. A token never becomes a setting. Source of names and defaults: transformers
4.37.2, `configuration_utils.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import fields
from functools import wraps
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ...errors import UserError, expect
from ..fields import CONFIG, VISION, check_name, checked
from ..find import find
from ..formats import read_json
from ..hub.download import CONFIG_FILES
from ..hub.keywords import SECRET, sort_keywords, without_secrets
from ..hub.push import check_saving, made_folder, push, push_folder
from ..write_whole import write_text

Kind = TypeVar("Kind", bound="Settings")

OF_GENERATION: dict[str, Any] = {
    "max_length": 20, "min_length": 0, "do_sample": False, "early_stopping": False, "num_beams": 1,
    "num_beam_groups": 1, "diversity_penalty": 0.0, "temperature": 1.0, "top_k": 50, "top_p": 1.0,
    "typical_p": 1.0, "repetition_penalty": 1.0, "length_penalty": 1.0, "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0, "bad_words_ids": None, "num_return_sequences": 1,
    "output_scores": False, "return_dict_in_generate": False, "forced_bos_token_id": None,
    "forced_eos_token_id": None, "remove_invalid_values": False,
    "exponential_decay_length_penalty": None, "suppress_tokens": None,
    "begin_suppress_tokens": None,
}  # fmt: skip
OFFICIAL: dict[str, Any] = {  # settings of every config, with their defaults
    **OF_GENERATION,
    "torchscript": False, "torch_dtype": None, "dtype": None, "use_bfloat16": False,
    "tf_legacy_loss": False, "chunk_size_feed_forward": 0, "is_encoder_decoder": False,
    "is_decoder": False, "cross_attention_hidden_size": None, "add_cross_attention": False,
    "tie_encoder_decoder": False, "architectures": None, "finetuning_task": None,
    "tokenizer_class": None, "prefix": None, "sep_token_id": None, "decoder_start_token_id": None,
    "task_specific_params": None, "problem_type": None, "transformers_version": None,
    "pruned_heads": {}, "id2label": {0: "LABEL_0", 1: "LABEL_1"},
    "label2id": {"LABEL_0": 0, "LABEL_1": 1}, "attn_implementation": None,
}  # fmt: skip
TABLES = {"git": CONFIG, "git_vision_model": VISION}
KEPT_BACK = ("_name_or_path",)  # where a config was read from is no setting


class Settings:
    """What both configs can do beside holding fields: compare, print, read and write JSON."""

    model_type: ClassVar[str]
    is_composition: ClassVar[bool] = False
    attribute_map: ClassVar[dict[str, str]] = {}
    output_attentions = False
    output_hidden_states = False
    return_dict = True

    def __getattr__(self, name: str) -> Any:
        if name in OFFICIAL:
            default = OFFICIAL[name]
            if isinstance(default, dict):  # it may be changed in place
                default = deepcopy(default)
                self.__dict__[name] = default
            return default
        raise AttributeError(
            f"{type(self).__name__} has no setting {name!r}; it has: {', '.join(vars(self))}"
        )

    @property
    def use_return_dict(self) -> bool:
        """Whether outputs come with names, or as plain tuples."""
        return self.return_dict and not self.torchscript

    @property
    def name_or_path(self) -> str:
        """Where the config was read from."""
        return str(self.__dict__.get("_name_or_path", ""))

    @name_or_path.setter
    def name_or_path(self, value: object) -> None:
        self.__dict__["_name_or_path"] = str(value)

    @property
    def num_labels(self) -> int:
        """The number of classes, which GIT does not use: it writes."""
        return len(self.id2label)

    @num_labels.setter
    def num_labels(self, number: int) -> None:
        self.id2label = {i: f"LABEL_{i}" for i in range(number)}
        self.label2id = {f"LABEL_{i}": i for i in range(number)}

    # ---------------------------------------------------------------- dicts

    def to_dict(self) -> dict[str, Any]:
        """List every setting, those that were given beyond the fields included."""
        values = {"model_type": self.model_type, **vars(self)}
        return {
            name: v.to_dict() if isinstance(v, Settings) else deepcopy(v)
            for name, v in values.items()
            if name not in KEPT_BACK and not is_untouched(name, v)
        }

    def to_diff_dict(self) -> dict[str, Any]:
        """List the settings that differ from the defaults."""
        defaults = type(self)().to_dict()
        values = self.to_dict()
        diff = {n: v for n, v in values.items() if n not in defaults or v != defaults[n]}
        return {**diff, "model_type": self.model_type}

    @classmethod
    def from_dict(cls: type[Kind], config_dict: Mapping[str, Any], **more: Any) -> Any:
        """Take the settings from a dict, then those from `more`; fill the rest with defaults.

        What is no field is kept as an attribute. Third-party checkpoints often carry a
        `vision_config` with only a few fields, and the official ones carry leftovers such as
        `projection_dim`: both are fine. With `return_unused_kwargs` the result is the config and
        those of `more` that it has no use for.
        """
        expect("config_dict", config_dict, Mapping, "a dict of settings")
        wants_unused = more.pop("return_unused_kwargs", False)
        unused: dict[str, Any] = {}
        if wants_unused:
            names = {*cls.field_names(), *config_dict}
            unused = {name: more.pop(name) for name in set(more) - names}
        given = without_secrets({**config_dict, **more})
        given.pop("model_type", None)
        for name in given:
            check_name(name)
        made = cls(**given)
        return (made, unused) if wants_unused else made

    @classmethod
    def field_names(cls) -> set[str]:
        """List the names of all settings."""
        own = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        return own | set(OFFICIAL) | {"output_attentions", "output_hidden_states", "return_dict",
                                      "num_labels"}  # fmt: skip

    def changed(self: Kind, settings: Mapping[str, Any]) -> Kind:
        """Return this config with some settings changed. Raises UserError for unknown ones."""
        if not settings:
            return self
        unknown = sorted(set(settings) - self.field_names() - set(vars(self)))
        if unknown:
            raise UserError(
                f"from_pretrained has no keyword, and {type(self).__name__} no setting called "
                f"{', '.join(unknown)}"
            )
        made: Kind = type(self).from_dict({**self.to_dict(), **settings})
        return made

    def update(self, config_dict: Mapping[str, Any]) -> None:
        """Set several settings at once."""
        expect("config_dict", config_dict, Mapping, "a dict of settings")
        for name, value in without_secrets(config_dict).items():
            setattr(self, name, value)

    def update_from_string(self, update_str: str) -> None:
        """Set settings from a text such as "hidden_size=36,use_cache=false"."""
        expect("update_str", update_str, str, "a text")
        for part in update_str.split(","):
            name, _, text = part.partition("=")
            old = getattr(self, name, None)
            if not hasattr(self, name):
                raise UserError(f"{type(self).__name__} has no setting {name!r}")
            try:
                setattr(self, name, read_as(text, old))
            except ValueError:
                raise UserError(f"{name}={text!r}: expected {type(old).__name__}") from None

    # ---------------------------------------------------------------- files

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **keywords: Any) -> Any:
        """Read the settings of "storybook", a folder, or a model of the Hub.

        Settings among the keywords win; for the others see `numpygit.loading.hub.keywords`. With
        `return_unused_kwargs` the result is the config and the keywords that nobody took.
        """
        where, rest = sort_keywords(keywords)
        wants_unused = rest.pop("return_unused_kwargs", False)
        folder = find(pretrained_model_name_or_path, files=CONFIG_FILES, **where)
        config = cls.from_folder(folder)
        names = config.field_names() | set(vars(config))
        settings = {n: v for n, v in rest.items() if n in names or not wants_unused}
        config = config.changed(settings)
        config.name_or_path = pretrained_model_name_or_path
        unused = {name: v for name, v in rest.items() if name not in settings}
        return (config, unused) if wants_unused else config

    @classmethod
    def from_folder(cls, folder: Path) -> Any:
        """Read the settings of a checkpoint folder."""
        raise NotImplementedError

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: str | Path, **keywords: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read `config.json` as a dict: -> its values, and the keywords nobody took."""
        where, rest = sort_keywords(keywords)
        folder = find(pretrained_model_name_or_path, files=CONFIG_FILES, **where)
        return read_json(folder / "config.json"), rest

    @classmethod
    def from_json_file(cls: type[Kind], json_file: str | Path) -> Kind:
        """Read the settings from a file."""
        expect("json_file", json_file, (str, PathLike), "a path")
        path = Path(json_file)
        values = checked(read_json(path), TABLES[cls.model_type], where=path)
        made: Kind = cls.from_dict(values)
        return made

    def to_json_string(self, use_diff: bool = False) -> str:
        """Write all settings as JSON; with `use_diff` only those that differ from the defaults.

        Raises UserError for an activation that is a function: JSON has no place for it.
        """
        values = self.to_diff_dict() if use_diff else self.to_dict()
        try:
            return json.dumps(values, indent=2, sort_keys=True) + "\n"
        except TypeError as error:
            raise UserError(f"these settings cannot be written as JSON: {error}") from None

    def to_json_file(self, json_file_path: str | Path, use_diff: bool = False) -> None:
        """Write all settings into a file."""
        text = self.to_json_string(use_diff)
        write_text(json_file_path, text)

    def save_pretrained(
        self, save_directory: str | Path, push_to_hub: bool = False, **keywords: Any
    ) -> None:
        """Write `config.json` into a folder, which is made if need be."""
        check_saving(keywords)
        folder = made_folder(save_directory)
        self.to_json_file(folder / "config.json")
        if push_to_hub:
            push_folder(folder, ["config.json"], **keywords)

    def push_to_hub(self, repo_id: str, **keywords: Any) -> str:
        """Write `config.json` into a repository of the Hub: -> the commit's address."""
        return push(self, repo_id, **keywords)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.to_dict() == self.to_dict()

    def __hash__(self) -> int:
        raise TypeError("a config can be changed, and has no hash")

    def __repr__(self) -> str:
        try:
            return f"{type(self).__name__} {self.to_json_string()}"
        except UserError:
            return f"{type(self).__name__} {self.to_dict()}"


def keep_unknown(config_class: type[Kind]) -> type[Kind]:
    """Let a dataclass take any keyword: what is no field becomes a plain attribute.

    A token does not, and nothing hides a method.
    """
    names = {field.name for field in fields(config_class)}  # type: ignore[arg-type]
    plain: Callable[..., None] = config_class.__init__

    @wraps(plain)
    def init(self: Kind, *values: Any, **named: Any) -> None:
        others = {name: named.pop(name) for name in list(named) if name not in names}
        plain(self, *values, **named)
        for name, value in others.items():
            ours = getattr(config_class, name, None)
            is_fixed = callable(ours) or (isinstance(ours, property) and ours.fset is None)
            if name not in SECRET and not is_fixed:
                setattr(self, name, as_official(name, value))

    config_class.__init__ = init  # type: ignore[method-assign, assignment]
    return config_class


def as_official(name: str, value: Any) -> Any:
    """Read what JSON cannot say: the keys of two tables are numbers."""
    if name in ("pruned_heads", "id2label") and isinstance(value, Mapping):
        is_number = all(str(key).lstrip("-").isdigit() for key in value)
        return {int(key): each for key, each in value.items()} if is_number else dict(value)
    return value


def is_untouched(name: str, value: Any) -> bool:
    """Tell whether a table was only looked at."""
    return isinstance(OFFICIAL.get(name), dict) and bool(value == OFFICIAL[name])


def read_as(text: str, old: Any) -> Any:
    """Read a text as the kind of value that stands there already."""
    if isinstance(old, bool):
        if text.lower() not in ("true", "false", "1", "0", "y", "n", "yes", "no"):
            raise ValueError(text)
        return text.lower() in ("true", "1", "y", "yes")
    return type(old)(text) if isinstance(old, int | float) else text
