"""How many cores NumPy's matrix products use, and the memory that arrays give back.

NumPy hands its matrix products to OpenBLAS, which has threads of its own. Here they can be counted
and limited for a while; whoever limits them puts back what was there. Where NumPy uses another
library (Accelerate, MKL), its threads are left as they are.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..errors import UserError
from . import blas_timeout
from .limits import cpu_limit

Item = TypeVar("Item")

MOST_THREADS = 1024
NAMES = ("scipy_openblas_{}64_", "openblas_{}64_", "scipy_openblas_{}", "openblas_{}")


class OpenBlas(NamedTuple):
    """The two functions of the library that matter here, and the processor it is written for."""

    get: Callable[[], int]
    set: Callable[[int], object]
    core: str


@cache
def find_openblas() -> OpenBlas | None:
    """Find the OpenBLAS that NumPy has loaded, or None where it uses another library."""
    for path in loaded_libraries():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for name in NAMES:
            get = getattr(library, name.format("get_num_threads"), None)
            put = getattr(library, name.format("set_num_threads"), None)
            core_name = getattr(library, name.format("get_corename"), None)
            if get and put and core_name:
                core_name.restype = ctypes.c_char_p
                return OpenBlas(get, put, core_name().decode())
    return None


@cache
def multiplies_small_directly() -> bool:
    """Tell whether OpenBLAS multiplies small matrices without packing them, as with AVX-512."""
    blas = find_openblas()
    return blas is not None and blas.core in ("SkylakeX", "Cooperlake", "SapphireRapids")


@cache
def blas_sleeps_soon() -> bool:
    """Tell whether OpenBLAS's threads sleep within milliseconds of a product (fast/__init__.py)."""
    power = blas_timeout()
    return power.isdecimal() and 1 <= int(power) <= 23


@cache
def has_blas() -> bool:
    """Tell whether NumPy was built with a BLAS; in a browser it is not.

    Its own loops run along columns slowly: 768 x 768 by 197 tokens took them 100 ms with the tokens
    as columns, as the room `fast` has them, and 72 ms as rows, as the plain functions do.
    """
    built: dict[str, Any] = np.show_config(mode="dicts")  # type: ignore[assignment]
    return bool(built["Build Dependencies"]["blas"].get("found", False))


def loaded_libraries() -> list[str]:
    """List files that may be OpenBLAS: those beside NumPy, and those this process has mapped."""
    package = Path(np.__file__).parent
    folders = (package.parent / "numpy.libs", package / ".dylibs", package / ".libs")
    beside = [str(path) for folder in folders for path in folder.glob("*openblas*")]
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return beside
    mapped = {line.split(maxsplit=5)[-1] for line in maps.read_text().splitlines()}
    return beside + sorted(path for path in mapped if "openblas" in Path(path).name)


def cores() -> int:
    """Count the cores this process may use: its affinity, and the limit of its container."""
    if hasattr(os, "sched_getaffinity"):
        available = len(os.sched_getaffinity(0))
    else:
        available = os.cpu_count() or 1
    limit = cpu_limit()
    return available if limit is None else min(available, limit)


def default_threads() -> int:
    """Take as many threads as OpenBLAS was told to (OPENBLAS_NUM_THREADS), but no more than cores.

    1 where NumPy uses another library: that one has threads of its own, which nobody can count.
    """
    blas = find_openblas()
    return 1 if blas is None else min(blas.get(), cores())


def check_threads(threads: int | None) -> None:
    """Refuse what is no number of threads."""
    given: Any = threads
    if given is not None and (not isinstance(given, Integral) or int(given) < 1):
        raise UserError(f"threads is {threads!r}; give 1 or more, or leave it out for all cores")
    if given is not None and int(given) > MOST_THREADS:
        raise UserError(f"threads is {threads}; at most {MOST_THREADS}, one a core, are of use")


_limits: dict[object, int] = {}  # in force now, the last of them counts; before all, the user's
_lock = threading.RLock()


def begin_again() -> None:
    """Forget, in a child that was forked, what its parent's threads were doing.

    They are not there to take their limits back. The number of threads goes back to what it was
    before the first limit.
    """
    global _lock
    _lock = threading.RLock()
    before, blas = _limits.get("before"), find_openblas()
    _limits.clear()
    if before is not None and blas is not None:
        blas.set(before)


if hasattr(os, "register_at_fork"):
    # no fork while OpenBLAS counts its threads anew: it holds a lock then, for ever in the child
    os.register_at_fork(
        before=lambda: _lock.acquire(),
        after_in_parent=lambda: _lock.release(),
        after_in_child=begin_again,
    )


@contextmanager
def blas_threads(number: int) -> Iterator[None]:
    """Let every matrix product use so many threads, and put the old number back at the end.

    The number belongs to the process. Where several Python threads limit it at once, the last
    one to end puts back what was there before the first.
    """
    blas = find_openblas()
    if blas is None:
        yield
        return
    mine = object()
    with _lock:
        if not _limits:
            _limits["before"] = blas.get()
        _limits[mine] = number
        blas.set(number)
    try:
        yield
    finally:
        with _lock:
            if _limits.pop(mine, None) is not None:  # it is gone in a child that was forked inside
                blas.set(list(_limits.values())[-1])
                if len(_limits) == 1:
                    _limits.clear()


def limited(steps: Iterable[Item], number: int) -> Iterator[Item]:
    """Take from an iterator with `number` threads; between the items the old number holds."""
    iterator = iter(steps)
    while True:
        with blas_threads(number):
            item = next(iterator, iterator)
        if item is iterator:
            return
        yield item  # type: ignore[misc]


@cache
def keep_freed_memory() -> None:
    """Let the C library keep the memory that arrays give back, for the next array. Once is enough.

    glibc asks the system for every large array anew, and each of its pages costs a fault when it is
    first touched: a tenth of the time of a caption. When an array is freed, glibc takes its size,
    up to 32 MB, as the bound below which it keeps memory (mallopt(3), M_MMAP_THRESHOLD). So one
    such array, which is never touched, is made and freed. Elsewhere this does nothing.
    """
    np.empty(31 * 2**20, np.uint8)
