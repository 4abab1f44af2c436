"""Threads that wait for work: what each of them does, mistakes, forks, and groups of a batch."""

import os
import threading

import pytest

from numpygit.errors import UserError
from numpygit.fast import pool
from numpygit.fast.pool import Pool, cut, groups, pool_of, side_by_side, spread


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


def test_a_system_that_starts_no_more_threads_is_told_of(monkeypatch):
    def refused(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(UserError, match="this system starts no 17 threads; give fewer"):
        pool_of(17)


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


@pytest.mark.parametrize(
    ("count", "threads", "alone", "left", "size"),
    [
        (0, 4, [], [], 1),
        (1, 1, [1], [], 1),
        (9, 1, [3, 3, 3], [], 1),
        (1, 2, [], [1], 2),
        (1, 4, [], [1], 4),
        (3, 2, [1, 1], [1], 2),
        (2, 4, [], [1, 1], 2),
        (3, 4, [1, 1, 1], [], 1),
        (8, 4, [2, 2, 2, 2], [], 1),
        (9, 4, [2, 2, 2, 2], [1], 4),
        (10, 4, [2, 2, 2, 2], [1, 1], 2),
        (1, 8, [], [1], 1),
        (2, 8, [], [1, 1], 4),
        (8, 8, [1] * 8, [], 1),
        (11, 8, [1] * 8, [1, 1, 1], 2),
        (12, 8, [1] * 8, [1] * 4, 2),
        (13, 8, [1, 2, 1, 2, 2, 1, 2, 2], [], 1),
        (2, 16, [], [2], 1),
        (3, 16, [], [1, 1, 1], 4),
        (8, 16, [], [1] * 8, 2),
        (9, 16, [1] * 9, [], 1),
        (32, 8, [4] * 8, [], 1),
        (64, 2, [4] * 16, [], 1),
        (40, 4, [3, 3, 4, 3, 3, 4, 3, 3, 4, 3, 3, 4], [], 1),
    ],
)
def test_groups_of_a_batch(count, threads, alone, left, size):
    mine, others, team = groups(count, threads=threads)
    assert lengths(mine) == alone
    assert lengths(others) == left
    assert team == size
    assert len(left) * size <= threads
    assert [i for one in mine + others for i in range(count)[one]] == list(range(count))
    assert all(length <= pool.TOGETHER for length in alone + left)


def test_without_teams_pictures_go_alone_or_to_all_threads():
    assert groups(1, threads=2, team=1) == ([], [slice(0, 1)], 1)  # not on one of two cores
    some = [(1, 2), (3, 2), (1, 4), (3, 4), (9, 4), (2, 8), (11, 8), (13, 8), (7, 16)]
    for count, threads in some:
        whole = count - count % threads
        mine, others, size = groups(count, threads=threads, team=1)
        assert size == 1
        if 2 * (count % threads) > threads:
            assert not others
        else:
            assert sum(lengths(mine)) == whole
            assert lengths(others) in ([1], [2], [3], [3, 4])


def test_items_are_mapped_in_order_also_while_the_pool_is_busy():
    def outer(part: slice) -> list[int]:
        inner = [slice(i, i + 1) for i in range(3)]
        return side_by_side(lambda one: 10 * part.start + one.start, inner, threads=2)

    items = [slice(i, i + 1) for i in range(5)]
    expected = [[10 * i, 10 * i + 1, 10 * i + 2] for i in range(5)]
    assert side_by_side(outer, items, threads=2) == expected
    assert side_by_side(outer, [], threads=2) == []


def test_threads_that_wait_keep_no_process_from_ending():
    before = set(threading.enumerate())
    Pool(3).run(lambda number: None)
    begun = set(threading.enumerate()) - before
    assert len(begun) == 2
    assert all(thread.daemon for thread in begun)
