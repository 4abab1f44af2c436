"""How many cores a container lets a process use, from Linux's control groups, old and new.

A process lies in a group, which may lie in others: the smallest limit of all of them holds.
Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/, proc(5), cgroups(7).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
CPU_FOLDERS = ("cpu", "cpu,cpuacct", "cpuacct,cpu")  # of version 1


def container_limit(root: Path = ROOT, own: Path = OWN) -> int | None:
    """Read how many cores this process may use at once; None without a limit."""
    limits = [limit for folder in folders(root, own) if (limit := limit_of(folder)) is not None]
    return min(limits, default=None)


def folders(root: Path, own: Path) -> Iterator[Path]:
    """List the folders of this process's groups and of those around them.

    Inside a container the names in /proc/self/cgroup may be those of the world outside: then only
    the root of what is mounted counts.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:  # another system
        lines = []
    yield root
    yield from (root / name for name in CPU_FOLDERS)
    for line in lines:
        _, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        tops = [root] if not kinds else [root / name for name in (*CPU_FOLDERS, kinds)]
        if kinds and "cpu" not in kinds.split(","):
            continue
        group = PurePosixPath(path.lstrip("/"))
        if ".." in group.parts:  # outside of this namespace
            continue
        for inside in [group, *group.parents]:
            yield from (top / inside for top in tops)


def limit_of(folder: Path) -> int | None:
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
