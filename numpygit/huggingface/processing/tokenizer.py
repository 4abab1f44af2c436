"""The tokenizer as Hugging Face users know it, around the package `tokenizers`.

Source: transformers 4.37.2, BertTokenizerFast with the settings of the GIT checkpoints: no
token_type_ids, [CLS] before and [SEP] after a text unless `add_special_tokens=False`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError, expect
from ...loading.find import find
from ...loading.hub import WORD_FILES
from ...loading.hub.keywords import sort_keywords
from ...loading.hub.push import check_saving, made_folder, push, push_folder
from ..arguments import whole_numbers
from .encoding import BatchEncoding, check_names, wants_arrays
from .texts.encode import Limits, columns_of, limits_of, padded, set_limits, texts_of
from .texts.plain import encode_plain
from .texts.special_tokens import ADDITIONAL, DEFAULT_TOKENS, SpecialTokens, text_of, texts_in
from .texts.tokenizer_files import SETTINGS, read_tokenizer, write_tokenizer, write_vocabulary
from .vocabulary import Vocabulary, from_vocabulary

Text = str | Sequence[str] | Sequence[Sequence[str]]
WORD_SETTINGS = set(SETTINGS) | set(DEFAULT_TOKENS) | {ADDITIONAL}

TEXT_SETTINGS = {
    "padding", "truncation", "max_length", "add_special_tokens", "is_split_into_words",
    "return_attention_mask", "text_pair", "stride", "pad_to_multiple_of", "return_token_type_ids",
    "return_overflowing_tokens", "return_special_tokens_mask", "return_offsets_mapping",
    "return_length", "verbose", "padding_side", "text_target", "text_pair_target",
}  # fmt: skip


class GitTokenizer(SpecialTokens):
    """Text to token ids and back, for one text or many.

    A call gives input_ids and attention_mask, lists of numbers, or arrays (B, T) with
    `return_tensors="np"`. All settings are attributes and may be set: they hold for the next call
    and are saved.

    Parameters
    ----------
    vocabulary, vocab_file : Vocabulary, str or Path, optional
        The vocabulary, or the path of a `vocab.txt`.
    padding_side, truncation_side : str
        "right" or "left": where padding goes, and where a text is cut.
    model_max_length : int
        The most tokens of a text where a call says no other; beyond 10^20 there is no limit.
    do_lower_case, strip_accents, tokenize_chinese_chars : bool
        How a text is normalised before it is cut into pieces of words.
    name_or_path, model_input_names : str, sequence of str, optional
        Where it came from, and what a call returns.
    clean_up_tokenization_spaces : bool
        Whether `decode` takes spaces before punctuation away.
    **tokens : str
        Special tokens by their names, `pad_token="[PAD]"`, and `additional_special_tokens`.

    Raises
    ------
    UserError
        For no vocabulary, one that is not BERT's, and settings that there are not.

    Examples
    --------
    >>> import numpygit
    >>> tokenizer = numpygit.GitTokenizer.from_pretrained("storybook")
    >>> tokenizer("an orange fish").input_ids
    [2, 80, 127, 136, 3]
    >>> tokenizer.decode([2, 80, 127, 136, 3], skip_special_tokens=True)
    'an orange fish'

    Source: transformers 4.37.2, `BertTokenizerFast`.
    """

    model_input_names: Sequence[str] = ("input_ids", "attention_mask")
    vocab_files_names = {"vocab_file": "vocab.txt", "tokenizer_file": "tokenizer.json"}  # noqa: RUF012
    is_fast = True
    can_save_slow_tokenizer = True
    pad_token_type_id = 0

    def __init__(
        self,
        vocabulary: Vocabulary | str | Path | None = None,
        *,
        vocab_file: str | Path | None = None,
        padding_side: str = "right",
        truncation_side: str = "right",
        model_max_length: int = 512,
        do_lower_case: bool = True,
        name_or_path: str = "",
        model_input_names: Sequence[str] | None = None,
        clean_up_tokenization_spaces: bool = True,
        strip_accents: bool | None = None,
        tokenize_chinese_chars: bool = True,
        **tokens: Any,
    ) -> None:
        check_names(tokens, {*DEFAULT_TOKENS, ADDITIONAL})
        if not isinstance(vocabulary, Vocabulary):
            path = vocab_file or vocabulary
            if path is None:
                raise UserError(
                    "a tokenizer needs words: give vocab_file=, the path of a vocab.txt"
                )
            vocabulary = from_vocabulary(Path(path), lower_case=do_lower_case)
        self.vocabulary = vocabulary
        self.padding_side, self.truncation_side = padding_side, truncation_side
        self.model_max_length, self.name_or_path = model_max_length, name_or_path
        self.do_lower_case, self.strip_accents = do_lower_case, strip_accents
        self.tokenize_chinese_chars = tokenize_chinese_chars
        self.clean_up_tokenization_spaces = clean_up_tokenization_spaces
        if model_input_names is not None:
            self.model_input_names = tuple(model_input_names)
        given = {name: text_of(token) for name, token in tokens.items() if token is not None}
        texts_in(ADDITIONAL, given.get(ADDITIONAL, []))
        self.tokens = {**DEFAULT_TOKENS, ADDITIONAL: [], **given}
        self.place_special_tokens()

    # ---------------------------------------------------------------- files

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path, **settings: Any
    ) -> GitTokenizer:
        """Read the vocabulary and settings of "storybook", a folder, or a model of the Hub.

        `settings`, those of the class, go before those of the files. For the other keywords see
        `numpygit.loading.keywords`.
        """
        where, settings = sort_keywords(settings)
        check_names(settings, WORD_SETTINGS)
        folder = find(pretrained_model_name_or_path, files=WORD_FILES, **where)
        name = str(pretrained_model_name_or_path)
        return cls.from_folder(folder, name_or_path=name, **settings)

    @classmethod
    def from_folder(cls, folder: Path, **settings: Any) -> GitTokenizer:
        """Read the vocabulary and settings of a checkpoint folder; `settings` win."""
        vocabulary, values, added = read_tokenizer(folder, settings)
        made = cls(vocabulary, **values)
        for token, is_special in added:
            made.add_tokens([token], special_tokens=is_special)
        tokens = {*made.added_tokens_encoder, *made.get_vocab()}
        made.add_tokens(
            [t for t in made.all_special_tokens if t not in tokens], special_tokens=True
        )
        return made

    def save_pretrained(
        self,
        save_directory: str | Path,
        legacy_format: bool | None = None,
        filename_prefix: str | None = None,
        push_to_hub: bool = False,
        **keywords: Any,
    ) -> tuple[str, ...]:
        """Write the files of the tokenizer into a folder: -> their paths."""
        check_saving(keywords)
        folder = made_folder(save_directory)
        paths = write_tokenizer(self, folder, prefix=filename_prefix)
        if push_to_hub:
            push_folder(folder, [path.name for path in paths], **keywords)
        return tuple(str(path) for path in paths)

    def save_vocabulary(
        self, save_directory: str | Path, filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        """Write `vocab.txt` alone: -> its path."""
        return (str(write_vocabulary(self, made_folder(save_directory), filename_prefix)),)

    def push_to_hub(self, repo_id: str, **keywords: Any) -> str:
        """Write the files into a repository of the Hugging Face Hub: -> the commit's address."""
        return push(self, repo_id, **keywords)

    # ---------------------------------------------------------------- texts -> ids

    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        text_target: Any = None,
        text_pair_target: Any = None,
        **options: Any,
    ) -> BatchEncoding:
        """Turn texts into input_ids and attention_mask (1 a word, 0 padding).

        A text gives a flat list, a list of texts a list of lists, `return_tensors="np"` arrays
        (B, T). For `options` see `encode_texts`. `text_target` becomes `labels`. Raises UserError
        for texts of unlike length that should become one array, and for what is no text.
        """
        if text is None and text_target is None:
            raise UserError("give text, or text_target")
        check_names(options, TEXT_SETTINGS | {"return_tensors"})
        if text is None:
            return self.encode_texts(text_target, text_pair_target, **options)
        encoding = self.encode_texts(text, text_pair, **options)
        if text_target is not None:
            target = self.encode_texts(text_target, text_pair_target, **options)
            encoding["labels"] = target["input_ids"]
        return encoding

    def encode_texts(
        self, text: Any, text_pair: Any = None, *, add_special_tokens: bool = True,
        padding: Any = False, truncation: Any = None, max_length: int | None = None,
        stride: int = 0, is_split_into_words: bool = False, pad_to_multiple_of: int | None = None,
        return_tensors: object = None, return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None, return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False, return_offsets_mapping: bool = False,
        return_length: bool = False, verbose: bool = True, padding_side: str | None = None,
    ) -> BatchEncoding:  # fmt: skip
        """Turn texts, or pairs of texts, into ids and what else is asked for.

        padding: True or "longest" to the longest text, "max_length"; truncation: True to
        `max_length`, or else to `model_max_length`, "only_first" and "only_second" for pairs.
        With return_overflowing_tokens what was cut off follows as rows, `stride` tokens shared.
        """
        is_split = bool(is_split_into_words)
        is_one, texts = texts_of(text, text_pair, is_split)
        limits = limits_of(
            padding, truncation, max_length, self.model_max_length, stride, pad_to_multiple_of
        )
        names = self.columns(
            token_type_ids=return_token_type_ids,
            attention_mask=return_attention_mask,
            special_tokens_mask=return_special_tokens_mask,
            offset_mapping=return_offsets_mapping,
        )
        encodings = self.encodings_of(
            texts, limits, bool(add_special_tokens), is_split, padding_side
        )
        columns, rows = columns_of(
            encodings, names, overflow=return_overflowing_tokens, length=return_length
        )
        as_arrays = wants_arrays(return_tensors)
        if is_one and not as_arrays and not return_overflowing_tokens:
            columns = {n: c[0] if isinstance(c[0], list) else c for n, c in columns.items()}
        return BatchEncoding(columns, rows, return_tensors if as_arrays else None)

    def columns(self, **asked: bool | None) -> list[str]:
        """List what comes back: what was asked for, or else what the model takes."""
        wanted = ["input_ids"]
        for name, is_wanted in asked.items():
            if is_wanted or (is_wanted is None and name in self.model_input_names):
                wanted.append(name)
        return wanted

    def encodings_of(
        self,
        texts: list[Any],
        limits: Limits,
        add_special_tokens: bool,
        is_split: bool,
        padding_side: str | None,
    ) -> list[Any]:
        """Let the backend encode texts, cut and padded."""
        around = self.num_special_tokens_to_add(pair=False) if add_special_tokens else 0
        is_cut = limits.truncation != "do_not_truncate"
        if is_cut and limits.max_length is not None and limits.max_length < around:
            raise UserError(f"max_length {limits.max_length} has no room for [CLS] and [SEP]")
        side, backend = self.padding_side, self.backend_tokenizer
        if not hasattr(backend, "encode_batch"):
            return list(encode_plain(self, texts, limits, special=add_special_tokens,
                                     is_split=is_split))  # fmt: skip
        try:
            self.padding_side = padding_side or side
            set_limits(self, limits)
            return list(
                backend.encode_batch(
                    texts, add_special_tokens=add_special_tokens, is_pretokenized=is_split
                )
            )
        except UserError:
            raise
        except Exception as error:  # the package raises a bare Exception
            raise UserError(f"these texts cannot be encoded so: {error}") from None
        finally:
            self.padding_side = side
            backend.no_truncation()
            backend.no_padding()

    def encode(self, text: Any, text_pair: Any = None, **options: Any) -> Any:
        """Turn one text, or a pair, into ids."""
        return self(text, text_pair, **options)["input_ids"]

    def encode_plus(self, text: Any, text_pair: Any = None, **options: Any) -> BatchEncoding:
        """Turn one text, or a pair, into ids and masks: an older name of the call."""
        return self(text, text_pair, **options)

    def batch_encode_plus(self, batch_text_or_text_pairs: Any, **options: Any) -> BatchEncoding:
        """Turn a list of texts, or of pairs, into ids and masks: an older name of the call."""
        return self(batch_text_or_text_pairs, **options)

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **options: Any
    ) -> list[str]:
        """Cut one text, or a pair, into tokens."""
        return self(text, pair, add_special_tokens=add_special_tokens, **options).tokens()

    def pad(
        self,
        encoded_inputs: Any,
        padding: Any = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: object = None,
        verbose: bool = True,
        padding_side: str | None = None,
    ) -> BatchEncoding:
        """Pad what the tokenizer returned before: one encoding, or a list of them."""
        rows = encoded_inputs
        if isinstance(rows, list | tuple) and all(isinstance(row, Mapping) for row in rows):
            rows = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
        if not isinstance(rows, Mapping) or "input_ids" not in rows:
            raise UserError("pad takes encodings that hold input_ids, or a list of them")
        rows = {name: np.asarray(v).tolist() if hasattr(v, "__array__") else list(v)
                for name, v in rows.items()}  # fmt: skip
        is_one = bool(rows["input_ids"]) and np.ndim(rows["input_ids"][0]) == 0
        if is_one:
            rows = {name: [value] for name, value in rows.items()}
        limits = limits_of(padding, False, max_length, self.model_max_length, 0, pad_to_multiple_of)
        mask = "attention_mask" in self.model_input_names
        mask = mask if return_attention_mask is None else return_attention_mask
        found = padded(rows, self, limits, mask=mask)
        if is_one and not wants_arrays(return_tensors):
            found = {name: value[0] for name, value in found.items()}
        return BatchEncoding(found, tensor_type=return_tensors)

    # ---------------------------------------------------------------- ids -> texts

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        spaces_between_special_tokens: bool = True,
        use_source_tokenizer: bool = False,
    ) -> str:
        """Turn ids into text; spaces before punctuation are taken away.

        The last two keywords belong to tokenizers of other models: they change nothing.
        """
        ids = whole_numbers("token_ids", np.atleast_1d(token_ids), axes=1).tolist()
        if min(ids, default=0) < 0:
            raise UserError(f"token_ids hold {min(ids)}; ids are counted from 0")
        expect("skip_special_tokens", skip_special_tokens, (bool, np.bool_), "True or False")
        clean = clean_up_tokenization_spaces
        clean = self.clean_up_tokenization_spaces if clean is None else clean
        if clean:
            return self.vocabulary.decode(ids, skip_special=skip_special_tokens)
        text = self.backend_tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)
        return str(text)

    def prepare_for_model(
        self, ids: Sequence[int], pair_ids: Sequence[int] | None = None, **options: Any
    ) -> BatchEncoding:
        """Put special tokens around ids, cut them and pad them: the options of a call."""
        special = options.pop("add_special_tokens", True)
        axis = options.pop("prepend_batch_axis", False)
        tensors, asked = options.pop("return_tensors", None), options.pop("truncation", None)
        length, padding = options.pop("max_length", None), options.pop("padding", False)
        multiple = options.pop("pad_to_multiple_of", None)
        if any(value for value in options.values()):
            raise UserError(f"prepare_for_model has no {', '.join(sorted(options))} here; call the "
                            "tokenizer with the text")  # fmt: skip
        limits = limits_of(padding, asked, length, self.model_max_length, 0, multiple)
        ids = whole_numbers("ids", ids, axes=1).tolist()
        if pair_ids is not None:
            pair_ids = whole_numbers("pair_ids", pair_ids, axes=1).tolist()
        if limits.truncation != "do_not_truncate" and pair_ids is not None:
            raise UserError("pairs of ids are not cut here; call the tokenizer with the texts")
        room = (limits.max_length or 0) - (2 if special else 0)
        kept = list(ids)[:room] if limits.truncation != "do_not_truncate" else list(ids)
        whole = [*kept, *(pair_ids or ())]
        if special:
            whole = self.build_inputs_with_special_tokens(kept, pair_ids)
        row = self.pad({"input_ids": whole}, padding=limits.padding, max_length=limits.max_length)
        return BatchEncoding(dict(row), tensor_type=tensors, prepend_batch_axis=axis)

    def batch_decode(self, sequences: Any, *args: Any, **options: Any) -> list[str]:
        """Turn rows of ids into texts; see `decode`."""
        if not hasattr(sequences, "__array__"):
            expect("sequences", sequences, (list, tuple), "rows of token ids")
        return [self.decode(row, *args, **options) for row in sequences]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name_or_path={self.name_or_path!r}, vocab_size="
            f"{self.vocab_size}, model_max_length={self.model_max_length}, padding_side="
            f"{self.padding_side!r}, truncation_side={self.truncation_side!r}, special_tokens="
            f"{self.special_tokens_map})"
        )
