"""The files of a tokenizer: what they say beside the vocabulary, and writing them.

`tokenizer.json` holds the whole tokenizer; `tokenizer_config.json` has the last word on capitals,
accents, Chinese characters and special tokens; `added_tokens.json` adds tokens, where
`tokenizer_config.json` names none. Nothing else that a file holds is taken over.
Source: transformers 4.37.2, BertTokenizerFast and `tokenization_utils_base.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....errors import UserError
from ....loading.fields import ADDED_TOKEN, TOKENIZER, brief, checked
from ....loading.formats import read_json
from ....loading.write_whole import write_whole
from ..vocabulary import Vocabulary, read_vocabulary
from .special_tokens import ADDITIONAL, DEFAULT_TOKENS, SpecialTokens, is_whole, text_of, texts_in

SETTINGS = (
    "padding_side", "truncation_side", "model_max_length", "do_lower_case", "strip_accents",
    "tokenize_chinese_chars", "clean_up_tokenization_spaces", "model_input_names",
)  # fmt: skip
TOKENS = (*DEFAULT_TOKENS, ADDITIONAL)
Added = list[tuple[Any, bool]]  # a token, and whether it is a special one


def read_tokenizer(
    folder: Path, settings: Mapping[str, Any]
) -> tuple[Vocabulary, dict[str, Any], Added]:
    """Read a tokenizer: -> its vocabulary, the settings of a GitTokenizer, tokens to add.

    `settings` go before those of the files.
    """
    path = folder / "tokenizer_config.json"
    values = checked(read_json(path), TOKENIZER, where=path) if os.path.lexists(path) else {}
    special = folder / "special_tokens_map.json"
    if "added_tokens_decoder" not in values and special.is_file():
        values = {**values, **checked(read_json(special), TOKENIZER, where=special)}
    values = {**values, **settings}
    vocabulary = read_vocabulary(folder)
    apply_normaliser(vocabulary.tokenizer, values)
    settled = {n: v for n, v in values.items() if n in SETTINGS and v is not None}
    tokens = {name: text_of(values[name]) for name in TOKENS if values.get(name) is not None}
    texts_in("special tokens", list(flat(tokens.values())))
    length = settled.get("model_max_length")
    if not isinstance(length, int):
        settled["model_max_length"] = int(length) if isinstance(length, float) else 512
    names = settled.get("model_input_names")
    if names is not None:  # GIT takes no token_type_ids, whatever a BERT's file says
        settled["model_input_names"] = [n for n in names if n != "token_type_ids"]
    added = added_tokens(folder, values, set(flat(tokens.values())))
    more = {"name_or_path": values.get("name_or_path", "")} | settled | tokens
    return vocabulary, more, added


def flat(values: Any) -> list[str]:
    """List special tokens, one or several a name."""
    return [t for value in values for t in (value if isinstance(value, list) else [value])]


def added_tokens(folder: Path, values: Mapping[str, Any], special: set[str]) -> Added:
    """List tokens that the files add to the vocabulary, in the order of their ids."""
    decoder, path = values.get("added_tokens_decoder"), folder / "added_tokens.json"
    found: dict[int, tuple[Any, bool]] = {}
    if isinstance(decoder, Mapping):
        for number, token in decoder.items():
            if not number.isdecimal() or len(number) > 7:
                raise UserError(f"added_tokens_decoder has the id {number[:20]!r}, no number")
            found[int(number)] = (as_added(token), bool(token.get("special")))
    elif path.is_file():
        for content, number in read_json(path).items():
            if type(number) is not int or not 0 <= number < 10**7 or not content:
                raise UserError(f"{path}: the id of {content!r} is {number!r}, expected a number")
            found[number] = (content, content in special)
    return [found[number] for number in sorted(found)]


def as_added(token: Mapping[str, Any]) -> Any:
    """Make an added token of what a file says of it."""
    from tokenizers import AddedToken

    if not isinstance(token, Mapping) or not token.get("content"):
        raise UserError(f"added_tokens_decoder holds {brief(token)}, expected a token's content")
    token = checked(token, ADDED_TOKEN, where="added_tokens_decoder")
    flags = ("lstrip", "rstrip", "single_word", "normalized", "special")
    return AddedToken(str(token["content"]), **{n: bool(token[n]) for n in flags if n in token})


def apply_normaliser(tokenizer: Any, values: Mapping[str, Any]) -> None:
    """Let the settings win over `tokenizer.json`, those that are left out by their defaults."""
    normaliser = getattr(tokenizer, "normalizer", None)
    if type(normaliser).__name__ != "BertNormalizer":
        return
    asked = {
        "lowercase": bool(values.get("do_lower_case", True)),
        "strip_accents": values.get("strip_accents"),
        "handle_chinese_chars": bool(values.get("tokenize_chinese_chars", True)),
    }
    for name, value in asked.items():
        if getattr(normaliser, name) != value:
            setattr(normaliser, name, value)


def write_tokenizer(tokenizer: Any, folder: Path, prefix: str | None = None) -> list[Path]:
    """Write all files of a GitTokenizer: -> their paths, in transformers' order."""
    ahead = f"{prefix}-" if prefix else ""
    settings = {name: getattr(tokenizer, name) for name in SETTINGS}
    tokens = tokenizer.special_tokens_map
    decoder = {
        str(i): {name: getattr(token, name) for name in FLAGS}
        for i, token in sorted(tokenizer.added_tokens_decoder.items())
    }
    config = {**tokens, **settings, "model_input_names": list(tokenizer.model_input_names),
              "added_tokens_decoder": decoder, "tokenizer_class": "BertTokenizer"}  # fmt: skip
    base = tokenizer.vocab_size
    added = {token: i for token, i in tokenizer.get_added_vocab().items() if i >= base}
    paths = [
        write_json(folder / f"{ahead}tokenizer_config.json", config),
        write_json(folder / f"{ahead}special_tokens_map.json", tokens),
        write_vocabulary(tokenizer, folder, prefix),
    ]
    if added:
        paths.append(write_json(folder / f"{ahead}added_tokens.json", added))
    if not is_whole(tokenizer.backend_tokenizer):  # vocab.txt says the same
        return paths
    whole = folder / f"{ahead}tokenizer.json"
    write_whole(whole, lambda path: tokenizer.backend_tokenizer.save(str(path)))
    return [*paths, whole]


FLAGS = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")


def write_vocabulary(tokenizer: SpecialTokens, folder: Path, prefix: str | None = None) -> Path:
    """Write `vocab.txt`, a token a line, added tokens left out."""
    backend = tokenizer.backend_tokenizer
    ids = backend.get_vocab(with_added_tokens=False) if is_whole(backend) else backend.get_vocab()
    lines = "".join(f"{token}\n" for token in sorted(ids, key=lambda token: ids[token]))
    path = folder / (f"{prefix}-vocab.txt" if prefix else "vocab.txt")
    write_whole(path, lambda part: part.write_text(lines, encoding="utf-8"))
    return path


def write_json(path: Path, values: Mapping[str, Any]) -> Path:
    """Write a file of settings."""
    text = json.dumps(values, indent=2, sort_keys=True) + "\n"
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))
    return path
