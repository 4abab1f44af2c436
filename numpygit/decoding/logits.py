"""Logits processors: small functions (visible ids, logits) -> logits, applied before a token is
chosen.

Visible ids (B, T) hold -1 where a prompt is padded, so that padding never counts as a word; the
official code takes padding for words, and a padded prompt goes on otherwise than the same prompt
alone. Of a prompt that was given as vectors they hold nothing.
logits (B, V) are logits, or log-probabilities in a beam search. Nothing is changed in place.
Source: transformers 4.37.2, `generation/logits_process.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from ..errors import NotFiniteError, UserError
from ..model.params import Array

LogitsProcessor = Callable[[Array, Array], Array]
PADDING = -1


def visible_ids(ids: Array, visible_prompt: Array, *, prompt_length: int) -> Array:
    """Token ids that logits processors see: ids (B, T) -> (B, T').

    The first `prompt_length` ids give way to visible_prompt (B, prompt_length), where padding is
    marked; it is (B, 0) where the prompt was vectors.
    """
    return np.concatenate([visible_prompt, ids[:, prompt_length:]], axis=1)


def apply(processors: Iterable[LogitsProcessor], ids: Array, logits: Array) -> Array:
    """Run logits processors in their order: ids (B, T), logits (B, V) -> (B, V)."""
    for processor in processors:
        logits = processor(ids, logits)
    return logits


def log_softmax(logits: Array) -> Array:
    """Logarithm of softmax: logits to log-probabilities, (..., V) -> (..., V)."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def suppress(ids: Array, logits: Array, *, token_ids: Sequence[int]) -> Array:
    """Suppress tokens: their logits become -inf."""
    changed = logits.copy()
    changed[:, list(token_ids)] = -np.inf
    return changed


def suppress_at(ids: Array, logits: Array, *, token_ids: Sequence[int], length: int) -> Array:
    """Suppress tokens where the text has exactly this length."""
    return suppress(ids, logits, token_ids=token_ids) if ids.shape[1] == length else logits


def suppress_below(ids: Array, logits: Array, *, token_ids: Sequence[int], length: int) -> Array:
    """Minimum length: suppress tokens, the end tokens, before the text has this length."""
    return suppress(ids, logits, token_ids=token_ids) if ids.shape[1] < length else logits


def force_at(ids: Array, logits: Array, *, token_ids: Sequence[int], length: int) -> Array:
    """Force one of these tokens where the text has exactly this length; all get score 0."""
    if ids.shape[1] != length:
        return logits
    changed = np.full_like(logits, -np.inf)
    changed[:, list(token_ids)] = 0
    return changed


def repetition_penalty(ids: Array, logits: Array, *, penalty: float) -> Array:
    """Repetition penalty: divide or multiply the logits of tokens that came before by `penalty`.

    Source: Keskar et al. 2019, arXiv 1909.05858. A penalty below 1 makes them likelier.
    """
    penalised = np.where(logits < 0, logits * penalty, logits / penalty).astype(logits.dtype)
    present = np.zeros(logits.shape, bool)
    row, column = np.nonzero(ids != PADDING)
    present[row, ids[row, column]] = True
    return np.where(present, penalised, logits)


def ban_repeated_ngrams(ids: Array, logits: Array, *, size: int) -> Array:
    """No repeated n-grams: no sequence of `size` tokens comes twice."""
    changed = logits.copy()
    for row, padded in enumerate(ids.tolist()):
        text = [token_id for token_id in padded if token_id != PADDING]
        last = text[len(text) + 1 - size :]
        for start in range(len(text) - size + 1):  # none, where the text is shorter
            if text[start : start + size - 1] == last:
                changed[row, text[start + size - 1]] = -np.inf
    return changed


def add_bias(ids: Array, logits: Array, *, bias: Mapping[tuple[int, ...], float]) -> Array:
    """Sequence bias: add to the logit of a sequence's last token where the others stand before it.

    The official code overlooks a sequence whose beginning is the whole text so far.
    """
    T = ids.shape[1]
    changed = logits.copy()
    for sequence, value in bias.items():
        begin = len(sequence) - 1
        if begin > T:
            continue
        stands = (ids[:, T - begin :] == np.array(sequence[:-1], np.int64)).all(axis=1)
        changed[stands, sequence[-1]] += np.float32(value)
    return changed


def allow_only(
    ids: Array,
    logits: Array,
    *,
    allowed: Callable[[int, Array], Sequence[int]],
    rows_each: int,
) -> Array:
    """Constrained decoding: keep what `allowed(prompt number, ids so far)` lists.

    A prompt has `rows_each` rows.
    """
    mask = np.full(logits.shape, -np.inf, np.float32)
    for row, text in enumerate(ids):
        token_ids = allowed(row // rows_each, text[text != PADDING])
        if len(token_ids) == 0:
            raise UserError(
                f"prefix_allowed_tokens_fn allows nothing after {text.tolist()} "
                f"(prompt {row // rows_each}); where a text may end it must allow the end token"
            )
        mask[row, list(token_ids)] = 0
    return logits + mask


def exponential_decay_length_penalty(
    ids: Array, logits: Array, *, token_ids: Sequence[int], length: int, factor: float
) -> Array:
    """Exponential decay length penalty: end tokens grow likelier with each token beyond a length.

    Where they are forbidden they stay so; the official code makes nan of them, and whole searches.
    """
    beyond = ids.shape[1] - length
    if beyond <= 0:
        return logits
    changed = logits.copy()
    for token_id in token_ids:
        allowed = np.isfinite(changed[:, token_id])
        rise = np.abs(changed[allowed, token_id]) * np.float32(math.pow(factor, beyond) - 1)
        changed[allowed, token_id] += rise
    return changed


def remove_invalid(ids: Array, logits: Array) -> Array:
    """Put finite numbers where nan or an infinity stands."""
    limits = np.finfo(logits.dtype)
    return np.nan_to_num(logits, nan=0, posinf=limits.max, neginf=limits.min)


def normalise(ids: Array, logits: Array) -> Array:
    """Log-softmax, after processors that have left scores unnormalised."""
    return log_softmax(logits)


def diversity_penalty(ids: Array, logits: Array, *, chosen: Array, penalty: float) -> Array:
    """Diversity penalty: lower the logits of tokens that other groups of beams have just chosen.

    logits (B * beams, V), chosen (B, tokens of the other groups). Source: Vijayakumar et al. 2016,
    arXiv 1610.02424.
    """
    B, V = len(chosen), logits.shape[1]
    times = np.zeros((B, V), np.float32)
    np.add.at(times, (np.arange(B)[:, None], chosen), 1)
    each = len(logits) // B
    return logits - np.float32(penalty) * times.repeat(each, axis=0)


def require_finite(logits: Array) -> None:
    """Stop at infinities and NaN instead of making words of them."""
    if not np.isfinite(logits).all():
        raise NotFiniteError("the model's scores are not finite; look at its weights and pictures")
