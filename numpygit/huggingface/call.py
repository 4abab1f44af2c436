"""One forward call with the arguments of Hugging Face: run the model, return what was asked for.

The model's functions return what the next function needs and nothing else. What else a caller
may ask for, hidden states, attentions, the cache, has a name on the way, and a Recorder keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..decoding.decode import Generation
from ..errors import UserError, expect
from ..fast.processes.model_group import ModelGroup, start
from ..fast.threads import check_threads, cores, default_threads, has_blas, keep_freed_memory
from ..fast.towers import PLAIN, Towers, fast_towers
from ..loading.config import GitConfig
from ..loading.pruned_heads import pruned_heads
from ..model.layers import KeyValue, Trace, no_trace
from ..model.params import Array, Git, Text
from ..model.text import Cache
from ..model.variants.choose import text_of
from ..trace import Recorder, together
from .arguments import (
    Pixels,
    check_finite,
    check_past,
    mask_of_new_words,
    numbers,
    same_rows,
    warn_of_padding,
    whole_numbers,
    words_of,
)
from .edit_params import mask_heads
from .loss import next_word_loss
from .outputs import ModelOutput, Outputs


class Runs(Protocol):
    """A model: its settings and parameters, and how it is to run."""

    config: Any  # of GitForCausalLM or GitVisionModel
    params: Any
    threads: int | None
    plain: bool
    group: ModelGroup | None


class Ran(NamedTuple):
    """Everything a call may be asked for."""

    logits: Array  # (B, M + T, V), or (B, T, V) after a cache
    hidden: Array  # (B, M + T, D), or (B, T, D) after a cache
    cache: Cache
    hidden_states: tuple[Array, ...]  # what goes into the first layer, what comes out of each
    attentions: tuple[Array, ...]  # of each layer


def run(
    words: Array,
    memory: Array,
    params: Git,
    *,
    config: GitConfig,
    attention_mask: Array | None = None,
    position_ids: Array | None = None,
    head_mask: Array | None = None,
    past: Cache | None = None,
    keep: int = 0,
    trace: Trace = no_trace,
) -> Ran:
    """Run the text decoder once: words (B, T) or (B, T, D), memory (B, M, D) unless in `past`."""
    recorder = Recorder("words", "text.x", "text.*.x", "text.*.weights", "text.*.k", "text.*.v")
    observer = together(recorder, trace)
    if head_mask is not None:
        params = mask_heads(params, head_mask, heads=config.num_attention_heads)
    p, shape = params.text, words.shape[:2]
    positions = None if position_ids is None else np.broadcast_to(position_ids, shape)
    if past is None:
        logits, hidden = text_of(config).forward(
            memory, words, p, config=config, attention_mask=attention_mask, positions=positions,
            keep=keep, trace=observer,
        )  # fmt: skip
        first = recorder.tensors["text.x"]
        cache = cut_cache(recorder, p, attention_mask, image=memory.shape[1], words=shape)
    else:
        logits, cache = text_of(config).decode_step(
            words, past, p, config=config, attention_mask=attention_mask, positions=positions,
            trace=observer,
        )  # fmt: skip
        logits = logits[:, -keep:]
        first = recorder.tensors["words"]
        hidden = last_state(recorder, p, first)
    hidden_states = (first, *every_layer(recorder, p, "x"))
    attentions = as_shown(every_layer(recorder, p, "weights"), head_mask, config)
    return Ran(logits, hidden, cache, hidden_states, attentions)


def every_layer(recorder: Recorder, p: Text, name: str) -> list[Array]:
    """Look up what has this name in each layer."""
    return [recorder.tensors[f"text.{i}.{name}"] for i in range(len(p.blocks))]


def last_state(recorder: Recorder, p: Text, first: Array) -> Array:
    """Look up what the last layer gave."""
    return recorder.tensors[f"text.{len(p.blocks) - 1}.x"] if p.blocks else first


def cut_cache(
    recorder: Recorder,
    p: Text,
    attention_mask: Array | None,
    *,
    image: int,
    words: tuple[int, ...],
) -> Cache:
    """Make the cache of an uncached run: what `prefill` and `decode_step` would have kept."""
    of_image, of_words = [], []
    for i in range(len(p.blocks)):
        k, v = recorder.tensors[f"text.{i}.k"], recorder.tensors[f"text.{i}.v"]
        of_image.append(KeyValue(k[:, :, :image], v[:, :, :image]))
        of_words.append(KeyValue(k[:, :, image:], v[:, :, image:]))
    if attention_mask is None:
        attention_mask = np.ones(words, np.int64)
    return Cache(tuple(of_image), tuple(of_words), attention_mask)


def masked_attentions(attentions: Sequence[Array], head_mask: Array) -> tuple[Array, ...]:
    """Multiply attention weights by a head mask, as the official code shows them."""
    mask = np.broadcast_to(head_mask, (len(attentions), attentions[0].shape[1]))
    return tuple(a * row[:, None, None] for a, row in zip(attentions, mask, strict=True))


def pictures(pixel_values: Array | list[Array] | tuple[Array, ...]) -> Array:
    """Make one array of pictures or clips.

    A list of pictures (C, H, W) is a batch, a list of frames (B, C, H, W) is a clip.
    """
    if isinstance(pixel_values, list | tuple):
        try:
            axis = 1 if np.ndim(pixel_values[0]) == 4 else 0
            return np.stack([np.asarray(p, np.float32) for p in pixel_values], axis=axis)
        except (ValueError, IndexError) as error:
            raise UserError(
                f"pixel_values is a list that makes no array: {error}; give pictures or frames "
                "of one shape"
            ) from None
    is_ready = isinstance(pixel_values, np.ndarray) and pixel_values.dtype == np.float32
    return pixel_values if is_ready else numbers("pixel_values", pixel_values)


def count_rows(subject: Pixels | Cache) -> int:
    """Count the pictures in pixels or in a Cache."""
    return len(subject.attention_mask if isinstance(subject, Cache) else pictures(subject))


def memory_of(
    pixel_values: Array | list[Array] | None,
    params: Git,
    *,
    config: GitConfig,
    interpolate: bool = False,
    towers: Towers,
    trace: Trace = no_trace,
) -> Array:
    """Encode pictures for the text decoder -> (B, M, D); no pictures -> (1, 0, D)."""
    if pixel_values is None:
        return np.zeros((1, 0, config.hidden_size), np.float32)
    pixels = pictures(pixel_values)
    tokens = towers.image_tokens(
        pixels, params.vision, config=config.vision_config, interpolate=interpolate, trace=trace
    )
    eps = config.vision_config.layer_norm_eps
    return towers.project(tokens, params.text, eps=eps, trace=trace)


SMALL = 1_000_000  # numbers of a matrix


def threads_of(model: Runs) -> int:
    """Say how many cores a model uses: what was asked for, else all that NumPy may.

    A small model gets one: its products end before a second thread has begun, and threads that
    wait for one another are slow on a machine that has other work.
    """
    check_threads(model.threads)
    if model.threads is not None:
        return model.threads
    is_small = model.config.hidden_size * model.config.intermediate_size < SMALL
    return 1 if is_small else default_threads()


def towers_of(model: Runs) -> Towers:
    """Choose the functions that run a model: where NumPy has no BLAS, the plain ones."""
    if model.plain or not has_blas():
        return PLAIN[getattr(model.config, "position_embedding_type", "absolute")]
    keep_freed_memory()
    return fast_towers(threads_of(model), model.group)


def fork_for(model: Runs) -> ModelGroup | None:
    """Fork as many processes as the model uses cores, this one among them; None for one core."""
    return start(model.params, model.config, size=min(threads_of(model), cores()))


def show_heads(found: Generation, head_mask: Array | None, config: GitConfig) -> Generation:
    """Show the attentions of a run, if it has any, as the official code does: see `as_shown`."""
    if found.attentions is None:
        return found
    shown = tuple(as_shown(step, head_mask, config) for step in found.attentions)
    return replace(found, attentions=shown)


def as_shown(
    attentions: Sequence[Array], head_mask: Array | None, config: GitConfig
) -> tuple[Array, ...]:
    """Multiply attention weights by a head mask, and leave pruned heads out."""
    shown = tuple(attentions)
    if head_mask is not None:
        shown = masked_attentions(shown, head_mask)
    gone = pruned_heads(config)
    return tuple(np.delete(a, gone.get(i, []), axis=1) for i, a in enumerate(shown))


class Given(NamedTuple):
    """What a call was given, under the names of the documentation."""

    input_ids: Array | None
    attention_mask: Array | None
    position_ids: Array | None
    pixel_values: Pixels | None
    head_mask: Array | None
    inputs_embeds: Array | None
    past_key_values: Cache | None
    interpolate_pos_encoding: bool
    logits_to_keep: int = 0


def call(model: Runs, given: Given, *, trace: Trace = no_trace) -> Ran:
    """Check what was given, and run the model once."""
    words = words_of(given.input_ids, given.inputs_embeds, model.config.hidden_size)
    if given.past_key_values is not None:
        check_past(given.past_key_values, len(words), model.config)
    if given.attention_mask is None and given.input_ids is not None:
        warn_of_padding(words, model.config)
    positions = given.position_ids
    if positions is not None:
        positions = whole_numbers("position_ids", positions)
        if positions.shape[-1:] not in ((), words.shape[1:2]):
            raise UserError(f"position_ids of shape {positions.shape} do not fit {words.shape[1]} "
                            "words")  # fmt: skip
    mask, past = mask_of_new_words(given.attention_mask, words.shape[:2], given.past_key_values)
    if past is None:
        memory = memory_of(
            given.pixel_values, model.params, config=model.config,
            interpolate=given.interpolate_pos_encoding, towers=towers_of(model), trace=trace,
        )  # fmt: skip
        memory = same_rows(memory, words)
    else:
        if given.pixel_values is not None and past.image_kv[0].k.shape[2] == 0:
            raise UserError(
                "past_key_values comes from a call without a picture; pass pixel_values in the "
                "first call, the later ones remember it"
            )
        memory = np.zeros((len(words), 0, model.config.hidden_size), np.float32)
    ran = run(
        words, memory, model.params, config=model.config, attention_mask=mask,
        position_ids=positions, head_mask=given.head_mask, past=past,
        keep=given.logits_to_keep, trace=trace,
    )  # fmt: skip
    check_finite(ran.hidden, model.params)
    check_finite(ran.logits, model.params)
    return ran


def outputs_of(ran: Ran, asked: Mapping[str, bool], **first: Any) -> Outputs:
    """Put together what was asked for; `first` comes first."""
    outputs = ModelOutput(
        **first,
        past_key_values=ran.cache if asked["cache"] else None,
        hidden_states=ran.hidden_states if asked["hidden_states"] else None,
        attentions=ran.attentions if asked["attentions"] else None,
    )
    return outputs if asked["dict"] else outputs.to_tuple()


def scored(
    model: Runs,
    given: Given,
    asked: dict[str, bool],
    labels: Array | None,
    *,
    smoothing: float,
    trace: Trace = no_trace,
) -> Outputs:
    """Run a model with a vocabulary head once: -> logits, and a loss where there are labels."""
    keep = given.logits_to_keep
    expect("logits_to_keep", keep, (int, np.integer), "a whole number")
    if labels is None:
        ran = call(model, given, trace=trace)
        return outputs_of(ran, asked, loss=None, logits=ran.logits[:, -keep:])
    ran = call(model, given._replace(logits_to_keep=0), trace=trace)
    loss = loss_of(ran, given.past_key_values, labels, smoothing=smoothing)
    return outputs_of(ran, {**asked, "cache": False}, loss=loss, logits=ran.logits[:, -keep:])


def loss_of(ran: Ran, past: Cache | None, labels: Array, *, smoothing: float) -> Any:
    """Hold the logits of the words that went in against their labels."""
    cached_length = 0 if past is None else past.text_kv[0].k.shape[2]
    words = ran.cache.text_kv[0].k.shape[2] - cached_length
    of_words = ran.logits[:, ran.logits.shape[1] - words :]
    return next_word_loss(of_words, np.asarray(labels), smoothing=smoothing)
