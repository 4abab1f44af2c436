"""WordPiece in Python: the ids and texts of the package `tokenizers`, on goldens and on chance.

Checks huggingface/processing/texts/plain.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from examples import examples
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from numpygit.errors import UserError
from numpygit.huggingface.processing.vocabulary import SPECIAL, Vocabulary, from_vocabulary
from numpygit.huggingface.processing.wordpiece import WordPiece
from numpygit.storybook import CHECKPOINT

ROOT = Path(__file__).parents[3]
SMALL = ROOT / "golden" / "words"
GOLDEN: dict[str, dict[str, Any]] = json.loads(
    (ROOT / "golden" / "words.json").read_text(encoding="utf-8")
)
VOCABULARIES = {
    "storybook": (CHECKPOINT / "vocab.txt", True),
    "small": (SMALL / "vocab.txt", True),
    "small, capitals kept": (SMALL / "vocab.txt", False),
    "punctuation": (SMALL / "punctuation.txt", True),
}
RUST = {name: from_vocabulary(path, lower_case=low) for name, (path, low) in VOCABULARIES.items()}


def python_of(name: str) -> WordPiece:
    path, lower_case = VOCABULARIES[name]
    tokens = path.read_text(encoding="utf-8").split("\n")
    vocabulary = {token: i for i, token in enumerate(tokens) if token or i < len(tokens) - 1}
    return WordPiece(vocabulary, SPECIAL, lower_case=lower_case)


PYTHON = {name: python_of(name) for name in VOCABULARIES}

LETTERS = st.one_of(
    st.characters(min_codepoint=0x20, max_codepoint=0x5FF),
    st.characters(min_codepoint=0x3000, max_codepoint=0x9FFF, categories=["Lo"]),
    st.characters(min_codepoint=0x1F300, max_codepoint=0x1F64F, categories=["So"]),
    st.sampled_from("\t\n\r\0\x7f\x85\xa0\xad\u200b\u2028\ufffdΣς\u0130\u0131\u017fÅé.,!?'-_[]#"),
)
WORDS = st.sampled_from(
    [*SPECIAL, "stars", "Moons", "above", "##s", "two", "don't", "x" * 101, "x" * 100, "é" * 60]
)  # fmt: skip
TEXTS = st.lists(st.one_of(st.text(LETTERS, max_size=12), WORDS), max_size=6).map(" ".join)


@pytest.mark.parametrize("name", ["small", "small, capitals kept", "punctuation"])
def test_ids_and_texts_equal_the_goldens(name: str) -> None:
    vocabulary = Vocabulary(PYTHON[name])  # type: ignore[arg-type]
    for row in GOLDEN[name]["encode"]:
        assert vocabulary.encode(row["text"]) == row["ids"], row["text"]
    for row in GOLDEN[name]["decode"]:
        assert vocabulary.decode(row["ids"]) == row["text"]
        assert vocabulary.decode(row["ids"], skip_special=False) == row["with_special"]


@pytest.mark.parametrize("name", VOCABULARIES)
@examples(150)
@given(text=TEXTS)
@example(text="ΟΔΟΣ İstanbul straße ﬁne a\u0301bc [SEP][CLS] x[MASK]y")
@example(text="中文 two漢字stars 😀 $5+<=>^`|~ a.b,c 'tis")
def test_encoding_equals_the_package(name: str, text: str) -> None:
    assert PYTHON[name].encode(text).ids == RUST[name].encode(text)


@pytest.mark.parametrize("name", VOCABULARIES)
@examples(100)
@given(words=st.lists(TEXTS, max_size=5))
def test_split_words_equal_the_package(name: str, words: list[str]) -> None:
    theirs: Any = RUST[name].tokenizer
    expected = theirs.encode(words, is_pretokenized=True, add_special_tokens=False).ids
    assert PYTHON[name].encode(words, is_pretokenized=True).ids == expected


@pytest.mark.parametrize("name", VOCABULARIES)
@examples(150)
@given(data=st.data(), skip=st.booleans())
def test_decoding_equals_the_package(name: str, data: st.DataObject, skip: bool) -> None:
    size = PYTHON[name].get_vocab_size()
    ids = data.draw(st.lists(st.integers(0, size + 3), max_size=12))
    theirs: Any = RUST[name].tokenizer
    expected = theirs.decode(ids, skip_special_tokens=skip)
    assert PYTHON[name].decode(ids, skip_special_tokens=skip) == expected


def test_the_vocabulary_is_the_package_s() -> None:
    for name in VOCABULARIES:
        theirs = RUST[name].tokenizer
        assert PYTHON[name].get_vocab() == theirs.get_vocab()
        assert PYTHON[name].get_vocab_size() == theirs.get_vocab_size()
        for token, number in PYTHON[name].get_vocab().items():
            assert PYTHON[name].token_to_id(token) == number == theirs.token_to_id(token)
            assert PYTHON[name].id_to_token(number) == token == theirs.id_to_token(number)
        assert PYTHON[name].token_to_id("no such token") is None
        assert PYTHON[name].id_to_token(10**6) is None


def test_a_tokenizer_file_is_read_like_the_package_does() -> None:
    path = SMALL / "tokenizer.json"
    ours, theirs = WordPiece.from_file(path), Tokenizer.from_file(str(path))
    for row in GOLDEN["small"]["encode"]:
        assert ours.encode(row["text"]).ids == row["ids"]
    assert ours.get_vocab() == theirs.get_vocab()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("model", {"type": "BPE", "vocab": {}, "merges": []}),
        ("pre_tokenizer", {"type": "Whitespace"}),
        ("normalizer", {"type": "NFC", "lowercase": True}),
        ("normalizer", None),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, part: str, value: Any) -> None:
    content = json.loads((SMALL / "tokenizer.json").read_text(encoding="utf-8"))
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({**content, part: value}))
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        WordPiece.from_file(path)


def test_damaged_files_and_wrong_arguments_are_named(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    for content in ("no JSON", "{}", "[1]"):
        path.write_text(content)
        with pytest.raises(UserError, match=r"tokenizer\.json is not a tokenizer file"):
            WordPiece.from_file(path)
    with pytest.raises(UserError, match="is_pretokenized"):
        PYTHON["small"].encode(["two"])
    with pytest.raises(UserError, match="special tokens"):
        PYTHON["small"].encode("two", add_special_tokens=True)
