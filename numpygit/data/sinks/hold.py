"""Locks and flushing: one writer at a time, and bytes that are on the disk."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from ...errors import UserError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None


class Hold:
    """A file or folder that one run keeps for itself, or that shares of one run keep together.

    The system's own lock, which ends with the process however that ends: none is ever left behind.
    Where there is none (Windows, some network drives) nothing is held.
    """

    def __init__(self, path: Path, *, together: bool = False) -> None:
        self.path, self.together = path, together
        self.handle: int | None = None

    def take(self) -> None:
        """Hold it; UserError if another run does."""
        if self.handle is not None or fcntl is None:
            return
        handle = os.open(self.path, os.O_RDONLY)
        kind = fcntl.LOCK_SH if self.together else fcntl.LOCK_EX
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise UserError(
                f"another run of numpygit is writing to {self.path}; wait until it has ended, or "
                "stop it: this one can then go on from there"
            ) from None
        except OSError:  # a file system without locks
            os.close(handle)
        else:
            self.handle = handle

    def release(self) -> None:
        """Let it go."""
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None


def write_durably(path: Path, data: bytes) -> None:
    """Add bytes to a file, and wait until they are on the disk."""
    try:
        with path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from None


def cannot_write(path: Path, error: OSError) -> UserError:
    """Explain what went wrong, and that nothing is lost."""
    return UserError(
        f"could not write {path}: {error.strerror}; what was written before is kept: "
        "start again to go on from there"
    )
