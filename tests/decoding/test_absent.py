"""Options of transformers that are not here: the values that change nothing, written by hand.

Checks decoding/options/absent.py.
"""

import pytest

from numpygit import GenerationConfig, UserError

CHANGE_NOTHING = {  # what the documentation of transformers gives as "off", or for speed alone
    "low_memory": (None, False, True),
    "synced_gpus": (None, False),
    "is_assistant": (None, False),
    "use_mtp": (None, False),
    "token_healing": (None, False),
    "return_legacy_cache": (None, False, True),
    "disable_compile": (None, False, True),
    "return_dict": (None, False, True),
    "guidance_scale": (None, 1, 1.0),
    "encoder_repetition_penalty": (None, 1, 1.0),
    "encoder_no_repeat_ngram_size": (None, 0),
    "logits_to_keep": (None, 0, 1),
    "num_assistant_tokens": (None, 5, 20),
}
CHANGE = {
    "synced_gpus": True,
    "is_assistant": True,
    "use_mtp": True,
    "token_healing": True,
    "guidance_scale": 2,
    "encoder_repetition_penalty": 1.5,
    "encoder_no_repeat_ngram_size": 1,
    "logits_to_keep": 2,
    "assistant_model": "another",
    "stop_strings": ["."],
}


@pytest.mark.parametrize("name", CHANGE_NOTHING)
def test_values_that_change_nothing_are_taken(name):
    for value in CHANGE_NOTHING[name]:
        assert GenerationConfig().change({name: value}) == GenerationConfig()


@pytest.mark.parametrize("name", CHANGE)
def test_values_that_would_change_something_are_refused(name):
    with pytest.raises(UserError, match=f"generate has no {name}"):
        GenerationConfig().change({name: CHANGE[name]})


@pytest.mark.parametrize("name", CHANGE_NOTHING)
def test_a_config_takes_the_same_values(name):
    for value in CHANGE_NOTHING[name]:
        assert GenerationConfig(**{name: value}) == GenerationConfig()


@pytest.mark.parametrize("name", CHANGE)
def test_a_config_refuses_the_same_values(name):
    with pytest.raises(UserError, match=f"generate has no {name}"):
        GenerationConfig(**{name: CHANGE[name]})
