"""Parquet files with pictures in them, as Hugging Face's datasets and img2dataset write them.

The picture is a struct column {bytes, path}, or a column of bytes such as `jpg`; or it is named, as
in an imagefolder's table. pyarrow, the extra `numpygit[parquet]`, does the reading, a few rows at a
time, so that a picture that a file repeats a million times does not fill the memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from ..errors import NotFoundError, UserError
from .folders import grouped
from .rows import MOST_BYTES, Row, why_outside
from .tables import PICTURE_COLUMNS, answers_of, texts_of

BYTES_COLUMNS = ("image", "jpg", "jpeg", "png", "webp", "picture", "bytes", "content", "img")
KEY_COLUMNS = ("key", "__key__", "id", "question_id", "image_id")
LABELS = (*KEY_COLUMNS, "question_type", "answer_type")
AT_ONCE = 16  # rows that are read together
MOST_COLUMNS = 10_000


def pyarrow_parquet() -> Any:
    """Import pyarrow's part for parquet; UserError where it is not installed."""
    try:
        import pyarrow.parquet as module
    except ImportError:
        raise UserError(
            "parquet files need pyarrow; install it with: pip install 'numpygit[parquet]'"
        ) from None
    return module


@dataclass(frozen=True)
class Cell:
    """A picture in a parquet file."""

    path: Path
    number: int  # of the row
    column: str
    name: str  # what it is called in messages

    def read(self) -> bytes | Path:
        """Read the picture, or find its file beside; UserError where that does not work."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise UserError(f"{self.path} cannot be read: {error.strerror}") from None
        value = batches(self.path, self.column, found.st_ino, found.st_mtime_ns).row(self.number)
        data = value.get("bytes") if isinstance(value, dict) else value
        name = value.get("path") if isinstance(value, dict) else None
        if data is None and isinstance(name, str) and why_outside(name) is None:
            return self.path.parent / name
        if not isinstance(data, bytes) or not data:
            raise UserError(f"{self.name} has no picture in its column {self.column!r}")
        if len(data) > MOST_BYTES:
            raise UserError(f"{self.name} has {len(data):,} bytes; too many")
        return data


class Batches:
    """One column of a parquet file, a few rows at a time: cheap as long as one goes forward."""

    def __init__(self, path: Path, column: str) -> None:
        self.path, self.column = path, column
        self.restart()

    def restart(self) -> None:
        """Begin again with the first row."""
        self.start = 0
        self.values: list[Any] = []
        self.more = read_columns(self.path, [self.column])

    def row(self, number: int) -> Any:
        """Read the value of one row."""
        if number < self.start:
            self.restart()
        while number >= self.start + len(self.values):
            self.start += len(self.values)
            self.values = []
            found = next(self.more, None)
            if found is None:
                raise UserError(f"{self.path} ends before its row {number}")
            self.values = [row.get(self.column) for row in found]
        return self.values[number - self.start]


@lru_cache(maxsize=4)
def batches(path: Path, column: str, inode: int, changed: int) -> Batches:
    """Keep the last few files open: rows are mostly read one after the other.

    A file that was written anew meanwhile is another.
    """
    return Batches(path, column)


def read_columns(path: Path, columns: list[str]) -> Iterator[list[dict[str, Any]]]:
    """Read columns of a file, some rows at a time; any damage ends in a UserError."""
    module = pyarrow_parquet()
    with opened(path), module.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=AT_ONCE, columns=columns):
            yield batch.to_pylist()


class opened:  # noqa: N801  a context, used like a function
    """Turn what pyarrow raises for a damaged file into one sentence."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        """Nothing is to be done before."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, FileNotFoundError):
            raise NotFoundError(f"no such file: {self.path}") from None
        if isinstance(error, Exception) and not isinstance(error, UserError):
            why = " ".join(str(error).split())[:200]
            raise UserError(f"{self.path} is damaged or no parquet file: {why}") from None


def names_and_types(path: Path) -> dict[str, Any]:
    """Read which columns a file has, with their types."""
    module = pyarrow_parquet()
    with opened(path), module.ParquetFile(path) as file:
        if file.metadata.num_columns > MOST_COLUMNS:
            raise UserError(f"{path} has {file.metadata.num_columns:,} columns; too many")
        return {field.name: field.type for field in file.schema_arrow}


def parquet(path: Path, *, folder: Path | None = None) -> Iterator[Row]:
    """Read the rows of a parquet file; the key is `00000.parquet/` and its own key, or a number.

    One that only names pictures, which lie in `folder` or beside it, is the table of an
    imagefolder. Raises UserError for a file that cannot be read or has no pictures.
    """
    columns = names_and_types(path)
    holder = next((name for name in (*BYTES_COLUMNS, *columns) if holds_bytes(columns, name)), None)
    named = next((name for name in PICTURE_COLUMNS if is_text(columns.get(name))), None)
    if holder is None and named is None:
        raise UserError(
            f"{path} has no pictures: expected a column of bytes, such as {{bytes, path}} or jpg, "
            f"or of names, such as file_name; it has {', '.join(columns) or 'no columns'}"
        )
    if holder is None:
        values = chain.from_iterable(read_columns(path, list(columns)))
        yield from grouped(values, path, folder or path.parent)
        return
    rest = [name for name in columns if name != holder]
    seen: set[str] = set()
    number = 0
    try:
        for several in read_columns(path, rest) if rest else numbers(path):
            for row_values in several:
                yield row_of(path, number, row_values, holder, seen)
                number += 1
    except UserError as error:
        yield Row(f"{path.name}/{number}", None, error=str(error))


def row_of(path: Path, number: int, values: dict[str, Any], holder: str, seen: set[str]) -> Row:
    """Make a row of the values of all columns but the pictures'."""
    column = next((name for name in KEY_COLUMNS if is_key(values.get(name))), None)
    own = number if column is None else values[column]
    key = f"{path.name}/{own}"
    if column == "image_id" and key in seen:  # one of several captions of a picture
        key = f"{key}#{number}"
    labels = {"key": str(own)}
    labels |= {n: values[n] for n in LABELS if isinstance(values.get(n), int | str)}
    question = values.get("question")
    row = Row(
        key,
        None,
        texts_of(values),
        str(question) if question else None,
        answers_of(values) if question else (),
        labels,
    )
    if key in seen:
        return row.failed(f"{path} has the key {own!r} twice; the first one counts")
    seen.add(key)
    return replace(row, picture=Cell(path, number, holder, key))


def numbers(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Count the rows of a file that has nothing but pictures."""
    module = pyarrow_parquet()
    with opened(path), module.ParquetFile(path) as file:
        count = file.metadata.num_rows
    for _ in range(count):
        yield [{}]


def holds_bytes(columns: dict[str, Any], name: str) -> bool:
    """Tell whether a column holds the bytes of pictures."""
    kind = str(columns.get(name, ""))
    return kind.startswith(("binary", "large_binary", "dictionary<values=binary")) or (
        kind.startswith("struct<") and "bytes: " in kind and "binary" in kind
    )


def is_text(kind: Any) -> bool:
    """Tell whether a column holds texts."""
    return str(kind) in ("string", "large_string", "string_view")


def is_key(value: Any) -> bool:
    """Tell whether a value can be a key."""
    return isinstance(value, int | str) and not isinstance(value, bool) and value != ""
