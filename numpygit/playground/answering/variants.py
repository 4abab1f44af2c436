"""A captioner -> the same with heads or layers of the text decoder switched off, or untrained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...errors import UserError
from ...huggingface.edit_params import heads_without, mask_heads
from ...huggingface.models import GitForCausalLM
from ...loading.config import GitConfig
from ...loading.random_weights import random_model
from ...model.params import Git
from ..protocol import Settings
from .takes import Captioner

MOST_RANDOM = 30_000_000  # numbers; drawing more takes long


def variant(captioner: Captioner, settings: Settings, *, plain: bool = False) -> Captioner:
    """Change the parameters as the settings say; the captioner itself stays as it is.

    A head that is off adds nothing: its columns of `out` are 0. A layer that is off is left out.
    """
    if not (settings.heads_off or settings.layers_off or settings.random_weights or plain):
        return captioner
    model = captioner.model
    params: Git = model.params
    if settings.random_weights:
        params = untrained(model.config)
    if settings.heads_off:
        params = without_heads(params, settings, model.config)
    config = model.config
    if settings.layers_off:
        params = without_layers(params, settings)
        config = replace(config, num_hidden_layers=len(params.text.blocks))
    changed = GitForCausalLM(config, params, generation_config=model.generation_config)
    changed.threads, changed.plain = model.threads, model.plain or plain
    kind: Any = type(captioner)
    found: Captioner = kind(changed, captioner.processor, captioner.name)
    return found


def kept_layers(layers: int, settings: Settings) -> list[int]:
    """List the layers that are on."""
    return [layer for layer in range(layers) if layer not in settings.layers_off]


def without_heads(params: Git, settings: Settings, config: GitConfig) -> Git:
    """Silence heads."""
    gone: dict[int, list[int]] = {}
    for layer, head in settings.heads_off:
        gone.setdefault(layer, []).append(head)
    mask = heads_without(len(params.text.blocks), config.num_attention_heads, gone)
    return mask_heads(params, mask, heads=config.num_attention_heads)


def without_layers(params: Git, settings: Settings) -> Git:
    """Leave layers out; one must stay."""
    layers = len(params.text.blocks)
    if any(layer >= layers for layer in settings.layers_off):
        raise UserError(
            f"layers_off is {list(settings.layers_off)}; there are layers 0 to {layers - 1}"
        )
    kept = kept_layers(layers, settings)
    if not kept:
        raise UserError("one layer must stay on")
    blocks = tuple(params.text.blocks[layer] for layer in kept)
    return replace(params, text=replace(params.text, blocks=blocks))


def untrained(config: GitConfig) -> Git:
    """Draw random parameters of the same sizes, as before any training."""
    width, layers = config.hidden_size, config.num_hidden_layers
    if 12 * width * width * layers + config.vocab_size * width > MOST_RANDOM:
        raise UserError("this model is too large to be drawn anew here; try storybook")
    return random_model(config, seed=0)
