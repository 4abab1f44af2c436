"""What computes each tensor of the table from the tensors before it, one operation a name.

`diff` does an operation again with a mistake in it, and then all that follows from it, up to a
tensor that the other program wrote down. So a mistake is found although only the outputs of blocks
were written. The operations here are those of `numpygit.model`; a test holds every one against the
trace of a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ...model.layers import activate, join_heads, layer_norm, linear, softmax, split_heads
from ...model.params import Array, LayerNorm, Linear
from ...model.variants.other_sizes import resize_positions
from ...model.variants.relative_positions import relative_scores
from ...model.vision import cut_patches
from ...trace import find
from .scene import At, Operation, Scene, Tensors

# ---------------------------------------------------------------- what two kinds share


@dataclass(frozen=True)
class Normalised:
    """A normalisation: of what, with which parameters and epsilon."""

    x: Operation
    p: Callable[[At], LayerNorm]
    eps: Callable[[At], float]

    def __call__(self, at: At) -> Array:
        return layer_norm(self.x(at), self.p(at), eps=self.eps(at))


@dataclass(frozen=True)
class Product:
    """A product with a matrix, and a bias: of what, with which parameters, in which shape."""

    x: Operation
    p: Callable[[At], Linear]
    is_split: bool = False

    def __call__(self, at: At) -> Array:
        return self.shaped(at, linear(self.x(at), self.p(at)))

    def shaped(self, at: At, product: Array) -> Array:
        """Cut a product into heads, where it is."""
        return split_heads(product, heads=at.heads()) if self.is_split else product


# ---------------------------------------------------------------- the vision encoder


def patches(at: At) -> Array:
    """Cut stills, or the frames of clips, into patches."""
    pixels = at.tensors["pixels"]
    _, config = at.model()
    stills = pixels.reshape(-1, *pixels.shape[-3:])
    return cut_patches(stills, patch=config.vision_config.patch_size)


def patch_tokens(at: At) -> Array:
    """Turn patches into vectors."""
    params, _ = at.model()
    return at.tensors["vision.patches"] @ params.vision.patch_embedding.T


def class_and_patches(at: At) -> Array:
    """Put the class token in front of the patches."""
    params, _ = at.model()
    tokens = at.tensors["vision.patch_tokens"]
    first = np.broadcast_to(params.vision.class_embedding, (len(tokens), 1, tokens.shape[2]))
    return np.concatenate([first, tokens], axis=1)


def picture_positions(at: At) -> Array:
    """Get the positions of a picture, stretched over one of another size: (P + 1, D)."""
    params, config = at.model()
    positions = params.vision.position_embedding
    H, W = at.tensors["pixels"].shape[-2:]
    patch = config.vision_config.patch_size
    if (H // patch) * (W // patch) + 1 == len(positions):
        return positions
    return resize_positions(positions, rows=H // patch, columns=W // patch)


def last_picture_layer(at: At) -> Array:
    """Look up the stream behind the last layer of the vision encoder."""
    params, _ = at.model()
    return at.tensors[f"vision.{len(params.vision.blocks) - 1}.x"]


def by_frame(at: At) -> Array:
    """Look up the image tokens of clips, frame by frame: (B, frames, P + 1, D)."""
    tokens = at.tensors["vision.image_tokens"]
    B = len(at.tensors["pixels"])
    return tokens.reshape(B, -1, *tokens.shape[1:])


def clip_tokens(at: At) -> Array:
    """Add the times of frames."""
    params, _ = at.model()
    tokens = by_frame(at)
    B, frames, M, D = tokens.shape
    timed = tokens + params.vision.temporal_embedding[:frames, None]
    return timed.reshape(B, frames * M, D)


# ---------------------------------------------------------------- layers


def scores(at: At) -> Array:
    """Multiply queries and keys, scale, mask."""
    q, k = at.near("q"), at.keys()
    products = q @ k.swapaxes(-1, -2)
    relative = at.block().attention.relative if at.tensors.scene.params else None
    if relative is not None:
        products = products + relative_scores(q, k, relative, position=None)
    mask = at.mask()
    scaled = products * np.float32(1 / math.sqrt(q.shape[-1]))
    return scaled if mask is None else scaled + mask


def activated(at: At) -> Array:
    """Apply the activation of the tower."""
    _, config = at.model()
    name = (config.vision_config if at.tower == "vision" else config).hidden_act
    return activate(at.near("hidden"), name=name)


def mlp_source(at: At) -> Array:
    """Look up what goes into the MLP."""
    return at.near("mlp_input" if at.tower == "vision" else "after_attention")


def layers_of(tower: str) -> dict[str, Operation]:
    """List the operations that both towers have in a layer."""
    found: dict[str, Operation] = {
        "q": Product(At.input, lambda at: at.block().attention.query, is_split=True),
        "k": Product(At.input, lambda at: at.block().attention.key, is_split=True),
        "v": Product(At.input, lambda at: at.block().attention.value, is_split=True),
        "scores": scores,
        "weights": lambda at: softmax(at.near("scores")),
        "mixed": lambda at: at.near("weights") @ at.keys("v"),
        "joined": lambda at: join_heads(at.near("mixed")),
        "attended": Product(lambda at: at.near("joined"), lambda at: at.block().attention.out),
        "hidden": Product(mlp_source, lambda at: at.block().mlp.up),
        "activated": activated,
        "thought": Product(lambda at: at.near("activated"), lambda at: at.block().mlp.down),
    }
    return {f"{tower}.{{i}}.{name}": operation for name, operation in found.items()}


def after_attention(at: At) -> Array:
    """Add attention to the stream."""
    return at.stream() + at.near("attended")


def after_mlp(at: At) -> Array:
    """Add the MLP to the stream."""
    return at.near("after_attention") + at.near("thought")


# ---------------------------------------------------------------- the text decoder


def picture_side(at: At) -> Array:
    """Look up what the text decoder gets of pictures."""
    is_clip = "clip_tokens" in at.tensors.scene.ours
    return at.tensors["clip_tokens" if is_clip else "vision.image_tokens"]


def words_before_norm(at: At) -> Array:
    """Add words and positions."""
    return at.get("word_vectors") + at.get("place_vectors")


def text_x(at: At) -> Array:
    """Put image tokens before words; with a cache, one of the two alone."""
    if at.run == "image.":
        return at.tensors["memory"]
    words = at.get("words")
    if at.run:
        return words
    return np.concatenate([at.tensors["memory"], words], axis=1)


def last_text_layer(at: At) -> Array:
    """Look up the stream behind the last layer of the text decoder."""
    params, _ = at.model()
    return at.get(f"text.{len(params.text.blocks) - 1}.x")


def as_it_is(at: At) -> Array:
    """Take what was traced: nothing that comes before changes it."""
    return at.tensors.scene.ours[at.name]


def vision_eps(at: At) -> float:
    """Get the vision encoder's epsilon, wherever it is asked for."""
    return at.model()[1].vision_config.layer_norm_eps


OPERATIONS: dict[str, Operation] = {
    "pixels": as_it_is,
    "vision.patches": patches,
    "vision.patch_tokens": patch_tokens,
    "vision.embedded": lambda at: class_and_patches(at) + picture_positions(at),
    "vision.x": Normalised(
        lambda at: at.tensors["vision.embedded"],
        lambda at: at.model()[0].vision.pre_norm,
        vision_eps,
    ),
    "vision.{i}.attention_input": Normalised(
        At.stream, lambda at: at.block().attention_norm, vision_eps
    ),
    "vision.{i}.after_attention": after_attention,
    "vision.{i}.mlp_input": Normalised(
        lambda at: at.near("after_attention"), lambda at: at.block().mlp_norm, vision_eps
    ),
    "vision.{i}.x": after_mlp,
    "vision.image_tokens": Normalised(
        last_picture_layer, lambda at: at.model()[0].vision.post_norm, vision_eps
    ),
    "clip_tokens": clip_tokens,
    "projected": Product(picture_side, lambda at: at.model()[0].text.projection),
    "memory": Normalised(
        lambda at: at.tensors["projected"],
        lambda at: at.model()[0].text.projection_norm,
        vision_eps,
    ),
    "word_vectors": as_it_is,
    "place_vectors": as_it_is,
    "words": Normalised(
        words_before_norm,
        lambda at: at.model()[0].text.embedding_norm,
        lambda at: at.model()[1].embedding_eps,
    ),
    "text.x": text_x,
    "text.mask": as_it_is,
    "text.{i}.after_attention": Normalised(
        after_attention, lambda at: at.block().attention_norm, At.eps
    ),
    "text.{i}.x": Normalised(after_mlp, lambda at: at.block().mlp_norm, At.eps),
    "logits": Product(last_text_layer, lambda at: at.model()[0].text.head),
    **layers_of("vision"),
    **layers_of("text"),
}


def row_of(name: str) -> str:
    """Name the row of the table, with `{i}` for the layer."""
    location = find(name)
    if location is None:
        raise KeyError(name)
    return location.row.name


def operation_of(name: str) -> Operation:
    """Find the operation that computes a tensor; KeyError if it is none of the table."""
    return OPERATIONS[row_of(name)]


def tensors_of(
    scene: Scene,
    changed: Mapping[str, Operation] | None = None,
    anew: frozenset[str] = frozenset(),
) -> Tensors:
    """Look tensors up: ours, those in `changed` by another operation, those in `anew` again."""
    return Tensors(scene, changed or {}, anew, operation_of)
