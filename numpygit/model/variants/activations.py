"""The activations that a config may name beside the two that official checkpoints use.

Those two, gelu and quick_gelu, stand in `layers.py`. Every function takes and returns (..., F).
Source of the names: transformers 4.37.2, `activations.py`, ACT2FN.
"""

from __future__ import annotations

import math

import numpy as np

from ..params import Array


def gelu_new(x: Array) -> Array:
    """The older text models' gelu, which approximates Phi with a tanh: off by up to 4.7e-4."""
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
    return x * (0.5 + 0.5 * np.tanh(inner))


def relu(x: Array) -> Array:
    """Cut off what is below zero."""
    return np.maximum(x, np.float32(0))


def silu(x: Array) -> Array:
    """X * sigmoid(x), also called swish. Source: Elfwing et al., arXiv 1702.03118."""
    # sigmoid(z) = (1 + tanh(z / 2)) / 2, which cannot overflow as exp(-z) can
    gate = 0.5 + 0.5 * np.tanh(0.5 * x)
    return x * gate


SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772


def selu(x: Array) -> Array:
    """A line above zero, an exponential below it: (..., F) -> (..., F).

    Its two numbers keep mean 0 and variance 1 from layer to layer. Source: Klambauer et al.,
    arXiv 1706.02515.
    """
    below = SELU_ALPHA * np.expm1(np.minimum(x, np.float32(0)))
    above = np.maximum(x, np.float32(0))
    return SELU_SCALE * (above + below)
