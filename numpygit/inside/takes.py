"""The captioner that these functions take: anything with a model, a processor and a name.

`numpygit.captioner.Captioner` is one; it stands above this room, and calls it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from ..huggingface.models import GitForCausalLM
from ..huggingface.processing.picture_steps import Picture
from ..huggingface.processing.processor import GitProcessor
from ..model.layers import Trace
from ..model.params import Array
from ..model.text import Cache


class Captioner(Protocol):
    """A model and the processor that prepares its pictures and prompts."""

    model: GitForCausalLM
    processor: GitProcessor
    name: str

    def pixels(self, picture: Picture | Sequence[Picture]) -> Array:
        """Prepare a picture (1, C, H, W) or a clip (1, frames, C, H, W)."""

    def generate(
        self,
        pictures: Array | Cache,
        prompt: Array,
        *,
        max_length: int | None = None,
        trace: Trace = ...,
    ) -> Iterator[Array]:
        """Continue prompts: ids (B, T), longer by a token each time."""
