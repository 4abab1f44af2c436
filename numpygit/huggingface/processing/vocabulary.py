"""Text <-> token ids: BERT WordPiece, through the `tokenizers` package where it is installed.

Source: transformers 4.37.2, BertTokenizerFast and `clean_up_tokenization`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import NotFoundError, UserError, shown
from ...loading.fields import TOKENIZER, checked
from ...loading.formats.small_files import read_json, read_text
from .texts.tokenizer_json import LONGEST, MOST_WORDS, check_token, read_tokenizer_file
from .wordpiece import WordPiece

if TYPE_CHECKING:  # the package loads only when a tokenizer is made, which keeps `import` fast
    from tokenizers import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# Spaces that the official decoding takes away, in its order.
CLEAN_UP = (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (
    " 'm", "'m"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re")  # fmt: skip


class Vocabulary:
    """The vocabulary of a checkpoint: text to token ids and back, and the ids of special tokens."""

    def __init__(self, tokenizer: Tokenizer | WordPiece) -> None:
        self.tokenizer = tokenizer
        ids = [tokenizer.token_to_id(token) for token in SPECIAL]
        if None in ids:
            lost = ", ".join(t for t, i in zip(SPECIAL, ids, strict=True) if i is None)
            raise UserError(f"the vocabulary lacks {lost}: it is not a BERT vocabulary")
        self.pad_id, self.unknown_id, self.start_id, self.end_id, self.mask_id = [
            i for i in ids if i is not None
        ]

        placeholders = [tokenizer.token_to_id(f"[unused{i}]") for i in range(1000)]
        self.placeholders = [i for i in placeholders if i is not None]

    def encode(self, text: str) -> list[int]:
        """Turn text into ids, without start and end tokens."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def unused(self) -> list[int]:
        """List the ids of the placeholders [unused0], [unused1], ... of a BERT vocabulary.

        They mean nothing, but were trained on by accident: `git-large` generates them at times.
        """
        return self.placeholders

    def decode(self, ids: list[int], *, skip_special: bool = True) -> str:
        """Turn ids into text: pieces joined, spaces before punctuation taken away."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=skip_special)
        for spaced, clean in CLEAN_UP:
            text = text.replace(spaced, clean)
        return text


def read_vocabulary(folder: Path) -> Vocabulary:
    """Read the vocabulary of a checkpoint folder: `tokenizer.json`, or else `vocab.txt`."""
    path = folder / "tokenizer.json"
    if os.path.lexists(path):
        return Vocabulary(from_tokenizer_file(path))
    if not os.path.lexists(folder / "vocab.txt"):
        raise NotFoundError(
            f"{folder} has neither tokenizer.json nor vocab.txt; the official models have the "
            "vocabulary of google-bert/bert-base-uncased: put its vocab.txt there"
        )
    return from_vocabulary(folder / "vocab.txt", lower_case=reads_lower_case(folder))


def has_tokenizers() -> bool:
    """Say whether the package `tokenizers` can be imported."""
    try:
        import tokenizers  # noqa: F401
    except ImportError:
        return False
    return True


def from_tokenizer_file(path: Path) -> Tokenizer | WordPiece:
    """Build the tokenizer of a `tokenizer.json`, of which only BERT's parts are handed on."""
    settings = read_tokenizer_file(path)
    if not has_tokenizers():
        try:
            return WordPiece.from_settings(settings)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(json.dumps(settings))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a bare Exception, or a panic of Rust, which is no Exception
        raise UserError(f"{path} is not a tokenizer file: {shown(str(error), 200)}") from None


def reads_lower_case(folder: Path) -> bool:
    """Look up whether capitals are made small: the default for BERT vocabularies here."""
    path = folder / "tokenizer_config.json"
    if not os.path.lexists(path):
        return True
    settings = checked(read_json(path), TOKENIZER, where=path)
    return bool(settings.get("do_lower_case", True))


def from_vocabulary(path: Path, *, lower_case: bool = True) -> Vocabulary:
    """Build the BERT tokenizer around a `vocab.txt`, one token a line."""
    lines = [line.removesuffix("\r") for line in read_text(path, longest=LONGEST).split("\n")]
    if len(lines) > MOST_WORDS:
        raise UserError(f"{path} has {len(lines)} lines; a vocabulary has at most {MOST_WORDS}")
    for line in lines:
        check_token(line, path)
    vocabulary = {token: i for i, token in enumerate(lines) if token or i < len(lines) - 1}
    special = [token for token in SPECIAL if token in vocabulary]
    if not has_tokenizers():
        return Vocabulary(WordPiece(vocabulary, special, lower_case=lower_case))
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower_case)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    return Vocabulary(tokenizer)
