"""A process group: processes forked from this one, which do a piece of work together with it."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import platform
import select
import signal
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from ...errors import UserError
from ..threads import blas_threads, check_threads, find_openblas
from .arena import Place
from .shared import Rank, Shared

Work = Callable[..., Any]  # a Rank does its part, with what is given by name
Given = Mapping[str, Any]
Result = TypeVar("Result")
LOG = logging.getLogger("numpygit")
PARENT_CHECK = 5000  # milliseconds after which an idle process asks whether its parent is there
AWAKE = 0.005  # seconds in which it looks for more work before it sleeps: the next word
ORDER = 65_536  # bytes that are read at once: an order has some hundred
STOPS = (signal.SIGINT, signal.SIGTERM)  # held back while processes begin and end


class LostError(Exception):
    """A process of a group has ended before its time."""


def can_fork() -> bool:
    """Tell whether there are processes: on Linux, on processors that keep the order of stores."""
    return sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64")


def check_running(threads: int | None, *, processes: bool, plain: bool) -> None:
    """Refuse what is no number of threads, and processes that cannot be or nothing would use."""
    check_threads(threads)
    if processes and not can_fork():
        raise UserError("processes=True needs Linux on x86-64; leave it out for threads")
    if processes and plain:
        raise UserError("plain=True runs the five files of model/ alone; leave out processes=True")


class ProcessGroup:
    """So many processes, this one among them; each knows the same pieces of work.

    The others wait, asleep, until `run` names a piece. They hold no file descriptor of this
    process, do not hear Ctrl-C, and end with it, or when nobody holds the group. Raises OSError
    where the system forks no more. No other thread may multiply meanwhile: OpenBLAS ends its
    threads before a fork, and waits for ever for one that is in use.
    """

    def __init__(self, works: Sequence[Work], shared: Shared) -> None:
        self.works, self.shared = works, shared
        self.owner = os.getpid()
        self._busy = threading.Lock()
        self.pipes: list[int] = []
        self.pids: list[int] = []
        self._end = weakref.finalize(self, end, self.owner, self.pipes, self.pids)
        self.rank = Rank(shared, 0, check=partial(check_children, self.pids))
        try:
            with held_back():
                for rank in range(1, shared.size):
                    self._add(rank)
        except BaseException:
            self._end()
            raise

    def _add(self, rank: int) -> None:
        read_end, write_end = os.pipe()
        self.pipes.append(write_end)
        try:
            self.pids.append(fork(rank, read_end, self.works, self.shared))
        finally:
            os.close(read_end)

    def run(self, number: int, given: Given, take: Callable[[Any], Result]) -> Result | None:
        """Do a piece of work together, and `take` what comes out.

        `given` are its arguments, numbers or None; a Place stands for an array of the arena. None,
        and nothing is done, while another thread has the group, in a child that was forked from
        this process, and once one of the group has ended. What ends the work early, Ctrl-C too,
        ends the group.
        """
        if not self.alive() or not self._busy.acquire(blocking=False):
            return None
        try:
            order = json.dumps([number, given]).encode()
            with blas_threads(1):
                for pipe in self.pipes:
                    os.write(pipe, order)
                return take(do(self.works[number], self.rank, given))
        except (LostError, BrokenPipeError) as error:
            LOG.warning("a process that helped is gone (%s); threads go on without it", error)
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


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Let signals that stop a program wait until processes have begun or ended as a whole.

    Python hears signals in its main thread alone, whichever thread they come to.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    before = {number: signal.signal(number, lambda got, _: heard.append(got)) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for late in heard:
            signal.raise_signal(late)


def fork(rank: int, read_end: int, works: Sequence[Work], shared: Shared) -> int:
    """Fork a process that does its part of the works: its number."""
    parent = os.getpid()
    with warnings.catch_warnings():  # Python warns where there are threads: the child uses none
        warnings.simplefilter("ignore")
        pid = os.fork()
    if pid == 0:
        try:
            serve(rank, read_end, works, shared, parent=parent)
        finally:
            os._exit(0)
    return pid


def check_children(pids: list[int]) -> None:
    """Raise LostError if one of these processes has ended."""
    for pid in pids:
        try:
            gone, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # collected by somebody else
            gone = pid
        if gone:
            pids.remove(pid)  # its number may be given to another process
            raise LostError(f"process {pid} has ended")


def end(owner: int, pipes: list[int], pids: list[int]) -> None:
    """End the processes of a group, in the process that has forked them."""
    if os.getpid() != owner:
        return
    with held_back():
        for pipe in pipes:
            os.close(pipe)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def serve(rank: int, read_end: int, works: Sequence[Work], shared: Shared, *, parent: int) -> None:
    """Be a process of the group: do what the pipe names until it is closed."""
    import fcntl  # not on Windows

    gc.disable()
    read_end = fcntl.fcntl(read_end, fcntl.F_DUPFD_CLOEXEC, 3)  # behind the standard ones
    let_go(read_end)
    blas = find_openblas()
    if blas is not None:
        blas.set(1)

    def check() -> None:
        if os.getppid() != parent:
            os._exit(0)

    member = Rank(shared, rank, check=check)
    waiting = select.poll()
    waiting.register(read_end, select.POLLIN)
    while True:
        until = time.perf_counter() + AWAKE
        while not (told := waiting.poll(0)) and time.perf_counter() < until:
            os.sched_yield()
        told = told or waiting.poll(PARENT_CHECK)
        check()
        order = os.read(read_end, ORDER) if told else None
        if order == b"":
            return
        if order:
            number, given = json.loads(order)
            do(works[number], member, given)


def do(work: Work, rank: Rank, given: Given) -> Any:
    """Do one process's part of a piece of work; in JSON a Place has become a list."""

    def look(value: Any) -> Any:
        is_place = isinstance(value, tuple | list)
        return rank.shared.arena.array(Place(*value)) if is_place else value

    return work(rank, **{name: look(value) for name, value in given.items()})


def let_go(read_end: int) -> None:
    """Close all of the parent's files but one, and leave Ctrl-C to it."""
    signal.set_wakeup_fd(-1)
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    try:
        opened = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:  # no /proc
        opened = list(range(min(os.sysconf("SC_OPEN_MAX"), 65_536)))
    for number in opened:
        if number > 2 and number != read_end:
            with contextlib.suppress(OSError):  # not open, or what listed them
                os.close(number)
