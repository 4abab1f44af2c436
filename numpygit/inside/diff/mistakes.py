"""Why two tensors differ: known mistakes, tried out.

`what_if` takes the tensors of our run that go into an operation, does the operation with one
mistake after the other, and sees which mistake gives their tensor. What it says has been computed,
not guessed. Where parameters are needed, it needs the model.

To add a mistake, yield it from the function of its tensor, below: a sentence and an array.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import numpy as np

from ...model.layers import layer_norm
from ...model.params import Array
from ...trace import find
from ..record import BLOCKED, Distance, distance
from .mistakes_of_layers import (
    half,
    of_activated,
    of_after_attention,
    of_attended,
    of_attention_input,
    of_heads,
    of_hidden,
    of_joined,
    of_linear,
    of_mixed,
    of_mlp_input,
    of_norm,
    of_scores,
    of_thought,
    of_weights,
    of_x,
)
from .scene import Mistakes, Scene


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
