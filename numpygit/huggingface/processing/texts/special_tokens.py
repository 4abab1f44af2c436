"""The vocabulary of a tokenizer, its special tokens, and looking things up in both.

Special tokens lie in one dict: `tokenizer.pad_token = "[MASK]"` changes what `pad_token_id` says,
what padding is filled with, and what is saved.
Source of names: transformers 4.37.2, `SpecialTokensMixin` and PreTrainedTokenizerFast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....errors import UserError, expect, shown
from ...arguments import whole_numbers
from ..vocabulary import CLEAN_UP, Vocabulary

DEFAULT_TOKENS: dict[str, str | None] = {
    "bos_token": None, "eos_token": None, "unk_token": "[UNK]", "sep_token": "[SEP]",
    "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
}  # fmt: skip
ADDITIONAL = "additional_special_tokens"
ABSENT = {
    "train_new_from_iterator": "trains no vocabulary: use the package tokenizers, and save the "
    "result as tokenizer.json",
    "apply_chat_template": "knows no chats: GIT continues one text; pass it as text",
    "get_chat_template": "knows no chats: GIT continues one text; pass it as text",
    "default_chat_template": "knows no chats: GIT continues one text; pass it as text",
    "chat_template": "knows no chats: GIT continues one text; pass it as text",
    "encode_message_with_chat_template": "knows no chats: GIT continues one text",
    "save_chat_templates": "knows no chats: GIT continues one text",
    "parse_response": "knows no chats: GIT continues one text",
    "get_response_parser": "knows no chats: GIT continues one text",
    "prepare_seq2seq_batch": "prepares texts by being called: tokenizer(text, text_target=...)",
    "as_target_tokenizer": "prepares texts by being called: tokenizer(text_target=...)",
    "slow_tokenizer_class": "has one tokenizer, which runs in the package tokenizers",
    "register_for_auto_class": "has no registry of classes; leave this out",
    "convert_to_native_format": "has one format; leave this out",
    "set_truncation_and_padding": "is told in each call: padding=, truncation=, max_length=",
    "truncate_sequences": "cuts texts when it is called: truncation=, max_length=",
    "update_post_processor": "places [CLS] and [SEP] by itself when they are set",
    "convert_added_tokens": "reads added tokens from files by itself",
    "max_model_input_sizes": "says the most tokens of a text as model_max_length",
    "pretrained_vocab_files_map": "reads the files of a folder or of the Hub by their names",
    "pretrained_init_configuration": "reads its settings from tokenizer_config.json",
    "model": "keeps its vocabulary in backend_tokenizer",
    "add_bos_token": "puts [CLS] before a text and [SEP] after it: add_special_tokens=False leaves "
    "both out",
    "add_eos_token": "puts [CLS] before a text and [SEP] after it: add_special_tokens=False leaves "
    "both out",
}


class SpecialTokens:
    """Tokens and their ids, special tokens among them; the base of GitTokenizer."""

    vocabulary: Vocabulary
    model_max_length: int
    tokens: dict[str, Any]
    SPECIAL_TOKENS_ATTRIBUTES = (*DEFAULT_TOKENS, ADDITIONAL)

    def __getattr__(self, name: str) -> Any:
        tokens = self.__dict__.get("tokens", {})
        if name in tokens:
            return tokens[name]
        if name.removesuffix("_id") in tokens:
            token = tokens[name.removesuffix("_id")]
            return None if token is None else self.convert_tokens_to_ids(token)
        if name in ABSENT:
            raise AttributeError(f"{type(self).__name__} has no {name}: it {ABSENT[name]}")
        raise AttributeError(
            f"{type(self).__name__} has no {name!r}: docs/coming-from-transformers.md lists what "
            "differs"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if name.removesuffix("_id") in self.__dict__.get("tokens", {}):
            if name.endswith("_id"):
                name, value = name.removesuffix("_id"), self.convert_ids_to_tokens(value)
            self.tokens[name] = text_of(value)
            self.place_special_tokens()
        else:
            object.__setattr__(self, name, value)

    @staticmethod
    def clean_up_tokenization(out_string: str) -> str:
        """Take spaces before punctuation away."""
        expect("out_string", out_string, str, "a text")
        for spaced, clean in CLEAN_UP:
            out_string = out_string.replace(spaced, clean)
        return out_string

    @property
    def max_len_single_sentence(self) -> int:
        """The most tokens of a text, special ones left out."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=False)

    @property
    def max_len_sentences_pair(self) -> int:
        """The most tokens of a pair of texts, special ones left out."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=True)

    @property
    def decoder(self) -> Any:
        """The backend's decoder."""
        return self.backend_tokenizer.decoder

    @property
    def backend_tokenizer(self) -> Any:
        """The tokenizer of the package `tokenizers`, or the small one in its place."""
        return self.vocabulary.tokenizer

    def place_special_tokens(self) -> None:
        """Tell the backend where [CLS] and [SEP] go: before, between and after texts."""
        backend = self.backend_tokenizer
        if not is_whole(backend):
            return
        from tokenizers.processors import TemplateProcessing

        cls, sep = str(self.cls_token), str(self.sep_token)
        backend.post_processor = TemplateProcessing(
            single=f"{cls} $A {sep}",
            pair=f"{cls} $A {sep} $B:1 {sep}:1",
            special_tokens=[(cls, self.cls_token_id), (sep, self.sep_token_id)],
        )

    # ---------------------------------------------------------------- tokens and ids

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """Look up one token or several; what is not in the vocabulary is [UNK]."""
        if tokens is None:
            return None
        if not isinstance(tokens, str) and not hasattr(tokens, "content"):
            return [self.convert_tokens_to_ids(token) for token in texts_in("tokens", tokens)]
        found = self.backend_tokenizer.token_to_id(text_of(tokens))
        return self.vocabulary.unknown_id if found is None else found

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """Look up one id or several."""
        ids = whole_numbers("ids", ids)
        ids = ids if ids.ndim == 0 else whole_numbers("ids", ids, axes=1)
        if ids.min(initial=0) < 0:
            raise UserError(f"ids hold {ids.min()}; they are counted from 0")
        if np.ndim(ids) == 0:
            return self.backend_tokenizer.id_to_token(int(ids))
        special = set(self.all_special_ids) if skip_special_tokens else set()
        return [self.backend_tokenizer.id_to_token(int(i)) for i in ids if int(i) not in special]

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Put pieces of words together."""
        return str(self.backend_tokenizer.decoder.decode(texts_in("tokens", tokens)))

    def get_vocab(self) -> dict[str, int]:
        """List the vocabulary, added tokens included: token -> id."""
        return dict(self.backend_tokenizer.get_vocab())

    vocab = property(get_vocab)

    def get_added_vocab(self) -> dict[str, int]:
        """List special and added tokens: token -> id."""
        return {token.content: i for i, token in sorted(self.added_tokens_decoder.items())}

    added_tokens_encoder = property(get_added_vocab)

    @property
    def added_tokens_decoder(self) -> dict[int, Any]:
        """Special and added tokens by their ids."""
        backend = self.backend_tokenizer
        return dict(backend.get_added_tokens_decoder()) if is_whole(backend) else {}

    @property
    def vocab_size(self) -> int:
        """Count the tokens, added ones left out."""
        backend = self.backend_tokenizer
        if not is_whole(backend):
            return int(backend.get_vocab_size())
        return int(backend.get_vocab_size(with_added_tokens=False))

    def __len__(self) -> int:
        return int(self.backend_tokenizer.get_vocab_size())

    # ---------------------------------------------------------------- special tokens

    @property
    def special_tokens_map(self) -> dict[str, Any]:
        """Special tokens by their names, those that there are."""
        return {name: token for name, token in self.tokens.items() if token}

    special_tokens_map_extended = special_tokens_map

    @property
    def all_special_tokens(self) -> list[str]:
        """List the tokens that are no words."""
        named = [token for name, token in self.tokens.items() if token and name != ADDITIONAL]
        return list(dict.fromkeys([*named, *self.tokens[ADDITIONAL]]))

    all_special_tokens_extended = all_special_tokens

    @property
    def all_special_ids(self) -> list[int]:
        """List the ids of the tokens that are no words."""
        return [self.convert_tokens_to_ids(token) for token in self.all_special_tokens]

    @property
    def additional_special_tokens_ids(self) -> list[int]:
        """List the ids of special tokens that have no name."""
        return [self.convert_tokens_to_ids(token) for token in self.tokens[ADDITIONAL]]

    def add_tokens(self, new_tokens: Any, special_tokens: bool = False) -> int:
        """Add tokens that the vocabulary lacks: -> how many. Then `resize_token_embeddings`."""
        is_one = isinstance(new_tokens, str) or hasattr(new_tokens, "content")
        given = [new_tokens] if is_one else [] if new_tokens is None else new_tokens
        given = texts_in("new_tokens", given, any_kind=True)
        if not given:
            return 0
        texts_in("new_tokens", [text_of(token) for token in given])
        if not is_whole(self.backend_tokenizer):
            raise UserError("adding tokens needs the package tokenizers: pip install tokenizers")
        add = self.backend_tokenizer.add_tokens
        if special_tokens:
            add = self.backend_tokenizer.add_special_tokens
        return int(add(given))

    def add_special_tokens(
        self,
        special_tokens_dict: Mapping[str, Any],
        replace_additional_special_tokens: bool = True,
        replace_extra_special_tokens: bool | None = None,
    ) -> int:
        """Name special tokens, and add those that the vocabulary lacks: -> how many."""
        if replace_extra_special_tokens is not None:  # the name in transformers 5
            replace_additional_special_tokens = replace_extra_special_tokens
        expect("special_tokens_dict", special_tokens_dict, Mapping, "a dict of tokens by names")
        added = 0
        for name, value in special_tokens_dict.items():
            if name not in self.tokens:
                raise UserError(f"there is no special token {name!r}; there are: "
                                f"{', '.join(self.tokens)}")  # fmt: skip
            several = [text_of(v) for v in value] if name == ADDITIONAL else [text_of(value)]
            added += self.add_tokens(several, special_tokens=True)
            if name != ADDITIONAL:
                setattr(self, name, value)
            elif replace_additional_special_tokens:
                self.tokens[name] = several
            else:
                self.tokens[name] = list(dict.fromkeys([*self.tokens[name], *several]))
        return added

    def sanitize_special_tokens(self) -> int:
        """Add special tokens that the vocabulary lacks: -> how many."""
        return self.add_tokens(self.all_special_tokens, special_tokens=True)

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Count the special tokens around a text, or around a pair."""
        return 3 if pair else 2

    def build_inputs_with_special_tokens(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """Put [CLS] and [SEP] around the ids of a text, or of a pair."""
        first, second = ids_of(token_ids_0), ids_of(token_ids_1)
        ids = [self.cls_token_id, *first, self.sep_token_id]
        return ids if token_ids_1 is None else [*ids, *second, self.sep_token_id]

    def create_token_type_ids_from_sequences(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """Tell the texts of a pair apart: 0 for [CLS] A [SEP], 1 for B [SEP]."""
        first = [0] * (len(ids_of(token_ids_0)) + 2)
        return first if token_ids_1 is None else [*first, *[1] * (len(ids_of(token_ids_1)) + 1)]

    def get_special_tokens_mask(
        self,
        token_ids_0: Sequence[int],
        token_ids_1: Sequence[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """Mark special tokens with 1, among ids that have them already."""
        if not already_has_special_tokens or token_ids_1 is not None:
            raise UserError(
                "get_special_tokens_mask reads finished ids: pass already_has_special_tokens=True, "
                "or call the tokenizer with return_special_tokens_mask=True"
            )
        special = set(self.all_special_ids)
        return [int(int(i) in special) for i in token_ids_0]


def is_whole(backend: Any) -> bool:
    """Tell the tokenizer of the package `tokenizers` from the small one in its place."""
    return hasattr(backend, "encode_batch")


def texts_in(name: str, given: Any, *, any_kind: bool = False) -> list[Any]:
    """List texts, or with `any_kind` what stands for them. Raises UserError for other things."""
    fine = isinstance(given, list | tuple) or hasattr(given, "__array__")
    if not fine or not (any_kind or all(isinstance(each, str) for each in given)):
        raise UserError(f"{name} is {shown(repr(given), 60)}, expected a list of tokens")
    return list(given)


def text_of(token: Any) -> Any:
    """Take a token as files and users write it: a text, a dict or an object with its `content`."""
    if isinstance(token, Mapping):
        return token.get("content")
    if isinstance(token, list | tuple):
        return [text_of(each) for each in token]
    return getattr(token, "content", token)


def ids_of(given: Any) -> list[int]:
    """List token ids. Raises UserError for what is no row of whole numbers; None is none."""
    found: list[int] = [] if given is None else whole_numbers("token ids", given, axes=1).tolist()
    return found
