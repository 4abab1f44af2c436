"""Every field of every JSON file of a checkpoint: its type and its range, in one table a file.

`checked` holds a file against its table, so that a number that makes no sense is refused before
any work, with the name of the file and the field. A whole number may be written as 4.0, as some
programs do; "4", a text, is none. Infinities and NaN, which JSON does not have, are no numbers.
Fields that no table has are left as they are: files carry many that GIT does not use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

from ..errors import UserError, shown
from ..model.config import POSITIONS

OWN_NAMES = ("self", "cls")  # beside those in double underscores: names of Python's own
MOST_PATCHES = 4096  # of one picture; git-base-vqav2 has 900
DEEPEST = 30  # objects and lists inside each other


class MisfitError(ValueError):
    """A value is not of the kind that its field wants."""


def is_number(value: object) -> bool:
    """Tell numbers, NumPy's too, from true, false and everything else."""
    return isinstance(value, Real) and not isinstance(value, bool)


@dataclass(frozen=True)
class Whole:
    """A whole number, `low` to `high`."""

    low: int
    high: int

    def __str__(self) -> str:
        if self.low == -self.high:
            return "a whole number"
        return f"a whole number from {self.low} to {self.high}"

    def take(self, value: Any) -> int:
        """Return the number, or raise MisfitError."""
        if not is_number(value):
            raise MisfitError
        if not self.low <= value <= self.high or value != int(value):  # NaN is in no range
            raise MisfitError
        return int(value)


@dataclass(frozen=True)
class Number:
    """A finite number, `low` to `high`."""

    low: float = -1e9
    high: float = 1e9

    def __str__(self) -> str:
        if self == Number():
            return "a number"
        return f"a number from {self.low:g} to {self.high:g}"

    def take(self, value: Any) -> float:
        """Return the number, or raise MisfitError."""
        if not is_number(value) or not self.low <= value <= self.high:
            raise MisfitError
        return value


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def __str__(self) -> str:
        return "true or false"

    def take(self, value: Any) -> bool:
        """Return the value, or raise MisfitError."""
        if type(value) is not bool:
            raise MisfitError
        return value


@dataclass(frozen=True)
class Text:
    """A text, or one of a few."""

    among: tuple[str, ...] = ()
    longest: int = 1000

    def __str__(self) -> str:
        return f"one of {', '.join(self.among)}" if self.among else "a text"

    def take(self, value: Any) -> str:
        """Return the text, or raise MisfitError."""
        if type(value) is not str or len(value) > self.longest:
            raise MisfitError
        if any("\ud800" <= letter <= "\udfff" for letter in value):  # half of a letter
            raise MisfitError
        if self.among and value not in self.among:
            raise MisfitError
        return value


@dataclass(frozen=True)
class Null:
    """Null."""

    def __str__(self) -> str:
        return "null"

    def take(self, value: Any) -> None:
        """Return None, or raise MisfitError."""
        if value is not None:
            raise MisfitError


@dataclass(frozen=True)
class ListOf:
    """A list of values of one kind; `length` of them, if it is given."""

    item: Kind
    length: int | None = None
    least: int = 0

    def __str__(self) -> str:
        count = "" if self.length is None else f"{self.length} times "
        return f"a list of {count}{self.item}"

    def take(self, value: Any) -> list[Any]:
        """Return the list, or raise MisfitError."""
        value = value.tolist() if hasattr(value, "tolist") else value  # an array
        if not isinstance(value, list | tuple) or len(value) < self.least:
            raise MisfitError
        if self.length is not None and len(value) != self.length:
            raise MisfitError
        return [self.item.take(each) for each in value]


@dataclass(frozen=True)
class Row:
    """A list whose places have kinds of their own."""

    items: tuple[Kind, ...]

    def __str__(self) -> str:
        return f"a list [{', '.join(map(str, self.items))}]"

    def take(self, value: Any) -> list[Any]:
        """Return the list, or raise MisfitError."""
        if not isinstance(value, list | tuple) or len(value) != len(self.items):
            raise MisfitError
        return [item.take(each) for item, each in zip(self.items, value, strict=True)]


@dataclass(frozen=True)
class Object:
    """An object {...} with all of `needed` and, of those in `known`, values that fit."""

    known: Mapping[str, Kind]
    needed: tuple[str, ...] = ()

    def __str__(self) -> str:
        inside = ", ".join(f'"{name}": {self.known[name]}' for name in self.needed)
        return f"an object {{{inside or '...'}}}"

    def take(self, value: Any) -> dict[str, Any]:
        """Return the object, or raise MisfitError."""
        if not isinstance(value, Mapping) or any(name not in value for name in self.needed):
            raise MisfitError
        return {
            name: self.known[name].take(each) if name in self.known else each
            for name, each in value.items()
        }


@dataclass(frozen=True)
class Either:
    """A value of one of several kinds."""

    kinds: tuple[Kind, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.kinds))

    def take(self, value: Any) -> Any:
        """Return what the first kind that fits makes of it, or raise MisfitError."""
        for kind in self.kinds:
            try:
                return kind.take(value)
            except MisfitError:
                continue
        raise MisfitError


Kind: TypeAlias = Whole | Number | Flag | Text | Null | ListOf | Row | Object | Either
Table: TypeAlias = Mapping[str, Kind]


def either(*kinds: Kind) -> Either:
    """Write a value of one of several kinds."""
    return Either(kinds)


# ------------------------------------------------------------------ the tables

TOKEN = Whole(0, 10**6)
TOKENS = ListOf(TOKEN)
WIDTH = Whole(1, 16_384)
SIDE = Whole(1, 4096)  # of a picture, in pixels
RATE = Number(0, 1)

VISION: Table = {
    "model_type": Text(),
    "hidden_size": WIDTH,
    "intermediate_size": Whole(1, 65_536),
    "num_hidden_layers": Whole(1, 256),
    "num_attention_heads": Whole(1, 256),
    "num_channels": Whole(1, 16),
    "image_size": SIDE,
    "patch_size": SIDE,
    "hidden_act": Text(),
    "layer_norm_eps": RATE,
    "attention_dropout": RATE,
    "initializer_range": Number(0, 1000),
    "output_attentions": Flag(),
    "output_hidden_states": Flag(),
    "return_dict": Flag(),
}

CONFIG: Table = {
    "model_type": Text(),
    "vision_config": either(Object(VISION), Null()),
    "vocab_size": Whole(1, 10**6),
    "hidden_size": WIDTH,
    "num_hidden_layers": Whole(1, 256),
    "num_attention_heads": Whole(1, 256),
    "intermediate_size": Whole(1, 65_536),
    "hidden_act": Text(),
    "hidden_dropout_prob": RATE,
    "attention_probs_dropout_prob": RATE,
    "max_position_embeddings": Whole(1, 10**6),
    "initializer_range": Number(0, 1000),
    "layer_norm_eps": RATE,
    "pad_token_id": either(Whole(-1, 10**6), Null()),
    "position_embedding_type": Text(POSITIONS),
    "use_cache": Flag(),
    "tie_word_embeddings": Flag(),
    "bos_token_id": either(TOKEN, Null()),
    "eos_token_id": either(TOKEN, ListOf(TOKEN, least=1), Null()),
    "num_image_with_embedding": either(Whole(0, 256), Null()),
    "embedding_norm_eps": either(RATE, Null()),
    "output_attentions": Flag(),
    "output_hidden_states": Flag(),
    "return_dict": Flag(),
}


def one_or_channels(kind: Kind) -> Either:
    """Write one value for all channels, or one for each of 1, 3 or 4."""
    return either(kind, ListOf(kind, 3), ListOf(kind, 4), ListOf(kind, 1))


SQUARE = Object({"height": SIDE, "width": SIDE}, ("height", "width"))
PREPROCESSOR: Table = {
    "image_processor_type": either(Text(), Null()),
    "feature_extractor_type": either(Text(), Null()),
    "processor_class": either(Text(), Null()),
    "do_convert_rgb": Flag(),
    "do_resize": Flag(),
    "size": either(SIDE, Object({"shortest_edge": SIDE}, ("shortest_edge",)), SQUARE),
    "resample": Whole(0, 5),
    "do_center_crop": Flag(),
    "crop_size": either(SIDE, SQUARE),
    "do_rescale": Flag(),
    "rescale_factor": Number(-1e6, 1e6),
    "do_normalize": Flag(),
    "image_mean": one_or_channels(Number(-1e6, 1e6)),
    "image_std": one_or_channels(either(Number(1e-6, 1e6), Number(-1e6, -1e-6))),
}

PROCESSOR: Table = {
    "processor_class": either(Text(), Null()),
    "image_processor": either(Object({}), Null()),  # inside: PREPROCESSOR
    "video_processor": either(Object({}), Null()),
    "feature_extractor": either(Object({}), Null(), Text()),
}

MOST_BEAMS = 256  # 1000 with a vocabulary of 30522 would take gigabytes
BEAMS = Whole(1, MOST_BEAMS)
LENGTH = Whole(0, 10**9)
FACTOR = Number()
GENERATION: Table = {
    "max_length": LENGTH,
    "max_new_tokens": LENGTH,
    "min_length": LENGTH,
    "min_new_tokens": LENGTH,
    "max_time": FACTOR,
    "do_sample": Flag(),
    "num_beams": BEAMS,
    "num_beam_groups": BEAMS,
    "diversity_penalty": FACTOR,
    "length_penalty": FACTOR,
    "early_stopping": either(Flag(), Text()),
    "beam_form": Text(),
    "per_node_beam_size": BEAMS,
    "penalty_alpha": FACTOR,
    "num_return_sequences": BEAMS,
    "temperature": FACTOR,
    "top_k": LENGTH,
    "top_p": FACTOR,
    "min_p": FACTOR,
    "typical_p": FACTOR,
    "epsilon_cutoff": FACTOR,
    "eta_cutoff": FACTOR,
    "seed": Whole(0, 2**64),
    "generator": Null(),
    "repetition_penalty": FACTOR,
    "no_repeat_ngram_size": LENGTH,
    "bad_words_ids": ListOf(ListOf(TOKEN)),
    "sequence_bias": ListOf(Row((TOKENS, FACTOR))),
    "suppress_tokens": TOKENS,
    "begin_suppress_tokens": TOKENS,
    "forced_bos_token_id": TOKEN,
    "forced_eos_token_id": either(TOKEN, TOKENS),
    "exponential_decay_length_penalty": Row((LENGTH, FACTOR)),
    "remove_invalid_values": Flag(),
    "renormalize_logits": Flag(),
    "return_dict_in_generate": Flag(),
    "output_scores": Flag(),
    "output_logits": Flag(),
    "output_attentions": Flag(),
    "output_hidden_states": Flag(),
    "output_log_probabilities": Flag(),
    "use_cache": Flag(),
    "bos_token_id": TOKEN,
    "eos_token_id": either(TOKEN, ListOf(TOKEN)),  # an empty list: nothing ends
    "pad_token_id": Whole(-1, 10**6),  # -1: the end token pads
}

SIDES = Text(("right", "left"))
SPECIAL = either(Text(), Object({"content": Text(longest=1000)}, ("content",)), Null())
TOKENIZER: Table = {
    "tokenizer_class": either(Text(), Null()),
    "model_max_length": Whole(1, 10**31),  # 10**30 stands for no limit in official files
    "padding_side": SIDES,
    "truncation_side": SIDES,
    "do_lower_case": Flag(),
    "strip_accents": either(Flag(), Null()),
    "tokenize_chinese_chars": Flag(),
    "clean_up_tokenization_spaces": Flag(),
    "do_basic_tokenize": Flag(),
    "model_input_names": ListOf(Text()),
    "pad_token": SPECIAL,
    "unk_token": SPECIAL,
    "cls_token": SPECIAL,
    "sep_token": SPECIAL,
    "mask_token": SPECIAL,
    "additional_special_tokens": either(ListOf(SPECIAL), Null()),
    "added_tokens_decoder": either(Object({}), Null()),  # inside: ADDED_TOKEN, by id
    "name_or_path": either(Text(), Null()),
}
ADDED_TOKEN: Table = {
    "content": Text(),
    "lstrip": Flag(),
    "rstrip": Flag(),
    "single_word": Flag(),
    "normalized": Flag(),
    "special": Flag(),
}


# ------------------------------------------------------------------ a file against its table


def checked(values: Mapping[str, Any], table: Table, *, where: object = "") -> dict[str, Any]:
    """Hold the fields of a file against its table: -> the values, whole numbers as whole numbers.

    `where` names the file in messages. Raises UserError that names file, field and value.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        check_name(name, where=where)
        kind = table.get(name)
        try:
            found[name] = value if kind is None else taken(name, value, kind, where)
        except MisfitError:
            raise misfit(name, value, str(kind), where) from None
    return found


def taken(name: str, value: Any, kind: Kind, where: object) -> Any:
    """Take one value; the fields of an object are told of by their own names."""
    objects = [each for each in getattr(kind, "kinds", (kind,)) if isinstance(each, Object)]
    if isinstance(value, Mapping) and len(objects) == 1 and not objects[0].needed:
        return checked(value, objects[0].known, where=told(where, name))
    return kind.take(value)


def check_name(name: str, *, where: object = "") -> None:
    """Refuse names that Python keeps for itself, and such as no file needs."""
    is_own = name in OWN_NAMES or (name.startswith("__") and name.endswith("__"))
    if is_own or not name or len(name) > 200:
        raise UserError(told(where, f"{shown(repr(name), 60)} cannot be the name of a setting"))


def misfit(name: str, value: object, expected: str, where: object) -> UserError:
    """Say which field has which value, and what it should be."""
    return UserError(told(where, f"{shown(name)} is {brief(value)}, expected {expected}"))


def told(where: object, what: str) -> str:
    """Write a message with the name of its file before it, if there is one."""
    return f"{where}: {what}" if where else what


def brief(value: object) -> str:
    """Write a value of a file in a few letters, however large it is."""
    if type(value) is int and abs(value) > 10**40:
        return f"a number of about {value.bit_length() * 3 // 10} digits"
    if isinstance(value, list | tuple) and len(value) > 20:
        return f"a list of {len(value)} values"
    if isinstance(value, Mapping) and len(value) > 20:
        return f"an object of {len(value)} fields"
    if isinstance(value, list | tuple | Mapping):
        return shown(repr(shortened(value)), 80)
    return shown(repr(value), 80)


def shortened(value: Any, depth: int = 0) -> Any:
    """Copy a list or an object with whatever is large in it left out."""
    if depth > 3:
        return ...
    if isinstance(value, Mapping):
        return {name: shortened(each, depth + 1) for name, each in list(value.items())[:5]}
    if isinstance(value, list | tuple):
        return [shortened(each, depth + 1) for each in value[:5]]
    return ... if type(value) is int and abs(value) > 10**40 else value


def check_depth(value: Any, *, where: object) -> None:
    """Refuse objects and lists inside each other without end."""
    level = [value]
    for _ in range(DEEPEST):
        inside: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inside += each.values()
            elif isinstance(each, list):
                inside += each
        if not inside:
            return
        level = inside
    raise UserError(f"{where} has objects and lists more than {DEEPEST} deep in each other")
