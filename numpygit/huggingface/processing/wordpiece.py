"""BERT's WordPiece in Python: text -> pieces of words -> token ids, and back.

The package `tokenizers` (Rust) does the same faster and is used where it is installed. This file is
to be read, and runs where that package cannot go, such as inside a browser. Four steps:

    "Two CATS, café"  -> normalise  -> "two cats, cafe"           lower case, no accents
                      -> split      -> two | cats | , | cafe      at spaces and punctuation
                      -> pieces     -> two | cat ##s | , | ca ##fe  longest known piece first
                      -> ids        -> one number a piece

Source: Devlin et al., arXiv 1810.04805; tokenizers 0.23, BertNormalizer, BertPreTokenizer,
WordPiece (model and decoder). Equal to it by tests; the few signs that Unicode has reclassified
since that package's tables were made (outside U+0020-05FF, CJK and emoji) may differ.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import UserError

LONGEST_WORD = 100  # characters; a longer word is [UNK]
UNKNOWN = "[UNK]"
CJK = (  # ranges of code points: each of these characters is a word of its own
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
NORMALIZER = {  # how BERT's `tokenizer.json` cleans a text, beside `lowercase`
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,  # as lowercase says
}
DECODED = (  # what the decoder writes differently, in its order
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"),
    (" 'm", "'m"), (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
)  # fmt: skip


class Encoding(NamedTuple):
    """What a text became."""

    ids: list[int]


class WordPiece:
    """A vocabulary, with the methods of `tokenizers.Tokenizer` that this project uses.

    Parameters: `vocabulary` maps a token to its id; `special` tokens stand for themselves in a
    text and are left out when decoding; `lower_case` also takes accents away.
    """

    def __init__(
        self, vocabulary: Mapping[str, int], special: Sequence[str], *, lower_case: bool = True
    ) -> None:
        self.vocabulary = dict(vocabulary)
        self.tokens = {number: token for token, number in self.vocabulary.items()}
        self.special = [token for token in special if token in self.vocabulary]
        self.lower_case = lower_case
        longest_first = sorted(self.special, key=len, reverse=True)
        self.special_token = re.compile(f"({'|'.join(map(re.escape, longest_first))})")

    @classmethod
    def from_file(cls, path: str | Path) -> WordPiece:
        """Read a `tokenizer.json` of BERT; raises UserError for one of another kind."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls.from_settings(content)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is not a tokenizer file: {error!r}") from None

    @classmethod
    def from_settings(cls, content: Mapping[str, Any]) -> WordPiece:
        """Take the settings of a `tokenizer.json`, if they are those of BERT."""
        model, normalizer = content["model"], {**content["normalizer"]}
        lower_case = bool(normalizer.pop("lowercase"))
        splitter = (content["pre_tokenizer"] or {}).get("type")
        longest = model.get("max_input_chars_per_word", LONGEST_WORD)
        kinds = (model.get("type", "WordPiece"), splitter, longest)
        if normalizer != NORMALIZER or kinds != ("WordPiece", "BertPreTokenizer", LONGEST_WORD):
            raise UserError(
                f"only BERT's WordPiece can be read without the package tokenizers, not "
                f"{kinds} with {normalizer}"
            )
        special = [token["content"] for token in content["added_tokens"] if token["special"]]
        return cls(model["vocab"], special, lower_case=lower_case)

    def encode(
        self,
        text: str | Sequence[str],
        *,
        is_pretokenized: bool = False,
        add_special_tokens: bool = False,
    ) -> Encoding:
        """Turn a text, or a list of its words, into ids. [CLS] and [SEP] are not added here."""
        if is_pretokenized == isinstance(text, str):
            raise UserError("is_pretokenized=True is for a list of words, False for a text")
        if add_special_tokens:
            raise UserError("WordPiece adds no special tokens; GitTokenizer does")
        ids: list[int] = []
        parts = [text] if isinstance(text, str) else text
        for part in parts:
            for stretch in self.special_token.split(part) if self.special else [part]:
                if stretch in self.special:
                    ids.append(self.vocabulary[stretch])
                    continue
                for word in split_words(normalise(stretch, lower_case=self.lower_case)):
                    ids += self.pieces(word)
        return Encoding(ids)

    def pieces(self, word: str) -> list[int]:
        """Cut a word into the longest known pieces from the left; [UNK] if that fails anywhere."""
        unknown = [self.vocabulary[UNKNOWN]]
        if len(word) > LONGEST_WORD:
            return unknown
        ids: list[int] = []
        start = 0
        while start < len(word):
            end = self.end_of_piece(word, start)
            if end == start:
                return unknown
            ids.append(self.vocabulary[self.piece(word, start, end)])
            start = end
        return ids

    def end_of_piece(self, word: str, start: int) -> int:
        """Find where the longest known piece ends that begins at `start`; `start` if none does."""
        for end in range(len(word), start, -1):
            if self.piece(word, start, end) in self.vocabulary:
                return end
        return start

    def piece(self, word: str, start: int, end: int) -> str:
        """Write a piece as the vocabulary does: with ## before it inside a word."""
        return ("##" if start else "") + word[start:end]

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """Join tokens: a space before each, none before a ## piece or punctuation."""
        hidden = set(self.special) if skip_special_tokens else set()
        tokens = [self.tokens[i] for i in ids if i in self.tokens]
        text = ""
        for number, token in enumerate(token for token in tokens if token not in hidden):
            if number:
                token = token[2:] if token.startswith("##") else " " + token
            for spaced, clean in DECODED:
                token = token.replace(spaced, clean)
            text += token
        return text

    def token_to_id(self, token: str) -> int | None:
        """Look up a token; None if it is unknown."""
        return self.vocabulary.get(token)

    def id_to_token(self, number: int) -> str | None:
        """Look up an id; None if there is no such."""
        return self.tokens.get(number)

    def get_vocab(self) -> dict[str, int]:
        """Copy the vocabulary: token -> id."""
        return dict(self.vocabulary)

    def get_vocab_size(self) -> int:
        """Count the tokens."""
        return len(self.vocabulary)


def normalise(text: str, *, lower_case: bool) -> str:
    """Clean a text: control characters go, all white space is a space, CJK stands alone.

    With `lower_case`, accents go too: NFD takes a letter and its accents apart.
    """
    out = []
    for character in text:
        if character in "\t\n\r" or unicodedata.category(character)[0] == "Z":
            out.append(" ")
        elif is_control(character):
            continue
        elif is_cjk(character):
            out.append(f" {character} ")
        else:
            out.append(character)
    cleaned = "".join(out)
    if not lower_case:
        return cleaned
    apart = unicodedata.normalize("NFD", cleaned)
    return "".join(c.lower() for c in apart if unicodedata.category(c) != "Mn")


def split_words(text: str) -> list[str]:
    """Cut at spaces, and around every punctuation mark."""
    words: list[str] = []
    for chunk in text.split():
        inside_word = False
        for character in chunk:
            if is_punctuation(character):
                words.append(character)
                inside_word = False
            elif inside_word:
                words[-1] += character
            else:
                words.append(character)
                inside_word = True
    return words


def is_control(character: str) -> bool:
    """Say what cannot be seen: controls, formats, private use, the replacement character."""
    return character == "\ufffd" or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co")


def is_cjk(character: str) -> bool:
    """Say whether it is a Chinese character, which BERT takes for a word."""
    return any(first <= ord(character) <= last for first, last in CJK)


def is_punctuation(character: str) -> bool:
    """Say what BERT takes for punctuation: all ASCII signs, also $ + < = > ^ ` | ~."""
    sign = character.isascii() and character.isprintable() and not character.isalnum()
    return (sign and character != " ") or unicodedata.category(character)[0] == "P"
