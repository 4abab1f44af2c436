"""Random tiny models and inputs, drawn alike by the program that asks and the one that checks.

`draw_case(seed)` gives a config, as it stands in a `config.json`, and the arguments of one forward
call. Weights are those of `seeded.py` for the same seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

ACTIVATIONS = ("quick_gelu", "gelu", "gelu_new", "relu", "silu", "selu", "swish")
POSITIONS = ("absolute", "absolute", "relative_key", "relative_key_query")


@dataclass
class Case:
    """One question to both implementations."""

    seed: int
    config: dict[str, Any]
    inputs: dict[str, Any]


def draw_case(seed: int) -> Case:
    """Draw towers, heads, activations, frames, patches, words, padding, positions, head masks."""
    rng = np.random.default_rng([11, seed])

    def pick(choices: Any) -> Any:
        return choices[int(rng.integers(len(choices)))]

    heads, tower_heads = pick((1, 2, 3, 5)), pick((1, 2, 4))
    patch, rows = pick((3, 4, 7)), pick((1, 2, 3))
    frames = pick((None, None, 1, 2, 3))
    places = 60
    config = {
        "model_type": "git",
        "vocab_size": pick((31, 57)),
        "hidden_size": heads * pick((4, 6, 8)),
        "num_hidden_layers": pick((1, 2, 3)),
        "num_attention_heads": heads,
        "intermediate_size": pick((20, 37)),
        "hidden_act": pick(ACTIVATIONS),
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "layer_norm_eps": pick((1e-12, 1e-5)),
        "max_position_embeddings": places,
        "position_embedding_type": pick(POSITIONS),
        "bos_token_id": 2,
        "eos_token_id": 3,
        "pad_token_id": 0,
        "num_image_with_embedding": frames,
        "vision_config": {
            "hidden_size": tower_heads * pick((3, 8)),
            "intermediate_size": pick((19, 40)),
            "num_hidden_layers": pick((1, 2)),
            "num_attention_heads": tower_heads,
            "num_channels": pick((3, 3, 1)),
            "image_size": patch * rows + pick((0, 0, 1)),
            "patch_size": patch,
            "hidden_act": pick(ACTIVATIONS),
            "layer_norm_eps": pick((1e-5, 1e-3)),
        },
    }
    return Case(seed, config, draw_inputs(rng, config))


def draw_inputs(rng: np.random.Generator, config: dict[str, Any]) -> dict[str, Any]:
    """Draw the arguments of a forward call that both implementations take."""
    tower = config["vision_config"]
    B, T = int(rng.integers(1, 4)), int(rng.integers(2, 9))
    size, channels, D = tower["image_size"], tower["num_channels"], config["hidden_size"]
    inputs: dict[str, Any] = {}
    if rng.random() < 0.7:
        inputs["input_ids"] = rng.integers(4, config["vocab_size"], (B, T))
    else:
        inputs["inputs_embeds"] = rng.standard_normal((B, T, D), np.float32)
    frames = config["num_image_with_embedding"]
    if rng.random() < 0.85:
        shape = (B, channels, size, size)
        if frames is not None and rng.random() < 0.8:
            shape = (B, int(rng.integers(1, frames + 1)), channels, size, size)
        inputs["pixel_values"] = rng.standard_normal(shape, np.float32)
    if rng.random() < 0.5:
        right = rng.integers(0, T, B)  # at least one word stays
        inputs["attention_mask"] = (np.arange(T) < (T - right)[:, None]).astype(np.int64)
    if rng.random() < 0.25 and config["position_embedding_type"] == "absolute":
        inputs["position_ids"] = rng.integers(0, config["max_position_embeddings"], (B, T))
    L, N = config["num_hidden_layers"], config["num_attention_heads"]
    if rng.random() < 0.35:
        shape = (N,) if rng.random() < 0.5 else (L, N)
        inputs["head_mask"] = rng.choice(np.array([0, 1, 1, 0.5], np.float32), shape)
    if rng.random() < 0.7:
        labels = rng.integers(0, config["vocab_size"], (B, T))
        labels[rng.random((B, T)) < 0.3] = -100
        labels[0, -1] = 5  # something is left to learn
        inputs["labels"] = labels
    return inputs
