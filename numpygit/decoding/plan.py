"""Prompts and options, checked and completed before any work, and their logits processors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..errors import UserError
from ..fast.towers import PLAIN, Towers
from ..loading.config import GitConfig
from ..model.params import Array
from .logits import (
    PADDING,
    LogitsProcessor,
    add_bias,
    allow_only,
    ban_repeated_ngrams,
    exponential_decay_length_penalty,
    force_at,
    normalise,
    remove_invalid,
    repetition_penalty,
    suppress,
    suppress_at,
    suppress_below,
)
from .options import DEFAULT_MAX_LENGTH, END_PADS, GenerationConfig, as_tuple, check_ids
from .sampling import filters


class Calls(NamedTuple):
    """Functions of the caller's that take part, as in transformers.

    A processor is (input_ids, scores) -> scores, a criterion (input_ids, scores) -> True to stop,
    a streamer has `put(ids)` and `end()`. Prompts come to them padded on the left.
    """

    logits_processor: Sequence[Callable[[Array, Array], Array]] = ()
    stopping_criteria: Sequence[Callable[..., Any]] = ()
    prefix_allowed_tokens_fn: Callable[[int, Array], Sequence[int]] | None = None
    streamer: Any = None


class Plan(NamedTuple):
    """Prompts and options, checked and completed."""

    given: Array  # (B, T), the prompts as they were given; (B, 0) for vectors
    prompt: Array  # (B, T), what is read, padded on the left
    # what logits processors see of it, -1 for padding: (B, T), or (B, 0) for vectors
    visible_prompt: Array
    attention_mask: Array  # (B, T)
    max_length: int
    end: tuple[int, ...]
    config: GitConfig  # the model's, with the padding token of the options
    options: GenerationConfig
    calls: Calls
    towers: Towers


def make_plan(
    given: Array,
    *,
    config: GitConfig,
    options: GenerationConfig,
    attention_mask: Array | None = None,
    calls: Calls | None = None,
    stand_ins: Array | None = None,
) -> Plan:
    """Check prompts (B, T) and options against the model, and fill in what was left out.

    Prompts may be padded on the left or on the right. Without an attention_mask the padding token
    counts as padding, unless it is the end token as well, as in the official code. `stand_ins`
    (B, T), ids that stand for vectors, are read in place of `given`, which may then be (B, 0).
    """
    check_ids(options, config.vocab_size)
    end = as_tuple(config.eos_token_id if options.eos_token_id is None else options.eos_token_id)
    pad = config.pad_token_id if options.pad_token_id is None else options.pad_token_id
    is_set = pad is not None and pad != END_PADS
    filler = pad if is_set else (end[0] if end else 0)  # without an end no text ends early
    prompt = given if stand_ins is None else stand_ins
    if not end:  # what reads the config's own end token must find none either
        config = replace(config, eos_token_id=[])
    mask = mask_of(prompt, attention_mask, pad if is_set else None, end)
    if calls is not None and calls.streamer is not None and options.num_beams > 1:
        raise UserError("a streamer cannot be used with a beam search; use num_beams=1")
    return Plan(
        given,
        pad_left(prompt, mask),
        visible_prompt_of(given, mask),
        pad_left(mask, mask),
        length_of(options, prompt.shape[1], config.max_position_embeddings),
        end,
        config if filler == config.pad_token_id else replace(config, pad_token_id=filler),
        options,
        calls or Calls(),
        PLAIN[config.position_embedding_type],
    )


def as_ids(input_ids: Array) -> Array:
    """Refuse what cannot be rows of token ids."""
    ids = np.asarray(input_ids)
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        hint = ""
        if ids.ndim == 1 and ids.size:
            hint = '; return_tensors="np" in the processor\'s call makes rows of one text'
        if ids.ndim > 3:
            hint = "; pictures are pixel_values=..."
        raise UserError(
            f"input_ids must be whole numbers of shape (B, T); got {ids.dtype} of shape "
            f"{ids.shape}{hint}"
        )
    return ids


def mask_of(ids: Array, attention_mask: Array | None, pad: int | None, end: Sequence[int]) -> Array:
    """Check the mask of prompts, or find it by the padding token: (B, T) -> (B, T)."""
    if attention_mask is None and pad is None:
        return np.ones(ids.shape, np.int64)
    if attention_mask is None:
        found = (ids != pad) | (pad in end)
        found |= ~found.any(axis=1, keepdims=True)  # a start token that is the padding token
        return found.astype(np.int64)
    mask = np.asarray(attention_mask)
    if mask.shape != ids.shape:
        raise UserError(
            f"attention_mask must be of the shape of input_ids, {ids.shape}; got {mask.shape}"
        )
    if not mask.any(axis=1).all():
        raise UserError("a prompt is all padding; give at least the start token")
    return mask


def pad_left(ids: Array, attention_mask: Array) -> Array:
    """Move padding to the left and keep the words in order: both (B, T) -> (B, T)."""
    order = np.argsort(attention_mask != 0, axis=1, kind="stable")
    return np.take_along_axis(ids, order, axis=1)


def visible_prompt_of(given: Array, attention_mask: Array) -> Array:
    """Prompts as logits processors see them, padding marked: (B, T), or (B, 0) for vectors."""
    if given.shape == (len(attention_mask), 0):
        return given
    if given.shape != attention_mask.shape:
        B, T = attention_mask.shape
        raise UserError(
            f"input_ids of shape {given.shape} do not go with inputs_embeds of {T} words in "
            f"{B} rows; leave input_ids out"
        )
    is_padding = pad_left(attention_mask, attention_mask) == 0
    return np.where(is_padding, PADDING, pad_left(given, attention_mask))


def length_of(options: GenerationConfig, prompt: int, max_positions: int) -> int:
    """Work out how long texts may become, and refuse what the model cannot do."""
    max_length = min(DEFAULT_MAX_LENGTH, max_positions)
    if options.max_length is not None:
        max_length = options.max_length
    if options.max_new_tokens is not None:
        max_length = prompt + options.max_new_tokens
    if not prompt < max_length <= max_positions:
        raise UserError(
            f"max_length is {max_length}; it must be more than the prompt's "
            f"{prompt} tokens and at most the model's {max_positions} positions"
        )
    return max_length


def bias_processors(options: GenerationConfig) -> list[LogitsProcessor]:
    """List the logits processor that comes before all others: the sequence bias."""
    return [partial(add_bias, bias=options.sequence_bias)] if options.sequence_bias else []


def processors_of(plan: Plan, *, rows_each: int) -> list[LogitsProcessor]:
    """List the logits processors, in the official order; a prompt has `rows_each` rows."""
    options, V, length = plan.options, plan.config.vocab_size, plan.visible_prompt.shape[1]
    end = tuple(token_id for token_id in plan.end if 0 <= token_id < V)
    # vectors count in lengths, but processors do not see them
    invisible = plan.prompt.shape[1] - length
    processors: list[LogitsProcessor] = []
    if options.repetition_penalty != 1:
        processors.append(partial(repetition_penalty, penalty=options.repetition_penalty))
    if options.no_repeat_ngram_size:
        processors.append(partial(ban_repeated_ngrams, size=options.no_repeat_ngram_size))
    if options.bad_words_ids:
        bad = [tuple(token_ids) for token_ids in options.bad_words_ids]
        only_end = [(token_id,) for token_id in end]
        bias = {token_ids: -np.inf for token_ids in bad if token_ids not in only_end}
        processors.append(partial(add_bias, bias=bias))
    least = max(options.min_length - invisible, length + (options.min_new_tokens or 0))
    if options.min_length or options.min_new_tokens:
        processors.append(partial(suppress_below, token_ids=end, length=least))
    allowed = plan.calls.prefix_allowed_tokens_fn
    if allowed is not None:
        processors.append(partial(allow_only, allowed=allowed, rows_each=rows_each))
    processors += forced_processors(options, plan.max_length - invisible)
    if options.remove_invalid_values:
        processors.append(remove_invalid)
    if options.exponential_decay_length_penalty:
        start, factor = options.exponential_decay_length_penalty
        decay = exponential_decay_length_penalty
        processors.append(partial(decay, token_ids=end, length=length + start, factor=factor))
    processors += suppressing_processors(options, length)
    processors += [as_processor(process, plan.config) for process in plan.calls.logits_processor]
    if options.renormalize_logits:
        processors.append(normalise)
    if options.do_sample:
        processors += filters(options, keep=1 if options.num_beams == 1 else len(end) + 1)
    return processors


def forced_processors(options: GenerationConfig, max_length: int) -> list[LogitsProcessor]:
    """List the processors that leave no choice: the first word, and the last at max_length."""
    processors: list[LogitsProcessor] = []
    if options.forced_bos_token_id is not None:
        processors.append(partial(force_at, token_ids=(options.forced_bos_token_id,), length=1))
    if options.forced_eos_token_id is not None:
        token_ids = as_tuple(options.forced_eos_token_id)
        processors.append(partial(force_at, token_ids=token_ids, length=max_length - 1))
    return processors


def suppressing_processors(options: GenerationConfig, length: int) -> list[LogitsProcessor]:
    """List the processors of tokens that are suppressed, or suppressed at the beginning."""
    processors: list[LogitsProcessor] = []
    if options.suppress_tokens:
        processors.append(partial(suppress, token_ids=options.suppress_tokens))
    if options.begin_suppress_tokens:
        begin = length + (length == 1 and options.forced_bos_token_id is not None)
        token_ids = options.begin_suppress_tokens
        processors.append(partial(suppress_at, token_ids=token_ids, length=begin))
    return processors


def without_marks(ids: Array, config: GitConfig) -> Array:
    """Write the padding token where padding is marked, as callers know it."""
    return np.where(ids == PADDING, config.pad_token_id, ids)


def as_processor(process: Callable[[Array, Array], Array], config: GitConfig) -> LogitsProcessor:
    """Show a caller's processor the padding token where padding is marked here."""

    def processor(ids: Array, logits: Array) -> Array:
        return process(without_marks(ids, config), logits.copy())

    return processor
