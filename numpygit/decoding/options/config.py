"""Every option of `generate`: names and defaults of transformers 4.37.2, and what is new here."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError, expect
from ...loading.config import GitConfig
from ...loading.fields import check_name
from ...loading.find import find
from ...loading.formats import read_json
from ...loading.hub import GENERATION_FILES
from ...loading.hub.keywords import sort_keywords
from ...loading.hub.push import check_saving, made_folder, push, push_folder
from ...loading.write_whole import write_text
from .absent import ABSENT, NO_FIELDS, is_neutral, unknown_option
from .checks import as_tuple, check, warn_of_idle
from .kinds import taken

GENERATION = "generation_config.json"
DEFAULT_MAX_LENGTH = 50  # transformers' 20 cuts captions short
OFFICIAL_MAX_LENGTH = 20
END_PADS = -1  # a pad_token_id that stands for the end token
NONE_SET = {"eos_token_id": (), "pad_token_id": END_PADS}  # what None, set by hand, stands for
NOT_OPTIONS = ("output_attentions", "output_hidden_states")  # of a config: they are for calls
NEW_HERE = ("seed", "generator", "beam_form", "per_node_beam_size", "output_log_probabilities")
TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")


@dataclass(slots=True, repr=False)
class GenerationConfig:
    """How to generate: `model.generate(..., num_beams=4)`. `None` stands for "off", or for what the
    model's config says.

    Parameters
    ----------
    max_length, max_new_tokens : int, optional
        The most tokens of prompt and text together, or of the text alone. By default 50 together,
        or all positions of a smaller model.
    min_length, min_new_tokens : int, optional
        The fewest, counted alike: the end token is suppressed until then.
    max_time : float, optional
        Seconds, after which no further token is begun.
    do_sample : bool
        Draw tokens, instead of taking the likeliest.
    num_beams, num_beam_groups : int
        Beam search with so many beams, in so many groups that avoid each other's tokens.
    diversity_penalty : float
        How much a token loses that another group has just chosen.
    length_penalty : float
        The power of the length that a hypothesis' log-probability is divided by.
    early_stopping : bool or "never"
        When a beam search stops: as soon as there are enough hypotheses, or by a guess, or when
        none can be better.
    beam_form : "transformers" or "authors"
        Whose beam search: see `decoding/beams.py`.
    per_node_beam_size : int
        Candidates for each beam.
    penalty_alpha : float, optional
        Contrastive search, with top_k: the weight of unlikeness, from 0 to 1.
    num_return_sequences : int
        Texts for each prompt.
    temperature : float
        Divides logits before a draw: above 1 flatter, below 1 sharper.
    top_k, top_p, min_p, typical_p, epsilon_cutoff, eta_cutoff : float, optional
        Filters of a draw: the k likeliest tokens, nucleus, share of the likeliest, typical mass,
        least probability, and that adapted to the entropy. See `decoding/sampling.py`.
    seed, generator : int, numpy.random.Generator, optional
        Where a draw takes its random numbers from.
    repetition_penalty, no_repeat_ngram_size : float, int
        Against tokens, and sequences of so many, that come again.
    bad_words_ids, sequence_bias : lists of token ids, dict of tuples to float, optional
        Sequences that never come, or whose last token's logit is raised or lowered.
    suppress_tokens, begin_suppress_tokens : list of int, optional
        Tokens that never come, or not as the first one.
    forced_bos_token_id, forced_eos_token_id : int, optional
        The token that comes first, and the one that comes at max_length.
    exponential_decay_length_penalty : (int, float), optional
        From which new token on, and with which factor, the end token grows likelier.
    remove_invalid_values, renormalize_logits : bool
        Replace what is not finite; log-softmax after all processors.
    return_dict_in_generate : bool
        Return a GenerateOutput, not ids alone.
    output_scores, output_logits, output_attentions, output_hidden_states : bool
        What it holds beside the ids, for each new token.
    output_log_probabilities : bool
        Also how likely the model finds each text, whatever chose its tokens.
    use_cache : bool
        Accepted; with the KV cache or without, the tokens are the same.
    bos_token_id, eos_token_id, pad_token_id : int, optional
        Special tokens; None takes the model's, and () for the end token never stops.

    Raises
    ------
    UserError
        For an option that there is not, and for values that cannot be, when it is used.

    Examples
    --------
    >>> import numpygit
    >>> numpygit.GenerationConfig(num_beams=4, max_new_tokens=12)
    GenerationConfig(max_new_tokens=12, num_beams=4)

    Source: transformers 4.37.2, `generation/configuration_utils.py`; `min_p` is from 5.x. New here
    are `seed`, `generator`, `beam_form`, `per_node_beam_size` and `output_log_probabilities`.
    """

    # how long: lengths count text tokens, the prompt and its padding included; "new" ones do not
    max_length: int | None = None
    max_new_tokens: int | None = None
    min_length: int = 0
    min_new_tokens: int | None = None
    max_time: float | None = None
    # the search
    do_sample: bool = False
    num_beams: int = 1
    num_beam_groups: int = 1
    diversity_penalty: float = 0.0
    length_penalty: float = 1.0
    early_stopping: bool | str = False
    beam_form: str = "transformers"  # or "authors": see beams.py
    per_node_beam_size: int = 2
    penalty_alpha: float | None = None
    num_return_sequences: int = 1
    # which words are drawn
    temperature: float = 1.0
    top_k: int | None = 50
    top_p: float = 1.0
    min_p: float | None = None
    typical_p: float = 1.0
    epsilon_cutoff: float = 0.0
    eta_cutoff: float = 0.0
    seed: int | None = None
    generator: np.random.Generator | None = None
    # what changes the scores
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    bad_words_ids: Sequence[Sequence[int]] | None = None
    sequence_bias: Mapping[tuple[int, ...], float] | None = None
    suppress_tokens: Sequence[int] | None = None
    begin_suppress_tokens: Sequence[int] | None = None
    forced_bos_token_id: int | None = None
    forced_eos_token_id: int | Sequence[int] | None = None
    exponential_decay_length_penalty: tuple[int, float] | None = None
    remove_invalid_values: bool = False
    renormalize_logits: bool = False
    # what comes back
    return_dict_in_generate: bool = False
    output_scores: bool = False
    output_logits: bool = False
    output_attentions: bool = False
    output_hidden_states: bool = False
    output_log_probabilities: bool = False
    use_cache: bool = True  # the words are the same; False shows attentions as if without
    # special tokens; None takes the model's, and () for the end token never stops
    bos_token_id: int | None = None
    eos_token_id: int | Sequence[int] | None = None
    pad_token_id: int | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an option. None, set later, for the end token never stops, as in transformers."""
        if value is None and name in NONE_SET and is_set(self, name):
            value = NONE_SET[name]
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in ABSENT and name not in NO_FIELDS:
            return ABSENT[name][0]
        names = {field.name for field in fields(GenerationConfig)}
        raise AttributeError(f"GenerationConfig has no {name!r}: {unknown_option(name, names)}")

    def __repr__(self) -> str:
        plain = ((field.name, field.default) for field in fields(self))
        named = [(name, getattr(self, name), default) for name, default in plain]
        changed = ", ".join(f"{name}={value!r}" for name, value, plain in named if value != plain)
        return f"{type(self).__name__}({changed})"

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any], **options: Any) -> Any:
        """Take the known fields of a `generation_config.json`; null is the default.

        `options` win. With `return_unused_kwargs` the result is the config and the options that
        it does not know. A file made from a model's config (`_from_model_config`) may repeat the
        20 words that are transformers' default for every model: nobody has chosen them. Raises
        UserError for what cannot be; warns of options for a kind of generation that is not here.
        """
        expect("config_dict", config_dict, Mapping, "a dict of options")
        given = {name: value for name, value in config_dict.items() if value is not None}
        for name in given:
            check_name(name)
        if given.get("_from_model_config") and given.get("max_length") == OFFICIAL_MAX_LENGTH:
            del given["max_length"]
        for name in sorted(given.keys() & ABSENT.keys()):
            if not is_neutral(name, given[name]):
                warnings.warn(f"{unknown_option(name, set())}; it is ignored", stacklevel=2)
        given |= taken(given, by_hand=False)
        names = {field.name for field in fields(cls)}
        config = cls(**{name: value for name, value in given.items() if name in names})
        check(config)
        wants_unused = options.pop("return_unused_kwargs", False)
        unused = {n: v for n, v in options.items() if n not in names and n not in ABSENT}
        if wants_unused:
            options = {name: value for name, value in options.items() if name not in unused}
        config = config.change(options) if options else config
        return (config, unused) if wants_unused else config

    @classmethod
    def from_model_config(cls, model_config: GitConfig) -> GenerationConfig:
        """Take what a `config.json` says of generation: special tokens and, in old files, more."""
        expect("model_config", model_config, GitConfig, "a GitConfig")
        names = {field.name for field in fields(cls)} | {"encoder_no_repeat_ngram_size"}
        values = {n: v for n, v in vars(model_config).items() if n in names and n not in NEW_HERE}
        tokens = {n: values.pop(n) for n in TOKENS if values.get(n) is not None}
        made: GenerationConfig = cls.from_dict({**values, "_from_model_config": True})
        return replace(made, **tokens)  # -1, set by hand, is a way to say "never"

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name: str | Path,
        config_file_name: str | Path | None = None,
        **keywords: Any,
    ) -> Any:
        """Read the options of "storybook", a folder, or a model of the Hugging Face Hub.

        Options among the keywords win; for the others see `numpygit.loading.hub.keywords`.
        """
        where, options = sort_keywords(keywords)
        file = str(config_file_name or GENERATION)
        folder = find(pretrained_model_name, files=(*GENERATION_FILES, file), **where)
        values = read_json(folder / file)
        try:
            return cls.from_dict(values, **options)
        except UserError as error:
            raise UserError(f"{folder / file}: {error}") from None

    def save_pretrained(
        self,
        save_directory: str | Path,
        config_file_name: str | Path | None = None,
        push_to_hub: bool = False,
        **keywords: Any,
    ) -> None:
        """Write `generation_config.json` into a folder, which is made if need be."""
        check_saving(keywords)
        file = str(config_file_name or GENERATION)
        self.to_json_file(made_folder(save_directory) / file)
        if push_to_hub:
            push_folder(Path(save_directory), [file], **keywords)

    def push_to_hub(self, repo_id: str, **keywords: Any) -> str:
        """Write `generation_config.json` into a repository of the Hub: -> the commit's address."""
        return push(self, repo_id, **keywords)

    def to_dict(self) -> dict[str, Any]:
        """List all options, as a file holds them."""
        names = [field.name for field in fields(self) if field.name != "generator"]
        values = {name: getattr(self, name) for name in names}
        if self.never_ends:
            values["eos_token_id"] = None
        if values["pad_token_id"] == END_PADS:
            values["pad_token_id"] = None
        if values["sequence_bias"]:
            pairs = values["sequence_bias"].items()
            values["sequence_bias"] = [[list(words), value] for words, value in pairs]
        return values

    def to_diff_dict(self) -> dict[str, Any]:
        """List the options that are not at their default, as a file holds them."""
        plain = type(self)().to_dict()
        diff = {name: value for name, value in self.to_dict().items() if value != plain[name]}
        return {**diff, "eos_token_id": []} if self.never_ends else diff

    @property
    def never_ends(self) -> bool:
        """Whether no token ends a text: None was set for the end token."""
        return self.eos_token_id is not None and as_tuple(self.eos_token_id) == ()

    def to_json_string(self, use_diff: bool = True, **more: Any) -> str:
        """Write the options as JSON; without `use_diff` those at their default too."""
        values = self.to_diff_dict() if use_diff else self.to_dict()
        return json.dumps(values, indent=2, sort_keys=True) + "\n"

    def to_json_file(
        self, json_file_path: str | Path, use_diff: bool = True, keys_to_pop: Iterable[str] = ()
    ) -> None:
        """Write the options into a file, without those of `keys_to_pop`."""
        values = json.loads(self.to_json_string(use_diff))  # sorted
        expect("keys_to_pop", keys_to_pop, Iterable, "a list of names")
        gone = {str(name) for name in keys_to_pop}
        text = json.dumps({n: v for n, v in values.items() if n not in gone}, indent=2) + "\n"
        write_text(json_file_path, text)

    def validate(self, *args: Any, **more: Any) -> None:
        """Check the options: raises UserError for what cannot be, warns of what does nothing."""
        check(self)
        warn_of_idle(self)

    def update(self, **options: Any) -> dict[str, Any]:
        """Set the options that there are: -> those that there are not."""
        names = {field.name for field in fields(self)}
        for name, value in self.change({n: v for n, v in options.items() if n in names}).items():
            setattr(self, name, value)
        return {name: value for name, value in options.items() if name not in names}

    def items(self) -> Iterable[tuple[str, Any]]:
        """Go through all options and their values."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]

    def change(self, options: Mapping[str, Any]) -> GenerationConfig:
        """Return these options with some changed; an unknown name is a mistake.

        `eos_token_id=None` means that no token ends a text, as in transformers; a pad token of
        None is the end token.
        """
        names = {field.name for field in fields(self)}
        for name, value in options.items():
            if name not in names and not is_neutral(name, value):
                raise UserError(unknown_option(name, names))
        # what None stands for
        plain: dict[str, Any] = {field.name: field.default for field in fields(self)}
        plain |= NONE_SET
        given = {n: plain[n] if v is None else v for n, v in options.items() if n in names}
        empty = {n for n, v in given.items() if type(v) is list and not v}
        others = {n: v for n, v in given.items() if type(v) is not type(plain[n])}
        others = {n: v for n, v in others.items() if n not in empty}
        given |= taken(others, by_hand=True) if others else {}
        changed = object.__new__(type(self))  # what is not given was checked when it was set
        for name in names:
            object.__setattr__(changed, name, given[name] if name in given else getattr(self, name))
        check(changed)
        warn_of_idle(changed)
        return changed


def is_set(thing: object, name: str) -> bool:
    """Tell whether an attribute has a value: it has none while its object is made, or copied."""
    try:
        object.__getattribute__(thing, name)
    except AttributeError:
        return False
    return True


def refuse_unknown(config_class: type[GenerationConfig]) -> None:
    """Let GenerationConfig(...) say which options there are, in place of a bare TypeError."""
    plain: Callable[..., None] = config_class.__init__
    defaults = {field.name: field.default for field in fields(config_class)}

    @wraps(plain)
    def init(self: GenerationConfig, *values: Any, **named: Any) -> None:
        for name in [name for name in named if name not in defaults]:
            if not is_neutral(name, named.pop(name)):
                raise UserError(unknown_option(name, set(defaults)))
        chosen = {n: v for n, v in named.items() if v is not defaults[n]}  # the rest is as it was
        plain(self, *values, **{**named, **taken(chosen, by_hand=True)})

    config_class.__init__ = init  # type: ignore[method-assign]


refuse_unknown(GenerationConfig)

AUTHORS = GenerationConfig(num_beams=4, length_penalty=0.6, beam_form="authors", max_length=1024)
"""The search of the authors' own repository, `GeneratorWithBeamSearch`, with its defaults."""


def noted_options(config: GitConfig) -> dict[str, Any]:
    """Read the options of generation that a model's config holds, as it stands now."""
    names = {field.name for field in fields(GenerationConfig)} - {"use_cache", *NEW_HERE}
    found = {n: v for n, v in vars(config).items() if n in names and n not in NOT_OPTIONS}
    return {name: v for name, v in found.items() if v is not None or name in TOKENS}


GENERATION = "generation_config.json"
