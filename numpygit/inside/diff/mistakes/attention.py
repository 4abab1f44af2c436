"""Known mistakes of attention: scores, how the mask is put on, softmax, values, joined heads."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ....model.layers import softmax
from ....model.params import Array
from ...record import BLOCKED
from ..scene import At
from .heads import flat, root_of_width, rotary
from .masks import of_mask
from .parts import Mistakes, sigmoid
from .rounding import HALVES


def of_scores(at: At) -> Mistakes:
    """The products of queries and keys, their scale, and the mask."""
    q = at.near("q")
    N, A = q.shape[1], q.shape[-1]
    for factor, sentence in [
        (1.0, "without the scale 1/sqrt(A)"),
        (1 / math.sqrt(N * A), "with the scale 1/sqrt(D) of the whole width"),
        (1 / A, "with the scale 1/A: applied twice"),
        (1 / math.sqrt(N), "with the scale 1/sqrt(N), of the number of heads"),
        (math.sqrt(A), "multiplied by sqrt(A), not divided"),
        (1 / (N * A), "with the scale 1/D of the whole width"),
        (1 / math.sqrt(q.shape[-2]), "with the scale 1/sqrt(T) of the number of tokens"),
        (A**-0.25, "with the scale A^(-1/4), for queries or keys alone"),
    ]:
        yield sentence, lambda at, f=factor: scaled(at, f)
    yield "with queries and keys exchanged in the product", swapped
    yield "with a causal mask over all tokens", lambda at: where_not(scaled(at), ahead(at) > 0)
    for name, half in HALVES.items():
        yield f"computed in {name}", lambda at, h=half: scaled(at, by=h)
        yield f"of queries and keys rounded to {name}", lambda at, h=half: scaled(at, of=h)
    yield "capped: 50 tanh(scores / 50)", lambda at: 50 * np.tanh(np.maximum(scaled(at), -1e9) / 50)
    for halves, how in ((True, "halves of a head"), (False, "neighbouring numbers")):
        yield (
            f"with rotary positions (RoPE) over {how}",
            lambda at, h=halves: scaled(at, of=lambda x: rotary(x, halves=h)),
        )
    yield "with linear distances taken away (ALiBi)", alibi
    if at.mask() is not None:
        yield from of_masked(at)


def of_masked(at: At) -> Mistakes:
    """How the mask is put on the scores."""
    yield "without the mask", lambda at: scaled(at, mask=0)
    yield "with the mask turned: keys for queries", turned_mask
    yield (
        "with the mask multiplied, not added: blocked scores are 0",
        lambda at: where_not(scaled(at, mask=0), blocked(at), 0),
    )
    yield "with the mask of 0 and 1 added", lambda at: scaled(at, mask=0) + ~blocked(at)
    yield "with the mask of 1 (blocked) and 0 added", lambda at: scaled(at, mask=0) + blocked(at)
    yield (
        "with the mask turned around: open is blocked",
        lambda at: where_not(scaled(at, mask=0), ~blocked(at)),
    )
    yield (
        "with the mask added before the scale, a mask of -1: blocked scores fall a little",
        (lambda at: scaled(at, mask=0) - blocked(at) * root_of_width(at.near("q"))),
    )
    for sentence, mask in of_mask(at._replace(name=f"{at.run}text.mask")):
        yield sentence, lambda at, m=mask: scaled(at, mask=0) + m(at)
    for low in (1, 10, 100):
        sentence = f"with a mask of -{low}, too weak to block"
        yield sentence, lambda at, n=low: scaled(at, mask=0) - np.float32(n) * blocked(at)


def scaled(
    at: At,
    factor: float | None = None,
    *,
    mask: int = 1,
    of: Callable[[Array], Array] = lambda x: x,
    by: Callable[[Array], Array] = lambda x: x,
) -> Array:
    """Compute scores with another scale, of other queries and keys, rounded, masked or not."""
    q, k = of(by(at.near("q"))), of(by(at.keys()))
    factor = 1 / math.sqrt(q.shape[-1]) if factor is None else factor
    found = by(by(q @ k.swapaxes(-1, -2)) * np.float32(factor))
    given = at.mask()
    return found if given is None or not mask else found + given


def blocked(at: At) -> Array:
    """Tell which places the mask blocks."""
    mask = at.mask()
    if mask is None:
        raise KeyError("no mask")
    return mask < BLOCKED


def where_not(x: Array, where: Array, value: float = -np.inf) -> Array:
    """Put a number where something holds."""
    return np.where(where, np.float32(value), x)


def ahead(at: At) -> Array:
    """Say how far a key lies ahead of a query: (T, S)."""
    T, S = at.near("q").shape[2], at.keys().shape[2]
    return np.arange(S)[None] - np.arange(S - T, S)[:, None]


def swapped(at: At) -> Array:
    """Multiply keys and queries the other way round."""
    found = scaled(at, mask=0).swapaxes(-1, -2)
    mask = at.mask()
    return found if mask is None else found + mask


def turned_mask(at: At) -> Array:
    """Add the mask transposed."""
    mask = at.mask()
    if mask is None or mask.shape[-1] != mask.shape[-2]:
        raise KeyError("no square mask")
    return scaled(at, mask=0) + mask.swapaxes(-1, -2)


def alibi(at: At) -> Array:
    """Take linear distances from the scores, with a slope for each head."""
    N = at.near("q").shape[1]
    slope = 2.0 ** (-8 * (np.arange(N) + 1) / N)
    far = np.minimum(ahead(at), 0)
    return scaled(at) + (slope[:, None, None] * far).astype(np.float32)


def of_weights(at: At) -> Mistakes:
    """The softmax."""

    def finite(at: At) -> Array:
        return np.maximum(at.near("scores"), np.float32(-1e30))

    yield "with softmax over the queries, axis -2", lambda at: over(finite(at), -2)
    yield "with softmax over the heads, axis 1", lambda at: over(finite(at), 1)
    yield "with softmax over queries and keys together", lambda at: over_both(finite(at))
    yield (
        "with 0 for blocked scores before the softmax, not -inf",
        lambda at: softmax(where_not(at.near("scores"), at.near("scores") < BLOCKED, 0)),
    )
    yield "with exp alone: nothing to divide by", lambda at: powers(finite(at))
    yield "with one more added to the sum of the softmax (off by one)", one_more
    yield "with a sigmoid in place of softmax", lambda at: sigmoid(finite(at))
    yield "with relu in place of softmax", lambda at: np.maximum(at.near("scores"), 0)
    yield "without softmax", lambda at: at.near("scores")
    yield "as logarithms (log-softmax)", lambda at: np.log(softmax(at.near("scores")))
    yield (
        "with powers of 2, not of e",
        lambda at: softmax(at.near("scores") * np.float32(math.log(2))),
    )
    yield "with softmax applied twice", lambda at: softmax(softmax(at.near("scores")))
    for name, half in HALVES.items():
        yield (
            f"with softmax computed in {name}",
            lambda at, h=half: h(softmax(h(at.near("scores")))),
        )
        yield f"with scores rounded to {name}", lambda at, h=half: softmax(h(at.near("scores")))
        yield (
            f"with the weights rounded to {name}",
            lambda at, h=half: h(softmax(at.near("scores"))),
        )
    if at.mask() is not None:
        yield (
            "with the mask after the softmax: its rows do not sum to 1",
            lambda at: where_not(softmax(scaled(at, mask=0)), blocked(at), 0),
        )
        yield "without the mask", lambda at: softmax(scaled(at, mask=0))


def over(x: Array, axis: int) -> Array:
    """Take softmax over another axis."""
    return np.moveaxis(softmax(np.moveaxis(x, axis, -1)), -1, axis)


def over_both(x: Array) -> Array:
    """Take softmax over the last two axes at once."""
    return softmax(x.reshape(*x.shape[:-2], -1)).reshape(x.shape)


def powers(x: Array) -> Array:
    """Raise e to the scores, the highest taken away."""
    return np.exp(x - x.max(axis=-1, keepdims=True))


def one_more(at: At) -> Array:
    """Take softmax with 1 more in the denominator."""
    x = at.near("scores")
    highest = x.max(axis=-1, keepdims=True)
    found = np.exp(x - highest)
    return found / (np.exp(-highest) + found.sum(axis=-1, keepdims=True))


def of_mixed(at: At) -> Mistakes:
    """Values mixed by weights."""
    yield (
        "with the weights transposed",
        lambda at: at.near("weights").swapaxes(-1, -2) @ at.keys("v"),
    )
    yield "with keys in place of values", lambda at: at.near("weights") @ at.keys("k")
    yield "with queries in place of values", lambda at: at.near("weights") @ at.near("q")
    yield "with scores in place of weights", lambda at: at.near("scores") @ at.keys("v")
    yield (
        "with the heads of the values in reverse",
        lambda at: at.near("weights") @ at.keys("v")[:, ::-1],
    )
    for name, half in HALVES.items():
        yield f"computed in {name}", lambda at, h=half: h(h(at.near("weights")) @ h(at.keys("v")))


def of_joined(at: At) -> Mistakes:
    """Heads laid side by side."""
    yield (
        "reshaped to (B, T, D) without a transpose",
        lambda at: at.near("mixed").reshape(flat(at.near("mixed")).shape),
    )
    yield (
        "with the heads woven together, number by number",
        lambda at: at.near("mixed").transpose(0, 2, 3, 1).reshape(flat(at.near("mixed")).shape),
    )
    yield "with the heads in reverse", lambda at: flat(at.near("mixed")[:, ::-1])
    yield (
        "with the mean of the heads for every head",
        lambda at: flat(
            np.broadcast_to(at.near("mixed").mean(axis=1, keepdims=True), at.near("mixed").shape)
        ),
    )


def of_attended(at: At) -> Mistakes:
    """The projection after attention."""
    yield "without the last projection of attention: it is missing", lambda at: at.near("joined")
