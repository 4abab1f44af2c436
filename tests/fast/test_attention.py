"""Softmax without its first pass: the same weights, also where powers of e leave float32."""

import numpy as np
import pytest

from numpygit.fast import attention
from numpygit.model import layers
from numpygit.model.layers import KeyValue
from numpygit.model.params import Attention, Linear

D, N, M = 12, 3, 7
CLOSE = 5e-6


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape, np.float32)


def of_scale(scale: float, offset: float) -> Attention:
    """Attention whose scores are about `scale`, all of them moved by about `offset`."""
    query = Linear(random(D, D, seed=1) * np.float32(scale), np.full(D, offset, np.float32))
    key = Linear(random(D, D, seed=2), np.full(D, 1, np.float32))
    return Attention(query, key, Linear(random(D, D, seed=3), random(D, seed=3)),
                     Linear(random(D, D, seed=4), random(D, seed=4)))  # fmt: skip


SIZES = [(0.3, 0), (1, 30), (1, -30), (1, 500), (1, -500), (60, 0), (3000, 0)]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("scale", "offset"), SIZES)
@pytest.mark.parametrize("pictures", [1, 2])
def test_image_tokens_with_scores_of_any_size(scale, offset, pictures):
    p, tokens = of_scale(scale, offset), random(pictures, M, D)
    expected, kv = layers.attention(tokens, p, heads=N)
    x = np.ascontiguousarray(tokens.reshape(-1, D).T)
    mine, own = attention.image_attention(x, p, heads=N, pictures=pictures)
    np.testing.assert_allclose(own.k, kv.k, atol=CLOSE)
    np.testing.assert_allclose(own.v, kv.v, atol=CLOSE)
    size = np.abs(expected).max() * max(1, scale)  # scores of size s are rounded to s * 6e-8
    np.testing.assert_allclose(mine.T.reshape(tokens.shape), expected, atol=CLOSE * size)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("scale", "offset"), SIZES)
@pytest.mark.parametrize(("pictures", "threads"), [(1, 1), (9, 1), (9, 3)])
def test_words_with_scores_of_any_size(scale, offset, pictures, threads):
    p, texts, T = of_scale(scale, offset), 2, 2
    B = pictures * texts
    image = KeyValue(random(pictures, N, M, D // N), random(pictures, N, M, D // N, seed=1))
    past = KeyValue(random(B, N, 3, D // N), random(B, N, 3, D // N, seed=1))
    words = random(B, T, D)
    mask = np.zeros((B, 1, T, 5), np.float32)
    mask[:, :, 0, 4] = -np.inf
    mask[::2, :, :, 0] = np.finfo(np.float32).min  # a padded row
    whole = np.concatenate([np.zeros((B, 1, T, M), np.float32), mask], axis=3)
    expected, kv = layers.attention(words, p, heads=N, mask=whole, context=image, past=past)
    x = np.ascontiguousarray(words.reshape(-1, D).T)
    mine, own = attention.word_attention(x, p, image, past, mask=mask, threads=threads)
    np.testing.assert_allclose(own.k, kv.k, atol=CLOSE)
    size = np.abs(expected).max() * max(1, scale)
    np.testing.assert_allclose(mine.T.reshape(words.shape), expected, atol=CLOSE * size)


def test_what_is_not_a_number_stays_so():
    p, x = of_scale(1, 0), random(D, M)
    x[3, 2] = np.nan
    mine, _ = attention.image_attention(x, p, heads=N)
    assert np.isnan(mine).all()


def test_the_sums_tell_when_powers_were_lost():
    for sums, safe in [([1, 1e20], True), ([1, np.inf], False), ([0, 1], False), ([np.nan], False)]:
        assert attention.safe(np.array(sums, np.float32)) is safe
