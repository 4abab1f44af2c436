"""Twins of `model/layers.py` and `backward/layers.py`: the parts, forwards and backwards."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ...model.layers import GELU_R
from ...model.layers import activate as plain_activate
from ...model.params import MLP, Activation, Array, Attention, LayerNorm, Linear
from ..backward.activations import SLOPES
from ..parameters import named, replaced

NUMBERS = 65_536  # numbers worked on at once
SAFE = 60.0  # scores within this need no shift: their powers of e, and sums of them, are numbers


def linear(x: Array, p: Linear) -> Array:
    """Twin of `layers.linear`: (n, in) -> (n, out)."""
    y = x @ p.weight.T
    y += p.bias
    return y


def linear_backward(dy: Array, x: Array, p: Linear, *, wanted: bool = True) -> tuple[Array, Linear]:
    """Twin of `backward.linear_backward`; gradients that nobody wants are zeros without memory."""
    dx = dy @ p.weight
    return dx, Linear(dy.T @ x, dy.sum(axis=0)) if wanted else nothing(p)


def nothing(part: Any) -> Any:
    """Zeros in the shape of parameters, without memory."""
    return replaced(part, (np.broadcast_to(a.dtype.type(0), a.shape) for _, a in named(part)))


def layer_norm(x: Array, p: LayerNorm, *, eps: float) -> tuple[Array, tuple[Array, Array]]:
    """Twin of `layers.layer_norm`: (n, D) -> (n, D). Means are products with a row of 1 / D."""
    D = x.shape[1]
    average = np.full(D, 1 / D, x.dtype)
    normed = x - (x @ average)[:, None]
    variance = (normed * normed) @ average
    r = (1 / np.sqrt(variance + eps))[:, None]
    normed *= r
    y = normed * p.weight
    y += p.bias
    return y, (normed, r)


def layer_norm_backward(
    dy: Array, saved: tuple[Array, Array], p: LayerNorm
) -> tuple[Array, LayerNorm]:
    """Twin of `backward.layer_norm_backward`."""
    normed, r = saved
    D = dy.shape[1]
    average = np.full(D, 1 / D, dy.dtype)
    product = dy * normed
    dnorm = LayerNorm(product.sum(axis=0), dy.sum(axis=0))
    dx = dy * p.weight
    shift = dx @ average
    scale = (product @ (p.weight * average))[:, None]
    dx -= shift[:, None]
    np.multiply(normed, scale, out=product)
    dx -= product
    dx *= r
    return dx, dnorm


def activate(hidden: Array, *, name: Activation) -> Array:
    """Apply the activation in place, and return its slope at each number: (n, F)."""
    slope = np.empty_like(hidden)
    rows = max(1, NUMBERS // hidden.shape[1])
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
    """X becomes x * sigmoid(1.702 x), slope its slope: s (1 + 1.702 x (1 - s))."""
    s = 0.851 * x
    np.tanh(s, out=s)
    s *= 0.5
    s += 0.5
    np.subtract(1, s, out=slope)
    slope *= x
    slope *= 1.702
    slope += 1
    slope *= s
    x *= s


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
    S = scores.shape[-1]
    if scores.max() > SAFE or scores.min() < -SAFE:
        if allowed is not None:
            scores += (allowed - 1) * 1e9
        scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    if allowed is not None:
        scores *= allowed
    sums = scores.reshape(-1, S) @ np.ones(S, scores.dtype)
    return 1 / sums.reshape(*scores.shape[:-1], 1)


def heads_of(x: Array, batch: int, heads: int) -> Array:
    """See the rows of tokens as heads, without a copy: (B * T, D) -> (B, N, T, A)."""
    n, D = x.shape
    return x.reshape(batch, n // batch, heads, D // heads).transpose(0, 2, 1, 3)


def merge(p: Attention) -> Linear:
    """Lay query, key and value below each other: one product instead of three."""
    parts = (p.query, p.key, p.value)
    return Linear(
        np.concatenate([q.weight for q in parts]), np.concatenate([q.bias for q in parts])
    )


class Looked(NamedTuple):
    """What attention keeps for its way back."""

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
    return x.reshape(batch, -1, D)[:, -rows:].reshape(-1, D)


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
    D = x.shape[1]
    if rows is None:
        asking, found = x, linear(x, qkv)
        q = found[:, :D]
    else:
        asking = last_rows(x, batch, rows)
        q = linear(asking, p.query)
        found = linear(x, Linear(qkv.weight[D:], qkv.bias[D:]))
        allowed = None if allowed is None else allowed[:, :, -rows:]
    q *= 1 / math.sqrt(D // heads)
    asked = heads_of(q, batch, heads)
    k, v = heads_of(found[:, -2 * D : -D], batch, heads), heads_of(found[:, -D:], batch, heads)
    scores = asked @ k.transpose(0, 1, 3, 2)
    share = powers(scores, allowed)
    joined = np.empty((len(asking), D), x.dtype)
    mixed = heads_of(joined, batch, heads)
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
    A = D // heads
    joined *= djoined
    sums = (joined.reshape(-1, A) @ np.ones(A, joined.dtype)).reshape(batch, -1, heads)
    return sums.transpose(0, 2, 1)[..., None]


def attention_backward(
    dy: Array, saved: Looked, p: Attention, qkv: Linear, *, wanted: str
) -> tuple[Array, Attention]:
    """Twin of `backward.attention_backward`.

    sum(weights * dweights) = sum(dmixed * mixed), so no array as wide as the scores is divided.
    """
    x, asking, q, (k, v), weights, share, joined = saved
    batch, heads = q.shape[:2]
    D = x.shape[1]
    djoined, dout = linear_backward(dy, joined, p.out, wanted=wanted == "all")
    dmixed = heads_of(djoined, batch, heads)
    mean = head_sums(djoined, joined, batch, heads) * share
    dmixed *= share
    whole = len(asking) == len(x)
    found = np.empty((len(x), 3 * D if whole else 2 * D), x.dtype)
    asked = found[:, :D] if whole else np.empty((len(asking), D), x.dtype)
    np.matmul(weights.transpose(0, 1, 3, 2), dmixed, out=heads_of(found[:, -D:], batch, heads))
    dscores = dmixed @ v.transpose(0, 1, 3, 2)
    dscores -= mean
    dscores *= weights
    np.matmul(dscores, k, out=heads_of(asked, batch, heads))
    asked *= 1 / math.sqrt(D // heads)
    back = heads_of(found[:, -2 * D : -D], batch, heads)
    np.matmul(dscores.transpose(0, 1, 3, 2), q, out=back)
    dx = found @ qkv.weight[-found.shape[1] :]
    if not whole:
        dx.reshape(batch, -1, D)[:, -(len(asking) // batch) :] += (asked @ p.query.weight).reshape(
            batch, -1, D
        )
    dq, dk, dv = (
        Linear(d.T @ into, d.sum(axis=0)) if wanted == "all" or part is not p.key else nothing(part)
        for d, into, part in (
            (asked, asking, p.query),
            (found[:, -2 * D : -D], x, p.key),
            (found[:, -D:], x, p.value),
        )
    )
    return dx, Attention(dq, dk, dv, dout)


def mlp(x: Array, p: MLP, *, activation: Activation) -> tuple[Array, tuple[Array, Array, Array]]:
    """Twin of `layers.mlp`: (n, D) -> (n, D)."""
    hidden = linear(x, p.up)
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
