"""The tokenizer answers as transformers 4.37.2 did: golden/make_tokenizer.py.

Checks huggingface/processing/tokenizer.py, huggingface/processing/texts/encode.py,
huggingface/processing/texts/special_tokens.py, huggingface/processing/texts/tokenizer_files.py.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numpygit import BertTokenizerFast, GitTokenizer, UserError

ROOT = Path(__file__).parents[3] / "golden"
spec = importlib.util.spec_from_file_location("make_tokenizer", ROOT / "make_tokenizer.py")
ASKED: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ASKED)
GOLDEN = json.loads((ROOT / "tokenizer.json").read_text(encoding="utf-8"))


def make_whole(folder: Path) -> None:
    """Write a tokenizer.json as 4.37.2 has it."""
    tokenizer = GitTokenizer(folder / "vocab.txt")
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))


@pytest.mark.parametrize("number", range(len(ASKED.CASES)))
def test_the_answers_are_the_official_ones(number: int, tmp_path: Path) -> None:
    case, expected = ASKED.CASES[number], GOLDEN[number]
    ASKED.folder_of(case, tmp_path, make_whole)
    tokenizer = BertTokenizerFast.from_pretrained(tmp_path, **case.get("settings", {}))
    for attribute, value in case.get("set", {}).items():
        setattr(tokenizer, attribute, value)
    for call, wanted in zip(ASKED.CALLS, expected["answers"], strict=True):
        found = tokenizer(**call)
        assert json.loads(json.dumps(dict(found))) == wanted, call
    assert len(tokenizer) == expected["length"]
    special = {n: t for n, t in tokenizer.special_tokens_map.items() if t}
    assert special == expected["special"]
    if "special_tokens_map.json" not in case.get(
        "files", {}
    ):  # there 4.37.2 says "[PAD]" as a word
        assert tokenizer.decode(range(12), skip_special_tokens=True) == expected["decoded"]
    again = GitTokenizer.from_pretrained(saved(tokenizer, tmp_path / "saved"))
    for call in ASKED.CALLS:
        assert dict(again(**call)) == dict(tokenizer(**call)), call


def saved(tokenizer: GitTokenizer, folder: Path) -> Path:
    paths = tokenizer.save_pretrained(folder)
    assert [Path(path).name for path in paths][:2] == [
        "tokenizer_config.json", "special_tokens_map.json"]  # fmt: skip
    return folder


def test_tokens_are_added_and_looked_up() -> None:
    tokenizer = GitTokenizer(vocab_file=ROOT / "words" / "vocab.txt")
    assert tokenizer.add_tokens(["<x>"]) == 1
    assert tokenizer.add_special_tokens({"pad_token": "<pad>"}) == 1
    assert (len(tokenizer), tokenizer.vocab_size) == (151, 149)
    assert tokenizer.pad_token_id == 150 == tokenizer.convert_tokens_to_ids("<pad>")
    assert tokenizer(["<x>", "a fish"], padding=True).input_ids[0][-1] == 150
    assert tokenizer.get_added_vocab()["<x>"] == 149
    assert tokenizer.convert_ids_to_tokens([2, 149], skip_special_tokens=True) == ["<x>"]
    ids = tokenizer("a fish").input_ids
    assert tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True) == [
        1, *[0] * (len(ids) - 2), 1]  # fmt: skip
    assert tokenizer.build_inputs_with_special_tokens(ids[1:-1]) == ids
    assert tokenizer.num_special_tokens_to_add(pair=True) == 3
    assert (tokenizer.bos_token, tokenizer.bos_token_id) == (None, None)
    with pytest.raises(UserError, match="no special token 'end_token'"):
        tokenizer.add_special_tokens({"end_token": "x"})
    with pytest.raises(
        AttributeError, match="GitTokenizer has no train_new_from_iterator: it trains"
    ):
        tokenizer.train_new_from_iterator([])


def test_what_was_encoded_before_is_padded() -> None:
    tokenizer = GitTokenizer(vocab_file=ROOT / "words" / "vocab.txt")
    rows = [tokenizer("a fish"), tokenizer("how many stars?")]
    padded = tokenizer.pad(rows, return_tensors="np")
    whole = tokenizer(["a fish", "how many stars?"], padding=True, return_tensors="np")
    for name in whole:
        np.testing.assert_array_equal(padded[name], whole[name])
    length = len(rows[0].input_ids) + 2
    prepared = tokenizer.prepare_for_model(
        rows[0].input_ids[1:-1], padding="max_length", max_length=length
    )
    assert prepared.input_ids == [*rows[0].input_ids, 0, 0]


def test_an_encoding_knows_its_words_and_characters() -> None:
    tokenizer = GitTokenizer(vocab_file=ROOT / "words" / "vocab.txt")
    found = tokenizer(["a red fish", "how many"], return_tensors="np", padding=True)
    assert found.tokens(1)[:3] == ["[CLS]", "how", "many"]
    assert found.word_ids()[:4] == [None, 0, 1, 2]
    assert (found.char_to_token(2), found.token_to_chars(2), found.is_fast) == (2, (2, 5), True)
    assert found[1].ids == found.input_ids[1].tolist()
    assert found.to("cpu") is found
    assert found.data["input_ids"] is found.input_ids
    with pytest.raises(UserError, match="runs on the CPU"):
        found.to("cuda")
    assert found.convert_to_tensors("np").input_ids.shape == found.input_ids.shape
