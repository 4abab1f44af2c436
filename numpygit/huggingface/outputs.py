"""What a forward call returns, under the names of the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from ..decoding.decode import Generation
from ..model.params import named_arrays
from ..model.text import Cache


class ModelOutput(Mapping[str, Any]):
    """Named results, by attribute, by key, or by number as in a tuple.

        outputs.logits, outputs["logits"], outputs[0], outputs[:2], outputs.to_tuple()

    What was not asked for is None as an attribute and is no key; keys keep the order of the
    documentation. Source: transformers 4.37.2, `utils/generic.py`, ModelOutput.
    """

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        named = self.__dict__.get("_fields", {})
        if name not in named:
            names = ", ".join(named)
            raise AttributeError(f"this output has no {name!r}; it has: {names}")
        return named[name]

    def __getitem__(self, key: str | int | slice) -> Any:
        if not isinstance(key, str):
            return self.to_tuple()[key]
        if self._fields.get(key) is None:
            raise KeyError(key)
        return self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, value in self._fields.items() if value is not None])

    def __len__(self) -> int:
        return len(self.to_tuple())

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={show_value(self[name])}" for name in self)
        return f"{type(self).__name__}({shown})"

    def to_tuple(self) -> tuple[Any, ...]:
        """List the results that are not None, in their order."""
        return tuple(value for value in self._fields.values() if value is not None)


class GenerateOutput(ModelOutput):
    """What `generate` returns with return_dict_in_generate: the fields of a `Generation`.

    sequences (R, T); sequences_scores (R,) of beams; scores and logits, (rows, V) a word;
    beam_indices (R, new words); attentions and hidden_states, a layer each, a word each;
    past_key_values; log_probabilities, see `decoding.scores`.
    """

    @classmethod
    def of(cls, found: Generation) -> GenerateOutput:
        """Give the results of a run their names."""
        return cls(**{field.name: getattr(found, field.name) for field in fields(found)})


Outputs = ModelOutput | tuple[Any, ...]


# ---------------------------------------------------------------- sizes, never numbers


def show_model(name: str, config: Any, params: Any) -> str:
    """Say in a few lines what a model is: widths, layers, heads, and how many parameters it has."""
    vision = getattr(config, "vision_config", config)
    count = sum(array.size for _, array in named_arrays(params))
    lines = [
        f"{name} with {count:,} parameters",
        f"  vision encoder: {show_layers(vision)}; {vision.image_size} x {vision.image_size} "
        f"pixels, {vision.num_patches} patches of {vision.patch_size} x {vision.patch_size}",
    ]
    if vision is not config:
        frames = config.num_image_with_embedding
        lines.append(
            f"  text decoder: {show_layers(config)}; vocabulary of {config.vocab_size:,}, "
            f"{config.max_position_embeddings} positions" + (f", {frames} frames" if frames else "")
        )
    return "\n".join(lines)


def show_layers(config: Any) -> str:
    """Say how deep and how wide one tower is."""
    return (
        f"{config.num_hidden_layers} layers, width {config.hidden_size}, "
        f"{config.num_attention_heads} heads, MLP {config.intermediate_size}"
    )


def show_value(value: Any) -> str:
    """Say what an output holds: an array by dtype and shape, several of a kind by their number."""
    if isinstance(value, Cache):
        return repr(value)
    if isinstance(value, np.ndarray | np.generic):
        return f"{value.dtype} {value.shape}" if value.shape else f"{value.dtype} {value}"
    if isinstance(value, tuple) and value and not hasattr(value, "_fields"):
        shown = [show_value(part) for part in value]
        same = all(part == shown[0] for part in shown)
        return f"{len(value)} x {shown[0]}" if same else f"({', '.join(shown)})"
    return repr(value)
