"""Contrastive search: a likely token whose hidden state is unlike those of the text so far.

Source: Su et al. 2022, arXiv 2202.06417; transformers 4.37.2, `contrastive_search`. Only words
count as the text so far. (For a picture there is no official answer to compare with: 4.37.2 stops
with an error there, and 5.x no longer brings contrastive search along.)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..loading.config import GitConfig
from ..model.generate import Step, keep_rows
from ..model.layers import Trace, no_trace, scope, softmax
from ..model.params import Array, Text
from ..model.text import Cache
from ..model.variants.choose import text_of
from ..trace import Recorder, together
from .logits import apply, visible_ids
from .plan import Plan, bias_processors, processors_of


def search_contrastive(
    cache: Cache, p: Text, plan: Plan, scores: list[Array], *, trace: Trace = no_trace
) -> Iterator[Step]:
    """Continue prompts word by word, as `generate.generate` does.

    Of the top_k likeliest words it takes the one with the highest (1 - alpha) * probability -
    alpha * similarity, the largest cosine between the word's last hidden state and
    those of the words so far. What was chosen from, the processed logits, is put into `scores`.
    """
    config, prompt, mask = plan.config, plan.prompt, plan.attention_mask
    B, T = prompt.shape
    count = plan.options.top_k or 0
    processors = (*bias_processors(plan.options), *processors_of(plan, rows_each=1))
    logits, cache, hidden = decode_states(prompt, cache, p, config, mask, trace)
    states, is_word = unit(hidden), mask.astype(bool)
    ids, finished = prompt, np.zeros(B, bool)
    while ids.shape[1] < plan.max_length and not finished.all():
        visible = visible_ids(ids, plan.visible_prompt, prompt_length=T)
        scores.append(apply(processors, visible, logits))
        probability = softmax(scores[-1])
        top = np.argsort(-probability, axis=1, kind="stable")[:, :count]
        forked = keep_rows(cache, np.arange(B).repeat(count))
        step_trace = scope(trace, f"word.{ids.shape[1] - T}")
        next_logits, forked, new = decode_states(
            top.reshape(-1, 1), forked, p, config, None, step_trace
        )
        new = unit(new).reshape(B, count, -1)
        similarity = np.where(is_word[:, None], new @ states.transpose(0, 2, 1), -1).max(axis=2)
        likely = np.take_along_axis(probability, top, axis=1)
        alpha = plan.options.penalty_alpha or 0
        best = ((1 - alpha) * likely - alpha * similarity).argmax(axis=1)
        word = np.where(finished, config.pad_token_id, top[np.arange(B), best])
        finished = finished | np.isin(word, list(plan.end))
        ids = np.concatenate([ids, word[:, None]], axis=1)
        yield Step(logits, word, ids, finished, cache)
        row = np.arange(B) * count + best
        logits, cache = next_logits[row], keep_rows(forked, row)
        states = np.concatenate([states, new[np.arange(B), best, None]], axis=1)
        is_word = np.concatenate([is_word, np.ones((B, 1), bool)], axis=1)


def decode_states(
    ids: Array, cache: Cache, p: Text, config: GitConfig, mask: Array | None, trace: Trace
) -> tuple[Array, Cache, Array]:
    """Read words: -> the last word's logits (B, V), the cache, and all states (B, T, D)."""
    name = f"text.{config.num_hidden_layers - 1}.x"
    recorder = Recorder(name)
    logits, cache = text_of(config).decode_step(
        ids, cache, p, config=config, attention_mask=mask, trace=together(trace, recorder)
    )
    return logits[:, -1], cache, recorder.tensors[name]


def unit(states: Array) -> Array:
    """Give every state length 1: (B, T, D) -> (B, T, D)."""
    return states / np.sqrt((states * states).sum(axis=-1, keepdims=True))
