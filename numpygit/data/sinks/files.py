"""One row a picture: a file that grows at its end, and the screen.

Both can say which pictures are `done`, which also shows whether they can be written at all, and can
`write` some more captions, until they are `close`d. What was written once survives whatever happens
next. From `done` to `close` no other run may write there.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import UserError, shown
from ..speak import Scored
from .hold import Hold, write_durably

COLUMNS = ["picture", "caption", "model"]
EXISTING = ("skip", "overwrite", "append")  # what becomes of a picture that has a caption
Several = Mapping[str, Sequence[Scored]]  # of each picture, where several texts were asked for
MARK = b"\xef\xbb\xbf"  # at the start of a CSV: Excel reads it as UTF-8 then


class Rows:
    """A file of one row a picture, `.jsonl` or `.csv`: it only ever grows at its end."""

    def __init__(self, path: Path, model: str, *, existing: str = "skip") -> None:
        self.path = path
        self.model = model
        self.existing = existing
        self.is_csv = path.suffix.lower() == ".csv"
        self.hold = Hold(path)

    def done(self) -> set[str]:
        """Read which pictures have a row; cut off a last row that was not written to its end."""
        try:
            with self.path.open("a+b") as file:  # makes the file, or says now that it cannot
                self.hold.take()
                repair_tail(file)
                file.seek(0)
                found, end = set(), 0
                for record in self.records(file):
                    if self.is_torn(record, is_first=end == 0):
                        break
                    if end or not self.is_csv:
                        found.add(self.picture(record))
                    elif read_csv(record.removeprefix(MARK)) != COLUMNS:
                        raise self.foreign("its first row is not " + ",".join(COLUMNS))
                    end += len(record)
                end = 0 if self.existing == "overwrite" else end
                file.truncate(end)
                if self.is_csv and end == 0:
                    file.write(MARK + write_csv(COLUMNS))
        except OSError as error:
            raise UserError(f"{self.path} cannot be written: {error.strerror}") from None
        return found if self.existing == "skip" else set()

    def write(self, captions: dict[str, str], several: Several) -> None:
        """Add a row for each picture, and wait until they are on the disk."""
        rows = [
            self.row(picture, caption, several.get(picture, ()))
            for picture, caption in captions.items()
        ]
        write_durably(self.path, b"".join(rows))

    def close(self) -> None:
        """Let other runs write."""
        self.hold.release()

    def row(self, picture: str, caption: str, several: Sequence[Scored]) -> bytes:
        """Write one row, with its end of line."""
        if self.is_csv:
            return write_csv([no_formula(picture), caption, self.model])
        values = [picture, caption, self.model]
        return json.dumps(as_fields(values, several)).encode() + b"\n"

    def records(self, lines: io.BufferedRandom) -> Iterator[bytes]:
        """Put lines together: a row of CSV goes on while a quotation mark is open."""
        held: list[bytes] = []
        is_open = False
        for line in lines:
            held.append(line)
            is_open ^= self.is_csv and line.count(b'"') % 2 == 1
            if not is_open:
                yield b"".join(held)
                held = []
        if held:
            yield b"".join(held)

    def is_torn(self, record: bytes, *, is_first: bool) -> bool:
        """Tell whether a row, which can only be the last, was not written to its end."""
        is_open = self.is_csv and record.count(b'"') % 2 == 1
        if record.endswith(b"\n") and not is_open:
            return False
        if self.is_csv and is_first and MARK.startswith(record):
            return True
        start = write_csv(COLUMNS) if self.is_csv else b'{"picture": "'
        record = record.removeprefix(MARK) if is_first else record
        if (is_first or not self.is_csv) and record[: len(start)] != start[: len(record)]:
            raise self.foreign("its last line is no row of numpygit")
        return True

    def picture(self, record: bytes) -> str:
        """Read which picture a row is about; refuse rows that are not of this kind and model."""
        try:
            if self.is_csv:
                written, _, model = read_csv(record)
                picture = written[2:] if no_formula(written[2:]) == written else written
            else:
                values = json.loads(record)
                picture, _, model = (values[column] for column in COLUMNS)
        except (ValueError, KeyError, TypeError, csv.Error):
            raise self.foreign(f"it has the row {record.decode(errors='replace')!r}") from None
        if model != self.model:
            raise self.foreign(f"its captions are of the model {model!r}, not {self.model!r}")
        return str(picture)

    def foreign(self, why: str) -> UserError:
        """Explain why the file is left as it is."""
        return UserError(f"cannot go on with {self.path}: {why}; give another file for the output")


class Screen:
    """The standard output: nothing is remembered, so every start begins anew."""

    def __init__(self, model: str, *, as_json: bool) -> None:
        self.model = model
        self.as_json = as_json

    def done(self) -> set[str]:
        """Nothing is done yet."""
        return set()

    def write(self, captions: dict[str, str], several: Several) -> None:
        """Print one line a picture, or one for each of several texts, with its score."""
        for picture, caption in captions.items():
            scored = several.get(picture, ())
            if self.as_json:
                print(json.dumps(as_fields([picture, caption, self.model], scored)), flush=True)
                continue
            texts = [f"{one.mean:8.3f}  {one.text}" for one in scored] or [caption]
            for text in texts:
                print(f"{shown(picture, 10_000)}: {text}", flush=True)

    def close(self) -> None:
        """Nothing was held."""


def as_fields(values: Sequence[str], several: Sequence[Scored]) -> dict[str, Any]:
    """Name the fields of a row; "captions" lists several texts with their scores."""
    fields: dict[str, Any] = dict(zip(COLUMNS, values, strict=True))
    if several:
        fields["captions"] = [
            {"caption": one.text, "mean": one.mean, "log_probability": one.log_probability}
            for one in several
        ]
    return fields


def is_ending(name: str) -> bool:
    """Tell an ending alone, such as .txt or .caption, from the name of a file."""
    return re.fullmatch(r"\.[A-Za-z0-9_-]+", name) is not None


def repair_tail(file: io.BufferedRandom) -> None:
    """Cut off NUL bytes and empty lines at the end, as a crash or an editor leaves them."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 2**16)
        file.seek(start)
        piece = file.read(end - start)
        kept = piece.rstrip(b"\0\r\n")
        if kept or start == 0:
            rest = piece[len(kept) :]
            line = rest.find(b"\n") + 1  # the end of the last line, unless NUL bytes stand before
            line = 0 if b"\0" in rest[:line] or not kept else line
            file.truncate(start + len(kept) + line)
            return
        end = start


def no_formula(picture: str) -> str:
    """Write the name of a picture so that no spreadsheet takes it for a formula: ./=1+1.png.

    A name that looks so already gets another ./, so that each is read back as what it was.
    """
    bare = picture
    while bare.startswith("./"):
        bare = bare[2:]
    return f"./{picture}" if bare.lstrip().startswith(("=", "+", "-", "@")) else picture


def write_csv(values: list[str]) -> bytes:
    """Write one row of CSV; an odd name of a file keeps its bytes."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow(values)
    return text.getvalue().encode("utf-8", "surrogateescape")


def read_csv(record: bytes) -> list[str]:
    """Read one row of CSV."""
    text = record.decode("utf-8", "surrogateescape")
    return next(csv.reader(io.StringIO(text, newline="")), [])
