"""An arena: shared memory from which arrays are cut, so that every process of a group sees them.

An array is named by its place when one process tells another of it. Its memory is free again when
nobody holds the array or a view of it.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import threading
import weakref
from collections import deque
from typing import NamedTuple

import numpy as np

from ...model.params import Array

LINE = 64  # bytes: arrays begin at a line of the processor's cache
LARGE = 32 * 2**20  # bytes: memory of such an array goes back to the system when it is free


class Place(NamedTuple):
    """Where a float32 array lies in an arena."""

    offset: int  # bytes
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Count the bytes it takes: whole lines, one at least."""
        return max(1, -(-4 * math.prod(self.shape) // LINE)) * LINE


def reserve(size: int) -> mmap.mmap:
    """Get so many bytes that processes share; raises OSError where the system has no such space.

    It gives memory when it is first touched, and promises none before.
    """
    no_reserve = getattr(mmap, "MAP_NORESERVE", 0x4000)  # its name came with Python 3.13
    return mmap.mmap(-1, size, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | no_reserve)


class Room(NamedTuple):
    """An array that was cut, and its place."""

    array: Array
    place: Place


class FullError(Exception):
    """The arena has no gap that is large enough."""


class Arena:
    """So many bytes of shared memory, from which arrays are cut and to which they come back."""

    def __init__(self, size: int) -> None:
        self.memory = reserve(size)
        self.gaps = [(0, size)]  # begin and end of what is free, in order
        self._freed: deque[Place] = deque()  # by whoever lets go of an array, at any moment
        self._lock = threading.Lock()
        self.forks = 0
        _arenas.add(self)

    def empty(self, *shape: int) -> Room:
        """Cut a float32 array; raises FullError where no gap is large enough."""
        with self._lock:
            while self._freed:
                self._join(self._freed.popleft())
            place = Place(self._cut(Place(0, shape).size), shape)
        flat = self._flat(place)  # NumPy makes it the base of all views of it
        weakref.finalize(flat, self._let_go, place, self.forks).atexit = False
        return Room(flat.reshape(shape), place)

    def put(self, array: Array) -> Room:
        """Copy an array into the arena."""
        room = self.empty(*array.shape)
        room.array[:] = array
        return room

    def array(self, place: Place) -> Array:
        """Look at the array of a place."""
        return self._flat(place).reshape(place.shape)

    def _flat(self, place: Place) -> Array:
        count = math.prod(place.shape)
        return np.frombuffer(self.memory, np.float32, count, place.offset)

    def _cut(self, size: int) -> int:
        for number, (begin, end) in enumerate(self.gaps):
            if end - begin >= size:
                left = [(begin + size, end)] if end - begin > size else []
                self.gaps[number : number + 1] = left
                return begin
        raise FullError(f"no {size} bytes are free")

    def _join(self, place: Place) -> None:
        if place.size >= LARGE:
            first = -(-place.offset // mmap.PAGESIZE) * mmap.PAGESIZE
            last = (place.offset + place.size) // mmap.PAGESIZE * mmap.PAGESIZE
            with contextlib.suppress(OSError):  # a system that cannot keeps it
                self.memory.madvise(mmap.MADV_REMOVE, first, last - first)
        joined: list[tuple[int, int]] = []
        for begin, end in sorted([*self.gaps, (place.offset, place.offset + place.size)]):
            if joined and joined[-1][1] == begin:
                joined[-1] = (joined[-1][0], end)
            else:
                joined.append((begin, end))
        self.gaps = joined

    def _let_go(self, place: Place, forks: int) -> None:
        if forks == self.forks:
            self._freed.append(place)


_arenas: weakref.WeakSet[Arena] = weakref.WeakSet()


def keep_all() -> None:
    """Never cut up again what a child that was forked just now may look at."""
    for arena in list(_arenas):
        arena.forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=keep_all)
