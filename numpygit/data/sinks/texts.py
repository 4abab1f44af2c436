"""Rows of a file, or the screen, as a sink; and one that keeps nothing."""

from __future__ import annotations

from collections.abc import Sequence

from ..rows import Row
from ..speak import Spoken
from .files import Rows, Screen


class Texts:
    """A sink of one text a key, in a file of rows or on the screen."""

    def __init__(self, results: Rows | Screen) -> None:
        self.results = results
        self.kept: set[str] = set()

    def open(self) -> None:
        """Read what is there."""
        self.kept = self.results.done()

    def has(self, row: Row) -> bool:
        """Tell whether a row has its text."""
        return row.key in self.kept

    def write(self, spoken: Sequence[Spoken]) -> None:
        """Keep some more texts for good."""
        texts = {one.row.key: one.text for one in spoken if one.text is not None}
        if texts:
            self.results.write(texts, {one.row.key: one.several for one in spoken if one.several})
        self.kept |= texts.keys()

    def finish(self) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Let other runs write."""
        self.results.close()


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
