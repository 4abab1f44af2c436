"""The inputs of `golden/tiny`, for tests that only need a model whose sizes all differ."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from numpygit import loading
from numpygit.huggingface.models import GitForCausalLM

TINY = Path(__file__).parent.parent / "golden" / "tiny"


def tiny_model() -> GitForCausalLM:
    return GitForCausalLM(*loading.load(TINY))


def tiny_inputs(kind: str) -> dict[str, np.ndarray]:
    arrays = load_file(TINY / f"{kind}.safetensors")
    return {name.removeprefix("input/"): a for name, a in arrays.items() if "input/" in name}
