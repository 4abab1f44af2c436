"""Known mistakes of queries, keys and values: heads, the fused matrix, rotary positions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import permutations

import numpy as np

from ....model.layers import layer_norm, split_heads
from ....model.params import Array
from ..operations import operation_of
from ..scene import At, Operation
from .parts import PARTS, ROOT, Mistakes, length

Together = Iterator[tuple[str, dict[str, Operation]]]  # operations by the last part of names
MOST_HEADS = 64


def of_heads(at: At) -> Mistakes:
    """Queries, keys or values: how they are cut, turned, or taken for each other."""
    me = at.last
    for other in "qkv":
        if other != me:
            yield f"with our {other} in its place", lambda at, o=other: part(at, o)
            yield f"with the bias of {other}", lambda at, o=other: part(at, me, bias=o)
            yield (
                f"with the weight of {other}, its own bias",
                lambda at, o=other: part(at, o, bias=me),
            )
    for sentence, change in changed_heads(at.heads()).items():
        yield sentence, lambda at, c=change: c(operation_of(at.name)(at))
    if at.tower == "vision":
        yield "without the normalisation before it", lambda at: part(at, me, x=At.stream)
    else:
        yield "with the stream normalised first (pre-norm)", lambda at: part(at, me, x=pre_normed)


def changed_heads(N: int) -> dict[str, Callable[[Array], Array]]:
    """List what may be done to queries, keys or values of N heads: (B, N, T, A)."""
    grouped = {
        f"with the first of every {group} heads for all of them (grouped queries)": (
            lambda x, g=group: shared(x, g)
        )
        for group in range(2, N)
        if N % group == 0
    }
    return {
        "cut into A pieces of N numbers in place of N heads of A": woven,
        "reshaped to (B, N, T, A) without a transpose": reshaped,
        "multiplied by 1/sqrt(A) already": lambda x: x * root_of_width(x),
        "multiplied by A^(-1/4) already": lambda x: x * ROOT(root_of_width(x)),
        "with the first head for all (multi-query)": lambda x: shared(x, x.shape[1]),
        **grouped,
        **{
            f"with the heads {sentence}": lambda x, o=order: x[:, o]
            for sentence, order in orders_of_heads(N).items()
        },
        "with the rows of the matrix in reverse": lambda x: split_heads(
            flat(x)[..., ::-1], heads=x.shape[1]
        ),
        "normalised in each head (LayerNorm)": by_norm,
        "brought to length 1 in each head": lambda x: x / length(x),
        "normalised in each head (RMS)": by_rms,
    }


def of_values(at: At) -> Mistakes:
    """Keys and values of another layer: out of a cache, or shared between layers."""
    if at.layer > 0 and at.run:
        yield f"with the {at.last} of the layer before", lambda at: of_layer(at, at.layer - 1)
    if not at.run:
        for i in range(at.layer):
            yield f"with keys and values of layer {i} (shared)", lambda at, i=i: of_layer(at, i)


def of_layer(at: At, layer: int) -> Array:
    """Look up the same tensor in another layer."""
    return at.traced(f"{at.tower}.{layer}.{at.last}")


def part(at: At, which: str, *, bias: str = "", x: Operation = At.input) -> Array:
    """Compute queries, keys or values, with whose bias, of what."""
    block = at.block()
    weight = PARTS[which](block).weight
    product = x(at) @ weight.T + PARTS[bias or which](block).bias
    return split_heads(product, heads=at.heads())


def pre_normed(at: At) -> Array:
    """Normalise the stream before attention, which the text decoder does not."""
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


def orders_of_heads(N: int) -> dict[str, Array]:
    """List the orders that heads get into."""
    order = np.arange(N)
    return {
        "in reverse": order[::-1],
        "rolled by one": np.roll(order, 1),
        "rolled by one the other way": np.roll(order, -1),
    }


def by_norm(x: Array) -> Array:
    """Normalise each head by itself, without scale and shift."""
    rest = x - x.mean(axis=-1, keepdims=True)
    return rest / ROOT((rest * rest).mean(axis=-1, keepdims=True) + np.float32(1e-6))


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
            listed = ", ".join(order)
            yield (
                f"with {exchanged(order)}: {listed} in place of q, k, v (fused in that order)",
                {me: lambda at, o=of: part(at, o) for me, of in zip("qkv", order, strict=True)},
            )
            yield (
                f"with the biases in the order {listed}: its bias is that of another part",
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
    yield from of_other_heads(at)
    for sentence, turn in rotations().items():
        yield sentence, {me: lambda at, t=turn: t(operation_of(at.name)(at)) for me in "qk"}


def of_other_heads(at: At) -> Together:
    """Queries, keys and values cut into another number of heads; the rest goes by their sizes."""
    N, width = at.heads(), PARTS["q"](at.block()).weight.shape[0]
    for other in range(1, min(width, MOST_HEADS) + 1):
        if width % other == 0 and other != N:
            sentence = f"with {other} heads of {width // other} numbers, not {N} of {width // N}"
            yield sentence, dict.fromkeys("qkv", lambda at, n=other: cut_into(at, n))


def cut_into(at: At, heads: int) -> Array:
    """Compute queries, keys or values, and cut them into so many heads."""
    return split_heads(flat(operation_of(at.name)(at)), heads=heads)


def exchanged(order: tuple[str, ...]) -> str:
    """Say in words what an order of queries, keys and values is."""
    names = {"q": "queries", "k": "keys", "v": "values"}
    moved = [names[right] for right, now in zip("qkv", order, strict=True) if right != now]
    if len(moved) == 2:
        return f"{' and '.join(moved)} exchanged"
    return "queries, keys and values rolled"


def rotations() -> dict[str, Callable[[Array], Array]]:
    """List rotary positions: over which numbers, with which base, over how much of a head."""
    found: dict[str, Callable[[Array], Array]] = {}
    for halves, how in ((True, "halves of a head"), (False, "neighbouring numbers")):
        for base in (10000.0, 500000.0, 1000000.0, 100.0):
            which = "" if base == 10000.0 else f", base {base:g}"
            for share in (1, 2, 4):
                part = "" if share == 1 else f", of 1/{share} of it alone"
                found[f"with rotary positions (RoPE) over {how}{which}{part}"] = (
                    lambda x, h=halves, b=base, s=share: partly(x, x.shape[-1] // s, h, b)
                )
    return found


def partly(x: Array, width: int, halves: bool, base: float) -> Array:
    """Turn the first numbers of each head by their positions."""
    turned = rotary(x[..., :width], halves=halves, base=base)
    return np.concatenate([turned, x[..., width:]], axis=-1)


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
