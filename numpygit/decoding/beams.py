"""Beam search: keep the K likeliest beginnings of a text (beams), and the best finished hypotheses.

All rows of one picture, its beams, stand one after the other: row b * K + k. They share the
picture's keys and values. Three variants: beams in groups that avoid each other's words
(diverse), beams that are drawn (beam sampling), and the authors' own search.

Source: transformers 4.37.2, `generation/beam_search.py`. `beam_form="authors"` follows the
original repository, `GeneratorWithBeamSearch`, in these points: a text of n words, prompt counted
and end token not, scores sum / ((5 + n) / 6) ** length_penalty (Wu et al. 2016, arXiv
1609.08144) instead of sum / new words ** length_penalty; as many texts are kept as shall be
returned, not K; an end token counts wherever it ranks; the search stops when no text of
max_length - 1 words could be better.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from ..loading.config import GitConfig
from ..model.generate import DecodeStep, keep_rows
from ..model.layers import Trace, no_trace, scope
from ..model.params import Array, Text
from ..model.text import Cache
from .logits import (
    LogitsProcessor,
    apply,
    diversity_penalty,
    log_softmax,
    require_finite,
    visible_ids,
)
from .options import GenerationConfig
from .sampling import draw_several

STRETCH, FEW = 256, 64  # numbers looked at together; numbers that are sorted, for each wanted one
UNREACHED = -1e9  # the score of beams 1, 2, ... before the first word: only beam 0 counts


class Hypothesis(NamedTuple):
    """A finished text, which may be returned."""

    score: float
    ids: Array  # (T,), with its end token if it has one
    rows: Array  # (T - prompt,), the row each word was found in


@dataclass(frozen=True)
class Search:
    """What stays the same from word to word."""

    options: GenerationConfig
    prompt: Array  # (B, T)
    visible_prompt: Array  # (B, T), what the processors see of it; (B, 0) for vectors
    attention_mask: Array  # (B, T)
    max_length: int
    end: tuple[int, ...]
    pad: int
    processors: tuple[LogitsProcessor, ...]
    bias: tuple[LogitsProcessor, ...]  # these come before the diversity penalty
    rng: np.random.Generator
    decode_step: DecodeStep


class Beams(NamedTuple):
    """The state of the search."""

    totals: Array  # (B, K), the sum of log-probabilities of each beam
    hypotheses: list[list[Hypothesis]]  # finished texts: B * groups lists
    done: Array  # (B, groups)


class BeamStep(NamedTuple):
    """One decode step of all beams."""

    logits: Array  # (B * K, V)
    scores: Array  # (B * K, V), log-probabilities after all processors
    ids: Array  # (B * K, T)
    rows: Array  # (B * K, T - prompt), the row each word was found in
    beams: Beams
    cache: Cache


def search_beams(
    cache: Cache, p: Text, search: Search, *, config: GitConfig, trace: Trace = no_trace
) -> Iterator[BeamStep]:
    """Search word by word: the pictures, prompts (B, T) -> a BeamStep a word.

    The prompt is read once for all beams of a picture.
    """
    B, K = len(search.prompt), search.options.num_beams
    fork = np.repeat(np.arange(B), K)
    cached_length = cache.attention_mask.shape[1]
    new_ids, new_mask = search.prompt[:, cached_length:], search.attention_mask[:, cached_length:]
    all_logits, cache = search.decode_step(
        new_ids, cache, p, config=config, attention_mask=new_mask, trace=scope(trace, "word.0")
    )
    logits, cache = all_logits[fork, -1], keep_rows(cache, fork)
    ids, rows = search.prompt[fork], np.zeros((B * K, 0), np.int64)
    beams = begin(B, search.options)
    while True:
        require_finite(logits)
        word, row, scores, beams = beam_step(logits, ids, rows, beams, search)
        ids = np.concatenate([ids[row], word[:, None]], axis=1)
        rows = np.concatenate([rows[row], row[:, None]], axis=1)
        yield BeamStep(logits, scores, ids, rows, beams, cache)
        if beams.done.all() or ids.shape[1] >= search.max_length:
            return
        step_trace = scope(trace, f"word.{rows.shape[1]}")
        cache = keep_rows(cache, row)
        all_logits, cache = search.decode_step(
            word[:, None], cache, p, config=config, trace=step_trace
        )
        logits = all_logits[:, -1]


def begin(B: int, options: GenerationConfig) -> Beams:
    """Begin with one beam of each group; the others are as yet the same text."""
    K, groups = options.num_beams, options.num_beam_groups
    totals = np.full((B, K), UNREACHED, np.float32)
    totals[:, :: K // groups] = 0
    return Beams(totals, [[] for _ in range(B * groups)], np.zeros((B, groups), bool))


def beam_step(
    logits: Array, ids: Array, rows: Array, beams: Beams, search: Search
) -> tuple[Array, Array, Array, Beams]:
    """Beam step: the next token of every beam, logits (B * K, V), ids (B * K, T), rows so far.

    -> words (B * K,), the row that each continues (B * K,), scores (B * K, V) and the new Beams.
    """
    B, K = beams.totals.shape
    groups, penalty = search.options.num_beam_groups, search.options.diversity_penalty
    size, T = K // groups, search.prompt.shape[1]
    log_probabilities = log_softmax(logits)
    visible = visible_ids(ids, search.visible_prompt.repeat(K, axis=0), prompt_length=T)
    scores, word, row = np.empty_like(logits), np.empty((B, K), int), np.empty((B, K), int)
    totals, hypotheses, done = beams.totals.copy(), list(beams.hypotheses), beams.done.copy()
    for group in range(groups):
        beam = np.arange(group * size, (group + 1) * size)
        member = (np.arange(B)[:, None] * K + beam).ravel()  # the rows of this group
        avoid: tuple[LogitsProcessor, ...] = ()
        if group and penalty:
            before = word[:, : group * size]
            avoid = (partial(diversity_penalty, chosen=before, penalty=penalty),)
        processors = (*search.bias, *avoid, *search.processors)
        here = slice(None) if groups == 1 else member  # a slice copies nothing
        scores[here] = apply(processors, visible[here], log_probabilities[here])
        best = best_candidates(scores[here], beams.totals[:, beam], search)
        for b in range(B):
            slot = b * groups + group  # of this picture and group
            if done[b, group]:
                totals[b, beam], word[b, beam], row[b, beam] = 0, search.pad, member[b * size]
                continue
            found = (best.total[b], best.word[b], member[b * size + best.beam[b]])
            kept, going = split_finished(found, hypotheses[slot], ids, rows, size, b, search)
            hypotheses[slot] = kept
            totals[b, beam], word[b, beam], row[b, beam] = going
            done[b, group] = is_done(kept, found[0].max(), ids.shape[1] + 1, size, b, search)
    return word.ravel(), row.ravel(), scores, Beams(totals, hypotheses, done)


class Candidates(NamedTuple):
    """The best continuations of the beams of a group, the best first."""

    total: Array  # (B, candidates)
    word: Array  # (B, candidates)
    beam: Array  # (B, candidates), 0, 1, ... in the group


def best_candidates(scores: Array, totals: Array, search: Search) -> Candidates:
    """Candidates: the best continuations of all beams, (B * K, V), (B, K) -> Candidates.

    So many that enough are left if every beam ends in every way it can. Or draw them.
    """
    B, K = totals.shape
    V = scores.shape[1]
    each = max(search.options.per_node_beam_size, 1 + len(search.end))
    count = min(each * K, K * V)
    sums = (scores + totals.reshape(-1, 1)).reshape(B, K * V)
    if search.options.do_sample:
        drawn = draw_several(sums, search.rng, count=count)
    else:
        drawn = np.stack([largest(row, count) for row in sums])
    total = np.take_along_axis(sums, drawn, axis=1)
    order = np.lexsort((drawn, -total), axis=1)  # by total, and by place where totals are equal
    best = np.take_along_axis(drawn, order, axis=1)
    return Candidates(np.take_along_axis(total, order, axis=1), best % V, best // V)


def largest(values: Array, count: int) -> Array:
    """Find where the largest numbers are, the first ones of equals: (n,) -> (count,).

    The largest number of each stretch gives a bound that few numbers reach, so that there is little
    to sort: a twentieth of the time of `argpartition`, which takes longer than a beam's attention.
    """
    stretches = len(values) // STRETCH
    if stretches >= count:
        tops = values[: stretches * STRETCH].reshape(stretches, STRETCH).max(axis=1)
        bound = np.partition(tops, -count)[-count]
        places = np.flatnonzero(values >= bound)
        if count <= len(places) <= FEW * count:  # else there are many equals, or NaN
            return places[np.argsort(-values[places], kind="stable")[:count]]
    return np.argpartition(-values, count - 1)[:count]


def split_finished(
    continuations: tuple[Array, Array, Array],
    hypotheses: list[Hypothesis],
    ids: Array,
    rows: Array,
    size: int,
    b: int,
    search: Search,
) -> tuple[list[Hypothesis], tuple[Array, Array, Array]]:
    """Split the candidates of one picture and group into hypotheses and beams that go on.

    -> texts kept, and totals, words and rows (size,) of the beams that go on.
    """
    totals, words, from_rows = continuations
    going = []
    for rank in range(len(totals)):
        total, word, row = totals[rank], words[rank], from_rows[rank]
        if word not in search.end:
            going.append(rank)
        elif rank < size or search.options.beam_form == "authors":
            text = np.append(ids[row], word)
            score = hypothesis_score(float(total), len(text), True, b, search)
            hypotheses = add_hypothesis(
                hypotheses, Hypothesis(score, text, np.append(rows[row], row)), size, search
            )
        if len(going) == size:
            break
    return hypotheses, (totals[going], words[going], from_rows[going])


def add_hypothesis(
    hypotheses: list[Hypothesis], text: Hypothesis, size: int, search: Search
) -> list[Hypothesis]:
    """Add a hypothesis to the best ones; of equals, those that came first stay."""
    room = search.options.num_return_sequences if search.options.beam_form == "authors" else size
    if len(hypotheses) < room:
        return [*hypotheses, text]
    worst = min(range(room), key=lambda i: hypotheses[i].score)
    if not text.score > hypotheses[worst].score:
        return hypotheses
    return [*hypotheses[:worst], *hypotheses[worst + 1 :], text]


def hypothesis_score(total: float, length: int, ended: bool, b: int, search: Search) -> float:
    """Hypothesis score: log-probability / length ** penalty; `length` counts the end token."""
    penalty, T = search.options.length_penalty, search.prompt.shape[1]
    if search.options.beam_form == "authors":
        length_of_text = int(search.attention_mask[b].sum()) + length - T - ended
        return total / ((5 + length_of_text) / 6) ** penalty
    return total / (length - T) ** penalty


def is_done(
    hypotheses: list[Hypothesis], best: float, length: int, size: int, b: int, search: Search
) -> bool:
    """Tell whether the beams that go on can no longer beat what is kept.

    `best` is the best total of this step. With early_stopping False it is weighed by the length
    so far, which is a guess where the penalty favours long texts; with "never", as with the
    authors, by the length that is most in its favour.
    """
    options = search.options
    authors = options.beam_form == "authors"
    if len(hypotheses) < (options.num_return_sequences if authors else size):
        return False
    if options.early_stopping is True:
        return True
    if authors:
        highest = hypothesis_score(float(best), search.max_length - 1, False, b, search)
    elif options.early_stopping == "never" and options.length_penalty > 0:
        highest = hypothesis_score(float(best), search.max_length, True, b, search)
    else:
        highest = hypothesis_score(float(best), length, True, b, search)
    return min(text.score for text in hypotheses) >= highest


def best_texts(step: BeamStep, search: Search) -> list[Hypothesis]:
    """Choose what is returned, for each picture its best texts, the best first.

    Beams that have not ended when the search ends count as texts, unless their group is done.
    """
    B, K = step.beams.totals.shape
    groups = search.options.num_beam_groups
    size = K // groups
    chosen = []
    for b in range(B):
        texts: list[Hypothesis] = []
        for group in range(groups):
            hypotheses = step.beams.hypotheses[b * groups + group]
            for beam in range(group * size, (group + 1) * size):
                if not step.beams.done[b, group]:
                    ids, rows = step.ids[b * K + beam], step.rows[b * K + beam]
                    score = hypothesis_score(
                        float(step.beams.totals[b, beam]), len(ids), False, b, search
                    )
                    hypotheses = add_hypothesis(
                        hypotheses, Hypothesis(score, ids, rows), size, search
                    )
            texts += hypotheses
        texts.sort(key=lambda text: text.score)  # of equals, the last first
        chosen += texts[::-1][: search.options.num_return_sequences]
    return chosen
