"""The parts that every transformer is made of. Nothing here knows what GIT is.

Every function takes data first, parameters second, and the rest by keyword; none changes an
argument. Axis letters: see `numpygit/__init__.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..errors import UserError
from .params import MLP, Activation, Array, Attention, LayerNorm, Linear
from .variants.activations import gelu_new, relu, selu, silu

Trace = Callable[[str, Array], None]


class KeyValue(NamedTuple):
    """Keys and values of one layer: what the KV cache holds."""

    k: Array  # (B, N, S, A)
    v: Array  # (B, N, S, A)


def no_trace(name: str, value: Array) -> None:
    """Observe nothing. `numpygit.trace` has observers that record, print and compare."""


def linear(x: Array, p: Linear) -> Array:
    """Multiply by a matrix and add a bias: (..., in) -> (..., out)."""
    product = x @ p.weight.T
    return product + p.bias


def layer_norm(x: Array, p: LayerNorm, *, eps: float) -> Array:
    """Layer normalisation: each token gets mean 0 and variance 1, then is scaled and shifted.

    (B, T, D) -> (B, T, D). The variance divides by D, not by D - 1. Source: Ba et al. 2016, arXiv
    1607.06450.
    """
    mean = x.mean(axis=-1, keepdims=True)
    centred = x - mean
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    normed = centred / np.sqrt(variance + eps)
    return normed * p.weight + p.bias


def quick_gelu(x: Array) -> Array:
    """The vision encoder's activation, x * sigmoid(1.702 x). Source: CLIP, `model.py`."""
    # sigmoid(z) = (1 + tanh(z / 2)) / 2, which cannot overflow as exp(-z) can
    gate = 0.5 + 0.5 * np.tanh(0.851 * x)
    return x * gate


# Phi, the normal distribution function, written as (1 + tanh(x * R(x^2))) / 2. The polynomial R is
# fitted by golden/fit_gelu.py; it changes gelu by less than 7e-8, about the rounding of float32.
GELU_R = (
    7.97884216e-01,
    3.63342835e-02,
    -3.31299762e-05,
    -5.52401631e-05,
    3.96911005e-06,
    -1.33446445e-07,
    1.80561719e-09,
)


def gelu(x: Array) -> Array:
    """The text decoder's activation, x * Phi(x) with the exact Phi, which NumPy does not have.

    Source: Hendrycks and Gimpel, arXiv 1606.08415. The literature's "tanh approximation" is
    another function, off by 4.7e-4: this one only borrows tanh to evaluate the exact Phi.
    """
    square = x * x
    ratio = np.full_like(x, GELU_R[-1])
    for coefficient in GELU_R[-2::-1]:  # Horner's rule
        ratio = ratio * square + coefficient
    probability = 0.5 + 0.5 * np.tanh(x * ratio)
    return x * probability


ACTIVATIONS = {"quick_gelu": quick_gelu, "gelu": gelu, "gelu_new": gelu_new, "relu": relu}
ACTIVATIONS |= {"silu": silu, "swish": silu, "selu": selu}


def activate(x: Array, *, name: Activation) -> Array:
    """Apply the activation that the config names, or that it holds as a function."""
    if callable(name):
        return name(x)
    if name not in ACTIVATIONS:
        names = ", ".join(ACTIVATIONS)
        raise UserError(f"hidden_act is {name!r}; the activations here are: {names}")
    return ACTIVATIONS[name](x)


def softmax(scores: Array) -> Array:
    """Softmax: turn scores into weights that sum to 1 over the last axis, (..., S) -> (..., S)."""
    highest = scores.max(axis=-1, keepdims=True)
    powers = np.exp(scores - highest)
    return powers / powers.sum(axis=-1, keepdims=True)


def split_heads(x: Array, *, heads: int) -> Array:
    """Cut the width into heads: (B, T, D) -> (B, N, T, A)."""
    B, T, D = x.shape
    N, A = heads, D // heads
    cut = x.reshape(B, T, N, A)  # (B, T, N, A)
    return cut.transpose(0, 2, 1, 3)


def join_heads(x: Array) -> Array:
    """Lay the heads side by side again: (B, N, T, A) -> (B, T, D)."""
    B, N, T, A = x.shape
    tokens = x.transpose(0, 2, 1, 3)  # (B, T, N, A)
    return tokens.reshape(B, T, N * A)


def attention(
    x: Array,
    p: Attention,
    *,
    heads: int,
    mask: Array | None = None,
    context: KeyValue | None = None,
    past: KeyValue | None = None,
    trace: Trace = no_trace,
) -> tuple[Array, KeyValue]:
    """Multi-head self-attention: (B, T, D) -> (B, T, D), and the keys and values for the KV cache.

    Keys and values are `context` (the picture's, fixed), then `past` (those of earlier words), then
    x's own. mask: (B, 1, T, S), 0 where a token may look, -inf where it may not. Source: Vaswani et
    al. 2017, arXiv 1706.03762, section 3.2.
    """
    q = split_heads(linear(x, p.query), heads=heads)
    trace("q", q)
    kv = extend(past, keys_and_values(x, p, heads=heads, trace=trace))
    all_kv = extend(context, kv)
    B, N, T, A = q.shape
    S = all_kv.k.shape[2]
    products = q @ all_kv.k.transpose(0, 1, 3, 2)  # (B, N, T, S)
    scores = products * (1 / math.sqrt(A))  # (B, N, T, S)
    if mask is not None:
        scores = scores + mask
    trace("scores", scores)
    weights = softmax(scores)  # (B, N, T, S)
    trace("weights", weights)
    mixed = weights @ all_kv.v  # (B, N, T, A)
    trace("mixed", mixed)
    joined = join_heads(mixed)  # (B, T, N * A)
    trace("joined", joined)
    attended = linear(joined, p.out)  # (B, T, N * A)
    trace("attended", attended)
    return attended, kv


def keys_and_values(x: Array, p: Attention, *, heads: int, trace: Trace = no_trace) -> KeyValue:
    """Project tokens to keys and values, split into heads: (B, T, D) -> twice (B, N, T, A)."""
    k = split_heads(linear(x, p.key), heads=heads)
    v = split_heads(linear(x, p.value), heads=heads)
    trace("k", k)
    trace("v", v)
    return KeyValue(k, v)


def extend(earlier: KeyValue | None, new: KeyValue) -> KeyValue:
    """Append keys and values along S; texts about one picture share its `earlier` ones."""
    if earlier is None:
        return new
    texts = new.k.shape[0] // earlier.k.shape[0]
    if texts > 1:  # rows of words, one after the other, about the same picture
        earlier = KeyValue(earlier.k.repeat(texts, axis=0), earlier.v.repeat(texts, axis=0))
    k = np.concatenate([earlier.k, new.k], axis=2)
    v = np.concatenate([earlier.v, new.v], axis=2)
    return KeyValue(k, v)


def mlp(x: Array, p: MLP, *, activation: Activation, trace: Trace = no_trace) -> Array:
    """Two-layer MLP (feed-forward), applied to each token on its own: (B, T, D) -> (B, T, D)."""
    B, T, D = x.shape
    F = p.up.weight.shape[0]
    hidden = linear(x, p.up)  # (B, T, F)
    trace("hidden", hidden)
    activated = activate(hidden, name=activation)  # (B, T, F)
    trace("activated", activated)
    thought = linear(activated, p.down)  # (B, T, D)
    trace("thought", thought)
    return thought


def scope(trace: Trace, prefix: str) -> Trace:
    """Put `prefix.` before every name that is traced."""
    if trace is no_trace:
        return no_trace

    def scoped(name: str, value: Array) -> None:
        trace(f"{prefix}.{name}", value)

    return scoped
