"""Known mistakes of the vision encoder's ends: patches, positions, the last normalisation.

As in the layers, a mistake is a sentence and an operation to do in place of the right one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ....model.layers import layer_norm
from ....model.params import Array
from ..operations import class_and_patches, last_picture_layer, operation_of, picture_positions
from ..rounding import HALVES, OF_WEIGHTS
from ..scene import At
from .blocks import through
from .parts import Mistakes, sines

# ---------------------------------------------------------------- patches and their positions


def side_of(at: At) -> tuple[int, int]:
    """Count rows and columns of patches."""
    _, config = at.model()
    H, W = at.tensors["pixels"].shape[-2:]
    return H // config.vision_config.patch_size, W // config.vision_config.patch_size


Change = Callable[[Array], Array]


def of_patch_tokens(at: At) -> Mistakes:
    """Patches cut in another order, or with their numbers in another order."""
    params, config = at.model()
    patch, W = config.vision_config.patch_size, params.vision.patch_embedding
    rows, columns = side_of(at)
    for order, change in GRIDS.items():
        yield (
            f"with the patches {order}",
            lambda at, c=change: regrouped(operation_of(at.name)(at), rows, columns, c),
        )
    for sentence, turned in turned_kernels(W.reshape(len(W), -1, patch, patch)).items():
        yield (
            f"with {sentence}",
            lambda at, k=turned: at.tensors["vision.patches"] @ flat_kernel(k).T,
        )
    for name, rounded in OF_WEIGHTS.items():
        yield (
            f"with weights in {name}",
            lambda at, r=rounded: at.tensors["vision.patches"] @ r(W).T,
        )
    for name, half in HALVES.items():
        yield f"computed in {name}", lambda at, h=half: h(h(at.tensors["vision.patches"]) @ h(W).T)


GRIDS: dict[str, Change] = {  # of (B, rows, columns, D)
    "column by column": lambda grid: grid.swapaxes(1, 2),
    "from bottom to top": lambda grid: grid[:, ::-1],
    "from right to left": lambda grid: grid[:, :, ::-1],
    "in reverse": lambda grid: grid[:, ::-1, ::-1],
}


def turned_kernels(kernel: Array) -> dict[str, Array]:
    """List the ways to read a kernel (D, C, h, w), or a patch, in another order."""
    return {
        "the kernel's height and width exchanged": kernel.swapaxes(-1, -2),
        "the colours of the kernel reversed": kernel[:, ::-1],
        "the kernel turned half around, as in a true convolution (flipped)": (
            kernel[..., ::-1, ::-1]
        ),
        "the kernel mirrored": kernel[..., ::-1],
        "the kernel upside down": kernel[..., ::-1, :],
        "a patch's numbers in the order (H, W, C)": hwc_of(kernel),
        "the kernel's numbers in the order (H, W, C)": kernel.transpose(0, 2, 3, 1),
        "the mean of the kernel's colours for each of them (grey)": np.broadcast_to(
            kernel.mean(axis=1, keepdims=True), kernel.shape
        ),
        "the kernel rolled by a pixel to the right": np.roll(kernel, 1, axis=-1),
        "the kernel rolled by a pixel to the left": np.roll(kernel, -1, axis=-1),
        "the kernel rolled by a pixel down": np.roll(kernel, 1, axis=-2),
        "the kernel rolled by a pixel up": np.roll(kernel, -1, axis=-2),
        "the kernel read as (3, h, w, D)": first_axis_last(kernel),
    }


def flat_kernel(kernel: Array) -> Array:
    """Lay a kernel out as a matrix."""
    return kernel.reshape(len(kernel), -1)


def hwc_of(kernel: Array) -> Array:
    """Read a patch as (H, W, C) while the kernel is (C, H, W)."""
    D, C, h, w = kernel.shape
    return kernel.reshape(D, h, w, C).transpose(0, 3, 1, 2)


def first_axis_last(kernel: Array) -> Array:
    """Read (D, C, h, w) as if D were the last axis."""
    return kernel.reshape(-1, len(kernel)).T


def regrouped(x: Array, rows: int, columns: int, change: Callable[[Array], Array]) -> Array:
    """Put patches into another order."""
    B, P, D = x.shape
    return change(x.reshape(B, rows, columns, D)).reshape(B, P, D)


def of_embedded(at: At) -> Mistakes:
    """The class token, and the positions."""
    yield from of_class_token()
    yield from of_added_places()
    yield from of_other_places(*side_of(at))


def of_class_token() -> Mistakes:
    """Another class token, or at another place."""

    def behind(at: At) -> Array:
        return np.roll(class_and_patches(at), -1, axis=1)

    yield (
        "with the class token behind the patches, its position with it",
        lambda at: behind(at) + np.roll(picture_positions(at), -1, axis=0),
    )
    yield (
        "with the class token behind the patches, the positions as before",
        lambda at: behind(at) + picture_positions(at),
    )
    yield "with zeros for the class token", lambda at: zeroed_class(at) + picture_positions(at)
    yield (
        "with the mean of the patches as the class token",
        lambda at: mean_class(at) + picture_positions(at),
    )
    yield (
        "with the class token dropped",
        lambda at: (class_and_patches(at) + picture_positions(at))[:, 1:],
    )


def of_added_places() -> Mistakes:
    """How often the positions are added, and to what."""
    tokens, positions = class_and_patches, picture_positions
    yield "without positions", tokens
    yield (
        "with the first position, that of the class token, added to every token too",
        lambda at: tokens(at) + positions(at) + positions(at)[:1],
    )
    yield "with the positions added twice", lambda at: tokens(at) + positions(at) + positions(at)
    yield "with the positions taken away, not added", lambda at: tokens(at) - positions(at)
    yield (
        "without a position for the class token",
        lambda at: tokens(at) + np.concatenate([0 * positions(at)[:1], positions(at)[1:]]),
    )
    yield (
        "multiplied by sqrt(D) before the positions",
        lambda at: tokens(at) * np.float32(math.sqrt(tokens(at).shape[-1])) + positions(at),
    )


def of_other_places(rows: int, columns: int) -> Mistakes:
    """Positions in another order, or other ones; `change` is of all of them, (P + 1, D)."""
    changes: list[tuple[str, Change]] = [
        ("the positions one token later", lambda positions: np.roll(positions, 1, axis=0)),
        ("the positions one token earlier", lambda positions: np.roll(positions, -1, axis=0)),
        (
            "all positions in reverse, that of the class token too",
            lambda positions: positions[::-1],
        ),
        ("the first position for every token", lambda positions: positions[:1]),
        *(
            (
                f"positions made of sines and cosines ({how}), not learned ones",
                lambda positions, w=which: sines(*positions.shape, alternating=w),
            )
            for which, how in ((True, "alternating"), (False, "in halves"))
        ),
        *(
            (
                f"the positions {how}",
                lambda positions, c=change: regrouped_positions(positions, rows, columns, c),
            )
            for how, change in GRIDS.items()
        ),
    ]
    for sentence, change in changes:
        yield (
            f"with {sentence}",
            lambda at, c=change: class_and_patches(at) + c(picture_positions(at)),
        )


def regrouped_positions(
    positions: Array, rows: int, columns: int, change: Callable[[Array], Array]
) -> Array:
    """Put the positions of patches into another order; that of the class token stays."""
    grid = regrouped(positions[None, 1:], rows, columns, change)[0]
    return np.concatenate([positions[:1], grid])


def zeroed_class(at: At) -> Array:
    """Put zeros in front of the patches."""
    tokens = class_and_patches(at).copy()
    tokens[:, 0] = 0
    return tokens


def mean_class(at: At) -> Array:
    """Put the mean of the patches in front of them."""
    tokens = class_and_patches(at).copy()
    tokens[:, 0] = tokens[:, 1:].mean(axis=1)
    return tokens


def of_image_tokens(at: At) -> Mistakes:
    """What is done behind the last layer of the vision encoder."""

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
    last = at._replace(name=f"vision.{depth - 1}.x")
    yield (
        "with the last layer done once more (twice)",
        lambda at: layer_norm(
            through(last, last_picture_layer(at), last.block()),
            params.vision.post_norm,
            eps=at.eps(),
        ),
    )
    for layer in range(max(0, depth - 3), depth - 1):
        which = " (the penultimate layer)" if layer == depth - 2 else ""
        sentence = (
            f"with the stream behind layer {layer}{which}, not behind the last (layer {depth - 1})"
        )
        yield (
            sentence,
            lambda at, i=layer: layer_norm(
                at.tensors[f"vision.{i}.x"], params.vision.post_norm, eps=at.eps()
            ),
        )
        yield f"{sentence}, not normalised", lambda at, i=layer: at.tensors[f"vision.{i}.x"]


def spread(x: Array) -> Array:
    """Give every token the mean of all."""
    return np.broadcast_to(x.mean(axis=1, keepdims=True), x.shape)


PICTURE_ENDS: dict[str, Callable[[At], Mistakes]] = {
    "vision.patch_tokens": of_patch_tokens,
    "vision.embedded": of_embedded,
    "vision.image_tokens": of_image_tokens,
}
