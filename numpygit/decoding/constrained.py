"""Constrained decoding: texts from a list only, by a trie of their tokens, and the exact score of
each.

The paper classifies by generating: the picture's class is the name that the model would say. With
a trie, greedy and beam search can say nothing but names (`prefix_allowed_tokens_fn`); for lists
of moderate length every name gets its exact log-probability, end token included.

Source: arXiv 2205.14100, section 4.3; the authors' `trie_decoder.py`, which adds a constant to the
logits of allowed words where we forbid the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..errors import UserError
from ..loading.config import GitConfig
from ..model.generate import keep_rows
from ..model.params import Array, Text
from ..model.text import Cache
from ..model.variants.choose import text_of
from .decode import decode
from .options import GenerationConfig
from .plan import Calls, make_plan
from .scores import word_scores

Trie = dict[int, "Trie"]
AT_ONCE = 32  # texts read together: more takes memory, and no less time


class Scored(NamedTuple):
    """One text of a list."""

    number: int  # its index in the list
    log_probability: float  # sum over its tokens, end token included


def build_trie(texts: Sequence[Sequence[int]], end: int) -> Trie:
    """Grow a trie of token ids; every text ends with the end token."""
    trie: Trie = {}
    for text in texts:
        node = trie
        for token_id in (*text, end):
            node = node.setdefault(token_id, {})
    return trie


def allowed_next(
    trie: Trie, prompt_lengths: Sequence[int], end: int
) -> Callable[[int, Array], list[int]]:
    """Make a prefix_allowed_tokens_fn: after a prompt, only what goes on in the trie.

    prompt_lengths counts the words of each prompt, padding not counted.
    """

    def allowed(prompt: int, ids: Array) -> list[int]:
        node = trie
        for token_id in ids[prompt_lengths[prompt] :].tolist():
            node = node.get(token_id, {})
        return list(node) or [end]

    return allowed


def score_texts(
    cache: Cache,
    prompt: Array,
    texts: Sequence[Sequence[int]],
    p: Text,
    *,
    config: GitConfig,
    end: int,
) -> Array:
    """Score every text of a list exactly: a picture, a prompt (1, T) -> (texts,) log-probabilities.

    The picture and the prompt are read once.
    """
    if prompt.shape[1] > 1:
        _, cache = text_of(config).decode_step(prompt[:, :-1], cache, p, config=config)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # equal lengths side by side
    found = np.zeros(len(texts), np.float32)
    for start in range(0, len(order), AT_ONCE):
        some = order[start : start + AT_ONCE]
        longest = max(len(texts[i]) for i in some) + 1
        ids = np.full((len(some), longest), end, np.int64)
        for row, i in enumerate(some):
            ids[row, : len(texts[i])] = texts[i]
        ids = np.concatenate([prompt.repeat(len(some), axis=0), ids], axis=1)
        rows = keep_rows(cache, np.zeros(len(some), np.int64))
        found[some] = word_scores(ids, prompt.shape[1], rows, p, config=config, end=(end,)).total
    return found


def search_texts(
    cache: Cache,
    prompt: Array,
    texts: Sequence[Sequence[int]],
    p: Text,
    *,
    config: GitConfig,
    end: int,
    beams: int,
) -> Iterator[Scored]:
    """Find likely texts of a long list by constrained beams, or greedily with one beam.

    Yields at most `beams` texts, the best first; their scores are exact, but a better text whose
    beginning is unlikely may be missed.
    """
    T = prompt.shape[1]
    calls = Calls(prefix_allowed_tokens_fn=allowed_next(build_trie(texts, end), [T], end))
    longest = max(len(text) for text in texts) + 1
    options = GenerationConfig(
        num_beams=beams,
        num_return_sequences=beams,
        length_penalty=0.0,
        early_stopping="never",
        max_new_tokens=longest,
        eos_token_id=end,
        output_log_probabilities=True,
    )
    plan = make_plan(prompt, config=config, options=options, calls=calls)
    found = decode(cache, p, plan)
    if found.log_probabilities is None:
        raise AssertionError("asked for just above")
    numbers: dict[tuple[int, ...], list[int]] = {}
    for number, text in enumerate(texts):
        numbers.setdefault(tuple(text), []).append(number)
    for ids, total in zip(found.sequences, found.log_probabilities.total, strict=True):
        new_ids = ids[T:].tolist()
        text = tuple(new_ids[: new_ids.index(end)]) if end in new_ids else ()
        for number in numbers.pop(text, []):
            yield Scored(number, float(total))


def best_of(
    cache: Cache,
    prompt: Array,
    texts: Sequence[Sequence[int]],
    p: Text,
    *,
    config: GitConfig,
    top: int,
    end: int | None = None,
    beams: int | None = None,
) -> list[Scored]:
    """Say which texts of a list the model finds likeliest, the best first.

    Exact for all texts without `beams`; with `beams`, a search that reads only beginnings.
    """
    if not texts or min(len(text) for text in texts) == 0:
        raise UserError("give at least one text to choose from, and no empty one")
    end = as_end(config) if end is None else end
    if beams is not None:
        found = search_texts(cache, prompt, texts, p, config=config, end=end, beams=beams)
        return list(found)[:top]
    totals = score_texts(cache, prompt, texts, p, config=config, end=end)
    order = np.argsort(-totals, kind="stable")[:top]
    return [Scored(int(i), float(totals[i])) for i in order]


def as_end(config: GitConfig) -> int:
    """Take the config's end token, the first of several."""
    end = config.eos_token_id
    return int(np.atleast_1d(end)[0])
