"""The captioner that the playground takes: anything with a model, a processor and a name.

`numpygit.captioner.Captioner` is one; it stands above this room, and calls it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ...decoding.options import GenerationConfig
from ...huggingface.processing.picture_steps import Picture
from ...inside import takes
from ...model.text import Cache


class Captioner(takes.Captioner, Protocol):
    """A captioner that looks at a picture once, and says how it chooses words."""

    def prefill(self, picture: Picture | Sequence[Picture]) -> Cache:
        """Look at a picture or a clip: the keys and values of its image tokens."""

    def options(self, max_length: int | None = None) -> GenerationConfig:
        """Say how words are chosen."""
