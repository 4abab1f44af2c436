"""Known mistakes of what both towers are made of: normalisations, products, activations.

A mistake is a sentence and an operation to do in place of the right one. To add one, yield it from
the function of its tensor, or of its kind of operation. Where several tensors have a mistake of the
same sentence, all of them are also tried at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from ....model.layers import ACTIVATIONS, layer_norm, linear
from ....model.params import Array, LayerNorm, Linear
from ..operations import Normalised, Product, operation_of
from ..rounding import HALVES, OF_INPUTS, OF_WEIGHTS, tf32
from ..scene import At, Operation

Mistakes = Iterator[tuple[str, Operation]]
EPSILONS = (1e-12, 1e-5, 1e-6, 1e-8, 1e-7, 1e-3, 1e-2, 0.0)
ROOT = np.sqrt
IN_TF32 = "in TF32: of numbers with 10 bits behind the point, as tensor cores multiply"


# ---------------------------------------------------------------- normalisations


def centred(x: Array, axis: int | tuple[int, ...] = -1) -> tuple[Array, Array]:
    """Take the mean away: -> what is left, and its variance."""
    rest = x - x.mean(axis=axis, keepdims=True)
    return rest, (rest * rest).mean(axis=axis, keepdims=True)


Norms = Iterator[tuple[str, Callable[[Array, LayerNorm], Array]]]


def wrong_norms(eps: float) -> Norms:
    """List the ways to normalise wrongly: of x and parameters."""
    yield "without this normalisation", lambda x, p: x
    yield from other_epsilons(eps)
    yield from other_statistics(eps)
    yield from other_divisors(eps)
    yield from other_scales(eps)
    yield "normalised twice", lambda x, p: layer_norm(layer_norm(x, p, eps=eps), p, eps=eps)
    yield (
        "with the normalisation beside what it normalises: x + norm(x)",
        lambda x, p: x + layer_norm(x, p, eps=eps),
    )


def other_epsilons(eps: float) -> Norms:
    """Another epsilon, or the same in another place."""
    for other in EPSILONS:
        if other != eps:
            yield (
                f"with epsilon {other:.0e} in place of {eps:.0e}",
                lambda x, p, other=other: layer_norm(x, p, eps=other),
            )
    for other in dict.fromkeys((eps, 1e-5, 1e-6, 1e-3, 1e-2)):
        yield (
            f"with epsilon ({other:.0e}) outside the root, added to the standard deviation",
            lambda x, p, o=other: centred(x)[0] / (ROOT(centred(x)[1]) + o) * p.weight + p.bias,
        )


def other_statistics(eps: float) -> Norms:
    """Another mean or variance, over other axes, or none."""
    yield "with the variance divided by D - 1", lambda x, p: unbiased(x, p, eps)
    yield (
        "without the mean taken away (RMS norm with a shift)",
        lambda x, p: rms(x, p, eps) + p.bias,
    )
    yield "with RMS norm: no mean taken away, no shift", lambda x, p: rms(x, p, eps)
    yield (
        "normalised over the tokens, axis -2, not over the width",
        lambda x, p: unit(x, eps, axis=-2) * p.weight + p.bias,
    )
    yield (
        "normalised over tokens and width together",
        lambda x, p: unit(x, eps, axis=(-2, -1)) * p.weight + p.bias,
    )
    yield (
        "divided by the variance, not by its root",
        lambda x, p: centred(x)[0] / (centred(x)[1] + eps) * p.weight + p.bias,
    )
    yield (
        "with the mean taken away and no division",
        lambda x, p: centred(x)[0] * p.weight + p.bias,
    )
    yield "with vectors brought to length 1", lambda x, p: x / length(x)


def other_divisors(eps: float) -> Norms:
    """Another measure of how far numbers are from their mean, or in parts, or for some tokens."""
    yield (
        "divided by the mean absolute deviation, not the standard one",
        lambda x, p: centred(x)[0] / (size_of(x, np.mean) + eps) * p.weight + p.bias,
    )
    yield (
        "divided by the largest deviation, not the standard one",
        lambda x, p: centred(x)[0] / (size_of(x, np.max) + eps) * p.weight + p.bias,
    )
    for groups in (2, 4, 5, 8, 16):
        yield (
            f"normalised in {groups} groups of the width (GroupNorm)",
            lambda x, p, g=groups: in_groups(x, g, eps) * p.weight + p.bias,
        )
    yield (
        "without this normalisation for the first token, the class token",
        lambda x, p: np.concatenate([x[:, :1], layer_norm(x, p, eps=eps)[:, 1:]], axis=1),
    )
    yield (
        "with this normalisation for the first token, the class token, alone",
        lambda x, p: np.concatenate([layer_norm(x, p, eps=eps)[:, :1], x[:, 1:]], axis=1),
    )


def other_scales(eps: float) -> Norms:
    """Scale and shift used otherwise, or not at all."""
    yield "without scale and shift", lambda x, p: unit(x, eps)
    yield "without the shift", lambda x, p: unit(x, eps) * p.weight
    yield "without the scale", lambda x, p: unit(x, eps) + p.bias
    yield "with 1 + the scale", lambda x, p: unit(x, eps) * (1 + p.weight) + p.bias
    yield "with the shift added before the scale", lambda x, p: (unit(x, eps) + p.bias) * p.weight
    yield "with the shift taken away, not added", lambda x, p: unit(x, eps) * p.weight - p.bias
    yield "with scale and shift exchanged", lambda x, p: unit(x, eps) * p.bias + p.weight


def length(x: Array) -> Array:
    """Measure vectors."""
    return ROOT((x * x).sum(axis=-1, keepdims=True)) + np.float32(1e-12)


def unit(x: Array, eps: float, axis: int | tuple[int, ...] = -1) -> Array:
    """Normalise without scale and shift."""
    rest, variance = centred(x, axis)
    return rest / ROOT(variance + np.float32(eps))


def size_of(x: Array, measure: Callable[..., Array]) -> Array:
    """Measure how far numbers are from their mean, by another measure than the root of squares."""
    return measure(np.abs(centred(x)[0]), axis=-1, keepdims=True)


def in_groups(x: Array, groups: int, eps: float) -> Array:
    """Normalise parts of the width, each by itself; ValueError where they are not whole."""
    return unit(x.reshape(*x.shape[:-1], groups, -1), eps).reshape(x.shape)


def unbiased(x: Array, p: LayerNorm, eps: float) -> Array:
    """Normalise with the variance divided by D - 1."""
    D = x.shape[-1]
    rest, variance = centred(x)
    return rest / ROOT(variance * np.float32(D / (D - 1)) + np.float32(eps)) * p.weight + p.bias


def rms(x: Array, p: LayerNorm, eps: float) -> Array:
    """Divide by the root of the mean square."""
    return x / ROOT((x * x).mean(axis=-1, keepdims=True) + np.float32(eps)) * p.weight


def of_norm(at: At, norm: Normalised) -> Mistakes:
    """A normalisation done otherwise, or with other parameters."""
    eps = norm.eps(at)
    for sentence, wrong in wrong_norms(eps):
        yield sentence, lambda at, wrong=wrong: wrong(norm.x(at), norm.p(at))
    for sentence, p in other_norms(at):
        yield sentence, lambda at, p=p: layer_norm(norm.x(at), p, eps=eps)
    for name, half in HALVES.items():
        yield (
            f"computed in {name}",
            lambda at, h=half: h(layer_norm(h(norm.x(at)), norm.p(at), eps=eps)),
        )


def other_norms(at: At) -> Iterator[tuple[str, LayerNorm]]:
    """List the parameters that a normalisation may be confused with."""
    params, _ = at.model()
    part = {
        "attention_input": "attention_norm", "mlp_input": "mlp_norm",
        "after_attention": "attention_norm", "x": "mlp_norm",
    }  # fmt: skip
    if at.name.removeprefix(at.run).count(".") < 2:
        yield "with the parameters of the first normalisation", params.vision.pre_norm
        yield "with the parameters of the last normalisation", params.vision.post_norm
        return
    own, other = (
        part[at.last],
        "mlp_norm" if part[at.last] == "attention_norm" else "attention_norm",
    )
    yield "with the two normalisations of the layer exchanged", getattr(at.block(), other)
    for i, block in enumerate(at.blocks()):
        if i != at.layer:
            yield f"with the parameters of layer {i}", getattr(block, own)
    others = params.text.blocks if at.tower == "vision" else params.vision.blocks
    if at.layer < len(others):
        yield "with the parameters of the other tower", getattr(others[at.layer], own)
    if at.tower == "vision":
        yield "with the parameters of the normalisation before the layers", params.vision.pre_norm
        yield "with the parameters of the normalisation after the layers", params.vision.post_norm


# ---------------------------------------------------------------- products with matrices


def wrong_products(x: Array, right: Linear) -> Iterator[tuple[str, Callable[[], Array]]]:
    """List the ways to multiply wrongly; each is computed only when it is called."""
    W, b = right.weight, right.bias
    if W.shape[0] == W.shape[1]:
        yield "with the weight transposed", lambda: x @ W + b
    else:
        yield "with the weight reshaped, not transposed", lambda: x @ W.reshape(W.shape[::-1]) + b
    yield "without the bias", lambda: x @ W.T
    yield "with the bias added twice", lambda: x @ W.T + b + b
    yield "with the bias taken away, not added", lambda: x @ W.T - b
    yield "without the weight: nothing but the bias", lambda: 0 * (x @ W.T) + b
    yield "with its input in reverse", lambda: x[..., ::-1] @ W.T + b
    yield "multiplied twice: of what already came out", lambda: (x @ W.T + b) @ W.T + b
    for sentence, change in CHANGED_WEIGHTS.items():
        yield f"with {sentence}", lambda c=change: x @ c(W).T + b
    yield from rounded_products(x, right)


CHANGED_WEIGHTS: dict[str, Callable[[Array], Array]] = {
    "the mean of each row of the weight taken away": lambda W: W - W.mean(axis=1, keepdims=True),
    "the mean of each column of the weight taken away": lambda W: W - W.mean(axis=0),
    "the rows of the weight brought to length 1": lambda W: W / length(W),
    "the smaller half of the weights set to zero (pruned)": lambda W: np.where(
        np.abs(W) >= np.median(np.abs(W)), W, 0
    ),
}


def rounded_products(x: Array, right: Linear) -> Iterator[tuple[str, Callable[[], Array]]]:
    """List the ways to multiply in less precision."""
    W, b = right.weight, right.bias
    for name, rounded in OF_WEIGHTS.items():
        yield f"with weights in {name}", lambda r=rounded: x @ r(W).T + b
    yield f"with products {IN_TF32}", lambda: tf32(x) @ tf32(W).T + b
    for name, rounded in OF_INPUTS.items():
        yield f"with its inputs in {name}", lambda r=rounded: r(x) @ W.T + b
    for name, half in HALVES.items():
        yield f"with its inputs in {name}", lambda h=half: h(x) @ W.T + b
        yield f"with weights and inputs in {name}", lambda h=half: h(x) @ h(W).T + b
        yield f"computed in {name}", lambda h=half: h(h(x) @ h(W).T + h(b))
        yield (
            f"computed in {name}, rounded before and after the bias",
            lambda h=half: h(h(h(x) @ h(W).T) + h(b)),
        )


def of_product(at: At, product: Product) -> Mistakes:
    """A product done otherwise, or with other parameters."""
    right = product.p(at)
    for number, (sentence, _) in enumerate(
        wrong_products(np.zeros((1, right.weight.shape[1])), right)
    ):
        yield sentence, lambda at, n=number: product.shaped(at, nth(product, at, n))
    for sentence, p in other_products(at):
        if p.weight.shape == right.weight.shape:
            yield sentence, lambda at, p=p: product.shaped(at, linear(product.x(at), p))


def nth(product: Product, at: At, number: int) -> Array:
    """Compute one of the wrong products."""
    wrong = list(wrong_products(product.x(at), product.p(at)))
    return wrong[number][1]()


PARTS: dict[str, Callable[..., Linear]] = {
    "q": lambda b: b.attention.query, "k": lambda b: b.attention.key,
    "v": lambda b: b.attention.value, "attended": lambda b: b.attention.out,
    "hidden": lambda b: b.mlp.up, "thought": lambda b: b.mlp.down,
}  # fmt: skip


def other_products(at: At) -> Iterator[tuple[str, Linear]]:
    """List the parameters that a matrix may be confused with."""
    if at.last not in PARTS:
        return
    for i, block in enumerate(at.blocks()):
        if i != at.layer:
            yield f"with the parameters of layer {i}", PARTS[at.last](block)
    params, _ = at.model()
    others = params.text.blocks if at.tower == "vision" else params.vision.blocks
    if at.layer < len(others):
        yield "with the parameters of the other tower", PARTS[at.last](others[at.layer])
    if at.last == "attended":
        yield "with the parameters of the values", at.block().attention.value


# ---------------------------------------------------------------- activations


def sigmoid(x: Array) -> Array:
    """Compute 1 / (1 + exp(-x))."""
    return np.float32(0.5) + np.float32(0.5) * np.tanh(np.float32(0.5) * x)


SQRT_2 = math.sqrt(2)


def other_activations() -> Mapping[str, Callable[[Array], Array]]:
    """List activations, those of the field and those that are slips."""
    gelu = ACTIVATIONS["gelu"]
    quick = ACTIVATIONS["quick_gelu"]
    return {
        **{name: f for name, f in ACTIVATIONS.items() if name != "swish"},
        **of_the_field(),
        "sigmoid(1.702 x), the factor x forgotten,": lambda x: sigmoid(np.float32(1.702) * x),
        "gelu without the factor 1/2": lambda x: 2 * gelu(x),
        "gelu without the sqrt(2) inside": lambda x: (
            gelu(x * np.float32(SQRT_2)) / np.float32(SQRT_2)
        ),
        "gelu_new (tanh) with the factor 0.44715, not 0.044715,": lambda x: tanh_gelu(x, 0.44715),
        "gelu_new (tanh) without the sqrt(2/pi),": lambda x: tanh_gelu(x, 0.044715, root=1.0),
        "gelu_new (tanh) with the square in place of the cube,": lambda x: (
            x * sigmoid(np.float32(2 * ROOT_2_PI) * (x + np.float32(0.044715) * x * x))
        ),
        "gelu applied twice": lambda x: gelu(gelu(x)),
        "quick_gelu applied twice": lambda x: quick(quick(x)),
        "the absolute value": np.abs,
        "the square": lambda x: x * x,
    }


ROOT_2_PI = math.sqrt(2 / math.pi)


def tanh_gelu(x: Array, cube: float, root: float = ROOT_2_PI) -> Array:
    """Approximate gelu by tanh, with other factors: x sigmoid(2 root (x + cube x^3))."""
    return x * sigmoid(np.float32(2 * root) * (x + np.float32(cube) * x * x * x))


def of_the_field() -> dict[str, Callable[[Array], Array]]:
    """List the activations that libraries have beside ours."""
    return {
        "relu squared": lambda x: np.maximum(x, 0) ** 2,
        "relu6": lambda x: np.clip(x, 0, 6),
        "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
        "softplus": lambda x: np.logaddexp(x, 0),
        "softsign": lambda x: x / (1 + np.abs(x)),
        "tanh": np.tanh,
        "tanhshrink": lambda x: x - np.tanh(x),
        "sigmoid": sigmoid,
        "log sigmoid": lambda x: -np.logaddexp(-x, 0),
        "hard swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
        "hard sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
        "hardtanh (between -1 and 1)": lambda x: np.clip(x, -1, 1),
        "softmax": lambda x: np.exp(x - np.logaddexp.reduce(x, axis=-1, keepdims=True)),
    }


def of_activated(at: At) -> Mistakes:
    """The activation."""
    yield "without an activation", lambda at: at.near("hidden")
    for name, function in other_activations().items():
        what = "gelu_new, the tanh approximation," if name == "gelu_new" else name
        yield f"with {what} as the activation", lambda at, f=function: f(at.near("hidden"))
    for name, half in HALVES.items():
        yield f"computed in {name}", lambda at, h=half: h(operation_of(at.name)(at))


def sines(S: int, D: int, *, alternating: bool) -> Array:
    """Make the positions of "Attention is all you need"."""
    angle = np.arange(S)[:, None] * 10000.0 ** (-np.arange(0, D, 2) / D)
    parts = [np.sin(angle), np.cos(angle)]
    joined = (
        np.stack(parts, axis=-1).reshape(S, -1) if alternating else np.concatenate(parts, axis=1)
    )
    return joined[:, :D].astype(np.float32)
