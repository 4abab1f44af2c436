"""Known mistakes of a layer as a whole: what goes in, residuals, the order of its parts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ....model import text, vision
from ....model.layers import activate, layer_norm, linear
from ....model.params import Array, Block
from ..operations import operation_of, picture_positions
from ..scene import At, Operation
from .attention import of_attended, of_joined, of_mixed, of_scores, of_weights
from .heads import Together, of_fused, of_heads, part, pre_normed
from .parts import Mistakes, of_activated

# ---------------------------------------------------------------- the MLP and the residuals


def of_hidden(at: At) -> Mistakes:
    """What goes into the MLP."""
    if at.tower == "vision":
        yield (
            "without the normalisation before it",
            lambda at: linear(at.near("after_attention"), at.block().mlp.up),
        )
    yield (
        "with the stream that went into the layer",
        lambda at: linear(at.stream(), at.block().mlp.up),
    )


def of_attention_input(at: At) -> Mistakes:
    """Which stream goes into the layer."""
    if at.layer:
        yield f"with layer {at.layer - 1} left out", lambda at: renormed(at, before(at, 2))
    for i in range(at.layer):
        if i != at.layer - 1:
            yield (
                f"with the stream behind layer {i}",
                lambda at, i=i: renormed(at, at.get(f"vision.{i}.x")),
            )


def before(at: At, layers: int) -> Array:
    """Look up the stream so many layers before."""
    behind = at.layer - layers
    return at.get(f"{at.tower}.x" if behind < 0 else f"{at.tower}.{behind}.x")


def renormed(at: At, x: Array) -> Array:
    """Normalise another stream for attention."""
    return layer_norm(x, at.block().attention_norm, eps=at.eps())


def of_mlp_input(at: At) -> Mistakes:
    """Which stream goes into the MLP."""
    yield (
        "of the stream that went in: attention and MLP side by side (a parallel block)",
        (lambda at: layer_norm(at.stream(), at.block().mlp_norm, eps=at.eps())),
    )
    yield (
        "of attention alone, without the residual",
        lambda at: layer_norm(at.near("attended"), at.block().mlp_norm, eps=at.eps()),
    )
    yield (
        "with one normalisation for attention and MLP (a parallel block)",
        lambda at: at.near("attention_input"),
    )


def of_after_attention(at: At) -> Mistakes:
    """The residual around attention."""
    if at.tower == "vision":
        yield from of_sum(at, At.stream, "attended", "attention_input")
    else:
        yield from of_post_norm(at, At.stream, "attended", "attention_norm")


def of_thought(at: At) -> Mistakes:
    """What comes out of the MLP."""
    _, config = at.model()
    own = (config.vision_config if at.tower == "vision" else config).hidden_act
    yield (
        "with the activation once more behind the second matrix",
        lambda at: activate(operation_of(at.name)(at), name=own),
    )
    F = at.block().mlp.up.weight.shape[0]
    for kept, how in ((slice(0, F // 2), "first"), (slice(F // 2, F), "second")):
        yield (
            f"with the {how} half of the hidden numbers alone",
            lambda at, k=kept: half_of_mlp(at, k),
        )


def half_of_mlp(at: At, kept: slice) -> Array:
    """Multiply a part of the hidden numbers with its columns of the second matrix."""
    down = at.block().mlp.down
    return at.near("activated")[..., kept] @ down.weight[:, kept].T + down.bias


def of_x(at: At) -> Mistakes:
    """The residual around the MLP."""
    if at.tower == "vision":
        yield from of_sum(at, between, "thought", "mlp_input")
        last = at.model()[0].vision.post_norm
        yield (
            "normalised at its end, as after the last layer",
            lambda at: layer_norm(between(at) + at.near("thought"), last, eps=at.eps()),
        )
        yield (
            "with the residual of the layer's beginning",
            lambda at: at.stream() + at.near("thought"),
        )
    else:
        yield from of_post_norm(at, between, "thought", "mlp_norm")
        yield (
            "with the residual of the layer's beginning",
            lambda at: layer_norm(
                at.stream() + at.near("thought"), at.block().mlp_norm, eps=at.eps()
            ),
        )
    yield "with the layer left out: what went in comes out", lambda at: at.stream()
    yield "with the layer done once more (twice)", layer_again
    if at.tower == "text" and not at.run:
        yield (
            "with the image tokens as they went in: only words go through the layer",
            image_tokens_stay,
        )
    yield (
        f"with layer {at.layer + 1} in its place",
        lambda at: at.traced(f"{at.tower}.{at.layer + 1}.x"),
    )


def layer_again(at: At) -> Array:
    """Put what comes out of a layer through it once more."""
    return through(at, operation_of(at.name)(at), at.block())


def through(at: At, x: Array, block: Block) -> Array:
    """Put tokens through a layer of the tower of `at`."""
    _, config = at.model()
    settings = config.vision_config if at.tower == "vision" else config
    sizes: dict[str, Any] = {
        "heads": settings.num_attention_heads,
        "eps": settings.layer_norm_eps,
        "activation": settings.hidden_act,
    }
    if at.tower == "vision":
        return vision.block(x, block, **sizes)
    return text.block(x, block, mask=at.get("text.mask"), **sizes)[0]


def image_tokens_stay(at: At) -> Array:
    """Keep the image tokens of the stream that went in."""
    M = at.tensors["memory"].shape[1]
    return np.concatenate([at.stream()[:, :M], operation_of(at.name)(at)[:, M:]], axis=1)


FACTORS = (
    (0.5, "halved"), (2.0, "doubled"), (-1.0, "subtracted, not added"), (0.9, "times 0.9"),
    (1 / 0.9, "divided by 0.9, as dropout does"), (math.sqrt(0.5), "times sqrt(1/2)"),
    (0.1, "times 0.1"),
)  # fmt: skip


def of_sum(at: At, x: Operation, new: str, normed: str) -> Mistakes:
    """A residual of the vision encoder."""
    yield "without the residual", lambda at: at.near(new)
    yield (
        "with the residual from behind the normalisation",
        lambda at: at.near(normed) + at.near(new),
    )
    yield "with the residual added twice", lambda at: x(at) + x(at) + at.near(new)
    for factor, how in FACTORS:
        yield f"with what is added {how}", lambda at, f=factor: x(at) + np.float32(f) * at.near(new)
    yield "with what is added left out", x
    yield "with the sum times sqrt(1/2)", lambda at: (x(at) + at.near(new)) * np.float32(0.5**0.5)
    own = "attention_norm" if new == "attended" else "mlp_norm"
    what = "attention" if new == "attended" else "the MLP"
    yield (
        f"with the normalisation after {what} (post-norm)",
        lambda at: layer_norm(x(at) + at.near(new), getattr(at.block(), own), eps=at.eps()),
    )
    yield (
        f"with {what} normalised once more before it is added",
        lambda at: x(at) + layer_norm(at.near(new), getattr(at.block(), own), eps=at.eps()),
    )


def of_post_norm(at: At, x: Operation, new: str, own: str) -> Mistakes:
    """A residual with the normalisation behind it, as in the text decoder."""

    def normed(at: At, y: Array) -> Array:
        return layer_norm(y, getattr(at.block(), own), eps=at.eps())

    yield (
        "without this normalisation: the text decoder normalises after each part",
        lambda at: x(at) + at.near(new),
    )
    yield "without the residual and the normalisation", lambda at: at.near(new)
    yield "without the residual", lambda at: normed(at, at.near(new))
    yield (
        "with only the new part normalised, then added",
        lambda at: x(at) + normed(at, at.near(new)),
    )
    yield (
        "with the residual normalised, the new part added behind",
        lambda at: normed(at, x(at)) + at.near(new),
    )
    yield (
        "with the new part normalised once more before it is added",
        lambda at: normed(at, x(at) + normed(at, at.near(new))),
    )
    yield "with the residual added twice", lambda at: normed(at, x(at) + x(at) + at.near(new))
    yield "with what is added left out", lambda at: normed(at, x(at))
    for factor, how in FACTORS:
        yield (
            f"with what is added {how}",
            lambda at, f=factor: normed(at, x(at) + np.float32(f) * at.near(new)),
        )


# ---------------------------------------------------------------- several at once, in a layer


def of_places_again(at: At) -> Together:
    """Positions that are added in every layer, not before the first alone."""
    if at.layer:
        yield (
            "with the positions added to the stream in this layer too",
            {
                "attention_input": lambda at: renormed(at, at.stream() + picture_positions(at)),
                "after_attention": lambda at: (
                    at.stream() + picture_positions(at) + at.near("attended")
                ),
            },
        )


def of_mlp_first(at: At) -> Together:
    """The MLP before attention, in either tower."""
    sentence = "with the MLP first, then attention: in the other order"
    if at.tower == "vision":
        yield (
            sentence,
            {
                "mlp_input": lambda at: layer_norm(at.stream(), at.block().mlp_norm, eps=at.eps()),
                "attention_input": lambda at: renormed(at, at.stream() + at.near("thought")),
                "after_attention": lambda at: at.stream() + at.near("thought"),
                "x": lambda at: at.near("after_attention") + at.near("attended"),
            },
        )
        return

    def normed(at: At, x: Array, own: str) -> Array:
        return layer_norm(x, getattr(at.block(), own), eps=at.eps())

    yield (
        sentence,
        {
            "hidden": lambda at: linear(at.stream(), at.block().mlp.up),
            "after_attention": lambda at: normed(at, at.stream() + at.near("thought"), "mlp_norm"),
            **{p: lambda at, p=p: part(at, p, x=between) for p in "qkv"},
            "x": lambda at: normed(at, between(at) + at.near("attended"), "attention_norm"),
        },
    )


def between(at: At) -> Array:
    """Look up what stands between attention and the MLP."""
    return at.near("after_attention")


def of_vision_layer(at: At) -> Together:
    """A layer of the vision encoder in another arrangement."""
    yield from of_fused(at)
    yield from of_places_again(at)
    yield from of_mlp_first(at)

    def after(at: At, x: Array, which: str) -> Array:
        return layer_norm(x, getattr(at.block(), which), eps=at.eps())

    yield (
        "with the layer normalised after each part, as the text decoder is (post-norm)",
        {
            "attention_input": At.stream,
            "after_attention": lambda at: after(
                at, at.stream() + at.near("attended"), "attention_norm"
            ),
            "mlp_input": lambda at: at.near("after_attention"),
            "x": lambda at: after(at, at.near("after_attention") + at.near("thought"), "mlp_norm"),
        },
    )
    yield (
        "with attention and MLP side by side, both of the stream that went in (a parallel block)",
        {
            "after_attention": At.stream,
            "x": lambda at: at.stream() + at.near("attended") + at.near("thought"),
        },
    )
    yield (
        "with the residuals taken from behind the normalisations",
        {
            "after_attention": lambda at: at.near("attention_input") + at.near("attended"),
            "x": lambda at: at.near("mlp_input") + at.near("thought"),
        },
    )


def of_text_layer(at: At) -> Together:
    """A layer of the text decoder in another arrangement."""
    yield from of_fused(at)
    yield from of_mlp_first(at)

    def mlp_of_normed(at: At) -> Array:
        normed = layer_norm(at.near("after_attention"), at.block().mlp_norm, eps=at.eps())
        return linear(normed, at.block().mlp.up)

    pre = {part: lambda at, p=part: pre_part(at, p) for part in "qkv"}
    yield (
        "with the layer normalised before each part, as the vision encoder is (pre-norm)",
        {
            **pre,
            "after_attention": lambda at: at.stream() + at.near("attended"),
            "hidden": mlp_of_normed,
            "x": lambda at: at.near("after_attention") + at.near("thought"),
        },
    )
    yield (
        "with attention and MLP side by side (a parallel block)",
        {
            "hidden": lambda at: linear(at.stream(), at.block().mlp.up),
            "x": lambda at: layer_norm(
                at.stream() + at.near("attended") + at.near("thought"),
                at.block().mlp_norm,
                eps=at.eps(),
            ),
        },
    )


def pre_part(at: At, which: str) -> Array:
    """Compute queries, keys or values of the normalised stream."""
    return part(at, which, x=pre_normed)


INSIDE: dict[str, Callable[[At], Mistakes]] = {
    "q": of_heads, "k": of_heads, "v": of_heads, "scores": of_scores, "weights": of_weights,
    "mixed": of_mixed, "joined": of_joined, "attended": of_attended, "hidden": of_hidden,
    "activated": of_activated, "thought": of_thought, "attention_input": of_attention_input,
    "mlp_input": of_mlp_input,
    "after_attention": of_after_attention, "x": of_x,
}  # fmt: skip
