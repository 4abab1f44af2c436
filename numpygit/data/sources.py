"""Whatever holds pictures -> rows, chosen by what the file or folder is.

list(read("pictures/"))                     a folder; with metadata.jsonl in it, an imagefolder
list(read("metadata.csv"))                  a table that names pictures beside it
list(read("captions_val2014.json"))         COCO's captions
list(read("questions.json", answers="annotations.json"))      VQA
list(read("pictures.tsv", answers="captions.tsv"))            the authors' files
list(read(["00000.tar", "00001.tar"]))      shards of webdataset and img2dataset
list(read("train-00000.parquet"))           pictures inside, or named
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from ..errors import NotFoundError, UserError
from .coco import coco_captions, vqa
from .folders import find_pictures, imagefolder, metadata_of, plain_folder
from .parquet import parquet
from .rows import Row
from .shards import shard
from .split import WHOLE, Share
from .tables import read_json
from .tsv import tsv

SETS = (".tar", ".parquet", ".tsv", ".json", ".jsonl", ".csv")  # files that hold many pictures

Sources = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Asked:
    """What a source is read for."""

    answers: Path | None = None  # the file that has the texts, where they lie apart
    pictures: Path | None = None  # the folder of the pictures, where a file only names them
    recursive: bool = False
    with_texts: bool = True


def read(
    sources: Sources,
    *,
    answers: str | Path | None = None,
    pictures: str | Path | None = None,
    recursive: bool = True,
    with_texts: bool = True,
    share: Share = WHOLE,
) -> Iterator[Row]:
    """Read the rows of one source or of several, in a fixed order.

    Parameters
    ----------
    sources : path, or list of paths
        Pictures, folders, tables, COCO or VQA files, TSV, tar, parquet, patterns such as `*.tar`.
    answers : path, optional
        VQA's annotations, or the authors' TSV of captions, where the texts lie in a second file.
    pictures : path, optional
        The folder of the pictures that a table or a COCO file names.
    recursive : bool
        Look into the folders of a folder too.
    with_texts : bool
        Read the captions of sidecars and of shards. Without, only the pictures are listed.
    share : Share
        Only a part of the rows; see split.py.

    Returns
    -------
    iterator of Row: keys are unique; what cannot be used is a row with an `error`.

    Raises
    ------
    UserError
        For a source that is missing, of no known kind, or has no pictures at all.
    """
    paths = find_sources(sources)
    asked = Asked(as_path(answers), as_path(pictures), recursive, with_texts)
    mine = share.files(paths)
    rows = unique(row for path in mine for row in named(path, paths, asked))
    return share.rows(rows, files=len(paths))


def named(path: Path, paths: list[Path], asked: Asked) -> Iterator[Row]:
    """Read one of several sources; where a source is one of several, its keys begin with it."""
    several = len(paths) > 1
    try:
        for row in read_one(path, asked):
            yield replace(row, key=prefixed(row.key, path, paths)) if several else row
    except UserError as error:
        if not several:
            raise
        yield Row(prefixed(path.name, path, paths), None, error=str(error))


def prefixed(key: str, path: Path, paths: list[Path]) -> str:
    """Put the place of a source, as seen from the folder that all have in common, before a key."""
    common = Path(os.path.commonpath([one.absolute().parent for one in paths]))
    below = path.absolute().relative_to(common)
    if key.split("/", 1)[0] == path.name or (not is_set(path) and not path.is_dir()):
        below = below.parent  # shards have their own name in their keys, a picture is its name
    return key if below == Path() else (below / key).as_posix()


def read_one(path: Path, asked: Asked) -> Iterator[Row]:
    """Read one source, by what it is."""
    if path.is_dir():
        return read_folder(path, asked)
    ending = path.suffix.lower()
    if ending == ".tar":
        return shard(path, with_texts=asked.with_texts)
    if ending == ".parquet":
        return parquet(path)
    if ending == ".tsv":
        return tsv(path, texts=asked.answers)
    if ending in (".jsonl", ".csv"):
        return imagefolder(path, folder=asked.pictures)
    if ending == ".json":
        return read_json_file(path, asked)
    return iter([Row(path.name, path)])


def read_folder(folder: Path, asked: Asked) -> Iterator[Row]:
    """Read a folder: by its table where it has one, else every picture in it."""
    table = metadata_of(folder)
    if table is not None:
        is_parquet = table.suffix == ".parquet"
        return parquet(table) if is_parquet else imagefolder(table, folder=asked.pictures)
    reports: list[str] = []
    found, _ = find_pictures(folder, recursive=asked.recursive, report=reports.append)
    if not found and not reports:
        hint = "" if asked.recursive else "; --recursive looks into its folders too"
        raise UserError(f"{folder} has no pictures in it{hint}")
    failed = (Row(why.partition(" cannot")[0], None, error=why) for why in reports)
    return chain(failed, plain_folder(folder, found, with_texts=asked.with_texts))


def read_json_file(path: Path, asked: Asked) -> Iterator[Row]:
    """Read COCO's captions or VQA's questions, by what the file has in it."""
    file: Any = read_json(path)
    if isinstance(file, dict) and "questions" in file:
        return vqa(path, answers=asked.answers, pictures=asked.pictures)
    return coco_captions(path, pictures=asked.pictures)


def find_sources(sources: Sources) -> list[Path]:
    """List the files and folders that are meant; patterns are looked up, each source counts once.

    Raises NotFoundError for one that is missing, or for a pattern that nothing fits.
    """
    several = [sources] if isinstance(sources, str | Path) else list(sources)
    if not several:
        raise UserError("no source was given; give a picture, a folder or a file of pictures")
    found: list[Path] = []
    for source in several:
        if os.path.lexists(source):
            found.append(Path(source))
            continue
        fitting = sorted(glob.glob(str(source), recursive=True)) if is_pattern(source) else []
        if not fitting:
            kind = "nothing fits the pattern" if is_pattern(source) else "no such file or folder:"
            raise NotFoundError(f"{kind} {source}")
        found += map(Path, fitting)
    return list(dict.fromkeys(found))


def is_pattern(source: str | Path) -> bool:
    """Tell whether a name is a pattern."""
    return any(letter in str(source) for letter in "*?[")


def is_set(path: Path) -> bool:
    """Tell whether a file holds many pictures, by its ending."""
    return path.suffix.lower() in SETS and not path.is_dir()


def unique(rows: Iterator[Row]) -> Iterator[Row]:
    """Let a key through once; a second row with it says so and has a key of its own."""
    seen: dict[str, int] = {}
    for row in rows:
        times = seen[row.key] = seen.get(row.key, 0) + 1
        if times == 1:
            yield row
        elif row.error is not None:
            yield replace(row, key=f"{row.key} ({times})")
        else:
            again = f"{row.key} comes more than once; the first one counts"
            yield replace(row.failed(again), key=f"{row.key} ({times})")


def as_path(path: str | Path | None) -> Path | None:
    """Make a path of a name."""
    return None if path is None else Path(path)
