"""Random parameters for a model that nobody has trained yet.

Source: transformers 4.37.2, GitPreTrainedModel._init_weights: normal numbers of standard deviation
`initializer_range`, biases 0, norms 1 and 0, temporal embeddings 0, the pad token's vector 0.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import replace

import numpy as np

from ..errors import UserError, expect
from ..fast.memory import check_memory
from ..model.params import Array, Git, Linear, Vision
from .config import GitConfig, GitVisionConfig
from .names import Take, tensor_shapes, walk, walk_vision


def random_model(config: GitConfig, *, seed: int = 0) -> Git:
    """Draw all parameters. The same seed gives the same numbers."""
    numbers = sum(map(math.prod, tensor_shapes(config).values()))
    check_memory(4 * numbers, "a model of this config", copied=4 * numbers)
    params = walk(config, drawing(config, seed))
    text = params.text
    text.word_embedding[config.pad_token_id] = 0  # drawn above, nobody else has seen it
    if config.tie_word_embeddings:
        text = replace(text, head=Linear(text.word_embedding, text.head.bias))
    return replace(params, text=text)


def random_tower(config: GitVisionConfig, *, seed: int = 0) -> Vision:
    """Draw the parameters of a vision encoder, the same as those inside a whole model."""
    whole = GitConfig(vision_config=config)
    return walk_vision(whole, drawing(whole, seed))


def drawing(config: GitConfig, seed: int) -> Take:
    """Make the function that draws a tensor by its name in the file.

    Every name has a generator of its own, so that the order does not matter.
    """
    expect("seed", seed, (int, np.integer), "a whole number")
    if seed < 0:
        raise UserError(f"seed is {seed}; it is counted from 0")

    def draw(name: str, *shape: int) -> Array:
        if name.endswith(".bias") or "temperal" in name:
            return np.zeros(shape, np.float32)
        if "norm" in name.lower() or "layrnorm" in name or "visual_projection.1" in name:
            return np.ones(shape, np.float32)
        in_tower = name.startswith("git.image_encoder.")
        std = (config.vision_config if in_tower else config).initializer_range
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        drawn: Array = rng.standard_normal(shape, np.float32)
        drawn *= np.float32(std)
        return drawn

    return draw
