"""The name of a model -> the folder of its files: bundled, on disk, or from the Hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import NotFoundError
from .formats import ORIGINAL
from .formats.authors_settings import SNAPSHOT
from .hub.download import download
from .official_models import nearest

BUNDLED = {"storybook": Path(__file__).parent.parent / "storybook" / "checkpoint"}


def is_authors(folder: Path) -> bool:
    """Tell whether a folder is as the authors leave it: model.pt without a config.json."""
    return not (folder / "config.json").is_file() and (folder / ORIGINAL).is_file()


# ---------------------------------------------------------------- name -> folder


def find(
    name: str | Path,
    *,
    files: Sequence[str] | None = None,
    subfolder: str = "",
    **where: Any,
) -> Path:
    """Find the folder of a checkpoint: "storybook", a folder, or an id on the Hugging Face Hub.

    Files from the Hub are downloaded into its cache once: all that a model needs, or only those
    named in `files`. `where` says how: see `hub.download`. Raises NotFoundError in plain words.
    """
    if str(name) in BUNDLED:
        return BUNDLED[str(name)]
    if str(name) and Path(name).is_dir():  # Path("") is the current folder
        folder = Path(name) / subfolder
        if not folder.is_dir():
            raise NotFoundError(f"{name} has no folder {subfolder!r}")
        inside = folder / SNAPSHOT  # where the authors' programs put the weights
        return inside if (inside / ORIGINAL).is_file() else folder
    parts = str(name).split("/")
    if len(parts) != 2 or not all(parts) or str(name).startswith((".", "/", "~")):
        raise NotFoundError(
            f"unknown model {str(name)!r}: no such folder, and not an id like "
            f"'microsoft/git-base-coco'; the bundled model is 'storybook'{nearest(str(name))}"
        )
    try:
        return download(str(name), files=files, subfolder=subfolder, **where)
    except NotFoundError as error:
        raise NotFoundError(f"{error}{nearest(str(name))}") from error.__cause__
