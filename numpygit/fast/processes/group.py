"""A process group: processes forked from this one, which do a piece of work together with it."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ...errors import UserError
from ...model.params import Array
from ..threads import blas_threads, check_threads, find_openblas
from .shared import Rank, Shared

Work = Callable[[Any], Any]  # a Rank does its part
Result = TypeVar("Result")
SECONDS = 5  # an idle process asks so often whether its parent is still there


class LostError(Exception):
    """A process of a group has ended before its time."""


def can_fork() -> bool:
    """Tell whether processes can be forked safely: on Linux."""
    return sys.platform == "linux" and hasattr(os, "fork")


def check_running(threads: int | None, *, processes: bool, plain: bool) -> None:
    """Refuse what is no number of threads, and processes that cannot be or nothing would use."""
    check_threads(threads)
    if processes and not can_fork():
        raise UserError("processes=True needs Linux, which can fork; leave it out for threads")
    if processes and plain:
        raise UserError("plain=True runs the five files of model/ alone; leave out processes=True")


class ProcessGroup:
    """So many processes, this one among them; each knows the same pieces of work.

    The others wait, asleep, until `run` names a piece. They hold no file or socket of this process,
    do not hear Ctrl-C, and end with it. Raises OSError where the system forks no more.
    """

    def __init__(self, works: Sequence[Work], shared: Shared) -> None:
        self.works, self.shared = works, shared
        self.owner = os.getpid()
        self._busy = threading.Lock()
        self._pipes: list[int] = []
        self._pids: list[int] = []
        self._end = weakref.finalize(self, end, self.owner, self._pipes, self._pids)
        self.rank = Rank(shared, 0, check=self._check)
        try:
            for rank in range(1, shared.size):
                self._fork(rank, shared)
        except BaseException:
            self.close()
            raise

    def _fork(self, rank: int, shared: Shared) -> None:
        told, tell = os.pipe()
        with warnings.catch_warnings():  # Python warns where there are threads: the child uses none
            warnings.simplefilter("ignore")
            pid = os.fork()
        if pid == 0:
            try:
                serve(rank, told, self.works, shared, parent=self.owner)
            finally:
                os._exit(0)
        os.close(told)
        self._pipes.append(tell)
        self._pids.append(pid)

    def _check(self) -> None:
        for pid in self._pids:
            try:
                gone, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:  # collected by somebody else
                gone = pid
            if gone:
                self._pids.remove(pid)  # its number may be given to another process
                raise LostError(f"process {pid} of the group has ended")

    def run(
        self, number: int, given: Mapping[str, Array], take: Callable[[Any], Result]
    ) -> Result | None:
        """Do a piece of work together: write `given` into the shared arrays, `take` what comes out.

        None, and nothing is done, while another thread has the group, in a child that was forked
        from this process, and once one of the group has ended. What ends the work early, Ctrl-C
        too, ends the group.
        """
        if not self.alive() or not self._busy.acquire(blocking=False):
            return None
        try:
            for name, array in given.items():
                self.shared.arrays[name][:] = array
            with blas_threads(1):
                for pipe in self._pipes:
                    os.write(pipe, bytes([number]))
                return take(self.works[number](self.rank))
        except (LostError, BrokenPipeError):
            self.close()
            return None
        except BaseException:
            self.close()
            raise
        finally:
            self._busy.release()

    def alive(self) -> bool:
        """Tell whether the group can work: not after its end, nor in a child of this process."""
        return self._end.alive and os.getpid() == self.owner

    def close(self) -> None:
        """End the other processes."""
        self._end()


def end(owner: int, pipes: list[int], pids: list[int]) -> None:
    """End the processes of a group, in the process that has forked them."""
    if os.getpid() != owner:
        return
    for pipe in pipes:
        os.close(pipe)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def serve(rank: int, told: int, works: Sequence[Work], shared: Shared, *, parent: int) -> None:
    """Be a process of the group: do what the pipe `told` names until it is closed."""
    gc.disable()
    let_go(told)
    blas = find_openblas()
    if blas is not None:
        blas.set(1)

    def check() -> None:
        if os.getppid() != parent:
            os._exit(0)

    member = Rank(shared, rank, check=check)
    while True:
        ready, _, _ = select.select([told], [], [], SECONDS)
        check()
        number = os.read(told, 1) if ready else None
        if number == b"":
            return
        if number:
            works[number[0]](member)


def let_go(told: int) -> None:
    """Close the parent's files but one, and leave its signals to it."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != told:
            with contextlib.suppress(OSError):  # the one that listed them
                os.close(int(name))
