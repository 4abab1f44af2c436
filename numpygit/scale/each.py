"""Pictures as engines hand them over -> captions; a failure is a value too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ..data.rows import Row
from ..data.speak import Speaker, Spoken, speak
from ..errors import UserError


class Given(NamedTuple):
    """A picture that came in a batch, as something that can be read."""

    value: Any

    def read(self) -> Any:
        """Give the picture: a path, bytes, or a Pillow picture made of an array."""
        value = self.value.get("bytes") if isinstance(self.value, dict) else self.value
        if isinstance(value, np.ndarray) and value.ndim >= 2:
            return Image.fromarray(value)
        if isinstance(value, bytes | bytearray | np.bytes_):
            return bytes(value)
        if isinstance(value, str):
            return Path(value)
        raise UserError(f"expected the bytes of a picture, an array or a path, got {value!r:.80}")


def caption_each(
    captioner: Speaker,
    pictures: Sequence[Any],
    *,
    keys: Iterable[Any] | None = None,
    max_length: int | None = None,
) -> list[Spoken]:
    """Caption pictures as one batch: -> for each its `text`, or its `error`.

    A picture is bytes, an array (H, W, 3) of 0 to 255, a path, {"bytes": ...}, or a row of a data
    set. `keys` name them in errors; by default they are counted.
    """
    names = range(len(pictures)) if keys is None else keys
    rows = [
        value if isinstance(value, Row) else Row(str(key), Given(value))
        for key, value in zip(names, pictures, strict=True)
    ]
    return speak(captioner, rows, max_length=max_length)
