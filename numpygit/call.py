"""One call as Hugging Face documents it: arguments -> the five files -> what was asked for.

The model's functions return what the next function needs and nothing else. What else a caller
may ask for, hidden states, attentions, the cache, has a name on the way, and a Recorder keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .adapt import mask_heads
from .config import GitConfig
from .errors import UserError
from .fast import PLAIN, Towers
from .layers import KeyValue, Trace, no_trace
from .params import Array, Git, Text
from .text import Cache, forward, project, read
from .trace import Recorder, together


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
    """Run the text tower once: words (B, T) or (B, T, D), memory (B, M, D) unless in `past`."""
    recorder = Recorder("words", "text.x", "text.*.x", "text.*.weights", "text.*.k", "text.*.v")
    seen = together(recorder, trace)
    if head_mask is not None:
        params = mask_heads(params, head_mask, heads=config.num_attention_heads)
    p, shape = params.text, words.shape[:2]
    positions = None if position_ids is None else np.broadcast_to(position_ids, shape)
    if past is None:
        logits, hidden = forward(
            memory, words, p, config=config, attention_mask=attention_mask, positions=positions,
            keep=keep, trace=seen,
        )  # fmt: skip
        first = recorder.tensors["text.x"]
        cache = cut_cache(recorder, p, attention_mask, image=memory.shape[1], words=shape)
    else:
        logits, cache = read(
            words, past, p, config=config, attention_mask=attention_mask, positions=positions,
            trace=seen,
        )  # fmt: skip
        logits = logits[:, -keep:]
        first = recorder.tensors["words"]
        hidden = last_state(recorder, p, first)
    hidden_states = (first, *every_layer(recorder, p, "x"))
    attentions = tuple(every_layer(recorder, p, "weights"))
    if head_mask is not None:
        attentions = masked_attentions(attentions, head_mask)
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
    """Make the cache of an uncached run: what `see` and `read` would have kept."""
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
    return np.asarray(pixel_values, np.float32)


def memory_of(
    pixel_values: Array | list[Array] | None,
    params: Git,
    *,
    config: GitConfig,
    interpolate: bool = False,
    towers: Towers = PLAIN,
    trace: Trace = no_trace,
) -> Array:
    """Encode pictures for the text tower -> (B, M, D); no pictures -> (1, 0, D)."""
    if pixel_values is None:
        return np.zeros((1, 0, config.hidden_size), np.float32)
    pixels = pictures(pixel_values)
    tokens = towers.image_tokens(
        pixels, params.vision, config=config.vision_config, interpolate=interpolate, trace=trace
    )
    return project(tokens, params.text, eps=config.vision_config.layer_norm_eps, trace=trace)


def mask_of_new_words(
    attention_mask: Array | None, shape: tuple[int, ...], past: Cache | None
) -> tuple[Array | None, Cache | None]:
    """Check the attention mask (B, T), and take it apart when it covers the cached words too.

    -> the mask of the new words, and the cache with the mask of its own words.
    """
    if attention_mask is None:
        return None, past
    mask = (np.asarray(attention_mask) != 0).astype(np.int64)
    known = 0 if past is None else past.attention_mask.shape[1]
    B, T = shape
    if past is not None and known and mask.shape == (B, known + T):
        return mask[:, known:], past._replace(attention_mask=mask[:, :known])
    if mask.shape != (B, T):
        both = f" or {(B, known + T)}, with the cached words" if known else ""
        raise UserError(
            f"attention_mask must be of shape {(B, T)}{both}: words only, image tokens are never "
            f"masked; got {mask.shape}"
        )
    return mask, past


def check_past(past: object, rows: int, config: GitConfig) -> None:
    """Refuse what is not a cache of this model for these rows."""
    if not isinstance(past, Cache):
        raise UserError(
            f"past_key_values must be what an earlier call returned as past_key_values; got "
            f"{type(past).__name__}. Tuples of transformers cannot be used: they lack the picture"
        )
    if len(past.words) != config.num_hidden_layers or len(past.attention_mask) != rows:
        raise UserError(
            f"past_key_values holds {len(past.words)} layers and {len(past.attention_mask)} rows; "
            f"this call has {config.num_hidden_layers} layers and {rows} rows"
        )
