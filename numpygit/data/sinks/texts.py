"""The sinks of one text a picture: rows of a file, files beside the pictures, the screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ...errors import UserError
from ..rows import Row
from ..speak import Spoken
from .files import Results, Sidecars


class Texts:
    """Results of files.py as a sink."""

    def __init__(self, results: Results, name: Callable[[Row], str] = lambda row: row.key) -> None:
        self.results, self.name = results, name
        self.kept: set[str] = set()
        self.owners: dict[Path, str] = {}

    def open(self) -> None:
        """Read what is there."""
        self.kept = self.results.done([])

    def has(self, row: Row) -> bool:
        """Tell whether a row has its text."""
        name = self.name(row)
        if not isinstance(self.results, Sidecars):
            return name in self.kept
        path = self.results.sidecar(name)
        other = self.owners.setdefault(path, name)
        if other != name:
            raise UserError(
                f"{other} and {name} would have the same text file, {path.name}; rename one, or "
                "give a .jsonl file"
            )
        return self.results.has(name)

    def write(self, spoken: Sequence[Spoken]) -> list[str]:
        """Keep some more texts for good: -> what could not be kept."""
        texts = {self.name(one.row): one.text for one in spoken if one.text is not None}
        failed = self.results.write(texts)
        self.kept |= texts.keys()
        return failed

    def finish(self) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Let other runs write."""
        self.results.close()


def beside(row: Row) -> str:
    """Name the picture that a text file is to stand beside."""
    if isinstance(row.picture, Path):
        return str(row.picture)
    if row.error is not None:
        return row.key
    raise UserError(
        f"{row.key} lies inside another file, so no text file can stand beside it; give a .jsonl, "
        ".csv, .tar or .parquet file as the output"
    )


class Nothing:
    """A sink that keeps nothing, for those who take the texts on their way."""

    def open(self) -> None:
        """Nothing is there."""

    def has(self, row: Row) -> bool:
        """No row has a text."""
        return False

    def write(self, spoken: Sequence[Spoken]) -> None:
        """Forget the texts."""

    def finish(self) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Nothing was held."""
