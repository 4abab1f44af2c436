"""LoRA: a matrix is left as it is, and a product of two thin ones is added to it.

W' = W + (alpha / rank) B A with A (rank, in) and B (out, rank). Only A and B are trained; B begins
at 0, so that nothing changes at first. As most people do, the query and value matrices of the text
layers get one. Source: Hu et al., arXiv 2106.09685; names, initial values and files are those of
PEFT (`adapter_model.safetensors`, `adapter_config.json`).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from ..loading.write_whole import write_whole
from ..model.params import Array, Git, Linear

TARGETS = ("query", "value")
PREFIX = "base_model.model.git.encoder.layer"


@dataclass(frozen=True)
class Thin:
    """The two thin matrices that are added to one weight matrix."""

    name: str  # of the matrix: "text.blocks.3.attention.query.weight"
    a: Array  # (rank, in)
    b: Array  # (out, rank)


@dataclass(frozen=True)
class Lora:
    """The thin matrices of a whole model."""

    rank: int
    alpha: float
    parts: tuple[Thin, ...]

    @property
    def scale(self) -> float:
        """What the products are multiplied by."""
        return self.alpha / self.rank


@dataclass(frozen=True)
class Adapted(Linear):
    """A projection with LoRA: its weight is W + scale B A, and only A and B have gradients."""

    a: Array  # (rank, in)
    b: Array  # (out, rank)
    scale: float


def thin_backward(dy: Array, x: Array, p: Adapted) -> tuple[Array, Array]:
    """Gradients of A and B: dy (n, out), x (n, in) -> dA (rank, in), dB (out, rank).

    With dW = dy^T x the chain rule says dA = scale B^T dW and dB = scale dW A^T. Read from the
    other side, no product is ever as wide as W: that is what makes LoRA cheap.
    """
    n, wide = dy.shape
    rank, narrow = p.a.shape
    dbefore = dy @ p.b  # (n, rank)
    before = x @ p.a.T  # (n, rank)
    da = p.scale * (dbefore.T @ x)  # (rank, narrow)
    db = p.scale * (dy.T @ before)  # (wide, rank)
    return da, db


def random_lora(params: Git, *, rank: int, alpha: float, seed: int) -> Lora:
    """Begin: A uniform within 1 / sqrt(in), as PEFT draws it, and B = 0."""
    rng = np.random.default_rng([seed, rank])
    parts = []
    for i, block in enumerate(params.text.blocks):
        for target in TARGETS:
            weight = getattr(block.attention, target).weight
            wide, narrow = weight.shape
            most = 1 / math.sqrt(narrow)
            a = rng.uniform(-most, most, (rank, narrow)).astype(weight.dtype)
            name = f"text.blocks.{i}.attention.{target}.weight"
            parts.append(Thin(name, a, np.zeros((wide, rank), weight.dtype)))
    return Lora(rank, alpha, tuple(parts))


def merged(params: Git, lora: Lora) -> Git:
    """Add every product to its matrix, in copies that also hold the thin matrices."""
    parts = {part.name: part for part in lora.parts}
    blocks = []
    for i, block in enumerate(params.text.blocks):
        attention = block.attention
        for target in TARGETS:
            old: Linear = getattr(attention, target)
            part = parts[f"text.blocks.{i}.attention.{target}.weight"]
            weight = old.weight + lora.scale * (part.b @ part.a)
            changed: dict[str, Any] = {
                target: Adapted(weight, old.bias, part.a, part.b, lora.scale)
            }
            attention = replace(attention, **changed)
        blocks.append(replace(block, attention=attention))
    return replace(params, text=replace(params.text, blocks=tuple(blocks)))


def save_adapter(folder: Path, lora: Lora, *, base: str) -> None:
    """Write the two files that PEFT's `PeftModel.from_pretrained` reads."""
    tensors = {}
    for part in lora.parts:
        _, _, layer, _, target, _ = part.name.split(".")
        official = f"{PREFIX}.{layer}.attention.self.{target}"
        tensors[f"{official}.lora_A.weight"] = np.ascontiguousarray(part.a)
        tensors[f"{official}.lora_B.weight"] = np.ascontiguousarray(part.b)
    settings = {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": base,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": 0.0,
        "target_modules": list(TARGETS),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "modules_to_save": None,
    }
    text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"format": "pt"}
    write_whole(
        folder / "adapter_model.safetensors", lambda path: save_file(tensors, path, metadata=facts)
    )
    write_whole(folder / "adapter_config.json", lambda path: path.write_text(text))
