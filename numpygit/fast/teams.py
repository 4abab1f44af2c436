"""Teams: several threads encode one picture together (tensor parallelism).

Each thread of a team computes some rows of every product: some heads, some neurons, so that each
weight is read once. It normalises some tokens. After each such step the threads gather their parts
(an all-gather), six times a layer. More than `TEAM` threads would wait for each other too long:
there OpenBLAS's own threads do the products, and a few hands share attention and activation.
Both lose while OpenBLAS's threads are awake, so that they are only where those sleep soon, as in
the command.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from ..model.params import Array
from .pool import TEAM, groups, pool_of, side_by_side, spread
from .threads import blas_sleeps_soon, blas_threads, find_openblas

Result = TypeVar("Result")
LEAST = 30_000  # numbers of a picture, tokens times width, that are worth a thread
HANDS = 3  # threads that share attention and activation of a picture whose products have more


class Team:
    """So many threads that show each other their part of an array."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.meeting = threading.Barrier(size)
        self.wholes: dict[int, Array] = {}  # number of the gathering -> what is gathered


class Member:
    """One thread of a team; `rank` 0, 1, ... says which part of everything is its own.

    A team of one may have `hands`, threads that share single operations.
    """

    def __init__(self, team: Team, rank: int, *, hands: int = 1) -> None:
        self.team, self.rank, self.hands = team, rank, hands
        self.gathered = 0

    def own(self, total: int) -> slice:
        """Say which of so many rows, heads or tokens are this thread's."""
        size = self.team.size
        return slice(total * self.rank // size, total * (self.rank + 1) // size)

    def gather(self, part: Array, *, own: slice, total: int, axis: int = 0) -> Array:
        """Join the parts of all threads: (own rows, T) -> (total, T), or along axis 1.

        Every thread of the team calls this equally often, and waits for the others.
        """
        if self.team.size == 1:
            return part
        self.gathered += 1
        whole = self.room((total, part.shape[1]) if axis == 0 else (len(part), total))
        whole[np.index_exp[own] if axis == 0 else np.index_exp[:, own]] = part
        self.meet()
        return whole

    def room(self, shape: tuple[int, int]) -> Array:
        """Get the array into which all gather; it is of who comes first."""
        return self.team.wholes.setdefault(self.gathered, np.empty(shape, np.float32))

    def meet(self) -> None:
        """Wait until all threads of the team have come to this step."""
        self.team.meeting.wait()
        self.team.wholes.pop(self.gathered, None)

    def share(self, work: Callable[[slice], object], total: int) -> None:
        """Call `work` with slices of 0 ... total, one for each of the hands."""
        if self.hands == 1:
            work(slice(0, total))
            return
        with blas_threads(1):
            spread(work, total, threads=self.hands)


WHOLE = Member(Team(1), 0)  # a thread that does everything by itself


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
    work: Callable[[slice, Member], Result], count: int, *, numbers: int, heads: int, threads: int
) -> list[Result]:
    """Do the same with groups of a batch of pictures, tokens times width numbers each, in order.

    First groups in threads of their own, each on a BLAS of one thread, then what is left over, in
    teams or on all of OpenBLAS's threads. Where NumPy has another BLAS, whose threads cannot be
    counted, one after the other.
    """
    if find_openblas() is None:
        threads = 1
    team = max(1, min(TEAM, numbers // LEAST, heads)) if blas_sleeps_soon() else 1
    alone, left, size = groups(count, threads=threads, team=team)
    found: list[Result] = []
    if alone:
        with blas_threads(1):
            found = side_by_side(lambda group: work(group, WHOLE), alone, threads=threads)
    if left and size > 1:
        return found + in_teams(work, left, size=size, threads=threads)
    hands = HANDS if team == TEAM and threads > TEAM else 1
    with blas_threads(threads):
        return found + [work(group, Member(Team(1), 0, hands=hands)) for group in left]
