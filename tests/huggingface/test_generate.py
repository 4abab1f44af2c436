"""`generate` as documented: its arguments, what None means, what it returns, who takes part.

Checks huggingface/models/searches.py, huggingface/models/transition_scores.py,
huggingface/streamers.py.
"""

from __future__ import annotations

from copy import copy, deepcopy
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from numpygit import (
    GenerationConfig,
    GitConfig,
    GitForCausalLM,
    GitProcessor,
    LogitsProcessorList,
    StoppingCriteriaList,
    TextIteratorStreamer,
    TextStreamer,
    UserError,
    set_seed,
)
from numpygit.storybook import EXAMPLES

MODEL = GitForCausalLM.from_pretrained("storybook")
PROCESSOR = GitProcessor.from_pretrained("storybook")
PIXELS = PROCESSOR(images=EXAMPLES / "row.png", return_tensors="np").pixel_values
PROMPT = np.array([[2, 7]])
CAPTION = "an orange house, a blue cat and a yellow boat"


def test_the_first_argument_is_the_prompt() -> None:
    found = MODEL.generate(PROMPT, pixel_values=PIXELS, max_new_tokens=4)
    for other in (
        MODEL.generate(inputs=PROMPT, pixel_values=PIXELS, max_new_tokens=4),
        MODEL.generate(input_ids=PROMPT, pixel_values=PIXELS, max_new_tokens=4),
        MODEL.generate(PROMPT, GenerationConfig(max_new_tokens=4), pixel_values=PIXELS),
    ):
        np.testing.assert_array_equal(found, other)
    with pytest.raises(UserError, match=r"prompt ids \(B, T\); got shape \(1, 3, 96, 96\)"):
        MODEL.generate(PIXELS)
    with pytest.raises(UserError, match="prompt twice"):
        MODEL.generate(PROMPT, input_ids=PROMPT)


def test_ids_of_one_text_without_rows_are_refused_with_what_to_do() -> None:
    """As a processor gives them that was not asked for arrays."""
    with pytest.raises(UserError, match=r'shape \(3,\); return_tensors="np" in the processor'):
        MODEL(input_ids=[2, 7, 3], pixel_values=PIXELS)
    with pytest.raises(UserError, match=r"shape \(1, 3\)$"):
        MODEL(input_ids=[[2.0, 7.0, 3.0]], pixel_values=PIXELS)
    with pytest.raises(UserError, match=r"shape \(1, 3, 96, 96\); pictures are pixel_values="):
        MODEL(PIXELS)


def test_a_cache_is_shown_by_its_sizes() -> None:
    shown = repr(MODEL.prefill(PIXELS))
    assert shown == "Cache(4 layers, 1 rows, 65 image tokens, 0 words)"


@pytest.mark.parametrize("beams", [1, 3])
def test_without_an_end_token_nothing_stops(beams: int) -> None:
    found = MODEL.generate(pixel_values=PIXELS, eos_token_id=None, max_length=24, num_beams=beams)
    assert found.shape == (1, 24)
    config = MODEL.config.changed({"eos_token_id": None})
    other = GitForCausalLM(config, MODEL.params)
    again = other.generate(pixel_values=PIXELS, max_length=24, num_beams=beams)
    np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize("beams", [1, 3])
def test_an_end_token_of_none_set_by_hand_stops_nothing(tmp_path: Path, beams: int) -> None:
    """As an attribute of generation_config, copied, saved and loaded too."""
    given = {"pixel_values": PIXELS, "max_length": 24, "num_beams": beams}
    endless = MODEL.generate(**given, eos_token_id=None)
    model = GitForCausalLM(MODEL.config, MODEL.params)
    model.generation_config.eos_token_id = None
    assert model.generation_config.to_dict()["eos_token_id"] is None
    model.save_pretrained(tmp_path)
    for each in (model, GitForCausalLM.from_pretrained(tmp_path)):
        options = deepcopy(each.generation_config)
        np.testing.assert_array_equal(each.generate(**given), endless)
        np.testing.assert_array_equal(each.generate(generation_config=options, **given), endless)
    by_hand = GenerationConfig(max_length=24, num_beams=beams)
    for options in (by_hand, copy(by_hand), deepcopy(by_hand)):  # never set: the model's
        assert options.eos_token_id is None
        ended = MODEL.generate(pixel_values=PIXELS, generation_config=options)
        assert ended.shape[1] < 24


def test_a_pad_token_of_none_set_by_hand_is_the_end_token() -> None:
    pixels = np.concatenate([PIXELS, PIXELS[:, :, ::-1].copy()])
    model = GitForCausalLM(MODEL.config, MODEL.params)
    model.generation_config.pad_token_id = None
    np.testing.assert_array_equal(
        model.generate(pixel_values=pixels), MODEL.generate(pixel_values=pixels, pad_token_id=None)
    )


def test_positions_as_they_are_counted_may_be_given() -> None:
    ids, mask = np.array([[0, 2, 7], [2, 7, 8]]), np.array([[0, 1, 1], [1, 1, 1]])
    given = {"pixel_values": PIXELS, "attention_mask": mask, "max_new_tokens": 3}
    plain = MODEL.generate(ids, **given)
    positions = np.array([[0, 0, 1], [0, 1, 2]])  # where padding is, any number will do
    np.testing.assert_array_equal(MODEL.generate(ids, **given, position_ids=positions), plain)
    for other in (positions + 1, positions[:, :2], "x"):
        with pytest.raises(UserError, match="generate counts positions"):
            MODEL.generate(ids, **given, position_ids=other)


def test_inputs_of_one_step() -> None:
    first = MODEL.prepare_inputs_for_generation(
        PROMPT, pixel_values=PIXELS, use_cache=True, output_attentions=True, own_argument=3
    )
    assert (first["own_argument"], first["output_attentions"]) == (3, True)
    np.testing.assert_array_equal(first["input_ids"], PROMPT)
    vectors = np.zeros((1, 2, MODEL.config.hidden_size), np.float32)
    given = MODEL.prepare_inputs_for_generation(PROMPT, inputs_embeds=vectors)
    assert given["input_ids"] is None
    assert given["inputs_embeds"] is vectors
    past = MODEL(PROMPT, pixel_values=PIXELS).past_key_values
    longer = np.append(PROMPT, [[8]], axis=1)
    later = MODEL.prepare_inputs_for_generation(
        longer, past, pixel_values=PIXELS, position_ids=np.array([[0, 1, 2]])
    )
    assert later["pixel_values"] is None
    np.testing.assert_array_equal(later["input_ids"], [[8]])
    np.testing.assert_array_equal(later["position_ids"], [[2]])


@pytest.mark.parametrize("beams", [1, 3])
def test_without_a_pad_token_the_end_token_pads(beams: int) -> None:
    pixels = np.concatenate([PIXELS, PIXELS[:, :, ::-1].copy()])
    given = {"pixel_values": pixels, "num_beams": beams}
    plain = MODEL.generate(**given)
    found = MODEL.generate(**given, pad_token_id=None)
    np.testing.assert_array_equal(found, np.where(plain == 0, 3, plain))


def test_options_in_the_models_config_still_count() -> None:
    model = GitForCausalLM(GitConfig.from_dict(MODEL.config.to_dict()), MODEL.params)
    whole = model.generate(pixel_values=PIXELS)
    model.config.max_length = 6
    with pytest.warns(UserWarning, match=r"set in model\.config"):
        short = model.generate(pixel_values=PIXELS)
    np.testing.assert_array_equal(short, whole[:, :6])
    np.testing.assert_array_equal(model.generate(pixel_values=PIXELS, max_length=4), whole[:, :4])


def test_the_result_is_an_output_like_all_others() -> None:
    found = MODEL.generate(
        pixel_values=PIXELS, return_dict_in_generate=True, output_scores=True, max_new_tokens=3
    )
    assert "scores" in found
    assert list(found) == list(found.keys()) == ["sequences", "scores", "past_key_values"]
    assert len(found) == 3 == len(found.to_tuple())
    assert found[0] is found["sequences"] is found.sequences is dict(found.items())["sequences"]
    assert found.attentions is None
    assert found.get("attentions") is None


@pytest.mark.parametrize("beams", [1, 3])
def test_transition_scores_add_up(beams: int) -> None:
    found = MODEL.generate(
        pixel_values=PIXELS, return_dict_in_generate=True, output_scores=True, num_beams=beams,
        length_penalty=0.0, output_log_probabilities=True,
    )  # fmt: skip
    scores = MODEL.compute_transition_scores(
        found.sequences, found.scores, found.beam_indices, normalize_logits=beams == 1
    )
    np.testing.assert_allclose(
        scores, found.log_probabilities.words[:, : scores.shape[1]], atol=2e-4
    )
    if beams > 1:
        np.testing.assert_allclose(scores.sum(axis=1), found.sequences_scores, atol=2e-4)
    with pytest.raises(UserError, match="scores is empty"):
        MODEL.compute_transition_scores(found.sequences, ())


def test_the_older_names_of_searches() -> None:
    given = {"pixel_values": PIXELS, "attention_mask": np.ones((1, 2), int)}
    greedy = MODEL.greedy_search(PROMPT, max_length=9, **given)
    np.testing.assert_array_equal(greedy, MODEL.generate(PROMPT, max_length=9, **given))

    class Scorer:
        num_beams, length_penalty, do_early_stopping, num_beam_hyps_to_keep = 3, 1.0, False, 2

    many = {name: value.repeat(3, axis=0) for name, value in given.items()}
    beams = MODEL.beam_search(PROMPT.repeat(3, axis=0), Scorer(), max_length=9, **many)
    expected = MODEL.generate(PROMPT, num_beams=3, num_return_sequences=2, max_length=9, **given)
    np.testing.assert_array_equal(beams, expected)


def test_streamers_give_the_text_piece_by_piece(capsys: pytest.CaptureFixture[str]) -> None:
    MODEL.generate(
        pixel_values=PIXELS, streamer=TextStreamer(PROCESSOR.tokenizer, skip_special_tokens=True)
    )
    assert capsys.readouterr().out.strip() == CAPTION
    streamer = TextIteratorStreamer(PROCESSOR.tokenizer, skip_prompt=True, timeout=60,
                                    skip_special_tokens=True)  # fmt: skip
    given = {"pixel_values": PIXELS, "streamer": streamer}
    thread = Thread(target=MODEL.generate, kwargs=given)
    thread.start()
    pieces = list(streamer)
    thread.join()
    assert "".join(pieces) == CAPTION
    assert len([piece for piece in pieces if piece]) > 5
    with pytest.raises(UserError, match="one text at a time; got 2 rows"):
        TextStreamer(PROCESSOR.tokenizer).put(np.zeros((2, 3), int))


def test_lists_of_processors_and_criteria() -> None:
    def forbid(ids: Any, scores: Any) -> Any:
        scores[:, 126] = -np.inf
        return scores

    stop = StoppingCriteriaList([lambda ids, scores: ids.shape[1] >= 5])
    found = MODEL.generate(
        pixel_values=PIXELS, logits_processor=LogitsProcessorList([forbid]), stopping_criteria=stop
    )
    assert found.shape == (1, 5)
    assert LogitsProcessorList([forbid])(PROMPT, np.zeros((1, 154)))[0, 126] == -np.inf
    assert stop(np.zeros((1, 5)), None) is True


def test_a_seed_makes_draws_repeatable() -> None:
    def drawn() -> Any:
        return MODEL.generate(pixel_values=PIXELS, do_sample=True, temperature=3.0, max_length=12)

    set_seed(5)
    first = [drawn().tolist() for _ in range(3)]
    set_seed(5)
    assert [drawn().tolist() for _ in range(3)] == first
    assert first[0] != first[1]
