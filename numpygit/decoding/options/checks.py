"""What options of generation cannot be, refused before any work."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from typing import Any

from ...errors import UserError

KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false",
         "str": "a text", "None": "null"}  # fmt: skip


def check(options: Any) -> None:
    """Refuse options that cannot be, before any work."""
    beams, groups, texts = options.num_beams, options.num_beam_groups, options.num_return_sequences
    require("num_beams", beams, beams >= 1, "at least 1")
    fits = groups >= 1 and beams % groups == 0
    require("num_beam_groups", groups, fits, f"a divisor of num_beams, {beams}")
    require("num_return_sequences", texts, texts >= 1, "at least 1")
    most = texts if options.do_sample and beams == 1 else beams
    require("num_return_sequences", texts, texts <= most, f"at most num_beams, {beams}")
    early = options.early_stopping in (True, False, "never")
    require("early_stopping", options.early_stopping, early, "True, False or 'never'")
    form = options.beam_form in ("transformers", "authors")
    require("beam_form", options.beam_form, form, "'transformers' or 'authors'")
    nodes = options.per_node_beam_size
    require("per_node_beam_size", nodes, nodes >= 2, "at least 2")
    if groups > 1 and options.do_sample:
        raise UserError("num_beam_groups and do_sample do not go together; leave one out")
    check_filters(options)
    check_penalties(options)


def check_filters(options: Any) -> None:
    """Refuse filters that cannot be."""
    require("temperature", options.temperature, options.temperature > 0, "more than 0")
    require("top_p", options.top_p, 0 <= options.top_p <= 1, "from 0 to 1")
    typical = 0 < options.typical_p <= 1
    require("typical_p", options.typical_p, typical, "more than 0, at most 1")
    if options.top_k is not None:
        require("top_k", options.top_k, options.top_k >= 0, "at least 0, and 0 for no limit")
    if options.min_p is not None:
        require("min_p", options.min_p, 0 <= options.min_p <= 1, "from 0 to 1")


def warn_of_idle(options: Any) -> None:
    """Warn of filters that do nothing, as transformers does."""
    plain = type(options)()
    if not options.do_sample:
        for name in ("temperature", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"):
            if getattr(options, name) != getattr(plain, name):
                warnings.warn(f"{name} does nothing without do_sample=True", stacklevel=4)


def check_penalties(options: Any) -> None:
    """Refuse penalties that cannot be."""
    penalty = options.repetition_penalty
    require("repetition_penalty", penalty, penalty > 0, "more than 0")
    size = options.no_repeat_ngram_size
    require("no_repeat_ngram_size", size, size >= 0, "at least 0")
    for words in options.bad_words_ids or ():
        fine = not isinstance(words, int) and len(words) > 0
        require("bad_words_ids", words, fine, "lists of token ids, none of them empty")


def check_kinds(values: Mapping[str, Any], config_class: type) -> None:
    """Refuse values from a file that are of another kind than the option: words for numbers, ..."""
    for field in fields(config_class):
        kinds = str(field.type).split(" | ")
        value = values.get(field.name)
        if value is not None and not any(is_kind(value, kind) for kind in kinds):
            expected = " or ".join(KINDS.get(kind, "a list of numbers") for kind in kinds)
            raise UserError(f"{field.name} is {value!r}; it must be {expected}")


def is_kind(value: object, kind: str) -> bool:
    """Tell whether a value from a file is what a field is declared to be."""
    if kind in ("int", "float"):
        number = Integral if kind == "int" else Real
        return isinstance(value, number) and not isinstance(value, bool)
    if kind in ("bool", "str"):
        return type(value).__name__ == kind
    is_list = isinstance(value, Iterable) and not isinstance(value, str)
    return is_list and all(is_kind(leaf, "float") for leaf in leaves(value))


def as_tuple(words: int | Sequence[int] | None) -> tuple[int, ...]:
    """Take one token, several, or none."""
    if words is None:
        return ()
    return tuple(int(word) for word in leaves(words))


def leaves(value: object) -> list[Any]:
    """List the token ids in an option: one, a list, a list of lists, or the keys of a bias."""
    if value is None:
        return []
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [leaf for each in value for leaf in leaves(each)]
    return [value]


def read_bias(bias: Any) -> dict[tuple[int, ...], float]:
    """Read sequence_bias as a file holds it, [[[ids], number], ...]; a dict stays one."""
    try:
        pairs = bias.items() if isinstance(bias, Mapping) else bias
        return {tuple(int(word) for word in words): float(value) for words, value in pairs}
    except (TypeError, ValueError):
        raise UserError(f"sequence_bias is {bias!r}; it must be [[[ids], number], ...]") from None


def require(name: str, value: object, is_fine: bool, expected: str) -> None:
    """Raise the error that says which option is wrong, and how it should be."""
    if not is_fine:
        raise UserError(f"{name} is {value!r}; it must be {expected}")


GENERATION = "generation_config.json"
