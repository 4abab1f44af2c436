"""Shards and parquet files made to do harm: every one ends in sentences, and writes nothing."""

from __future__ import annotations

import gzip
import json
import re
import struct
import tarfile
import zlib
from pathlib import Path

import made_sets
import pytest

from numpygit.data import read
from numpygit.data.speak import speak
from numpygit.errors import UserError
from numpygit.huggingface.processing.picture_steps import open_picture

GOOD = made_sets.picture(1, "jpg")


class Looker:
    """A captioner that opens pictures, and says how large they are."""

    name = "looker"

    def pixels(self, picture):
        opened = open_picture(picture)
        return f"{opened.width} x {opened.height}"

    def caption_pixels(self, prepared, *, max_length):
        return prepared

    def answer(self, picture, question, *, max_length):
        raise AssertionError("nobody asks")


def look(path: Path) -> tuple[list[str], list[str]]:
    """Caption a file: -> the keys that have one, and the errors."""
    rows = list(read(path, with_texts=False))
    assert len({row.key for row in rows}) == len(rows)
    said = speak(Looker(), rows, max_length=None)
    errors = [one.error for one in said if one.error is not None]
    assert all("\n" not in error and len(error) < 2500 for error in errors)
    return [one.row.key for one in said if one.text is not None], errors


# ---------------------------------------------------------------- tars


def member(name: str, data: bytes = GOOD, **fields) -> bytes:
    """Write one member of a tar; `fields` are those of its header."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    header = info.tobuf(tarfile.GNU_FORMAT)
    return header + data + bytes(-len(data) % 512)


def resized(name: str, size: int, data: bytes = GOOD) -> bytes:
    """Write one member whose header says another size."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


def pax(records: bytes, size: int | None = None) -> bytes:
    """Write a pax header with records as they are."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(records) if size is None else size
    return info.tobuf(tarfile.GNU_FORMAT) + records + bytes(-len(records) % 512)


def record(name: str, value: str) -> bytes:
    """Write one record of a pax header."""
    body = f" {name}={value}\n"
    length = len(body) + 1
    while len(f"{length}{body}") != length:
        length += 1
    return f"{length}{body}".encode()


def bomb() -> bytes:
    """Write a PNG of 60,000 x 60,000 pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(10_000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + data + chunk(b"IEND", b"")


END = bytes(1024)
FIRST, LAST = member("first.jpg"), member("last.jpg")


def around(*harm: bytes) -> bytes:
    """Put harm between two good pictures."""
    return FIRST + b"".join(harm) + LAST + END


BOTH, ONE = ["x.tar/first", "x.tar/last"], ["x.tar/first"]
TARS = {
    "absolute name": (around(member("/etc/harm.jpg")), BOTH, "leads out of the data set"),
    "parent folder": (around(member("../../harm.jpg")), BOTH, "leads out of the data set"),
    "parent inside": (around(member("a/../../harm.jpg")), BOTH, "leads out of the data set"),
    "backslashes": (around(member("..\\harm.jpg")), BOTH, "leads out of the data set"),
    "drive": (around(member("C:/harm.jpg")), BOTH, "leads out of the data set"),
    "symbolic link": (
        around(member("harm.jpg", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
        BOTH,
        "is a link",
    ),
    "hard link": (
        around(member("harm.jpg", b"", type=tarfile.LNKTYPE, linkname="first.jpg")),
        BOTH,
        "is a link",
    ),
    "pipe": (around(member("harm.jpg", b"", type=tarfile.FIFOTYPE)), BOTH, "a device or a pipe"),
    "device": (around(member("harm.jpg", b"", type=tarfile.CHRTYPE)), BOTH, "a device or a pipe"),
    "disk": (around(member("harm.jpg", b"", type=tarfile.BLKTYPE)), BOTH, "a device or a pipe"),
    "unknown type": (around(member("harm.jpg", GOOD, type=b"Z")), None, ""),
    "sparse": (
        around(pax(record("GNU.sparse.map", "0,10") + record("GNU.sparse.size", "9999999999")),
               member("harm.jpg")),
        BOTH,
        "sparse|bytes; too many|no name",
    ),
    "letters that control": (
        around(pax(record("path", "a\x1b[2Jharm.jpg")), member("x")),
        BOTH,
        "is no name of a file",
    ),
    "lines in a name": (around(pax(record("path", "a\nb.jpg")), member("x")), BOTH, "no name"),
    "no name": (around(member("")), None, ""),
    "size of 8 GB": (around(resized("harm.jpg", 8 * 2**30)), ONE, "cut short"),
    "negative size": (around(resized("harm.jpg", -1024)), ONE, "damaged|backwards"),
    "size by pax": (
        around(pax(record("size", "-4096")), member("harm.jpg")), ONE, "damaged|backwards"
    ),
    "size by pax beyond": (
        around(pax(record("size", str(10**15))), member("harm.jpg")), ONE, "cut short|bytes"
    ),
    "size by pax is no number": (
        around(pax(record("size", "many")), member("harm.jpg")), None, ""
    ),
    "header of 4 GB": (around(pax(b"", 2**32), member("harm.jpg")), ONE, "damaged"),
    "20,000 headers": (around(pax(record("a", "b")) * 20_000, member("harm.jpg")), ONE, "damaged"),
    "cut in a picture": ((FIRST + member("last.jpg"))[:-700], ONE, "cut short"),
    "cut in a header": (FIRST + LAST[:300], ONE, "damaged"),
    "noise between": (FIRST + bytes(range(256)) * 4 + LAST + END, ONE, "damaged"),
    "two of a name": (around(member("first.jpg")), BOTH, "twice"),
    "two keys apart": (around(member("m.jpg"), member("first.png")), None, "twice"),
    "bomb": (around(member("harm.png", bomb())), BOTH, "pixels"),
    "broken picture": (around(member("harm.jpg", GOOD[:200])), BOTH, "damaged|cut short"),
    "no picture": (around(member("harm.jpg", b"hello")), BOTH, "picture"),
    "empty picture": (around(member("harm.jpg", b"")), BOTH, "picture"),
    "folder as picture": (around(member("harm.jpg", b"", type=tarfile.DIRTYPE)), BOTH, None),
    "two joined": (FIRST + END + bytes(8192) + LAST + END, ONE, "goes on behind its end"),
    "noise behind": (FIRST + END + bytes(range(256)), ONE, "goes on behind its end"),
    "part of another volume": (around(member("m.jpg", type=b"M")), BOTH, "a device or a pipe"),
    "name of a volume": (around(member("label", b"", type=b"V")), BOTH, None),
    "list of a folder": (around(member("./", b"Ya.jpg\0\0", type=b"D")), BOTH, None),
    "empty": (b"", [], "is empty"),
    "gzip": (gzip.compress(around()), [], "is compressed"),
    "gzip bomb": (gzip.compress(bytes(10**8), 1), [], "is compressed"),
    "noise": (bytes(range(256)) * 100, [], "no tar file"),
    "zeros": (bytes(10_240), [], None),
    "zip": (b"PK\x03\x04" + bytes(range(256)) * 10, [], "no tar file"),
}  # fmt: skip


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.lstat().st_size, p.lstat().st_mtime_ns) for p in folder.rglob("*")}


@pytest.mark.parametrize("kind", TARS)
def test_hostile_tars(tmp_path, kind, monkeypatch):
    data, keys, why = TARS[kind]
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "x.tar"
    path.write_bytes(data)
    monkeypatch.chdir(tmp_path / "in")
    before = tree(tmp_path)
    found, errors = look(path)
    if keys is not None:
        assert found == keys
    if why is None:
        assert errors == []
    elif why:
        assert len(errors) == 1
        assert re.search(why, errors[0]), errors[0]
    assert tree(tmp_path) == before


def test_a_file_of_a_terabyte_takes_no_memory(tmp_path):
    path = tmp_path / "x.tar"
    with path.open("wb") as file:
        file.write(resized("harm.jpg", 2**40))
        file.truncate(2**40 + 2048)  # a hole
    keys, (error,) = look(path)
    assert keys == []
    assert "bytes; too many" in error


def test_texts_that_are_none_are_errors_only_where_texts_are_wanted(tmp_path):
    texts = {
        "json": b"[1]",
        "txt": b"\xff\xfd",
        "caption": b"x" * 5_000_000,
    }
    for ending, text in {**texts, "json ": b"[" * 100_000}.items():
        name = ending.strip()
        path = made_sets.tar(tmp_path / "x.tar", {"a.jpg": GOOD, f"a.{name}": text})
        assert look(path) == (["x.tar/a"], [])
        (row,) = read(path)
        assert row.error is not None
        assert f"a.{name}" in row.error


# ---------------------------------------------------------------- parquet


def parquet(path: Path, columns: dict, **options) -> Path:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table(columns), path, **options)
    return path


def good(tmp_path: Path) -> bytes:
    return parquet(tmp_path / "x.parquet", {"jpg": [GOOD] * 3, "key": ["a", "b", "c"]}).read_bytes()


DAMAGE = {
    "cut": lambda data: data[: len(data) // 2],
    "no footer": lambda data: data[:-8],
    "footer of 2 GB": lambda data: data[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1",
    "footer of noise": lambda data: data[:-200] + bytes(192) + data[-8:],
    "noise": lambda data: bytes(range(256)) * 20,
    "empty": lambda data: b"",
    "pages of noise": lambda data: data[:4] + bytes(300) + data[304:],
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_parquet(tmp_path, kind):
    data = good(tmp_path)
    path = tmp_path / "x.parquet"
    path.write_bytes(DAMAGE[kind](data))
    before = tree(tmp_path)
    try:
        keys, errors = look(path)
    except UserError as error:
        keys, errors = [], [str(error)]
    assert keys == []
    assert errors
    assert all("parquet" in error for error in errors)
    assert tree(tmp_path) == before


def test_parquet_rows_that_lie(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(GOOD)
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "x.parquet"
    parquet(path, {"jpg": [GOOD, None, b"", b"hello", GOOD], "key": ["a", "b", "c", "d", "a"]})
    keys, errors = look(path)
    assert keys == ["x.parquet/a"]
    assert [error.split(": ")[-1].split(";")[0] for error in errors] != []
    assert len(errors) == 4
    assert any("twice" in error for error in errors)
    names = ["../secret.jpg", "/etc/hostname", "gone.jpg", "", "a\0b"]
    parquet(path, {"file_name": names, "text": ["x"] * 5})
    keys, errors = look(path)
    assert keys == []
    assert len(errors) == 5
    parquet(path, {"text": ["x"], "number": [1]})
    with pytest.raises(UserError, match="has no pictures"):
        look(path)


def test_a_picture_repeated_for_ever_takes_little_memory(tmp_path):
    resource = pytest.importorskip("resource")
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    large = made_sets.picture(1) + bytes(2**21)  # 2 MB, kept once in the file
    column = pa.array([large]).dictionary_encode()
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 4000, pa.int32()), column.dictionary)
    path = tmp_path / "x.parquet"
    parquet.write_table(pa.table({"png": column}), path)
    assert path.stat().st_size < 10**7
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = list(read(path))
    assert len(rows) == 4000
    for row in rows[:64]:
        assert row.read() == large
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 600 * 1024  # kB; all rows at once would take 8 GB


def test_hostile_tables(tmp_path):
    (tmp_path / "m.jsonl").write_text(json.dumps({"file_name": "x\0y", "text": "a"}))
    (row,) = read(tmp_path / "m.jsonl")
    assert "is no name of a file" in row.error
