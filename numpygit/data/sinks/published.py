"""Files that have to be written as a whole: COCO's and VQA's results, parquet.

While the work goes on, each row is added to a journal beside the file, `results.json.part`; in the
end the file is written anew with all of them, in one step, and the journal goes. So whenever a run
is killed, the file is either the old one or the new one, and no row that was written is lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import UserError
from ...loading.write_whole import beside, write_whole
from ..coco import image_id
from ..parquet import opened, pyarrow_parquet, read_columns
from ..rows import Row
from ..speak import Spoken
from ..tables import read_json
from .hold import Hold, cannot_write, write_durably

Values = dict[str, Any]


class Kind(NamedTuple):
    """How one kind of file is written and read."""

    name: str
    identity: Callable[[Row], Any]  # what tells the rows of the file apart
    column: str  # where that stands in a row
    values: Callable[[Spoken, str], Values | None]  # the row of the file; None for no row
    read: Callable[[Path], list[Values]]
    write: Callable[[Path, list[Values]], None]
    need: Callable[[], object] = dict  # fails where a package is missing, before any work


class Published:
    """A sink that keeps a journal and writes its file in the end."""

    def __init__(self, path: Path, kind: Kind, model: str) -> None:
        self.path, self.kind, self.model = path, kind, model
        self.journal = path.with_name(path.name + ".part")
        self.hold = Hold(self.journal)
        self.rows: dict[Any, Values] = {}
        self.is_open = False

    def open(self) -> None:
        """Read what is there already, and keep others from writing."""
        self.kind.need()
        try:
            with self.journal.open("a+b") as file:
                self.hold.take()
                self.is_open = True
                file.seek(0)
                kept = whole_lines(file.read(), self.journal)
                file.truncate(sum(map(len, kept)))
        except OSError as error:
            raise UserError(f"{self.path} cannot be written: {error.strerror}") from None
        before = self.kind.read(self.path) if self.path.exists() else []
        for values in (*before, *map(json.loads, kept)):
            if self.kind.column not in values:
                raise UserError(f"{self.path} is no file of {self.kind.name}; give another name")
            if values.get("model", self.model) != self.model:
                raise UserError(
                    f"cannot go on with {self.path}: its captions are of the model "
                    f"{values['model']!r}, not {self.model!r}; give another file for the output"
                )
            self.rows[values[self.kind.column]] = values

    def has(self, row: Row) -> bool:
        """Tell whether a row has its text."""
        if row.error is not None:
            return False
        values = self.rows.get(self.kind.identity(row))
        return values is not None and not values.get("error")

    def write(self, spoken: Sequence[Spoken]) -> None:
        """Add rows to the journal, and wait until they are on the disk."""
        made = [self.kind.values(one, self.model) for one in spoken]
        rows = [values for values in made if values is not None]
        lines = [json.dumps(values).encode() + b"\n" for values in rows]
        write_durably(self.journal, b"".join(lines))
        self.rows |= {values[self.kind.column]: values for values in rows}

    def finish(self) -> None:
        """Write the file, and let the journal go."""
        rows = list(self.rows.values())
        whole = beside(self.path, ".whole")
        try:
            write_whole(self.path, lambda part: self.kind.write(part, rows), part=whole)
            self.journal.unlink()
        except OSError as error:
            raise cannot_write(self.path, error) from None

    def close(self) -> None:
        """Let other runs write; a journal that nothing was written to goes."""
        if self.is_open and self.journal.exists() and self.journal.stat().st_size == 0:
            self.journal.unlink()
        self.hold.release()


def whole_lines(data: bytes, path: Path) -> list[bytes]:
    """Split a journal into its rows; the last one may have been torn by a kill."""
    lines = data.splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
    for line in lines:
        try:
            is_row = isinstance(json.loads(line), dict)
        except ValueError:
            is_row = False
        if not is_row:
            raise UserError(f"{path} is no journal of numpygit: it has the line {line[:60]!r}")
    return lines


def coco_id(row: Row) -> int | str:
    """Find the image_id of a row: from the annotation file, or from the name of the picture."""
    name = row.picture.name if isinstance(row.picture, Path) else row.key
    number = row.labels.get("image_id", image_id(name))
    if number is None:
        raise UserError(
            f"{row.key} has no image_id: COCO's results need the annotation file as the source, or "
            "pictures named as COCO_val2014_000000391895.jpg"
        )
    return number


def vqa_id(row: Row) -> int | str:
    """Find the question_id of a row."""
    number = row.labels.get("question_id")
    if number is None:
        raise UserError(f"{row.key} has no question_id: VQA's results need VQA's questions")
    return number


def coco_values(spoken: Spoken, model: str) -> Values | None:
    """Write a row of COCO's results."""
    if spoken.text is None:
        return None
    return {"image_id": coco_id(spoken.row), "caption": spoken.text}


def vqa_values(spoken: Spoken, model: str) -> Values | None:
    """Write a row of VQA's results."""
    if spoken.text is None:
        return None
    return {"question_id": vqa_id(spoken.row), "answer": spoken.text}


def parquet_values(spoken: Spoken, model: str) -> Values:
    """Write a row of parquet; here an error has its row too."""
    row = spoken.row
    values = {"key": row.key, "question": row.question, "text": spoken.text}
    return {**values, "error": spoken.error, "model": model}


def read_results(path: Path) -> list[Values]:
    """Read a file of results."""
    found = read_json(path)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UserError(f"{path} is no list of results; give another name for the output")
    return found


def write_results(path: Path, rows: list[Values]) -> None:
    """Write a file of results."""
    path.write_text(json.dumps(rows), encoding="utf-8")


def read_parquet(path: Path) -> list[Values]:
    """Read a parquet file of ours."""
    return [row for rows in read_columns(path, ["key", "question", "text", "error", "model"])
            for row in rows]  # fmt: skip


def write_parquet(path: Path, rows: list[Values]) -> None:
    """Write a parquet file."""
    module = pyarrow_parquet()
    import pyarrow as pa

    columns = ("key", "question", "text", "error", "model")
    table = {name: pa.array([row[name] for row in rows], pa.string()) for name in columns}
    with opened(path):
        module.write_table(pa.table(table), path)


COCO = Kind("COCO's results", coco_id, "image_id", coco_values, read_results, write_results)
VQA = Kind("VQA's results", vqa_id, "question_id", vqa_values, read_results, write_results)
PARQUET = Kind(
    "captions", lambda row: row.key, "key", parquet_values, read_parquet, write_parquet,
    need=pyarrow_parquet,
)  # fmt: skip
