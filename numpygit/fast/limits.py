"""How many cores and how much memory a process may use: the machine, and Linux's control groups.

A process lies in a group, which may lie in others: the smallest limit of all of them holds.
Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/, proc(5), cgroups(7).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ..errors import UserError

ROOT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
VERSION_1 = {"cpu": ("cpu", "cpu,cpuacct", "cpuacct,cpu"), "memory": ("memory",)}  # its folders
NO_LIMIT = 2**62  # bytes: version 1 writes a number above it where there is none


def cpu_limit(root: Path = ROOT, own: Path = OWN) -> int | None:
    """Read how many cores this process may use at once; None without a limit."""
    limits = [cores_of(folder) for folder in folders("cpu", root, own)]
    return min((limit for limit in limits if limit is not None), default=None)


def memory_limit(root: Path = ROOT, own: Path = OWN) -> int | None:
    """Read how many bytes of memory this process may have; None where nobody can tell."""
    limits = [bytes_of(folder) for folder in folders("memory", root, own)]
    limits += [machine_memory(), address_limit()]
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


def bytes_of(folder: Path) -> int | None:
    """Read the limit of one group: `memory.max` of version 2, or the file of version 1."""
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            limit = int((folder / name).read_text())
        except (OSError, ValueError):  # "max" is no number
            continue
        return limit if 0 < limit < NO_LIMIT else None
    return None


def machine_memory() -> int | None:
    """Read how many bytes of memory the machine has; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") or None
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None


def address_limit() -> int | None:
    """Read what `ulimit -v` allows; None without a limit."""
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def check_memory(needed: int, what: object) -> None:
    """Refuse what needs more bytes than this process may have, before any of them is asked for."""
    limit = memory_limit()
    if limit is not None and needed > limit:
        raise UserError(
            f"{what} has {needed / 1e6:,.0f} MB of parameters as float32, and this process may "
            f"have {limit / 1e6:,.0f} MB of memory"
        )
