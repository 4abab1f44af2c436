"""Prompts, checked and padded on the left, with and without an attention mask."""

import numpy as np
import pytest

from numpygit import GenerationConfig, GitConfig, UserError
from numpygit.decoding.plan import Plan, make_plan, processors_of

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
