"""Known mistakes between the towers: the times of frames, the projection, its normalisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import numpy as np

from ....model.layers import ACTIVATIONS, layer_norm, linear
from ....model.params import Array
from ..operations import by_frame, clip_tokens, last_picture_layer, picture_side
from ..scene import At
from .parts import Mistakes, length

Change = Callable[[Array], Array]


def of_clip_tokens(at: At) -> Mistakes:
    """Times of frames, and how frames stand one after the other."""
    yield from of_times(at)
    for sentence, change in FRAMES.items():
        yield sentence, lambda at, c=change: in_a_row(c(timed(at)))
    yield (
        "with the frames in reverse, the times as they were",
        lambda at: in_a_row(by_frame(at)[:, ::-1] + times_of(at)),
    )
    for order in other_orders(by_frame(at).shape[1]):
        listed = ", ".join(str(i) for i in order)
        yield (
            f"with the frames in another order ({listed}), each with its own time",
            lambda at, o=order: in_a_row(timed(at)[:, o]),
        )
        yield (
            f"with the frames in another order ({listed}), the times as they were",
            lambda at, o=order: in_a_row(by_frame(at)[:, o] + times_of(at)),
        )
    yield "with the mean of all frames, once", lambda at: timed(at).mean(axis=1)
    yield "with the first frame alone", lambda at: timed(at)[:, 0]
    yield (
        "with the frames side by side in the width",
        lambda at: timed(at).transpose(0, 2, 1, 3).reshape(len(timed(at)), timed(at).shape[2], -1),
    )


def other_orders(frames: int) -> list[list[int]]:
    """List orders of a few frames: all of up to four, else two exchanged, or by name as text."""
    right = list(range(frames))
    if frames <= 4:
        found = [list(order) for order in permutations(right)]
    else:
        found = [exchanged(right, i, j) for i in right for j in right[i + 1 :]]
        found += [sorted(right, key=str), [*right[1:], 0], [frames - 1, *right[:-1]]]
    return [order for order in found if order not in (right, right[::-1])]


def exchanged(order: list[int], i: int, j: int) -> list[int]:
    """Exchange two of a list."""
    order = order.copy()
    order[i], order[j] = order[j], order[i]
    return order


def times_of(at: At) -> Array:
    """Get the times of as many frames as there are: (frames, 1, D)."""
    params, _ = at.model()
    times: Array = params.vision.temporal_embedding[: by_frame(at).shape[1], None]
    return times


def timed(at: At) -> Array:
    """Add the times, frame by frame: (B, frames, P + 1, D)."""
    return by_frame(at) + times_of(at)


def in_a_row(x: Array) -> Array:
    """Put the tokens of all frames in a row: (B, frames, tokens, D) -> (B, M, D)."""
    return x.reshape(x.shape[0], -1, x.shape[-1])


FRAMES: dict[str, Change] = {  # of tokens that have their times
    "with the frames woven together, token by token": lambda x: x.swapaxes(1, 2),
    "with the mean of all frames in place of each": lambda x: mean_of(x),
    "with the first frame in place of each": lambda x: first_of(x),
    "with the last frame in place of each": lambda x: first_of(x[:, ::-1]),
    "with the frames in reverse, each with its time": lambda x: x[:, ::-1],
    "with the class tokens dropped": lambda x: x[:, :, 1:],
    "with the class tokens of frames alone": lambda x: x[:, :, :1],
}


def of_times(at: At) -> Mistakes:
    """The times of frames: others, in another order, or for some of the tokens."""
    params, _ = at.model()
    table, frames = params.vision.temporal_embedding, by_frame(at).shape[1]
    changes: dict[str, Change] = {
        "without the times of the frames": lambda own: 0 * own,
        "with the times in reverse": lambda own: own[::-1],
        "with the last times in place of the first": lambda own: table[-frames:, None],
        "with the first frame's time for all": lambda own: own[:1],
        "with the times rolled: each frame has that of the next frame": (
            lambda own: np.roll(own, -1, axis=0)
        ),
        "with the times rolled: each frame has that of the frame before": (
            lambda own: np.roll(own, 1, axis=0)
        ),
        "with the times added twice": lambda own: own + own,
        "with the times taken away, not added": lambda own: -own,
        "with the times brought to length 1": lambda own: own / length(own),
    }
    if len(table) > frames:
        late = table[1 : frames + 1, None]
        changes["with the times one frame too late (counted from 1)"] = lambda own: late
    for sentence, change in changes.items():
        yield sentence, lambda at, c=change: in_a_row(by_frame(at) + c(times_of(at)))
    yield (
        "with the times token by token (i modulo the frames), not frame by frame",
        lambda at: in_a_row(by_frame(at) + by_token(times_of(at), by_frame(at).shape[2])),
    )
    yield (
        "with the times for class tokens alone",
        lambda at: in_a_row(on_class(by_frame(at), times_of(at))),
    )
    yield (
        "with the times for patches alone, not for class tokens",
        lambda at: in_a_row(on_class(timed(at), -times_of(at))),
    )


def by_token(times: Array, tokens: int) -> Array:
    """Give each token the time of its position modulo the frames: (frames, 1, D) -> (tokens, D)."""
    return times[np.arange(tokens) % len(times), 0]


def on_class(x: Array, times: Array) -> Array:
    """Add times to class tokens alone."""
    x = x.copy()
    x[:, :, :1] += times
    return x


def mean_of(x: Array) -> Array:
    """Put the mean of frames in place of each."""
    return np.broadcast_to(x.mean(axis=1, keepdims=True), x.shape)


def first_of(x: Array) -> Array:
    """Put the first frame in place of each."""
    return np.broadcast_to(x[:, :1], x.shape)


def of_projected(at: At) -> Mistakes:
    """What goes into the matrix between the towers."""
    params, _ = at.model()
    p = params.text.projection
    is_clip = "clip_tokens" in at.tensors.scene.ours
    if is_clip:
        yield (
            "without the times of the frames",
            lambda at: linear(by_frame(at).reshape(clip_tokens(at).shape), p),
        )
    for i, time in enumerate(params.vision.temporal_embedding if not is_clip else []):
        yield (
            f"with the time of frame {i} added to a still",
            lambda at, t=time: linear(picture_side(at) + t, p),
        )
    yield (
        "of tokens that were not normalised behind the last layer",
        lambda at: linear(last_picture_layer(at).reshape(picture_side(at).shape), p),
    )
    depth = len(params.vision.blocks)
    if depth > 1:
        yield (
            "of the stream behind the layer before the last (the penultimate layer)",
            lambda at: linear(
                at.tensors[f"vision.{depth - 2}.x"].reshape(picture_side(at).shape), p
            ),
        )
    for sentence, change in TOKENS_KEPT.items():
        yield sentence, lambda at, c=change: linear(c(picture_side(at)), p)
    norm, eps = params.text.projection_norm, at.model()[1].vision_config.layer_norm_eps
    yield (
        "with its normalisation before it, not behind",
        lambda at: linear(layer_norm(picture_side(at), norm, eps=eps), p),
    )


TOKENS_KEPT: dict[str, Change] = {
    "with the class token dropped": lambda x: x[:, 1:],
    "with the class token alone": lambda x: x[:, :1],
    "with the last image token dropped": lambda x: x[:, :-1],
    "with the first and the last image token dropped": lambda x: x[:, 1:-1],
    "with the mean of all image tokens alone": lambda x: x.mean(axis=1, keepdims=True),
    "with the mean of all image tokens for each": lambda x: mean_of(x),
    "with the image tokens in reverse": lambda x: x[:, ::-1],
    "with the class token behind the patches": lambda x: np.roll(x, -1, axis=1),
}


def of_memory(at: At) -> Mistakes:
    """What is done behind the matrix between the towers."""
    params, config = at.model()
    p, eps = params.text.projection_norm, config.vision_config.layer_norm_eps

    def projected(at: At) -> Array:
        return at.tensors["projected"]

    def normed(at: At) -> Array:
        return layer_norm(projected(at), p, eps=eps)

    for name in ("gelu", "gelu_new", "quick_gelu", "relu", "silu"):
        f = ACTIVATIONS[name]
        yield (
            f"with {name} between the projection and its normalisation",
            lambda at, f=f: layer_norm(f(projected(at)), p, eps=eps),
        )
        yield f"with {name} behind the normalisation", lambda at, f=f: f(normed(at))
    yield "with tanh behind the normalisation", lambda at: np.tanh(normed(at))
    yield (
        "brought to length 1 behind the normalisation (length 1)",
        lambda at: normed(at) / length(normed(at)),
    )
    root = np.float32(math.sqrt(len(p.weight)))
    yield "multiplied by sqrt(D)", lambda at: normed(at) * root
    yield "divided by sqrt(D)", lambda at: normed(at) / root
    yield (
        "with the normalisation of the words",
        lambda at: layer_norm(projected(at), params.text.embedding_norm, eps=eps),
    )
    yield (
        "with the normalisation of the words behind it",
        lambda at: layer_norm(normed(at), params.text.embedding_norm, eps=config.embedding_eps),
    )
    for sentence, change in TOKENS_KEPT.items():
        yield sentence, lambda at, c=change: c(normed(at))
    if "clip_tokens" in at.tensors.scene.ours:
        yield from of_late_times(at)


def of_late_times(at: At) -> Mistakes:
    """Times of frames that are added behind the projection."""
    params, config = at.model()
    p, norm, eps = params.text.projection, params.text.projection_norm, config.vision_config
    for behind in ("projection", "normalisation"):

        def late(at: At, behind: str = behind) -> Array:
            tokens = by_frame(at)
            times = np.broadcast_to(times_of(at), tokens.shape[1:])
            added = times.reshape(1, -1, times.shape[-1])
            x = linear(in_a_row(tokens), p)
            if behind == "projection":
                return layer_norm(x + added, norm, eps=eps.layer_norm_eps)
            return layer_norm(x, norm, eps=eps.layer_norm_eps) + added

        yield f"with the times of frames added behind the {behind}", late


BRIDGE: dict[str, Callable[[At], Mistakes]] = {
    "clip_tokens": of_clip_tokens,
    "projected": of_projected,
    "memory": of_memory,
}
