"""Where the captions of a folder go: a file of rows, text files beside the pictures, the screen.

Each kind can say which pictures are `done`, which also shows whether it can be written at all, and
can `write` some more captions, until it is `close`d. What was written once survives whatever
happens next. From `done` to `close` no other run may write there.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

from ...errors import UserError
from .hold import Hold, cannot_write

COLUMNS = ["picture", "caption", "model"]


class Rows:
    """A file of one row a picture, `.jsonl` or `.csv`: it only ever grows at its end."""

    def __init__(self, path: Path, model: str) -> None:
        self.path = path
        self.model = model
        self.is_csv = path.suffix.lower() == ".csv"
        self.hold = Hold(path)

    def done(self, pictures: list[str]) -> set[str]:
        """Read which pictures have a row; cut off a last row that was not written to its end."""
        try:
            with self.path.open("a+b") as file:  # makes the file, or says now that it cannot
                self.hold.take()
                file.seek(0)
                found, end = set(), 0
                for record in self.records(file):
                    if self.is_torn(record, is_first=end == 0):
                        break
                    if end or not self.is_csv:
                        found.add(self.picture(record))
                    elif read_csv(record) != COLUMNS:
                        raise self.foreign("its first row is not " + ",".join(COLUMNS))
                    end += len(record)
                file.truncate(end)
                if self.is_csv and end == 0:
                    file.write(write_csv(COLUMNS))
        except OSError as error:
            raise UserError(f"{self.path} cannot be written: {error.strerror}") from None
        return found

    def write(self, captions: dict[str, str]) -> None:
        """Add a row for each picture, and wait until they are on the disk."""
        rows = [self.row(picture, caption) for picture, caption in captions.items()]
        try:
            with self.path.open("ab") as file:
                file.write(b"".join(rows))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from None

    def close(self) -> None:
        """Let other runs write."""
        self.hold.release()

    def row(self, picture: str, caption: str) -> bytes:
        """Write one row, with its end of line."""
        values = [picture, caption, self.model]
        if self.is_csv:
            return write_csv(values)
        return json.dumps(dict(zip(COLUMNS, values, strict=True))).encode() + b"\n"

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
        start = write_csv(COLUMNS) if self.is_csv else b'{"picture": "'
        if (is_first or not self.is_csv) and record[: len(start)] != start[: len(record)]:
            raise self.foreign("its last line is no row of numpygit")
        return True

    def picture(self, record: bytes) -> str:
        """Read which picture a row is about; refuse rows that are not of this kind and model."""
        try:
            if self.is_csv:
                picture, _, model = read_csv(record)
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


class Sidecars:
    """A text file beside each picture: photo.txt for photo.jpg."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hold = Hold(folder)

    def sidecar(self, picture: str) -> Path:
        """Name the text file of a picture."""
        return (self.folder / picture).with_suffix(".txt")

    def done(self, pictures: list[str]) -> set[str]:
        """List the pictures that have a text file, whoever wrote it."""
        self.hold.take()
        owner: dict[Path, str] = {}
        for picture in pictures:
            other = owner.setdefault(self.sidecar(picture), picture)
            if other != picture:
                raise UserError(
                    f"{other} and {picture} would have the same text file, "
                    f"{self.sidecar(picture).name}; rename one, or give a .jsonl file"
                )
        found = {picture for picture in pictures if os.path.lexists(self.sidecar(picture))}
        for folder in {self.sidecar(picture).parent for picture in pictures} if owner else ():
            if not os.access(folder, os.W_OK | os.X_OK):
                raise UserError(f"{folder} cannot be written: no permission")
        return found

    def write(self, captions: dict[str, str]) -> None:
        """Write the text files; each is there whole or not at all."""
        for picture, caption in captions.items():
            path = self.sidecar(picture)
            part = path.with_name(path.name + ".part")
            try:
                with part.open("w", encoding="utf-8") as file:
                    file.write(caption + "\n")
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(part, path)
            except OSError as error:
                raise cannot_write(path, error) from None

    def close(self) -> None:
        """Let other runs write."""
        self.hold.release()


class Screen:
    """The standard output: nothing is remembered, so every start begins anew."""

    def __init__(self, model: str, *, as_json: bool) -> None:
        self.model = model
        self.as_json = as_json

    def done(self, pictures: list[str]) -> set[str]:
        """Nothing is done yet."""
        return set()

    def write(self, captions: dict[str, str]) -> None:
        """Print one line a picture."""
        for picture, caption in captions.items():
            if self.as_json:
                row = dict(zip(COLUMNS, [picture, caption, self.model], strict=True))
                print(json.dumps(row), flush=True)
            else:
                print(f"{picture}: {caption}", flush=True)

    def close(self) -> None:
        """Nothing was held."""


Results = Rows | Sidecars | Screen


def results(name: str | None, folder: Path, *, model: str, as_json: bool = False) -> Results:
    """Choose by name: a .jsonl or .csv file, ".txt" for files beside the pictures, or no name."""
    if name is None:
        return Screen(model, as_json=as_json)
    if name == ".txt":
        return Sidecars(folder)
    if Path(name).suffix.lower() in (".jsonl", ".csv"):
        return Rows(Path(name), model)
    raise UserError(
        f"the output {name!r} is of no kind that is known; give a file that ends in .jsonl or "
        ".csv, or .txt alone for a text file beside each picture"
    )


def write_csv(values: list[str]) -> bytes:
    """Write one row of CSV; an odd name of a file keeps its bytes."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow(values)
    return text.getvalue().encode("utf-8", "surrogateescape")


def read_csv(record: bytes) -> list[str]:
    """Read one row of CSV."""
    text = record.decode("utf-8", "surrogateescape")
    return next(csv.reader(io.StringIO(text, newline="")), [])
