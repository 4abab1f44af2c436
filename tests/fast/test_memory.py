"""How much memory a process may have, and how much of it is free."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import numpygit
from numpygit.errors import UserError
from numpygit.fast import memory
from numpygit.fast.memory import check_memory, memory_free, memory_limit
from numpygit.loading import check_room
from numpygit.loading.formats.mapped import stand_in

MEGA = 10**6


def write(root: Path, files: dict[str, str], own: str) -> tuple[Path, Path]:
    for name, content in files.items():
        path = root / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="ascii")
    (root / "own").write_text(own, encoding="ascii")
    return root / "cgroup", root / "own"


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
    monkeypatch.setattr(memory, "machine_memory", lambda: None)
    monkeypatch.setattr(memory, "address_limit", lambda: None)
    root, own_file = write(tmp_path, files, own)
    assert memory_limit(root, own_file) == limit
    monkeypatch.setattr(memory, "machine_memory", lambda: 1_000_000)
    assert memory_limit(root, own_file) == 1_000_000


def test_a_model_of_a_config_that_no_memory_holds_is_not_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "memory_limit", lambda: 10**9)
    config = numpygit.GitConfig(hidden_size=16_384, num_hidden_layers=256, num_attention_heads=1)
    with pytest.raises(UserError, match=r"has [\d,]+ MB of parameters as float32"):
        numpygit.GitForCausalLM(config)


# ---------------------------------------------------------------- what is free


@pytest.mark.parametrize(
    ("files", "own", "swap", "free"),
    [
        ({}, "0::/\n", 0, 500),  # what the machine says
        ({"memory.max": "300000000", "memory.current": "100000000"}, "0::/\n", 0, 200),
        ({"memory.max": "300000000", "memory.current": "290000000",
          "memory.stat": "anon 10000000\ninactive_file 200000000\nactive_file 50000000\n"},
         "0::/\n", 0, 260),  # caches can be dropped
        ({"memory.max": "300000000", "memory.current": "290000000"}, "0::/\n", 70, 80),
        ({"memory.max": "300000000", "memory.current": "290000000", "memory.swap.max": "0"},
         "0::/\n", 70, 10),
        ({"memory.max": "300000000", "memory.current": "290000000",
          "memory.swap.max": "50000000", "memory.swap.current": "20000000"}, "0::/\n", 70, 40),
        ({"memory.max": "max", "memory.current": "9",
          "a/memory.max": "80000000", "a/memory.current": "50000000"}, "0::/a/b\n", 0, 30),
        ({"memory/x/memory.limit_in_bytes": "90000000",
          "memory/x/memory.usage_in_bytes": "80000000",
          "memory/x/memory.stat": "total_inactive_file 30000000\n"}, "4:memory:/x\n", 0, 40),
        ({"memory.max": "100", "memory.current": "200"}, "0::/\n", 0, 0),
        ({"memory.max": "300000000"}, "0::/\n", 0, 500),  # nobody says what is used
    ],
)  # fmt: skip
def test_what_is_free_counts_caches_and_swap(
    files: dict[str, str], own: str, swap: int, free: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(memory, "address_limit", lambda: None)
    root, own_file = write(tmp_path, files, own)
    info = tmp_path / "meminfo"
    available = 500 * MEGA - swap * MEGA
    info.write_text(f"MemTotal: 9 kB\nMemAvailable:   {available // 1024} kB\n"
                    f"SwapFree: {swap * MEGA // 1024} kB\nHugePages_Total:       0\n")  # fmt: skip
    found = memory_free(root, own_file, info)
    assert found is not None
    assert found / MEGA == pytest.approx(free, abs=0.01)


def test_where_nobody_can_tell_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "address_limit", lambda: None)
    root, own = write(tmp_path, {}, "")
    assert memory_free(root, own, tmp_path / "missing") is None
    (tmp_path / "odd").write_text("MemAvailable: much\n")
    assert memory_free(root, own, tmp_path / "odd") is None
    monkeypatch.setattr(memory, "memory_limit", lambda: None)
    monkeypatch.setattr(memory, "memory_free", lambda: None)
    check_memory(2**60, "a model", copied=2**60)


def test_what_ulimit_leaves_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, own = write(tmp_path, {}, "")
    monkeypatch.setattr(memory, "address_limit", lambda: 900)
    monkeypatch.setattr(memory, "address_space", lambda: 200)
    assert memory_free(root, own, tmp_path / "missing") == 700
    monkeypatch.setattr(memory, "address_space", lambda: 2000)
    assert memory_free(root, own, tmp_path / "missing") == 0


def test_windows_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(pointer: object) -> int:
        status = pointer._obj
        assert status.length == 64  # the size of MEMORYSTATUSEX
        status.total, status.free, status.free_page_file = 8000, 3000, 5000
        return 1

    kernel = SimpleNamespace(GlobalMemoryStatusEx=fill)
    monkeypatch.setattr(memory.sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    assert memory.machine_memory() == 8000
    assert memory_free() == 5000
    kernel.GlobalMemoryStatusEx = lambda pointer: 0  # it may fail
    assert memory.machine_memory() is None
    assert memory_free() is None


def test_what_is_copied_must_be_free_and_what_is_mapped_need_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "memory_limit", lambda: 100 * MEGA)
    monkeypatch.setattr(memory, "memory_free", lambda: 10 * MEGA)
    million = (1000, 1000)
    check_room({"a": stand_in("F32", million), "b": stand_in("F32", million)}, "a.safetensors")
    check_room({"a": stand_in("F32", million), "b": stand_in("F16", million)}, "a.safetensors")
    halves = {str(i): stand_in("BF16", million) for i in range(3)}
    with pytest.raises(UserError, match=r"a.safetensors needs 12 MB .* and 10 MB are free now"):
        check_room(halves, "a.safetensors")
    wholes = {str(i): stand_in("F32", million) for i in range(26)}
    with pytest.raises(UserError, match=r"has 104 MB of parameters .* may have 100 MB of memory"):
        check_room(wholes, "a.safetensors")
    for kind in ("F32", "F16", "I64"):
        assert stand_in(kind, (2, 3)).shape == (2, 3)
        assert stand_in(kind, ()).shape == ()
    assert stand_in("F32", (2, 3)).dtype == np.float32


def test_this_machine_has_more_than_storybook_needs() -> None:
    free = memory_free()
    assert free is None or free > 50 * MEGA
    assert numpygit.load("storybook")


def test_a_limit_of_one_byte_is_one_and_none_of_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "machine_memory", lambda: None)
    monkeypatch.setattr(memory, "address_limit", lambda: None)
    for content, limit in (("1", 1), ("0", None), ("-5", None)):
        assert memory_limit(*write(tmp_path, {"memory.max": content}, "0::/\n")) == limit


def test_lines_without_a_number_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("odd\n\na 5\nb: 7 kB\n")
    assert memory.fields_of(tmp_path / "stat") == {"a": 5, "b": 7}
    assert memory.fields_of(tmp_path / "stat", unit=1024) == {"a": 5120, "b": 7168}
    assert memory.fields_of(tmp_path / "missing") == {}


def test_what_just_fits_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory_limit", lambda: 1000)
    monkeypatch.setattr(memory, "memory_free", lambda: 100)
    check_memory(1000, "a model", copied=100)
    with pytest.raises(UserError, match="may have"):
        check_memory(1001, "a model", copied=100)
    with pytest.raises(UserError, match="are free now"):
        check_memory(1000, "a model", copied=101)
    monkeypatch.setattr(memory, "memory_free", lambda: 0)
    check_memory(1000, "a model")  # what lies in a mapped file needs nothing free


@pytest.mark.skipif(memory.sys.platform == "win32", reason="`ulimit` is Unix's")
def test_ulimit_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda which: (5000, 9000))
    assert memory.address_limit() == 5000
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2)
    assert memory.address_limit() is None


def test_swap_that_is_full_adds_nothing(tmp_path: Path) -> None:
    files = {"memory.max": "300", "memory.current": "200", "memory.swap.max": "50",
             "memory.swap.current": "50"}  # fmt: skip
    root, _ = write(tmp_path, files, "0::/\n")
    assert memory.free_of(root, 1000) == 100


def test_what_nobody_writes_counts_as_nothing_to_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"memory.max": "300", "memory.current": "200", "memory.swap.max": "50",
             "memory.stat": "inactive_file 7\n"}  # fmt: skip
    root, own = write(tmp_path, files, "0::/\n")
    assert memory.free_of(root, 1000) == 100 + 7 + 50  # active_file and swap.current are missing
    assert memory.free_of(root, 20) == 100 + 7 + 20
    monkeypatch.setattr(memory, "address_limit", lambda: None)
    (tmp_path / "info").write_text("MemAvailable: 2 kB\n")
    (root / "memory.max").unlink()
    assert memory_free(root, own, tmp_path / "info") == 2048  # SwapFree is missing
    monkeypatch.setattr(memory, "STATM", tmp_path / "missing")
    assert memory.address_space() == 0


def test_messages_count_in_megabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory_limit", lambda: 30 * MEGA)
    monkeypatch.setattr(memory, "memory_free", lambda: 5 * MEGA)
    with pytest.raises(UserError, match=r"m has 40 MB of .* this process may have 30 MB of memory"):
        check_memory(40 * MEGA, "m")
    with pytest.raises(UserError, match=r"m needs 20 MB of memory .* and 5 MB are free now"):
        check_memory(20 * MEGA, "m", copied=20 * MEGA)
