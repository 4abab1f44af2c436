"""How many examples a property is tried on: a fifth of them where `-m "not slow"` was asked for."""

from __future__ import annotations

from typing import Any

quick = False  # set by tests/conftest.py


def examples(many: int, **more: Any) -> Any:
    """Make hypothesis' settings for so many examples in the whole run, with no limit of time."""
    from hypothesis import settings  # a second: where it is used, not in every run

    return settings(max_examples=max(5, many // 5) if quick else many, deadline=None, **more)
