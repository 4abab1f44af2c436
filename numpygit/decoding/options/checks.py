"""Checks of generation options: wrong values are errors before any work, those without effect are
warnings.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from ...errors import UserError
from ...loading.fields import MOST_BEAMS, brief

TOKEN_OPTIONS = ("bad_words_ids", "sequence_bias", "suppress_tokens", "begin_suppress_tokens",
                 "forced_bos_token_id", "forced_eos_token_id")  # fmt: skip


def check(options: Any) -> None:
    """Refuse options that cannot be, before any work."""
    beams, groups, texts = options.num_beams, options.num_beam_groups, options.num_return_sequences
    require("num_beams", beams, beams >= 1, "at least 1")
    require("num_beams", beams, beams <= MOST_BEAMS, f"at most {MOST_BEAMS}")
    fits = groups >= 1 and beams % groups == 0
    require("num_beam_groups", groups, fits, f"a divisor of num_beams, {beams}")
    require("num_return_sequences", texts, texts >= 1, "at least 1")
    require("num_return_sequences", texts, texts <= MOST_BEAMS, f"at most {MOST_BEAMS}")
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
    for field in fields(options):
        value = getattr(options, field.name)
        is_odd = isinstance(value, float) and not math.isfinite(value)
        require(field.name, value, not is_odd, "a finite number")
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
    plain = {field.name: field.default for field in fields(options)}
    if not options.do_sample:
        for name in ("temperature", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"):
            if getattr(options, name) != plain[name]:
                warnings.warn(f"{name} does nothing without do_sample=True", stacklevel=4)


def check_penalties(options: Any) -> None:
    """Refuse penalties that cannot be."""
    penalty = options.repetition_penalty
    require("repetition_penalty", penalty, penalty > 0, "more than 0")
    require("min_length", options.min_length, options.min_length >= 0, "at least 0")
    size = options.no_repeat_ngram_size
    require("no_repeat_ngram_size", size, size >= 0, "at least 0")
    for words in options.bad_words_ids or ():
        fine = not isinstance(words, int) and len(words) > 0
        require("bad_words_ids", words, fine, "lists of token ids, none of them empty")


def as_tuple(words: int | Sequence[int] | None) -> tuple[int, ...]:
    """Take one token, several, or none."""
    if words is None:
        return ()
    return tuple(int(word) for word in leaves(words))


def check_ids(options: Any, V: int) -> None:
    """Refuse options that name tokens beyond the vocabulary."""
    for name in TOKEN_OPTIONS:
        ids = leaves(getattr(options, name))
        if not all(0 <= token_id < V for token_id in ids):
            raise UserError(f"{name} must name tokens from 0 to {V - 1}, the vocabulary; got {ids}")


def leaves(value: object) -> list[Any]:
    """List the token ids in an option: one, a list, a list of lists, or the keys of a bias."""
    if value is None:
        return []
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [leaf for each in value for leaf in leaves(each)]
    return [value]


def require(name: str, value: object, is_fine: bool, expected: str) -> None:
    """Raise the error that says which option is wrong, and how it should be."""
    if not is_fine:
        raise UserError(f"{name} is {brief(value)}; it must be {expected}")
