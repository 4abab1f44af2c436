"""What generation looked at, against the model itself, asked about each text so far."""

import numpy as np
import pytest
from golden_inputs import tiny_inputs, tiny_model

from numpygit.huggingface.models import GitForCausalLM

MODEL = tiny_model()
HEADS = MODEL.config.num_attention_heads
PROMPT = np.array([[2, 5], [2, 7]])


def model() -> GitForCausalLM:
    return GitForCausalLM(MODEL.config, MODEL.params)


@pytest.mark.parametrize("kind", ["still", "clip", None])
@pytest.mark.parametrize("beams", [1, 2])
def test_without_a_cache_each_word_has_all_rows_so_far(kind, beams):
    pixels = None if kind is None else tiny_inputs(kind)["pixel_values"]
    found = model().generate(
        PROMPT,
        pixel_values=pixels,
        max_new_tokens=3,
        eos_token_id=None,
        num_beams=beams,
        use_cache=False,
        output_attentions=True,
        output_hidden_states=True,
        return_dict_in_generate=True,
    )
    assert len(found.attentions) == len(found.hidden_states) == 3
    rows = 2 * beams
    for word in range(3):
        layers = found.attentions[word]
        states = found.hidden_states[word]
        M = layers[0].shape[-1] - 2 - word
        assert {a.shape for a in layers} == {(rows, HEADS, M + 2 + word, M + 2 + word)}
        assert {s.shape for s in states} == {(rows, M + 2 + word, MODEL.config.hidden_size)}
    if beams == 2:  # rows are beams that may have ended: their shapes alone are held here
        return
    for word in range(3):
        again = model()(
            found.sequences[:, : 2 + word],
            pixel_values=pixels,
            output_attentions=True,
            output_hidden_states=True,
        )
        for ours, whole in zip(found.attentions[word], again.attentions, strict=True):
            np.testing.assert_allclose(ours, whole, atol=2e-6)
        for ours, whole in zip(found.hidden_states[word], again.hidden_states, strict=True):
            np.testing.assert_allclose(ours, whole, atol=2e-5)


@pytest.mark.parametrize("words", [1, 2])
def test_few_words_of_beams_have_a_row_for_each_beam(words):
    """Beams read their prompt in one row for each picture; what is told has all rows."""
    found = model().generate(
        PROMPT,
        pixel_values=tiny_inputs("still")["pixel_values"],
        max_new_tokens=words,
        eos_token_id=None,
        num_beams=3,
        output_attentions=True,
        output_hidden_states=True,
        return_dict_in_generate=True,
    )
    assert len(found.attentions) == len(found.hidden_states) == words
    assert {len(layer) for layers in found.attentions for layer in layers} == {6}
    assert {len(state) for states in found.hidden_states for state in states} == {6}
