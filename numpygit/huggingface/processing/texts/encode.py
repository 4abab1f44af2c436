"""Texts -> ids, masks, offsets: what a tokenizer is asked for, read from `tokenizers` Encodings.

The package cuts, pads and counts; here it is decided how, and what of it comes back.
Source of the decisions: transformers 4.37.2, `tokenization_utils_base.py`,
`_get_padding_truncation_strategies`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ....errors import UserError
from ....loading.fields import Flag, Null, Table, Text, Whole, checked, either

LOG = logging.getLogger("numpygit")
NO_LIMIT = 10**20  # a model_max_length beyond this, transformers writes 10^30, is none
COLUMNS = {  # what can come back -> the field of an Encoding
    "input_ids": "ids",
    "token_type_ids": "type_ids",
    "attention_mask": "attention_mask",
    "special_tokens_mask": "special_tokens_mask",
    "offset_mapping": "offsets",
}
LENGTH = either(Whole(0, 10**31), Null())
LIMITS: Table = {
    "padding": either(Flag(), Text(), Null()),
    "truncation": either(Flag(), Text(), Null()),
    "max_length": LENGTH,
    "stride": LENGTH,
    "pad_to_multiple_of": LENGTH,
}
PADDING = {True: "longest", False: "do_not_pad", None: "do_not_pad"}
TRUNCATION = {True: "longest_first", False: "do_not_truncate"}


class Limits(NamedTuple):
    """How long texts become."""

    padding: str  # "longest", "max_length", "do_not_pad"
    truncation: str  # "longest_first", "only_first", "only_second", "do_not_truncate"
    max_length: int | None
    stride: int = 0  # tokens that a cut text and its overflow share
    multiple: int | None = None  # padded lengths are multiples of this


def limits_of(
    padding: Any, truncation: Any, max_length: int | None, model_max_length: int,
    stride: int = 0, multiple: int | None = None,
) -> Limits:  # fmt: skip
    """Decide how texts are padded and cut. Raises UserError for ways that nobody knows."""
    padding, truncation = (getattr(given, "value", given) for given in (padding, truncation))
    lengths = {"max_length": max_length, "stride": stride, "pad_to_multiple_of": multiple}
    checked({"padding": padding, "truncation": truncation, **lengths}, LIMITS)
    pad = PADDING.get(padding, padding)
    if pad not in ("longest", "max_length", "do_not_pad"):
        raise UserError(f"padding={padding!r} is not known; pass True, False or 'max_length'")
    if truncation is None:
        cut = (
            "longest_first" if max_length is not None and pad == "do_not_pad" else "do_not_truncate"
        )
    else:
        cut = TRUNCATION.get(truncation, truncation)
    if cut not in ("longest_first", "only_first", "only_second", "do_not_truncate"):
        raise UserError(f"truncation={truncation!r} is not known; pass True or False")
    needs_length = pad == "max_length" or cut != "do_not_truncate"
    if max_length is None and needs_length and model_max_length > NO_LIMIT:
        LOG.warning("the tokenizer has no model_max_length: texts are neither padded to it nor cut")
        pad = "do_not_pad" if pad == "max_length" else pad
        cut = "do_not_truncate"
    elif max_length is None and needs_length:
        max_length = model_max_length
    is_both = cut != "do_not_truncate" and pad != "do_not_pad"
    if is_both and multiple and max_length is not None and max_length % multiple:
        raise UserError(
            f"max_length {max_length} is not a multiple of pad_to_multiple_of {multiple}, and "
            "texts are to be cut and padded to both"
        )
    return Limits(pad, cut, max_length, stride, multiple)


def set_limits(tokenizer: Any, limits: Limits) -> None:
    """Tell the backend of a GitTokenizer how to cut and pad."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    if limits.truncation != "do_not_truncate":
        backend.enable_truncation(
            max_length=limits.max_length, stride=limits.stride, strategy=limits.truncation,
            direction=tokenizer.truncation_side,
        )  # fmt: skip
    if limits.padding != "do_not_pad":
        if tokenizer.pad_token is None:
            raise UserError("the tokenizer has no pad_token; set one, or leave padding out")
        backend.enable_padding(
            length=limits.max_length if limits.padding == "max_length" else None,
            direction=tokenizer.padding_side, pad_id=tokenizer.pad_token_id,
            pad_token=tokenizer.pad_token, pad_type_id=tokenizer.pad_token_type_id,
            pad_to_multiple_of=limits.multiple,
        )  # fmt: skip


def columns_of(
    encodings: Sequence[Any], names: Iterable[str], *, overflow: bool, length: bool
) -> tuple[dict[str, list[Any]], list[Any]]:
    """Read what was asked for: -> columns, a row a text, and the Encoding of each row.

    With `overflow` what was cut off a text follows it as rows of its own.
    """
    rows, of_text = [], []
    for number, encoding in enumerate(encodings):
        pieces = [encoding, *(encoding.overflowing if overflow else ())]
        rows += pieces
        of_text += [number] * len(pieces)
    found: dict[str, list[Any]] = {n: [getattr(row, COLUMNS[n]) for row in rows] for n in names}
    if length:
        found["length"] = [len(row.ids) for row in rows]
    if overflow:
        found["overflow_to_sample_mapping"] = of_text
    return found, rows


def texts_of(text: Any, pair: Any, is_split: bool) -> tuple[bool, list[Any]]:
    """Tell one text from several, and join pairs: -> whether it is one, and the list of texts."""
    is_one = is_words(text) if is_split else isinstance(text, str)
    texts = [text] if is_one or not isinstance(text, list | tuple) else list(text)
    pairs = None
    if pair is not None:
        pairs = [pair] if is_one else list(pair)
        if len(pairs) != len(texts):
            raise UserError(f"got {len(texts)} texts and {len(pairs)} second texts, text_pair")
    for each in [*texts, *(pairs or ())]:
        check_text(each, is_split)
    if pairs is None:
        return is_one, texts
    return is_one, list(zip(texts, pairs, strict=True))


def check_text(text: Any, is_split: bool) -> None:
    """Refuse what is no text, no list of words, or no pair of these."""
    single = is_words if is_split else is_string
    is_pair = isinstance(text, tuple) and len(text) == 2 and all(single(each) for each in text)
    if not (single(text) or is_pair):
        wanted = "lists of words" if is_split else "strings"
        raise UserError(
            f"text must be {wanted}; got {type(text).__name__}. For texts that are lists of words "
            "pass is_split_into_words=True, for others strings; pictures are images=..."
        )


def is_string(text: Any) -> bool:
    """Tell a text."""
    return isinstance(text, str)


def is_words(text: Any) -> bool:
    """Tell a list of words."""
    return isinstance(text, list | tuple) and all(isinstance(word, str) for word in text)


def padded(
    rows: Mapping[str, Sequence[Any]], tokenizer: Any, limits: Limits, *, mask: bool
) -> dict[str, list[Any]]:
    """Pad rows of ids that were made before, and what belongs to them, to one length."""
    ids = [list(row) for row in rows["input_ids"]]
    length = max((len(row) for row in ids), default=0)
    if limits.padding == "max_length":
        length = limits.max_length or length
    if limits.multiple:
        length = -(-length // limits.multiple) * limits.multiple
    if limits.padding == "do_not_pad":
        length = 0
    fillers = {
        "input_ids": tokenizer.pad_token_id, "attention_mask": 0, "special_tokens_mask": 1,
        "token_type_ids": tokenizer.pad_token_type_id,
    }  # fmt: skip
    found: dict[str, list[Any]] = {name: list(column) for name, column in rows.items()}
    if mask:
        found.setdefault("attention_mask", [[1] * len(row) for row in ids])
    for name in fillers.keys() & found.keys():
        found[name] = [list(row) for row in found[name]]
        for row in found[name]:
            more = [fillers[name]] * max(0, length - len(row))
            row[:] = more + row if tokenizer.padding_side == "left" else row + more
    return found
