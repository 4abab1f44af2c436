"""Results and references, matched by their ids.

An id may be a COCO image_id, a VQA question_id, the key of a shard, or the name of a picture; a
picture is also found by its name without folder or ending, where only one has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..data import Row, read
from ..data.parquet import names_and_types, read_columns
from ..data.tables import picture_column, read_json, read_table, texts_of
from ..data.tsv import tsv_texts
from ..errors import UserError

ID_LABELS = ("question_id", "image_id", "key")


@dataclass(frozen=True)
class Pair:
    """One picture: what was said, and the row of the references."""

    prediction: str
    row: Row

    @property
    def wanted(self) -> tuple[str, ...]:
        """The references: captions, or the answers of all who were asked."""
        return self.row.texts if self.row.question is None else self.row.answers


def match(results: Mapping[str, str], references: Iterable[Row]) -> list[Pair]:
    """Find the reference of each result.

    Raises UserError for results without one, for two of the same picture, and where there is none.
    """
    rows = [row for row in references if row.texts or row.answers]
    if not rows:
        raise UserError("the references have no captions and no answers in them")
    if not results:
        raise UserError("there are no results to be scored")
    names = index(rows)
    found: dict[str, Pair] = {}
    lost = []
    for name, text in results.items():
        row = next((names[one] for one in aliases(name) if one in names), None)
        if row is None:
            lost.append(name)
        elif row.key in found:
            raise UserError(f"there are two results for {row.key}, the second is {name!r}")
        else:
            found[row.key] = Pair(text, row)
    if lost:
        raise UserError(
            f"{len(lost)} of {len(results)} results have no reference, the first is {lost[0]!r}; "
            f"the references are named like {rows[0].key!r}"
        )
    return list(found.values())


def index(rows: list[Row]) -> dict[str, Row]:
    """Name every row by all its names that no other row has."""
    found: dict[str, Row] = {}
    names = [set(names_of(row)) for row in rows]
    shared = Counter(name for several in names for name in several)
    for row, several in zip(rows, names, strict=True):
        found |= {name: row for name in several if shared[name] == 1}
    return found | {row.key: row for row in rows}


def names_of(row: Row) -> Iterator[str]:
    """List the names of a row."""
    yield row.key
    own = "question_id" if row.question is not None else None
    for label in ID_LABELS if own is None else (own,):
        if label in row.labels:
            yield str(row.labels[label])
    if row.question is None:
        name = row.picture.name if isinstance(row.picture, Path) else row.labels.get("file_name")
        yield from aliases(str(name or row.key))
        yield from aliases(row.key)


def aliases(name: str) -> Iterator[str]:
    """List what a picture may also be called: as it is, without folder, without ending."""
    path = PurePosixPath(name)
    yield name
    yield path.name
    yield str(path.with_suffix("")) if path.suffix else name
    yield path.stem


def read_results(path: Path) -> dict[str, str]:
    """Read what was said: id -> text.

    COCO's and VQA's results, numpygit's .jsonl, .csv and .parquet, the authors' TSV, a folder of
    text files beside pictures, a shard. Raises UserError for two texts of one id.
    """
    found: dict[str, str] = {}
    for name, text in texts_in(path):
        if name in found:
            raise UserError(f"{path} has two texts for {name}; one each is expected")
        found[name] = text
    return found


def texts_in(path: Path) -> Iterator[tuple[str, str]]:
    """Read ids and texts of a file of results, by what it is."""
    ending = path.suffix.lower()
    if ending == ".json":
        yield from of_json(read_json(path), path)
    elif ending in (".jsonl", ".csv"):
        for values in read_table(path):
            yield values[picture_column(values, path)], one_text(values, path)
    elif ending == ".tsv":
        for key, several in tsv_texts(path).items():
            for one in several:
                yield str(one.get("question_id", key)), one_text(one, path)
    elif ending == ".parquet" and {"key", "text"} <= names_and_types(path).keys():
        for rows in read_columns(path, ["key", "text"]):
            yield from ((str(row["key"]), row["text"]) for row in rows if row["text"] is not None)
    else:
        for row in read(path):
            yield from ((row.key, text) for text in row.texts)


def of_json(file: Any, path: Path) -> Iterator[tuple[str, str]]:
    """Read COCO's or VQA's results."""
    is_list = isinstance(file, list) and all(isinstance(one, dict) for one in file)
    if not is_list:
        raise UserError(f"{path} is no list of results as COCO or VQA have them")
    for one in file:
        name = one.get("question_id", one.get("image_id"))
        if name is None:
            raise UserError(f"{path} has a result without image_id or question_id: {one}")
        yield str(name), one_text(one, path)


def one_text(values: Mapping[str, Any], path: Path) -> str:
    """Take the text of a result: a caption or an answer."""
    texts = [*texts_of(values), *(values[n] for n in ("answer",) if isinstance(values.get(n), str))]
    if len(texts) != 1:
        empty = any(values.get(name) == "" for name in ("caption", "text", "answer"))
        if not texts and empty:
            return ""
        raise UserError(f"{path} has a result with {len(texts)} texts, not one: {dict(values)}")
    return texts[0]
