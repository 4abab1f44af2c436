"""The same model once more, arranged for speed. Read `vision.py` and `text.py` first.

Each function is the twin of one in layers.py, vision.py or text.py, and a test holds the two
equal. Three things differ, and each has been measured (tests/benchmarks/README.md):

- Tokens are columns: x is (D, T). The weights, which lie as (out, in), then come first in every
  product, and heads are blocks of rows: nothing is transposed or copied to split or join them.
- Work on single numbers goes block by block, so that a block stays in the processor's cache, and
  into the array that is there already.
- Nothing is computed that nobody reads: the last layer's image tokens give keys and values only,
  and the last word alone is held against the vocabulary. Beams share the keys and values of
  their picture.

It does not trace. `image_tokens`, `prefill` and `decode_step` take the arguments of their twins,
and call them where a trace is wanted, without a picture, and in models with relative positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from ..model import text, vision
from ..model.checks import check_pixels
from ..model.config import Config, VisionConfig
from ..model.layers import GELU_R, KeyValue, Trace, extend, no_trace
from ..model.layers import activate as plain_activate
from ..model.params import MLP, Activation, Array, Attention, Block, LayerNorm, Linear, Text, Vision
from ..model.text import Cache
from .threads import side_by_side

BLOCK = 65_536  # numbers worked on at once: 256 KB, half of a common second-level cache
SLICE = 786_432  # numbers of a matrix multiplied at once, where few columns make it expensive


def product(weight: Array, x: Array) -> Array:
    """Multiply a matrix by columns: (out, in) and (in, T) -> (out, T).

    For a few columns OpenBLAS spends its time on copying the matrix into its own order, and a
    slice of it at a time, which stays in the cache, is quicker.
    """
    rows, columns = weight.shape[0], x.shape[1]
    if columns == 1 or columns >= 32 or weight.size <= 4 * SLICE:
        return weight @ x
    found = np.empty((rows, columns), np.float32)
    step = SLICE // weight.shape[1]
    for start in range(0, rows, step):
        found[start : start + step] = weight[start : start + step] @ x
    return found


def linear(x: Array, p: Linear) -> Array:
    """Twin of `layers.linear`: (in, T) -> (out, T)."""
    found = product(p.weight, x)
    found += p.bias[:, None]
    return found


def layer_norm(x: Array, p: LayerNorm, *, eps: float) -> Array:
    """Twin of `layers.layer_norm`: (D, T) -> (D, T). Means are products with a row of 1 / D."""
    D = x.shape[0]
    average = np.full(D, 1 / D, np.float32)
    normed = x - average @ x
    variance = average @ (normed * normed)
    normed *= 1 / np.sqrt(variance + np.float32(eps))
    normed *= p.weight[:, None]
    normed += p.bias[:, None]
    return normed


def activate(hidden: Array, bias: Array, *, name: Activation) -> None:
    """Add the bias and apply the activation, in place: hidden (F, T)."""
    step = max(1, BLOCK // hidden.shape[1])
    for start in range(0, len(hidden), step):
        rows = hidden[start : start + step]
        rows += bias[start : start + step, None]
        if name not in ("quick_gelu", "gelu"):
            rows[:] = plain_activate(rows, name=name)
            continue
        with np.errstate(over="ignore"):  # of numbers so large that the sigmoid is 0 or 1
            z = gelu_argument(rows) if name == "gelu" else np.float32(1.702) * rows
            times_sigmoid(rows, z)


def times_sigmoid(x: Array, z: Array) -> None:
    """Multiply x by sigmoid(z) = 1 / (1 + exp(-z)), in place; z is overwritten."""
    np.negative(z, out=z)
    np.exp(z, out=z)
    z += 1
    x /= z


def gelu_argument(x: Array) -> Array:
    """Find z with Phi(x) = sigmoid(z). It is 2 x R(x^2): see `layers.gelu`."""
    square = x * x
    ratio = square * np.float32(2 * GELU_R[-1])
    for coefficient in GELU_R[-2:0:-1]:  # Horner's rule
        ratio += np.float32(2 * coefficient)
        ratio *= square
    ratio += np.float32(2 * GELU_R[0])
    ratio *= x
    return ratio


def mlp(x: Array, p: MLP, *, activation: Activation) -> Array:
    """Twin of `layers.mlp`: (D, T) -> (D, T)."""
    hidden = product(p.up.weight, x)
    activate(hidden, p.up.bias, name=activation)
    return linear(hidden, p.down)


def softmax_powers(scores: Array) -> Array:
    """Turn scores into powers of e, in place, over the last axis but one; -> 1 / their sums.

    (..., S, T) -> (..., 1, T). The weights of `layers.softmax` are powers times this.
    """
    scores -= scores.max(axis=-2, keepdims=True)
    np.exp(scores, out=scores)
    return 1 / scores.sum(axis=-2, keepdims=True)


def image_attention(x: Array, p: Attention, *, heads: int) -> tuple[Array, KeyValue]:
    """Twin of `layers.attention` for the tokens of one picture: (D, M) -> (D, M)."""
    q = linear(x, p.query)
    q *= np.float32(1 / math.sqrt(len(q) // heads))
    kv = image_keys_and_values(x, p, heads=heads)
    D, M = q.shape
    N, A = heads, D // heads
    scores = kv.k[0] @ q.reshape(N, A, M)  # (N, M, M)
    share = softmax_powers(scores)  # (N, 1, M)
    mixed = kv.v[0].transpose(0, 2, 1) @ scores  # (N, A, M)
    mixed *= share
    return linear(mixed.reshape(D, M), p.out), kv


def image_keys_and_values(x: Array, p: Attention, *, heads: int) -> KeyValue:
    """Twin of `layers.keys_and_values`: (D, M) -> twice (1, N, M, A), views of (D, M)."""
    M = x.shape[1]
    k = linear(x, p.key).reshape(1, heads, -1, M)
    v = linear(x, p.value).reshape(1, heads, -1, M)
    return KeyValue(k.transpose(0, 1, 3, 2), v.transpose(0, 1, 3, 2))


def image_tokens(
    pixels: Array,
    p: Vision,
    *,
    config: VisionConfig,
    interpolate: bool = False,
    threads: int = 1,
    trace: Trace = no_trace,
) -> Array:
    """Twin of `vision.image_tokens`: stills or clips -> (B, M, D)."""
    if trace is not no_trace or pixels.size == 0:
        return vision.image_tokens(pixels, p, config=config, interpolate=interpolate, trace=trace)
    check_pixels(pixels, p, config=config, interpolate=interpolate)
    B, frames = pixels.shape[0], pixels.shape[1] if pixels.ndim == 5 else 1
    stills = pixels.reshape(B * frames, *pixels.shape[-3:])

    def encode(still: Array) -> Array:
        return vision_tower(still[None], p, config=config, interpolate=interpolate)

    encoded = side_by_side(encode, list(stills), threads=threads)
    D = config.hidden_size
    tokens = np.stack(encoded).reshape(B, frames, -1, D)
    if pixels.ndim == 5:
        tokens += p.temporal_embedding[:frames, None]
    return tokens.reshape(B, -1, D)


def vision_tower(
    pixels: Array, p: Vision, *, config: VisionConfig, interpolate: bool = False
) -> Array:
    """Twin of `vision.vision_tower` for one still: (1, C, H, W) -> (P + 1, D)."""
    heads, eps = config.num_attention_heads, config.layer_norm_eps
    patch = config.patch_size
    embedded = vision.embed_patches(pixels, p, patch=patch, interpolate=interpolate)
    x = layer_norm(np.ascontiguousarray(embedded[0].T), p.pre_norm, eps=eps)
    for block in p.blocks:
        normed = layer_norm(x, block.attention_norm, eps=eps)
        x += image_attention(normed, block.attention, heads=heads)[0]
        normed = layer_norm(x, block.mlp_norm, eps=eps)
        x += mlp(normed, block.mlp, activation=config.hidden_act)
    return layer_norm(x, p.post_norm, eps=eps).T


def prefill(
    memory: Array, p: Text, *, config: Config, threads: int = 1, trace: Trace = no_trace
) -> Cache:
    """Twin of `text.prefill`: memory (B, M, D) -> Cache."""
    if trace is not no_trace or not serves(config) or memory.size == 0 or not p.blocks:
        return text.prefill(memory, p, config=config, trace=trace)

    def prefill_one(one: Array) -> list[KeyValue]:
        return prefill_picture(np.ascontiguousarray(one.T), p, config=config)

    kv_of_pictures = side_by_side(prefill_one, list(memory), threads=threads)
    B, D, N = len(memory), memory.shape[2], config.num_attention_heads
    image_kv = tuple(together(layer) for layer in zip(*kv_of_pictures, strict=True))
    empty = np.zeros((B, N, 0, D // N), np.float32)
    text_kv = (KeyValue(empty, empty),) * len(p.blocks)
    return Cache(image_kv, text_kv, np.zeros((B, 0), np.int64))


def together(pictures: tuple[KeyValue, ...]) -> KeyValue:
    """Make one batch of the keys and values of single pictures: (B, N, M, A).

    In memory keys lie as (B, N, A, M) and values as (B, N, M, A), as `word_attention` reads them.
    """
    k = np.concatenate([np.ascontiguousarray(one.k.transpose(0, 1, 3, 2)) for one in pictures])
    v = np.concatenate([np.ascontiguousarray(one.v) for one in pictures])
    return KeyValue(k.transpose(0, 1, 3, 2), v)


def prefill_picture(x: Array, p: Text, *, config: Config) -> list[KeyValue]:
    """Let the tokens of one picture look at each other: (D, M) -> each layer's keys and values."""
    heads = config.num_attention_heads
    new_kv = []
    for block in p.blocks[:-1]:
        attended, kv = image_attention(x, block.attention, heads=heads)
        x = after(x, attended, block, config=config)
        new_kv.append(kv)
    new_kv.append(image_keys_and_values(x, p.blocks[-1].attention, heads=heads))
    return new_kv


def after(x: Array, attended: Array, block: Block, *, config: Config) -> Array:
    """Do what follows attention in a layer of the text tower: twice (D, T) -> (D, T)."""
    attended += x
    x = layer_norm(attended, block.attention_norm, eps=config.layer_norm_eps)
    thought = mlp(x, block.mlp, activation=config.hidden_act)
    thought += x
    return layer_norm(thought, block.mlp_norm, eps=config.layer_norm_eps)


def decode_step(
    ids: Array,
    cache: Cache,
    p: Text,
    *,
    config: Config,
    attention_mask: Array | None = None,
    positions: Array | None = None,
    trace: Trace = no_trace,
) -> tuple[Array, Cache]:
    """Twin of `text.decode_step`; it gives the last word's logits only: ids (B, T) -> (B, 1, V)."""
    M = cache.image_kv[0].k.shape[2] if cache.image_kv else 0
    if trace is not no_trace or not serves(config) or M == 0:
        return text.decode_step(
            ids, cache, p, config=config, attention_mask=attention_mask, positions=positions,
            trace=trace,
        )  # fmt: skip
    B, T = ids.shape[:2]
    V, D = p.head.weight.shape
    if attention_mask is None:
        attention_mask = np.ones((B, T), np.int64)
    attention_mask = np.concatenate([cache.attention_mask, attention_mask], axis=1)
    S = M + attention_mask.shape[1]
    if positions is None:
        positions = text.word_positions(attention_mask)[:, -T:]
    embeddings = text.embed_words(ids, positions, p, config=config)  # (B, T, D)
    x = np.ascontiguousarray(embeddings.reshape(B * T, D).T)  # (D, B * T)
    mask = None
    if T > 1 or not attention_mask.all():
        mask = text.word_mask(attention_mask, image=0, now=T)  # (B, 1, T, S - M)
    new_kv = []
    for block, image_kv, past in zip(p.blocks, cache.image_kv, cache.text_kv, strict=True):
        attended, kv = word_attention(x, block.attention, image_kv, past, mask=mask)
        x = after(x, attended, block, config=config)
        new_kv.append(kv)
    last = np.ascontiguousarray(x[:, T - 1 :: T])  # (D, B)
    logits = np.ascontiguousarray(product(p.head.weight, last).T)  # (B, V)
    logits += p.head.bias
    return logits[:, None], Cache(cache.image_kv, tuple(new_kv), attention_mask)


def word_attention(
    x: Array, p: Attention, image_kv: KeyValue, past: KeyValue, *, mask: Array | None
) -> tuple[Array, KeyValue]:
    """Twin of `layers.attention` for words: (D, B * T) -> (D, B * T), and the longer past.

    The keys and values of a picture serve all its rows of words, texts or beams, at once.
    """
    pictures, N, M, A = image_kv.k.shape
    D, columns = x.shape
    B = len(past.k)
    texts, T = B // pictures, columns // B
    q = heads_of_rows(linear(x, p.query), past)  # (B, N, T, A)
    q *= np.float32(1 / math.sqrt(A))
    k, v = heads_of_rows(linear(x, p.key), past), heads_of_rows(linear(x, p.value), past)
    text_kv = extend(past, KeyValue(k, v))
    S = M + text_kv.k.shape[2]
    image_k = image_kv.k.transpose(0, 1, 3, 2)  # (pictures, N, A, M)
    to_image = by_picture(q, texts) @ image_k  # (pictures, N, texts * T, M)
    to_words = q @ text_kv.k.transpose(0, 1, 3, 2)  # (B, N, T, S - M)
    if mask is not None:
        to_words += mask
    highest = by_row(to_image.max(axis=3, keepdims=True), texts)  # (B, N, T, 1)
    highest = np.maximum(highest, to_words.max(axis=3, keepdims=True))
    to_image -= by_picture(highest, texts)
    to_words -= highest
    np.exp(to_image, out=to_image)
    np.exp(to_words, out=to_words)
    sums = by_row(to_image.sum(axis=3, keepdims=True), texts)
    sums += to_words.sum(axis=3, keepdims=True)
    mixed = by_row(to_image @ image_kv.v, texts)  # (B, N, T, A)
    mixed += to_words @ text_kv.v
    mixed /= sums
    joined = mixed.transpose(1, 3, 0, 2).reshape(D, columns)  # (D, columns)
    return linear(joined, p.out), text_kv


def by_picture(x: Array, texts: int) -> Array:
    """Put the texts of a picture together: (B, N, T, A) -> (pictures, N, texts * T, A)."""
    B, N, T, A = x.shape
    apart = x.reshape(B // texts, texts, N, T, A)
    return apart.transpose(0, 2, 1, 3, 4).reshape(B // texts, N, texts * T, A)


def by_row(x: Array, texts: int) -> Array:
    """Undo `by_picture`: (pictures, N, texts * T, A) -> (B, N, T, A)."""
    pictures, N, columns, A = x.shape
    apart = x.reshape(pictures, N, texts, columns // texts, A)
    return apart.transpose(0, 2, 1, 3, 4).reshape(pictures * texts, N, columns // texts, A)


def heads_of_rows(x: Array, past: KeyValue) -> Array:
    """Take the columns of words apart: (D, B * T) -> (B, N, T, A)."""
    B, N, _, A = past.k.shape
    return x.reshape(N, A, B, -1).transpose(2, 0, 3, 1)


def serves(config: Config) -> bool:
    """Tell whether this file knows the model: relative positions are left to layers.py."""
    return config.position_embedding_type == "absolute"


class Towers(NamedTuple):
    """Which functions run the model: the definitions, or their twins of this file."""

    image_tokens: Callable[..., Array]
    prefill: Callable[..., Cache]
    decode_step: Callable[..., tuple[Array, Cache]]


PLAIN = Towers(vision.image_tokens, text.prefill, text.decode_step)


def fast_towers(threads: int) -> Towers:
    """Take this file's functions, on so many threads."""
    encode, see = partial(image_tokens, threads=threads), partial(prefill, threads=threads)
    return Towers(encode, see, decode_step)
