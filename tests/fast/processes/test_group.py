"""A process group: it works with this process, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from processes_at_work import gone, simple

import numpygit
from numpygit.errors import UserError
from numpygit.fast.processes import group
from numpygit.fast.processes.group import ProcessGroup, check_running
from numpygit.fast.processes.shared import Rank, Shared

pytestmark = pytest.mark.skipif(not group.can_fork(), reason="processes need Linux")


def test_a_process_that_ends_in_the_middle():
    def leave(rank: Rank) -> str:
        rank.meet()
        if rank.rank == 1:
            os._exit(3)
        rank.meet()
        return "never"

    found = ProcessGroup([leave], Shared(2, numbers=1, room=1))
    assert found.run(0, {}, str) is None
    assert not found.alive()


@pytest.mark.parametrize("mistake", [KeyboardInterrupt, MemoryError, ValueError])
def test_what_stops_this_process_ends_the_others(mistake):
    def stop(rank: Rank) -> None:
        if rank.rank == 0:
            raise mistake
        rank.meet()

    found = ProcessGroup([stop], Shared(3, numbers=1, room=1))
    pids = list(found.pids)
    with pytest.raises(mistake):
        found.run(0, {}, str)
    assert not found.alive()
    assert all(gone(pid) for pid in pids)


def test_a_thread_that_comes_second_does_not_wait():
    began, may_end = threading.Event(), threading.Event()

    def work(rank: Rank) -> bool:
        if rank.rank == 0:
            began.set()
            may_end.wait(20)
        return True

    found, first = simple(work), []
    thread = threading.Thread(target=lambda: first.append(found.run(0, {}, bool)))
    thread.start()
    began.wait(20)
    assert found.run(0, {}, bool) is None
    may_end.set()
    thread.join()
    assert first == [True]
    assert found.run(0, {}, bool) is True
    found.close()


def test_the_processes_hold_no_file_and_no_pipe_of_this_one():
    end, start_of_pipe = os.pipe()
    found = simple(lambda rank: True)
    os.close(start_of_pipe)
    assert os.read(end, 1) == b""  # nobody else could write to it
    os.close(end)
    (pid,) = found.pids
    until = time.monotonic() + 20
    while len(os.listdir(f"/proc/{pid}/fd")) > 4 and time.monotonic() < until:
        time.sleep(0.01)
    places = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert len(places) == 2  # /dev/null three times, and the pipe it waits for
    assert os.devnull in places
    found.close()


def test_a_child_of_this_process_leaves_the_group_alone():
    found = simple(lambda rank: True)
    pid = os.fork()
    if pid == 0:
        alone = found.run(0, {}, bool) is None
        found.close()
        os._exit(0 if alone else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert found.run(0, {}, bool) is True
    found.close()
    assert not found.alive()


ENDS = """
import os, signal, sys, time
from numpygit.fast.processes.group import ProcessGroup
from numpygit.fast.processes.shared import Shared
def work(rank):
    rank.meet()
    time.sleep(60 if rank.rank == 0 and sys.argv[1] == "busy" else 0)
    rank.meet()
group = ProcessGroup([work], Shared(3, numbers=1, room=1))
print(*group.pids, flush=True)
if sys.argv[1] == "busy":
    group.run(0, {}, bool)
elif sys.argv[1] == "killed":
    time.sleep(60)
elif sys.argv[1] == "left":
    os._exit(0)
"""


@pytest.mark.parametrize("how", ["ends", "left", "killed", "busy"])
def test_the_processes_end_with_their_parent(how):
    run = subprocess.Popen([sys.executable, "-c", ENDS, how], stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in run.stdout.readline().split()]
    assert len(pids) == 2
    if how in ("killed", "busy"):
        time.sleep(0.2)
        run.kill()
    run.wait(20)
    run.stdout.close()
    assert all(gone(pid) for pid in pids)


def test_a_group_that_nobody_holds_ends():
    found = simple(lambda rank: True)
    pids = list(found.pids)
    del found
    assert all(gone(pid) for pid in pids)


def test_processes_are_refused_where_they_cannot_be(monkeypatch):
    with pytest.raises(UserError, match="plain=True runs the five files"):
        numpygit.load("storybook", plain=True, processes=True)
    monkeypatch.setattr(group, "can_fork", lambda: False)
    with pytest.raises(UserError, match="processes=True needs Linux on x86-64"):
        numpygit.load("storybook", processes=True)
    check_running(None, processes=False, plain=True)


@pytest.mark.parametrize(
    ("system", "machine", "can"),
    [("linux", "x86_64", True), ("linux", "aarch64", False), ("darwin", "x86_64", False)],
)
def test_there_are_processes_on_linux_and_x86_64(monkeypatch, system, machine, can):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(group.platform, "machine", lambda: machine)
    assert group.can_fork() is can


def test_a_system_that_forks_no_more(monkeypatch):
    begun: list[int] = []

    def refuse_the_second() -> int:
        if begun:
            raise OSError("no more")
        begun.append(fork())
        return begun[0]

    fork = os.fork
    opened = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "fork", refuse_the_second)
    with pytest.raises(OSError, match="no more"):
        simple(lambda rank: True, 3)
    assert gone(begun[0])
    assert os.listdir("/proc/self/fd") == opened


def test_standard_files_may_be_closed_and_many_others_open():
    code = """
import os, resource, sys
from numpygit.fast.processes.group import ProcessGroup
from numpygit.fast.processes.shared import Shared
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
if sys.argv[1] == "closed":
    os.close(0), os.close(1), os.close(2)
else:
    many = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
group = ProcessGroup([lambda rank: rank.meet() or True], Shared(3, numbers=1, room=1))
good = all(group.run(0, {}, bool) for _ in range(3)) and group.alive()
group.close()
os._exit(0 if good else 1)
"""
    for how in ("closed", "many"):
        assert subprocess.run([sys.executable, "-c", code, how], timeout=60).returncode == 0


def test_ctrl_c_in_the_middle_of_a_fork_leaves_nothing_behind(monkeypatch):
    """It waits until all have begun."""
    fork, begun = os.fork, []

    def interrupted() -> int:
        pid = fork()
        if pid:
            begun.append(pid)
            os.kill(os.getpid(), signal.SIGINT)
        return pid

    monkeypatch.setattr(os, "fork", interrupted)
    with pytest.raises(KeyboardInterrupt):
        simple(lambda rank: True, 4)
    assert len(begun) == 3
    assert all(gone(pid) for pid in begun)
