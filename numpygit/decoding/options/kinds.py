"""Values of a `generation_config.json` that JSON writes in a form of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import UserError


def read_bias(bias: Any) -> dict[tuple[int, ...], float]:
    """Read sequence_bias as a file holds it, [[[ids], number], ...]; a dict stays one."""
    try:
        pairs = bias.items() if isinstance(bias, Mapping) else bias
        return {tuple(int(word) for word in words): float(value) for words, value in pairs}
    except (TypeError, ValueError):
        raise UserError(f"sequence_bias is {bias!r}; it must be [[[ids], number], ...]") from None
