"""Options of transformers that GIT does not have here, and the values of them that change nothing.

Scripts written for other versions pass them with such values all the time: these are taken. Any
other value is refused in one sentence.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from ...errors import UserError

NO_FIELDS = ("tokenizer", "inputs_tensor", "custom_generate", "model_kwargs")
# Options of transformers, 4.37.2 and later ones, that GIT does not have here, with the values that
# change nothing. The first of them is what GenerationConfig says of the option.
ANYTHING = ("anything",)
ABSENT: dict[str, tuple[Any, ...]] = {
    "assistant_model": (None,),
    "constraints": (None,),
    "force_words_ids": (None,),
    "guidance_scale": (None, 1),
    "encoder_repetition_penalty": (1.0, None),
    "encoder_no_repeat_ngram_size": (0, None),
    "forced_decoder_ids": (None,),
    "decoder_start_token_id": (None,),
    "prompt_lookup_num_tokens": (None,),
    "max_matching_ngram_size": (None,),
    "num_assistant_tokens": (5, None, ANYTHING),
    "num_assistant_tokens_schedule": ("heuristic", None, ANYTHING),
    "assistant_confidence_threshold": (None, ANYTHING),
    "assistant_early_exit": (None,),
    "assistant_lookbehind": (None, ANYTHING),
    "target_lookbehind": (None, ANYTHING),
    "assistant_ensemble_weight": (None,),
    "is_assistant": (None, False),
    "speculation_type": (None,),
    "use_mtp": (None, False),
    "low_memory": (None, False, True),
    "synced_gpus": (None, False),
    "negative_prompt_ids": (None,),
    "negative_prompt_attention_mask": (None,),
    "stop_strings": (None,),
    "tokenizer": (None, ANYTHING),
    "token_healing": (None, False),
    "dola_layers": (None,),
    "top_h": (None,),
    "watermarking_config": (None,),
    "cache_implementation": (None, ANYTHING),
    "cache_config": (None, ANYTHING),
    "return_legacy_cache": (None, False, True),
    "max_cache_len": (None, ANYTHING),
    "prefill_chunk_size": (None, ANYTHING),
    "compile_config": (None,),
    "disable_compile": (None, False, True),
    "continuous_batching_config": (None,),
    "custom_generate": (None,),
    "mm_encoder_outputs": (None,),
    "trust_remote_code": (None, ANYTHING),
    "encoder_outputs": (None,),
    "position_ids": (None,),
    "cache_position": (None,),
    "token_type_ids": (None,),
    "labels": (None,),
    "logits_to_keep": (None, 0, 1),
    "return_dict": (None, True, False),
    "generation_kwargs": ({}, None),
    "transformers_version": (None, ANYTHING),
    "_from_model_config": (False, ANYTHING),
}


def is_neutral(name: str, value: object) -> bool:
    """Tell whether an option that is absent here was given a value that changes nothing."""
    fine = ABSENT.get(name, ())
    if hasattr(value, "__array__"):
        return ANYTHING in fine
    return ANYTHING in fine or any(value is each or value == each for each in fine)


def check_absent(**given: Any) -> None:
    """Refuse arguments of generate that GIT does not have here, unless they change nothing."""
    for name, value in given.items():
        if not is_neutral(name, value):
            raise UserError(unknown_option(name, set()))


def unknown_option(name: str, names: set[str]) -> str:
    """Say that there is no such option, and which one may have been meant."""
    if name in ABSENT:
        return f"generate has no {name}: numpygit does not do this kind of generation"
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(names))}"
    return f"generate has no option {name!r}{hint}"
