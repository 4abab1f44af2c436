"""How many cores a process may use: Linux's control groups.

A process lies in a group, which may lie in others: the smallest limit of all of them holds.
Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/, proc(5), cgroups(7).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

ROOT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
VERSION_1 = {"cpu": ("cpu", "cpu,cpuacct", "cpuacct,cpu"), "memory": ("memory",)}  # its folders


@cache  # reading the files takes a millisecond, and each call of a model asks
def cpu_limit(root: Path = ROOT, own: Path = OWN) -> int | None:
    """Read how many cores this process may use at once; None without a limit."""
    limits = [cores_of(folder) for folder in folders("cpu", root, own)]
    return min((limit for limit in limits if limit is not None), default=None)


def folders(kind: str, root: Path, own: Path) -> Iterator[Path]:
    """List the folders of this process's groups, for "cpu" or "memory", and of those around them.

    Inside a container the names in /proc/self/cgroup may be those of the world outside: then only
    the root of what is mounted counts.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:  # another system
        lines = []
    yield root
    yield from (root / name for name in VERSION_1[kind])
    for line in lines:
        _, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        tops = [root] if not kinds else [root / name for name in (*VERSION_1[kind], kinds)]
        if kinds and kind not in kinds.split(","):
            continue
        group = PurePosixPath(path.lstrip("/"))
        if ".." in group.parts:  # outside of this namespace
            continue
        for inside in [group, *group.parents]:
            yield from (top / inside for top in tops)


def cores_of(folder: Path) -> int | None:
    """Read the limit of one group: `cpu.max` of version 2, or the two files of version 1."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        if quota in ("max", "-1"):
            return None
        return max(1, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return None
