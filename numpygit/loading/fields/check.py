"""Compare a JSON file with its table; the message for a value that does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import UserError, shown
from .kinds import Kind, MisfitError, Object
from .tables import Table

OWN_NAMES = ("self", "cls")  # beside those in double underscores: names of Python's own
DEEPEST = 30  # objects and lists inside each other


def checked(values: Mapping[str, Any], table: Table, *, where: object = "") -> dict[str, Any]:
    """Hold the fields of a file against its table: -> the values, whole numbers as whole numbers.

    `where` names the file in messages. Raises UserError that names file, field and value.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        check_name(name, where=where)
        kind = table.get(name)
        try:
            found[name] = value if kind is None else taken(name, value, kind, where)
        except MisfitError:
            raise misfit(name, value, str(kind), where) from None
    return found


def taken(name: str, value: Any, kind: Kind, where: object) -> Any:
    """Take one value; the fields of an object are told of by their own names."""
    objects = [each for each in getattr(kind, "kinds", (kind,)) if isinstance(each, Object)]
    if isinstance(value, Mapping) and len(objects) == 1 and not objects[0].needed:
        return checked(value, objects[0].fields, where=located(where, name))
    return kind.take(value)


def check_name(name: str, *, where: object = "") -> None:
    """Refuse names that Python keeps for itself, and such as no file needs."""
    is_own = name in OWN_NAMES or (name.startswith("__") and name.endswith("__"))
    if is_own or not name or len(name) > 200:
        raise UserError(located(where, f"{shown(repr(name), 60)} cannot be the name of a setting"))


def misfit(name: str, value: object, expected: str, where: object) -> UserError:
    """Say which field has which value, and what it should be."""
    return UserError(located(where, f"{shown(name)} is {brief(value)}, expected {expected}"))


def located(where: object, what: str) -> str:
    """Write a message with the name of its file before it, if there is one."""
    return f"{where}: {what}" if where else what


def brief(value: object) -> str:
    """Write a value of a file in a few letters, however large it is."""
    if type(value) is int and abs(value) > 10**40:
        return f"a number of about {value.bit_length() * 3 // 10} digits"
    if isinstance(value, list | tuple) and len(value) > 20:
        return f"a list of {len(value)} values"
    if isinstance(value, Mapping) and len(value) > 20:
        return f"an object of {len(value)} fields"
    if isinstance(value, list | tuple | Mapping):
        return shown(repr(shortened(value)), 80)
    return shown(repr(value), 80)


def shortened(value: Any, depth: int = 0) -> Any:
    """Copy a list or an object with whatever is large in it left out."""
    if depth > 3:
        return ...
    if isinstance(value, Mapping):
        return {name: shortened(each, depth + 1) for name, each in list(value.items())[:5]}
    if isinstance(value, list | tuple):
        return [shortened(each, depth + 1) for each in value[:5]]
    return ... if type(value) is int and abs(value) > 10**40 else value


def check_depth(value: Any, *, where: object) -> None:
    """Refuse objects and lists inside each other without end."""
    level = [value]
    for _ in range(DEEPEST):
        inside: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inside += each.values()
            elif isinstance(each, list):
                inside += each
        if not inside:
            return
        level = inside
    raise UserError(f"{where} has objects and lists more than {DEEPEST} deep in each other")
