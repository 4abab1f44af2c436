"""Models and goldens that the tests of learning share."""

from pathlib import Path

import gradient_cases as cases
import numpy as np
from seeded import seeded_tensors

from numpygit import GitConfig
from numpygit.learning.backward.activations import exact_gelu
from numpygit.learning.parameters import astype
from numpygit.loading.checkpoint import load
from numpygit.loading.names import params_from, tensor_shapes
from numpygit.model.params import Git
from numpygit.storybook import CHECKPOINT

GOLDEN = Path(__file__).parents[2] / "golden"
__all__ = ["GOLDEN", "cases", "model_of"]


def model_of(name: str, dtype: type) -> tuple[GitConfig, Git]:
    if name == "git-base":
        config = GitConfig()
        tensors = seeded_tensors(tensor_shapes(config), seed=2)
        params = params_from(tensors, config, source="golden/seeded.py")
    else:
        config, params = load(CHECKPOINT if name == "storybook" else GOLDEN / "tiny")
    if dtype is np.float64:  # `layers.gelu` is exact in float32 only
        config = GitConfig.from_dict({**config.to_dict(), "hidden_act": exact_gelu})
    return config, astype(params, dtype)
