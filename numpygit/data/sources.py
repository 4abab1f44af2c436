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

from ..errors import NotFoundError, UserError, complain
from ..huggingface.reading.address import is_address
from ..loading.formats.small_files import check_regular
from .coco import coco_captions, vqa
from .folders import (
    find_pictures,
    grouped,
    imagefolder,
    metadata_of,
    picture_suffixes,
    plain_folder,
)
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
    output: Path | None = None  # a file that is being written, and so is no source


def read(
    sources: Sources,
    *,
    answers: str | Path | None = None,
    pictures: str | Path | None = None,
    recursive: bool = True,
    with_texts: bool = True,
    share: Share = WHOLE,
    output: str | Path | None = None,
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
    output : path, optional
        A file that this run writes: it is no table of pictures, even if it has the name of one.

    Returns
    -------
    iterator of Row: keys are unique; what cannot be used is a row with an `error`.

    Raises
    ------
    UserError
        For a source that is missing, of no known kind, or has no pictures at all.
    """
    paths = find_sources(sources)
    asked = Asked(as_path(answers), as_path(pictures), recursive, with_texts, as_path(output))
    common = common_folder(paths) if len(paths) > 1 else None
    addresses = [Row(one, Address(one)) for one in addresses_of(sources)]
    rows = chain.from_iterable(named(path, common, asked) for path in share.files(paths))
    mine = share.rows(unique(rows), files=len(paths))
    return chain(mine, share.rows(unique(iter(addresses)), files=1))


@dataclass(frozen=True)
class Address:
    """A picture somewhere else, which is fetched when it is read."""

    address: str

    def read(self) -> str:
        """Give the address, which captioners take."""
        return self.address


def addresses_of(sources: Sources) -> list[str]:
    """List the sources that are addresses; a data URI is a picture, and no name for a row."""
    several = [sources] if isinstance(sources, str | Path) else sources
    texts = (str(one) for one in several if isinstance(one, str))
    return [text for text in texts if is_address(text) and not text.lower().startswith("data:")]


def common_folder(paths: list[Path]) -> Path:
    """Find the folder that all sources lie in."""
    return Path(os.path.commonpath([path.absolute().parent for path in paths]))


def named(path: Path, common: Path | None, asked: Asked) -> Iterator[Row]:
    """Read one source; where it is one of several, its keys begin with its place in `common`."""
    try:
        for row in read_one(path, asked):
            yield row if common is None else replace(row, key=prefixed(row.key, path, common))
    except UserError as error:
        if common is None:
            raise
        yield Row(prefixed(path.name, path, common), None, error=str(error))


def prefixed(key: str, path: Path, common: Path) -> str:
    """Put the place of a source, as seen from the folder that all have in common, before a key."""
    below = path.absolute().relative_to(common)
    has_its_name = is_set(path) and key.split("/", 1)[0] == path.name  # as in shards
    if has_its_name or (not is_set(path) and not path.is_dir()):  # a picture is its name
        below = below.parent
    return key if below == Path() else (below / key).as_posix()


def read_one(path: Path, asked: Asked) -> Iterator[Row]:
    """Read one source, by what it is."""
    if path.is_dir():
        return read_folder(path, asked)
    ending = path.suffix.lower()
    if ending in SETS:
        check_regular(path)
    if ending == ".tar":
        return shard(path, with_texts=asked.with_texts)
    if ending == ".parquet":
        return parquet(path, folder=asked.pictures)
    if ending == ".tsv":
        return tsv(path, texts=asked.answers)
    if ending in (".jsonl", ".csv"):
        return imagefolder(path, folder=asked.pictures)
    if ending == ".json":
        return read_json_file(path, asked)
    return iter([Row(path.name, path)])


def read_folder(folder: Path, asked: Asked) -> Iterator[Row]:
    """Read a folder: by its table where it has one, else every picture in it.

    Whoever only wants the pictures gets those too that the table does not name.
    """
    table = metadata_of(folder)
    if table is None or is_same(table, asked.output):
        return pictures_of(folder, asked)
    rows = read_table_of(table, asked)
    return rows if asked.with_texts else named_and_others(rows, table, folder, asked)


def read_table_of(table: Path, asked: Asked) -> Iterator[Row]:
    """Read the table of an imagefolder."""
    reader = parquet if table.suffix == ".parquet" else imagefolder
    return reader(table, folder=asked.pictures)


def named_and_others(rows: Iterator[Row], table: Path, folder: Path, asked: Asked) -> Iterator[Row]:
    """Give the rows of a folder's table, then the pictures of the folder that it does not name.

    A table that names none, as that of another program, is told and counts for nothing.
    """
    try:
        first = list(rows)
    except UserError as error:
        complain(f"note: {error}; every picture of the folder is taken")
        first = []
    yield from first
    seen = {os.path.normpath(row.picture) for row in first if isinstance(row.picture, Path)}
    try:
        for row in pictures_of(folder, asked):
            if not isinstance(row.picture, Path) or os.path.normpath(row.picture) not in seen:
                yield row
    except UserError:  # it has no other pictures
        if not first:
            raise


def pictures_of(folder: Path, asked: Asked) -> Iterator[Row]:
    """Read every picture of a folder; its folders that cannot be read are rows with an error."""
    reports: list[str] = []
    found, _ = find_pictures(folder, recursive=asked.recursive, report=reports.append)
    if not found and not reports:
        hint = "" if asked.recursive else "; --recursive looks into its folders too"
        raise UserError(f"{folder} has no pictures in it{hint}")
    failed = (Row(why.partition(" cannot")[0], None, error=why) for why in reports)
    return chain(failed, plain_folder(folder, found, with_texts=asked.with_texts))


def is_same(path: Path, other: Path | None) -> bool:
    """Tell whether two paths lead to the same file."""
    return other is not None and other.exists() and path.samefile(other)


def read_json_file(path: Path, asked: Asked) -> Iterator[Row]:
    """Read COCO's captions, VQA's questions or a list of rows, by what the file has in it."""
    file: Any = read_json(path)
    if isinstance(file, list) and file and all(isinstance(one, dict) for one in file):
        return grouped(iter(file), path, asked.pictures or path.parent)
    if isinstance(file, dict) and ("questions" in file or is_textvqa(file)):
        return vqa(path, answers=asked.answers, pictures=asked.pictures)
    return coco_captions(path, pictures=asked.pictures)


def is_textvqa(file: dict[str, Any]) -> bool:
    """Tell whether the list `data` of a file has questions."""
    data = file.get("data")
    first = data[0] if isinstance(data, list) and data else None
    return isinstance(first, dict) and "question" in first


def find_sources(sources: Sources) -> list[Path]:
    """List the files and folders that are meant, without addresses; each source counts once.

    Raises NotFoundError for one that is missing, or for a pattern that nothing fits.
    """
    several = [sources] if isinstance(sources, str | Path) else list(sources)
    if not several:
        raise UserError("no source was given; give a picture, a folder or a file of pictures")
    addresses = set(addresses_of(several))
    found: list[Path] = []
    for source in several:
        if source in addresses:
            continue
        if os.path.lexists(source):
            found.append(Path(source))
            continue
        if str(source) == "-":
            raise UserError("- is the standard input, one picture: give it without --output")
        fitting = fitting_of(str(source)) if is_pattern(source) else []
        if not fitting:
            kind = "nothing fits the pattern" if is_pattern(source) else "no such file or folder:"
            raise NotFoundError(f"{kind} {source}")
        found += map(Path, fitting)
    return list(dict.fromkeys(found))


def fitting_of(pattern: str) -> list[str]:
    """List the pictures, sets and folders that fit a pattern; whatever fits, where none is one."""
    every = sorted(glob.glob(pattern, recursive=True))
    endings = picture_suffixes() | set(SETS)
    wanted = [one for one in every if Path(one).suffix.lower() in endings or os.path.isdir(one)]
    return wanted or every


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
