"""How much memory a process may have, and how much of it is free: before it is asked for.

A sentence beats being ended by the system, and a run that would go well must not be refused. So
what is free is counted generously: what the system can drop from its caches is free, and so is
swap. Where nobody can tell, nothing is refused.
Sources: the kernel's Documentation/filesystems/proc.rst (MemAvailable), admin-guide/cgroup-v2.rst,
cgroup-v1/memory.rst; Microsoft's documentation of GlobalMemoryStatusEx.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from ..errors import UserError
from .limits import OWN, ROOT, folders

NO_LIMIT = 2**62  # bytes: version 1 of control groups writes a number above it where there is none
INFO, STATM = Path("/proc/meminfo"), Path("/proc/self/statm")
VERSIONS = (  # limit, what is used, limit and use of swap
    ("memory.max", "memory.current", "memory.swap.max", "memory.swap.current"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "", ""),
)
DROPPABLE = ("inactive_file", "active_file"), ("total_inactive_file", "total_active_file")


def check_memory(needed: int, what: object, *, copied: int = 0) -> None:
    """Refuse parameters that need more bytes than this process may have, or can have now.

    `copied` of them take memory of their own; the others lie in a mapped file, and may come and go.
    """
    limit, free = memory_limit(), memory_free()
    if limit is not None and needed > limit:
        raise UserError(
            f"{what} has {needed / 1e6:,.0f} MB of parameters as float32, and this process may "
            f"have {limit / 1e6:,.0f} MB of memory"
        )
    if free is not None and copied > free:
        raise UserError(
            f"{what} needs {copied / 1e6:,.0f} MB of memory for its parameters as float32, and "
            f"{free / 1e6:,.0f} MB are free now; end other programs first"
        )


def memory_limit(root: Path = ROOT, own: Path = OWN) -> int | None:
    """Read how many bytes of memory this process may have; None where nobody can tell."""
    limits = [limit_of(folder) for folder in folders("memory", root, own)]
    return least([*limits, machine_memory(), address_limit()])


def memory_free(root: Path = ROOT, own: Path = OWN, info: Path = INFO) -> int | None:
    """Read how many bytes of memory this process can have now; None where nobody can tell."""
    if sys.platform == "win32":
        return windows_memory()[1]
    machine = fields_of(info, unit=1024)  # it counts in kB
    swap = machine.get("SwapFree", 0)
    found = [free_of(folder, swap) for folder in folders("memory", root, own)]
    if "MemAvailable" in machine:
        found.append(machine["MemAvailable"] + swap)
    limit = address_limit()
    if limit is not None:
        found.append(max(0, limit - address_space()))
    return least(found)


def least(numbers: Iterable[int | None]) -> int | None:
    """Find the smallest of those that are known."""
    return min((number for number in numbers if number is not None), default=None)


# ---------------------------------------------------------------- control groups


def limit_of(folder: Path) -> int | None:
    """Read the limit of one group, whichever version it is of."""
    for limit, *_ in VERSIONS:
        found = number_in(folder / limit)
        if found is not None:
            return found if 0 < found < NO_LIMIT else None
    return None


def free_of(folder: Path, swap: int) -> int | None:
    """Read what is left of one group's memory, with its caches and its part of the free swap."""
    limit = limit_of(folder)
    if limit is None:
        return None
    for (_, used, most_swap, swapped), names in zip(VERSIONS, DROPPABLE, strict=True):
        now = number_in(folder / used)
        if now is None:
            continue
        kept = fields_of(folder / "memory.stat")
        most = number_in(folder / most_swap) if most_swap else None
        if most is not None:
            swap = min(swap, max(0, most - (number_in(folder / swapped) or 0)))
        return max(0, limit - now + sum(kept.get(name, 0) for name in names)) + swap
    return None


def number_in(file: Path) -> int | None:
    """Read a file that holds a number; None where it holds none, such as "max", or is not there."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def fields_of(file: Path, unit: int = 1) -> dict[str, int]:
    """Read a file of lines with a name and a number, times `unit`; what is not so is left out."""
    try:
        lines = [line.replace(":", " ").split() for line in file.read_text().splitlines()]
        return {line[0]: unit * int(line[1]) for line in lines if len(line) > 1}
    except (OSError, ValueError):
        return {}


# ---------------------------------------------------------------- the machine


def machine_memory() -> int | None:
    """Read how many bytes of memory the machine has; None where the system does not say."""
    if sys.platform == "win32":
        return windows_memory()[0]
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") or None
    except (AttributeError, OSError, ValueError):
        return None


def address_limit() -> int | None:
    """Read what `ulimit -v` allows; None without a limit."""
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def address_space() -> int:
    """Read how much of that is used; 0 where the system does not say."""
    try:
        return int(STATM.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


class MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX, as Windows fills it."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total", ctypes.c_uint64),
        ("free", ctypes.c_uint64),
        ("total_page_file", ctypes.c_uint64),
        ("free_page_file", ctypes.c_uint64),  # what this process can still have, swap included
        ("total_virtual", ctypes.c_uint64),
        ("free_virtual", ctypes.c_uint64),
        ("free_extended", ctypes.c_uint64),
    )


def windows_memory() -> tuple[int | None, int | None]:
    """Ask Windows: -> bytes of memory of the machine, and what this process can have now."""
    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    system = getattr(ctypes, "windll", None)
    if system is None or not system.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None, None
    return status.total, status.free_page_file
