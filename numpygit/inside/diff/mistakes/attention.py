"""Known mistakes of attention: scores, how the mask is put on, softmax, values, joined heads."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ....model.layers import softmax
from ....model.params import Array
from ...record import BLOCKED
from ..rounding import HALVES, Round, tf32
from ..scene import At
from .heads import flat, orders_of_heads, root_of_width, rotations
from .masks import of_mask
from .parts import IN_TF32, Mistakes, sigmoid


def of_scores(at: At) -> Mistakes:
    """The products of queries and keys, their scale, and the mask."""
    q = at.near("q")
    for sentence, factor in scales(*q.shape[1:]).items():
        yield sentence, lambda at, f=factor: scaled(at, f)
    yield "with queries and keys exchanged in the product", swapped
    for by, whose in ((1, "before"), (-1, "behind")):
        yield (
            f"with the keys shifted by one: of the token {whose}",
            lambda at, b=by: scaled(at, keys=lambda at: np.roll(at.keys(), b, axis=-2)),
        )
    for name, half in HALVES.items():
        yield f"computed in {name}", lambda at, h=half: scaled(at, by=h)
        yield f"of queries and keys rounded to {name}", lambda at, h=half: scaled(at, of=h)
    yield f"with products {IN_TF32}", lambda at: scaled(at, of=tf32)
    for name, turn in rotations().items():
        yield name, lambda at, t=turn: scaled(at, of=t)
    yield "with linear distances taken away (ALiBi)", alibi
    yield (
        "with the mean of the heads for each head",
        lambda at: np.broadcast_to(scaled(at).mean(axis=1, keepdims=True), scaled(at).shape),
    )
    yield "with the highest score of each row taken away", lambda at: less_the_highest(scaled(at))
    yield from of_looks(at)
    for whose, stale in stale_parts(at).items():
        yield (
            f"with {whose} keys of the layer before, out of the cache",
            lambda at, s=stale: scaled(at, keys=lambda at: from_layer_before(at, "k", s)),
        )
    if at.mask() is not None:
        yield from of_masked(at)


def stale_parts(at: At) -> dict[str, tuple[str, ...]]:
    """List the parts of the cache that may come from another layer; none without a cache."""
    if not at.run.startswith("word.") or not at.layer:
        return {}
    found: dict[str, tuple[str, ...]] = {"the image's": ("image",)}
    if at.run != "word.0.":
        found |= {"the earlier words'": ("word",), "all": ("image", "word")}
    return found


def from_layer_before(at: At, which: str, stale: tuple[str, ...]) -> Array:
    """Look up all keys or values, those of some parts of the cache one layer before."""
    runs = ["image", *(f"word.{i}" for i in range(int(at.run.split(".")[1])))]
    parts = [at.tensors[f"{run}.text.{at.layer - run.startswith(stale)}.{which}"] for run in runs]
    return np.concatenate([*parts, at.near(which)], axis=2)


def scales(N: int, T: int, A: int) -> dict[str, float]:
    """List the scales of scores that are not 1/sqrt(A)."""
    found = {
        "without the scale 1/sqrt(A)": 1.0,
        "with the scale 1/sqrt(D) of the whole width": 1 / math.sqrt(N * A),
        "with the scale 1/A: applied twice": 1 / A,
        "with the scale 1/sqrt(N), of the number of heads": 1 / math.sqrt(N),
        "multiplied by sqrt(A), not divided": math.sqrt(A),
        "with the scale 1/D of the whole width": 1 / (N * A),
        "with the scale 1/sqrt(T) of the number of tokens": 1 / math.sqrt(T),
        "with the scale A^(-1/4), for queries or keys alone": A**-0.25,
        "with the scale 0.125 of heads 64 wide": 0.125,
    }
    return {sentence: f for sentence, f in found.items() if f != 1 / math.sqrt(A)}


def of_looks(at: At) -> Mistakes:
    """Who may look at whom, where no mask says so."""
    yield "with a causal mask over all tokens", lambda at: where_not(scaled(at), ahead(at) > 0)
    yield (
        "with no look at the first token, the class token",
        lambda at: where_not(scaled(at), np.arange(at.keys().shape[2]) == 0),
    )
    yield "with no look at oneself", lambda at: where_not(scaled(at), ahead(at) == 0)
    S = at.keys().shape[2]
    if at.tower == "vision":
        for far in [*range(1, min(S - 1, 17)), *(2**i for i in range(5, 12) if 2**i < S - 1)]:
            yield (
                f"with a window: each token looks at its {far} neighbours on either side only",
                lambda at, f=far: where_not(scaled(at), np.abs(ahead(at)) > f),
            )


def less_the_highest(x: Array) -> Array:
    """Take the highest of each row away."""
    return x - x.max(axis=-1, keepdims=True)


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
    keys: Callable[[At], Array] = At.keys,
) -> Array:
    """Compute scores with another scale, of other queries and keys, rounded, masked or not."""
    q, k = of(by(at.near("q"))), of(by(keys(at)))
    factor = 1 / math.sqrt(q.shape[-1]) if factor is None else factor
    found = by(by(q @ k.swapaxes(-1, -2)) * np.float32(factor))
    given = at.mask()
    return found if given is None or not mask else found + given


def blocked(at: At) -> Array:
    """Tell which positions the mask blocks."""
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
    for sentence, other in OTHER_SOFTMAXES.items():
        yield sentence, lambda at, f=other: f(np.maximum(at.near("scores"), np.float32(-1e30)))
    yield (
        "with 0 for blocked scores before the softmax, not -inf",
        lambda at: softmax(where_not(at.near("scores"), at.near("scores") < BLOCKED, 0)),
    )
    yield "without softmax", lambda at: at.near("scores")
    for best in (1, 2, 4, 8, 16, 32, 64):
        yield (
            f"with the {best} largest weights of each row alone (top-k), not scaled up",
            lambda at, n=best: largest(softmax(at.near("scores")), n),
        )
        yield (
            f"with the {best} largest scores of each row alone (top-k)",
            lambda at, n=best: softmax(largest(at.near("scores"), n, -np.inf)),
        )
    yield from of_two_softmaxes(at)
    for name, half in HALVES.items():
        for how, wrong in rounded_softmaxes(half).items():
            yield how.format(name), lambda at, f=wrong: f(at.near("scores"))
    if at.mask() is not None:
        yield (
            "with the mask after the softmax: its rows do not sum to 1",
            lambda at: where_not(softmax(scaled(at, mask=0)), blocked(at), 0),
        )
        yield "without the mask", lambda at: softmax(scaled(at, mask=0))


OTHER_SOFTMAXES: dict[str, Callable[[Array], Array]] = {  # of scores without -inf
    "with softmax over the queries, axis -2": lambda x: over(x, -2),
    "with softmax over the heads, axis 1": lambda x: over(x, 1),
    "with softmax over queries and keys together": lambda x: over_both(x),
    "with exp alone: nothing to divide by": lambda x: powers(x),
    "with one more added to the sum of the softmax (off by one)": lambda x: one_more(x),
    "with a sigmoid in place of softmax": sigmoid,
    "with relu in place of softmax": lambda x: np.maximum(x, 0),
    "as logarithms (log-softmax)": lambda x: np.log(softmax(x)),
    "with powers of 2, not of e": lambda x: softmax(x * np.float32(math.log(2))),
    "with softmax applied twice": lambda x: softmax(softmax(x)),
}


def rounded_softmaxes(half: Round) -> dict[str, Callable[[Array], Array]]:
    """List the tensors of a softmax that may be rounded; sentences have room for the name."""
    return {
        "with softmax computed in {}": lambda x: half(softmax(half(x))),
        "with scores rounded to {}": lambda x: softmax(half(x)),
        "with the weights rounded to {}": lambda x: half(softmax(x)),
    }


def largest(x: Array, count: int, rest: float = 0.0) -> Array:
    """Keep the largest numbers of each row."""
    if x.shape[-1] <= count:
        raise KeyError("there are no more than that")
    least = np.sort(x, axis=-1)[..., -count, None]
    return np.where(x >= least, x, np.float32(rest))


def of_two_softmaxes(at: At) -> Mistakes:
    """A softmax for image tokens and one for words, as cross-attention would have."""
    memory = at.tensors.scene.ours.get("memory")
    if at.tower == "vision" or memory is None or at.near("scores").shape[-1] <= memory.shape[1]:
        return
    M = memory.shape[1]
    for factor, how in ((1.0, "added"), (0.5, "averaged")):
        yield (
            f"with a softmax for image tokens and one for words, each apart, {how}",
            lambda at, f=factor: np.float32(f) * apart(at.near("scores"), M),
        )


def apart(scores: Array, M: int) -> Array:
    """Take softmax over the first M keys, and over the others, where any are open."""
    parts = []
    for part in (scores[..., :M], scores[..., M:]):
        open_rows = (part > BLOCKED).any(axis=-1, keepdims=True)
        parts.append(np.where(open_rows, softmax(np.maximum(part, np.float32(-1e30))), 0))
    return np.concatenate(parts, axis=-1)


def over(x: Array, axis: int) -> Array:
    """Take softmax over another axis."""
    return np.moveaxis(softmax(np.moveaxis(x, axis, -1)), -1, axis)


def over_both(x: Array) -> Array:
    """Take softmax over the last two axes at once."""
    return softmax(x.reshape(*x.shape[:-2], -1)).reshape(x.shape)


def powers(x: Array) -> Array:
    """Raise e to the scores, the highest taken away."""
    return np.exp(x - x.max(axis=-1, keepdims=True))


def one_more(x: Array) -> Array:
    """Take softmax with 1 more in the denominator."""
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
    for whose, stale in stale_parts(at).items():
        yield (
            f"with {whose} values of the layer before, out of the cache",
            lambda at, s=stale: at.near("weights") @ from_layer_before(at, "v", s),
        )
    for by, whose in ((1, "before"), (-1, "behind")):
        yield (
            f"with the values shifted by one: of the token {whose}",
            lambda at, b=by: at.near("weights") @ np.roll(at.keys("v"), b, axis=-2),
        )
    N = at.near("weights").shape[1]
    for head in range(N):
        yield (
            f"with head {head} left out (zeros)",
            lambda at, n=head: but_head(at.near("weights") @ at.keys("v"), n),
        )
    yield "divided by the number of heads", lambda at: at.near("weights") @ at.keys("v") / N
    yield (
        f"with products {IN_TF32}",
        lambda at: tf32(at.near("weights")) @ tf32(at.keys("v")),
    )
    for name, half in HALVES.items():
        yield f"computed in {name}", lambda at, h=half: h(h(at.near("weights")) @ h(at.keys("v")))


def but_head(mixed: Array, head: int) -> Array:
    """Set what a head gives to zero: (B, N, T, A)."""
    kept = np.arange(mixed.shape[1]) != head
    return mixed * kept[:, None, None].astype(np.float32)


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
    for sentence, order in orders_of_heads(at.near("mixed").shape[1]).items():
        yield f"with the heads {sentence}", lambda at, o=order: flat(at.near("mixed")[:, o])
    yield (
        "with the sum of the heads for every head",
        lambda at: flat(
            np.broadcast_to(at.near("mixed").sum(axis=1, keepdims=True), at.near("mixed").shape)
        ),
    )
    yield (
        "with the mean of the heads for every head",
        lambda at: flat(
            np.broadcast_to(at.near("mixed").mean(axis=1, keepdims=True), at.near("mixed").shape)
        ),
    )


def of_attended(at: At) -> Mistakes:
    """The projection after attention."""
    yield "without the last projection of attention: it is missing", lambda at: at.near("joined")
