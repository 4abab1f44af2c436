"""Mistakes that people make when they write GIT anew, each put into a copy of the tiny model.

    python tests/helpers/seeded_bugs.py         # writes the table of docs/diff.md anew

A bug is a name, something that changes the model or its parts for a while, the tensor where the
comparison must point, and words that its explanation must hold.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
from golden_inputs import tiny_inputs, tiny_model

from numpygit.huggingface.models import GitForCausalLM
from numpygit.inside.diff.compare import Report, compare
from numpygit.inside.record import Run, distance, in_float64
from numpygit.model import layers, text, vision
from numpygit.model.params import Block, Git
from numpygit.trace import Recorder

MODEL = tiny_model()
DOCUMENT = Path(__file__).parents[2] / "docs" / "diff.md"
Changed = contextlib.AbstractContextManager  # of the inputs and the model to run
Bug = Callable[[dict, GitForCausalLM], Changed]


class Seeded(NamedTuple):
    title: str
    bug: Bug
    tensor: str
    hint: str
    inputs: str = "still"


def changed(params: Callable[[Git], Git] = lambda p: p, **inputs: Callable) -> Bug:
    """A bug in the parameters or in what goes in."""

    @contextlib.contextmanager
    def bug(given: dict, model: GitForCausalLM) -> Iterator[tuple[dict, GitForCausalLM]]:
        given = given | {name: change(given[name]) for name, change in inputs.items()}
        yield given, GitForCausalLM(model.config, params(model.params))

    return bug


def patched(*places: tuple[object, str], by: Callable) -> Bug:
    """A bug in a function."""

    @contextlib.contextmanager
    def bug(given: dict, model: GitForCausalLM) -> Iterator[tuple[dict, GitForCausalLM]]:
        with contextlib.ExitStack() as stack:
            for room, name in places:
                stack.enter_context(mock.patch.object(room, name, by))
            yield given, model

    return bug


def configured(tower: bool = False, **values: object) -> Bug:
    """A bug in a setting."""

    @contextlib.contextmanager
    def bug(given: dict, model: GitForCausalLM) -> Iterator[tuple[dict, GitForCausalLM]]:
        settings = model.config.to_dict()
        (settings["vision_config"] if tower else settings).update(values)
        yield given, GitForCausalLM(type(model.config).from_dict(settings), model.params)

    return bug


# ---------------------------------------------------------------- parameters


def in_text(i: int, change: Callable[[Block], Block]) -> Callable[[Git], Git]:
    def params(p: Git) -> Git:
        blocks = tuple(change(b) if j == i else b for j, b in enumerate(p.text.blocks))
        return replace(p, text=replace(p.text, blocks=blocks))

    return params


def in_vision(i: int, change: Callable[[Block], Block]) -> Callable[[Git], Git]:
    def params(p: Git) -> Git:
        blocks = tuple(change(b) if j == i else b for j, b in enumerate(p.vision.blocks))
        return replace(p, vision=replace(p.vision, blocks=blocks))

    return params


def transposed_query(b: Block) -> Block:
    query = b.attention.query
    return replace(
        b, attention=replace(b.attention, query=replace(query, weight=query.weight.T.copy()))
    )


def transposed_out(b: Block) -> Block:
    out = b.attention.out
    return replace(b, attention=replace(b.attention, out=replace(out, weight=out.weight.T.copy())))


def no_key_bias(b: Block) -> Block:
    key = b.attention.key
    return replace(b, attention=replace(b.attention, key=replace(key, bias=key.bias * 0)))


def q_and_k_swapped(b: Block) -> Block:
    a = b.attention
    return replace(b, attention=replace(a, query=a.key, key=a.query))


def norms_swapped(b: Block) -> Block:
    return replace(b, attention_norm=b.mlp_norm, mlp_norm=b.attention_norm)


def no_down_bias(b: Block) -> Block:
    return replace(b, mlp=replace(b.mlp, down=replace(b.mlp.down, bias=b.mlp.down.bias * 0)))


def layers_reversed(p: Git) -> Git:
    return replace(p, vision=replace(p.vision, blocks=p.vision.blocks[::-1]))


def no_times(p: Git) -> Git:
    times = p.vision.temporal_embedding
    return replace(p, vision=replace(p.vision, temporal_embedding=times * 0))


def tied_head(p: Git) -> Git:
    return replace(p, text=replace(p.text, head=replace(p.text.head, weight=p.text.word_embedding)))


def kernel_as_hwc(p: Git) -> Git:
    W = p.vision.patch_embedding
    patch = math.isqrt(W.shape[1] // 3)
    turned = W.reshape(-1, 3, patch, patch).transpose(0, 2, 3, 1).reshape(W.shape)
    return replace(p, vision=replace(p.vision, patch_embedding=turned))


def half_precision(p: Git) -> Git:
    W = p.vision.patch_embedding
    return replace(
        p, vision=replace(p.vision, patch_embedding=W.astype(np.float16).astype(np.float32))
    )


# ---------------------------------------------------------------- functions


def attention_with_scale(scale: Callable[[int, int], float]) -> Callable:
    """The attention of layers.py with another scale: q is multiplied by what is wrong with it."""
    right = layers.attention

    def attention(x, p, *, heads, trace=layers.no_trace, **rest):
        D = x.shape[-1]
        wrong = np.float32(scale(D // heads, D) * math.sqrt(D // heads))

        def watch(name, value):
            trace(name, value / wrong if name == "q" else value)

        query = replace(p.query, weight=p.query.weight * wrong, bias=p.query.bias * wrong)
        return right(x, replace(p, query=query), heads=heads, trace=watch, **rest)

    return attention


def split_wrongly(x, *, heads):
    B, T, D = x.shape
    return x.reshape(B, T, D // heads, heads).transpose(0, 3, 1, 2)


def join_wrongly(x):
    B, N, T, A = x.shape
    return x.reshape(B, T, N * A)


def softmax_over_queries(scores):
    turned = np.maximum(scores, np.float32(-1e30)).swapaxes(-1, -2)
    return RIGHT_SOFTMAX(turned).swapaxes(-1, -2)


RIGHT_SOFTMAX = layers.softmax
RIGHT_EMBED = text.embed_words
RIGHT_MASK = text.full_mask


def dropout(scores):
    weights = RIGHT_SOFTMAX(scores)
    kept = np.random.default_rng(0).random(weights.shape) < 0.9
    return (weights * kept / np.float32(0.9)).astype(np.float32)


def mask_off_by_one(attention_mask, *, image):
    mask = RIGHT_MASK(attention_mask, image=image).copy()
    for word in range(image, mask.shape[-1] - 1):
        is_padding = attention_mask[:, word + 1 - image] == 0
        mask[~is_padding, :, word, word + 1] = 0
    return mask


def image_sees_words(attention_mask, *, image):
    mask = RIGHT_MASK(attention_mask, image=image).copy()
    mask[:, :, :image, image:] = 0
    padding = np.where(attention_mask == 0, -np.inf, 0)[:, None, None]
    mask[:, :, :image, image:] += padding.astype(np.float32)
    return mask


def padding_open(attention_mask, *, image):
    return RIGHT_MASK(np.ones_like(attention_mask), image=image)


def words_see_ahead(attention_mask, *, image):
    mask = RIGHT_MASK(attention_mask, image=image).copy()
    mask[:, :, image:] = mask[:, :, -1:]
    return mask


def unbiased_norm(x, p, *, eps):
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).sum(axis=-1, keepdims=True) / (x.shape[-1] - 1)
    return centred / np.sqrt(variance + eps) * p.weight + p.bias


def pre_norm_block(
    x, p, *, heads, eps, activation, mask=None, context=None, past=None,
    trace=layers.no_trace,
):  # fmt: skip
    """The text decoder's layer as the vision encoder's: normalised before each part."""
    attended, known = layers.attention(
        x, p.attention, heads=heads, mask=mask, context=context, past=past, trace=trace
    )
    x = x + attended
    trace("after_attention", x)
    normed = layers.layer_norm(x, p.mlp_norm, eps=eps)
    x = x + layers.mlp(normed, p.mlp, activation=activation, trace=trace)
    trace("x", x)
    return x, known


def post_norm_block(x, p, *, heads, eps, activation, trace=layers.no_trace):
    """The vision encoder's layer as the text decoder's: normalised after each part."""
    trace("attention_input", x)
    attended, _ = layers.attention(x, p.attention, heads=heads, trace=trace)
    x = layers.layer_norm(x + attended, p.attention_norm, eps=eps)
    trace("after_attention", x)
    trace("mlp_input", x)
    x = layers.layer_norm(
        x + layers.mlp(x, p.mlp, activation=activation, trace=trace), p.mlp_norm, eps=eps
    )
    trace("x", x)
    return x


def residual_of_the_normed(x, p, *, heads, eps, activation, trace=layers.no_trace):
    """The vision encoder's layer, which goes on from the normalised stream."""
    normed = layers.layer_norm(x, p.attention_norm, eps=eps)
    trace("attention_input", normed)
    attended, _ = layers.attention(normed, p.attention, heads=heads, trace=trace)
    x = normed + attended
    trace("after_attention", x)
    return x


def class_token_last(pixels, p, *, patch, interpolate=False, trace=layers.no_trace):
    patches = vision.cut_patches(pixels, patch=patch)
    patch_tokens = patches @ p.patch_embedding.T
    trace("patch_tokens", patch_tokens)
    class_token = np.broadcast_to(p.class_embedding, (len(pixels), 1, patch_tokens.shape[2]))
    embedded = np.concatenate([patch_tokens, class_token], axis=1) + p.position_embedding
    trace("embedded", embedded)
    return embedded


def column_by_column(pixels, *, patch):
    B, C, H, W = pixels.shape
    grid = pixels.reshape(B, C, H // patch, patch, W // patch, patch)
    return grid.transpose(0, 4, 2, 1, 3, 5).reshape(B, -1, C * patch * patch)


def count_image_tokens(ids, positions, p, **rest):
    return RIGHT_EMBED(ids, positions + 10, p, **rest)


def count_from_1(ids, positions, p, **rest):
    return RIGHT_EMBED(ids, positions + 1, p, **rest)


def times_of_another_order(p: Git) -> Git:
    times = p.vision.temporal_embedding
    return replace(p, vision=replace(p.vision, temporal_embedding=times[:3][::-1].copy()))


def other_colours(pixels):
    mean = np.array([0.4815, 0.4578, 0.4082], np.float32)[:, None, None]
    spread = np.array([0.2686, 0.2613, 0.2758], np.float32)[:, None, None]
    return (pixels * spread + mean - np.float32(0.5)) / np.float32(0.5)


def projection_norm_of_text(image_tokens, p, *, eps, trace=layers.no_trace):
    projected = layers.linear(image_tokens, p.projection)
    trace("projected", projected)
    memory = layers.layer_norm(projected, p.projection_norm, eps=1e-12)
    trace("memory", memory)
    return memory


class WordsFirst:
    """NumPy for text.py, with the image tokens and the words the wrong way round."""

    def __getattr__(self, name: str) -> object:
        return getattr(np, name)

    def concatenate(self, arrays, axis):
        return np.concatenate(arrays[::-1] if axis == 1 else arrays, axis=axis)


ATTENTION = [(vision, "attention"), (text, "attention")]
NORM = [(vision, "layer_norm"), (text, "layer_norm")]
SEEDED = [
    Seeded(
        "another mean and std of colours",
        changed(pixel_values=other_colours),
        "pixels",
        "another mean or std of colours",
    ),
    Seeded(
        "blue, green, red",
        changed(pixel_values=lambda x: x[:, ::-1].copy()),
        "pixels",
        "red and blue exchanged",
    ),
    Seeded(
        "patches cut column by column",
        patched((vision, "cut_patches"), by=column_by_column),
        "vision.patch_tokens",
        "patches column by column",
    ),
    Seeded(
        "kernel of the patches read as (H, W, C)",
        changed(kernel_as_hwc),
        "vision.patch_tokens",
        "the kernel's numbers in the order (H, W, C)",
    ),
    Seeded(
        "patch weights in float16",
        changed(half_precision),
        "vision.patch_tokens",
        "with weights in float16",
    ),
    Seeded(
        "class token behind the patches",
        patched((vision, "embed_patches"), by=class_token_last),
        "vision.embedded",
        "class token behind the patches, the positions as before",
    ),
    Seeded(
        "variance divided by D - 1",
        patched(*NORM, by=unbiased_norm),
        "vision.x",
        "variance divided by D - 1",
    ),
    Seeded(
        "epsilon 1e-12 in the vision encoder, not 1e-5",
        configured(tower=True, layer_norm_eps=1e-12),
        "vision.x",
        "with epsilon 1e-12",
    ),
    Seeded(
        "vision encoder normalised after each part",
        patched((vision, "block"), by=post_norm_block),
        "vision.0.attention_input",
        "(post-norm)",
    ),
    Seeded(
        "layers of the vision encoder in reverse",
        changed(layers_reversed),
        "vision.0.attention_input",
        "with the parameters of layer 1",
    ),
    Seeded(
        "bias of the keys missing",
        changed(in_vision(1, no_key_bias)),
        "vision.1.k",
        "without the bias",
    ),
    Seeded(
        "scale of the scores missing",
        patched(*ATTENTION, by=attention_with_scale(lambda A, D: 1)),
        "vision.0.scores",
        "without the scale 1/sqrt(A)",
    ),
    Seeded(
        "scale of the whole width, not of a head",
        patched(*ATTENTION, by=attention_with_scale(lambda A, D: 1 / math.sqrt(D))),
        "vision.0.scores",
        "1/sqrt(D) of the whole width",
    ),
    Seeded(
        "softmax over the queries",
        patched((layers, "softmax"), by=softmax_over_queries),
        "vision.0.weights",
        "softmax over the queries",
    ),
    Seeded(
        "dropout left on",
        patched((layers, "softmax"), by=dropout),
        "vision.0.weights",
        "as dropout would leave it",
    ),
    Seeded(
        "heads joined without a transpose",
        patched((layers, "join_heads"), by=join_wrongly),
        "vision.0.joined",
        "without a transpose",
    ),
    Seeded(
        "weight of the last projection transposed",
        changed(in_vision(0, transposed_out)),
        "vision.0.attended",
        "weight transposed",
    ),
    Seeded(
        "residual taken behind the normalisation",
        patched((vision, "block"), by=residual_of_the_normed),
        "vision.0.after_attention",
        "residual from behind the normalisation",
    ),
    Seeded(
        "gelu in the vision encoder, not quick_gelu",
        configured(tower=True, hidden_act="gelu"),
        "vision.0.activated",
        "with gelu as the activation",
    ),
    Seeded(
        "bias of the MLP missing",
        changed(in_vision(1, no_down_bias)),
        "vision.1.thought",
        "without the bias",
    ),
    Seeded(
        "no times for frames",
        changed(no_times),
        "clip_tokens",
        "without the times of the frames",
        "clip",
    ),
    Seeded(
        "times of the frames in reverse",
        changed(times_of_another_order),
        "clip_tokens",
        "with the times in reverse",
        "clip",
    ),
    Seeded(
        "epsilon of the text decoder in the projection",
        patched((text, "project"), by=projection_norm_of_text),
        "memory",
        "with epsilon 1e-12",
    ),
    Seeded(
        "positions count the image tokens",
        patched((text, "embed_words"), by=count_image_tokens),
        "place_vectors",
        "the M image tokens are counted",
    ),
    Seeded(
        "positions count from 1",
        patched((text, "embed_words"), by=count_from_1),
        "place_vectors",
        "positions counted from 1",
    ),
    Seeded(
        "words before the image tokens",
        patched((text, "np"), by=WordsFirst()),
        "text.x",
        "with the words before the image tokens",
    ),
    Seeded(
        "mask off by one",
        patched((text, "full_mask"), by=mask_off_by_one),
        "text.mask",
        "a word may look at the next one",
    ),
    Seeded(
        "image tokens look at words",
        patched((text, "full_mask"), by=image_sees_words),
        "text.mask",
        "image tokens looking at words",
    ),
    Seeded(
        "words look ahead",
        patched((text, "full_mask"), by=words_see_ahead),
        "text.mask",
        "words look ahead",
    ),
    Seeded(
        "padding is read",
        patched((text, "full_mask"), by=padding_open),
        "text.mask",
        "with padding open",
    ),
    Seeded(
        "weight of the queries transposed",
        changed(in_text(1, transposed_query)),
        "text.1.q",
        "weight transposed",
    ),
    Seeded(
        "queries and keys exchanged",
        changed(in_text(0, q_and_k_swapped)),
        "text.0.q",
        "queries and keys exchanged",
    ),
    Seeded(
        "text decoder normalised before each part",
        patched((text, "block"), by=pre_norm_block),
        "text.0.after_attention",
        "the text decoder normalises after each part",
    ),
    Seeded(
        "the two normalisations of a layer exchanged",
        changed(in_text(2, norms_swapped)),
        "text.2.after_attention",
        "two normalisations of the layer exchanged",
    ),
    Seeded(
        "tanh gelu in the text decoder",
        configured(hidden_act="gelu_new"),
        "text.0.activated",
        "the tanh approximation",
    ),
    Seeded(
        "quick_gelu in the text decoder",
        configured(hidden_act="quick_gelu"),
        "text.0.activated",
        "with quick_gelu as the activation",
    ),
    Seeded(
        "head tied to the word embedding",
        changed(tied_head),
        "logits",
        "the word embedding as the head",
    ),
    Seeded(
        "heads cut wrongly",
        patched((layers, "split_heads"), by=split_wrongly),
        "vision.0.q",
        "with 7 heads of 4 numbers, not 4 of 7",
    ),
]


# ---------------------------------------------------------------- running them


def run(model: GitForCausalLM, given: dict) -> dict[str, np.ndarray]:
    recorder = Recorder()
    model.logits(
        given["input_ids"],
        given["pixel_values"],
        attention_mask=given["attention_mask"],
        trace=recorder,
    )
    return {"ids": given["input_ids"], **recorder.tensors}


def right_run(kind: str) -> Run:
    """The model as it should be, with the noise of float32 measured."""
    given = tiny_inputs(kind)
    rounded = run(MODEL, given)
    exact = run(GitForCausalLM(MODEL.config, in_float64(MODEL.params)), given)
    noise = {n: distance(a, exact[n]) for n, a in rounded.items() if n != "ids"}
    return Run(rounded, {"noise": noise})


RIGHT = {kind: right_run(kind) for kind in ("still", "clip")}


def diagnose(seeded: Seeded, *, knows_model: bool = True) -> Report:
    """Run the model with the bug in it, as another program would, and compare."""
    with seeded.bug(tiny_inputs(seeded.inputs), MODEL) as (given, model):
        tensors = run(model, given)
    tensors.pop("vision.patches", None)  # other programs convolve and have no such tensor
    params, config = (MODEL.params, MODEL.config) if knows_model else (None, None)
    return compare(RIGHT[seeded.inputs], Run(tensors, {}), params=params, config=config)


def table() -> str:
    """Write what came out for every bug, as Markdown."""
    lines = ["| the mistake | first difference | theirs equals ours ... |", "|---|---|---|"]
    for seeded in SEEDED:
        report = diagnose(seeded)
        assert report.first is not None
        said = " ".join(report.causes) or f"Usually wrong here: {report.suspects}."
        equal, _, how = said.partition("; what is left")[0].partition("Theirs equals ours ")
        said = how or f"no mistake that it knows; it says: {equal}"
        lines.append(f"| {seeded.title} | `{report.first.name}` | {said} |")
    return "\n".join(lines) + "\n"


def split_document() -> tuple[str, str, str]:
    """The document before, inside and after the lines of the table."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if line.startswith("| the mistake"))
    last = next((i for i in range(first, len(lines)) if not lines[i].startswith("|")), len(lines))
    return "".join(lines[:first]), "".join(lines[first:last]), "".join(lines[last:])


if __name__ == "__main__":
    before, _, after = split_document()
    DOCUMENT.write_text(before + table() + after, encoding="utf-8")
