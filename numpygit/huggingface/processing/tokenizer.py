"""The tokenizer as Hugging Face users know it, around `words.py`.

Source: transformers 4.37.2, BertTokenizerFast with the settings of the GIT checkpoints: no
token_type_ids, [CLS] before and [SEP] after a text unless `add_special_tokens=False`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import loading
from ...errors import UserError
from .encoding import BatchEncoding, check_names, wants_arrays
from .vocabulary import SPECIAL, Words, read_words
from .wordpiece import WordPiece

WORD_SETTINGS = {"padding_side", "model_max_length"}

Text = str | Sequence[str] | Sequence[Sequence[str]]


class GitTokenizer:
    """Text to token ids and back, for one text or many."""

    model_input_names = ("input_ids", "attention_mask")
    pad_token, unk_token, cls_token, sep_token, mask_token = SPECIAL

    def __init__(
        self, words: Words, *, padding_side: str = "right", model_max_length: int = 512
    ) -> None:
        self.words = words
        self.padding_side = padding_side
        self.truncation_side = "right"
        self.model_max_length = model_max_length
        self.pad_token_id, self.unk_token_id = words.pad_id, words.unknown_id
        self.cls_token_id, self.sep_token_id = words.start_id, words.end_id
        self.mask_token_id = words.mask_id

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        local_files_only: bool = False,
        **settings: Any,
    ) -> GitTokenizer:
        """Read the vocabulary and settings of "storybook", a folder, or a model of the Hub.

        `settings`, padding_side and model_max_length, go before those of the files.
        """
        check_names(settings, WORD_SETTINGS)
        folder = loading.find(
            name,
            revision=revision,
            local_files_only=local_files_only,
            files=loading.WORD_FILES,
        )
        return cls.from_folder(folder, **settings)

    @classmethod
    def from_folder(cls, folder: Path, **settings: Any) -> GitTokenizer:
        """Read the vocabulary and settings of a checkpoint folder; `settings` win."""
        path = folder / "tokenizer_config.json"
        values = {**(loading.read_json(path) if path.is_file() else {}), **settings}
        length = values.get("model_max_length")
        return cls(
            read_words(folder),
            padding_side=str(values.get("padding_side", "right")),
            model_max_length=length if isinstance(length, int) else 512,
        )

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write the files of the tokenizer into a folder: transformers reads them too.

        `tokenizer.json` is the format of the package `tokenizers`, and needs it; without it the
        folder has `vocab.txt`, which says the same.
        """
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        if not isinstance(self.words.tokenizer, WordPiece):
            with_specials(self.words).save(str(folder / "tokenizer.json"))
        ids = self.get_vocab()
        lines = "".join(f"{token}\n" for token in sorted(ids, key=lambda token: ids[token]))
        (folder / "vocab.txt").write_text(lines, encoding="utf-8")
        names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
        special = dict(zip(names, SPECIAL, strict=True))
        settings = {
            **special,
            "tokenizer_class": "BertTokenizer",
            "model_max_length": self.model_max_length,
            "padding_side": self.padding_side,
            "do_lower_case": self.words.encode("A") == self.words.encode("a"),
            "model_input_names": list(self.model_input_names),
        }
        for name, values in (
            ("special_tokens_map.json", special),
            ("tokenizer_config.json", settings),
        ):
            (folder / name).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    def __call__(
        self,
        text: Text,
        *,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        add_special_tokens: bool = True,
        is_split_into_words: bool = False,
        return_attention_mask: bool = True,
        return_tensors: str | None = None,
    ) -> BatchEncoding:
        """Turn texts into input_ids and attention_mask (1 a word, 0 padding).

        A text gives a flat list, a list of texts a list of lists, `return_tensors="np"` arrays
        (B, T). padding: True or "longest" to the longest text, "max_length"; truncation: True to
        `max_length`, or else to the 512 of the tokenizer. Raises UserError for texts of unlike
        length that should become one array, and for what is no text.
        """
        as_arrays = wants_arrays(return_tensors)
        is_one, texts = self.as_list(text, is_split_into_words)
        rows = [self.encode_one(t, is_split_into_words) for t in texts]
        length = self.truncated_length(padding, truncation, max_length)
        around = 2 if add_special_tokens else 0
        if length is not None:
            if length < around:
                raise UserError(f"max_length {length} has no room for [CLS] and [SEP]")
            rows = [row[: length - around] for row in rows]
        if add_special_tokens:
            rows = [[self.cls_token_id, *row, self.sep_token_id] for row in rows]
        padded, masks = self.pad_rows(rows, padding, max_length)
        if as_arrays:
            encoding = arrays_of(padded, masks)
        elif is_one:
            encoding = BatchEncoding(input_ids=padded[0], attention_mask=masks[0])
        else:
            encoding = BatchEncoding(input_ids=padded, attention_mask=masks)
        if not return_attention_mask:
            del encoding["attention_mask"]
        return encoding

    def as_list(self, text: Text, is_split: bool) -> tuple[bool, list[Any]]:
        """Tell one text from several: -> whether it is one, and the list of texts."""
        is_one = isinstance(text, str)
        if is_split:
            is_one = isinstance(text, list | tuple) and all(isinstance(t, str) for t in text)
        texts = list(text) if isinstance(text, list | tuple) and not is_one else [text]
        wanted = "lists of words" if is_split else "strings"
        for each in texts:
            fine = isinstance(each, list | tuple) if is_split else isinstance(each, str)
            if not fine or (is_split and not all(isinstance(word, str) for word in each)):
                raise UserError(
                    f"text must be {wanted}; got {type(each).__name__}. For texts that are lists "
                    "of words pass is_split_into_words=True, for others strings"
                )
        return is_one, texts

    def encode_one(self, text: Any, is_split: bool) -> list[int]:
        """Turn one text, or its words, into ids without special tokens."""
        given = list(text) if is_split else text
        encoded = self.words.tokenizer.encode(
            given, is_pretokenized=is_split, add_special_tokens=False
        )
        return list(encoded.ids)

    def truncated_length(
        self, padding: bool | str, truncation: bool | str | None, max_length: int | None
    ) -> int | None:
        """Decide the most tokens of a text; None for any number."""
        if truncation in (False, "do_not_truncate") or (truncation is None and max_length is None):
            return None
        if truncation is None and padding is not False:
            return None  # max_length is then meant for the padding
        if truncation not in (None, True, "longest_first", "only_first"):
            raise UserError(f"truncation={truncation!r} is not known; pass True or False")
        return self.model_max_length if max_length is None else max_length

    def pad_rows(
        self, rows: list[list[int]], padding: bool | str, max_length: int | None
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Fill rows up with the pad token on `padding_side`, and say which places are words."""
        if padding in (False, "do_not_pad"):
            length = 0
        elif padding in (True, "longest"):
            length = max(len(row) for row in rows)
        elif padding == "max_length":
            length = self.model_max_length if max_length is None else max_length
        else:
            raise UserError(f"padding={padding!r} is not known; pass True, False or 'max_length'")
        padded, masks = [], []
        for row in rows:
            more = [0] * max(0, length - len(row))
            fill, words = [self.pad_token_id] * len(more), [1] * len(row)
            on_the_left = self.padding_side == "left"
            padded.append(fill + row if on_the_left else row + fill)
            masks.append(more + words if on_the_left else words + more)
        return padded, masks

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Turn one text into ids."""
        ids = self(text, add_special_tokens=add_special_tokens).input_ids
        return list(ids)

    def tokenize(self, text: str) -> list[str]:
        """Cut one text into tokens, without special ones."""
        return self.convert_ids_to_tokens(self.words.encode(text))

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool = True,
    ) -> str:
        """Turn ids into text; spaces before punctuation are taken away."""
        ids = [int(i) for i in np.atleast_1d(np.asarray(token_ids))]
        if clean_up_tokenization_spaces:
            return self.words.decode(ids, skip_special=skip_special_tokens)
        text = self.words.tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)
        return str(text)

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool = True,
    ) -> list[str]:
        """Turn rows of ids into texts."""
        return [self.decode(row, skip_special_tokens, clean_up_tokenization_spaces)
                for row in sequences]  # fmt: skip

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """Look up tokens; what is not in the vocabulary is [UNK]."""
        if isinstance(tokens, str):
            found = self.words.tokenizer.token_to_id(tokens)
            return self.unk_token_id if found is None else found
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: Any) -> Any:
        """Look up ids."""
        if np.ndim(ids) == 0:
            return self.words.tokenizer.id_to_token(int(ids))
        return [self.convert_ids_to_tokens(i) for i in ids]

    def get_vocab(self) -> dict[str, int]:
        """List the vocabulary: token -> id."""
        return dict(self.words.tokenizer.get_vocab())

    @property
    def vocab_size(self) -> int:
        """Count the tokens."""
        return len(self.get_vocab())

    def __len__(self) -> int:
        return self.vocab_size

    @property
    def all_special_tokens(self) -> list[str]:
        """List the tokens that are no words."""
        return list(SPECIAL)

    @property
    def all_special_ids(self) -> list[int]:
        """List the ids of the tokens that are no words."""
        return [self.convert_tokens_to_ids(token) for token in SPECIAL]


def arrays_of(padded: list[list[int]], masks: list[list[int]]) -> BatchEncoding:
    """Make arrays (B, T) of ids and masks; raises UserError for rows of unlike length."""
    check_lengths(padded)
    ids = np.array(padded, np.int64).reshape(len(padded), -1)
    return BatchEncoding(
        input_ids=ids, attention_mask=np.array(masks, np.int64).reshape(len(padded), -1)
    )


def with_specials(words: Words) -> Any:
    """Copy the tokenizer and tell the copy where [CLS] and [SEP] go, as official files do."""
    from tokenizers import Tokenizer, processors

    original: Any = words.tokenizer
    copy = Tokenizer.from_str(original.to_str())
    copy.post_processor = processors.BertProcessing(
        ("[SEP]", words.end_id), ("[CLS]", words.start_id)
    )
    return copy


def check_lengths(rows: list[list[int]]) -> None:
    """Refuse to make one array of texts of unlike length."""
    lengths = sorted({len(row) for row in rows})
    if len(lengths) > 1:
        raise UserError(
            f"texts of {lengths[0]} to {lengths[-1]} tokens make no array; pass padding=True, "
            "and truncation=True if they may be cut"
        )
