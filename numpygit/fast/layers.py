"""Twins of the functions in model/layers.py, for tokens that are columns: x is (D, T).

The weights, which lie as (out, in), then come first in every product: nothing is transposed. A
`member` of a team takes and returns whole arrays, of which it computes its part (teams.py).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

import numpy as np

from ..model.layers import GELU_R
from ..model.layers import activate as plain_activate
from ..model.params import MLP, Activation, Array, Attention, LayerNorm, Linear
from .teams import WHOLE, Member

BLOCK = 131_072  # numbers worked on at once: 512 KB, with what is computed of them in the cache
ALL = slice(None)


def linear(x: Array, p: Linear, *, plus: Array | None = None, rows: slice = ALL) -> Array:
    """Twin of `layers.linear`: (in, T) -> (out, T), or some rows of it.

    `plus` (out, T) is added where it is given.
    """
    found = p.weight[rows] @ x
    found += p.bias[rows, None]
    if plus is not None:
        found += plus[rows]
    return found


def whole_linear(x: Array, p: Linear, *, plus: Array | None, member: Member) -> Array:
    """Do the same in a team: (in, T) -> (out, T)."""
    rows = member.own(len(p.weight))
    part = linear(x, p, plus=plus, rows=rows)
    return member.gather(part, own=rows, total=len(p.weight))


_joined: dict[int, Array] = {}  # id of an Attention, while it lives -> its three weights as one


def joined_weights(p: Attention) -> Array | None:
    """Join the weights of queries, keys and values: (3 * D, D), one product in place of three.

    On many threads that is quicker. The copy is made when it is first asked for, and lives as long
    as `p`. None where weights can be changed in place: a copy would go on with the old ones.
    """
    weights = (p.query.weight, p.key.weight, p.value.weight)
    if any(weight.flags.writeable for weight in weights):
        return None
    if id(p) not in _joined:
        _joined[id(p)] = np.concatenate(weights)
        weakref.finalize(p, _joined.pop, id(p), None)
    return _joined[id(p)]


def mlp(
    x: Array,
    p: MLP,
    *,
    activation: Activation,
    plus: Array | None = None,
    member: Member = WHOLE,
) -> Array:
    """Twin of `layers.mlp`: (D, T) -> (D, T), `plus` added where it is given."""
    F = len(p.up.weight)
    own = member.own(F)
    part = p.up.weight[own] @ x
    bias = p.up.bias[own]

    def share(rows: slice) -> None:
        activate(part[rows], bias[rows], name=activation)

    member.share(share, len(part))
    hidden = member.gather(part, own=own, total=F)
    return whole_linear(hidden, p.down, plus=plus, member=member)


def layer_norm(x: Array, p: LayerNorm, *, eps: float, member: Member = WHOLE) -> Array:
    """Twin of `layers.layer_norm`: (D, T) -> (D, T). Means are products with a row of 1 / D."""
    D, T = x.shape
    own = member.own(T)
    average = np.full(D, 1 / D, np.float32)
    normed = x[:, own] - average @ x[:, own]
    variance = average @ (normed * normed)
    normed *= 1 / np.sqrt(variance + np.float32(eps))
    normed *= p.weight[:, None]
    normed += p.bias[:, None]
    return member.gather(normed, own=own, total=T, axis=1)


def activate(hidden: Array, bias: Array, *, name: Activation) -> None:
    """Add the bias and apply the activation, in place, block by block: (F, T), (F,)."""
    step = max(1, BLOCK // hidden.shape[1])
    for start in range(0, len(hidden), step):
        rows = hidden[start : start + step]
        rows += bias[start : start + step, None]
        activate_in_place(rows, name=name)


def activate_in_place(x: Array, *, name: Activation) -> None:
    """Twin of `layers.activate` that overwrites x, of any shape."""
    argument = ARGUMENTS.get(name) if isinstance(name, str) else None
    if argument is None:
        x[:] = plain_activate(x, name=name)
        return
    with np.errstate(over="ignore"):  # of numbers so large that the sigmoid is 0 or 1
        times_sigmoid(x, argument(x))


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
