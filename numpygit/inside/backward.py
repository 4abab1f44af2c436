"""The backward pass of a run: the gradient of every named tensor, recorded like the tensors.

    run = record_backward(captioner, "picture.png")       # a Run, of mode "backward"

The loss is that of the model's own words: how surprised it is by the caption that it makes. A port
that is asked for the same (read `ids`, take the mean over the words after the prompt) must find the
same gradients, and `numpygit diff` says where it first does not, from the logits backwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..huggingface.loss import IGNORED
from ..learning.backward.model import loss_and_gradients
from ..model.layers import Trace
from ..model.params import Array
from ..trace import Recorder, only
from .record import IDS, Distance, Run, Subject, check_patterns, distance, in_float64, names_of

MODE = "backward"

# What goes wrong on the way back, by the last part of the name of the first wrong gradient.
SUSPECTS = {
    "logits": "labels shifted twice or not at all, padding or the prompt counted, the sum divided "
    "by all words and not by the labels, smoothing",
    "scores": "the sum over a row left out of softmax's way back",
    "weights": "gradients of values and weights exchanged, heads split another way",
    "q": "no division by sqrt(A) on the way back, or two",
    "k": "no division by sqrt(A), or scores not transposed",
    "v": "weights not transposed",
    "hidden": "the slope of another activation: gelu, its tanh approximation, quick_gelu",
    "activated": "the weight of the MLP transposed",
    "x": "a residual connection left out or counted twice, norm before and after exchanged",
    "after_attention": "a residual connection left out or counted twice",
    "attention_input": "layer norm without the terms of mean and scale, or another epsilon",
    "mlp_input": "layer norm without the terms of mean and scale, or another epsilon",
    "words": "image tokens and words cut at another place",
    "memory": "image tokens and words cut at another place",
}


def suspects_of(name: str) -> str:
    """Say what usually makes the gradient of a tensor wrong, if all after it are right."""
    return SUSPECTS.get(name.rsplit(".", 1)[-1], "")


def record_backward(
    captioner: Any,
    picture: Subject,
    question: str | None = None,
    *,
    patterns: Sequence[str] = (),
    noise: bool = False,
    trace: Trace | None = None,
) -> Run:
    """Go through a caption or an answer forwards and backwards: keep gradients that fit."""
    config, params = captioner.model.config, captioner.model.params
    check_patterns(patterns, names_of(config))
    pixels = captioner.pixels(picture)
    prompt = captioner.processor.prompt(question)
    *_, ids = captioner.generate(pixels, prompt)
    labels = np.where(np.arange(ids.shape[1]) < prompt.shape[1], IGNORED, ids)
    recorder = Recorder(*patterns)
    watch = recorder if trace is None else only(patterns, trace)
    loss, _ = loss_and_gradients(params, config, pixels, ids, labels, trace=watch)
    facts: dict[str, Any] = {
        "model": captioner.name,
        "picture": str(picture) if isinstance(picture, str | Path) else "",
        "question": question or "",
        "mode": MODE,
        "loss": str(loss),
        "text": captioner.processor.vocabulary.decode(ids[0, prompt.shape[1] :].tolist()),
    }
    if noise:
        found: dict[str, Distance] = {}

        def hold_against(name: str, value: Array) -> None:
            if name in recorder.tensors:
                found[name] = distance(recorder.tensors[name], value)

        exact = in_float64(params)
        loss_and_gradients(
            exact, config, pixels.astype(np.float64), ids, labels, trace=hold_against
        )
        facts["noise"] = found
    return Run({IDS: ids, **recorder.tensors}, facts)
