"""Teams: several threads encode one picture together, each some of its tokens.

All that tokens need of each other are keys and values, so the threads of a team meet once a layer,
to gather them (what is called all-gather elsewhere). Sharing out every operation by itself was
measured and loses: threads would wait for each other many times a layer. So does a team while
OpenBLAS's own threads are awake: there are teams only where those sleep soon, as in the command.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from ..model.params import Array
from .pool import TEAM, cut, groups, pool_of, side_by_side
from .threads import blas_sleeps_soon, blas_threads, find_openblas

Result = TypeVar("Result")
LEAST = 8  # tokens of a picture that are worth a thread


class Team:
    """So many threads that show each other their part of an array."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.meeting = threading.Barrier(size)
        self.shown: dict[int, dict[int, tuple[Array, ...]]] = {}  # step -> rank -> arrays


class Member:
    """One thread of a team; `rank` 0, 1, ... says which part of the tokens is its own."""

    def __init__(self, team: Team, rank: int) -> None:
        self.team, self.rank = team, rank

    def own(self, tokens: int) -> slice:
        """Say which of so many tokens are this thread's."""
        return cut(tokens, self.team.size)[self.rank]

    def gather(self, step: int, *own: Array) -> tuple[Array, ...]:
        """Join the parts of all threads: arrays (D, own tokens) -> the same of all tokens (D, M).

        Every thread of the team calls this for step 0, 1, ... and waits for the others.
        """
        if self.team.size == 1:
            return own
        parts = self.team.shown.setdefault(step, {})
        parts[self.rank] = own
        self.team.meeting.wait()
        self.team.shown.pop(step - 1, None)  # all have gone on from there
        in_order = (parts[rank] for rank in range(self.team.size))
        return tuple(np.concatenate(arrays, axis=1) for arrays in zip(*in_order, strict=True))


WHOLE = Member(Team(1), 0)  # a thread that has all tokens


def in_teams(
    work: Callable[[slice, Member], Result], pictures: Sequence[slice], *, size: int, threads: int
) -> list[Result]:
    """Call `work` with each picture and each member of a team of `size` -> results of rank 0.

    The teams work at the same time, each thread on a BLAS of one thread.
    """
    teams = [Team(size) for _ in pictures]
    found: dict[int, Result] = {}

    def share(number: int) -> None:
        index, rank = divmod(number, size)
        if index >= len(teams):
            return
        try:
            result = work(pictures[index], Member(teams[index], rank))
        except threading.BrokenBarrierError:  # the thread that broke it tells why
            return
        except BaseException:
            teams[index].meeting.abort()
            raise
        if rank == 0:
            found[index] = result

    with blas_threads(1):
        if pool_of(threads).run(share):
            return [found[index] for index in range(len(teams))]
    with blas_threads(threads):
        return [work(picture, WHOLE) for picture in pictures]


def in_groups(
    work: Callable[[slice, Member], Result], count: int, *, tokens: int, threads: int
) -> list[Result]:
    """Do the same with groups of a batch of pictures of so many tokens -> results, in order.

    First groups in threads of their own, each on a BLAS of one thread; then what is left over, in
    teams or on all of OpenBLAS's threads. Where NumPy has another BLAS, whose threads cannot be
    counted, one after the other.
    """
    if find_openblas() is None:
        threads = 1
    team = max(1, min(TEAM, tokens // LEAST)) if blas_sleeps_soon() else 1
    alone, left, size = groups(count, threads=threads, team=team)
    found: list[Result] = []
    if alone:
        with blas_threads(1):
            found = side_by_side(lambda group: work(group, WHOLE), alone, threads=threads)
    if left and size > 1:
        return found + in_teams(work, left, size=size, threads=threads)
    with blas_threads(threads):
        return found + [work(group, WHOLE) for group in left]
