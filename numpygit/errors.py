"""The mistakes a user can make: one line each, saying what was given and what to do."""

from __future__ import annotations

import sys


class UserError(ValueError):
    """Something that was given cannot be used; the text says what, and what to do instead."""


class NotFiniteError(UserError, ArithmeticError):
    """Infinities or NaN came out of the model."""


class NotFoundError(UserError, OSError):
    """A file, a folder or a model is not where it was looked for."""


def complain(message: str) -> int:
    """Print one line on the error stream; return the exit code of a failure."""
    print(f"numpygit: {' '.join(message.splitlines())}", file=sys.stderr)
    return 1
