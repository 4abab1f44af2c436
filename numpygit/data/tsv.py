"""The TSV files of GIT's authors: a key, a tab, and a picture in base64 or a list in JSON.

Pictures: `key <tab> base64`. Captions: `key <tab> [{"caption": ...}]`. Questions: `key <tab>
[{"question_id": ..., "question": ...}]`. Source: microsoft/GenerativeImage2Text, README.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import NotFoundError, UserError
from ..loading.formats.small_files import check_regular
from .rows import MOST_BYTES, Piece, Row
from .tables import answers_of, texts_of


def tsv(path: Path, *, texts: Path | None = None) -> Iterator[Row]:
    """Read pictures in base64; `texts` is the file that says something about the same keys."""
    found = {} if texts is None else tsv_texts(texts)
    seen: set[str] = set()
    for key, offset, size, start in tsv_lines(path):
        name = f"{path.name}: {key}"
        row = Row(key, Piece(path, offset, size, name, is_base64=True), labels={"image_id": key})
        if key in seen or not key:
            yield Row(key, None, error=f"{path} has the key {key!r} " + ("again" if key else ""))
            continue
        seen.add(key)
        if start.startswith(b"["):
            yield row.failed(f"{name} is a list, no picture in base64; give it as the annotations")
            continue
        yield from rows_of(row, found.get(key, []))


def tsv_texts(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Read captions or questions: key -> the objects of its list."""
    found = {}
    for key, offset, size, _ in tsv_lines(path):
        text = Piece(path, offset, size, f"{path.name}: {key}").read()
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, list) or not all(isinstance(one, dict) for one in values):
            raise UserError(f"{path}: {key} has no list of captions or questions in JSON")
        found[key] = values
    return found


def rows_of(row: Row, values: list[dict[str, Any]]) -> Iterator[Row]:
    """Add what is known of a picture to its row; each question makes a row of its own."""
    asked = [one for one in values if one.get("question")]
    if not asked:
        yield replace(row, texts=tuple(text for one in values for text in texts_of(one)))
    for count, one in enumerate(asked, start=1):
        number = one.get("question_id", f"{row.key}#{count}")
        yield replace(
            row,
            key=str(number),
            question=str(one["question"]),
            answers=answers_of(one),
            labels={**row.labels, "question_id": number},
        )


def tsv_lines(path: Path) -> Iterator[tuple[str, int, int, bytes]]:
    """Find the second column of each line: -> key, offset and size of it, its first byte."""
    check_regular(path)
    try:
        with path.open("rb") as file:
            offset, number = 0, 0
            while line := file.readline(MOST_BYTES):
                number += 1
                key, tab, value = line.partition(b"\t")
                value = value.rstrip(b"\r\n")
                too_long = len(line) == MOST_BYTES and not line.endswith(b"\n")
                if line.strip() and (not tab or too_long):
                    raise UserError(f"{path}, line {number} is not a key, a tab and a value")
                if line.strip():
                    where = offset + len(key) + 1
                    yield key.decode("utf-8", "replace"), where, len(value), value[:1]
                offset += len(line)
    except FileNotFoundError:
        raise NotFoundError(f"no such file: {path}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
