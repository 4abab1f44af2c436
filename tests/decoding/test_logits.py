"""Logits processors at their boundaries, worked out by hand."""

import numpy as np

from numpygit.decoding.logits import ban_repeated_ngrams, exponential_decay_length_penalty

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
