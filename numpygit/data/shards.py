"""Shards: tar files as webdataset and img2dataset write them, read where they lie.

Members that follow each other with the same name up to its first dot are one sample:
`000000001.jpg`, `000000001.txt`, `000000001.json`. Only headers are read to list a shard, and
nothing is ever unpacked. A member that could do harm if it were, such as a link or a name that
leads out of the archive, becomes a row with an error; so does the end of a damaged archive.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ..errors import NotFoundError, UserError
from ..loading.formats.small_files import decoded
from .folders import picture_suffixes
from .rows import MOST_BYTES, Piece, Row, why_outside
from .tables import answers_of, texts_of

MOST_HEADER = 2**20  # bytes that one header of a tar may take
NO_FILES = (b"V", b"D")  # GNU's name of an archive, and its list of a folder
MOST_TEXT = 2**22  # bytes of a .txt or .json member
TEXT_ENDINGS = ("txt", "caption", "text")
NOT_PICTURES = (*TEXT_ENDINGS, "json", "cls", "npy", "pyd", "pickle", "url", "id", "index")


class Member(NamedTuple):
    """One file in a tar."""

    name: str
    offset: int  # of its bytes, in the tar
    size: int
    wrong: str | None  # why it is refused


class HeaderReader(io.BufferedIOBase):
    """A tar file for `tarfile`, which may only read headers in it, and only go forward.

    `tarfile` believes what a header says of its own size, and would read gigabytes, or go round in
    a circle.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.furthest = 0

    def read(self, size: int | None = -1) -> bytes:
        """Read a header."""
        if size is None or size < 0 or size > MOST_HEADER:
            raise tarfile.ReadError(f"a header says that it has {size:,} bytes")
        data = self.file.read(size)
        self.furthest = max(self.furthest, self.file.tell())
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go forward."""
        if whence or offset < self.furthest - 1:
            raise tarfile.ReadError("a header leads backwards")
        return self.file.seek(offset)

    def tell(self) -> int:
        """Tell where it is."""
        return self.file.tell()


def members(path: Path) -> Iterator[Member]:
    """List the files in a tar, from its headers alone.

    Raises UserError where the archive is damaged, after the members before that place.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise UserError(f"{path} is empty, expected a tar file")
            if file.read(6)[:2] in (b"\x1f\x8b", b"BZ", b"\xfd7", b"\x28\xb5"):
                raise UserError(f"{path} is compressed; decompress it first, shards are plain .tar")
            file.seek(0)
            yield from walk(file, path)
    except FileNotFoundError:
        raise NotFoundError(f"no such file: {path}") from None
    except (tarfile.TarError, OSError, ValueError, RecursionError, OverflowError) as error:
        if isinstance(error, UserError):
            raise
        why = "its headers never end" if isinstance(error, RecursionError) else str(error)
        raise UserError(f"{path} is damaged or no tar file: {why}") from None


def walk(file: BinaryIO, path: Path) -> Iterator[Member]:
    """Go from header to header."""
    length = path.stat().st_size
    with tarfile.open(fileobj=HeaderReader(file), mode="r:") as tar:
        end = 0
        if tar.firstmember is None:  # type: ignore[attr-defined]
            return  # nothing but zeros, after which Python 3.10 would go backwards
        while (info := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # or a large shard fills the memory
            if info.size < 0 or info.offset_data < end:
                raise tarfile.ReadError("a header leads backwards")
            end = info.offset_data + (info.size if info.isreg() and not info.issparse() else 0)
            if end > length:
                raise UserError(f"{path} is cut short: it ends inside {info.name[:200]!a}")
            if not info.isdir() and info.type not in NO_FILES:
                yield Member(info.name, info.offset_data, info.size, why_refused(info))
        file.seek(tar.offset)
        rest = file.read(512)
        if rest.strip(b"\0"):
            raise UserError(f"{path} is damaged: there is no header at byte {tar.offset:,}")
        if file.read(MOST_HEADER).strip(b"\0"):
            raise UserError(
                f"{path} goes on behind its end, and that is not read: tars are joined by "
                "`tar --concatenate`, not by `cat`"
            )


def why_refused(info: tarfile.TarInfo) -> str | None:
    """Say why a member is not read, or None."""
    if info.issym() or info.islnk():
        return f"{info.name[:200]!a} is a link, which is not followed"
    if not info.isreg():
        return f"{info.name[:200]!a} is a device or a pipe, no file"
    if info.issparse():
        return f"{info.name[:200]!a} is a sparse file, which is not read"
    if info.size > MOST_BYTES:
        return f"{info.name[:200]!a} has {info.size:,} bytes; too many"
    return why_outside(info.name)


def shard(path: Path, *, with_texts: bool = False) -> Iterator[Row]:
    """Read the samples of a tar: -> rows with the key `00000.tar/000000001`.

    `with_texts` reads their captions too, from .txt and .json members. What is damaged is a row
    with an error, the last one where the archive ends too early.
    """
    seen: set[str] = set()
    lone: set[str] = set()  # texts that no picture stood beside
    try:
        for key, parts in samples(members(path)):
            row = row_of(path, key, parts, with_texts=with_texts)
            if row is None and not (with_texts and key in seen):
                lone.add(key)
            elif row is None or (with_texts and key in lone):
                yield Row(f"{path.name}/{key}", None).failed(
                    f"{path} has the picture and the text of {key!a} apart; they are to follow "
                    "each other, as `tar --sort=name` puts them"
                )
            elif key in seen:
                again = Row(f"{path.name}/{key}", None)
                yield again.failed(f"{path} has the sample {key!a} twice; the first one counts")
            else:
                yield row
            seen |= {key} if row is not None else set()
    except UserError as error:
        yield Row(path.name, None, error=str(error))


def samples(found: Iterator[Member]) -> Iterator[tuple[str, dict[str, Member]]]:
    """Put members together that follow each other and have the same name up to the first dot.

    Names that begin with a dot, as a Mac adds them, are left out. Where the list ends in an error,
    what came before it is given out first.
    """
    key: str | None = None
    parts: dict[str, Member] = {}
    broken: UserError | None = None
    while True:
        try:
            member = next(found, None)
        except UserError as error:
            member, broken = None, error
        folder, slash, base = name_of(member).rpartition("/")
        stem, _, ending = base.partition(".")
        if member is not None and not stem and member.wrong is None and base:
            continue
        name, ending = folder + slash + stem, ending.lower()
        if parts and (member is None or name != key or ending in parts):
            yield str(key), parts
            parts = {}
        if broken:
            raise broken
        if member is None:
            return
        key, parts[ending] = name, member


def name_of(member: Member | None) -> str:
    """Name a member as webdataset does: without the ./ that `tar c .` puts before it."""
    return "" if member is None else member.name.removeprefix("./")


def picture_among(endings: list[str]) -> str | None:
    """Choose the member of a sample that is its picture; None where none can be."""
    last = {ending: ending.rpartition(".")[2] for ending in endings}
    found = [ending for ending in endings if last[ending] not in NOT_PICTURES]
    if len(found) > 1:  # beside features, masks and what else
        suffixes = picture_suffixes()
        found = [ending for ending in found if f".{last[ending]}" in suffixes] or found
    return found[0] if found else None


def row_of(path: Path, key: str, parts: dict[str, Member], *, with_texts: bool) -> Row | None:
    """Make a row of the members of one sample; None where none of them is a picture."""
    row = Row(f"{path.name}/{key}"[:1000], None, labels={"key": key})
    wrong = next((one.wrong for one in parts.values() if one.wrong), None)
    if wrong is not None:
        return row.failed(f"{path}: {wrong}")
    ending = picture_among(list(parts))
    if ending is None:
        return None
    try:
        texts = texts_in(path, parts) if with_texts else {}
    except UserError as error:
        return row.failed(str(error))
    picture = parts[ending]
    piece = Piece(path, picture.offset, picture.size, f"{path.name}/{picture.name}")
    return Row(row.key, piece, labels={**row.labels, "ending": ending}, **texts)


def texts_in(path: Path, parts: dict[str, Member]) -> dict[str, Any]:
    """Read what the texts of a sample say: -> fields of its row.

    The .txt counts where there is one, as in img2dataset, whose .json has the caption once more.
    """
    values: dict[str, Any] = {}
    if "json" in parts:
        try:
            values = json.loads(text_of(path, parts["json"]))
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: {parts['json'].name} is not JSON: {error}") from None
        if not isinstance(values, dict):
            raise UserError(f"{path}: {parts['json'].name} is no JSON object")
    ending = next((ending for ending in TEXT_ENDINGS if ending in parts), None)
    texts = texts_of(values)
    if ending is not None:
        texts = (text_of(path, parts[ending]).strip(),)
    question = values.get("question")
    asked = {"question": str(question), "answers": answers_of(values)} if question else {}
    return {"texts": tuple(text for text in texts if text), **asked}


def text_of(path: Path, member: Member) -> str:
    """Read a text member of a tar."""
    if member.size > MOST_TEXT:
        raise UserError(f"{path}: {member.name} is too long for a text: {member.size:,} bytes")
    data = Piece(path, member.offset, member.size, member.name).read()
    try:
        return decoded(data)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: {member.name} is not a text in UTF-8: {error}") from None
