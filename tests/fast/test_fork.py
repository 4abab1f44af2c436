"""A child that was forked begins anew, whatever its parent's threads were doing."""

from __future__ import annotations

import os
import threading
import time

import pytest

from numpygit.fast import threads
from numpygit.fast.threads import blas_threads, find_openblas

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


def ends(pid: int, seconds: float = 20) -> int | None:
    """Wait for a child: -> its exit code, None for one that hangs."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return None


def test_a_lock_that_a_thread_of_the_parent_holds_does_not_hang_the_child() -> None:
    with threads._lock:
        pid = os.fork()
        if pid == 0:
            with blas_threads(1):
                os._exit(0)
    assert ends(pid) == 0


@pytest.mark.slow
def test_sixty_children_forked_in_the_middle_of_limits_all_end() -> None:
    stop = threading.Event()

    def limit() -> None:
        while not stop.is_set():
            with blas_threads(1):
                pass

    worker = threading.Thread(target=limit)
    worker.start()
    children = []
    try:
        for _ in range(60):
            pid = os.fork()
            if pid == 0:
                with blas_threads(1):
                    pass
                os._exit(0)
            children.append(pid)
    finally:
        stop.set()
        worker.join()
    assert [ends(pid) for pid in children] == [0] * 60


@pytest.mark.skipif(find_openblas() is None, reason="NumPy uses another library than OpenBLAS")
def test_a_child_forgets_its_parents_limits() -> None:
    blas = find_openblas()
    assert blas is not None
    before = blas.get()
    with blas_threads(before + 1):
        pid = os.fork()
        if pid == 0:
            alone = not threads._limits and blas.get() == before
            with blas_threads(1):
                alone = alone and blas.get() == 1
            os._exit(0 if alone and blas.get() == before else 1)
        assert blas.get() == before + 1
    assert ends(pid) == 0
    assert blas.get() == before
