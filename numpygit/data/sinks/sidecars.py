"""A text file beside each picture: photo.txt for photo.jpg."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from ...errors import UserError
from ...loading.write_whole import beside, write_whole
from ..rows import Row
from ..speak import Spoken
from .hold import Hold, cannot_write


class Sidecars:
    """A sink of text files beside the pictures, each whole or not there.

    `folders` are kept from other runs meanwhile; with `together`, from all but other shares.
    """

    def __init__(
        self,
        ending: str = ".txt",
        *,
        existing: str = "skip",
        folders: Sequence[Path] = (),
        together: bool = False,
    ) -> None:
        self.ending, self.existing = ending, existing
        self.holds = [Hold(folder, together=together) for folder in folders]
        self.owners: dict[Path, str] = {}
        self.writable: set[Path] = set()

    def open(self) -> None:
        """Keep others from writing."""
        for hold in self.holds:
            hold.take()

    def has(self, row: Row) -> bool:
        """Tell whether a picture's text file stands and is not to be written again.

        An empty one is none. What is no file there, such as a folder, is left as it is. Raises
        UserError for two pictures with one text file, and where no file can be written.
        """
        if row.error is not None:
            return False
        path = self.sidecar(row)
        other = self.owners.setdefault(path, row.key)
        if other != row.key:
            raise UserError(
                f"{other} and {row.key} would have the same text file, {path.name}; rename one, or "
                "give a .jsonl file"
            )
        self.check_folder(path.parent)
        try:
            status = path.lstat()
        except OSError:
            return False
        is_empty = stat.S_ISREG(status.st_mode) and status.st_size == 0
        return not is_empty and (self.existing == "skip" or not path.is_file())

    def check_folder(self, folder: Path) -> None:
        """Raise UserError for a folder where nothing can be written."""
        if folder not in self.writable and not os.access(folder, os.W_OK | os.X_OK):
            raise UserError(f"{folder} cannot be written: no permission")
        self.writable.add(folder)

    def write(self, spoken: Sequence[Spoken]) -> list[str]:
        """Write the text files: -> what failed because of its name."""
        failed = []
        for one in spoken:
            if one.text is None:
                continue
            path = self.sidecar(one.row)
            try:
                write_text(path, self.before(path) + one.text + "\n")
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise cannot_write(path, error) from None
                failed.append(f"{one.row.key} has too long a name for a text file beside it")
        return failed

    def before(self, path: Path) -> str:
        """Read the captions that a new one is added to."""
        if self.existing != "append" or not path.is_file():
            return ""
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        return text if not text or text.endswith("\n") else text + "\n"

    def sidecar(self, row: Row) -> Path:
        """Name the text file of a picture; UserError for one that has no place of its own."""
        if isinstance(row.picture, Path):
            return row.picture.with_suffix(self.ending)
        raise UserError(
            f"{row.key} is no file of its own, so no text file can stand beside it; give a .jsonl, "
            ".csv, .tar or .parquet file as the output"
        )

    def finish(self) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Let other runs write."""
        for hold in self.holds:
            hold.release()


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; an odd name of a file in it keeps its bytes."""

    def write(part: Path) -> None:
        part.write_text(text, encoding="utf-8", errors="surrogateescape")

    write_whole(path, write, part=beside(path, ".part"))
