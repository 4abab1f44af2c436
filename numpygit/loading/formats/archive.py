"""The contents of a zip archive: name -> (start, size) in the file, nothing unpacked.

torch stores its archives uncompressed, so that tensors can be mapped straight from the file; an
archive with anything compressed, encrypted, doubled or overlapping is not torch's and is refused.

Source: PKWARE, APPNOTE.TXT 6.3, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to
4.3.16 (its end), 4.5.3 (sizes of 64 bits).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from mmap import mmap
from typing import NamedTuple

from ...errors import UserError

MOST_ENTRIES = 20_000  # git-large has 510
LONGEST_NAME = 300
LOCAL, DIRECTORY, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
END_64, WAY_TO_END_64 = b"PK\6\6", b"PK\6\7"
FULL = 2**32 - 1  # in a field of 32 bits: the value stands in 64 bits elsewhere


class Entry(NamedTuple):
    """One file of the archive."""

    name: str
    start: int
    size: int


def entries(data: mmap) -> dict[str, tuple[int, int]]:
    """List a zip archive: name -> (start, size). Raises UserError for what torch does not write."""
    found = list(directory(data))
    for first, second in pairwise(sorted(found, key=by_start)):
        if first.start + first.size > second.start:
            raise UserError(f"in its archive {first.name!r} and {second.name!r} overlap")
    spans = {entry.name: (entry.start, entry.size) for entry in found}
    if len(spans) < len(found):
        raise UserError("its archive has two entries of the same name")
    return spans


def by_start(entry: Entry) -> int:
    """Order entries as they lie in the file."""
    return entry.start


def directory(data: mmap) -> Iterator[Entry]:
    """Go through the directory at the end of an archive."""
    count, at = directory_place(data)
    if count > MOST_ENTRIES:
        raise UserError(f"its archive has {count} entries; the most is {MOST_ENTRIES}")
    for _ in range(count):
        numbers = unpack(DIRECTORY, "<6H3L5H2L", data, at)
        flags, method, packed, size = numbers[2], numbers[3], numbers[7], numbers[8]
        name_size, extra_size, comment_size, header = *numbers[9:12], numbers[15]
        name = name_at(data, at + 46, name_size)
        if flags & 1 or method != 0:
            raise UserError(
                f"in its archive {name!r} is compressed or encrypted; torch does neither"
            )
        extra = data[at + 46 + name_size : at + 46 + name_size + extra_size]
        size, packed, header = full_sizes(extra, size, packed, header)
        if size != packed:
            raise UserError(f"in its archive {name!r} has two sizes, {size} and {packed}")
        yield Entry(name, content_start(data, name, header, size), size)
        at += 46 + name_size + extra_size + comment_size


def directory_place(data: mmap) -> tuple[int, int]:
    """Find the directory of an archive: how many entries, and where the first one is."""
    end = len(data) - 22
    if end < 0 or data[end : end + 4] != END:  # torch writes no comment after it
        raise UserError("it is cut short: its archive has no end")
    _, _, _, count, _, at, _ = unpack(END, "<4H2LH", data, end)
    if data[max(end - 20, 0) : max(end - 16, 0)] == WAY_TO_END_64:
        _, end, _ = unpack(WAY_TO_END_64, "<LQL", data, end - 20)
        _, _, _, _, _, _, count, _, at = unpack(END_64, "<Q2H2L4Q", data, end)
    return count, at


def full_sizes(extra: bytes, *fields: int) -> list[int]:
    """Replace those of a directory's numbers that need 64 bits by what its extra field says."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            values = list(
                struct.unpack_from(f"<{length // 8}Q", extra[at + 4 :].ljust(length, b"\0"))
            )
            return [values.pop(0) if f == FULL and values else f for f in fields]
        at += 4 + length
    return list(fields)


def content_start(data: mmap, name: str, header: int, size: int) -> int:
    """Find where the bytes of an entry begin: behind its own header, which names it again."""
    *_, name_size, extra_size = unpack(LOCAL, "<5H3L2H", data, header)
    if name_at(data, header + 30, name_size) != name:
        raise UserError(f"in its archive {name!r} is not where the directory says")
    start = header + 30 + name_size + extra_size
    if start + size > len(data):
        raise UserError(f"it is cut short: {name!r} ends behind the end of the file")
    return start


def name_at(data: mmap, start: int, size: int) -> str:
    """Read the name of an entry. It is only ever compared, never used as a path."""
    if size > LONGEST_NAME:
        raise UserError(f"its archive has a name of {size} bytes; the most is {LONGEST_NAME}")
    try:
        return data[start : start + size].decode()
    except UnicodeDecodeError:
        raise UserError("its archive has a name that is no UTF-8") from None


def unpack(signature: bytes, kind: str, data: mmap, at: int) -> tuple[int, ...]:
    """Read the numbers of one of the records of an archive, which all begin with a signature."""
    if not 0 <= at <= len(data) - 4 - struct.calcsize(kind) or data[at : at + 4] != signature:
        raise UserError("the directory of its archive is damaged")
    return struct.unpack_from(kind, data, at + 4)
