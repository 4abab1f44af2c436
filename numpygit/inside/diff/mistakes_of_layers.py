"""Known mistakes of a layer: attention, MLP, normalisation, residual connections."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...model.layers import ACTIVATIONS, layer_norm, linear, softmax, split_heads
from ...model.params import Array, LayerNorm, Linear
from ..record import BLOCKED
from .scene import Mistakes, Scene

EPSILONS = (1e-12, 1e-8, 1e-7, 1e-6, 1e-5, 1e-3)


# ---------------------------------------------------------------- what both towers are made of


def half(weight: Array) -> Array:
    """Round to float16."""
    return weight.astype(np.float16).astype(np.float32)


def of_linear(x: Array, right: Linear, others: Mapping[str, Linear]) -> Mistakes:
    """A matrix, a bias, and those of others."""
    if right.weight.shape[0] == right.weight.shape[1]:
        yield "with the weight transposed", x @ right.weight + right.bias
    yield "without the bias", x @ right.weight.T
    yield "with the bias added twice", linear(x, right) + right.bias
    yield "with weights in float16", x @ half(right.weight).T + right.bias
    for name, p in others.items():
        if p.weight.shape == right.weight.shape:
            yield f"with the parameters of {name}", linear(x, p)


def of_norm(x: Array, p: LayerNorm, eps: float) -> Mistakes:
    """A normalisation done otherwise."""
    yield "without this normalisation", x
    for other in EPSILONS:
        if other != eps:
            sentence = f"with epsilon {other:.0e} in place of {eps:.0e}"
            yield sentence, layer_norm(x, p, eps=other)
    D = x.shape[-1]
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    unbiased = centred / np.sqrt(variance * (D / (D - 1)) + eps)
    yield "with the variance divided by D - 1", unbiased * p.weight + p.bias
    yield "without scale and shift", centred / np.sqrt(variance + eps)
    yield "without the shift", centred / np.sqrt(variance + eps) * p.weight
    square = (x * x).mean(axis=-1, keepdims=True)
    yield "without the mean taken away", x / np.sqrt(square + eps) * p.weight + p.bias


def of_heads(s: Scene) -> Mistakes:
    """Queries, keys or values: the projection, and how it is cut into heads."""
    ours, heads = s.ours[s.name], s.ours[s.name].shape[1]
    B, N, T, A = ours.shape
    flat = ours.transpose(0, 2, 1, 3).reshape(B, T, N * A)
    for other in "qkv":
        yield f"with our {other} in its place", s.near(other)
    mixed_up = flat.reshape(B, T, A, N).transpose(0, 3, 1, 2)
    yield "cut into A pieces of N numbers in place of N heads of A", mixed_up
    yield "reshaped to (B, N, T, A) without a transpose", flat.reshape(B, N, T, A)
    yield "multiplied by 1/sqrt(A) already", ours * np.float32(1 / math.sqrt(A))
    x = s.near("attention_input") if s.tower == "vision" else s.stream()
    part = {"q": "query", "k": "key", "v": "value"}[s.name[-1]]
    named = {where: getattr(block.attention, part) for where, block in s.blocks().items()}
    for sentence, product in of_linear(x, named.pop("this layer"), named):
        yield sentence, split_heads(product, heads=heads)
    if s.tower == "vision":
        product = linear(s.stream(), getattr(s.blocks()["this layer"].attention, part))
        yield "without the normalisation before it", split_heads(product, heads=heads)


def of_scores(s: Scene) -> Mistakes:
    """The products of queries and keys, their scale, and the mask."""
    q, k = s.near("q"), s.near("k")
    heads, A = q.shape[1], q.shape[-1]
    products = q @ k.swapaxes(-1, -2)
    mask = np.zeros((1, 1, 1, 1), np.float32) if s.tower == "vision" else s.ours["text.mask"]
    right = np.float32(1 / math.sqrt(A))
    for factor, sentence in [
        (1.0, "without the scale 1/sqrt(A)"),
        (1 / math.sqrt(heads * A), "with the scale 1/sqrt(D) of the whole width"),
        (1 / A, "with the scale 1/A, applied twice"),
        (math.sqrt(A), "multiplied by sqrt(A), not divided"),
    ]:
        yield sentence, products * np.float32(factor) + mask
    if s.tower == "text":
        yield "without the mask", products * right
        yield "with the mask turned: keys for queries", products * right + mask.swapaxes(-1, -2)
    turned = products.swapaxes(-1, -2) * right
    yield "with queries and keys exchanged in the product", turned + mask


def of_weights(s: Scene) -> Mistakes:
    """The softmax."""
    scores = s.near("scores")
    finite = np.maximum(scores, np.float32(-1e30))
    yield (
        "with softmax over the queries, axis -2",
        softmax(finite.swapaxes(-1, -2)).swapaxes(-1, -2),
    )
    yield (
        "with softmax over the heads, axis 1",
        np.moveaxis(softmax(np.moveaxis(finite, 1, -1)), -1, 1),
    )
    open_places = np.where(scores > BLOCKED, scores, np.float32(0))
    yield "with 0 for blocked scores before the softmax, not -inf", softmax(open_places)
    if s.tower == "text":
        q, k = s.near("q"), s.near("k")
        unmasked = softmax(q @ k.swapaxes(-1, -2) * np.float32(1 / math.sqrt(q.shape[-1])))
        blocked = np.where(scores > BLOCKED, unmasked, np.float32(0))
        yield "with the mask after the softmax: its rows do not sum to 1", blocked
    powers = np.exp(finite - finite.max(axis=-1, keepdims=True))
    yield "with nothing to divide by: exp alone", powers


def of_mixed(s: Scene) -> Mistakes:
    """Values mixed by weights."""
    weights, v = s.near("weights"), s.near("v")
    yield "with the weights transposed", weights.swapaxes(-1, -2) @ v
    yield "with keys in place of values", weights @ s.near("k")
    yield "with scores in place of weights", s.near("scores") @ v


def of_joined(s: Scene) -> Mistakes:
    """Heads laid side by side."""
    mixed = s.near("mixed")
    B, N, T, A = mixed.shape
    yield "reshaped to (B, T, D) without a transpose", mixed.reshape(B, T, N * A)
    woven = mixed.transpose(0, 2, 3, 1).reshape(B, T, N * A)
    yield "with the heads woven together, number by number", woven


def of_attended(s: Scene) -> Mistakes:
    """The projection after attention."""
    named = {where: block.attention.out for where, block in s.blocks().items()}
    right = named.pop("this layer")
    value = s.blocks()["this layer"].attention.value
    yield "before the last projection: it is missing", s.near("joined")
    yield from of_linear(s.near("joined"), right, {"the values": value, **named})


def of_hidden(s: Scene) -> Mistakes:
    """The first matrix of the MLP."""
    x = s.near("mlp_input") if s.tower == "vision" else s.near("after_attention")
    named = {where: block.mlp.up for where, block in s.blocks().items()}
    right = named.pop("this layer")
    yield from of_linear(x, right, named)
    if s.tower == "vision":
        yield "without the normalisation before it", linear(s.near("after_attention"), right)


def of_activated(s: Scene) -> Mistakes:
    """The activation."""
    x = s.near("hidden")
    yield "without an activation", x
    for name, function in ACTIVATIONS.items():
        what = "gelu_new, the tanh approximation," if name == "gelu_new" else name
        yield f"with {what} as the activation", function(x)


def of_thought(s: Scene) -> Mistakes:
    """The second matrix of the MLP."""
    named = {where: block.mlp.down for where, block in s.blocks().items()}
    yield from of_linear(s.near("activated"), named.pop("this layer"), named)


def of_attention_input(s: Scene) -> Mistakes:
    """The normalisation before attention."""
    yield from of_block_norm(s, s.stream(), "attention_norm", "mlp_norm")


def of_mlp_input(s: Scene) -> Mistakes:
    """The normalisation before the MLP."""
    yield from of_block_norm(s, s.near("after_attention"), "mlp_norm", "attention_norm")


def of_after_attention(s: Scene) -> Mistakes:
    """The residual around attention."""
    x, attended = s.stream(), s.near("attended")
    if s.tower == "vision":
        yield "without the residual", attended
        yield (
            "with the residual from behind the normalisation",
            s.near("attention_input") + attended,
        )
        p, eps = s.blocks()["this layer"], s.eps()
        after = layer_norm(x + attended, p.attention_norm, eps=eps)
        yield "with the normalisation after attention (post-norm)", after
    else:
        yield from of_post_norm(s, x, attended, "attention_norm", "mlp_norm")


def of_x(s: Scene) -> Mistakes:
    """The residual around the MLP."""
    x, thought = s.near("after_attention"), s.near("thought")
    if s.tower == "vision":
        yield "without the residual", thought
        yield "with the residual from behind the normalisation", s.near("mlp_input") + thought
        yield "with the residual of the layer's beginning", s.stream() + thought
        p, eps = s.blocks()["this layer"], s.eps()
        after = layer_norm(x + thought, p.mlp_norm, eps=eps)
        yield "with the normalisation after the MLP (post-norm)", after
    else:
        yield from of_post_norm(s, x, thought, "mlp_norm", "attention_norm")


def of_post_norm(s: Scene, x: Array, new: Array, right: str, wrong: str) -> Mistakes:
    """A residual with the normalisation behind it, as in the text tower."""
    yield "without this normalisation: the text tower normalises after each part", x + new
    yield "without the residual and the normalisation", new
    p, eps = s.blocks()["this layer"], s.eps()
    norm: LayerNorm = getattr(p, right)
    yield "without the residual", layer_norm(new, norm, eps=eps)
    yield "with only the new part normalised, then added", x + layer_norm(new, norm, eps=eps)
    yield from of_block_norm(s, x + new, right, wrong)


def of_block_norm(s: Scene, x: Array, right: str, wrong: str) -> Mistakes:
    """A normalisation of a layer, and those it is confused with."""
    named = s.blocks()
    norm: LayerNorm = getattr(named["this layer"], right)
    yield from of_norm(x, norm, s.eps())
    other: LayerNorm = getattr(named.pop("this layer"), wrong)
    sentence = "with the two normalisations of the layer exchanged"
    yield sentence, layer_norm(x, other, eps=s.eps())
    for where, block in named.items():
        yield f"with the parameters of {where}", layer_norm(x, getattr(block, right), eps=s.eps())
