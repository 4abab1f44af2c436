"""The recorded ways to generate (`golden/generation`), and the model they were recorded with."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from golden_inputs import tiny_inputs, tiny_model
from safetensors.numpy import load_file

from numpygit.huggingface.models import GitForCausalLM

HERE = Path(__file__).parents[2] / "golden" / "generation"
ASKED = json.loads((HERE / "asked.json").read_text())
GOLDEN = load_file(HERE / "generated.safetensors")
FILTERED = load_file(HERE / "filters.safetensors")
MIN_P = load_file(HERE / "min_p.safetensors")
CONFIG = tiny_model().config
BLOCKED = -1e30


def ending_model() -> GitForCausalLM:
    """The tiny model, with end tokens likelier by as much as in the golden."""
    model = tiny_model()
    head = model.params.text.head
    bias = head.bias.copy()
    bias[[3, 17]] += np.float32(ASKED["ending"])
    text = replace(model.params.text, head=replace(head, bias=bias))
    return GitForCausalLM(model.config, replace(model.params, text=text))


MODEL = ending_model()


def inputs(kind: str) -> tuple[np.ndarray, np.ndarray]:
    given = tiny_inputs("clip" if kind == "clip" else "still")
    start = np.full((2, 1), CONFIG.bos_token_id)
    question = np.concatenate([start, given["input_ids"][:, :3]], axis=1)
    return given["pixel_values"], start if kind == "caption" else question


MEMORY = {kind: MODEL.memory(inputs(kind)[0]) for kind in ("caption", "clip")}
MEMORY["question"] = MEMORY["caption"]
MEMORY["text"] = np.zeros((2, 0, CONFIG.hidden_size), np.float32)
