"""How likely the model finds a text: the log-probability of each word, their sum and mean.

These are the model's own numbers, whatever penalties or filters took part in choosing the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..loading.config import GitConfig
from ..model.params import Array, Text
from ..model.text import Cache
from ..model.variants.choose import text_of
from .logits import log_softmax, require_finite
from .options import as_tuple


class WordScores(NamedTuple):
    """How likely each row's words are, from the first after the prompt to its end token."""

    words: Array  # (B, T), log-probabilities; 0 after the end token
    total: Array  # (B,), their sum: the log-probability of the text
    mean: Array  # (B,), the sum divided by the number of words, the end token included


def word_scores(
    ids: Array,
    prompt_length: int,
    cache: Cache,
    p: Text,
    *,
    config: GitConfig,
    attention_mask: Array | None = None,
    end: Sequence[int] = (),
) -> WordScores:
    """Score the words after a prompt, with one look at the whole text: ids (B, prompt + T).

    `cache` has a row for each text (`keep_rows`); it may know the beginning of the prompt.
    attention_mask (B, prompt) is needed where prompts are padded on the left.
    """
    cached_length = cache.attention_mask.shape[1]
    mask = np.ones(ids.shape, np.int64)
    if attention_mask is not None:
        mask[:, :prompt_length] = attention_mask
    logits, _ = text_of(config).decode_step(
        ids[:, cached_length:-1], cache, p, config=config, attention_mask=mask[:, cached_length:-1]
    )
    require_finite(logits)
    new_ids = ids[:, prompt_length:]
    log_probabilities = log_softmax(logits[:, prompt_length - 1 - cached_length :])
    words = np.take_along_axis(log_probabilities, new_ids[:, :, None], axis=2)[:, :, 0]
    counts = up_to_end(new_ids, end or as_tuple(config.eos_token_id))
    words = np.where(counts, words, np.float32(0))
    total = words.sum(axis=1)
    return WordScores(words, total, total / counts.sum(axis=1).astype(np.float32))


def up_to_end(ids: Array, end: Sequence[int]) -> Array:
    """Tell which words stand before or at the first end token: (B, T) -> (B, T)."""
    ended = np.isin(ids, list(end))
    return np.cumsum(ended, axis=1) - ended == 0
