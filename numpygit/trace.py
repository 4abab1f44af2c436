"""Look at the numbers inside: one table of every named tensor, and observers for them.

Every function of the model calls `trace(name, value)` after each tensor that has a name. An
observer is any function of these two; it returns nothing, so it cannot change a result.

    recorder = Recorder("text.*.weights")
    model.forward(..., trace=recorder)
    recorder.tensors["text.0.weights"]          # (B, N, T, S)

A cached run, as in captioning, puts `image.` before the names of its pass over the image tokens
and `word.0.`, `word.1.`, ... before those of each word; `find` takes such names apart. In the text
decoder T counts the tokens that go in now: all S of them, unless a cache holds some. The vision
encoder's batch are the frames of a clip. The table has the names of TransformerLens too: `mixed`
is its z, `attended` its attn_out, `thought` its mlp_out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, TextIO

import numpy as np

from .model.params import Array


class Named(NamedTuple):
    """One row of the table. `{i}` in a name or module stands for the number of the layer."""

    name: str
    shape: str
    meaning: str
    function: str
    official: str  # the module of transformers 4.37.2 whose output (or input) it is
    lens: str = ""  # the hook of TransformerLens there; for the text decoder, of HookedEncoder


VISION = "git.image_encoder.vision_model."
TEXT = "git.encoder.layer.{i}."


def inside_block(tower: str, attention: str, out: str, up: str, down: str) -> list[Named]:
    """List what attention and MLP name, the same in both towers."""
    q, k, v = attention.split()
    keys = "layers.keys_and_values"
    rows = [
        ("q", "(B, N, T, A)", "Queries: what each token asks for.", "", q, "attn.hook_q"),
        ("k", "(B, N, T, A)", "Keys: what each token answers to.", keys, k, "attn.hook_k"),
        ("v", "(B, N, T, A)", "Values: what each token has to give.", keys, v, "attn.hook_v"),
        ("scores", "(B, N, T, S)", "Dot products of q and k, scaled, masked.", "", "softmax in",
         "attn.hook_attn_scores"),
        ("weights", "(B, N, T, S)", "Attention weights: softmax of the scores.", "", "softmax out",
         "attn.hook_pattern"),
        ("mixed", "(B, N, T, A)", "Weighted sum of the values: z.", "", f"{out} in", "attn.hook_z"),
        ("joined", "(B, T, N * A)", "The heads side by side.", "", f"{out} in", ""),
        ("attended", "(B, T, D)", "The output of attention: attn_out.", "", out, "hook_attn_out"),
        ("hidden", "(B, T, F)", "The hidden layer of the MLP.", "layers.mlp", up, "mlp.hook_pre"),
        ("activated", "(B, T, F)", "The hidden layer after the activation.", "layers.mlp",
         f"{down} in", "mlp.hook_post"),
        ("thought", "(B, T, D)", "The output of the MLP: mlp_out.", "layers.mlp", down,
         "hook_mlp_out"),
    ]  # fmt: skip
    return [
        Named(f"{tower}.{{i}}.{name}", shape, meaning, function or "layers.attention", official,
              f"blocks.{{i}}.{lens}" if lens else "")
        for name, shape, meaning, function, official, lens in rows
    ]  # fmt: skip


VISION_BLOCK = VISION + "encoder.layers.{i}."
VISION_INSIDE = inside_block(
    "vision",
    " ".join(f"{VISION_BLOCK}self_attn.{name}_proj" for name in "qkv"),
    f"{VISION_BLOCK}self_attn.out_proj",
    f"{VISION_BLOCK}mlp.fc1",
    f"{VISION_BLOCK}mlp.fc2",
)
TEXT_INSIDE = inside_block(
    "text",
    " ".join(f"{TEXT}attention.self.{name}" for name in ("query", "key", "value")),
    f"{TEXT}attention.output.dense",
    f"{TEXT}intermediate.dense",
    f"{TEXT}output.dense",
)

TABLE = [
    Named("pixels", "(B, C, H, W)", "The picture as numbers around 0.", "image", "pixel_values"),
    Named("vision.patches", "(B, P, C * patch * patch)", "The picture cut into patches.",
          "vision.cut_patches", ""),
    Named("vision.patch_tokens", "(B, P, D)", "A patch embedding: a vector for each patch.",
          "vision.embed_patches", f"{VISION}embeddings.patch_embedding", "hook_embed"),
    Named("vision.embedded", "(B, P + 1, D)", "Class token in front, positions added.",
          "vision.embed_patches", f"{VISION}embeddings", "hook_full_embed"),
    Named("vision.x", "(B, P + 1, D)", "Normalised: the residual stream begins.",
          "vision.vision_tower", f"{VISION}pre_layrnorm", "ln_pre.hook_normalized"),
    Named("vision.{i}.attention_input", "(B, T, D)", "The stream, normalised for attention.",
          "vision.block", f"{VISION_BLOCK}layer_norm1", "blocks.{i}.ln1.hook_normalized"),
    *VISION_INSIDE[:8],
    Named("vision.{i}.after_attention", "(B, T, D)", "The stream with attention added.",
          "vision.block", f"{VISION_BLOCK}layer_norm2 in", "blocks.{i}.hook_resid_mid"),
    Named("vision.{i}.mlp_input", "(B, T, D)", "The stream, normalised for the MLP.",
          "vision.block", f"{VISION_BLOCK}layer_norm2", "blocks.{i}.ln2.hook_normalized"),
    *VISION_INSIDE[8:],
    Named("vision.{i}.x", "(B, T, D)", "The stream with the MLP added.",
          "vision.block", VISION_BLOCK[:-1], "blocks.{i}.hook_resid_post"),
    Named("vision.image_tokens", "(B, P + 1, D)", "The output of the vision encoder.",
          "vision.vision_tower", f"{VISION}post_layernorm", "ln_final.hook_normalized"),
    Named("clip_tokens", "(B, M, D)", "Clips: all frames, temporal embeddings added.",
          "vision.image_tokens", "git.visual_projection in"),
    Named("projected", "(B, M, D)", "Image tokens at the text decoder's width.",
          "text.project", "git.visual_projection.visual_projection.0"),
    Named("memory", "(B, M, D)", "The same, normalised: what words attend to.",
          "text.project", "git.visual_projection"),
    Named("word_vectors", "(B, T, D)", "A token embedding for each word.",
          "text.embed_words", "git.embeddings.word_embeddings", "hook_embed"),
    Named("place_vectors", "(B, T, D)", "A position embedding for each word.",
          "text.embed_words", "git.embeddings.position_embeddings", "hook_pos_embed"),
    Named("words", "(B, T, D)", "Their sum, normalised.", "text.embed_words", "git.embeddings",
          "embed.hook_normalized"),
    Named("text.x", "(B, S, D)", "Image tokens, then words: the stream begins.",
          "text.forward", "git.encoder in", "hook_full_embed"),
    Named("text.mask", "(B, 1, T, S)", "Which token may attend to which: 0 yes, -inf no.",
          "text.full_mask", "git.encoder in"),
    *TEXT_INSIDE[:8],
    Named("text.{i}.after_attention", "(B, T, D)", "The stream with attention added, normalised.",
          "text.block", f"{TEXT}attention.output", "blocks.{i}.hook_mlp_in"),
    *TEXT_INSIDE[8:],
    Named("text.{i}.x", "(B, T, D)", "The stream with the MLP added, normalised.",
          "text.block", TEXT[:-1], "blocks.{i}.hook_normalized_resid_post"),
    Named("logits", "(B, T, V)", "A score for each token of the vocabulary.",
          "text.forward", "output"),
    Named("word", "(B,)", "The token that was chosen.", "generate.generate", ""),
]  # fmt: skip

ROWS = {row.name: row for row in TABLE}
NUMBERS = {row.name: number for number, row in enumerate(TABLE)}


class Location(NamedTuple):
    """Where a name that was traced belongs."""

    row: Named
    run: str  # "" for a run without a cache, and "image." or "word.3." for a part of one with it
    layer: int | None


def find(name: str) -> Location | None:
    """Find the row of the table that a traced name belongs to, if there is one."""
    cached = re.match(r"image\.|word\.\d+\.", name)
    run = cached[0] if cached else ""
    rest = name.removeprefix(run)
    inside = re.fullmatch(r"(vision|text)\.(\d+)\.(\w+)", rest)
    if inside is None:
        return Location(ROWS[rest], run, None) if rest in ROWS and "{i}" not in rest else None
    row = ROWS.get(f"{inside[1]}.{{i}}.{inside[3]}")
    return None if row is None else Location(row, run, int(inside[2]))


def order(name: str) -> tuple[int, ...]:
    """Say when a tensor is computed, as a key to sort names by; unknown names come last."""
    location = find(name)
    if location is None:
        return (sys.maxsize,)
    number = NUMBERS[location.row.name]
    word = re.search(r"\d+", location.run)
    part = int(word[0]) + 2 if word else len(location.run) > 0
    if location.layer is None:
        return part, number
    tower = location.row.name.split(".")[0]
    return part, NUMBERS[f"{tower}.{{i}}.{FIRST[tower]}"], location.layer, number


FIRST = {"vision": "attention_input", "text": "q"}  # what a layer names first


class Recorder:
    """Keep every tensor whose name fits one of the patterns.

    Parameters
    ----------
    *patterns : str
        Names of the table, `*` stands for anything; without patterns, all.

    Attributes
    ----------
    tensors : dict of str to array
        The arrays as they are, not copied: the model never changes an array it has made.

    Examples
    --------
    >>> import numpygit
    >>> from numpygit.trace import Recorder
    >>> recorder, storybook = Recorder("memory", "word.0.logits"), numpygit.load("storybook")
    >>> from numpygit.storybook import EXAMPLES
    >>> picture = EXAMPLES / "relation.png"
    >>> _ = list(storybook.stream(picture, trace=recorder))
    >>> recorder.tensors["memory"].shape, recorder.tensors["word.0.logits"].shape
    ((1, 65, 160), (1, 1, 154))
    """

    def __init__(self, *patterns: str) -> None:
        self.patterns = patterns or ("*",)
        self.tensors: dict[str, Array] = {}

    def __call__(self, name: str, value: Array) -> None:
        if any(fnmatchcase(name, pattern) for pattern in self.patterns):
            self.tensors[name] = value

    def __repr__(self) -> str:
        return f"Recorder({', '.join(map(repr, self.patterns))}): {len(self.tensors)} tensors"

    def like(self, *patterns: str) -> tuple[Array, ...]:
        """Return what was kept whose name fits, pattern after pattern, in the order it came."""
        fitting = [name for p in patterns for name in self.tensors if fnmatchcase(name, p)]
        return tuple(self.tensors[name] for name in dict.fromkeys(fitting))


def together(*observers: Callable[[str, Array], None]) -> Callable[[str, Array], None]:
    """Make one observer of several."""

    def observe(name: str, value: Array) -> None:
        for observer in observers:
            observer(name, value)

    return observe


def only(
    patterns: Sequence[str], observer: Callable[[str, Array], None]
) -> Callable[[str, Array], None]:
    """Let an observer see only the names that fit one of the patterns; no patterns, all names."""
    if not patterns:
        return observer

    def observe(name: str, value: Array) -> None:
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            observer(name, value)

    return observe


class Printer:
    """Print one line for each tensor: name, shape, range, mean."""

    def __init__(self, *patterns: str, to: TextIO | None = None) -> None:
        self.patterns = patterns or ("*",)
        self.to = to or sys.stdout

    def __call__(self, name: str, value: Array) -> None:
        if any(fnmatchcase(name, pattern) for pattern in self.patterns):
            print(describe(name, value), file=self.to)


def describe(name: str, value: Array) -> str:
    """Say in one line what an array is; -inf, as masks have it, is left out of the range."""
    finite = value[np.isfinite(value)]
    if finite.size == 0:
        return f"{name:25} {value.shape!s:18} no finite number"
    low, high, mean = finite.min(), finite.max(), finite.mean()
    return f"{name:25} {value.shape!s:18} {low:8.3g} to {high:8.3g}, mean {mean:8.3g}"
