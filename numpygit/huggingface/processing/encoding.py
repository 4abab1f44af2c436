"""What processors return, and which arguments they take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import UserError


class BatchEncoding(dict[str, Any]):
    """What a processor returns: a dict whose entries are attributes too.

    inputs = processor(...); inputs.input_ids, inputs["input_ids"], model(**inputs)
    """

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            raise AttributeError(f"there is no {name!r} here; there is: {', '.join(self)}")
        return self[name]


def wants_arrays(return_tensors: object) -> bool:
    """Understand `return_tensors`: "np" asks for arrays, None for lists.

    Raises UserError for the tensors of other frameworks, saying what to pass.
    """
    kind = getattr(return_tensors, "value", return_tensors)  # an enumeration, as in transformers
    if kind is None or kind == "np":
        return kind == "np"
    raise UserError(
        f'return_tensors={kind!r} is not supported: numpygit computes with NumPy; pass "np" for '
        "arrays, or leave it out for lists"
    )


def check_names(given: Mapping[str, Any], known: set[str]) -> None:
    """Refuse keywords that nobody knows."""
    unknown = sorted(set(given) - known)
    if unknown:
        raise UserError(
            f"unknown settings {', '.join(unknown)}; known are: {', '.join(sorted(known))}"
        )
