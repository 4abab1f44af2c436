"""`generation_config.json`: read from a checkpoint folder, and written into one."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import UserError
from ...loading.config import GitConfig
from ...loading.formats import read_json
from .config import GENERATION, GenerationConfig


def load_options(folder: Path, config: GitConfig | None = None) -> GenerationConfig:
    """Read `generation_config.json`; without one, what `config` says of generation."""
    path = folder / GENERATION
    if config is not None and not os.path.lexists(path):
        return GenerationConfig.from_model_config(config)
    values = read_json(path)
    try:
        return GenerationConfig.from_dict(values)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def save_options(folder: str | Path, options: GenerationConfig, *, file: str = GENERATION) -> None:
    """Write `generation_config.json`: what is not at its default."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    options.to_json_file(Path(folder) / file)
