"""The text decoder: cached == uncached, masks, positions, who depends on whom.

Checks model/checks.py.
"""

import numpy as np
import pytest
from golden_inputs import tiny_inputs, tiny_model

from numpygit.errors import UserError
from numpygit.model import text
from numpygit.model.generate import keep_rows

MODEL = tiny_model()
P, CONFIG = MODEL.params.text, MODEL.config
TOLERANCE = 3e-5  # logits are of size 1; float32 sums in another order differ by about 1e-6


def memory_of(rng: np.random.Generator, B: int, M: int) -> np.ndarray:
    return rng.standard_normal((B, M, 30)).astype(np.float32)


def uncached(memory, ids, attention_mask=None) -> np.ndarray:
    logits, _ = text.forward(memory, ids, P, config=CONFIG, attention_mask=attention_mask)
    return logits[:, memory.shape[1] :]


def test_image_tokens_never_depend_on_words():
    rng = np.random.default_rng(1)
    memory, ids = memory_of(rng, 1, 7), rng.integers(0, 61, (1, 5))
    other = (ids + 1) % 61
    one, _ = text.forward(memory, ids, P, config=CONFIG)
    two, _ = text.forward(memory, other, P, config=CONFIG)
    np.testing.assert_array_equal(one[:, :7], two[:, :7])
    assert np.abs(one[:, 7:] - two[:, 7:]).max() > 0.1


def test_a_word_depends_on_itself_and_earlier_words_only():
    rng = np.random.default_rng(2)
    memory, ids = memory_of(rng, 1, 7), rng.integers(0, 61, (1, 6))
    changed = ids.copy()
    changed[0, 3] = (changed[0, 3] + 1) % 61
    difference = np.abs(uncached(memory, ids) - uncached(memory, changed)).max(axis=2)[0]
    assert (difference[:3] == 0).all()
    assert (difference[3:] > 1e-3).all()


def test_one_picture_serves_a_longer_text_through_one_cache():
    rng = np.random.default_rng(3)
    memory = memory_of(rng, 2, 7)
    cache = text.prefill(memory, P, config=CONFIG)
    before = [layer.k.copy() for layer in cache.image_kv]
    _, longer = text.decode_step(rng.integers(0, 61, (2, 4)), cache, P, config=CONFIG)
    assert cache.text_kv[0].k.shape[2] == 0
    assert longer.text_kv[0].k.shape[2] == 4
    assert longer.image_kv is cache.image_kv
    for kept, layer in zip(before, cache.image_kv, strict=True):
        np.testing.assert_array_equal(kept, layer.k)


def test_positions_count_words():
    attention_mask = np.array([[1, 1, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0]])
    expected = [[0, 1, 2, 3], [0, 0, 0, 1], [0, 1, 2, 3]]
    np.testing.assert_array_equal(text.word_positions(attention_mask), expected)


def test_the_mask_of_one_picture_token_and_three_words():
    mask = text.full_mask(np.array([[1, 1, 1]]), image=2)[0, 0]
    unblocked = [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1] * 5]
    np.testing.assert_array_equal(mask == 0, np.array(unblocked, bool))
    padded = text.full_mask(np.array([[1, 0, 1]]), image=2)[0, 0]
    assert padded[4, 3] == np.finfo(np.float32).min


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.array([[61]]), "0 to 60, the vocabulary; got 61 to 61"),
        (np.array([[-1, 5]]), "got -1 to 5"),
        (np.zeros((1, 24), np.int64), "position 23, but this model has 23 positions"),
        (np.zeros(3, np.int64), r"shape \(B, T\); got int64 of shape \(3,\)"),
        (np.zeros((1, 3)), r"whole numbers .* got float64"),
    ],
)
def test_words_that_cannot_be_are_refused(ids, message):
    with pytest.raises(UserError, match=message):
        MODEL.logits(ids)


def test_the_inputs_are_not_changed():
    given = tiny_inputs("clip")
    kept = {name: array.copy() for name, array in given.items()}
    MODEL.logits(given["input_ids"], given["pixel_values"], attention_mask=given["attention_mask"])
    MODEL.generate(given["input_ids"], pixel_values=given["pixel_values"], max_length=9)
    for name, array in kept.items():
        np.testing.assert_array_equal(given[name], array)


def test_a_decode_step_takes_vectors_in_place_of_ids():
    memory, ids = memory_of(np.random.default_rng(4), 2, 7), np.array([[3, 1], [4, 9]])
    cache = text.prefill(memory, P, config=CONFIG)
    logits, longer = text.decode_step(ids, cache, P, config=CONFIG)
    vectors, same = text.decode_step(P.word_embedding[ids], cache, P, config=CONFIG)
    np.testing.assert_array_equal(vectors, logits)
    np.testing.assert_array_equal(same.attention_mask, longer.attention_mask)


@pytest.mark.parametrize("texts", [1, 2, 3])
def test_several_texts_about_one_picture_are_as_each_alone(texts):
    rng = np.random.default_rng(texts)
    memory = rng.standard_normal((1, 10, CONFIG.hidden_size)).astype(np.float32)
    ids = rng.integers(0, CONFIG.vocab_size, (texts, 4))
    cache = text.prefill(memory, P, config=CONFIG)
    rows = keep_rows(cache, np.zeros(texts, np.int64))
    found, rows = text.decode_step(ids[:, :2], rows, P, config=CONFIG)
    further, _ = text.decode_step(ids[:, 2:], rows, P, config=CONFIG)
    for row in range(texts):
        expected = uncached(memory, ids[row : row + 1])[0]
        np.testing.assert_allclose(found[row], expected[:2], atol=TOLERANCE)
        np.testing.assert_allclose(further[row], expected[2:], atol=TOLERANCE)
