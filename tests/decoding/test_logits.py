"""Logits processors at their boundaries, worked out by hand."""

import numpy as np
import pytest

from numpygit.decoding.logits import (
    PADDING,
    add_bias,
    allow_only,
    ban_repeated_ngrams,
    exponential_decay_length_penalty,
    force_at,
    log_softmax,
    remove_invalid,
    repetition_penalty,
    suppress_at,
    suppress_below,
)
from numpygit.errors import UserError

LOGITS = np.array([[1.0, -2.0, 3.0, -np.inf]], np.float32)


def of_length(length: int) -> np.ndarray:
    return np.zeros((1, length), np.int64)


def test_end_tokens_grow_from_the_first_token_beyond_the_length():
    for length, power in ((4, 0), (5, 0), (6, 1), (7, 2)):
        found = exponential_decay_length_penalty(
            of_length(length), LOGITS, token_ids=(1, 3), length=5, factor=1.5
        )
        risen = -2 + 2 * (1.5**power - 1)  # its own size more, times what the factor has grown
        np.testing.assert_allclose(found, [[1, risen, 3, -np.inf]], rtol=1e-6)


def test_ngrams_of_texts_that_are_as_long_or_shorter():
    text = np.array([[0, 1, 0]])
    for size, banned in ((1, [0, 1]), (2, [1]), (3, []), (4, []), (5, []), (9, [])):
        found = ban_repeated_ngrams(text, np.zeros((1, 3), np.float32), size=size)
        assert np.flatnonzero(np.isinf(found[0])).tolist() == banned


def test_log_probabilities_of_large_logits_are_finite():
    for logits in ([[200.0, 0.0, -200.0]], [[-500.0, -500.0, -700.0]]):
        found = log_softmax(np.array(logits, np.float32))
        assert np.isfinite(found).all()
        np.testing.assert_allclose(np.exp(found).sum(axis=-1), 1, rtol=1e-6)
    rows = np.array([[[0.0, np.log(3.0)]], [[7.0, 7.0]]], np.float32)
    expected = np.log([[[0.25, 0.75]], [[0.5, 0.5]]])
    np.testing.assert_allclose(log_softmax(rows), expected, rtol=1e-6)


def test_repetition_divides_what_is_likely_and_multiplies_what_is_not():
    logits = np.array([[4.0, -4.0, 0.0, 8.0, -8.0]], np.float32)
    ids = np.array([[PADDING, 0, 1, 2, 0]])
    found = repetition_penalty(ids, logits, penalty=2.0)
    np.testing.assert_array_equal(found, [[2, -8, 0, 8, -8]])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(logits, [[4, -4, 0, 8, -8]])


def test_tokens_are_suppressed_or_forced_at_their_length_alone():
    logits = np.zeros((2, 4), np.float32)
    for length in (1, 2, 3, 4):
        ids = np.zeros((2, length), np.int64)
        at = suppress_at(ids, logits, token_ids=[1, 3], length=3)
        below = suppress_below(ids, logits, token_ids=[1, 3], length=3)
        forced = force_at(ids, logits, token_ids=[1, 3], length=3)
        assert np.isinf(at[:, [1, 3]]).all() == np.isinf(at).any() == (length == 3)
        assert np.isinf(below[:, [1, 3]]).all() == np.isinf(below).any() == (length < 3)
        assert np.isinf(forced[:, [0, 2]]).all() == np.isinf(forced).any() == (length == 3)
        assert np.isfinite(at[:, [0, 2]]).all()
        assert (forced[:, [1, 3]] == 0).all()


def test_a_bias_falls_on_the_last_token_of_a_sequence_that_stands_there():
    logits = np.zeros((2, 5), np.float32)
    ids = np.array([[4, 1, 2], [1, 2, 1]])
    found = add_bias(ids, logits, bias={(3,): 1.0, (2, 4): 2.0, (1, 2, 0): 4.0, (1, 2, 1, 2): 8.0,
                                        (9, 9, 9, 9, 1): 16.0})  # fmt: skip
    np.testing.assert_array_equal(found, [[4, 0, 0, 1, 2], [0, 0, 8, 1, 0]])


def test_what_is_not_finite_becomes_a_number_or_a_complaint():
    logits = np.array([[1.0, np.nan, np.inf, -np.inf]], np.float32)
    found = remove_invalid(of_length(1), logits)
    assert found[0, 0] == 1
    assert found[0, 1] == 0
    assert np.isfinite(found).all()
    assert found[0, 2] == np.finfo(np.float32).max


def test_a_function_that_allows_nothing_is_told_with_its_prompt():
    ids, logits = np.array([[9], [9], [8], [8]]), np.zeros((4, 5), np.float32)
    found = allow_only(ids, logits, allowed=lambda prompt, row: [prompt, 4], rows_each=2)
    assert [np.flatnonzero(np.isfinite(row)).tolist() for row in found] == [
        [0, 4], [0, 4], [1, 4], [1, 4]]  # fmt: skip
    with pytest.raises(UserError, match="prompt 1"):
        allow_only(ids, logits, allowed=lambda prompt, row: [] if prompt else [3], rows_each=2)
