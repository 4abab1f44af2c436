"""Check what a call was given, before any work: ids, vectors, pictures, masks, caches."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from .. import loading
from ..decoding.options import as_tuple
from ..decoding.plan import Calls, as_ids
from ..errors import UserError, shown
from ..loading.config import GitConfig, GitVisionConfig
from ..model.layers import Trace, no_trace
from ..model.params import Array, Git, Vision
from ..model.text import Cache

Pixels = Array | list[Array]


def numbers(name: str, value: Any) -> Array:
    """Make a float32 array of what was given. Raises UserError for what holds no numbers."""
    try:
        return np.asarray(value, np.float32)
    except (TypeError, ValueError):
        raise UserError(f"{name} is {shown(repr(value), 60)}, expected numbers") from None


def whole_numbers(name: str, value: Any, *, axes: int | None = None) -> Array:
    """Make an array of whole numbers. Raises UserError for others, and for other axes."""
    array = np.asarray(value)
    array = array.astype(np.int64) if array.size == 0 else array
    if not np.issubdtype(array.dtype, np.integer) or axes not in (None, array.ndim):
        wanted = "whole numbers" if axes is None else f"whole numbers of {axes} axes"
        raise UserError(f"{name} must be {wanted}; got {array.dtype} of shape {array.shape}")
    return array


class Prompt(NamedTuple):
    """What generate continues.

    One picture serves several prompts, padded on either side. Of prompts as inputs_embeds
    (B, T, D) only the new words come back. past_key_values, from an earlier output or from
    `prefill`, stands for pictures and for the first words of the prompt.
    """

    ids: Array | None = None  # (B, T)
    pixel_values: Pixels | None = None  # (B, C, H, W), (B, frames, C, H, W), or a list
    attention_mask: Array | None = None  # (B, T)
    inputs_embeds: Array | None = None  # (B, T, D)
    head_mask: Array | None = None  # (N,) or (L, N)
    past_key_values: Cache | None = None
    position_ids: Array | None = None  # (B, T), as they are counted anyway
    interpolate_pos_encoding: bool = False
    trace: Trace = no_trace

    @classmethod
    def of(cls, inputs: Array | None, options: dict[str, Any]) -> Prompt:
        """Take the prompt of generate out of its options; refuse pixels in its place."""
        ids: Any = options.pop("input_ids", None)
        if inputs is not None and ids is not None:
            raise UserError("generate got a prompt twice, as its first argument and as input_ids")
        ids = inputs if ids is None else ids
        if np.ndim(ids) > 2 or isinstance(ids, Cache):
            raise UserError(
                f"the first argument of generate is the prompt ids (B, T); got shape "
                f"{np.shape(ids)}: pass pictures as pixel_values=..., vectors as inputs_embeds=..."
            )
        made = cls(ids, **{name: options.pop(name) for name in cls._fields if name in options})
        if made.past_key_values is not None:
            check_cache(made.past_key_values)
        made.check_positions()
        return made

    def check_positions(self) -> None:
        """Refuse position_ids that are not counted from the first word of each row."""
        if self.position_ids is None or self.ids is None:
            return
        ids, mask = as_ids(self.ids), self.attention_mask
        words = np.ones(ids.shape, bool) if mask is None else np.asarray(mask) != 0
        given = np.asarray(self.position_ids)
        fits = words.shape == ids.shape and given.shape in (
            ids.shape,
            ids.shape[1:],
            (1, len(ids.T)),
        )
        if not fits or ((given != words.cumsum(axis=1) - 1) & words).any():
            raise UserError(
                "generate counts positions from the first word of each row, padding left out; "
                "leave position_ids out, or call the model itself"
            )

    @property
    def subject(self) -> Pixels | Cache | None:
        """What the words are about: a cache, else pictures."""
        return self.pixel_values if self.past_key_values is None else self.past_key_values


def calls_of(processors: Any, criteria: Any, allowed: Any, streamer: Any) -> Calls:
    """Collect the functions that take part in generate; refuse what cannot be called."""
    lists = {"logits_processor": processors, "stopping_criteria": criteria}
    for name, several in lists.items():
        fine = several is None or isinstance(several, list | tuple)
        if not fine or not all(map(callable, several or ())):
            raise UserError(f"{name} is {shown(repr(several), 60)}; it must be a list of functions "
                            "of (input_ids, scores)")  # fmt: skip
    if allowed is not None and not callable(allowed):
        raise UserError(
            f"prefix_allowed_tokens_fn is {shown(repr(allowed), 60)}; it must be a function of "
            "(batch_id, input_ids) that lists token ids"
        )
    if streamer is not None and not (hasattr(streamer, "put") and hasattr(streamer, "end")):
        raise UserError(
            f"streamer is {shown(repr(streamer), 60)}; it must have put and end, as TextStreamer"
        )
    return Calls(processors or (), criteria or (), allowed, streamer)


def step_inputs(
    ids: Array, past: Cache | None, mask: Any, vectors: Any, more: dict[str, Any]
) -> dict[str, Any]:
    """Put together what one decoding step is called with; a picture goes into the first only."""
    if past is not None:
        check_cache(past)
    cached_length = 0 if past is None else past.attention_mask.shape[1]
    found: dict[str, Any] = {
        "input_ids": ids[:, cached_length:],
        "attention_mask": np.ones(ids.shape, np.int64) if mask is None else mask,
        "pixel_values": more.pop("pixel_values", None) if past is None else None,
        "past_key_values": past,
    }
    if past is None and vectors is not None:
        found |= {"input_ids": None, "inputs_embeds": vectors}
    if more.get("position_ids") is not None:
        positions = whole_numbers("position_ids", more["position_ids"])
        more["position_ids"] = positions[..., cached_length:]
    return {**more, **found}


MORE = {  # what a call of later versions may be told -> what to do here
    "shift_labels": "pass labels, which are shifted here",
    "num_items_in_batch": "the mean is taken over the labels of the call",
}


def refuse_more(more: dict[str, Any]) -> None:
    """Refuse what a call cannot be told; None changes nothing."""
    for name, value in more.items():
        if value is None:
            continue
        advice = MORE.get(name, "docs/coming-from-transformers.md lists what differs")
        raise UserError(f"a call has no {name}: {advice}")


def check_finite(result: Array, params: Git | Vision) -> None:
    """Stop at infinities and NaN instead of handing them out."""
    with np.errstate(all="ignore"):
        if not np.isfinite(result.sum()) and not np.isfinite(result).all():
            raise why_not_finite(params)


def why_not_finite(params: Git | Vision) -> UserError:
    """Say where infinities and NaN come from: weights that are mapped are first read here."""
    broken = list(loading.not_finite(params))
    if broken:
        return UserError(
            f"the weights are damaged: {', '.join(broken[:5])} hold numbers that are not finite"
        )
    return UserError(
        "pixel_values, or vectors in place of words, hold numbers that are not finite, or far too "
        "large"
    )


def same_rows(memory: Array, input_ids: Array) -> Array:
    """Give each row of words its picture: one picture serves all rows, else one a row."""
    rows = input_ids.shape[0]
    if memory.shape[0] == rows:
        return memory
    if memory.shape[0] == 1:
        return np.repeat(memory, rows, axis=0)
    raise UserError(
        f"got {memory.shape[0]} pictures and {rows} rows of input_ids; "
        "give one row for each picture, or one picture for all rows"
    )


def words_of(input_ids: Array | None, inputs_embeds: Array | None, width: int) -> Array:
    """Take the words, ids (B, T) or vectors (B, T, D), whichever is given."""
    if input_ids is not None and inputs_embeds is not None:
        raise UserError("You cannot specify both input_ids and inputs_embeds at the same time")
    if input_ids is not None:
        return as_ids(input_ids)
    if inputs_embeds is None:
        raise UserError("You have to specify either input_ids or inputs_embeds")
    return as_vectors(inputs_embeds, width)


def as_vectors(inputs_embeds: Array, width: int) -> Array:
    """Refuse what cannot be rows of vectors in place of words."""
    vectors = numbers("inputs_embeds", inputs_embeds)
    if vectors.ndim != 3 or vectors.shape[2] != width:
        raise UserError(f"inputs_embeds must be of shape (B, T, {width}); got {vectors.shape}")
    return vectors


def chosen(
    config: GitConfig | GitVisionConfig,
    output_attentions: bool | None,
    output_hidden_states: bool | None,
    return_dict: bool | None,
    use_cache: bool | None = None,
) -> dict[str, bool]:
    """Decide what to return: what the call says, else what the config says."""
    return {
        "attentions": config.output_attentions if output_attentions is None else output_attentions,
        "hidden_states": config.output_hidden_states
        if output_hidden_states is None
        else output_hidden_states,
        "dict": config.use_return_dict if return_dict is None else return_dict,
        "cache": getattr(config, "use_cache", False) if use_cache is None else use_cache,
    }


def warn_of_padding(ids: Array, config: GitConfig) -> None:
    """Warn where padding would be read as words, as the official code does."""
    ends = [*as_tuple(config.eos_token_id), config.bos_token_id]
    if config.pad_token_id not in (None, *ends) and np.any(ids[:, [0, -1]] == config.pad_token_id):
        warnings.warn(
            "input_ids begin or end with the pad token, and there is no attention_mask: padding "
            "is read as words; pass the attention_mask that the processor returns",
            stacklevel=4,
        )


def mask_of_new_words(
    attention_mask: Array | None, shape: tuple[int, ...], past: Cache | None
) -> tuple[Array | None, Cache | None]:
    """Check the attention mask (B, T), and take it apart when it covers the cached words too.

    -> the mask of the new words, and the cache with the mask of its own words.
    """
    if attention_mask is None:
        return None, past
    mask = np.asarray(np.asarray(attention_mask) != 0, np.int64)
    cached_length = 0 if past is None else past.attention_mask.shape[1]
    B, T = shape
    if past is not None and cached_length and mask.shape == (B, cached_length + T):
        return mask[:, cached_length:], past._replace(attention_mask=mask[:, :cached_length])
    if mask.shape != (B, T):
        both = f" or {(B, cached_length + T)}, with the cached words" if cached_length else ""
        raise UserError(
            f"attention_mask must be of shape {(B, T)}{both}: words only, image tokens are never "
            f"masked; got {mask.shape}"
        )
    return mask, past


def check_cache(past: object) -> None:
    """Refuse what is no cache."""
    if not isinstance(past, Cache):
        raise UserError(
            f"past_key_values must be what an earlier call returned as past_key_values; got "
            f"{type(past).__name__}. Tuples of transformers cannot be used: they lack the picture"
        )


def check_past(past: Cache, rows: int, config: GitConfig) -> None:
    """Refuse what is not a cache of this model for these rows."""
    check_cache(past)
    if len(past.text_kv) != config.num_hidden_layers or len(past.attention_mask) != rows:
        raise UserError(
            f"past_key_values holds {len(past.text_kv)} layers and {len(past.attention_mask)} "
            f"rows; this call has {config.num_hidden_layers} layers and {rows} rows"
        )
