"""Known mistakes of the picture's ends: patches, places, the last norm, clips, the bridge.

As in the layers, a mistake is a sentence and an operation to do in place of the right one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ....model.layers import ACTIVATIONS, layer_norm, linear
from ....model.params import Array
from ..operations import (
    At,
    by_frame,
    class_and_patches,
    clip_tokens,
    last_picture_layer,
    operation_of,
    picture_places,
    picture_side,
)
from .parts import Mistakes, length, sines
from .rounding import HALVES, OF_WEIGHTS

# ---------------------------------------------------------------- squares and their places


def side_of(at: At) -> tuple[int, int]:
    """Count rows and columns of squares."""
    _, config = at.model()
    H, W = at.tensors["pixels"].shape[-2:]
    return H // config.vision_config.patch_size, W // config.vision_config.patch_size


def of_patch_tokens(at: At) -> Mistakes:
    """Squares cut in another order, or with their numbers in another order."""
    params, config = at.model()
    patch, W = config.vision_config.patch_size, params.vision.patch_embedding
    kernel = W.reshape(len(W), -1, patch, patch)
    rows, columns = side_of(at)
    yield (
        "with the squares column by column",
        lambda at: regrouped(
            operation_of(at.name)(at), rows, columns, lambda grid: grid.swapaxes(1, 2)
        ),
    )
    yield (
        "with the squares from bottom to top",
        lambda at: regrouped(operation_of(at.name)(at), rows, columns, lambda grid: grid[:, ::-1]),
    )
    yield (
        "with the squares from right to left",
        lambda at: regrouped(
            operation_of(at.name)(at), rows, columns, lambda grid: grid[:, :, ::-1]
        ),
    )
    for sentence, turned in [
        ("the kernel's height and width exchanged", kernel.swapaxes(-1, -2)),
        ("the colours of the kernel reversed", kernel[:, ::-1]),
        (
            "the kernel turned half around, as in a true convolution (flipped)",
            kernel[..., ::-1, ::-1],
        ),
        ("the kernel mirrored", kernel[..., ::-1]),
        ("the kernel upside down", kernel[..., ::-1, :]),
        ("a square's numbers in the order (H, W, C)", hwc_of(kernel)),
        ("the kernel's numbers in the order (H, W, C)", kernel.transpose(0, 2, 3, 1)),
        ("the kernel read as (3, h, w, D)", first_axis_last(kernel)),
        *((f"weights in {name}", rounded(W)) for name, rounded in OF_WEIGHTS.items()),
    ]:
        yield (
            f"with {sentence}",
            lambda at, k=turned: at.tensors["vision.patches"] @ flat_kernel(k).T,
        )
    for name, half in HALVES.items():
        yield f"computed in {name}", lambda at, h=half: h(h(at.tensors["vision.patches"]) @ h(W).T)


def flat_kernel(kernel: Array) -> Array:
    """Lay a kernel out as a matrix."""
    return kernel.reshape(len(kernel), -1)


def hwc_of(kernel: Array) -> Array:
    """Read a square as (H, W, C) while the kernel is (C, H, W)."""
    D, C, h, w = kernel.shape
    return kernel.reshape(D, h, w, C).transpose(0, 3, 1, 2)


def first_axis_last(kernel: Array) -> Array:
    """Read (D, C, h, w) as if D were the last axis."""
    return kernel.reshape(-1, len(kernel)).T


def regrouped(x: Array, rows: int, columns: int, change: Callable[[Array], Array]) -> Array:
    """Put squares into another order."""
    B, P, D = x.shape
    return change(x.reshape(B, rows, columns, D)).reshape(B, P, D)


def of_embedded(at: At) -> Mistakes:
    """The class token, and the places."""
    rows, columns = side_of(at)

    def first(at: At) -> Array:
        return class_and_patches(at)

    def last(at: At) -> Array:
        return np.roll(class_and_patches(at), -1, axis=1)

    places = picture_places
    yield (
        "with the class token behind the squares, its place with it",
        lambda at: last(at) + np.roll(places(at), -1, axis=0),
    )
    yield (
        "with the class token behind the squares, the places as before",
        lambda at: last(at) + places(at),
    )
    yield "without places", first
    yield "with the places added twice", lambda at: first(at) + places(at) + places(at)
    yield "with the places taken away, not added", lambda at: first(at) - places(at)
    yield "with the places one token later", lambda at: first(at) + np.roll(places(at), 1, axis=0)
    yield (
        "with the places one token earlier",
        lambda at: first(at) + np.roll(places(at), -1, axis=0),
    )
    yield "with zeros for the class token", lambda at: zeroed_class(at) + places(at)
    yield (
        "without a place for the class token",
        lambda at: (
            first(at) + places(at) - np.eye(1, len(places(at)), dtype=np.float32).T * places(at)[0]
        ),
    )
    for how, change in (
        ("column by column (turned)", lambda grid: grid.swapaxes(1, 2)),
        ("from bottom to top", lambda grid: grid[:, ::-1]),
        ("from right to left", lambda grid: grid[:, :, ::-1]),
        ("in reverse", lambda grid: grid[:, ::-1, ::-1]),
    ):
        yield (
            f"with the places {how}",
            lambda at, c=change: first(at) + regrouped_places(places(at), rows, columns, c),
        )
    yield (
        "with all places in reverse, that of the class token too",
        lambda at: first(at) + places(at)[::-1],
    )
    for which in (True, False):
        how = "alternating" if which else "in halves"
        yield (
            f"with places made of sines and cosines ({how}), not learned ones",
            (lambda at, w=which: first(at) + sines(*places(at).shape, alternating=w)),
        )
    yield "with the first place for every token", lambda at: first(at) + places(at)[:1]
    yield (
        "multiplied by sqrt(D) before the places",
        lambda at: first(at) * np.float32(math.sqrt(first(at).shape[-1])) + places(at),
    )
    yield "with the mean of the squares as the class token", lambda at: mean_class(at) + places(at)
    yield "with the class token dropped", lambda at: (first(at) + places(at))[:, 1:]


def regrouped_places(
    places: Array, rows: int, columns: int, change: Callable[[Array], Array]
) -> Array:
    """Put the places of squares into another order; that of the class token stays."""
    grid = regrouped(places[None, 1:], rows, columns, change)[0]
    return np.concatenate([places[:1], grid])


def zeroed_class(at: At) -> Array:
    """Put zeros in front of the squares."""
    tokens = class_and_patches(at).copy()
    tokens[:, 0] = 0
    return tokens


def mean_class(at: At) -> Array:
    """Put the mean of the squares in front of them."""
    tokens = class_and_patches(at).copy()
    tokens[:, 0] = tokens[:, 1:].mean(axis=1)
    return tokens


def of_image_tokens(at: At) -> Mistakes:
    """What is done behind the last layer of the picture tower."""

    def class_only(at: At) -> Array:
        tokens = last_picture_layer(at).copy()
        tokens[:, :1] = operation_of(at.name)(at)[:, :1]
        return tokens

    yield "with the last normalisation for the class token alone, as in CLIP", class_only
    yield "with the class token dropped", lambda at: operation_of(at.name)(at)[:, 1:]
    yield "with the class token alone", lambda at: operation_of(at.name)(at)[:, :1]
    yield "with the mean of all tokens for each", lambda at: spread(operation_of(at.name)(at))
    params, _ = at.model()
    depth = len(params.vision.blocks)
    for layer in range(max(0, depth - 3), depth - 1):
        sentence = f"with the stream behind layer {layer}, not behind the last (layer {depth - 1})"
        which = " (the penultimate layer)" if layer == depth - 2 else ""
        yield (
            sentence + which,
            lambda at, i=layer: layer_norm(
                at.tensors[f"vision.{i}.x"], params.vision.post_norm, eps=at.eps()
            ),
        )
        yield f"{sentence}, not normalised", lambda at, i=layer: at.tensors[f"vision.{i}.x"]


def spread(x: Array) -> Array:
    """Give every token the mean of all."""
    return np.broadcast_to(x.mean(axis=1, keepdims=True), x.shape)


# ---------------------------------------------------------------- clips and the bridge


def of_clip_tokens(at: At) -> Mistakes:
    """Times of frames, and how frames stand one after the other."""
    params, _ = at.model()
    times = params.vision.temporal_embedding
    frames = by_frame(at).shape[1]
    own = times[:frames, None]

    def joined(x: Array) -> Array:
        return x.reshape(x.shape[0], -1, x.shape[-1])

    def timed(at: At) -> Array:
        return by_frame(at) + own

    yield "without the times of the frames", lambda at: joined(by_frame(at))
    yield (
        "with the frames woven together, token by token",
        lambda at: joined(timed(at).swapaxes(1, 2)),
    )
    yield "with the times in reverse", lambda at: joined(by_frame(at) + own[::-1])
    yield (
        "with the last times in place of the first",
        lambda at: joined(by_frame(at) + times[-frames:, None]),
    )
    yield "with the first frame's time for all", lambda at: joined(by_frame(at) + own[:1])
    yield (
        "with the times rolled: each frame has that of the next frame",
        lambda at: joined(by_frame(at) + np.roll(own, -1, axis=0)),
    )
    if len(times) > frames:
        yield (
            "with the times one frame too late (counted from 1)",
            lambda at: joined(by_frame(at) + times[1 : frames + 1, None]),
        )
    yield (
        "with the times rolled: each frame has that of the frame before",
        lambda at: joined(by_frame(at) + np.roll(own, 1, axis=0)),
    )
    yield "with the times added twice", lambda at: joined(timed(at) + own)
    yield "with the times taken away, not added", lambda at: joined(by_frame(at) - own)
    yield "with the times for class tokens alone", lambda at: joined(on_class(by_frame(at), own))
    yield (
        "with the times for squares alone, not for class tokens",
        lambda at: joined(timed(at) - own * np.eye(1, by_frame(at).shape[2], dtype=np.float32).T),
    )
    yield "with the mean of all frames in place of each", lambda at: joined(mean_of(timed(at)))
    yield "with the first frame in place of each", lambda at: joined(first_of(timed(at)))
    yield "with the last frame in place of each", lambda at: joined(first_of(timed(at)[:, ::-1]))
    yield "with the frames in reverse, each with its time", lambda at: joined(timed(at)[:, ::-1])
    yield (
        "with the frames in reverse, the times as they were",
        lambda at: joined(by_frame(at)[:, ::-1] + own),
    )
    yield "with the mean of all frames, once", lambda at: timed(at).mean(axis=1)
    yield "with the first frame alone", lambda at: timed(at)[:, 0]
    yield "with the class tokens dropped", lambda at: joined(timed(at)[:, :, 1:])
    yield "with the class tokens of frames alone", lambda at: joined(timed(at)[:, :, :1])
    yield (
        "with the frames side by side in the width",
        lambda at: timed(at).transpose(0, 2, 1, 3).reshape(len(timed(at)), timed(at).shape[2], -1),
    )


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
    yield "with the class token dropped", lambda at: linear(picture_side(at)[:, 1:], p)
    yield "with the class token alone", lambda at: linear(picture_side(at)[:, :1], p)


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
    yield "with the class token dropped", lambda at: normed(at)[:, 1:]


PICTURE_ENDS: dict[str, Callable[[At], Mistakes]] = {
    "vision.patch_tokens": of_patch_tokens,
    "vision.embedded": of_embedded,
    "vision.image_tokens": of_image_tokens,
    "clip_tokens": of_clip_tokens,
    "projected": of_projected,
    "memory": of_memory,
}
