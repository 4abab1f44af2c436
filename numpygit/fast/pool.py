"""Threads that wait for work and share it with the thread that asks.

NumPy releases the interpreter's lock inside its functions, so Python threads multiply at the same
time, each on a BLAS of one thread. A pool is started once: waking it costs about 20 microseconds a
thread, starting threads ten times that (tests/benchmarks/README.md).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from ..errors import UserError

Result = TypeVar("Result")
TOGETHER = 4  # pictures multiplied together by one thread, at most: more brings nothing
TEAM = 4  # threads of a team, at most: more of them wait for the interpreter's lock


class Pool:
    """So many threads, the caller among them."""

    def __init__(self, threads: int) -> None:
        self._busy = threading.Lock()
        self._work: Callable[[int], object] = int
        self._failed: list[BaseException] = []
        self._gates = [(threading.Lock(), threading.Lock()) for _ in range(threads - 1)]
        for number, (go, done) in enumerate(self._gates, start=1):
            go.acquire()
            done.acquire()
            arguments = (number, go, done)
            threading.Thread(target=self._wait, args=arguments, daemon=True).start()

    def _wait(self, number: int, go: threading.Lock, done: threading.Lock) -> None:
        while True:
            go.acquire()
            self._do(number)
            done.release()

    def _do(self, number: int) -> None:
        try:
            self._work(number)
        except BaseException as mistake:  # raised in the thread that asked
            self._failed.append(mistake)

    def run(self, work: Callable[[int], object]) -> bool:
        """Call work(0), work(1), ... at once, one in each thread; raise what one of them raised.

        False, and nothing is done, while another thread has the pool.
        """
        if not self._busy.acquire(blocking=False):
            return False
        try:
            self._work = work
            for go, _ in self._gates:
                go.release()
            self._do(0)
            for _, done in self._gates:
                self._await(done)
            failed, self._failed, self._work = self._failed, [], int
        finally:
            self._busy.release()
        if failed:
            raise failed[0]
        return True

    def _await(self, done: threading.Lock) -> None:
        while True:
            try:
                done.acquire()
                return
            except KeyboardInterrupt as mistake:  # the threads end what they have begun
                self._failed.append(mistake)


_pools: dict[int, Pool] = {}
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):  # threads do not live on in a child
    os.register_at_fork(after_in_child=_pools.clear)


def pool_of(threads: int) -> Pool:
    """Find or start the pool with so many threads."""
    with _lock:
        if threads not in _pools:
            try:
                _pools[threads] = Pool(threads)
            except RuntimeError:  # a limit of the system
                raise UserError(
                    f"this system starts no {threads} threads; give fewer: threads=1, --threads 1"
                ) from None
        return _pools[threads]


def cut(total: int, pieces: int) -> list[slice]:
    """Cut 0 ... total into pieces whose lengths differ by at most 1; none is empty."""
    pieces = min(pieces, total)
    return [slice(total * i // pieces, total * (i + 1) // pieces) for i in range(pieces)]


def spread(work: Callable[[slice], object], total: int, *, threads: int) -> None:
    """Call `work` with slices of 0 ... total, one in each thread."""
    shares = cut(total, threads)

    def share(number: int) -> None:
        if number < len(shares):
            work(shares[number])

    if len(shares) < 2 or not pool_of(threads).run(share):
        for rows in shares:
            work(rows)


def groups(count: int, *, threads: int, team: int = TEAM) -> tuple[list[slice], list[slice], int]:
    """Cut a batch: groups for one thread each, what is left over, and the size of teams for that.

    A thread multiplies up to `TOGETHER` pictures at once, because wide products are cheaper. What
    is left over, too few pictures to keep the threads busy, goes one by one to teams of up to
    `team` threads (teams.py); or, size 1, to all of OpenBLAS's threads.
    """
    if threads == 1:
        return cut(count, -(-count // TOGETHER)), [], 1
    left = count % threads
    size = min(team, threads // max(1, left))
    if size == 1 or 2 * size * left <= threads:  # teams would leave half of the threads idle
        size = 1
        left = left if 2 * left <= threads else 0
    whole = count - left
    rounds = -(-whole // (threads * TOGETHER))
    alone = cut(whole, min(whole, threads * rounds))
    rest = cut(left, left if size > 1 else -(-left // TOGETHER))
    return alone, [slice(whole + group.start, whole + group.stop) for group in rest], size


def side_by_side(
    work: Callable[[slice], Result], items: Sequence[slice], *, threads: int
) -> list[Result]:
    """Map `work` over items, each in the thread that is free next; results in order."""
    found: dict[int, Result] = {}
    waiting = iter(range(len(items)))

    def share(_: int) -> None:
        for index in waiting:
            found[index] = work(items[index])

    if not pool_of(threads).run(share):
        share(0)
    return [found[index] for index in range(len(items))]
