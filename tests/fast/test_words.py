"""Layers of rows beside model/layers.py: attention of words, residuals, norms."""

import numpy as np
import pytest
from attention_cases import CLOSE, SIZES, D, M, N, of_scale, random

from numpygit.fast import words as fast
from numpygit.model import layers
from numpygit.model.layers import KeyValue
from numpygit.model.params import MLP, LayerNorm, Linear


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("scale", "offset"), SIZES)
@pytest.mark.parametrize(("pictures", "threads"), [(1, 1), (9, 1), (9, 3), (4, 9)])
def test_words_with_scores_of_any_size(scale, offset, pictures, threads):
    p, texts, T = of_scale(scale, offset), 2, 2
    B = pictures * texts
    image = KeyValue(random(pictures, N, M, D // N), random(pictures, N, M, D // N, seed=1))
    past = KeyValue(random(B, N, 3, D // N), random(B, N, 3, D // N, seed=1))
    tokens = random(B, T, D)
    mask = np.zeros((B, 1, T, 5), np.float32)
    mask[:, :, 0, 4] = -np.inf
    mask[::2, :, :, 0] = np.finfo(np.float32).min  # a padded row
    whole = np.concatenate([np.zeros((B, 1, T, M), np.float32), mask], axis=3)
    expected, kv = layers.attention(tokens, p, heads=N, mask=whole, context=image, past=past)
    x = tokens.reshape(-1, D)
    room = KeyValue(np.full_like(kv.k, np.nan), np.full_like(kv.v, np.nan))
    mine = fast.word_attention(x, p, image, past, mask=mask, keep=room, threads=threads)
    np.testing.assert_allclose(room.k, kv.k, atol=CLOSE)
    np.testing.assert_allclose(room.v, kv.v, atol=CLOSE)
    size = np.abs(expected).max() * max(1, scale)
    np.testing.assert_allclose(mine.reshape(tokens.shape), expected, atol=CLOSE * size)


@pytest.mark.parametrize("threads", [1, 2])
def test_residuals_are_added(threads):
    p = MLP(Linear(random(12, 6), random(12)), Linear(random(6, 12), random(6)))
    x, plus = random(9, 6), random(1, 9, 6)[0]
    expected = layers.mlp(x[None], p, activation="gelu")[0]
    size = CLOSE * np.abs(expected).max()
    mine = fast.mlp(x, p, activation="gelu", threads=threads)
    np.testing.assert_allclose(mine, expected, atol=size)
    mine = fast.mlp(x, p, activation="gelu", plus=plus, threads=threads)
    np.testing.assert_allclose(mine, expected + plus, atol=size)


def test_norms_of_large_and_of_equal_numbers():
    p = LayerNorm(np.linspace(0.5, 2, 16, dtype=np.float32), np.ones(16, np.float32))
    x = np.stack([np.full(16, 7), np.arange(16) * 1e4, np.arange(16) - 3e2]).astype(np.float32)
    expected = layers.layer_norm(x, p, eps=1e-5)
    mine = fast.layer_norm(x, p, eps=1e-5)
    assert mine.dtype == np.float32
    np.testing.assert_allclose(mine, expected, atol=CLOSE * np.abs(expected).max())
