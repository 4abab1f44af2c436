"""How many cores and how much memory a process may use."""

from __future__ import annotations

from pathlib import Path

import pytest

import numpygit
from numpygit.errors import UserError
from numpygit.fast import limits
from numpygit.fast.limits import cpu_limit, memory_limit


def groups(tmp_path: Path, own: str, **files: str) -> int | None:
    for name, content in files.items():
        path = tmp_path / "cgroup" / name.replace("__", "/").replace("cpu_max", "cpu.max")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="ascii")
    (tmp_path / "own").write_text(own, encoding="ascii")
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


@pytest.mark.parametrize(
    ("files", "own", "limit"),
    [
        ({"memory.max": "5000000\n"}, "0::/\n", 5_000_000),
        ({"memory.max": "max", "a/memory.max": "7000000"}, "0::/a/b\n", 7_000_000),
        ({"a/memory.max": "7000000", "a/b/memory.max": "6000000"}, "0::/a/b\n", 6_000_000),
        ({"memory/docker/x/memory.limit_in_bytes": "9000000"}, "4:memory:/docker/x\n", 9_000_000),
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, "4:memory:/docker/x\n", None),
        ({"memory.max": "no number"}, "0::/\n", None),
        ({"other/memory.max": "5"}, "0::/\n", None),
    ],
)
def test_the_smallest_memory_of_all_groups_holds(
    files: dict[str, str], own: str, limit: int | None, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(limits, "machine_memory", lambda: None)
    monkeypatch.setattr(limits, "address_limit", lambda: None)
    for name, content in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="ascii")
    (tmp_path / "own").write_text(own, encoding="ascii")
    assert memory_limit(tmp_path / "cgroup", tmp_path / "own") == limit
    monkeypatch.setattr(limits, "machine_memory", lambda: 1_000_000)
    assert memory_limit(tmp_path / "cgroup", tmp_path / "own") == 1_000_000


def test_a_model_of_a_config_that_no_memory_holds_is_not_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "memory_limit", lambda: 10**9)
    config = numpygit.GitConfig(hidden_size=16_384, num_hidden_layers=256, num_attention_heads=1)
    with pytest.raises(UserError, match=r"has [\d,]+ MB of parameters as float32"):
        numpygit.GitForCausalLM(config)
