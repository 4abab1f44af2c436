"""Prompts, checked and padded on the left, with and without an attention mask."""

from dataclasses import replace

import numpy as np
import pytest

from numpygit import GenerationConfig, GitConfig, UserError
from numpygit.decoding.plan import Plan, as_ids, make_plan, processors_of

CONFIG = GitConfig(
    vocab_size=61, hidden_size=8, num_attention_heads=2, num_hidden_layers=1,
    max_position_embeddings=20, pad_token_id=0, bos_token_id=2, eos_token_id=3,
)  # fmt: skip
PADDED = np.array([[0, 0, 2, 5], [2, 6, 7, 8], [2, 9, 0, 0]])


def plan_of(ids: np.ndarray, **options: object) -> Plan:
    mask = options.pop("attention_mask", None)
    chosen = GenerationConfig().change(options)
    return make_plan(ids, config=CONFIG, options=chosen, attention_mask=mask)


def test_without_a_mask_the_padding_token_is_padding():
    plan = plan_of(PADDED)
    np.testing.assert_array_equal(plan.attention_mask, [[0, 0, 1, 1], [1] * 4, [0, 0, 1, 1]])
    np.testing.assert_array_equal(plan.prompt, [[0, 0, 2, 5], [2, 6, 7, 8], [0, 0, 2, 9]])
    np.testing.assert_array_equal(plan.visible_prompt[2], [-1, -1, 2, 9])


def test_a_padding_token_that_is_an_end_token_counts_as_a_word():
    plan = plan_of(PADDED, eos_token_id=[3, 0])
    assert plan.attention_mask.all()
    np.testing.assert_array_equal(plan.prompt, PADDED)
    np.testing.assert_array_equal(plan.visible_prompt, PADDED)


def test_a_start_token_that_is_the_padding_token_is_read():
    plan = plan_of(np.array([[0], [0]]))
    assert plan.attention_mask.tolist() == [[1], [1]]


def test_a_mask_wins_over_the_padding_token():
    mask = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [1, 1, 1, 0]])
    plan = plan_of(PADDED, attention_mask=mask)
    np.testing.assert_array_equal(plan.prompt, [[0, 0, 2, 5], [2, 6, 7, 8], [0, 2, 9, 0]])
    np.testing.assert_array_equal(plan.visible_prompt[1:], [[-1, 6, 7, 8], [-1, 2, 9, 0]])


def test_lengths_count_the_prompt_and_end_at_the_last_position():
    assert plan_of(PADDED).max_length == 20
    assert plan_of(PADDED, max_new_tokens=3).max_length == 7
    assert plan_of(PADDED, max_length=5).max_length == 5
    assert plan_of(PADDED, max_length=20).max_length == 20
    for length in (4, 21):
        with pytest.raises(UserError, match=f"max_length is {length}"):
            plan_of(PADDED, max_length=length)


def test_what_cannot_be_a_mask_is_refused():
    with pytest.raises(UserError, match=r"shape of input_ids, \(3, 4\); got \(3, 3\)"):
        plan_of(PADDED, attention_mask=np.ones((3, 3), int))
    with pytest.raises(UserError, match="all padding"):
        plan_of(PADDED, attention_mask=np.array([[1] * 4, [0] * 4, [1] * 4]))


def test_options_that_name_no_token_are_refused():
    assert plan_of(PADDED, suppress_tokens=[0, 60]).options.suppress_tokens == [0, 60]
    for word in (-1, 61):
        with pytest.raises(UserError, match="suppress_tokens must name tokens from 0 to 60"):
            plan_of(PADDED, suppress_tokens=[word])


def test_an_end_token_is_forced_where_only_one_more_word_fits():
    plan = plan_of(np.array([[2, 5]]), max_length=6, forced_eos_token_id=[3, 9])
    (forced,) = processors_of(plan, rows_each=1)
    scores = np.zeros((1, 61), np.float32)
    for length in (4, 6, 7):
        assert np.isfinite(forced(np.full((1, length), 5), scores)).all()
    at_the_end = forced(np.full((1, 5), 5), scores)
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(at_the_end[0])), [3, 9])


def test_numbers_of_tokens_are_bounded():
    GenerationConfig().change({"eos_token_id": 10**9})
    with pytest.raises(UserError, match="eos_token_id is 1000000001"):
        GenerationConfig().change({"eos_token_id": 10**9 + 1})


def named(plan: Plan, rows_each: int = 1) -> list[tuple[str, dict]]:
    """List a plan's logits processors by name, with what they were given."""
    found = processors_of(plan, rows_each=rows_each)
    return [(getattr(f, "func", f).__name__, getattr(f, "keywords", {})) for f in found]


def test_processors_come_in_the_official_order():
    plan = plan_of(
        PADDED, repetition_penalty=2.0, no_repeat_ngram_size=3, bad_words_ids=[[5], [3], [6, 3]],
        min_length=6, forced_bos_token_id=7, forced_eos_token_id=3, remove_invalid_values=True,
        exponential_decay_length_penalty=(2, 1.5), suppress_tokens=[9], begin_suppress_tokens=[8],
        renormalize_logits=True, max_length=12,
    )  # fmt: skip
    assert named(plan) == [
        ("repetition_penalty", {"penalty": 2.0}),
        ("ban_repeated_ngrams", {"size": 3}),
        ("add_bias", {"bias": {(5,): -np.inf, (6, 3): -np.inf}}),  # the end alone is no bad word
        ("suppress_below", {"token_ids": (3,), "length": 6}),
        ("force_at", {"token_ids": (7,), "length": 1}),
        ("force_at", {"token_ids": (3,), "length": 11}),
        ("remove_invalid", {}),
        ("exponential_decay_length_penalty", {"token_ids": (3,), "length": 6, "factor": 1.5}),
        ("suppress", {"token_ids": [9]}),
        ("suppress_at", {"token_ids": [8], "length": 4}),
        ("normalise", {}),
    ]
    assert named(plan_of(PADDED)) == []
    assert named(plan_of(PADDED, repetition_penalty=1.0, min_length=0, min_new_tokens=0)) == []


def test_a_least_length_counts_all_words_or_new_ones():
    for options, least in (
        ({"min_length": 9}, 9),
        ({"min_length": 2}, 4),  # the prompt is longer
        ({"min_new_tokens": 2}, 6),
        ({"min_length": 9, "min_new_tokens": 2}, 9),
        ({"min_length": 5, "min_new_tokens": 2}, 6),
    ):
        ((name, given),) = named(plan_of(PADDED, **options))
        assert (name, given) == ("suppress_below", {"token_ids": (3,), "length": least})


def test_of_vectors_nothing_is_seen_so_that_lengths_are_shorter():
    """A prompt of four vectors, (1, 0) ids: what the processors see begins after it."""
    options = GenerationConfig(min_length=7, forced_eos_token_id=3, max_length=12)
    plan = make_plan(
        np.zeros((1, 0), np.int64), config=CONFIG, options=options,
        attention_mask=np.ones((1, 4), np.int64), stand_ins=np.zeros((1, 4), np.int64),
    )  # fmt: skip
    assert named(plan) == [
        ("suppress_below", {"token_ids": (3,), "length": 3}),
        ("force_at", {"token_ids": (3,), "length": 7}),
    ]


def test_a_first_word_that_is_forced_comes_before_those_that_are_suppressed():
    for prompt, forced, begin in (
        ([[2]], 7, 2),
        ([[2]], None, 1),
        ([[2, 5]], 7, 2),
        ([[2, 5]], None, 2),
    ):
        plan = plan_of(np.array(prompt), begin_suppress_tokens=[8], forced_bos_token_id=forced)
        assert named(plan)[-1] == ("suppress_at", {"token_ids": [8], "length": begin})


def test_draws_leave_one_word_and_beams_one_more_than_can_end():
    given = {"do_sample": True, "top_k": 0, "top_p": 0.5}
    for ends, beams, keep in ((3, 1, 1), (3, 2, 2), ([3, 9], 2, 3), ([0, 3, 9], 4, 4)):
        plan = plan_of(PADDED, eos_token_id=ends, num_beams=beams, **given)
        assert named(plan) == [("filter_top_p", {"mass": 0.5, "keep": keep})]
    assert named(plan_of(PADDED, num_beams=2)) == []


def test_end_tokens_of_any_number_in_the_vocabulary_are_suppressed_and_no_others():
    config = replace(CONFIG, eos_token_id=[0, 60, 61, 999, -1])
    plan = make_plan(PADDED, config=config, options=GenerationConfig(min_length=9))
    assert named(plan) == [("suppress_below", {"token_ids": (0, 60), "length": 9})]


def test_without_a_padding_token_the_end_fills_up_and_nothing_is_padding():
    config = replace(CONFIG, pad_token_id=None)
    plan = make_plan(PADDED, config=config, options=GenerationConfig())
    assert plan.attention_mask.all()
    assert plan.config.pad_token_id == 3
    endless = make_plan(PADDED, config=config, options=GenerationConfig(eos_token_id=[]))
    assert endless.config.pad_token_id == 0
    assert endless.end == ()


def test_ids_are_rows_of_whole_numbers():
    np.testing.assert_array_equal(as_ids([[2, 5]]), [[2, 5]])
    assert as_ids(np.zeros((0, 3), np.int32)).shape == (0, 3)
    with pytest.raises(UserError, match='return_tensors="np"'):
        as_ids([2, 5])
    for wrong in ([], [[[2]]], [[2.5]], np.zeros((2, 2)), 5):
        with pytest.raises(UserError, match=r"whole numbers of shape \(B, T\)") as told:
            as_ids(wrong)
        assert "return_tensors" not in str(told.value)
        assert "pixel_values" not in str(told.value)
    with pytest.raises(UserError, match="pictures are pixel_values"):
        as_ids(np.zeros((1, 3, 4, 4), np.float32))
