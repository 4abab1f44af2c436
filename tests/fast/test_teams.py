"""Threads that encode one picture together: what each has, what they gather, mistakes, order."""

import threading

import numpy as np
import pytest

from numpygit.fast import teams
from numpygit.fast.teams import WHOLE, Member, Team, in_groups, in_teams
from numpygit.fast.threads import blas_threads, find_openblas

ONE = slice(0, 1)
LARGE = teams.TEAM * teams.LEAST
BLAS = find_openblas()
needs_openblas = pytest.mark.skipif(BLAS is None, reason="NumPy here does not use OpenBLAS")


@pytest.fixture(autouse=True)
def blas_that_sleeps_soon(monkeypatch):
    monkeypatch.setattr(teams, "blas_sleeps_soon", lambda: True)


def test_parts_cover_everything_in_order():
    for size in (1, 2, 3, 5, 16):
        team = Team(size)
        found = [Member(team, rank).own(11) for rank in range(size)]
        assert [i for part in found for i in range(11)[part]] == list(range(11))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("pictures", [[slice(0, 1)], [slice(4, 5), slice(7, 8)]])
def test_a_team_gathers_the_same_arrays_in_every_thread(size, pictures):
    many = np.random.default_rng(0).standard_normal((12, 10, 7)).astype(np.float32)
    seen = []

    def work(picture: slice, member: Member) -> slice:
        rows, columns = member.own(10), member.own(7)
        for array in many:
            parts = (array[rows] + picture.start, -array[rows, :2])
            one, other = (member.gather(part, own=rows, total=10) for part in parts)
            np.testing.assert_array_equal(one, array + picture.start)
            np.testing.assert_array_equal(other, -array[:, :2])
            one = member.gather(array[:, columns], own=columns, total=7, axis=1)
            np.testing.assert_array_equal(one, array)
        seen.append((picture.start, member.rank))
        return picture

    assert in_teams(work, pictures, size=size, threads=8) == pictures
    assert sorted(seen) == [(one.start, rank) for one in pictures for rank in range(size)]


def test_what_was_gathered_is_not_kept_for_ever():
    team = Team(2)

    def work(picture: slice, member: Member) -> None:
        member.team = team
        for _ in range(5):
            member.gather(np.zeros((1, 1)), own=member.own(2), total=2)

    in_teams(work, [ONE], size=2, threads=2)
    assert team.wholes == {}


@pytest.mark.parametrize("who", [0, 1, 2])
def test_a_mistake_in_one_thread_ends_the_others_and_is_raised(who):
    def work(picture: slice, member: Member) -> None:
        if member.rank == who:
            raise ZeroDivisionError
        member.gather(np.zeros((1, 1)), own=member.own(3), total=3)

    with pytest.raises(ZeroDivisionError):
        in_teams(work, [ONE], size=3, threads=3)
    assert in_teams(lambda picture, member: member.rank, [ONE], size=3, threads=3) == [0]


def test_who_finds_the_pool_busy_does_without_a_team():
    def work(picture: slice, member: Member) -> int:
        if member is WHOLE:
            return 1
        return in_teams(work, [ONE], size=2, threads=2)[0]

    assert in_teams(work, [ONE], size=2, threads=2) == [1]


def sizes(group: slice, member: Member) -> list[int]:
    return list(range(100))[group]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("numbers", [3, LARGE])
def test_groups_keep_their_order_and_every_picture_comes_once(number, numbers):
    for count in range(20):
        found = in_groups(sizes, count, numbers=numbers, heads=12, threads=number)
        assert [item for group in found for item in group] == list(range(count))


@needs_openblas
def test_every_thread_has_a_blas_of_one_thread_and_pictures_left_over_a_team():
    def work(group: slice, member: Member) -> tuple[int, int, int]:
        return BLAS.get(), group.stop - group.start, member.team.size

    with blas_threads(3):
        found = in_groups(work, 9, numbers=LARGE, heads=12, threads=4)
        assert found == [(1, 2, 1)] * 4 + [(1, 1, 4)]
        assert BLAS.get() == 3
    assert in_groups(work, 1, numbers=3 * teams.LEAST, heads=12, threads=4) == [(1, 1, 3)]
    assert in_groups(work, 1, numbers=LARGE, heads=2, threads=4) == [(4, 1, 1)]
    assert in_groups(work, 1, numbers=teams.LEAST - 1, heads=12, threads=4) == [(4, 1, 1)]


@needs_openblas
def test_a_picture_on_many_threads_of_blas_has_hands():
    def work(group: slice, member: Member) -> tuple[int, int]:
        return BLAS.get(), member.hands

    assert in_groups(work, 1, numbers=LARGE, heads=12, threads=9) == [(9, teams.HANDS)]
    assert in_groups(work, 1, numbers=3 * teams.LEAST, heads=12, threads=9) == [(9, 1)]
    assert in_groups(work, 1, numbers=LARGE, heads=3, threads=9) == [(9, 1)]


@needs_openblas
def test_hands_share_work_each_on_a_blas_of_one_thread():
    rows, counts = [], []

    def work(some: slice) -> None:
        rows.extend(range(10)[some])
        counts.append(BLAS.get())

    with blas_threads(2):
        Member(Team(1), 0, hands=3).share(work, 10)
        assert (sorted(rows), counts) == (list(range(10)), [1, 1, 1])
        Member(Team(1), 0).share(work, 10)
        assert (rows[10:], counts[3:]) == (list(range(10)), [2])


def test_a_mistake_in_a_group_comes_out():
    def work(group: slice, member: Member) -> float:
        return 1 / (group.stop - 4)

    with pytest.raises(ZeroDivisionError):
        in_groups(work, 4, numbers=LARGE, heads=12, threads=2)


def test_without_openblas_groups_go_one_after_the_other(monkeypatch):
    monkeypatch.setattr(teams, "find_openblas", lambda: None)
    names = in_groups(
        lambda *_: threading.current_thread().name, 9, numbers=LARGE, heads=12, threads=2
    )
    assert set(names) == {threading.current_thread().name}


@pytest.mark.parametrize("soon", [True, False])
def test_there_are_teams_only_where_the_threads_of_blas_sleep_soon(soon, monkeypatch):
    monkeypatch.setattr(teams, "blas_sleeps_soon", lambda: soon)
    monkeypatch.setattr(teams, "find_openblas", lambda: "one")
    sizes = in_groups(lambda group, member: member.team.size, 1, numbers=LARGE, heads=12, threads=2)
    assert sizes == [2 if soon else 1]
