"""How many cores a process may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from numpygit.fast.limits import cpu_limit


def groups(tmp_path: Path, own: str, **files: str) -> int | None:
    for name, content in files.items():
        path = tmp_path / "cgroup" / name.replace("__", "/").replace("cpu_max", "cpu.max")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="ascii")
    (tmp_path / "own").write_text(own, encoding="ascii")
    cpu_limit.cache_clear()  # the files are others now
    return cpu_limit(tmp_path / "cgroup", tmp_path / "own")


@pytest.mark.parametrize(
    ("written", "limit"),
    [("max 100000", None), ("150000 100000\n", 2), ("50000 100000", 1), ("", None), ("x y", None),
     ("100000 0", None)],
)  # fmt: skip
def test_the_limit_of_version_2(tmp_path: Path, written: str, limit: int | None) -> None:
    assert groups(tmp_path, "0::/\n", cpu_max=written) == limit


def test_the_smallest_of_nested_groups_holds(tmp_path: Path) -> None:
    files = {"a__cpu_max": "300000 100000", "a__b__cpu_max": "max 100000", "c__cpu_max": "1 100000"}
    assert groups(tmp_path, "0::/a/b/deeper\n", **files) == 3
    for outer, inner in ((5, 2), (2, 5)):
        files = {"a__cpu_max": f"{outer}00000 100000", "a__b__cpu_max": f"{inner}00000 100000"}
        assert groups(tmp_path, "0::/a/b\n", **files) == 2


def test_version_1_has_two_files(tmp_path: Path) -> None:
    for folder, quota in (("cpu,cpuacct/docker/x", "250000"), ("cpu,cpuacct", "-1")):
        path = tmp_path / "cgroup" / folder
        path.mkdir(parents=True, exist_ok=True)
        (path / "cpu.cfs_quota_us").write_text(quota, encoding="ascii")
        (path / "cpu.cfs_period_us").write_text("100000\n", encoding="ascii")
    own = "12:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n0::/\n"
    assert groups(tmp_path, own) == 3
    assert groups(tmp_path, "4:cpuacct,cpu:/elsewhere\n") is None


def test_a_name_outside_of_the_namespace_leaves_the_root(tmp_path: Path) -> None:
    assert groups(tmp_path, "0::/../../other\n", cpu_max="200000 100000") == 2


def test_another_system_has_no_limit(tmp_path: Path) -> None:
    assert cpu_limit(tmp_path / "none", tmp_path / "neither") is None
