"""Logits -> words, one at a time: autoregressive decoding with a KV cache.

`generate` runs the prompt, lets `choose` pick the next token of every row, runs that, and so on.
It yields one `Step` a word and does no more work than it is asked for: stop iterating and it
stops. `choose` decides everything else; `greedy` takes the likeliest word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .config import Config
from .layers import KeyValue, Trace, no_trace, scope
from .params import Array, Text
from .text import Cache, decode_step


class Choice(NamedTuple):
    """Next token of each row; `row[i]` is the old row it continues.

    `row` is the identity for greedy choice, and a reordering in beam search.
    """

    word: Array  # (B,)
    row: Array  # (B,)


class Step(NamedTuple):
    """One decode step: logits, the chosen token, and everything so far."""

    logits: Array  # (B, V), what the choice was made from
    word: Array  # (B,), the pad token in rows that had finished before
    ids: Array  # (B, T), prompt and words so far
    finished: Array  # (B,), True where the end token has come
    cache: Cache  # of all tokens but the last


Choose = Callable[[Array, Array], Choice]
DecodeStep = Callable[..., tuple[Array, Cache]]  # text.decode_step, or its twin


def greedy(logits: Array, ids: Array) -> Choice:
    """Greedy: the likeliest token of each row, logits (B, V), ids so far (B, T) -> Choice."""
    B, V = logits.shape
    return Choice(logits.argmax(axis=1), np.arange(B))


def generate(
    cache: Cache,
    prompt: Array,
    p: Text,
    *,
    config: Config,
    max_length: int,
    attention_mask: Array | None = None,
    choose: Choose = greedy,
    end: Sequence[int] = (),
    decode_step: DecodeStep = decode_step,
    trace: Trace = no_trace,
) -> Iterator[Step]:
    """Continue prompts word by word: KV cache of the pictures, prompt (B, T) -> Steps.

    `cache` comes from `prefill`; words that it holds are the beginning of the prompt. Prompts of
    different lengths stand on the right, padded on the left, with attention_mask (B, T).
    `max_length` counts text tokens, the prompt included. Ends when all rows have met an end
    token, the config's or one of `end`; finished rows go on with the pad token.
    """
    B, V = prompt.shape[0], config.vocab_size
    cached_length = cache.attention_mask.shape[1]
    new_mask = None if attention_mask is None else attention_mask[:, cached_length:]
    ids, new_ids = prompt, prompt[:, cached_length:]
    finished = np.zeros(B, bool)  # (B,)
    while ids.shape[1] < max_length and not finished.all():
        step_trace = scope(trace, f"word.{ids.shape[1] - prompt.shape[1]}")
        all_logits, cache = decode_step(
            new_ids, cache, p, config=config, attention_mask=new_mask, trace=step_trace
        )
        logits = all_logits[:, -1]  # (B, V)
        chosen, row = choose(logits, ids)
        ids, cache, finished = ids[row], keep_rows(cache, row), finished[row]
        word = np.where(finished, config.pad_token_id, chosen)  # (B,)
        finished = finished | np.isin(word, end or config.eos_token_id)
        ids = np.concatenate([ids, word[:, None]], axis=1)
        step_trace("word", word)
        yield Step(logits, word, ids, finished, cache)
        new_ids, new_mask = word[:, None], None


def keep_rows(cache: Cache, row: Array) -> Cache:
    """Reorder the rows of a KV cache: row i goes on from the words of old row `row[i]`.

    Pictures are not copied: all rows of a picture, one after the other, share it.
    """
    if np.array_equal(row, np.arange(len(cache.attention_mask))):
        return cache
    text_kv = tuple(KeyValue(layer.k[row], layer.v[row]) for layer in cache.text_kv)
    return Cache(cache.image_kv, text_kv, cache.attention_mask[row])
