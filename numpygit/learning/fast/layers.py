"""Twins of `model/layers.py` and `backward/layers.py`: the parts, forwards and backwards."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...model.layers import GELU_R
from ...model.layers import activate as plain_activate
from ...model.params import MLP, Activation, Array, Attention, LayerNorm, Linear, named_arrays
from ..backward.activations import SLOPES
from ..lora import Adapted, thin_backward
from ..parameters import replaced

NUMBERS = 65_536  # numbers worked on at once
SAFE = 60.0  # scores within this need no shift: their powers of e, and sums of them, are numbers


def linear(x: Array, p: Linear) -> Array:
    """Twin of `layers.linear`: (n, in) -> (n, out)."""
    n, wide = x.shape[0], p.weight.shape[0]
    y = x @ p.weight.T  # (n, wide)
    y += p.bias
    return y


def linear_backward(dy: Array, x: Array, p: Linear, *, wanted: bool = True) -> tuple[Array, Linear]:
    """Twin of `backward.linear_backward`; gradients that nobody wants are zeros without memory."""
    n, narrow = x.shape
    dx = dy @ p.weight  # (n, narrow)
    return dx, weight_backward(dy, x) if wanted else nothing(p)


def weight_backward(dy: Array, x: Array) -> Linear:
    """Gradients of weight and bias: dy (n, out), x (n, in)."""
    wide, narrow = dy.shape[1], x.shape[1]
    dweight = dy.T @ x  # (wide, narrow)
    dbias = dy.sum(axis=0)  # (wide,)
    return Linear(dweight, dbias)


def projection_backward(dy: Array, x: Array, p: Linear, *, wanted: str) -> Linear:
    """Gradients of a query, key or value: of its matrix, or of what LoRA adds to it."""
    if isinstance(p, Adapted):
        da, db = thin_backward(dy, x, p)
        return replace(nothing(p), a=da, b=db)
    return weight_backward(dy, x) if wanted == "all" else nothing(p)


def nothing(part: Any) -> Any:
    """Zeros in the shape of parameters, without memory."""
    return replaced(
        part, (np.broadcast_to(a.dtype.type(0), a.shape) for _, a in named_arrays(part))
    )


def layer_norm(x: Array, p: LayerNorm, *, eps: float) -> tuple[Array, tuple[Array, Array]]:
    """Twin of `layers.layer_norm`: (n, D) -> (n, D). Means are products with a row of 1 / D."""
    n, D = x.shape
    average = np.full(D, 1 / D, x.dtype)
    mean = x @ average  # (n,)
    normed = x - mean[:, None]  # (n, D)
    variance = (normed * normed) @ average  # (n,)
    r = (1 / np.sqrt(variance + eps))[:, None]  # (n, 1)
    normed *= r
    y = normed * p.weight
    y += p.bias
    return y, (normed, r)


def layer_norm_backward(
    dy: Array, saved: tuple[Array, Array], p: LayerNorm
) -> tuple[Array, LayerNorm]:
    """Twin of `backward.layer_norm_backward`."""
    normed, r = saved
    n, D = dy.shape
    average = np.full(D, 1 / D, dy.dtype)
    product = dy * normed  # (n, D)
    dnorm = LayerNorm(product.sum(axis=0), dy.sum(axis=0))
    dx = dy * p.weight  # (n, D)
    shift = dx @ average  # (n,)
    scale = (product @ (p.weight * average))[:, None]  # (n, 1)
    dx -= shift[:, None]
    np.multiply(normed, scale, out=product)
    dx -= product
    dx *= r
    return dx, dnorm


def activate(hidden: Array, *, name: Activation) -> Array:
    """Apply the activation in place, and return its slope at each number: (n, F)."""
    n, F = hidden.shape
    slope = np.empty_like(hidden)  # (n, F)
    rows = max(1, NUMBERS // F)
    for start in range(0, len(hidden), rows):
        x, s = hidden[start : start + rows], slope[start : start + rows]
        if name == "quick_gelu":
            quick_gelu(x, s)
        elif name == "gelu":
            gelu(x, s)
        else:
            s[:] = SLOPES[name](x)
            x[:] = plain_activate(x, name=name)
    return slope


def quick_gelu(x: Array, slope: Array) -> None:
    """X becomes y = x * sigmoid(1.702 x), slope its slope: s + 1.702 y (1 - s)."""
    s = 0.851 * x
    np.tanh(s, out=s)
    s *= 0.5
    s += 0.5
    x *= s
    np.multiply(s, -1.702, out=slope)
    slope += 1.702
    slope *= x
    slope += s


def gelu(x: Array, slope: Array) -> None:
    """X becomes x * Phi(x), slope its slope: Phi(x) + x exp(-x^2 / 2) / sqrt(2 pi)."""
    square = x * x
    ratio = square * GELU_R[-1]
    for coefficient in GELU_R[-2:0:-1]:  # Horner's rule
        ratio += coefficient
        ratio *= square
    ratio += GELU_R[0]
    ratio *= x
    np.tanh(ratio, out=ratio)
    ratio *= 0.5
    ratio += 0.5
    square *= -0.5
    np.exp(square, out=square)
    square *= x
    square *= 1 / math.sqrt(2 * math.pi)
    np.add(ratio, square, out=slope)
    x *= ratio


def powers(scores: Array, allowed: Array | None) -> Array:
    """Scores become powers of e, in place; -> 1 / their sums: (B, N, T, S) -> (B, N, T, 1).

    Softmax subtracts the largest score of a row first, so that no power overflows. Where all
    scores are small that changes nothing, and is left out.
    """
    B, N, T, S = scores.shape
    if scores.max() > SAFE or scores.min() < -SAFE:
        if allowed is not None:
            scores += (allowed - 1) * 1e9
        scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    if allowed is not None:
        scores *= allowed
    sums = scores.reshape(-1, S) @ np.ones(S, scores.dtype)  # (B * N * T,)
    return 1 / sums.reshape(B, N, T, 1)  # (B, N, T, 1)


def heads_of(x: Array, batch: int, heads: int) -> Array:
    """See the rows of tokens as heads, without a copy: (B * T, D) -> (B, N, T, A)."""
    B, N = batch, heads
    n, D = x.shape
    T, A = n // B, D // N
    return x.reshape(B, T, N, A).transpose(0, 2, 1, 3)  # (B, N, T, A)


def merge(p: Attention) -> Linear:
    """Lay query, key and value below each other: one product instead of three."""
    parts = (p.query, p.key, p.value)
    return Linear(
        np.concatenate([q.weight for q in parts]), np.concatenate([q.bias for q in parts])
    )


class Looked(NamedTuple):
    """What attention keeps for its backward pass."""

    x: Array  # (n, D), whose keys and values were looked at
    asking: Array  # (B * T, D), whose queries asked: x itself, or its last rows
    q: Array  # (B, N, T, A), already divided by sqrt(A)
    kv: tuple[Array, Array]  # each (B, N, S, A)
    powers: Array  # (B, N, T, S)
    share: Array  # (B, N, T, 1)
    joined: Array  # (B * T, D)


def last_rows(x: Array, batch: int, rows: int) -> Array:
    """The last tokens of each picture: (B * S, D) -> (B * rows, D)."""
    D = x.shape[1]
    return x.reshape(batch, -1, D)[:, -rows:].reshape(-1, D)  # (batch * rows, D)


def attention(
    x: Array,
    p: Attention,
    qkv: Linear,
    *,
    batch: int,
    heads: int,
    allowed: Array | None = None,
    rows: int | None = None,
) -> tuple[Array, Looked]:
    """Twin of `layers.attention`: (B * S, D) -> (B * T, D), T the last `rows`, or all."""
    n, D = x.shape
    B, N, S, A = batch, heads, n // batch, D // heads
    T = S if rows is None else rows
    if rows is None:
        asking, found = x, linear(x, qkv)
        q = found[:, :D]  # (n, D)
    else:
        asking = last_rows(x, batch, rows)  # (B * T, D)
        q = linear(asking, p.query)  # (B * T, D)
        found = linear(x, Linear(qkv.weight[D:], qkv.bias[D:]))  # (n, 2 * D)
        allowed = None if allowed is None else allowed[:, :, -rows:]
    q *= 1 / math.sqrt(A)
    asked = heads_of(q, B, N)  # (B, N, T, A)
    k = heads_of(found[:, -2 * D : -D], B, N)  # (B, N, S, A)
    v = heads_of(found[:, -D:], B, N)  # (B, N, S, A)
    scores = asked @ k.transpose(0, 1, 3, 2)  # (B, N, T, S)
    share = powers(scores, allowed)  # (B, N, T, 1)
    joined = np.empty((B * T, D), x.dtype)  # (B * T, D)
    mixed = heads_of(joined, B, N)  # (B, N, T, A)
    np.matmul(scores, v, out=mixed)
    mixed *= share
    return linear(joined, p.out), Looked(x, asking, asked, (k, v), scores, share, joined)


def add_to_last(x: Array, more: Array, batch: int) -> None:
    """Add to the last tokens of each picture, in place: (B * S, D), (B * T, D)."""
    D, rows = x.shape[1], len(more) // batch
    x.reshape(batch, -1, D)[:, -rows:] += more.reshape(batch, rows, D)


def head_sums(djoined: Array, joined: Array, batch: int, heads: int) -> Array:
    """Sum dmixed * mixed over each head's width: twice (B * T, D) -> (B, N, T, 1).

    The second argument is used up: its numbers change.
    """
    n, D = joined.shape
    B, N, T, A = batch, heads, n // batch, D // heads
    joined *= djoined
    sums = joined.reshape(-1, A) @ np.ones(A, joined.dtype)  # (B * T * N,)
    return sums.reshape(B, T, N).transpose(0, 2, 1)[..., None]  # (B, N, T, 1)


def attention_backward(
    dy: Array, saved: Looked, p: Attention, qkv: Linear, *, wanted: str
) -> tuple[Array, Attention]:
    """Twin of `backward.attention_backward`.

    sum(weights * dweights) = sum(dmixed * mixed), so no array as wide as the scores is divided.
    """
    x, asking, q, (k, v), weights, share, joined = saved
    B, N, T, S = weights.shape
    n, D = x.shape
    A = D // N
    djoined, dout = linear_backward(dy, joined, p.out, wanted=wanted == "all")
    dmixed = heads_of(djoined, B, N)  # (B, N, T, A)
    mean = head_sums(djoined, joined, B, N) * share  # (B, N, T, 1)
    dmixed *= share
    whole = T == S
    found = np.empty((n, 3 * D if whole else 2 * D), x.dtype)
    dq = found[:, :D] if whole else np.empty((B * T, D), x.dtype)  # (B * T, D)
    dk, dv = found[:, -2 * D : -D], found[:, -D:]
    np.matmul(weights.transpose(0, 1, 3, 2), dmixed, out=heads_of(dv, B, N))
    dscores = dmixed @ v.transpose(0, 1, 3, 2)  # (B, N, T, S)
    dscores -= mean
    dscores *= weights
    np.matmul(dscores, k, out=heads_of(dq, B, N))
    dq *= 1 / math.sqrt(A)
    np.matmul(dscores.transpose(0, 1, 3, 2), q, out=heads_of(dk, B, N))
    dx = found @ qkv.weight[-found.shape[1] :]  # (n, D)
    if not whole:
        add_to_last(dx, dq @ p.query.weight, B)
    dquery = projection_backward(dq, asking, p.query, wanted=query_value(wanted))
    dkey = projection_backward(dk, x, p.key, wanted=wanted)
    dvalue = projection_backward(dv, x, p.value, wanted=query_value(wanted))
    return dx, Attention(dquery, dkey, dvalue, dout)


def query_value(wanted: str) -> str:
    """Say what is wanted of queries and values: LoRA's matrices hang on theirs."""
    return "all" if wanted == "lora" else wanted


def mlp(x: Array, p: MLP, *, activation: Activation) -> tuple[Array, tuple[Array, Array, Array]]:
    """Twin of `layers.mlp`: (n, D) -> (n, D)."""
    n, F = x.shape[0], p.up.weight.shape[0]
    hidden = linear(x, p.up)  # (n, F)
    slope = activate(hidden, name=activation)
    return linear(hidden, p.down), (x, hidden, slope)


def mlp_backward(
    dy: Array, saved: tuple[Array, Array, Array], p: MLP, *, wanted: str = "all"
) -> tuple[Array, MLP]:
    """Twin of `backward.mlp_backward`."""
    x, activated, slope = saved
    dhidden, ddown = linear_backward(dy, activated, p.down, wanted=wanted == "all")
    dhidden *= slope
    dx, dup = linear_backward(dhidden, x, p.up, wanted=wanted == "all")
    return dx, MLP(dup, ddown)
