"""One tensor on its way: about 14 stages from pixels to a word."""

from __future__ import annotations

import inspect
import re
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from ...model.params import Array
from ...trace import TABLE
from .pack import exact, thumbnail
from .traced_run import Run

CORNER = 8


class Stage(NamedTuple):
    """A stop on the way; the function, where a cached run calls another one than the table."""

    name: str
    sentence: str
    function: str | None = None


PICTURE = [
    Stage("pixels", "The picture as numbers: three colours, each around 0.", "image"),
    Stage("vision.patches", "Cut into squares (patches), row by row; each is one row of numbers."),
    Stage("vision.patch_tokens", "A matrix turns each square into a vector: now it is a token."),
    Stage("vision.x", "A class token in front, positions added, each token normalised."),
    Stage("vision.0.weights", "First layer, first head: attention weights; a row sums to 1."),
    Stage("vision.image_tokens", "After the whole vision encoder: every square knows the others."),
    Stage("clip_tokens", "The tokens of all frames in a row; each knows the time of its frame."),
    Stage("memory", "Brought to the width of the text decoder: this is what words can look at."),
]  # fmt: skip
WORD = [
    Stage("words", "The word before, looked up, its position added: where the next one begins."),
    Stage("text.mask", "What it may look at: 0 for yes, minus infinity for no.", "text.word_mask"),
    Stage("text.0.scores", "First layer, first head: how well its query fits each token's key."),
    Stage("text.0.weights", "The same after softmax: attention weights, which sum to 1."),
    Stage("text.0.joined", "What it gathered, the heads side by side."),
    Stage("text.{last}.x", "After the last layer: a vector that means the next word."),
    Stage("logits", "A score for each word of the vocabulary.", "text.decode_step"),
    Stage("word", "The number of the highest score: the word that is said."),
]


def followed(run: Run) -> dict[str, Any]:
    """Follow the picture once, and every word: name, shape, range, small picture, numbers."""
    picture = [stage for stage in PICTURE if stage.name in run.tensors]
    return {
        "picture": [follow(run, stage, stage.name) for stage in picture],
        "words": [
            [follow(run, stage, f"word.{number}.{stage.name}") for stage in word_stages(run)]
            for number in range(len(run.token_ids))
        ],
    }


def word_stages(run: Run) -> list[Stage]:
    """Name the last layer."""
    last = run.layers - 1
    return [stage._replace(name=stage.name.format(last=last)) for stage in WORD]


def follow(run: Run, stage: Stage, name: str) -> dict[str, Any]:
    """Describe one tensor; the range leaves out minus infinity."""
    tensor = run.tensors[name]
    row = table_row(stage.name)
    flat = matrix(tensor)
    finite = tensor[np.isfinite(tensor)]
    return {
        "name": name,
        "shape": list(tensor.shape),
        "letters": row[0],
        "sentence": stage.sentence,
        "where": source_line(stage.function or row[1]),
        "low": exact(finite.min()),
        "high": exact(finite.max()),
        "corner": exact(flat[:CORNER, :CORNER]),
        "of": list(flat.shape),
        "small": thumbnail(flat),
    }


def table_row(name: str) -> tuple[str, str]:
    """Find a tensor in the table of names: -> its shape in letters, its function."""
    general = re.sub(r"\.\d+\.", ".{i}.", name)
    for row in TABLE:
        if row.name == general:
            return row.shape, row.function
    raise KeyError(general)


def matrix(tensor: Array) -> Array:
    """Take the first of every axis but the last two; of a step with several words, the last."""
    while tensor.ndim > 2:
        tensor = tensor[0]
    return tensor.reshape(-1, tensor.shape[-1])


@cache
def source_line(function: str) -> str:
    """Say where a function stands: "vision.cut_patches" -> "vision.py, line 104: cut_patches"."""
    file, _, name = function.partition(".")
    if not name:
        return f"{file}.py"
    module = import_module(f"numpygit.model.{file}")
    line = inspect.getsourcelines(getattr(module, name))[1]
    return f"{file}.py, line {line}: {name}"
