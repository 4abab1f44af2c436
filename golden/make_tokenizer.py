"""Record what the official tokenizer answers: `golden/tokenizer.json`.

    python golden/make_tokenizer.py    # in an environment with transformers 4.37.2

Each case is files beside `golden/words/vocab.txt`, settings of from_pretrained, attributes set
afterwards, and a call. `tests/huggingface/processing/test_tokenizer_golden.py` asks the same here.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TEXTS = ["how many stars?", "a red fish to the left of the big blue house", "Élan 中文 What"]
NO_LIMIT = 1000000000000000019884624838656
CALLS: list[dict[str, Any]] = [
    {"text": TEXTS[0]},
    {"text": TEXTS, "padding": True},
    {"text": TEXTS[1], "truncation": True, "max_length": 5},
    {"text": TEXTS[1], "max_length": 5},
    {"text": TEXTS, "padding": "max_length", "max_length": 24, "truncation": True},
    {"text": TEXTS, "padding": True, "pad_to_multiple_of": 8},
    {"text": TEXTS[0], "text_pair": TEXTS[1], "return_token_type_ids": True},
    {"text": TEXTS[:2], "text_pair": TEXTS[1:], "truncation": "only_first", "max_length": 30},
    {"text": TEXTS[:2], "text_pair": TEXTS[1:], "truncation": True, "max_length": 9},
    {"text": TEXTS[0], "return_offsets_mapping": True, "return_special_tokens_mask": True},
    {"text": TEXTS[1], "return_length": True, "add_special_tokens": False},
    {"text": TEXTS[1], "truncation": True, "max_length": 6, "stride": 2,
     "return_overflowing_tokens": True, "return_offsets_mapping": True},
    {"text": ["how", "many", "stars"], "is_split_into_words": True},
    {"text": TEXTS[:2], "return_attention_mask": False},
    {"text": "what <new> is [MASK] it"},
]  # fmt: skip
CASES: list[dict[str, Any]] = [
    {},
    {"settings": {"truncation_side": "left", "padding_side": "left"}},
    {"set": {"truncation_side": "left"}},
    {"set": {"pad_token": "[MASK]"}},
    {"set": {"model_max_length": 6}},
    {"files": {"tokenizer_config.json": {"do_lower_case": False}}},
    {"files": {"tokenizer_config.json": {"strip_accents": False}}},
    {"files": {"tokenizer_config.json": {"tokenize_chinese_chars": False}}},
    {"files": {"tokenizer_config.json": {"model_max_length": NO_LIMIT}}},
    {"files": {"added_tokens.json": {"<new>": 149, "stars": 150}}},
    {"files": {"special_tokens_map.json": {"pad_token": "[UNK]"}}},
    {"settings": {"bos_token": "<new>", "additional_special_tokens": ["stars"]}},
    {"settings": {"do_lower_case": False}, "whole": True},
    {"files": {"tokenizer_config.json": {"strip_accents": False, "do_lower_case": False}},
     "whole": True},
    {"files": {"added_tokens.json": {"<new>": 149}}, "whole": True},
]  # fmt: skip


def folder_of(case: dict[str, Any], folder: Path, make_whole: Any) -> None:
    """Lay out the files of a case; `whole` puts a `tokenizer.json` beside them."""
    shutil.copy(HERE / "words" / "vocab.txt", folder / "vocab.txt")
    if case.get("whole"):
        make_whole(folder)
    for name, values in case.get("files", {}).items():
        (folder / name).write_text(json.dumps(values), encoding="utf-8")


def answers_of(tokenizer: Any) -> list[Any]:
    """Ask all calls."""
    found = []
    for call in CALLS:
        encoding = tokenizer(**call)
        found.append({name: encoding[name] for name in encoding})
    return found


def main() -> None:
    """Write the file."""
    from transformers import BertTokenizerFast

    names = ["input_ids", "attention_mask"]

    def make_whole(folder: Path) -> None:
        BertTokenizerFast(str(folder / "vocab.txt")).backend_tokenizer.save(
            str(folder / "tokenizer.json")
        )

    recorded = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as name:
            folder_of(case, Path(name), make_whole)
            tokenizer = BertTokenizerFast.from_pretrained(
                name, model_input_names=names, **case.get("settings", {})
            )
            for attribute, value in case.get("set", {}).items():
                setattr(tokenizer, attribute, value)
            recorded.append(
                {
                    "answers": answers_of(tokenizer),
                    "length": len(tokenizer),
                    "special": tokenizer.special_tokens_map,
                    "decoded": tokenizer.decode(list(range(12)), skip_special_tokens=True),
                }
            )
    text = json.dumps(recorded, separators=(",", ":"))
    (HERE / "tokenizer.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
