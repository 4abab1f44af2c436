"""The types of values that a field of a JSON file may have, each with its check and its name.

A whole number may be written as 4.0, as some programs do; "4", a text, is none. Infinities and
NaN, which JSON does not have, are no numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias


class MisfitError(ValueError):
    """A value is not of the kind that its field wants."""


def is_number(value: object) -> bool:
    """Tell numbers, NumPy's too, from true, false and everything else."""
    return isinstance(value, Real) and not isinstance(value, bool)


@dataclass(frozen=True)
class Whole:
    """A whole number, `low` to `high`."""

    low: int
    high: int

    def __str__(self) -> str:
        if self.low == -self.high:
            return "a whole number"
        return f"a whole number from {self.low} to {self.high}"

    def take(self, value: Any) -> int:
        """Return the number, or raise MisfitError."""
        if not is_number(value):
            raise MisfitError
        if not self.low <= value <= self.high or value != int(value):  # NaN is in no range
            raise MisfitError
        return int(value)


@dataclass(frozen=True)
class Number:
    """A finite number, `low` to `high`."""

    low: float = -1e9
    high: float = 1e9

    def __str__(self) -> str:
        if self == Number():
            return "a number"
        return f"a number from {self.low:g} to {self.high:g}"

    def take(self, value: Any) -> float:
        """Return the number, or raise MisfitError."""
        if not is_number(value) or not self.low <= value <= self.high:
            raise MisfitError
        return value


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def __str__(self) -> str:
        return "true or false"

    def take(self, value: Any) -> bool:
        """Return the value, or raise MisfitError."""
        if type(value) is not bool:
            raise MisfitError
        return value


@dataclass(frozen=True)
class Text:
    """A text, or one of a few."""

    among: tuple[str, ...] = ()
    longest: int = 1000

    def __str__(self) -> str:
        return f"one of {', '.join(self.among)}" if self.among else "a text"

    def take(self, value: Any) -> str:
        """Return the text, or raise MisfitError."""
        if type(value) is not str or len(value) > self.longest:
            raise MisfitError
        if any("\ud800" <= letter <= "\udfff" for letter in value):  # half of a letter
            raise MisfitError
        if self.among and value not in self.among:
            raise MisfitError
        return value


@dataclass(frozen=True)
class Null:
    """Null."""

    def __str__(self) -> str:
        return "null"

    def take(self, value: Any) -> None:
        """Return None, or raise MisfitError."""
        if value is not None:
            raise MisfitError


@dataclass(frozen=True)
class ListOf:
    """A list of values of one kind; `length` of them, if it is given."""

    item: Kind
    length: int | None = None
    least: int = 0

    def __str__(self) -> str:
        count = "" if self.length is None else f"{self.length} times "
        return f"a list of {count}{self.item}"

    def take(self, value: Any) -> list[Any]:
        """Return the list, or raise MisfitError."""
        value = value.tolist() if hasattr(value, "tolist") else value  # an array
        if not isinstance(value, list | tuple) or len(value) < self.least:
            raise MisfitError
        if self.length is not None and len(value) != self.length:
            raise MisfitError
        return [self.item.take(each) for each in value]


@dataclass(frozen=True)
class Row:
    """A list whose items each have a kind of their own."""

    items: tuple[Kind, ...]

    def __str__(self) -> str:
        return f"a list [{', '.join(map(str, self.items))}]"

    def take(self, value: Any) -> list[Any]:
        """Return the list, or raise MisfitError."""
        if not isinstance(value, list | tuple) or len(value) != len(self.items):
            raise MisfitError
        return [item.take(each) for item, each in zip(self.items, value, strict=True)]


@dataclass(frozen=True)
class Object:
    """An object {...} with all of `needed` and, of those in `known`, values that fit."""

    fields: Mapping[str, Kind]
    needed: tuple[str, ...] = ()

    def __str__(self) -> str:
        inside = ", ".join(f'"{name}": {self.fields[name]}' for name in self.needed)
        return f"an object {{{inside or '...'}}}"

    def take(self, value: Any) -> dict[str, Any]:
        """Return the object, or raise MisfitError."""
        if not isinstance(value, Mapping) or any(name not in value for name in self.needed):
            raise MisfitError
        return {
            name: self.fields[name].take(each) if name in self.fields else each
            for name, each in value.items()
        }


@dataclass(frozen=True)
class Either:
    """A value of one of several kinds."""

    kinds: tuple[Kind, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.kinds))

    def take(self, value: Any) -> Any:
        """Return what the first kind that fits makes of it, or raise MisfitError."""
        for kind in self.kinds:
            try:
                return kind.take(value)
            except MisfitError:
                continue
        raise MisfitError


Kind: TypeAlias = Whole | Number | Flag | Text | Null | ListOf | Row | Object | Either


def either(*kinds: Kind) -> Either:
    """Write a value of one of several kinds."""
    return Either(kinds)
