"""Layers of columns beside model/layers.py: residuals, activations, norms."""

import gc
import weakref

import numpy as np
import pytest
from attention_cases import of_scale

from numpygit.fast import layers as fast
from numpygit.fast.teams import Member, Team, in_teams
from numpygit.model import layers
from numpygit.model.params import MLP, LayerNorm, Linear

CLOSE = 2e-6  # in units of the largest number


def assert_close(mine: np.ndarray, plain: np.ndarray) -> None:
    assert mine.shape == plain.shape
    assert mine.dtype == np.float32
    assert np.abs(mine - plain).max() <= CLOSE * max(1, np.abs(plain).max())


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape, np.float32)


def test_residuals_are_added():
    p = MLP(Linear(random(12, 6), random(12)), Linear(random(6, 12), random(6)))
    x, plus = random(6, 9), random(1, 6, 9)[0]
    expected = layers.mlp(x.T[None], p, activation="gelu")[0].T
    assert_close(fast.mlp(x, p, activation="gelu"), expected)
    assert_close(fast.mlp(x, p, activation="gelu", plus=plus), expected + plus)
    assert_close(fast.linear(x, p.up), layers.linear(x.T, p.up).T)
    assert_close(fast.linear(x, p.up, rows=slice(2, 5)), layers.linear(x.T, p.up).T[2:5])


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_team_computes_the_same(size):
    p = MLP(Linear(random(11, 6), random(11)), Linear(random(6, 11), random(6)))
    norm, x, plus = LayerNorm(random(6), random(6)), random(6, 9), random(1, 6, 9)[0]

    def work(picture: slice, member: Member) -> tuple:
        normed = fast.layer_norm(x, norm, eps=1e-5, member=member)
        return normed, fast.mlp(x, p, activation="gelu", plus=plus, member=member)

    ((normed, hidden),) = in_teams(work, [slice(0, 1)], size=size, threads=4)
    assert_close(normed, layers.layer_norm(x.T, norm, eps=1e-5).T)
    assert_close(hidden, layers.mlp(x.T[None], p, activation="gelu")[0].T + plus)


@pytest.mark.parametrize("hands", [1, 2, 3, 20])
def test_hands_share_the_activation(hands):
    p, x = MLP(Linear(random(11, 6), random(11)), Linear(random(6, 11), random(6))), random(6, 9)
    mine = fast.mlp(x, p, activation="gelu", member=Member(Team(1), 0, hands=hands))
    assert_close(mine, layers.mlp(x.T[None], p, activation="gelu")[0].T)


@pytest.mark.parametrize("name", ["quick_gelu", "gelu", "gelu_new", "relu", "silu", "selu", abs])
def test_activations(name):
    x = np.linspace(-12, 12, 70_001, dtype=np.float32).reshape(-1, 1)
    x = np.concatenate([x, np.array([[-200], [-60], [60], [200]], np.float32)])
    bias = np.full(len(x), 0.25, np.float32)
    mine = x.copy()
    fast.activate(mine, bias, name=name)
    plain = layers.activate(x + bias[:, None], name=name)
    assert np.abs(mine - plain).max() < 1e-6 * 12


@pytest.mark.parametrize("name", ["quick_gelu", "gelu"])
def test_activations_of_huge_numbers_are_all_or_nothing(name):
    x = np.array([[-3e38], [-1e4], [1e4], [3e38]], np.float32)
    mine = x.copy()
    fast.activate(mine, np.zeros(4, np.float32), name=name)
    np.testing.assert_array_equal(mine, np.maximum(x, 0))


def test_norms_of_large_and_of_equal_numbers():
    p = LayerNorm(np.linspace(0.5, 2, 16, dtype=np.float32), np.ones(16, np.float32))
    x = np.stack([np.full(16, 7), np.arange(16) * 1e4, np.arange(16) - 3e2]).astype(np.float32)
    assert_close(fast.layer_norm(x.T.copy(), p, eps=1e-5).T, layers.layer_norm(x, p, eps=1e-5))


def test_joined_weights_live_as_long_as_the_weights():
    p = of_scale(1, 0)
    assert fast.joined_weights(p) is None  # they can be changed in place
    for one in (p.query, p.key, p.value):
        one.weight.flags.writeable = False
    joined = fast.joined_weights(p)
    np.testing.assert_array_equal(joined, [*p.query.weight, *p.key.weight, *p.value.weight])
    assert fast.joined_weights(p) is joined
    kept = weakref.ref(joined)
    del p, one, joined
    gc.collect()
    assert kept() is None
