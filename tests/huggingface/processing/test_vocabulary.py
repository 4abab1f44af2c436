"""Text <-> token ids: equal to the official tokenizer on texts of every kind.

The goldens come from golden/make_words.py.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from numpygit.errors import NotFoundError, UserError
from numpygit.huggingface.processing.picture_steps import ImageProcessor
from numpygit.huggingface.processing.processor import GitProcessor
from numpygit.huggingface.processing.vocabulary import Vocabulary, from_vocabulary, read_vocabulary

ROOT = Path(__file__).parents[3]
SMALL = ROOT / "golden" / "words"
GOLDEN: dict[str, dict[str, Any]] = json.loads(
    (ROOT / "golden" / "words.json").read_text(encoding="utf-8")
)
SHARED = ROOT.parent / "shared" / "data" / "bert-base-uncased" / "vocab.txt"
BERT = Path(os.environ.get("NUMPYGIT_BERT_VOCAB", SHARED))


def bert_vocabulary() -> Vocabulary:
    if not BERT.is_file():
        pytest.skip(
            f"no {BERT}: put the vocab.txt of bert-base-uncased there, or set NUMPYGIT_BERT_VOCAB"
        )
    return from_vocabulary(BERT)


@pytest.fixture(scope="module")
def folder_with_tokenizer_json(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("only_json")
    shutil.copy(SMALL / "tokenizer.json", folder)
    return folder


@pytest.fixture(
    scope="module",
    params=[
        "small",
        "small, capitals kept",
        "punctuation",
        "bert-base-uncased",
        "tokenizer.json",
    ],
)
def pair(
    request: pytest.FixtureRequest, folder_with_tokenizer_json: Path
) -> tuple[Vocabulary, dict[str, Any]]:
    """Our words, and the official answers for them."""
    if request.param == "tokenizer.json":
        return read_vocabulary(folder_with_tokenizer_json), GOLDEN["small"]
    if request.param == "bert-base-uncased":
        return bert_vocabulary(), GOLDEN[request.param]
    if request.param == "punctuation":
        return from_vocabulary(SMALL / "punctuation.txt"), GOLDEN[request.param]
    lower_case = request.param == "small"
    return from_vocabulary(SMALL / "vocab.txt", lower_case=lower_case), GOLDEN[request.param]


def differences(asked: list[Any], ours: list[Any], official: list[Any]) -> list[Any]:
    return [row for row in zip(asked, ours, official, strict=True) if row[1] != row[2]]


def test_ids_equal_the_official_ones(pair: tuple[Vocabulary, dict[str, Any]]) -> None:
    vocabulary, golden = pair
    texts = [row["text"] for row in golden["encode"]]
    assert len(texts) > 60
    ours = [vocabulary.encode(text) for text in texts]
    assert not differences(texts, ours, [row["ids"] for row in golden["encode"]])


@pytest.mark.parametrize("skip_special", [True, False])
def test_texts_equal_the_official_ones(
    pair: tuple[Vocabulary, dict[str, Any]], skip_special: bool
) -> None:
    vocabulary, golden = pair
    rows = [row["ids"] for row in golden["decode"]]
    assert len(rows) > 70
    ours = [vocabulary.decode(ids, skip_special=skip_special) for ids in rows]
    official = [row["text" if skip_special else "with_special"] for row in golden["decode"]]
    assert not differences(rows, ours, official)


def test_special_tokens_have_their_official_numbers() -> None:
    vocabulary = bert_vocabulary()
    numbers = (
        vocabulary.pad_id,
        vocabulary.unknown_id,
        vocabulary.start_id,
        vocabulary.end_id,
        vocabulary.mask_id,
    )
    assert numbers == (0, 100, 101, 102, 103)


def test_a_caption_reads_as_a_person_writes() -> None:
    vocabulary = from_vocabulary(SMALL / "vocab.txt")
    ids = vocabulary.encode("how many stars , and what?")
    assert (
        vocabulary.decode([vocabulary.start_id, *ids, vocabulary.end_id])
        == "how many stars, and what?"
    )


def test_a_prompt_is_the_start_token_and_the_question() -> None:
    vocabulary = from_vocabulary(SMALL / "vocab.txt")
    processor = GitProcessor(ImageProcessor(), vocabulary)
    assert processor.prompt().tolist() == [[vocabulary.start_id]]
    asked = processor.prompt("how many moons?")
    assert asked.tolist() == [[vocabulary.start_id, *vocabulary.encode("how many moons?")]]
    assert vocabulary.end_id not in asked


# ---------------------------------------------------------------- files


def copy_small(folder: Path, **files: str | bytes) -> Path:
    """Put the small vocab.txt and other files into a folder; names come with _ for the dot."""
    shutil.copy(SMALL / "vocab.txt", folder)
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name.replace("_json", ".json").replace("_txt", ".txt")).write_bytes(data)
    return folder


def test_tokenizer_json_comes_before_vocab_txt(tmp_path: Path) -> None:
    copy_small(tmp_path, vocab_txt="[PAD]\n")
    shutil.copy(SMALL / "tokenizer.json", tmp_path)
    assert read_vocabulary(tmp_path).encode("two stars")


def test_padding_and_truncation_of_a_saved_tokenizer_are_switched_off(tmp_path: Path) -> None:
    saved = json.loads((SMALL / "tokenizer.json").read_text(encoding="utf-8"))
    saved["truncation"] = {
        "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0
    }  # fmt: skip
    saved["padding"] = {
        "strategy": {"Fixed": 40}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
    }  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(saved))
    text = "how many stars are there, and what is above the moon?"
    assert len(read_vocabulary(tmp_path).encode(text)) == 13


@pytest.mark.parametrize("end", ["\n", "", "\r\n"])
def test_line_ends_of_the_vocabulary_do_not_matter(tmp_path: Path, end: str) -> None:
    lines = (SMALL / "vocab.txt").read_text(encoding="utf-8").split()
    text = (end or "\n").join(lines) + end
    vocabulary = read_vocabulary(copy_small(tmp_path, vocab_txt=text))
    assert vocabulary.tokenizer.get_vocab_size() == len(lines)
    assert vocabulary.encode("six hearts") == [lines.index("six"), lines.index("hearts")]


@pytest.mark.parametrize(
    ("settings", "same"), [({"do_lower_case": False}, False), ({"do_lower_case": True}, True),
                           ({}, True)]
)  # fmt: skip
def test_capitals_follow_tokenizer_config(tmp_path: Path, settings: dict, same: bool) -> None:
    vocabulary = read_vocabulary(copy_small(tmp_path, tokenizer_config_json=json.dumps(settings)))
    assert (vocabulary.encode("Two") == vocabulary.encode("two")) == same


def test_no_vocabulary_at_all(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"neither tokenizer\.json nor vocab\.txt"):
        read_vocabulary(tmp_path)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"tokenizer_json": "no JSON"}, r"tokenizer\.json is not valid JSON"),
        ({"tokenizer_json": "{}"}, r"tokenizer\.json: model is missing"),
        ({"tokenizer_config_json": "no JSON"}, r"tokenizer_config\.json is not valid JSON"),
        ({"tokenizer_config_json": "[1]"}, r"tokenizer_config\.json"),
        ({"vocab_txt": "a\nb\nc\n"}, r"lacks \[PAD\], \[UNK\], \[CLS\], \[SEP\], \[MASK\]"),
        ({"vocab_txt": "[PAD]\n[UNK]\n[CLS]\n[MASK]\na\n"}, r"lacks \[SEP\]"),
        ({"vocab_txt": ""}, r"lacks \[PAD\]"),
        ({"vocab_txt": b"[PAD]\n\xff\xfe\x80\n"}, r"vocab\.txt is no text"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, files: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_vocabulary(copy_small(tmp_path, **files))
