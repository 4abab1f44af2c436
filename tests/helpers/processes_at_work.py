"""Process groups of simple work, and whether a process is still there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from numpygit.fast.processes.group import ProcessGroup
from numpygit.fast.processes.shared import Rank, Shared


def gone(pid: int, seconds: float = 20) -> bool:
    """Wait until a process is no more, or is dead and not yet collected."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def simple(work: Callable[[Rank], Any], size: int = 2) -> ProcessGroup:
    return ProcessGroup([work], Shared(size, numbers=30, room=64))
