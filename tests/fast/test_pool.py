"""Threads that wait for work: what each of them does, mistakes, forks, and groups of a batch."""

import os
import threading

import pytest

from numpygit.fast import pool
from numpygit.fast.pool import Pool, cut, groups, in_groups, pool_of, spread
from numpygit.fast.threads import blas_threads, find_openblas

BLAS = find_openblas()
needs_openblas = pytest.mark.skipif(BLAS is None, reason="NumPy here does not use OpenBLAS")


def lengths(slices: list[slice]) -> list[int]:
    return [one.stop - one.start for one in slices]


def test_pieces_cover_everything_and_are_even():
    for total in range(12):
        for pieces in range(1, 6):
            found = cut(total, pieces)
            assert [i for one in found for i in range(total)[one]] == list(range(total))
            assert all(lengths(found))
            assert len(found) == min(total, pieces)
            assert not found or max(lengths(found)) - min(lengths(found)) <= 1


def test_every_thread_does_its_share_once_and_again():
    crew = Pool(3)
    for _ in range(200):
        did = []
        assert crew.run(did.append)
        assert sorted(did) == [0, 1, 2]
    names = []
    crew.run(lambda number: names.append(threading.current_thread().name))
    assert len(set(names)) == 3


@pytest.mark.parametrize("who", [0, 1, 2])
def test_a_mistake_in_one_thread_is_raised_and_the_pool_lives_on(who):
    crew = Pool(3)
    with pytest.raises(ZeroDivisionError):
        crew.run(lambda number: 1 // (number - who))
    assert crew.run(lambda number: None)


def test_who_finds_the_pool_busy_works_alone():
    did = []

    def outer(part: slice) -> None:
        spread(lambda inner: did.append((part.start, inner.start)), 2, threads=2)

    spread(outer, 2, threads=2)
    assert sorted(did) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_spread_gives_all_to_one_thread_and_no_more_shares_than_there_is():
    for total, threads, expected in [(5, 1, [5]), (5, 2, [2, 3]), (2, 4, [1, 1]), (0, 2, [])]:
        found = []
        spread(found.append, total, threads=threads)
        assert sorted(lengths(found)) == expected


@pytest.mark.filterwarnings("ignore:.*multi-threaded")
def test_a_child_process_starts_threads_of_its_own():
    crew = pool_of(2)
    assert crew.run(lambda number: None)
    child = os.fork() if hasattr(os, "fork") else None
    if child == 0:  # what waits for ever here would be killed by the alarm
        import signal

        signal.alarm(20)
        os._exit(0 if pool_of(2).run(lambda number: None) else 1)
    if child is not None:
        assert os.waitpid(child, 0)[1] == 0


@needs_openblas
@pytest.mark.parametrize(
    ("count", "threads", "alone", "rest"),
    [
        (0, 4, [], []),
        (1, 1, [], [1]),
        (9, 1, [], [3, 3, 3]),
        (1, 2, [], [1]),
        (1, 4, [], [1]),
        (3, 2, [1, 1], [1]),
        (2, 4, [1, 1], []),
        (3, 4, [1, 1, 1], []),
        (8, 4, [2, 2, 2, 2], []),
        (9, 4, [2, 2, 2, 2], [1]),
        (8, 8, [1] * 8, []),
        (8, 16, [1] * 8, []),
        (7, 16, [], [3, 4]),
        (32, 8, [4] * 8, []),
        (64, 2, [4] * 16, []),
        (40, 4, [3, 3, 4, 3, 3, 4, 3, 3, 4, 3, 3, 4], []),
    ],
)
def test_groups_of_a_batch(count, threads, alone, rest):
    mine, others = groups(count, threads=threads)
    assert lengths(mine) == alone
    assert lengths(others) == rest
    assert all(length <= pool.TOGETHER for length in alone + rest)


def test_groups_keep_their_order_and_every_item_comes_once():
    for threads in (1, 2, 3, 4):
        for count in range(20):
            items = list(range(count))
            found = in_groups(items.__getitem__, count, threads=threads)
            assert [item for group in found for item in group] == items


@needs_openblas
def test_groups_run_on_one_thread_each_and_the_rest_on_all():
    with blas_threads(3):
        found = in_groups(lambda group: (BLAS.get(), group.stop - group.start), 9, threads=4)
        assert found == [(1, 2)] * 4 + [(4, 1)]
        assert BLAS.get() == 3


def test_a_mistake_in_a_group_comes_out():
    def work(group: slice) -> float:
        return 1 / (group.stop - 4)

    with pytest.raises(ZeroDivisionError):
        in_groups(work, 4, threads=2)


def test_without_openblas_groups_go_one_after_the_other(monkeypatch):
    monkeypatch.setattr(pool, "find_openblas", lambda: None)
    names = in_groups(lambda _: threading.current_thread().name, 8, threads=2)
    assert set(names) == {threading.current_thread().name}
