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
    """Print one line on the error stream, if there is one; return the exit code of a failure.

    Nothing depends on that line: a stream that is closed, missing or broken loses only it.
    """
    if sys.stderr is None:  # print would take the standard output then
        return 1
    try:
        print(f"numpygit: {shown(' '.join(message.splitlines()), 10_000)}", file=sys.stderr)
    except (OSError, ValueError, AttributeError):
        sys.stderr = None
    return 1


def is_watched() -> bool:
    """Tell whether a person sees the error stream: it is there, open, and a terminal."""
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except (OSError, ValueError):
        return False


class NotReadableError(UserError):
    """A picture that is fine, but that nothing here can read."""


def expect(name: str, value: object, kinds: type | tuple[type, ...], words: str) -> None:
    """Refuse a value of another kind: `words` say what was expected. True is no number here."""
    wants_flag = bool in (kinds if isinstance(kinds, tuple) else (kinds,))
    if (isinstance(value, bool) and not wants_flag) or not isinstance(value, kinds):
        raise UserError(f"{name} is {shown(repr(value), 60)}, expected {words}")


def shown(text: str, most: int = 120) -> str:
    """Write a name or a text for a message: cut in its middle, control characters escaped."""
    if len(text) > most:
        text = f"{text[: most // 3]} ... {text[len(text) - most * 3 // 5 :]}"  # names end paths
    return "".join(letter if letter.isprintable() else escaped(letter) for letter in text)


def escaped(letter: str) -> str:
    """Write a letter that is not printable as Python writes it in a text."""
    return letter.encode("unicode_escape").decode("ascii")
