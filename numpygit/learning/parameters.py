"""Parameters that change: copies to train, their names, and which of them are trained."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def astype(part: Any, dtype: Any) -> Any:
    """Copy nested parameters as arrays of a kind, in memory of their own.

    Parameters that come from a file are mapped from it and cannot be changed.
    """
    if isinstance(part, np.ndarray):
        return np.array(part, dtype, order="C")
    if isinstance(part, tuple):
        return tuple(astype(piece, dtype) for piece in part)
    if not is_dataclass(part):
        return part
    return type(part)(**{f.name: astype(getattr(part, f.name), dtype) for f in fields(part)})  # type: ignore[misc]
