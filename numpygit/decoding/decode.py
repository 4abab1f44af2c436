"""One call for every way to generate: `decode`, and `lazily` for a word at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ..errors import UserError
from ..model.generate import Choice, Choose, Step, generate, keep_rows
from ..model.layers import Trace, no_trace, scope
from ..model.params import Array, Text
from ..model.text import Cache
from ..trace import Recorder, together
from .attentions import RECORDED, all_rows, all_states, attentions_of, hidden_states_of
from .beams import BeamStep, Hypothesis, Search, best_texts, search_beams
from .contrastive import search_contrastive
from .logits import apply, require_finite, visible_ids
from .plan import Plan, bias_processors, processors_of, without_marks
from .sampling import draw, random_numbers
from .scores import WordScores, word_scores


@dataclass(frozen=True)
class Generation:
    """What `generate` returns with return_dict_in_generate; what was not asked for is None."""

    sequences: Array  # (R, T), R = B * num_return_sequences; prompts as they were given
    sequences_scores: Array | None = None  # (R,), of a beam search
    scores: tuple[Array, ...] | None = None  # a word each: (rows, V) after all processors
    logits: tuple[Array, ...] | None = None  # a word each: (rows, V) before
    beam_indices: Array | None = None  # (R, T - prompt), the row of each word, -1 after the end
    attentions: tuple[tuple[Array, ...], ...] | None = None  # a word each, a layer each
    hidden_states: tuple[tuple[Array, ...], ...] | None = None  # the same, with the input first
    past_key_values: Cache | None = None  # what has been read; not of a beam search
    log_probabilities: WordScores | None = None

    def __getitem__(self, key: str | int) -> Any:
        """Get a result by its name, or by its number among those that are not None."""
        if isinstance(key, str):
            return getattr(self, key)
        values = [getattr(self, field.name) for field in fields(self)]
        return [value for value in values if value is not None][key]


def decode(memory: Array | Cache, p: Text, plan: Plan, *, trace: Trace = no_trace) -> Generation:
    """Continue prompts to their ends: pictures (B, M, D) or a Cache -> Generation.

    A Cache comes from `text.prefill`, or from an earlier text that begins the prompt. One picture
    serves all prompts. The plan comes from `make_plan`.
    """
    options, layers = plan.options, plan.config.num_hidden_layers
    recorder = Recorder(*RECORDED)
    if options.output_attentions or options.output_hidden_states:
        trace = together(trace, recorder)
    cache, ancestors = begin(memory, plan, p, trace), list[Array]()
    found = texts_of(cache, p, plan, ancestors, trace)
    each = options.num_beams if options.num_beams > 1 else options.num_return_sequences
    rows = len(plan.prompt) * each
    if options.output_attentions:
        looks = attentions_of(recorder.tensors, layers=layers, rows=rows)
        looks = looks if options.use_cache else all_rows(looks, ancestors)
        found = replace(found, attentions=looks)
    if options.output_hidden_states:
        states = hidden_states_of(recorder.tensors, memory, layers=layers, rows=rows)
        states = states if options.use_cache else all_states(states, ancestors)
        found = replace(found, hidden_states=states)
    if options.output_log_probabilities:
        found = replace(found, log_probabilities=scores_of(found.sequences, cache, p, plan))
    given = plan.given.repeat(options.num_return_sequences, axis=0)
    new_ids = found.sequences[:, plan.prompt.shape[1] :]
    return replace(found, sequences=np.concatenate([given, new_ids], axis=1))


def lazily(
    memory: Array | Cache,
    p: Text,
    plan: Plan,
    *,
    choose: Choose | None = None,
    trace: Trace = no_trace,
) -> Iterator[Step]:
    """Continue prompts word by word, with likeliest or drawn words; arguments as for `decode`."""
    if plan.options.num_beams > 1:
        raise UserError("a beam search cannot go word by word; use generate, or num_beams=1")
    cache = begin(memory, plan, p, trace)
    yield from steps_of(cache, p, plan, choose or chooser(plan, []), [], trace)


def begin(memory: Array | Cache, plan: Plan, p: Text, trace: Trace) -> Cache:
    """Prefill the KV cache with the pictures, unless that was done; one row for each prompt."""
    cache = memory
    if not isinstance(cache, tuple):
        cache = plan.towers.prefill(cache, p, config=plan.config, trace=scope(trace, "image"))
    rows, prompts = len(cache.attention_mask), len(plan.prompt)
    if rows == 1:
        cache = keep_rows(cache, np.zeros(prompts, np.int64))
    elif rows != prompts:
        raise UserError(
            f"got {rows} pictures and {prompts} rows of input_ids; "
            "give one row for each picture, or one picture for all rows"
        )
    cached_length, T = cache.attention_mask.shape[1], plan.prompt.shape[1]
    if cached_length >= T or not np.array_equal(
        cache.attention_mask, plan.attention_mask[:, :cached_length]
    ):
        raise UserError(
            f"the cache holds {cached_length} words, which must be the beginning of the {T} "
            "input_ids, padded alike, with at least one word more"
        )
    return cache


def texts_of(cache: Cache, p: Text, plan: Plan, ancestors: list[Array], trace: Trace) -> Generation:
    """Generate in the way that the options name; `ancestors` is filled by beams, see `all_rows`."""
    options = plan.options
    if options.num_beams > 1:
        return with_beams(cache, p, plan, ancestors, trace)
    fork = np.arange(len(plan.prompt)).repeat(options.num_return_sequences)
    prompt, mask = plan.prompt[fork], plan.attention_mask[fork]
    plan = plan._replace(
        prompt=prompt, visible_prompt=plan.visible_prompt[fork], attention_mask=mask
    )
    scores: list[Array] = []
    logits, last = [], None
    for step in steps_of(keep_rows(cache, fork), p, plan, chooser(plan, scores), scores, trace):
        last = step
        if options.output_logits:
            logits.append(step.logits)
    if last is None:
        raise AssertionError("max_length leaves no room, which the plan has checked")
    return Generation(
        last.ids,
        scores=tuple(scores) if options.output_scores else None,
        logits=tuple(logits) if options.output_logits else None,
        past_key_values=last.cache if options.use_cache else None,
    )


def steps_of(
    cache: Cache, p: Text, plan: Plan, choose: Choose, scores: list[Array], trace: Trace
) -> Iterator[Step]:
    """Generate until all texts have ended or the caller's functions stop it."""
    streamer, started = plan.calls.streamer, time.monotonic()
    if is_contrastive(plan, cache):
        steps = search_contrastive(cache, p, plan, scores, trace=trace)
    else:
        steps = generate(
            cache,
            plan.prompt,
            p,
            config=plan.config,
            max_length=plan.max_length,
            attention_mask=plan.attention_mask,
            choose=choose,
            end=plan.end,
            decode_step=plan.towers.decode_step,
            trace=trace,
        )
    if streamer is not None:
        streamer.put(for_callers(plan.prompt, plan))
    for step in steps:
        require_finite(step.logits)
        if streamer is not None:
            streamer.put(step.word)
        yield step
        if shall_stop(step.ids, step.logits, plan, started):
            break
    if streamer is not None:
        streamer.end()


def is_contrastive(plan: Plan, cache: Cache) -> bool:
    """Tell whether the options ask for contrastive search: penalty_alpha and top_k, no draws."""
    options = plan.options
    if not options.penalty_alpha or (options.top_k or 0) < 2 or options.do_sample:
        return False
    if options.output_attentions or options.output_hidden_states:
        raise UserError("contrastive search reads several words a step; ask for no attentions")
    if cache.attention_mask.shape[1]:
        raise UserError("contrastive search cannot go on from a cache of words; give the picture")
    return True


def with_beams(
    cache: Cache, p: Text, plan: Plan, ancestors: list[Array], trace: Trace
) -> Generation:
    """Run a beam search and collect its best texts."""
    options, started = plan.options, time.monotonic()
    search = Search(
        options=options,
        prompt=plan.prompt,
        visible_prompt=plan.visible_prompt,
        attention_mask=plan.attention_mask,
        max_length=plan.max_length,
        end=plan.end,
        pad=plan.config.pad_token_id,
        processors=tuple(
            processors_of(plan, rows_each=options.num_beams // options.num_beam_groups)
        ),
        bias=tuple(bias_processors(options)),
        rng=random_numbers(options),
        decode_step=plan.towers.decode_step,
    )
    steps: list[BeamStep] = []
    for step in search_beams(cache, p, search, config=plan.config, trace=trace):
        wanted = options.output_scores or options.output_logits
        steps = [*steps, step] if wanted else [step]
        ancestors.append(step.rows)
        if shall_stop(step.ids, step.logits, plan, started):
            break
    texts = best_texts(steps[-1], search)
    return Generation(
        side_by_side([text.ids for text in texts], search.pad),
        sequences_scores=np.array([text.score for text in texts], np.float32),
        scores=tuple(step.scores for step in steps) if options.output_scores else None,
        logits=tuple(step.logits for step in steps) if options.output_logits else None,
        beam_indices=beam_indices(texts),
    )


def beam_indices(texts: list[Hypothesis]) -> Array:
    """Tell in which row each word of the texts was found: -> (R, T - prompt), -1 for none."""
    return side_by_side([text.rows for text in texts], -1)


def side_by_side(rows: list[Array], filler: int) -> Array:
    """Put rows of different lengths into one array, filled up on the right."""
    filled = np.full((len(rows), max(len(row) for row in rows)), filler, np.int64)
    for i, row in enumerate(rows):
        filled[i, : len(row)] = row
    return filled


def chooser(plan: Plan, scores: list[Array]) -> Choose:
    """Make the function that chooses words as the options say; it puts the scores it saw aside."""
    options = plan.options
    rng = random_numbers(options)
    processors = (
        *bias_processors(options),
        *processors_of(plan, rows_each=options.num_return_sequences),
    )

    def choose(logits: Array, ids: Array) -> Choice:
        processed = apply(
            processors,
            visible_ids(ids, plan.visible_prompt, prompt_length=plan.prompt.shape[1]),
            logits,
        )
        if options.output_scores:
            scores.append(processed)
        word = draw(processed, rng) if options.do_sample else processed.argmax(axis=1)
        return Choice(word, np.arange(len(ids)))

    return choose


def shall_stop(ids: Array, logits: Array, plan: Plan, started: float) -> bool:
    """Ask the caller's criteria, and the clock."""
    limit = plan.options.max_time
    if limit is not None and time.monotonic() - started > limit:
        return True
    visible = for_callers(ids, plan) if plan.calls.stopping_criteria else ids
    return any(np.all(stop(visible, logits)) for stop in plan.calls.stopping_criteria)


def for_callers(ids: Array, plan: Plan) -> Array:
    """Show ids as the caller knows them: prompts padded on the left, nothing of vectors."""
    visible_prompt = plan.visible_prompt.repeat(len(ids) // len(plan.visible_prompt), axis=0)
    return without_marks(
        visible_ids(ids, visible_prompt, prompt_length=plan.prompt.shape[1]), plan.config
    )


def scores_of(sequences: Array, cache: Cache, p: Text, plan: Plan) -> WordScores:
    """Score the finished texts; what the cache holds of words is read again."""
    fork = np.arange(len(plan.prompt)).repeat(plan.options.num_return_sequences)
    rows = keep_rows(cache, fork)
    empty = tuple(
        layer._replace(k=layer.k[:, :, :0], v=layer.v[:, :, :0]) for layer in rows.text_kv
    )
    rows = Cache(rows.image_kv, empty, rows.attention_mask[:, :0])
    return word_scores(
        sequences,
        plan.prompt.shape[1],
        rows,
        p,
        config=plan.config,
        attention_mask=plan.attention_mask[fork],
        end=plan.end,
    )
