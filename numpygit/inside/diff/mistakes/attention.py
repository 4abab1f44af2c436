"""Known mistakes of attention: heads, the fused matrix, scores, masks, softmax, values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import permutations

import numpy as np

from ....model.layers import layer_norm, softmax, split_heads
from ....model.params import Array
from ...record import BLOCKED
from ..operations import At, Operation, operation_of
from .parts import PARTS, ROOT, Mistakes, length, sigmoid
from .rounding import HALVES
from .text_ends import of_mask

Together = Iterator[tuple[str, dict[str, Operation]]]  # operations by the last part of names


def of_heads(at: At) -> Mistakes:
    """Queries, keys or values: how they are cut, turned, or taken for each other."""
    me = at.last

    def right(at: At) -> Array:
        return operation_of(at.name)(at)

    for other in "qkv":
        if other != me:
            yield f"with our {other} in its place", lambda at, o=other: part(at, o)
            yield f"with the bias of {other}", lambda at, o=other: part(at, me, bias=o)
            yield (
                f"with the weight of {other}, its own bias",
                lambda at, o=other: part(at, o, bias=me),
            )
    yield "cut into A pieces of N numbers in place of N heads of A", lambda at: woven(right(at))
    yield "reshaped to (B, N, T, A) without a transpose", lambda at: reshaped(right(at))
    yield "multiplied by 1/sqrt(A) already", lambda at: right(at) * root_of_width(right(at))
    yield "multiplied by A^(-1/4) already", lambda at: right(at) * ROOT(root_of_width(right(at)))
    yield "with the heads in reverse", lambda at: right(at)[:, ::-1]
    yield (
        "with the first head for all (multi-query)",
        lambda at: shared(right(at), right(at).shape[1]),
    )
    N = right(at).shape[1]
    for group in range(2, N):
        if N % group == 0:
            sentence = f"with the first of every {group} heads for all of them (grouped queries)"
            yield sentence, lambda at, g=group: shared(right(at), g)
    yield "brought to length 1 in each head", lambda at: right(at) / length(right(at))
    yield "normalised in each head (RMS)", lambda at: by_rms(right(at))
    if at.tower == "vision":
        yield "without the normalisation before it", lambda at: part(at, me, x=At.stream)
    else:
        yield "with the stream normalised first (pre-norm)", lambda at: part(at, me, x=pre_normed)


def of_values(at: At) -> Mistakes:
    """Where the cache holds what it should not: of a cached run."""
    if at.layer > 0:
        yield f"with the {at.last} of the layer before", lambda at: layer_before(at)


def layer_before(at: At) -> Array:
    """Look up the same tensor one layer before."""
    return at.traced(f"{at.tower}.{at.layer - 1}.{at.last}")


def part(at: At, which: str, *, bias: str = "", x: Operation = At.input) -> Array:
    """Compute queries, keys or values, with whose bias, of what."""
    block = at.block()
    weight = PARTS[which](block).weight
    product = x(at) @ weight.T + PARTS[bias or which](block).bias
    return split_heads(product, heads=at.heads())


def pre_normed(at: At) -> Array:
    """Normalise the stream before attention, which the text tower does not."""
    return layer_norm(at.stream(), at.block().attention_norm, eps=at.eps())


def flat(x: Array) -> Array:
    """Lay the heads side by side: (B, N, T, A) -> (B, T, N * A)."""
    B, N, T, A = x.shape
    return x.transpose(0, 2, 1, 3).reshape(B, T, N * A)


def woven(x: Array) -> Array:
    """Cut (B, T, D) into A pieces of N numbers."""
    B, N, T, A = x.shape
    return flat(x).reshape(B, T, A, N).transpose(0, 3, 1, 2)


def reshaped(x: Array) -> Array:
    """Reshape (B, T, D) to (B, N, T, A) directly."""
    return flat(x).reshape(x.shape)


def root_of_width(x: Array) -> np.float32:
    """Get 1/sqrt(A)."""
    return np.float32(1 / math.sqrt(x.shape[-1]))


def shared(x: Array, group: int) -> Array:
    """Use the first head of every group for all of the group."""
    return x[:, ::group].repeat(group, axis=1)[:, : x.shape[1]]


def by_rms(x: Array) -> Array:
    """Divide by the root of the mean square of each head."""
    return x / ROOT((x * x).mean(axis=-1, keepdims=True) + np.float32(1e-6))


def rotary(x: Array, start: int = 0, *, halves: bool, base: float = 10000.0) -> Array:
    """Turn pairs of numbers by an angle that grows with the position (RoPE)."""
    A = x.shape[-1]
    place = np.arange(start, start + x.shape[2])
    angle = place[:, None] * base ** (-np.arange(0, A // 2 * 2, 2) / A)  # (T, A / 2)
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    if halves:
        a, b = x[..., : A // 2], x[..., A // 2 :]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
    a, b = x[..., ::2], x[..., 1::2]
    return np.stack([a * cos - b * sin, b * cos + a * sin], axis=-1).reshape(x.shape)


def of_fused(at: At) -> Together:
    """One matrix of queries, keys and values, cut in another order."""
    for order in permutations("qkv"):
        if order != ("q", "k", "v"):
            said = ", ".join(order)
            yield (
                f"with {exchanged(order)}: {said} in place of q, k, v (fused in that order)",
                {me: lambda at, o=of: part(at, o) for me, of in zip("qkv", order, strict=True)},
            )
            yield (
                f"with the biases in the order {said}: its bias is that of another part",
                {
                    me: lambda at, m=me, o=of: part(at, m, bias=o)
                    for me, of in zip("qkv", order, strict=True)
                },
            )
    for sentence, shape in (
        ("with the fused matrix cut head by head, (N, 3, A)", (-1, 3, 0)),
        ("with the fused matrix cut number by number, (N, A, 3)", (-1, 0, 3)),
        ("with the fused matrix cut number by number, (A, N, 3)", (0, -1, 3)),
        ("with the fused matrix cut number by number, (A, 3, N)", (0, 3, -1)),
    ):
        for with_bias in (True, False):
            tail = "" if with_bias else ", the biases apart"
            yield (
                sentence + tail,
                {
                    me: lambda at, s=shape, i=i, w=with_bias: cut_fused(at, s, i, w)
                    for i, me in enumerate("qkv")
                },
            )
    for halves, how in ((True, "halves of a head"), (False, "neighbouring numbers")):
        yield (
            f"with rotary positions (RoPE) over {how}",
            {me: lambda at, h=halves: turned(at, h) for me in "qk"},
        )


def exchanged(order: tuple[str, ...]) -> str:
    """Say in words what an order of queries, keys and values is."""
    names = {"q": "queries", "k": "keys", "v": "values"}
    moved = [names[right] for right, now in zip("qkv", order, strict=True) if right != now]
    if len(moved) == 2:
        return f"{' and '.join(moved)} exchanged"
    return "queries, keys and values rolled"


def turned(at: At, halves: bool) -> Array:
    """Compute queries or keys, and turn them by their positions."""
    return rotary(operation_of(at.name)(at), halves=halves)


def cut_fused(at: At, shape: tuple[int, ...], which: int, with_bias: bool) -> Array:
    """Cut the product with the fused matrix otherwise: shape has -1 for N and 0 for A."""
    block, x, N = at.block(), at.input(), at.heads()
    weight = np.concatenate([PARTS[part](block).weight for part in "qkv"])
    bias = np.concatenate([PARTS[part](block).bias for part in "qkv"])
    product = x @ weight.T + (bias if with_bias else 0)
    B, T, _ = product.shape
    A = weight.shape[1] // N
    sizes = [{-1: N, 0: A}.get(size, size) for size in shape]
    axes = [2 + shape.index(wanted) for wanted in (-1, 0)]
    cut = product.reshape(B, T, *sizes)
    taken = cut.transpose(2 + shape.index(3), 0, axes[0], 1, axes[1])[which]
    own = PARTS["qkv"[which]](block).bias.reshape(N, 1, A)
    return taken if with_bias else taken + own


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
