"""Why two tensors differ: known mistakes, tried out.

`what_if` takes the tensors of our run that go into an operation, does the operation with one
mistake after the other, and sees which mistake gives their tensor. What it says has been computed,
not guessed. Where parameters are needed, it needs the model.

To add a mistake, yield it from the function of its tensor, below: a sentence and an array.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import permutations
from typing import NamedTuple

import numpy as np

from .config import GitConfig
from .layers import ACTIVATIONS, layer_norm, linear, softmax, split_heads
from .params import Array, Block, Git, LayerNorm, Linear
from .record import BLOCKED, Distance, distance
from .trace import find

Mistakes = Iterator[tuple[str, Array]]
EPSILONS = (1e-12, 1e-8, 1e-7, 1e-6, 1e-5, 1e-3)


class Scene(NamedTuple):
    """The tensor in question, and all there is to look at. Missing things raise KeyError."""

    name: str
    ours: Mapping[str, Array]
    theirs: Mapping[str, Array]
    params: Git | None
    config: GitConfig | None

    @property
    def tower(self) -> str:
        """The tower whose layer it is in."""
        return self.name.split(".")[0]

    @property
    def layer(self) -> int:
        """The number of that layer."""
        return int(self.name.split(".")[1])

    def near(self, name: str) -> Array:
        """Look up a tensor of ours in the same layer."""
        return self.ours[f"{self.tower}.{self.layer}.{name}"]

    def stream(self) -> Array:
        """Look up the residual stream that goes into the layer."""
        before = "x" if self.layer == 0 else f"{self.layer - 1}.x"
        return self.ours[f"{self.tower}.{before}"]

    def model(self) -> tuple[Git, GitConfig]:
        """Get the parameters and the config, if they are there."""
        if self.params is None or self.config is None:
            raise KeyError("no parameters")
        return self.params, self.config

    def blocks(self) -> dict[str, Block]:
        """Name the parameters of all layers of the tower, those of this layer first."""
        params, _ = self.model()
        blocks = params.vision.blocks if self.tower == "vision" else params.text.blocks
        others = {f"layer {i}": block for i, block in enumerate(blocks) if i != self.layer}
        return {"this layer": blocks[self.layer], **others}

    def eps(self) -> float:
        """Look up the epsilon of the tower."""
        _, config = self.model()
        return (config.vision_config if self.tower == "vision" else config).layer_norm_eps

    def heads(self) -> int:
        """Count the heads of the tower."""
        return self.near("q").shape[1]


def what_if(scene: Scene, allowed: Distance | None) -> list[str]:
    """Try one mistake after the other on our numbers; say which gives theirs, if one does.

    `allowed` is how far apart tensors may be; None for tensors whose shapes differ.
    """
    place = find(scene.name)
    if place is None:
        return []
    ours, theirs = scene.ours[scene.name], scene.theirs[scene.name]
    tried = [] if allowed else [*shapes(ours, theirs)]
    if not place.run:  # a part of a cached run lacks what went into it
        tried += known_mistakes(scene, place.row.name)
    if allowed is None:
        size = float(np.abs(theirs[np.isfinite(theirs) & (theirs > BLOCKED)]).max(initial=0))
        allowed = Distance(2e-5 * size, 2e-5 * size)
    close = []
    for sentence, array in tried:
        if array.shape == theirs.shape:
            left = distance(array, theirs)
            if left.largest <= allowed.largest and left.mean <= allowed.mean:
                close.append((left, sentence))
    if not close:
        return []
    left, sentence = min(close, key=lambda fit: fit[0])
    return [f"Theirs equals ours {sentence}; what is left is {left.largest:.1e}."]


def known_mistakes(scene: Scene, row: str) -> list[tuple[str, Array]]:
    """Make what the mistakes of a tensor give, as far as what they need is there."""
    tried = []
    try:
        for mistake in MISTAKES[row](scene):
            tried.append(mistake)
    except KeyError:  # there is no list, or a tensor or the parameters are missing
        pass
    return tried


# ---------------------------------------------------------------- shapes and pictures


def shapes(ours: Array, theirs: Array) -> Mistakes:
    """The same numbers in another shape."""
    for axes in permutations(range(ours.ndim)):
        yield f"with the axes in the order {axes}", ours.transpose(axes)
    if ours.size == theirs.size:
        yield "in another shape, the numbers in the same order", ours.reshape(theirs.shape)
        if ours.ndim == 4:
            tokens = ours.transpose(0, 2, 1, 3)
            yield "with the heads side by side, not yet split", tokens.reshape(theirs.shape)
    if ours.ndim == theirs.ndim == 3 and theirs.shape[1] < ours.shape[1]:
        kept = theirs.shape[1]
        yield f"with the first {kept} tokens only", ours[:, :kept]
        yield f"with the last {kept} tokens only", ours[:, -kept:]


def of_pixels(s: Scene) -> Mistakes:
    """Mistakes of preparation."""
    ours, theirs = s.ours[s.name], s.theirs[s.name]
    yield "with red and blue exchanged", np.flip(ours, axis=-3)
    yield "with height and width exchanged", ours.swapaxes(-1, -2)
    yield "turned upside down", np.flip(ours, axis=-2)
    yield "mirrored", np.flip(ours, axis=-1)
    if ours.shape == theirs.shape:
        colours_ours, colours_theirs = np.moveaxis(ours, -3, 0), np.moveaxis(theirs, -3, 0)
        fitted, words = [], []
        for a, b in zip(colours_ours, colours_theirs, strict=True):
            centred = a - a.mean(dtype=np.float64)
            slope = float((centred * b).sum() / max(float((centred * centred).sum()), 1e-30))
            offset = float(b.mean(dtype=np.float64) - slope * a.mean(dtype=np.float64))
            fitted.append(slope * a + offset)
            words.append(f"times {slope:.4g} plus {offset:.4g}")
        sentence = f"{', '.join(words)} in its colours: another mean or spread of colours"
        yield sentence, np.moveaxis(np.stack(fitted), 0, -3)


def of_patch_tokens(s: Scene) -> Mistakes:
    """Squares cut in another order, or with their numbers in another order."""
    ours, patches = s.ours[s.name], s.ours["vision.patches"]
    B, P, D = ours.shape
    side = math.isqrt(P)
    if side * side == P:
        turned = ours.reshape(B, side, side, D).swapaxes(1, 2)
        yield "with the squares column by column", turned.reshape(B, P, D)
    params, config = s.model()
    patch, W = config.vision_config.patch_size, params.vision.patch_embedding
    squares = patches.reshape(B, P, -1, patch, patch)
    as_hwc = patches.reshape(B, P, patch, patch, -1)
    for array, sentence in [
        (squares.transpose(0, 1, 3, 4, 2), "a square's numbers in the order (H, W, C)"),
        (as_hwc.transpose(0, 1, 4, 2, 3), "the kernel's numbers in the order (H, W, C)"),
        (squares.swapaxes(-1, -2), "the kernel's height and width exchanged"),
        (squares[:, :, ::-1], "the colours of the kernel reversed"),
    ]:
        yield f"with {sentence}", array.reshape(patches.shape) @ W.T
    yield "with weights in float16", patches @ half(W).T


def of_embedded(s: Scene) -> Mistakes:
    """The class token, and the places."""
    ours, patch_tokens = s.ours[s.name], s.ours["vision.patch_tokens"]
    yield "with the class token behind the squares, its place with it", np.roll(ours, -1, axis=1)
    params, _ = s.model()
    p = params.vision
    B, _, D = ours.shape
    class_token = np.broadcast_to(p.class_embedding, (B, 1, D))
    last = np.concatenate([patch_tokens, class_token], axis=1)
    first = np.concatenate([class_token, patch_tokens], axis=1)
    places = p.position_embedding
    yield "with the class token behind the squares, the places as before", last + places
    yield "without places", first
    yield "with the places added twice", first + places + places
    yield "with the places one token later", first + np.roll(places, 1, axis=0)
    no_class = np.concatenate([np.zeros_like(class_token), patch_tokens], axis=1)
    yield "with zeros for the class token", no_class + places
    bare = np.concatenate([class_token + 0 * places[:1], patch_tokens + places[1:]], axis=1)
    yield "without a place for the class token", bare


def of_first_norm(s: Scene) -> Mistakes:
    """The normalisation before the first layer of the picture tower."""
    p, config = s.model()
    eps = config.vision_config.layer_norm_eps
    yield from of_norm(s.ours["vision.embedded"], p.vision.pre_norm, eps)


def of_last_norm(s: Scene) -> Mistakes:
    """The normalisation after the last layer of the picture tower."""
    p, config = s.model()
    x = s.ours[f"vision.{len(p.vision.blocks) - 1}.x"]
    yield from of_norm(x, p.vision.post_norm, config.vision_config.layer_norm_eps)
    pre = layer_norm(x, p.vision.pre_norm, eps=config.vision_config.layer_norm_eps)
    yield "with the parameters of the first normalisation", pre


def of_clip(s: Scene) -> Mistakes:
    """Times of frames, and how frames stand one after the other."""
    ours = s.ours[s.name]
    tokens = s.ours["vision.image_tokens"]
    B, M, D = ours.shape
    frames = M // tokens.shape[1]
    by_frame = tokens.reshape(B, frames, -1, D)
    yield "without the times of the frames", by_frame.reshape(B, M, D)
    woven = ours.reshape(B, frames, -1, D).swapaxes(1, 2)
    yield "with the frames woven together, token by token", woven.reshape(B, M, D)
    params, _ = s.model()
    times = params.vision.temporal_embedding
    later = times[-frames:, None]
    yield "with the times in reverse", (by_frame + times[:frames, None][::-1]).reshape(B, M, D)
    yield "with the last times in place of the first", (by_frame + later).reshape(B, M, D)
    yield "with the first frame's time for all", (by_frame + times[0]).reshape(B, M, D)


# ---------------------------------------------------------------- what both towers are made of


def half(weight: Array) -> Array:
    """Round to float16."""
    return weight.astype(np.float16).astype(np.float32)


def of_linear(x: Array, right: Linear, others: Mapping[str, Linear]) -> Mistakes:
    """A matrix, a bias, and those of others."""
    if right.weight.shape[0] == right.weight.shape[1]:
        yield "with the weight transposed", x @ right.weight + right.bias
    yield "without the bias", x @ right.weight.T
    yield "with the bias added twice", linear(x, right) + right.bias
    yield "with weights in float16", x @ half(right.weight).T + right.bias
    for name, p in others.items():
        if p.weight.shape == right.weight.shape:
            yield f"with the parameters of {name}", linear(x, p)


def of_norm(x: Array, p: LayerNorm, eps: float) -> Mistakes:
    """A normalisation done otherwise."""
    yield "without this normalisation", x
    for other in EPSILONS:
        if other != eps:
            sentence = f"with epsilon {other:.0e} in place of {eps:.0e}"
            yield sentence, layer_norm(x, p, eps=other)
    D = x.shape[-1]
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    unbiased = centred / np.sqrt(variance * (D / (D - 1)) + eps)
    yield "with the variance divided by D - 1", unbiased * p.weight + p.bias
    yield "without scale and shift", centred / np.sqrt(variance + eps)
    yield "without the shift", centred / np.sqrt(variance + eps) * p.weight
    square = (x * x).mean(axis=-1, keepdims=True)
    yield "without the mean taken away", x / np.sqrt(square + eps) * p.weight + p.bias


def of_heads(s: Scene) -> Mistakes:
    """Queries, keys or values: the projection, and how it is cut into heads."""
    ours, heads = s.ours[s.name], s.ours[s.name].shape[1]
    B, N, T, A = ours.shape
    flat = ours.transpose(0, 2, 1, 3).reshape(B, T, N * A)
    for other in "qkv":
        yield f"with our {other} in its place", s.near(other)
    mixed_up = flat.reshape(B, T, A, N).transpose(0, 3, 1, 2)
    yield "cut into A pieces of N numbers in place of N heads of A", mixed_up
    yield "reshaped to (B, N, T, A) without a transpose", flat.reshape(B, N, T, A)
    yield "multiplied by 1/sqrt(A) already", ours * np.float32(1 / math.sqrt(A))
    x = s.near("attention_input") if s.tower == "vision" else s.stream()
    part = {"q": "query", "k": "key", "v": "value"}[s.name[-1]]
    named = {where: getattr(block.attention, part) for where, block in s.blocks().items()}
    for sentence, product in of_linear(x, named.pop("this layer"), named):
        yield sentence, split_heads(product, heads=heads)
    if s.tower == "vision":
        product = linear(s.stream(), getattr(s.blocks()["this layer"].attention, part))
        yield "without the normalisation before it", split_heads(product, heads=heads)


def of_scores(s: Scene) -> Mistakes:
    """The products of queries and keys, their scale, and the mask."""
    q, k = s.near("q"), s.near("k")
    heads, A = q.shape[1], q.shape[-1]
    products = q @ k.swapaxes(-1, -2)
    mask = np.zeros((1, 1, 1, 1), np.float32) if s.tower == "vision" else s.ours["text.mask"]
    right = np.float32(1 / math.sqrt(A))
    for factor, sentence in [
        (1.0, "without the scale 1/sqrt(A)"),
        (1 / math.sqrt(heads * A), "with the scale 1/sqrt(D) of the whole width"),
        (1 / A, "with the scale 1/A, applied twice"),
        (math.sqrt(A), "multiplied by sqrt(A), not divided"),
    ]:
        yield sentence, products * np.float32(factor) + mask
    if s.tower == "text":
        yield "without the mask", products * right
        yield "with the mask turned: keys for queries", products * right + mask.swapaxes(-1, -2)
    turned = products.swapaxes(-1, -2) * right
    yield "with queries and keys exchanged in the product", turned + mask


def of_weights(s: Scene) -> Mistakes:
    """The softmax."""
    scores = s.near("scores")
    finite = np.maximum(scores, np.float32(-1e30))
    yield (
        "with softmax over the queries, axis -2",
        softmax(finite.swapaxes(-1, -2)).swapaxes(-1, -2),
    )
    yield (
        "with softmax over the heads, axis 1",
        np.moveaxis(softmax(np.moveaxis(finite, 1, -1)), -1, 1),
    )
    open_places = np.where(scores > BLOCKED, scores, np.float32(0))
    yield "with 0 for blocked scores before the softmax, not -inf", softmax(open_places)
    if s.tower == "text":
        q, k = s.near("q"), s.near("k")
        unmasked = softmax(q @ k.swapaxes(-1, -2) * np.float32(1 / math.sqrt(q.shape[-1])))
        blocked = np.where(scores > BLOCKED, unmasked, np.float32(0))
        yield "with the mask after the softmax: its rows do not sum to 1", blocked
    powers = np.exp(finite - finite.max(axis=-1, keepdims=True))
    yield "with nothing to divide by: exp alone", powers


def of_mixed(s: Scene) -> Mistakes:
    """Values mixed by weights."""
    weights, v = s.near("weights"), s.near("v")
    yield "with the weights transposed", weights.swapaxes(-1, -2) @ v
    yield "with keys in place of values", weights @ s.near("k")
    yield "with scores in place of weights", s.near("scores") @ v


def of_joined(s: Scene) -> Mistakes:
    """Heads laid side by side."""
    mixed = s.near("mixed")
    B, N, T, A = mixed.shape
    yield "reshaped to (B, T, D) without a transpose", mixed.reshape(B, T, N * A)
    woven = mixed.transpose(0, 2, 3, 1).reshape(B, T, N * A)
    yield "with the heads woven together, number by number", woven


def of_attended(s: Scene) -> Mistakes:
    """The projection after attention."""
    named = {where: block.attention.out for where, block in s.blocks().items()}
    right = named.pop("this layer")
    value = s.blocks()["this layer"].attention.value
    yield "before the last projection: it is missing", s.near("joined")
    yield from of_linear(s.near("joined"), right, {"the values": value, **named})


def of_hidden(s: Scene) -> Mistakes:
    """The first matrix of the MLP."""
    x = s.near("mlp_input") if s.tower == "vision" else s.near("after_attention")
    named = {where: block.mlp.up for where, block in s.blocks().items()}
    right = named.pop("this layer")
    yield from of_linear(x, right, named)
    if s.tower == "vision":
        yield "without the normalisation before it", linear(s.near("after_attention"), right)


def of_activated(s: Scene) -> Mistakes:
    """The activation."""
    x = s.near("hidden")
    yield "without an activation", x
    for name, function in ACTIVATIONS.items():
        what = "gelu_new, the tanh approximation," if name == "gelu_new" else name
        yield f"with {what} as the activation", function(x)


def of_thought(s: Scene) -> Mistakes:
    """The second matrix of the MLP."""
    named = {where: block.mlp.down for where, block in s.blocks().items()}
    yield from of_linear(s.near("activated"), named.pop("this layer"), named)


def of_attention_input(s: Scene) -> Mistakes:
    """The normalisation before attention."""
    yield from of_block_norm(s, s.stream(), "attention_norm", "mlp_norm")


def of_mlp_input(s: Scene) -> Mistakes:
    """The normalisation before the MLP."""
    yield from of_block_norm(s, s.near("after_attention"), "mlp_norm", "attention_norm")


def of_after_attention(s: Scene) -> Mistakes:
    """The residual around attention."""
    x, attended = s.stream(), s.near("attended")
    if s.tower == "vision":
        yield "without the residual", attended
        yield (
            "with the residual from behind the normalisation",
            s.near("attention_input") + attended,
        )
        p, eps = s.blocks()["this layer"], s.eps()
        after = layer_norm(x + attended, p.attention_norm, eps=eps)
        yield "with the normalisation after attention (post-norm)", after
    else:
        yield from of_post_norm(s, x, attended, "attention_norm", "mlp_norm")


def of_x(s: Scene) -> Mistakes:
    """The residual around the MLP."""
    x, thought = s.near("after_attention"), s.near("thought")
    if s.tower == "vision":
        yield "without the residual", thought
        yield "with the residual from behind the normalisation", s.near("mlp_input") + thought
        yield "with the residual of the layer's beginning", s.stream() + thought
        p, eps = s.blocks()["this layer"], s.eps()
        after = layer_norm(x + thought, p.mlp_norm, eps=eps)
        yield "with the normalisation after the MLP (post-norm)", after
    else:
        yield from of_post_norm(s, x, thought, "mlp_norm", "attention_norm")


def of_post_norm(s: Scene, x: Array, new: Array, right: str, wrong: str) -> Mistakes:
    """A residual with the normalisation behind it, as in the text tower."""
    yield "without this normalisation: the text tower normalises after each part", x + new
    yield "without the residual and the normalisation", new
    p, eps = s.blocks()["this layer"], s.eps()
    norm: LayerNorm = getattr(p, right)
    yield "without the residual", layer_norm(new, norm, eps=eps)
    yield "with only the new part normalised, then added", x + layer_norm(new, norm, eps=eps)
    yield from of_block_norm(s, x + new, right, wrong)


def of_block_norm(s: Scene, x: Array, right: str, wrong: str) -> Mistakes:
    """A normalisation of a layer, and those it is confused with."""
    named = s.blocks()
    norm: LayerNorm = getattr(named["this layer"], right)
    yield from of_norm(x, norm, s.eps())
    other: LayerNorm = getattr(named.pop("this layer"), wrong)
    sentence = "with the two normalisations of the layer exchanged"
    yield sentence, layer_norm(x, other, eps=s.eps())
    for where, block in named.items():
        yield f"with the parameters of {where}", layer_norm(x, getattr(block, right), eps=s.eps())


# ---------------------------------------------------------------- the text tower


def of_projected(s: Scene) -> Mistakes:
    """The matrix between the towers."""
    tokens = s.ours.get("clip_tokens", s.ours["vision.image_tokens"])
    params, _ = s.model()
    yield from of_linear(tokens, params.text.projection, {})


def of_memory(s: Scene) -> Mistakes:
    """The normalisation between the towers; its epsilon is that of the picture tower."""
    params, config = s.model()
    eps = config.vision_config.layer_norm_eps
    yield from of_norm(s.ours["projected"], params.text.projection_norm, eps)


def of_word_vectors(s: Scene) -> Mistakes:
    """The rows of the word embedding."""
    ours = s.ours[s.name]
    root = np.float32(math.sqrt(ours.shape[-1]))
    yield "multiplied by sqrt(D)", ours * root
    params, _ = s.model()
    yield "with the rows of the vocabulary head", params.text.head.weight[s.ours["ids"]]


def of_place_vectors(s: Scene) -> Mistakes:
    """The rows of the position embedding."""
    B, T, _ = s.ours[s.name].shape
    M = s.ours["memory"].shape[1]
    table = s.model()[0].text.position_embedding
    for start in range(1, len(table) - T + 1):
        sentence = f"with places counted from {start}"
        sentence += ": the M image tokens are counted" if start == M else ""
        yield sentence, np.broadcast_to(table[start : start + T], (B, *table[:T].shape))
    yield "with place 0 for every word", np.broadcast_to(table[0], s.ours[s.name].shape)
    yield "with the places in reverse", s.ours[s.name][:, ::-1]


def of_words(s: Scene) -> Mistakes:
    """The sum of words and places, and its normalisation."""
    vectors, places = s.ours["word_vectors"], s.ours["place_vectors"]
    params, config = s.model()
    norm, eps = params.text.embedding_norm, config.embedding_eps
    yield "without the places", layer_norm(vectors, norm, eps=eps)
    yield from of_norm(vectors + places, norm, eps)


def of_text_x(s: Scene) -> Mistakes:
    """Image tokens and words in one sequence."""
    memory, words = s.ours["memory"], s.ours["words"]
    yield "with the words before the image tokens", np.concatenate([words, memory], axis=1)


def of_mask(s: Scene) -> Mistakes:
    """Who may look at whom."""
    ours = s.ours[s.name]
    S = ours.shape[-1]
    M = s.ours["memory"].shape[1]
    place = np.arange(S)

    def blocked(where: Array) -> Array:
        return np.broadcast_to(np.where(where, np.float32(-np.inf), np.float32(0)), ours.shape)

    ahead = place[None, :] - place[:, None]  # how far a key lies ahead of a query
    to_words, from_words = place[None, :] >= M, place[:, None] >= M
    padding = (ours[:, :, -1:] < BLOCKED) & to_words
    causal = to_words & (ahead > 0)
    of_image = to_words & ~from_words
    yield "with nothing blocked", blocked(np.zeros((S, S), bool))
    yield "with padding open", blocked(causal)
    yield "with image tokens looking at words", blocked((causal & from_words) | padding)
    one_ahead = (to_words & (ahead > 1)) | of_image | padding
    yield "off by one: a word may look at the next one", blocked(one_ahead)
    itself = (to_words & (ahead >= 0)) | padding
    yield "off by one: a word may not look at itself", blocked(itself)
    yield "causal for image tokens too", blocked((ahead > 0) | padding)
    yield "without the causal part: words look ahead", blocked(of_image | padding)
    yield "with keys and queries exchanged", ours.swapaxes(-1, -2)
    yield "with words blind to the picture", blocked(causal | (from_words & ~to_words) | padding)


def of_logits(s: Scene) -> Mistakes:
    """The vocabulary head."""
    ours, theirs = s.ours[s.name], s.theirs[s.name]
    params, _ = s.model()
    p = params.text
    x = s.ours[f"text.{len(p.blocks) - 1}.x"]
    tied = x @ p.word_embedding.T
    yield "with the word embedding as the head", tied + p.head.bias
    yield "with the word embedding as the head, and no bias", tied
    if ours.shape == theirs.shape:
        yield from of_linear(x, p.head, {})


MISTAKES: dict[str, Callable[[Scene], Mistakes]] = {
    "pixels": of_pixels,
    "vision.patch_tokens": of_patch_tokens,
    "vision.embedded": of_embedded,
    "vision.x": of_first_norm,
    "vision.{i}.attention_input": of_attention_input,
    "vision.{i}.mlp_input": of_mlp_input,
    "vision.image_tokens": of_last_norm,
    "clip_tokens": of_clip,
    "projected": of_projected,
    "memory": of_memory,
    "word_vectors": of_word_vectors,
    "place_vectors": of_place_vectors,
    "words": of_words,
    "text.x": of_text_x,
    "text.mask": of_mask,
    "logits": of_logits,
}
INSIDE = {
    "q": of_heads, "k": of_heads, "v": of_heads, "scores": of_scores, "weights": of_weights,
    "mixed": of_mixed, "joined": of_joined, "attended": of_attended, "hidden": of_hidden,
    "activated": of_activated, "thought": of_thought, "after_attention": of_after_attention,
    "x": of_x,
}  # fmt: skip
MISTAKES |= {
    f"{tower}.{{i}}.{name}": f for tower in ("vision", "text") for name, f in INSIDE.items()
}
