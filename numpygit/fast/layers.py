"""Twins of the functions in model/layers.py, for tokens that are columns: x is (D, T).

The weights, which lie as (out, in), then come first in every product: nothing is transposed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..model.layers import GELU_R
from ..model.layers import activate as plain_activate
from ..model.params import MLP, Activation, Array, LayerNorm, Linear
from .pool import spread
from .threads import multiplies_small_directly

BLOCK = 65_536  # numbers worked on at once: 256 KB, half of a common second-level cache
FEW = 32  # columns: up to so many, packing the weights costs more than it brings
SMALL = 1_000_000  # multiplications of a product that OpenBLAS does without packing the matrices
SLICE = 786_432  # numbers of a matrix that OpenBLAS packs at once, where it packs


def product(weight: Array, x: Array, *, threads: int = 1) -> Array:
    """Matrix times columns: (out, in) and (in, T) -> (out, T). OpenBLAS has so many threads.

    For a few columns OpenBLAS spends its time on packing the matrix, copying it into an order of
    its own. What is quicker depends on the threads and was measured: a stack of slices so small
    that nothing is packed, which runs on one thread or on two; or slices that stay in the cache.
    """
    columns = x.shape[1]
    if columns == 1 or columns > FEW or not weight.flags.c_contiguous:
        return weight @ x
    if threads > 3 or not multiplies_small_directly():
        return product_in_slices(weight, x)
    found = np.empty((len(weight), columns), np.float32)

    def share(rows: slice) -> None:
        multiply_stacked(weight[rows], x, out=found[rows])

    spread(share, len(weight), threads=1 if columns < 8 else threads)
    return found


def product_in_slices(weight: Array, x: Array) -> Array:
    """Multiply slices of a large matrix one after the other: (out, in) and (in, T) -> (out, T)."""
    if x.shape[1] >= FEW or weight.size <= 4 * SLICE:
        return weight @ x
    found = np.empty((len(weight), x.shape[1]), np.float32)
    step = SLICE // weight.shape[1]
    for start in range(0, len(weight), step):
        found[start : start + step] = weight[start : start + step] @ x
    return found


def multiply_stacked(weight: Array, x: Array, *, out: Array) -> None:
    """Multiply a stack of slices of less than `SMALL` multiplications each, into `out`."""
    rows, width = weight.shape
    columns = x.shape[1]
    step = max(1, SMALL // (width * columns))
    whole = rows // step * step
    stack = weight[:whole].reshape(-1, step, width)  # (whole // step, step, width)
    np.matmul(stack, x, out=out[:whole].reshape(-1, step, columns))
    np.matmul(weight[whole:], x, out=out[whole:])


def linear(x: Array, p: Linear, *, plus: Array | None = None, threads: int = 1) -> Array:
    """Twin of `layers.linear`: (in, T) -> (out, T), `plus` (out, T) added where it is given."""
    found = product(p.weight, x, threads=threads)
    found += p.bias[:, None]
    if plus is not None:
        found += plus
    return found


def mlp(
    x: Array, p: MLP, *, activation: Activation, plus: Array | None = None, threads: int = 1
) -> Array:
    """Twin of `layers.mlp`: (D, T) -> (D, T), `plus` added where it is given."""
    F, T = len(p.up.weight), x.shape[1]
    hidden = product(p.up.weight, x, threads=threads)  # (F, T)
    activate(hidden, p.up.bias, name=activation)
    return linear(hidden, p.down, plus=plus, threads=threads)


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
    argument = ARGUMENTS.get(name) if isinstance(name, str) else None
    step = max(1, BLOCK // hidden.shape[1])
    with np.errstate(over="ignore"):  # of numbers so large that the sigmoid is 0 or 1
        for start in range(0, len(hidden), step):
            rows = hidden[start : start + step]
            rows += bias[start : start + step, None]
            if argument is None:
                rows[:] = plain_activate(rows, name=name)
            else:
                times_sigmoid(rows, argument(rows))


def times_sigmoid(x: Array, z: Array) -> None:
    """Multiply x by sigmoid(-z) = 1 / (1 + exp(z)), in place; z is overwritten."""
    np.exp(z, out=z)
    z += 1
    x /= z


def quick_gelu_argument(x: Array) -> Array:
    """Find z such that quick_gelu is x * sigmoid(-z)."""
    return x * np.float32(-1.702)


def gelu_argument(x: Array) -> Array:
    """Find z with Phi(x) = sigmoid(-z). It is -2 x R(x^2): see `layers.gelu`."""
    square = x * x
    ratio = square * np.float32(-2 * GELU_R[-1])
    for coefficient in GELU_R[-2:0:-1]:  # Horner's rule
        ratio += np.float32(-2 * coefficient)
        ratio *= square
    ratio += np.float32(-2 * GELU_R[0])
    ratio *= x
    return ratio


ARGUMENTS: dict[str, Callable[[Array], Array]] = {
    "quick_gelu": quick_gelu_argument,
    "gelu": gelu_argument,
}
