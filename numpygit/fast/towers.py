"""The same model once more, arranged for speed. Read `model/vision.py` and `model/text.py` first.

Each function is the twin of one there, and a test holds the two equal. What differs has been
measured (tests/benchmarks/README.md):

- Image tokens are columns: x is (D, M), in layers.py and attention.py beside this file. Words are
  rows, in words.py, and so few that products.py multiplies them in other ways.
- Work on single numbers goes block by block, so that a block stays in the processor's cache, and
  into the array that is there already.
- Each thread encodes several pictures of a batch at once, as columns of one product. Threads share
  the heads and neurons of a single picture, as a team (teams.py).
- Nothing is computed that nobody reads: the last layer's image tokens give keys and values only,
  and the last word alone is held against the vocabulary. Beams share the keys and values of
  their picture.

It does not trace. `image_tokens`, `prefill` and `decode_step` take the arguments of their twins,
and call them where a trace is wanted, without a picture, and in models with relative positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from ..model import text, vision
from ..model.checks import check_pixels
from ..model.config import Config, VisionConfig
from ..model.layers import KeyValue, Trace, no_trace
from ..model.params import Array, Block, Text, Vision
from ..model.text import Cache
from ..model.variants import relative_text
from ..model.variants.choose import text_of
from ..model.variants.other_sizes import resize_positions
from . import words
from .attention import image_attention, image_keys_and_values
from .layers import layer_norm, mlp
from .pool import spread
from .teams import WHOLE, Member, in_groups
from .threads import blas_threads, find_openblas


def image_tokens(
    pixels: Array,
    p: Vision,
    *,
    config: VisionConfig,
    interpolate: bool = False,
    threads: int = 1,
    group: Together | None = None,
    trace: Trace = no_trace,
) -> Array:
    """Twin of `vision.image_tokens`: stills or clips -> (B, M, D). Processes come first."""
    if trace is not no_trace or pixels.size == 0:
        return vision.image_tokens(pixels, p, config=config, interpolate=interpolate, trace=trace)
    check_pixels(pixels, p, config=config, interpolate=interpolate)
    B, frames = pixels.shape[0], pixels.shape[1] if pixels.ndim == 5 else 1
    stills = pixels.reshape(B * frames, *pixels.shape[-3:])

    def encode(some: slice, member: Member) -> Array:
        return vision_tower(stills[some], p, config=config, interpolate=interpolate, member=member)

    M = (pixels.shape[-2] // config.patch_size) * (pixels.shape[-1] // config.patch_size) + 1
    D, N = config.hidden_size, config.num_attention_heads
    encoded = None if group is None else group.encode(stills, p, config)
    if encoded is None:
        parts = in_groups(encode, len(stills), numbers=M * D, heads=N, threads=threads)
        encoded = np.concatenate(parts)
    tokens = encoded.reshape(B, frames, -1, D)
    if pixels.ndim == 5:
        tokens += p.temporal_embedding[:frames, None]
    return tokens.reshape(B, -1, D)


def vision_tower(
    pixels: Array,
    p: Vision,
    *,
    config: VisionConfig,
    interpolate: bool,
    member: Member = WHOLE,
) -> Array:
    """Twin of `vision.vision_tower`: stills (B, C, H, W) -> (B, P + 1, D).

    All members of a team that encode one still return the same.
    """
    heads, eps = config.num_attention_heads, config.layer_norm_eps
    B, D = len(pixels), config.hidden_size
    embedded = embed(pixels, p, patch=config.patch_size, interpolate=interpolate, member=member)
    x = layer_norm(embedded, p.pre_norm, eps=eps, member=member)
    for block in p.blocks:
        normed = layer_norm(x, block.attention_norm, eps=eps, member=member)
        x = image_attention(normed, block.attention, heads=heads, plus=x, pictures=B, member=member)
        normed = layer_norm(x, block.mlp_norm, eps=eps, member=member)
        x = mlp(normed, block.mlp, activation=config.hidden_act, plus=x, member=member)
    return layer_norm(x, p.post_norm, eps=eps, member=member).T.reshape(B, -1, D)


def embed(
    pixels: Array, p: Vision, *, patch: int, interpolate: bool, member: Member = WHOLE
) -> Array:
    """Twin of `vision.embed_patches`: (B, C, H, W) -> (D, B * M). In a team by tokens of one."""
    if member.team.size == 1:
        return columns_of(vision.embed_patches(pixels, p, patch=patch, interpolate=interpolate))
    patches = vision.cut_patches(pixels, patch=patch)[0]
    own = member.own(len(patches) + 1)
    tokens = patches[max(0, own.start - 1) : max(0, own.stop - 1)] @ p.patch_embedding.T
    if own.start == 0 < own.stop:
        tokens = np.concatenate([p.class_embedding[None], tokens])
    positions = p.position_embedding
    if interpolate:
        rows, columns = pixels.shape[2] // patch, pixels.shape[3] // patch
        positions = resize_positions(positions, rows=rows, columns=columns)
    part = columns_of((tokens + positions[own])[None])
    return member.gather(part, own=own, total=len(patches) + 1, axis=1)


def columns_of(tokens: Array) -> Array:
    """Make tokens columns, those of a picture together: (B, M, D) -> (D, B * M)."""
    return np.ascontiguousarray(tokens.reshape(-1, tokens.shape[2]).T)


def project(
    image_tokens: Array, p: Text, *, eps: float, threads: int = 1, group: Together | None = None,
    trace: Trace = no_trace,
) -> Array:  # fmt: skip
    """Twin of `text.project`: (B, M, vision D) -> memory (B, M, D). Processes come first."""
    if trace is not no_trace or image_tokens.size == 0:
        return text.project(image_tokens, p, eps=eps, trace=trace)
    shared = None if group is None else group.project(image_tokens, p, eps)
    if shared is not None:
        return shared
    B, M, _ = image_tokens.shape
    rows = image_tokens.reshape(B * M, -1)
    memory = np.empty((B * M, len(p.projection.weight)), np.float32)

    def share(some: slice) -> None:
        memory[some] = text.project(rows[None, some], p, eps=eps)[0]

    with blas_threads(1):
        spread(share, B * M, threads=1 if find_openblas() is None else threads)
    return memory.reshape(B, M, -1)


def prefill(
    memory: Array, p: Text, *, config: Config, threads: int = 1, group: Together | None = None,
    trace: Trace = no_trace,
) -> Cache:  # fmt: skip
    """Twin of `text.prefill`: memory (B, M, D) -> Cache. Processes come first."""
    if trace is not no_trace or not serves(config) or memory.size == 0 or not p.blocks:
        return text_of(config).prefill(memory, p, config=config, trace=trace)

    (B, M, D), N = memory.shape, config.num_attention_heads
    image_kv = empty_layers((B, N, M, D // N), p, group)

    def write(pictures: slice, member: Member) -> None:
        keep = [KeyValue(layer.k[pictures], layer.v[pictures]) for layer in image_kv]
        prefill_pictures(memory[pictures], p, config=config, keep=keep, member=member)

    if group is None or not group.prefill(memory, p, image_kv, config):
        in_groups(write, B, numbers=M * D, heads=N, threads=threads)
    text_kv = empty_layers((B, N, 0, D // N), p, None)
    return Cache(image_kv, text_kv, np.zeros((B, 0), np.int64))


def empty_layers(
    shape: tuple[int, int, int, int], p: Text, group: Together | None
) -> tuple[KeyValue, ...]:
    """Make room for keys and values of all layers, each (B, N, S, A): where processes see it."""
    shared = None if group is None else group.empty_layers(shape)
    if shared is not None:
        return shared
    return tuple(
        KeyValue(np.empty(shape, np.float32), np.empty(shape, np.float32)) for _ in p.blocks
    )


def prefill_pictures(
    memory: Array, p: Text, *, config: Config, keep: Sequence[KeyValue], member: Member = WHOLE
) -> None:
    """Prefill for several pictures: memory (B, M, D) -> keys and values of each layer in `keep`.

    Each member of a team that reads one picture writes those of its heads.
    """
    heads, eps, (B, M, D) = config.num_attention_heads, config.layer_norm_eps, memory.shape
    x = columns_of(memory)  # (D, B * M)
    for block, kept in zip(p.blocks[:-1], keep[:-1], strict=True):
        attended = image_attention(
            x, block.attention, heads=heads, plus=x, pictures=B, keep=kept, member=member
        )
        x = layer_norm(attended, block.attention_norm, eps=eps, member=member)
        thought = mlp(x, block.mlp, activation=config.hidden_act, plus=x, member=member)
        x = layer_norm(thought, block.mlp_norm, eps=eps, member=member)
    last = p.blocks[-1].attention
    image_keys_and_values(x, last, heads=heads, keep=keep[-1], pictures=B, member=member)


def decode_step(
    ids: Array,
    cache: Cache,
    p: Text,
    *,
    config: Config,
    attention_mask: Array | None = None,
    positions: Array | None = None,
    threads: int = 1,
    group: Together | None = None,
    trace: Trace = no_trace,
) -> tuple[Array, Cache]:
    """Twin of `text.decode_step` that gives the logits of the last word only, (B, 1, V)."""
    M = cache.image_kv[0].k.shape[2] if cache.image_kv else 0
    if trace is not no_trace or not serves(config) or M == 0:
        return text_of(config).decode_step(
            ids, cache, p, config=config, attention_mask=attention_mask, positions=positions,
            trace=trace,
        )  # fmt: skip
    (B, T), D = ids.shape[:2], config.hidden_size
    if attention_mask is None:
        attention_mask = np.ones((B, T), np.int64)
    attention_mask = np.concatenate([cache.attention_mask, attention_mask], axis=1)
    S = M + attention_mask.shape[1]
    if positions is None:
        positions = text.word_positions(attention_mask)[:, -T:]
    x = text.embed_words(ids, positions, p, config=config).reshape(B * T, D)
    mask = None
    if T > 1 or not attention_mask.all():
        mask = text.word_mask(attention_mask, image=0, now=T)  # (B, 1, T, S - M)
    N = config.num_attention_heads
    if group is not None and not group.holds(cache.image_kv):
        group = None
    new_kv = empty_layers((B, N, S - M, D // N), p, group)
    layers = (cache.image_kv, cache.text_kv, new_kv)
    logits = None if group is None else group.read_words(x, p, *layers, mask, config)
    if logits is None:
        last = word_tower(x, p, *layers, config=config, mask=mask, threads=threads)
        logits = words.linear(last, p.head, threads=threads)
    return logits[:, None], Cache(cache.image_kv, new_kv, attention_mask)


def word_tower(
    x: Array, p: Text, image_kv: Sequence[KeyValue], past: Sequence[KeyValue],
    keep: Sequence[KeyValue], *, config: Config, mask: Array | None, member: Member = WHOLE,
    threads: int = 1,
) -> Array:  # fmt: skip
    """Twin of `text.text_tower` for words: (B * T, D) -> (B, D), of the last word of each text.

    The longer past of each layer goes into `keep`.
    """
    for block, *layer in zip(p.blocks, image_kv, past, keep, strict=True):
        x = word_block(x, block, *layer, config=config, mask=mask, member=member, threads=threads)
    T = len(x) // len(past[0].k)
    return np.ascontiguousarray(x[T - 1 :: T])


def word_block(
    x: Array, p: Block, image_kv: KeyValue, past: KeyValue, keep: KeyValue, *, config: Config,
    mask: Array | None, member: Member = WHOLE, threads: int = 1,
) -> Array:  # fmt: skip
    """Twin of `text.block` for words: (B * T, D) -> same; the longer past goes into `keep`."""
    eps = config.layer_norm_eps
    attended = words.word_attention(
        x, p.attention, image_kv, past, mask=mask, keep=keep, plus=x, member=member, threads=threads
    )
    x = words.layer_norm(attended, p.attention_norm, eps=eps)
    thought = words.mlp(
        x, p.mlp, activation=config.hidden_act, plus=x, member=member, threads=threads
    )
    return words.layer_norm(thought, p.mlp_norm, eps=eps)


def serves(config: Config) -> bool:
    """Tell whether this file knows the model: relative positions are left to the plain ones."""
    return config.position_embedding_type == "absolute"


class Together(Protocol):
    """Processes that do a piece of work together (processes/), or answer None."""

    def encode(self, pixels: Array, p: Vision, config: VisionConfig) -> Array | None:
        """Encode stills, (B, C, H, W) -> (B, M, D)."""

    def project(self, image_tokens: Array, p: Text, eps: float) -> Array | None:
        """Do `text.project`."""

    def empty_layers(self, shape: tuple[int, int, int, int]) -> tuple[KeyValue, ...] | None:
        """Make room for keys and values, each (B, N, S, A), which all processes see."""

    def holds(self, layers: tuple[KeyValue, ...]) -> bool:
        """Tell whether all processes see these."""

    def prefill(
        self, memory: Array, p: Text, keep: tuple[KeyValue, ...], config: Config
    ) -> bool | None:
        """Write the keys and values of pictures, memory (B, M, D), into `keep`."""

    def read_words(
        self, x: Array, p: Text, image_kv: tuple[KeyValue, ...], past: tuple[KeyValue, ...],
        keep: tuple[KeyValue, ...], mask: Array | None, config: Config,
    ) -> Array | None:  # fmt: skip
        """Do `word_tower` -> logits (B, V)."""


class Towers(NamedTuple):
    """Which functions run the model: the definitions, or their twins of this file."""

    image_tokens: Callable[..., Array]
    project: Callable[..., Array]
    prefill: Callable[..., Cache]
    decode_step: Callable[..., tuple[Array, Cache]]


TEXT = Towers(vision.image_tokens, text.project, text.prefill, text.decode_step)
RELATIVE = Towers(
    vision.image_tokens, text.project, relative_text.prefill, relative_text.decode_step
)
# the definitions, which are read along and stepped through, by `position_embedding_type`
PLAIN = {"absolute": TEXT, "relative_key": RELATIVE, "relative_key_query": RELATIVE}


def fast_towers(threads: int, group: Together | None = None) -> Towers:
    """Take this file's functions, on so many threads, or on processes where these are quicker."""
    return Towers(
        partial(image_tokens, threads=threads, group=group),
        partial(project, threads=threads, group=group),
        partial(prefill, threads=threads, group=group),
        partial(decode_step, threads=threads, group=group),
    )
