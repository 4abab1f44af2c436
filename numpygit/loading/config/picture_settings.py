"""The settings of pictures in a checkpoint folder: `preprocessor_config.json` and the like."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import NotFoundError
from ..fields import PREPROCESSOR, PROCESSOR, checked
from ..formats import read_json
from ..hub.keywords import without_secrets

FILE = "preprocessor_config.json"
WHOLE_FILE = "processor_config.json"  # of transformers 5


def read_settings(folder: Path) -> dict[str, Any] | None:
    """Read the picture settings of a folder: `preprocessor_config.json`, or transformers 5's file.

    transformers 5 writes one `processor_config.json` with the settings inside. None for neither.
    """
    path = folder / FILE
    if os.path.lexists(path):
        return known_settings(read_json(path), path)
    path = folder / WHOLE_FILE
    if not os.path.lexists(path):
        return None
    values = checked(read_json(path), PROCESSOR, where=path)
    for name in ("image_processor", "video_processor", "feature_extractor"):
        if isinstance(values.get(name), dict):
            return known_settings(values[name], path)
    return None


def known_settings(values: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Check the settings of a file; null stands for the default."""
    given = {name: value for name, value in values.items() if value is not None}
    return without_secrets(checked(given, PREPROCESSOR, where=path))


def without_settings(folder: Path) -> NotFoundError:
    """Say that a folder has no picture settings, and where they are to be had."""
    if (folder / "trainer_state.json").is_file() or folder.name.startswith("checkpoint-"):
        return NotFoundError(
            f"{folder} is a checkpoint of a Trainer, which keeps no processor: take that of the "
            "model that was trained, GitProcessor.from_pretrained('microsoft/git-base'), or save "
            "it into the folder with processor.save_pretrained(...)"
        )
    return NotFoundError(
        f"{folder} is no checkpoint folder: it has no {FILE} and no {WHOLE_FILE} with the "
        "settings of pictures; take the processor of the model it was made from"
    )
