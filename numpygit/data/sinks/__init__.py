"""Where captions go, by the name of the output.

    captions.jsonl, captions.csv   a row a picture, added at the end
    .txt                           a text file beside each picture
    results.json                   COCO's results; VQA's, where questions were asked
    captions.tar                   a new shard, pictures included
    captions.parquet               key, question, text, error, model
    (none)                         the screen

    run.py     caption a whole source into a sink        hold.py        locks, and flushing to disk
    files.py   .jsonl, .csv, the screen                  texts.py       the same as sinks
    tars.py    .tar                                      published.py   COCO, VQA, .parquet
    sidecars.py   .txt beside pictures

Each is opened, can tell which rows it has, takes more of them and is closed; `finish` writes what
only a complete run can write. What was written once survives whatever happens next, and from
`open` to `close` no other run may write there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ...errors import UserError
from ...loading.formats.small_files import check_regular
from ..rows import Row
from ..speak import Spoken
from .files import Rows, Screen, is_ending
from .published import COCO, PARQUET, VQA, Published
from .sidecars import Sidecars
from .tars import Shard
from .texts import Texts

FORMATS = ("jsonl", "csv", "coco", "vqa", "tar", "parquet")


class Sink(Protocol):
    """What all of them can do."""

    def open(self) -> None:
        """Read what is there; UserError where it cannot be gone on with."""

    def has(self, row: Row) -> bool:
        """Tell whether a row has its text."""

    def write(self, spoken: Sequence[Spoken]) -> list[str] | None:
        """Keep some more texts for good: -> what could not be kept, if anything."""

    def finish(self) -> None:
        """Write what is written in the end."""

    def close(self) -> None:
        """Let other runs write."""


def sink(
    output: str | None,
    *,
    model: str,
    form: str | None = None,
    asks: bool = False,
    as_json: bool = False,
    existing: str = "skip",
    folders: Sequence[Path] = (),
    together: bool = False,
) -> Sink:
    """Choose by the name of the output, or by `form` where it is given.

    `asks` says that the rows are questions, for whom .json means VQA's results; `existing` what
    becomes of pictures that have a caption. Text files stand beside the pictures of `folders`,
    and several shares of one source may write theirs `together`.
    """
    if output is None:
        return Texts(Screen(model, as_json=as_json))
    kind, path = kind_of(output, form, asks=asks), Path(output)
    if is_ending(output):
        return Sidecars(output, existing=existing, folders=folders, together=together)
    if kind in FORMATS:
        check_regular(path)
    if kind in ("jsonl", "csv"):
        return Texts(Rows(path, model, existing=existing))
    if existing != "skip":
        raise UserError(f"--existing {existing} is for .jsonl, .csv and files beside pictures")
    if kind == "tar":
        return Shard(path, model)
    if kind in ("coco", "vqa", "parquet"):
        return Published(path, {"coco": COCO, "vqa": VQA, "parquet": PARQUET}[kind], model)
    raise UserError(
        f"the output {output!r} is of no kind that is known; give a file that ends in .jsonl, "
        ".csv, .json, .tar or .parquet, or .txt alone for a text file beside each picture"
    )


def kind_of(output: str, form: str | None, *, asks: bool = False) -> str:
    """Tell the kind of an output, one of FORMATS if it is known: `form`, or else by its ending."""
    ending = Path(output).suffix.lower()
    return form or {".json": "vqa" if asks else "coco"}.get(ending, ending[1:])
