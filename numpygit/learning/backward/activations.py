"""Slopes of the activations: (..., F) -> (..., F), by the name that a config gives them.

`exact_gelu` is gelu with the C library's erf, one number at a time: too slow to use, and right to
the last digit of float64, where `layers.gelu` is right to the last digit of float32. A config may
hold the function itself (`hidden_act=exact_gelu`), and tests against float64 do.
"""

from __future__ import annotations

import math

import numpy as np

from ...errors import UserError
from ...model.layers import GELU_R
from ...model.params import Activation, Array
from ...model.variants.activations import SELU_ALPHA, SELU_SCALE


def activate_backward(dactivated: Array, hidden: Array, *, name: Activation) -> Array:
    """Gradient of an activation: dy times its slope at x, twice (..., F) -> (..., F).

    Raises UserError for a function that is not among those here: its slope is not known.
    """
    if name not in SLOPES:
        names = ", ".join(key for key in SLOPES if isinstance(key, str))
        raise UserError(f"hidden_act is {name!r}; the slopes known here are those of: {names}")
    return dactivated * SLOPES[name](hidden)


def quick_gelu_slope(x: Array) -> Array:
    """Slope of x * s with s = sigmoid(1.702 x): s + 1.702 x s (1 - s). Source: CLIP."""
    s = 0.5 + 0.5 * np.tanh(0.851 * x)
    return s + 1.702 * x * s * (1 - s)


def gelu_slope(x: Array) -> Array:
    """Slope of x * Phi(x): Phi(x) + x phi(x), phi the bell curve exp(-x^2 / 2) / sqrt(2 pi)."""
    square = x * x
    ratio = np.full_like(x, GELU_R[-1])
    for coefficient in GELU_R[-2::-1]:  # Horner's rule, as in `layers.gelu`
        ratio = ratio * square + coefficient
    probability = 0.5 + 0.5 * np.tanh(x * ratio)
    return probability + x * density(x)


def density(x: Array) -> Array:
    """The bell curve: how dense the normal distribution lies at x."""
    return np.exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))


def exact_probability(x: Array) -> Array:
    """Phi, the normal distribution function, by math.erf in float64."""
    erf = np.array([math.erf(each / math.sqrt(2)) for each in x.ravel().tolist()])
    return (0.5 + 0.5 * erf.reshape(x.shape)).astype(x.dtype)


def exact_gelu(x: Array) -> Array:
    """Gelu with the exact Phi, slowly."""
    return x * exact_probability(x)


def exact_gelu_slope(x: Array) -> Array:
    """Slope of `exact_gelu`."""
    return exact_probability(x) + x * density(x)


def gelu_new_slope(x: Array) -> Array:
    """Slope of x * s with s = (1 + tanh(u)) / 2, u = c (x + 0.044715 x^3), c = sqrt(2 / pi)."""
    c = math.sqrt(2 / math.pi)
    t = np.tanh(c * (x + 0.044715 * (x * x * x)))
    du = c * (1 + 3 * 0.044715 * (x * x))
    return 0.5 + 0.5 * t + 0.5 * x * (1 - t * t) * du


def relu_slope(x: Array) -> Array:
    """1 above zero, 0 below and at it, as torch has it."""
    return (x > 0).astype(x.dtype)


def silu_slope(x: Array) -> Array:
    """Slope of x * s with s = sigmoid(x): s + x s (1 - s)."""
    s = 0.5 + 0.5 * np.tanh(0.5 * x)
    return s + x * s * (1 - s)


def selu_slope(x: Array) -> Array:
    """The scale above zero; below, and at it, scale * alpha * exp(x)."""
    below = SELU_SCALE * SELU_ALPHA * np.exp(np.minimum(x, 0))
    return np.where(x > 0, x.dtype.type(SELU_SCALE), below)


SLOPES = {
    "quick_gelu": quick_gelu_slope,
    "gelu": gelu_slope,
    "gelu_new": gelu_new_slope,
    "relu": relu_slope,
    "silu": silu_slope,
    "swish": silu_slope,
    "selu": selu_slope,
    exact_gelu: exact_gelu_slope,
}
