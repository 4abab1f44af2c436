"""What a pipeline is given: a picture, a list or a generator of them, with texts beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import UserError


class Item(NamedTuple):
    """One picture and the text that goes with it."""

    picture: Any
    text: str | None


def is_several(given: Any) -> bool:
    """Tell several things, a list or a generator, from one."""
    if isinstance(given, str | bytes | Path | Mapping | Item) or hasattr(given, "__array__"):
        return False
    return isinstance(given, list | tuple | Iterator) or (
        hasattr(given, "__iter__") and not hasattr(given, "read") and not hasattr(given, "convert")
    )


def asked(given: Any) -> Item:
    """Read a picture and its text: {"image": ..., "question": ...}, or "images" and "text"."""
    if isinstance(given, Item):
        return given
    if not isinstance(given, Mapping):
        raise UserError(f"got {type(given).__name__} without a text; give {{'image': ..., "
                        "'question': ...}}")  # fmt: skip
    picture = given.get("image", given.get("images"))
    text = given.get("question", given.get("text"))
    if picture is None or not isinstance(text, str):
        raise UserError(f"a picture and a text are needed; got {', '.join(map(str, given))}")
    return Item(picture, text)


def pairs_of(
    pictures: Any, texts: Any, names: Sequence[str] = ("image", "question")
) -> list[Item] | Item:
    """Join pictures and texts, one of each; one goes with all of the other."""
    many, several = is_several(pictures), is_several(texts)
    if pictures is None:
        raise UserError(f"give {names[0]} as well")
    if not many and not several:
        return asked({"image": pictures, "question": texts})
    first = list(pictures) if many else [pictures] * len(list(texts))
    second = list(texts) if several else [texts] * len(first)
    if len(first) != len(second):
        raise UserError(f"got {len(first)} {names[0]} and {len(second)} {names[1]}; give as many "
                        "of both, or one of either")  # fmt: skip
    return [asked({"image": p, "question": t}) for p, t in zip(first, second, strict=True)]


def generate_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Collect the options of generate. Raises UserError for one that is given twice."""
    given = dict(options.get("generate_kwargs") or {})
    if options.get("max_new_tokens") is not None:
        if "max_new_tokens" in given:
            raise UserError("max_new_tokens is given twice, once in generate_kwargs")
        given["max_new_tokens"] = options["max_new_tokens"]
    return given


def without(text: str, start: str) -> str:
    """Take the beginning away that was given, if the text has it."""
    at = text.find(start)
    return text[at + len(start) :] if 0 <= at <= 2 else text
