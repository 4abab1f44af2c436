"""Backward functions of `layers.py`, in its order: from the gradient of a result to the others.

Every function takes first the gradient of the loss with respect to what its twin returned (`d` in
front of a name means that), then what went into the twin, then parameters. It returns the gradient
of the input, and those of the parameters in the parameters' own dataclass. What the forward call
traced is the tape: nothing is kept beside it, and what it does not name is computed again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...model.layers import Trace, join_heads, no_trace, softmax, split_heads
from ...model.params import MLP, Activation, Array, Attention, LayerNorm, Linear
from .activations import activate_backward

Tape = Mapping[str, Array]  # the tensors of a forward call by their trace names


def linear_backward(dy: Array, x: Array, p: Linear) -> tuple[Array, Linear]:
    """Gradients of y = x @ weight.T + bias: dy (..., out), x (..., in) -> dx (..., in).

    dx = dy @ W; dW = dy^T @ x and db = the sum of dy, both over all tokens.
    Source: torch.nn.Linear, whose weight lies as (out, in).
    """
    wide, narrow = p.weight.shape
    dx = dy @ p.weight
    rows = dy.reshape(-1, wide)
    n = rows.shape[0]
    tokens = x.reshape(n, narrow)  # (n, narrow)
    dweight = rows.T @ tokens  # (wide, narrow)
    dbias = rows.sum(axis=0)  # (wide,)
    return dx, Linear(dweight, dbias)


def layer_norm_backward(
    dy: Array, x: Array, p: LayerNorm, *, eps: float
) -> tuple[Array, LayerNorm]:
    """Gradients of layer normalisation: dy, x (..., D) -> dx (..., D).

    With n = (x - mean) * r, r = 1 / sqrt(variance + eps) and g = dy * weight:
    dx = r * (g - mean(g) - n * mean(g * n)): what is left of g after taking away the two
    directions that the forward throws away, shift and scale. dweight and dbias sum over tokens.
    Source: Ba et al. 2016, arXiv 1607.06450.
    """
    D = x.shape[-1]
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    r = 1 / np.sqrt(variance + eps)
    normed = centred * r
    g = dy * p.weight
    along_scale = (g * normed).mean(axis=-1, keepdims=True)
    dx = r * (g - g.mean(axis=-1, keepdims=True) - normed * along_scale)
    dweight = (dy * normed).reshape(-1, D).sum(axis=0)  # (D,)
    dbias = dy.reshape(-1, D).sum(axis=0)  # (D,)
    return dx, LayerNorm(dweight, dbias)


def softmax_backward(dweights: Array, weights: Array) -> Array:
    """Gradient of softmax over the last axis: twice (..., S) -> dscores (..., S).

    dscores = weights * (dweights - sum(dweights * weights)): a score that rises takes from all
    others what it gains, so every row of dscores sums to 0.
    """
    mean = (dweights * weights).sum(axis=-1, keepdims=True)
    return weights * (dweights - mean)


def attention_backward(
    dattended: Array, x: Array, p: Attention, *, tape: Tape, heads: int, trace: Trace = no_trace
) -> tuple[Array, Attention]:
    """Gradients of self-attention without a cache: dattended, x (B, T, D) -> dx (B, T, D).

    The mask needs no line of its own: where weights are 0, so is dscores.
    dv = weights^T @ dmixed; dweights = dmixed @ v^T; dq = dscores @ k / sqrt(A);
    dk = dscores^T @ q / sqrt(A). x goes into all three projections, so its gradients add up.
    """
    B, T, D = x.shape
    N, A = heads, D // heads
    S = T
    q, k, v, weights = tape["q"], tape["k"], tape["v"], tape["weights"]
    trace("attended", dattended)
    djoined, dout = linear_backward(dattended, tape["joined"], p.out)
    trace("joined", djoined)
    dmixed = split_heads(djoined, heads=heads)  # (B, N, T, A)
    trace("mixed", dmixed)
    dweights = dmixed @ v.transpose(0, 1, 3, 2)  # (B, N, T, S)
    trace("weights", dweights)
    dscores = softmax_backward(dweights, weights)  # (B, N, T, S)
    trace("scores", dscores)
    dproducts = dscores * (1 / math.sqrt(A))  # (B, N, T, S)
    dq = dproducts @ k  # (B, N, T, A)
    dk = dproducts.transpose(0, 1, 3, 2) @ q  # (B, N, S, A)
    dv = weights.transpose(0, 1, 3, 2) @ dmixed  # (B, N, S, A)
    trace("v", dv)
    trace("k", dk)
    trace("q", dq)
    dx_by_query, dquery = linear_backward(join_heads(dq), x, p.query)
    dx_by_key, dkey = linear_backward(join_heads(dk), x, p.key)
    dx_by_value, dvalue = linear_backward(join_heads(dv), x, p.value)
    dx = dx_by_query + dx_by_key + dx_by_value  # (B, T, D)
    return dx, Attention(dquery, dkey, dvalue, dout)


def mlp_backward(
    dthought: Array,
    x: Array,
    p: MLP,
    *,
    tape: Tape,
    activation: Activation,
    trace: Trace = no_trace,
) -> tuple[Array, MLP]:
    """Gradients of the two-layer MLP: dthought, x (B, T, D) -> dx (B, T, D)."""
    B, T, D = x.shape
    F = p.up.weight.shape[0]
    trace("thought", dthought)
    dactivated, ddown = linear_backward(dthought, tape["activated"], p.down)
    trace("activated", dactivated)
    dhidden = activate_backward(dactivated, tape["hidden"], name=activation)  # (B, T, F)
    trace("hidden", dhidden)
    dx, dup = linear_backward(dhidden, x, p.up)
    return dx, MLP(dup, ddown)


def cross_entropy_backward(
    logits: Array, labels: Array, *, count: int, smoothing: float = 0.0
) -> Array:
    """Gradient of `cross_entropy` with respect to logits (n, V), labels (n,) -> (n, V).

    The probabilities minus what is asked for: 1 at the label, or with smoothing 1 - smoothing
    there and smoothing / (V - 1) elsewhere; divided by `count`, the labels of the whole batch,
    of which these may be a part.
    """
    n, V = logits.shape
    asked = np.full_like(logits, smoothing / (V - 1))
    asked[np.arange(n), labels] = 1 - smoothing
    return (softmax(logits) - asked) / count


def part(tape: Tape, prefix: str) -> dict[str, Array]:
    """Cut out the tape of one layer: `part(tape, "text.3")["q"]` is `tape["text.3.q"]`."""
    start = prefix + "."
    return {name.removeprefix(start): a for name, a in tape.items() if name.startswith(start)}
