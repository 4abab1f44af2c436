"""Arrays in shared memory: cut, given back when nobody holds them, kept while a child may look."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

from numpygit.fast.processes import group
from numpygit.fast.processes.arena import LARGE, LINE, Arena, FullError, Place

pytestmark = pytest.mark.skipif(not group.can_fork(), reason="processes need Linux")


def test_arrays_do_not_overlap_and_come_back():
    """Hundreds of arrays of random sizes, some of them let go again, hold their own numbers."""
    arena, rng, held = Arena(40_000), random.Random(3), []
    full = 0
    for number in range(600):
        try:
            room = arena.empty(rng.randrange(1, 40), rng.randrange(1, 30))
        except FullError:
            full += 1
            del held[rng.randrange(len(held))]
            continue
        room.array[:] = number
        held.append((number, room))
        assert room.place.offset % LINE == 0
        for value, other in held:
            assert (other.array == value).all()
            assert (arena.array(other.place) == value).all()
    assert full > 20
    del held, room, other
    assert arena.put(np.zeros(40_000 // 4)).array.shape == (10_000,)


def test_a_view_keeps_its_array():
    arena = Arena(4096)
    view = arena.empty(4, 128).array[1:, ::2].T.reshape(-1, 3)
    view[:] = 7
    with pytest.raises(FullError, match="2560 bytes"):
        arena.empty(640)
    arena.put(np.zeros(500))
    assert (view == 7).all()
    del view
    assert arena.empty(1024).place == Place(0, (1024,))


def test_an_array_without_numbers_takes_a_line():
    arena = Arena(2 * LINE)
    one, other = arena.empty(3, 0), arena.empty(0)
    assert one.array.shape == (3, 0)
    assert other.place.offset == LINE
    with pytest.raises(FullError):
        arena.empty(1)


def test_large_arrays_go_back_to_the_system():
    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[2]) * os.sysconf("SC_PAGE_SIZE")  # shared pages

    arena = Arena(3 * LARGE)
    first, room, behind = arena.empty(300), arena.empty(LARGE // 2), arena.empty(300)
    for one in (first, room, behind):
        one.array[:] = 1
    before = resident()
    del room, one
    arena.empty(1)
    assert before - resident() > LARGE
    assert first.array.all()
    assert behind.array.all()
    again = arena.empty(LARGE // 2)
    assert not again.array[4096:-4096].any()  # but for pages that others share


def test_what_a_child_may_look_at_is_not_cut_again():
    arena = Arena(4096)
    room = arena.put(np.full(600, 7))
    go, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        os.read(go, 1)
        os._exit(0 if (room.array == 7).all() else 1)
    del room
    arena.put(np.zeros(300))
    with pytest.raises(FullError):
        arena.put(np.zeros(600))
    os.close(told)
    os.close(go)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
