"""Types and ranges of generation options, by the table that files are checked with too:
`loading.fields.GENERATION`.

A value of another kind, num_beams="four", is refused in one sentence, wherever it comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...loading.fields import (
    GENERATION,
    Flag,
    Kind,
    ListOf,
    Number,
    Row,
    Whole,
    checked,
    either,
    misfit,
)

ID = Whole(-(10**9), 10**9)  # which tokens there are is checked against the vocabulary
COUNT = Whole(-(10**9), 10**9)
LENGTH = Whole(-(10**99), 10**99)  # of any size: it is compared with the model's positions
IDS = ListOf(ID)
BY_HAND: dict[str, Kind] = {  # what a program says may be checked further, with better words
    **GENERATION,
    **dict.fromkeys(("num_beams", "num_beam_groups", "num_return_sequences"), COUNT),
    **dict.fromkeys(("per_node_beam_size", "no_repeat_ngram_size", "top_k"), COUNT),
    **dict.fromkeys(("max_length", "max_new_tokens"), LENGTH),
    **dict.fromkeys(("suppress_tokens", "begin_suppress_tokens"), IDS),
    **dict.fromkeys(("bos_token_id", "pad_token_id", "forced_bos_token_id"), ID),
    **dict.fromkeys(("eos_token_id", "forced_eos_token_id"), either(ID, IDS)),
    "bad_words_ids": ListOf(either(IDS, ID)),
    "sequence_bias": ListOf(Row((IDS, Number()))),
}


def taken(options: Mapping[str, Any], *, by_hand: bool) -> dict[str, Any]:
    """Check the kinds of options that are not None: -> them, whole numbers as whole numbers."""
    table = BY_HAND if by_hand else GENERATION
    given = {n: v for n, v in options.items() if n in table and v is not None}
    generator, bias = given.pop("generator", None), given.get("sequence_bias")
    if generator is not None and not isinstance(generator, np.random.Generator):
        raise misfit("generator", generator, "a numpy.random.Generator", "")
    if isinstance(bias, Mapping):  # as transformers takes it; files hold a list of pairs
        pairs = [(ids if isinstance(ids, tuple) else (ids,), v) for ids, v in bias.items()]
        given["sequence_bias"] = [[list(ids), value] for ids, value in pairs]
    if by_hand:
        given = {name: as_flag(table[name], value) for name, value in given.items()}
    found = checked(given, table)
    if "sequence_bias" in found:
        found["sequence_bias"] = read_bias(found["sequence_bias"])
    return found


def as_flag(kind: Kind, value: Any) -> Any:
    """Take 0, 1 and NumPy's own truth values for true and false."""
    is_number = isinstance(value, int | np.bool_) and value in (0, 1)
    return bool(value) if isinstance(kind, Flag) and is_number else value


def read_bias(bias: list[Any]) -> dict[tuple[int, ...], float]:
    """Read sequence_bias as a file holds it, [[[ids], number], ...]."""
    return {tuple(ids): float(value) for ids, value in bias}
