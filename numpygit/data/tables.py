"""Tables that say something about pictures: JSON lines, CSV, JSON -> rows of plain values.

The columns have the names that are in use: Hugging Face's imagefolder (`file_name`, `text`), and
numpygit's own output (`picture`, `caption`).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from ..errors import NotFoundError, UserError
from ..loading.formats.small_files import check_regular, decoded, encoding_of

PICTURE_COLUMNS = (
    "file_name", "picture", "file", "filename", "image_name", "image_path", "img_path", "filepath",
    "file_path", "path", "image", "img", "key",
)  # fmt: skip
TEXT_COLUMNS = (
    "text", "texts", "caption", "captions", "txt", "sentence", "sentences", "sentences_raw",
    "comment",
)  # fmt: skip
NUMBERED = re.compile(r"(?:text|caption|sentence|comment)_?\d+")  # caption_0 to caption_4
DELIMITERS = (",", ";", "\t", "|")
MOST_JSON = 2**31  # bytes of a JSON file, which is read as a whole
MOST_LINE = 2**24  # letters of one line of a table

csv.field_size_limit(MOST_LINE)


def read_table(path: Path) -> Iterator[dict[str, Any]]:
    """Read the rows of a .jsonl or .csv file, one dictionary each.

    Raises NotFoundError for a missing file, UserError naming the line for one that is no row.
    """
    is_csv = path.suffix.lower() == ".csv"
    try:
        with path.open(encoding=marked(path), errors="surrogateescape", newline="") as file:
            yield from csv_rows(file, path) if is_csv else json_rows(file, path)
    except FileNotFoundError:
        raise NotFoundError(f"no such file: {path}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None


def marked(path: Path) -> str:
    """Tell the encoding of a file by its mark; refuse what is no regular file."""
    check_regular(path)
    with path.open("rb") as file:
        return encoding_of(file.read(4))


def csv_rows(lines: Any, path: Path) -> Iterator[dict[str, Any]]:
    """Read a table whose first line names the columns, between commas or what is used instead."""
    head = lines.readline(MOST_LINE)
    delimiter = max(DELIMITERS, key=head.count)
    reader = csv.DictReader(
        chain([head] if head else [], lines),
        delimiter=delimiter,
        skipinitialspace=delimiter != ",",
        strict=True,
    )
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UserError(f"{path}, line {reader.line_num} is no row of CSV: {error}") from None
        if row is None:
            return
        if None in row or None in row.values():
            raise UserError(
                f"{path}, line {reader.line_num} has more or fewer values than the "
                f"{len(reader.fieldnames or ())} columns of the first line"
            )
        yield row


def json_rows(lines: Any, path: Path) -> Iterator[dict[str, Any]]:
    """Read one JSON object a line; empty lines are passed over."""
    number = 0
    while line := lines.readline(MOST_LINE):
        number += 1
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number} is no JSON object: {line[:60]!r}")
        yield row


def read_json(path: Path) -> Any:
    """Read a JSON file as a whole; raise NotFoundError or UserError where that does not work."""
    try:
        if path.stat().st_size > MOST_JSON or not path.is_file():
            raise UserError(f"{path} is not a JSON file of at most {MOST_JSON:,} bytes")
        return json.loads(decoded(path.read_bytes()))
    except FileNotFoundError:
        raise NotFoundError(f"no such file: {path}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {str(error) or 'nested too deeply'}") from None


def picture_column(values: Mapping[str, Any], path: Path) -> str:
    """Choose the column that names the picture; UserError where there is none."""
    prefixed = (name for name in values if name.endswith("_file_name"))  # Hugging Face's too
    for column in (*PICTURE_COLUMNS, *prefixed):
        if isinstance(values.get(column), str):
            return column
    raise UserError(
        f"{path} has no column that names pictures; expected one of "
        f"{', '.join(PICTURE_COLUMNS)}, it has {', '.join(map(str, values)) or 'none'}"
    )


def texts_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Collect the captions of one row: a text, or a list of texts, or of objects with a text."""
    found: list[Any] = []
    for column in (*TEXT_COLUMNS, *filter(NUMBERED.fullmatch, values)):
        value = values.get(column)
        found += value if isinstance(value, list) else [value]
    texts = (
        next((one[name] for name in ("raw", "caption", "text") if name in one), None)
        if isinstance(one, dict)
        else one
        for one in found
    )
    return tuple(text for text in texts if isinstance(text, str) and text)


def answers_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Collect the answers of one row: `answer` or `answers`, as texts or as VQA writes them."""
    found = values.get("answers") or values.get("answer") or ()
    listed = found if isinstance(found, list) else [found]
    texts = [one.get("answer") if isinstance(one, dict) else one for one in listed]
    return tuple(text for text in texts if isinstance(text, str) and text)
