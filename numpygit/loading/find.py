"""The name of a model -> the folder of its files: bundled, on disk, or from the Hub."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import NotFoundError, UserError, shown
from .adapter import base_of, is_adapter
from .formats import ORIGINAL
from .formats.authors_settings import SNAPSHOT
from .hub.download import CONFIG_FILES, GENERATION_FILES, PICTURE_FILES, download
from .official_models import nearest

LONGEST_ID = 200  # of the Hub, which allows 96 letters
VOCABULARY = ("tokenizer.json", "vocab.txt")
BUNDLED = {"storybook": Path(__file__).parent.parent / "storybook" / "checkpoint"}


def is_authors(folder: Path) -> bool:
    """Tell whether a folder is as the authors leave it: model.pt without a config.json."""
    return not (folder / "config.json").is_file() and (folder / ORIGINAL).is_file()


# ---------------------------------------------------------------- name -> folder


def find(
    name: str | Path,
    *,
    files: Sequence[str] | None = None,
    base: str | Path | None = None,
    **where: Any,
) -> Path:
    """Find the folder of a checkpoint: "storybook", a folder, or an id on the Hugging Face Hub.

    Files from the Hub are downloaded into its cache once: all that a model needs, or only those
    named in `files`. `where` says how: see `hub.download`. Of an adapter (PEFT) that lacks some of
    `files` it is the folder of its base model, or of `base`. Raises NotFoundError in plain words.
    """
    folder = find_folder(name, files=files, **where)
    if files is None or not is_adapter(folder) or has_all(folder, files):
        return folder
    return find_base(folder, base, where, files=files)


def find_with_adapter(
    name: str | Path, *, base: str | Path | None = None, **where: Any
) -> tuple[Path, Path | None]:
    """Find a whole model: -> its folder, and that of the adapter to be added, if `name` is one.

    The base model is `base`, or the one that the adapter names.
    """
    folder = find_folder(name, **where)
    if is_adapter(folder):
        return find_base(folder, base, where), folder
    if base is not None:
        raise UserError(f"{name} is a whole model; --base, or base=..., is for adapters (PEFT)")
    return folder, None


def find_base(
    adapter: Path,
    base: str | Path | None,
    where: Mapping[str, Any],
    *,
    files: Sequence[str] | None = None,
) -> Path:
    """Find the base model of an adapter."""
    name, revision = base_of(adapter) if base is None else (base, None)
    how = {**where, "revision": revision, "subfolder": ""}
    try:
        folder = find_folder(name, files=files, **how)
    except NotFoundError as error:
        raise NotFoundError(
            f"{adapter} is an adapter of {str(name)!r}, which is not to be had: {error}; --base, "
            "or base=..., may name that model elsewhere"
        ) from None
    if is_adapter(folder):
        raise UserError(f"{adapter} is an adapter of {str(name)!r}, which is an adapter itself")
    return folder


def has_all(folder: Path, files: Sequence[str]) -> bool:
    """Tell whether a folder has the settings and the vocabulary that are among `files`."""
    possible = (CONFIG_FILES, GENERATION_FILES, PICTURE_FILES, VOCABULARY)
    kinds = [kind for kind in possible if {*kind} & {*files}]
    return all(any((folder / name).is_file() for name in kind) for kind in kinds)


def find_folder(
    name: str | Path,
    *,
    files: Sequence[str] | None = None,
    subfolder: str = "",
    **where: Any,
) -> Path:
    """Find the folder that a name means, be it of a model or of an adapter."""
    if not isinstance(name, str | PathLike):
        raise NotFoundError(f"the name of a model is a text or a path, got {type(name).__name__}")
    if str(name) in BUNDLED:
        return BUNDLED[str(name)]
    if str(name) and os.path.isdir(name):  # Path("") is the current folder
        folder = Path(name) / subfolder
        if not folder.is_dir():
            raise NotFoundError(f"{name} has no folder {subfolder!r}")
        inside = folder / SNAPSHOT  # where the authors' programs put the weights
        return inside if (inside / ORIGINAL).is_file() else folder
    parts = str(name).split("/")
    is_id = len(parts) == 2 and all(parts) and len(str(name)) < LONGEST_ID
    if not is_id or str(name).startswith((".", "/", "~")):
        raise NotFoundError(
            f"unknown model {shown(repr(str(name)))}: no such folder, and not an id like "
            f"'microsoft/git-base-coco'; the bundled model is 'storybook'{nearest(str(name))}"
        )
    try:
        return download(str(name), files=files, subfolder=subfolder, **where)
    except NotFoundError as error:
        raise NotFoundError(f"{error}{nearest(str(name))}") from error.__cause__
