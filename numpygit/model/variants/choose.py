"""Which text decoder a config asks for: `text.py`, or its twin with relative positions."""

from __future__ import annotations

from typing import Any

from .. import text
from . import relative_text


def text_of(config: object) -> Any:
    """Return the module whose forward, prefill and decode_step run this config.

    A vision encoder's config has no positions of words; it gets `text`, and uses none of it.
    """
    kind = getattr(config, "position_embedding_type", "absolute")
    return text if kind == "absolute" else relative_text
