"""`tokenizer.json` -> what a BERT tokenizer needs of it, checked, and nothing else.

The file may name any component of the `tokenizers` package, some of which take for ever or bring
the package down over a few odd letters. Only the components that BERT tokenizers are made of are
handed on, each field by its type and range.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....errors import UserError, shown
from ....loading.fields import (
    Either,
    Flag,
    Kind,
    MisfitError,
    Null,
    Table,
    Text,
    Whole,
    either,
    misfit,
)
from ....loading.formats import read_json

LONGEST = 32 * 2**20  # bytes; bert-base-uncased has 711 thousand, multilingual ones 3 million
MOST_WORDS = 2**20
LONGEST_TOKEN = 1000
MOST_STEPS = 10  # in one sequence of components

MAYBE = either(Flag(), Null())
NORMALIZERS: Mapping[str, Table] = {
    "BertNormalizer": {
        "clean_text": Flag(),
        "handle_chinese_chars": Flag(),
        "strip_accents": MAYBE,
        "lowercase": Flag(),
    },
    **{name: {} for name in ("Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents")},
}
PRE_TOKENIZERS: Mapping[str, Table] = {
    **{name: {} for name in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit")},
    "Punctuation": {"behavior": Text(("Removed", "Isolated", "MergedWithPrevious",
                                      "MergedWithNext", "Contiguous"))},
    "Digits": {"individual_digits": Flag()},
}  # fmt: skip
DECODERS: Mapping[str, Table] = {"WordPiece": {"prefix": Text(longest=10), "cleanup": Flag()}}
MODEL: Table = {
    "type": Text(("WordPiece",)),
    "unk_token": Text(longest=LONGEST_TOKEN),
    "continuing_subword_prefix": Text(longest=10),
    "max_input_chars_per_word": Whole(1, 1000),
}
ADDED: Table = {
    "id": Whole(0, MOST_WORDS),
    "content": Text(longest=LONGEST_TOKEN),
    "single_word": Flag(),
    "lstrip": Flag(),
    "rstrip": Flag(),
    "normalized": Flag(),
    "special": Flag(),
}
SEQUENCES = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers"}


def read_tokenizer_file(path: Path) -> dict[str, Any]:
    """Read a `tokenizer.json`: -> an object with only what a BERT tokenizer has.

    Padding, truncation and post-processing are left out: they are done here. Raises UserError for
    other kinds of tokenizers, naming the component, and for values that cannot be.
    """
    values = read_json(path, longest=LONGEST)
    model = model_of(values.get("model"), path)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added_tokens(values.get("added_tokens"), model["vocab"], path),
        "normalizer": component("normalizer", values, NORMALIZERS, path),
        "pre_tokenizer": component("pre_tokenizer", values, PRE_TOKENIZERS, path),
        "post_processor": None,
        "decoder": component("decoder", values, DECODERS, path),
        "model": model,
    }


def model_of(given: object, path: Path) -> dict[str, Any]:
    """Check the model: WordPiece with a vocabulary in which every id stands once."""
    if not isinstance(given, dict):
        raise UserError(f"{path}: model is missing, expected a WordPiece model")
    kind = given.get("type", "WordPiece" if "continuing_subword_prefix" in given else None)
    if kind != "WordPiece":
        raise UserError(
            f"{path}: the model is of type {shown(repr(kind), 40)}, expected WordPiece, the model "
            "of BERT tokenizers"
        )
    defaults = {
        "type": kind,
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
    }
    model = take_fields({**defaults, **given}, MODEL, f"{path}: model")
    model["vocab"] = vocabulary_of(given.get("vocab"), path)
    if model["unk_token"] not in model["vocab"]:
        raise UserError(
            f"{path}: the vocabulary lacks the unk_token {shown(repr(model['unk_token']), 40)}"
        )
    return model


def vocabulary_of(given: object, path: Path) -> dict[str, int]:
    """Check a vocabulary: token -> id."""
    if not isinstance(given, dict) or len(given) > MOST_WORDS:
        raise UserError(f"{path}: the model's vocab is no object of at most {MOST_WORDS} tokens")
    number = Whole(0, MOST_WORDS)
    vocabulary = {}
    for token, given_id in given.items():
        try:
            vocabulary[check_token(token, path)] = number.take(given_id)
        except MisfitError:
            raise misfit(f"vocab {shown(repr(token), 40)}", given_id, str(number), path) from None
    if len(set(vocabulary.values())) < len(vocabulary):
        raise UserError(f"{path}: two tokens of the vocab have the same id")
    return vocabulary


def check_token(token: str, path: Path) -> str:
    """Refuse tokens too long to be one, and letters that are half of one."""
    if len(token) > LONGEST_TOKEN:
        raise UserError(f"{path} has a token of {len(token)} letters; the most is {LONGEST_TOKEN}")
    if any("\ud800" <= letter <= "\udfff" for letter in token):
        raise UserError(f"{path} has the token {shown(repr(token), 60)}, which is no text")
    return token


def added_tokens(given: object, vocabulary: dict[str, int], path: Path) -> list[dict[str, Any]]:
    """Check the tokens that are looked for before words are cut."""
    if given is None:
        return []
    if not isinstance(given, list) or len(given) > MOST_WORDS // 10:
        raise UserError(f"{path}: added_tokens is no list of at most {MOST_WORDS // 10} tokens")
    defaults = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                "special": False}  # fmt: skip
    found, ids = [], {number: token for token, number in vocabulary.items()}
    for each in given:
        if not isinstance(each, dict):
            raise UserError(f"{path}: added_tokens holds {shown(repr(each), 40)}, no object")
        token = take_fields({**defaults, **each}, ADDED, f"{path}: added_tokens")
        content, number = check_token(token.get("content", ""), path), token.get("id")
        if not content or number is None or ids.setdefault(number, content) != content:
            raise UserError(
                f"{path}: the added token {shown(repr(content), 40)} with id {number} is empty, or "
                "another token has its id"
            )
        found.append(token)
    return found


def component(
    name: str, values: Mapping[str, Any], tables: Mapping[str, Table], path: Path
) -> dict[str, Any] | None:
    """Check one component, or a sequence of them; null stays null."""
    given = values.get(name)
    if given is None:
        return None
    where = f"{path}: {name}"
    if not isinstance(given, dict):
        raise UserError(f"{where} is {shown(repr(given), 40)}, expected an object {{...}}")
    inside = SEQUENCES.get(name)
    if given.get("type") == "Sequence" and inside is not None:
        steps = given.get(inside)
        if not isinstance(steps, list) or len(steps) > MOST_STEPS:
            raise UserError(f"{where} is no list of at most {MOST_STEPS} {inside}")
        return {"type": "Sequence", inside: [one_step(step, tables, where) for step in steps]}
    return one_step(given, tables, where)


def one_step(given: object, tables: Mapping[str, Table], where: str) -> dict[str, Any]:
    """Check one component."""
    kind = given.get("type") if isinstance(given, dict) else given
    if not isinstance(given, dict) or not isinstance(kind, str) or kind not in tables:
        raise UserError(
            f"{where} is {shown(repr(kind), 40)}, no part of a BERT tokenizer; known are: "
            f"{', '.join(tables)}"
        )
    return {"type": kind, **complete(take_fields(given, tables[kind], where), tables[kind], where)}


DEFAULTS = {
    "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True,
    "behavior": "Isolated", "individual_digits": False, "prefix": "##", "cleanup": True,
}  # fmt: skip


def complete(values: dict[str, Any], table: Table, where: str) -> dict[str, Any]:
    """Fill in what a component leaves out."""
    return {name: values.get(name, DEFAULTS[name]) for name in table}


def take_fields(values: Mapping[str, Any], table: Table, where: str) -> dict[str, Any]:
    """Take those fields that a table knows; others are no part of a BERT tokenizer."""
    found = {}
    for name, kind in table.items():
        if name in values:
            found[name] = take_one(name, values[name], kind, where)
    return found


def take_one(name: str, value: Any, kind: Kind | Either, where: str) -> Any:
    """Take one value, or say what it should be."""
    try:
        return kind.take(value)
    except MisfitError:
        raise misfit(name, value, str(kind), where) from None
