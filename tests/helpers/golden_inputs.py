"""The inputs of `golden/tiny`, for tests that only need a model whose sizes all differ."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from numpygit import loading
from numpygit.huggingface.models import GitForCausalLM

TINY = Path(__file__).parents[2] / "golden" / "tiny"
FACTOR, FLOOR = 8, 1e-6  # how far from float64: times the noise of float32, and at least this


def tiny_model() -> GitForCausalLM:
    return GitForCausalLM(*loading.load(TINY))


def tiny_inputs(kind: str) -> dict[str, np.ndarray]:
    arrays = load_file(TINY / f"{kind}.safetensors")
    return {name.removeprefix("input/"): a for name, a in arrays.items() if "input/" in name}
