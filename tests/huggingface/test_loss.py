"""The loss: shifted once, what is ignored, and what it refuses."""

import math

import numpy as np
import pytest
from golden_inputs import tiny_inputs, tiny_model

from numpygit.errors import UserError
from numpygit.huggingface.loss import (
    IGNORED,
    answer_labels,
    cross_entropy,
    log_softmax,
    next_word_loss,
)

MODEL = tiny_model()


def by_hand(logits: np.ndarray, labels: np.ndarray) -> float:
    """The definition, in float64: word t is foretold by the logits at word t - 1."""
    lost = []
    for row, ids in zip(logits.astype(np.float64), labels, strict=True):
        for t in range(1, len(ids)):
            if ids[t] != IGNORED:
                shares = np.exp(row[t - 1]) / np.exp(row[t - 1]).sum()
                lost.append(-math.log(shares[ids[t]]))
    return sum(lost) / len(lost)


@pytest.mark.parametrize("kind", ["still", "clip", "no picture", "one frame of four"])
def test_labels_are_shifted_exactly_once(kind: str) -> None:
    """4.49 to 5.14 shift twice; 4.37.2 is misaligned or fails for the last three kinds."""
    given = tiny_inputs("clip" if "frame" in kind else kind.replace("no picture", "still"))
    pixels = {
        "no picture": None,
        "one frame of four": given["pixel_values"][:, :1],
    }.get(kind, given["pixel_values"])
    ids = given["input_ids"]
    labels = np.where(ids % 5 == 0, IGNORED, ids)
    outputs = MODEL(ids, pixel_values=pixels, labels=labels)
    expected = by_hand(outputs.logits[:, -ids.shape[1] :], labels)
    np.testing.assert_allclose(outputs.loss, expected, rtol=1e-5)
    assert np.ndim(outputs.loss) == 0
    assert outputs.loss > 0


def test_a_loss_returns_no_cache_and_stands_first() -> None:
    given = tiny_inputs("still")
    outputs = MODEL(given["input_ids"], labels=given["input_ids"])
    assert list(outputs) == ["loss", "logits"]
    loss, logits = MODEL(given["input_ids"], labels=given["input_ids"], return_dict=False)
    assert loss == outputs.loss
    np.testing.assert_array_equal(logits, outputs.logits)


def test_kept_logits_do_not_change_the_loss() -> None:
    ids = tiny_inputs("still")["input_ids"]
    whole, last = MODEL(ids, labels=ids), MODEL(ids, labels=ids, logits_to_keep=1)
    assert whole.loss == last.loss
    assert last.logits.shape == (2, 1, 61)


def test_padding_is_ignored_only_where_the_labels_say_so() -> None:
    logits = np.random.default_rng(0).standard_normal((1, 4, 9)).astype(np.float32)
    with_padding = next_word_loss(logits, np.array([[1, 2, 0, 0]]))
    without = next_word_loss(logits, np.array([[1, 2, IGNORED, IGNORED]]))
    np.testing.assert_allclose(with_padding, by_hand(logits, np.array([[1, 2, 0, 0]])), rtol=1e-6)
    assert without != with_padding


def test_large_logits_stay_exact() -> None:
    logits = np.array([[3e4, -3e4, 3e4]], np.float32)
    np.testing.assert_allclose(
        log_softmax(logits), [[-0.6931472, -60000.6931, -0.6931472]], rtol=1e-6
    )
    assert cross_entropy(logits, np.array([1])) == np.float32(60000.6931)
    assert cross_entropy(logits, np.array([0])).dtype == np.float32


def test_a_perfect_answer_to_smoothed_labels_loses_nothing() -> None:
    asked = np.full((1, 5), 0.1 / 4, np.float32)
    asked[0, 3] = 0.9
    assert abs(cross_entropy(np.log(asked), np.array([3]), smoothing=0.1)) < 1e-6
    assert cross_entropy(np.log(asked), np.array([2]), smoothing=0.1) > 1


def test_only_the_answer_teaches() -> None:
    ids = np.array([[2, 10, 11, 20, 3, 0]])
    labels = answer_labels(ids, np.array([[0, 0, 0, 1, 1, 0]]))
    np.testing.assert_array_equal(labels, [[IGNORED] * 3 + [20, 3, IGNORED]])
    with pytest.raises(UserError, match="shape of input_ids"):
        answer_labels(ids, np.ones(6))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full((2, 6), IGNORED), "no label to learn from"),
        (np.full((2, 5), 7), r"shape \(2, 6\).*got int64 of shape \(2, 5\)"),
        (np.full((2, 6), 7.0), "whole numbers"),
        (np.full((2, 6), 61), "0 to 60, or be -100.*got 61"),
        (np.full((2, 6), -1), "got -1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        MODEL(tiny_inputs("still")["input_ids"], labels=labels)
