"""Values of a `generation_config.json` that are of another kind than the option: refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from numbers import Integral, Real
from typing import Any

from ...errors import UserError

KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false",
         "str": "a text", "None": "null"}  # fmt: skip


def check_kinds(values: Mapping[str, Any], config_class: type) -> None:
    """Refuse values from a file that are of another kind than the option: words for numbers, ..."""
    for field in fields(config_class):
        kinds = str(field.type).split(" | ")
        value = values.get(field.name)
        if value is not None and not any(is_kind(value, kind) for kind in kinds):
            expected = " or ".join(KINDS.get(kind, "a list of numbers") for kind in kinds)
            raise UserError(f"{field.name} is {value!r}; it must be {expected}")


def is_kind(value: object, kind: str) -> bool:
    """Tell whether a value from a file is what a field is declared to be."""
    if kind in ("int", "float"):
        number = Integral if kind == "int" else Real
        return isinstance(value, number) and not isinstance(value, bool)
    if kind in ("bool", "str"):
        return type(value).__name__ == kind
    if isinstance(value, str) or not isinstance(value, Iterable):
        return False
    return all(is_kind(each, "float") or is_kind(each, kind) for each in value)


def read_bias(bias: Any) -> dict[tuple[int, ...], float]:
    """Read sequence_bias as a file holds it, [[[ids], number], ...]; a dict stays one."""
    try:
        pairs = bias.items() if isinstance(bias, Mapping) else bias
        return {tuple(int(word) for word in words): float(value) for words, value in pairs}
    except (TypeError, ValueError):
        raise UserError(f"sequence_bias is {bias!r}; it must be [[[ids], number], ...]") from None
