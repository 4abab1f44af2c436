"""Encoding without the package `tokenizers`: ids and masks of single texts, cut and padded.

What else the package computes, offsets, words, pairs, overflow, needs it: asking says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ....errors import UserError
from .encode import Limits


@dataclass
class PlainEncoding:
    """The ids of one text, and what goes with them; a part of a `tokenizers` Encoding."""

    ids: list[int]
    attention_mask: list[int]
    special_tokens_mask: list[int]
    tokens: list[str]
    n_sequences: int = 1

    @property
    def type_ids(self) -> list[int]:
        """Which text each token is from: there is one."""
        return [0] * len(self.ids)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise UserError(f"{name} of a text needs the package tokenizers: pip install tokenizers")


def encode_plain(
    tokenizer: Any, texts: list[Any], limits: Limits, *, special: bool, is_split: bool
) -> list[PlainEncoding]:
    """Encode texts with the vocabulary alone."""
    rows = [encode_one(tokenizer, text, limits, special, is_split) for text in texts]
    length = max((len(row.ids) for row in rows), default=0)
    if limits.padding == "max_length":
        length = limits.max_length or length
    if limits.multiple:
        length = -(-length // limits.multiple) * limits.multiple
    if limits.padding != "do_not_pad":
        for row in rows:
            pad(row, length, tokenizer)
    return rows


def encode_one(
    tokenizer: Any, text: Any, limits: Limits, special: bool, is_split: bool
) -> PlainEncoding:
    """Encode one text, cut to its limit."""
    backend = tokenizer.backend_tokenizer
    if isinstance(text, tuple) and not is_split:
        raise UserError("pairs of texts need the package tokenizers: pip install tokenizers")
    ids = list(backend.encode(text, is_pretokenized=is_split, add_special_tokens=False).ids)
    room = limits.max_length
    if limits.truncation != "do_not_truncate" and room is not None:
        keep = room - (2 if special else 0)
        ids = ids[:keep] if tokenizer.truncation_side == "right" else ids[len(ids) - keep :]
    marks = [0] * len(ids)
    if special:
        ids, marks = tokenizer.build_inputs_with_special_tokens(ids), [1, *marks, 1]
    return PlainEncoding(ids, [1] * len(ids), marks, tokenizer.convert_ids_to_tokens(ids))


def pad(row: PlainEncoding, length: int, tokenizer: Any) -> None:
    """Fill a row up with the padding token, on the tokenizer's side."""
    more = max(0, length - len(row.ids))
    for values, filler in (
        (row.ids, tokenizer.pad_token_id),
        (row.attention_mask, 0),
        (row.special_tokens_mask, 1),
        (row.tokens, tokenizer.pad_token),
    ):
        fill: list[Any] = [filler] * more
        kept: list[Any] = list(values)
        values[:] = fill + kept if tokenizer.padding_side == "left" else kept + fill
