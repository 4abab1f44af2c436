"""A file is written whole, or not at all."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from numpygit.loading.write_whole import beside, write_whole


def test_the_file_is_the_old_one_until_it_is_the_new_one(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text("old")

    def write(part: Path) -> None:
        part.write_text("new")
        assert path.read_text() == "old"

    write_whole(path, write)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path, error: BaseException):
    path = tmp_path / "a.json"
    path.write_text("old")

    def write(part: Path) -> None:
        part.write_text("half of it")
        raise error

    with pytest.raises(type(error)):
        write_whole(path, write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_it_is_on_the_disk_before_it_gets_its_place(tmp_path: Path, monkeypatch):
    steps: list[str] = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (steps.append("sync"), sync(file)))
    monkeypatch.setattr(os, "replace", lambda a, b: (steps.append("replace"), replace(a, b)))
    write_whole(tmp_path / "a", lambda part: part.write_bytes(b"x"))
    assert steps == ["sync", "replace"]


def test_two_writers_at_once_do_not_mix(tmp_path: Path):
    path = tmp_path / "a"

    def first(part: Path) -> None:
        part.write_text("first")
        write_whole(path, lambda other: other.write_text("second"))
        assert part.read_text() == "first"

    write_whole(path, first)
    assert path.read_text() == "first"


def test_what_a_kill_left_of_a_named_part_is_written_over(tmp_path: Path):
    path = tmp_path / "a.txt"
    part = beside(path, ".part")
    part.write_text("what a kill left of a longer text")
    write_whole(path, lambda to: to.write_text("new"), part=part)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
def test_the_rights_are_those_of_any_new_file(tmp_path: Path):
    (tmp_path / "plain").write_text("x")
    write_whole(tmp_path / "a", lambda part: part.write_text("x"))
    rights = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "a")]
    assert rights[0] == rights[1]


def test_names_too_long_for_an_ending_are_written_too(tmp_path: Path):
    path = tmp_path / ("ä" * 127)  # 254 bytes
    assert beside(path, ".part").parent == tmp_path
    write_whole(path, lambda part: part.write_text("x"))
    assert path.read_text() == "x"
    assert list(tmp_path.iterdir()) == [path]
