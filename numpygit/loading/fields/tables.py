"""The tables: every field of every JSON file of a checkpoint, with its type and its range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from ...model.config import POSITIONS
from .kinds import Either, Flag, Kind, ListOf, Null, Number, Object, Row, Text, Whole, either

Table: TypeAlias = Mapping[str, Kind]

MOST_PATCHES = 4096  # of one picture; git-base-vqav2 has 900
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

ADAPTER: Table = {  # PEFT's
    "peft_type": either(Text(), Null()),
    "base_model_name_or_path": either(Text(), Null()),
    "revision": either(Text(), Null()),
    "r": Whole(1, 16_384),
    "lora_alpha": Number(-1e6, 1e6),
    "alpha_pattern": either(Object({}), Null()),  # inside: numbers, by the names of modules
    "use_rslora": Flag(),
    "use_dora": Flag(),
    "lora_bias": Flag(),
    "init_lora_weights": either(Flag(), Text()),
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
