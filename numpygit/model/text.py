"""The text decoder: image tokens and words -> logits. BERT-style, post-norm: attention and MLP are
each followed by layer normalisation. Autoregressive: a word depends on the picture and on the
words before it.

Source: the paper, section 3.1, arXiv 2205.14100; transformers 4.37.2 `modeling_git.py`,
GitModel. Image tokens and words stand in one sequence. Image tokens look at each other and
never at words; a word looks at the whole picture and at the words up to itself. There is no
cross-attention.

`forward` is the definition; given a whole text it scores every next word at once, as in training
(teacher forcing). `prefill` and `decode_step` give the same numbers with a KV cache: because image
tokens never look at words, all that words need of a picture, its keys and values, is computed
once and kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .checks import check_absolute, check_words
from .config import Config
from .layers import KeyValue, Trace, attention, layer_norm, linear, mlp, no_trace, scope
from .params import Activation, Array, Block, Text


class Cache(NamedTuple):
    """The KV cache: keys and values of image tokens, and of the words that went in so far."""

    image_kv: tuple[KeyValue, ...]  # (B, N, M, A) in each layer
    text_kv: tuple[KeyValue, ...]  # (B, N, S - M, A) in each layer
    attention_mask: Array  # (B, S - M), 1 a word, 0 padding

    def __repr__(self) -> str:
        (rows, words), L = self.attention_mask.shape, len(self.text_kv)
        M = self.image_kv[0].k.shape[2]
        return f"Cache({L} layers, {rows} rows, {M} image tokens, {words} words)"


def project(image_tokens: Array, p: Text, *, eps: float, trace: Trace = no_trace) -> Array:
    """Project image tokens to the text decoder's width: (B, M, vision D) -> memory (B, M, D).

    `eps` is the vision encoder's, 1e-5, and not the text decoder's, 1e-12 (transformers 4.37.2,
    GitProjection).
    """
    projected = linear(image_tokens, p.projection)
    trace("projected", projected)
    memory = layer_norm(projected, p.projection_norm, eps=eps)
    trace("memory", memory)
    return memory


def forward(
    memory: Array,
    ids: Array,
    p: Text,
    *,
    config: Config,
    attention_mask: Array | None = None,
    positions: Array | None = None,
    keep: int = 0,
    trace: Trace = no_trace,
) -> tuple[Array, Array]:
    """All tokens in one pass, without a cache: the definition.

    memory (B, M, D), with M = 0 for no picture; ids, attention_mask (1 a word, 0 padding) and
    positions (B, T); vectors (B, T, D) may stand for ids -> logits (B, M + T, V), or of the last
    `keep` tokens only, and the last hidden states (B, M + T, D).
    """
    B, M, D = memory.shape
    B, T = ids.shape[:2]
    S = M + T
    if attention_mask is None:
        attention_mask = np.ones((B, T), np.int64)
    if positions is None:
        positions = word_positions(attention_mask)
    embeddings = embed_words(ids, positions, p, config=config, trace=trace)
    x = np.concatenate([memory, embeddings], axis=1)  # (B, S, D)
    trace("text.x", x)
    mask = full_mask(attention_mask, image=M)  # (B, 1, S, S)
    trace("text.mask", mask)
    x, _ = text_tower(x, p, config=config, mask=mask, trace=scope(trace, "text"))
    logits = linear(x[:, -keep:], p.head)
    trace("logits", logits)
    return logits, x


def prefill(memory: Array, p: Text, *, config: Config, trace: Trace = no_trace) -> Cache:
    """Prefill the KV cache with image tokens, once a picture: memory (B, M, D) -> Cache."""
    B, M, D = memory.shape
    N = config.num_attention_heads
    empty = np.zeros((B, N, 0, D // N), np.float32)
    text_kv = (KeyValue(empty, empty),) * len(p.blocks)
    no_mask = np.zeros((B, 0), np.int64)
    if M == 0:
        return Cache(text_kv, text_kv, no_mask)
    _, image_kv = text_tower(memory, p, config=config, trace=scope(trace, "text"))
    return Cache(image_kv, text_kv, no_mask)


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
    """Decode step: run one or several new words on a KV cache.

    ids (B, T) or vectors (B, T, D), attention_mask and positions of these words -> logits
    (B, T, V) and the longer cache. Equal to the last T rows of `forward` over all words so far.
    """
    B, T = ids.shape[:2]
    if attention_mask is None:
        attention_mask = np.ones((B, T), np.int64)
    M = cache.image_kv[0].k.shape[2]
    S = M + cache.attention_mask.shape[1] + T
    attention_mask = np.concatenate([cache.attention_mask, attention_mask], axis=1)  # (B, S - M)
    if positions is None:
        positions = word_positions(attention_mask)[:, -T:]  # (B, T)
    x = embed_words(ids, positions, p, config=config, trace=trace)
    mask = word_mask(attention_mask, image=M, now=T)  # (B, 1, T, S)
    trace("text.mask", mask)
    x, text_kv = text_tower(x, p, config=config, mask=mask, cache=cache, trace=scope(trace, "text"))
    logits = linear(x, p.head)
    trace("logits", logits)
    return logits, Cache(cache.image_kv, text_kv, attention_mask)


def word_positions(attention_mask: Array) -> Array:
    """Count words from 0; padding on the left does not count: (B, S) -> (B, S).

    The official forward counts left padding too, so that a padded prompt reads differently
    from the same prompt alone. For prompts padded on the right both agree.
    """
    B, S = attention_mask.shape
    left_padding = attention_mask.argmax(axis=1)  # (B,)
    positions = np.arange(S) - left_padding[:, None]  # (B, S)
    return np.maximum(positions, 0)


def embed_words(
    ids: Array, positions: Array, p: Text, *, config: Config, trace: Trace = no_trace
) -> Array:
    """Token embeddings plus position embeddings, normalised: ids, positions (B, T) -> (B, T, D).

    Vectors (B, T, D) in place of ids are taken as they are. Raises UserError for ids and positions
    that the model does not have.
    """
    check_absolute(config)
    check_words(ids, positions, p)
    word_vectors = ids if ids.ndim == 3 else p.word_embedding[ids]
    trace("word_vectors", word_vectors)
    place_vectors = p.position_embedding[positions]
    trace("place_vectors", place_vectors)
    words = layer_norm(word_vectors + place_vectors, p.embedding_norm, eps=config.embedding_eps)
    trace("words", words)
    return words


def full_mask(attention_mask: Array, *, image: int) -> Array:
    """Attention mask of all tokens, image tokens first: (B, T) -> (B, 1, M + T, M + T).

    0 where a token may look, -inf where it may not.
    """
    B, T = attention_mask.shape
    M = image
    image_to_image = np.zeros((B, 1, M, M), np.float32)  # (B, 1, M, M)
    image_to_words = np.full((B, 1, M, T), -np.inf, np.float32)  # (B, 1, M, T)
    of_image = np.concatenate([image_to_image, image_to_words], axis=3)  # (B, 1, M, M + T)
    of_words = word_mask(attention_mask, image=M, now=T)  # (B, 1, T, M + T)
    return np.concatenate([of_image, of_words], axis=2)


def word_mask(attention_mask: Array, *, image: int, now: int) -> Array:
    """Causal mask of the last words: they may look at the image, and at words up to themselves.

    attention_mask (B, S - M) of all words -> (B, 1, T, S) for the last T of them. Padding is
    blocked with the lowest float32 and not with -inf, as in transformers 4.37.2, so that a
    row which sees only padding is no division by zero.
    """
    B, M, T = len(attention_mask), image, now
    S = M + attention_mask.shape[1]
    position = np.arange(S - M)
    later = position[None, :] > position[-T:, None]  # (T, S - M)
    causal = np.where(later, np.float32(-np.inf), np.float32(0))  # (T, S - M)
    lowest = np.finfo(np.float32).min
    padding = np.where(attention_mask == 0, lowest, np.float32(0))  # (B, S - M)
    to_words = causal[None, None] + padding[:, None, None]  # (B, 1, T, S - M)
    to_image = np.zeros((B, 1, T, M), np.float32)  # (B, 1, T, M)
    return np.concatenate([to_image, to_words], axis=3)


def text_tower(
    x: Array,
    p: Text,
    *,
    config: Config,
    mask: Array | None = None,
    cache: Cache | None = None,
    trace: Trace = no_trace,
) -> tuple[Array, tuple[KeyValue, ...]]:
    """All layers: (B, T, D) -> (B, T, D), and the keys and values of each for the KV cache."""
    new_kv = []
    for i, block_params in enumerate(p.blocks):
        x, kv = block(
            x,
            block_params,
            heads=config.num_attention_heads,
            eps=config.layer_norm_eps,
            activation=config.hidden_act,
            mask=mask,
            context=None if cache is None else cache.image_kv[i],
            past=None if cache is None else cache.text_kv[i],
            trace=scope(trace, str(i)),
        )
        new_kv.append(kv)
    return x, tuple(new_kv)


def block(
    x: Array,
    p: Block,
    *,
    heads: int,
    eps: float,
    activation: Activation,
    mask: Array | None = None,
    context: KeyValue | None = None,
    past: KeyValue | None = None,
    trace: Trace = no_trace,
) -> tuple[Array, KeyValue]:
    """One post-norm layer: (B, T, D) -> (B, T, D), and its keys and values.

    The residual stream `x` itself is normalised, twice a layer. Twin of `vision.block`.
    """
    attended, kv = attention(
        x, p.attention, heads=heads, mask=mask, context=context, past=past, trace=trace
    )
    x = layer_norm(x + attended, p.attention_norm, eps=eps)
    trace("after_attention", x)
    thought = mlp(x, p.mlp, activation=activation, trace=trace)
    x = layer_norm(x + thought, p.mlp_norm, eps=eps)
    trace("x", x)
    return x, kv
