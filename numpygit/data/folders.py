"""Folders as sources: pictures with or without text files beside them, and imagefolders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from ..errors import UserError
from ..huggingface.reading.content import OTHER_SUFFIXES, VIDEO, VIDEO_SUFFIXES, kind_of_file
from ..loading.formats.small_files import decoded
from .rows import Row, inside
from .tables import answers_of, picture_column, read_table, texts_of

METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
SIDECARS = (".txt", ".caption")
MOST_SIDECAR = 2**20  # bytes

Report = Callable[[str], object]
AMBIGUOUS = (".ts", ".mts", ".rm", ".qt")  # TypeScript, ...
NEVER_READ = ("BUFR", "GRIB", "HDF5", "MPEG")  # Pillow knows their names, but has no decoder


def find_pictures(folder: Path, *, recursive: bool, report: Report) -> tuple[list[str], int]:
    """List the pictures of a folder in order, and count the folders that cannot be read.

    Names that begin with a dot are left out, and links to other folders are not followed.
    """
    suffixes = picture_suffixes()
    unreadable: list[OSError] = []
    found = []
    for root, folders, files in os.walk(folder, onerror=unreadable.append):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        for name in files:
            path = Path(root, name)
            ending = path.suffix.lower()
            is_picture = ending in suffixes and not name.startswith(".")
            is_picture = is_picture and (ending not in AMBIGUOUS or is_video_inside(path))
            if is_picture:  # or a pipe, of which is told when it is to be read
                found.append(path.relative_to(folder).as_posix())
    for error in sorted(unreadable, key=lambda error: str(error.filename)):
        report(f"{error.filename} cannot be read: {error.strerror}")
    return sorted(found), len(unreadable)


def picture_suffixes() -> set[str]:
    """List the endings of pictures and clips, those too that need what may not be installed."""
    formats = Image.registered_extensions().items()
    pictures = {end for end, kind in formats if kind in Image.OPEN and kind not in NEVER_READ}
    return pictures | set(VIDEO_SUFFIXES) | set(OTHER_SUFFIXES)


def is_video_inside(path: Path) -> bool:
    """Tell whether a file whose ending has several meanings holds a video."""
    return kind_of_file(path) == VIDEO


def plain_folder(folder: Path, pictures: list[str], *, with_texts: bool) -> Iterator[Row]:
    """Make rows of the pictures of a folder; their texts lie in files beside them."""
    for name in pictures:
        row = Row(name, folder / name)
        yield with_sidecar(row, folder / name) if with_texts else row


def with_sidecar(row: Row, picture: Path) -> Row:
    """Add the captions of photo.txt or photo.caption to photo.jpg's row, one a line."""
    for ending in SIDECARS:
        path = picture.with_suffix(ending)
        if not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                data = file.read(MOST_SIDECAR + 1)
            if len(data) > MOST_SIDECAR:
                return row.failed(f"{path} is longer than {MOST_SIDECAR:,} bytes; no caption is")
            lines = decoded(data).splitlines()
        except OSError as error:
            return row.failed(f"{path} cannot be read: {error.strerror}")
        except UnicodeDecodeError as error:
            return row.failed(f"{path} is not a text in UTF-8: {error}")
        return replace(row, texts=tuple(line.strip() for line in lines if line.strip()))
    return row


def metadata_of(folder: Path) -> Path | None:
    """Find the table of an imagefolder."""
    return next((folder / name for name in METADATA if (folder / name).is_file()), None)


def imagefolder(table: Path, *, folder: Path | None = None) -> Iterator[Row]:
    """Read a table that names the pictures beside it: `metadata.jsonl` or `.csv`.

    Several captions of one picture become one row, where the first stands; each question is a row
    of its own. Raises UserError for a table without a column of pictures.
    """
    return grouped(read_table(table), table, folder or table.parent)


def grouped(values: Iterator[dict[str, Any]], table: Path, folder: Path) -> Iterator[Row]:
    """Put the rows of a table together, picture by picture, in the order of the table."""
    rows: dict[str, Row] = {}
    asked: dict[str, int] = {}
    column = None
    for one in values:
        if column is None or not isinstance(one.get(column), str):
            column = picture_column(one, table)
        name = one[column]
        question = one.get("question")
        if question:
            asked[name] = asked.get(name, 0) + 1
            key = f"{name}#{asked[name]}"
            rows[key] = inside(
                folder, name, Row(key, None, question=str(question), answers=answers_of(one))
            )
            continue
        before = rows.get(name) or inside(folder, name, Row(name, None))
        rows[name] = replace(before, texts=before.texts + texts_of(one))
    if not rows:
        raise UserError(f"{table} has no rows in it")
    yield from rows.values()
