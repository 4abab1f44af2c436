"""What processors and tokenizers return: a dict whose entries are attributes too.

Source of names: transformers 4.37.2, `tokenization_utils_base.py` (BatchEncoding) and
`feature_extraction_utils.py` (BatchFeature).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import UserError, expect

CPU = ("cpu", "auto")
WARNED: set[str] = set()  # what was warned of already, in this process


class PtArray(np.ndarray):
    """What "pt" gives: an array with the few methods of a tensor that notebooks call."""

    def to(self, *targets: Any, **more: Any) -> PtArray:
        """Return the array: it is on the CPU. Raises UserError for another device or dtype."""
        stay_on_cpu(*targets, **more)
        return self

    def cpu(self) -> PtArray:
        """Return the array."""
        return self

    detach = cpu

    def numpy(self) -> Any:
        """Return a plain array."""
        return self.view(np.ndarray)

    def squeeze(self, *axes: Any, **more: Any) -> Any:
        """Leave axes of length 1 out: a plain array, which a DataLoader takes."""
        return self.numpy().squeeze(*axes, **more)

    def unsqueeze(self, dim: int) -> Any:
        """Add an axis of length 1."""
        return np.expand_dims(self, dim)


class BatchFeature(dict[str, Any]):
    """Named arrays: `inputs["pixel_values"]`, `inputs.pixel_values`, `model(**inputs)`."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        tensor_type: object = None,
        **entries: Any,
    ) -> None:
        super().__init__({**(data or {}), **entries})
        self.convert_to_tensors(tensor_type)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self:
            raise AttributeError(f"there is no {name!r} here; there is: {', '.join(self)}")
        return self[name]

    @property
    def data(self) -> dict[str, Any]:
        """The entries themselves."""
        return self

    def to(self, *targets: Any, **more: Any) -> Any:
        """Return the same entries: everything is on the CPU already.

        Raises UserError for another device, and for a dtype other than float32.
        """
        stay_on_cpu(*targets, **more)
        return self

    def convert_to_tensors(
        self,
        tensor_type: object = None,
        prepend_batch_axis: bool = False,
        skip_tensor_conversion: Sequence[str] | None = None,
    ) -> Any:
        """Make arrays of the entries, with one more axis in front if asked."""
        if not wants_arrays(tensor_type):
            return self
        for name, value in self.items():
            if name in (skip_tensor_conversion or ()):
                continue
            self[name] = array_of(name, [value] if prepend_batch_axis else value)
            if kind_of(tensor_type) == "pt":
                self[name] = self[name].view(PtArray)
        return self


class BatchEncoding(BatchFeature):
    """Token ids and what belongs to them; of a `tokenizers` Encoding for each text as well.

        inputs.input_ids, inputs.tokens(), inputs.word_ids(1), inputs.char_to_token(4), inputs[0]

    Characters, words and tokens are counted from 0; with one position given instead of two it is
    that of the first text.
    """

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        encoding: Any = None,
        tensor_type: object = None,
        prepend_batch_axis: bool = False,
        n_sequences: int | None = None,
        **entries: Any,
    ) -> None:
        super().__init__(data, **entries)
        one = encoding is not None and not isinstance(encoding, Sequence)
        self.__dict__["_encodings"] = [encoding] if one else list(encoding or ())
        self.__dict__["_n_sequences"] = n_sequences
        self.convert_to_tensors(tensor_type, prepend_batch_axis)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int):
            return self.of(key)
        if isinstance(key, slice):
            return {name: value[key] for name, value in self.items()}
        return super().__getitem__(key)

    @property
    def encodings(self) -> list[Any] | None:
        """The `tokenizers` Encoding of each text, None where there is none."""
        return self.__dict__["_encodings"] or None

    @property
    def is_fast(self) -> bool:
        """Whether there is an Encoding to ask."""
        return bool(self.__dict__["_encodings"])

    @property
    def n_sequences(self) -> int | None:
        """How many texts went into each row: 1, or 2 for pairs."""
        given: int | None = self.__dict__["_n_sequences"]
        return self.of(0).n_sequences if given is None and self.is_fast else given

    def of(self, batch_index: int) -> Any:
        """Return the Encoding of one text. Raises UserError, a ValueError, without one."""
        encodings = self.__dict__["_encodings"]
        if not encodings:
            raise UserError(
                "this encoding knows ids only; tokens, words and characters come with what the "
                "tokenizer returns, when the package tokenizers is installed"
            )
        expect("batch_index", batch_index, (int, np.integer), "a whole number")
        if not -len(encodings) <= batch_index < len(encodings):
            raise UserError(f"there is no text {batch_index}: there are {len(encodings)}")
        return encodings[batch_index]

    def tokens(self, batch_index: int = 0) -> list[str]:
        """List the tokens of a text."""
        return list(self.of(batch_index).tokens)

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """Tell which of a pair each token is from, None for special tokens."""
        return list(self.of(batch_index).sequence_ids)

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """Tell which word each token is a piece of, None for special tokens."""
        return list(self.of(batch_index).word_ids)

    words = word_ids

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> Any:
        """Tell which of a pair a token is from."""
        encoding, token = self.at(batch_or_token_index, token_index)
        return encoding.token_to_sequence(token)

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> Any:
        """Tell which word a token is a piece of."""
        encoding, token = self.at(batch_or_token_index, token_index)
        return encoding.token_to_word(token)

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> Any:
        """Tell which characters a token stands for: (start, end)."""
        encoding, token = self.at(batch_or_token_index, token_index)
        return encoding.token_to_chars(token)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> Any:
        """Tell which tokens a word became: (start, end)."""
        encoding, word = self.at(batch_or_word_index, word_index)
        return encoding.word_to_tokens(word, counted("sequence_index", sequence_index))

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> Any:
        """Tell which characters a word stands for: (start, end)."""
        encoding, word = self.at(batch_or_word_index, word_index)
        return encoding.word_to_chars(word, counted("sequence_index", sequence_index))

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> Any:
        """Tell which token a character went into."""
        encoding, character = self.at(batch_or_char_index, char_index)
        return encoding.char_to_token(character, counted("sequence_index", sequence_index))

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> Any:
        """Tell which word a character belongs to."""
        encoding, character = self.at(batch_or_char_index, char_index)
        return encoding.char_to_word(character, counted("sequence_index", sequence_index))

    def at(self, first: int, second: int | None) -> tuple[Any, int]:
        """Read (text, position), or a position alone, which is in the first text."""
        text, position = (0, first) if second is None else (first, second)
        return self.of(text), counted("a position", position)


def counted(name: str, value: int) -> int:
    """Refuse what counts nothing: positions are whole numbers from 0 on."""
    expect(name, value, (int, np.integer), "a whole number")
    if value < 0:
        raise UserError(f"{name} is {value}; it is counted from 0")
    return value


def stay_on_cpu(*targets: Any, **more: Any) -> None:
    """Accept what `.to` may be told here: the CPU and float32, by name or as objects of torch."""
    for target in (*targets, *more.values()):
        name = str(target)
        is_dtype = name.startswith(("torch.", "<class")) or name in ("float16", "bfloat16")
        if target is None or isinstance(target, bool) or name in CPU or "float32" in name:
            continue
        if is_dtype:
            raise UserError(f"numpygit computes in float32; {name} cannot be had")
        raise UserError(f"numpygit runs on the CPU; there is no device {name!r}: leave .to() out")


def wants_arrays(return_tensors: object) -> bool:
    """Understand `return_tensors`: "np" asks for arrays, None for lists, "pt" for arrays too.

    Of "pt" a warning is given once: scripts that were written for PyTorch go on with arrays.
    Raises UserError for the tensors of other frameworks, saying what to pass.
    """
    kind = kind_of(return_tensors)
    if kind is None or kind is False:
        return False
    if kind == "pt":
        warn_once('return_tensors="pt" gives NumPy arrays here: numpygit computes with NumPy')
    elif kind != "np":
        raise UserError(
            f"return_tensors={kind!r} is not supported: numpygit computes with NumPy; pass "
            '"np" for arrays, or leave it out for lists'
        )
    return True


def kind_of(return_tensors: object) -> object:
    """Read a kind of tensors, a text or an enumeration of transformers."""
    return getattr(return_tensors, "value", return_tensors)


def warn_once(message: str) -> None:
    """Warn of something the first time it happens."""
    if message not in WARNED:
        WARNED.add(message)
        warnings.warn(message, stacklevel=5)


def array_of(name: str, value: Any) -> Any:
    """Make one array of rows; raises UserError for rows of unlike length."""
    if isinstance(value, np.ndarray):
        return value
    lengths = sorted({len(row) for row in value if isinstance(row, list | tuple)})
    if len(lengths) > 1:
        raise UserError(
            f"texts of {lengths[0]} to {lengths[-1]} tokens make no array; pass padding=True, "
            "and truncation=True if they may be cut"
        )
    try:
        array = np.asarray(value)
    except ValueError:
        raise UserError(f"{name} holds parts of unlike shape, which make no array") from None
    return array.astype(np.int64) if array.size == 0 or array.dtype.kind in "iu" else array


def check_names(given: Mapping[str, Any], names: set[str]) -> None:
    """Refuse keywords that nobody knows."""
    unknown = sorted(set(given) - names)
    if unknown:
        raise UserError(
            f"unknown settings {', '.join(unknown)}; known are: {', '.join(sorted(names))}"
        )
