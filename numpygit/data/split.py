"""A share of a source (`--shard 3/16`), so that several machines work on it without talking.

`--shard 3/16` is the fourth of sixteen shares (they count from 0). Files such as tars are dealt out
in turn; where there are fewer files than shares, several shares have a file together and take its
rows by a hash of their keys. Every row is in exactly one share, as long as all are started on the
same files; pictures may be added to a folder in between.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import UserError
from .rows import Row


class Share(NamedTuple):
    """The share `number` of `of`, from 0 on."""

    number: int = 0
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Share:
        """Read "3/16"; UserError for anything that is no share."""
        index, slash, count = text.partition("/")
        plain = all(part.isascii() and part.isdigit() and len(part) < 10 for part in (index, count))
        if not slash or not plain or not int(index) < int(count):
            raise UserError(f"a share of the work is given as 0/16 to 15/16, not as {text!r}")
        return cls(int(index), int(count))

    def files(self, paths: Sequence[Path]) -> list[Path]:
        """Choose the files of this share."""
        if not paths:
            return []
        if len(paths) < self.of:
            return [paths[self.number % len(paths)]]
        return list(paths[self.number :: self.of])

    def rows(self, rows: Iterable[Row], *, files: int) -> Iterator[Row]:
        """Choose the rows of this share, out of those of its files; `files` is how many there are.

        Shares 1, 1 + files, 1 + 2 * files, ... have the second file together.
        """
        if files == 0:
            return
        together = len(range(self.number % files, self.of, files)) if files < self.of else 1
        mine = self.number // files if together > 1 else 0
        for row in rows:
            if zlib.crc32(key_bytes(row)) % together == mine:
                yield row

    def name(self, output: str) -> str:
        """Give this share's output its own name: captions.jsonl -> captions-3-of-16.jsonl."""
        if self.of == 1:
            return output
        path = Path(output)
        return str(path.with_name(f"{path.stem}-{self.number}-of-{self.of}{path.suffix}"))


WHOLE = Share()


def key_bytes(row: Row) -> bytes:
    """Make bytes of a key, whatever letters it has."""
    return row.key.encode("utf-8", "surrogateescape")
