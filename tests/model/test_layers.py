"""The plain definitions, each against its textbook formula in float64.

Checks model/params.py, model/variants/activations.py.
"""

import math

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from numpygit.errors import UserError
from numpygit.model.layers import (
    ACTIVATIONS,
    activate,
    attention,
    gelu,
    join_heads,
    layer_norm,
    linear,
    quick_gelu,
    softmax,
    split_heads,
)
from numpygit.model.params import Attention, LayerNorm, Linear

NUMBERS = np.linspace(-12, 12, 200_001, dtype=np.float32)


def test_gelu_is_x_times_the_normal_distribution_function():
    exact = np.array([x * 0.5 * math.erfc(-x / math.sqrt(2)) for x in NUMBERS.tolist()])
    rounding = np.spacing(np.abs(NUMBERS)) + 2e-7  # of the result, and of Phi near 1
    assert (np.abs(gelu(NUMBERS) - exact) <= rounding).all()
    assert gelu(NUMBERS).dtype == np.float32


def test_gelu_is_not_the_tanh_approximation():
    x = NUMBERS.astype(np.float64)
    approximation = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    assert np.abs(gelu(NUMBERS) - approximation).max() > 4e-4


def test_quick_gelu_is_x_times_the_logistic_of_1702_x():
    x = NUMBERS.astype(np.float64)
    exact = x / (1 + np.exp(-1.702 * x))
    assert (np.abs(quick_gelu(NUMBERS) - exact) <= np.spacing(np.abs(NUMBERS)) + 5e-7).all()
    assert quick_gelu(NUMBERS).dtype == np.float32


def test_the_other_activations_are_their_formulas():
    x = NUMBERS.astype(np.float64)
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    formulas = {
        "gelu_new": 0.5 * x * (1 + np.tanh(inner)),
        "relu": np.where(x > 0, x, 0),
        "silu": x / (1 + np.exp(-x)),
        "swish": x / (1 + np.exp(-x)),
        "selu": 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    }
    assert set(formulas) == set(ACTIVATIONS) - {"gelu", "quick_gelu"}
    for name, exact in formulas.items():
        result = activate(NUMBERS, name=name)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, exact, rtol=2e-6, atol=2e-6, err_msg=name)
        assert np.isfinite(activate(np.array([-1000, 1000], np.float32), name=name)).all()


@pytest.mark.parametrize("function", [gelu, quick_gelu])
def test_activations_stay_finite_far_out(function):
    far = np.array([-1000, -100, -0.0, 0.0, 100, 1000], np.float32)
    np.testing.assert_array_equal(function(far), np.where(far > 0, far, 0))


def test_an_unknown_activation_is_named_with_the_known_ones():
    with pytest.raises(UserError, match=r"'mish'.*quick_gelu, gelu"):
        activate(NUMBERS, name="mish")


@examples(100)
@given(arrays(np.float32, array_shapes(min_dims=1), elements=st.floats(-80, 80, width=32)))
def test_softmax_sums_to_one_and_ignores_a_shift(scores):
    weights = softmax(scores)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(softmax(scores + np.float32(16)), weights, rtol=2e-4, atol=1e-6)


def test_softmax_gives_nothing_to_what_may_not_be_seen():
    scores = np.array([[3, -np.inf, 1]], np.float32)
    e2 = math.exp(-2)
    np.testing.assert_allclose(softmax(scores), [[1 / (1 + e2), 0, e2 / (1 + e2)]], rtol=1e-6)


def test_layer_norm_divides_by_the_number_of_features():
    x = np.array([[1, 2, 6]], np.float32)
    p = LayerNorm(np.array([1, 2, 3], np.float32), np.array([0, 0, 1], np.float32))
    spread = math.sqrt(14 / 3 + 0.5)
    np.testing.assert_allclose(
        layer_norm(x, p, eps=0.5), [[-2 / spread, -2 / spread, 9 / spread + 1]], rtol=1e-6
    )


def test_linear_takes_weights_as_the_file_has_them():
    p = Linear(np.array([[1, 2], [3, 4], [5, 6]], np.float32), np.array([1, 0, -1], np.float32))
    np.testing.assert_array_equal(linear(np.array([[1, 10]], np.float32), p), [[22, 43, 64]])


def test_heads_split_and_join():
    x = np.arange(2 * 3 * 8, dtype=np.float32).reshape(2, 3, 8)
    heads = split_heads(x, heads=4)
    np.testing.assert_array_equal(heads[1, 2], x[1, :, 4:6])  # head 2 has columns 4 and 5
    np.testing.assert_array_equal(join_heads(heads), x)


def test_attention_equals_a_loop_over_heads_and_tokens():
    rng = np.random.default_rng(0)
    B, T, D, N = 2, 5, 6, 3
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    p = Attention(*(Linear(draw(D, D), draw(D)) for _ in range(4)))
    x = draw(B, T, D)
    mask = np.where(np.tri(T, dtype=bool), 0, -np.inf).astype(np.float32)
    attended, _ = attention(x, p, heads=N, mask=mask)
    y = x.astype(np.float64)
    q, k, v = (y @ part.weight.T + part.bias for part in (p.query, p.key, p.value))
    joined = np.zeros((B, T, D))
    for b in range(B):
        for n in range(N):
            columns = slice(n * 2, n * 2 + 2)
            for t in range(T):
                fit = k[b, : t + 1, columns] @ q[b, t, columns] / math.sqrt(2)
                share = np.exp(fit) / np.exp(fit).sum()
                joined[b, t, columns] = share @ v[b, : t + 1, columns]
    expected = joined @ p.out.weight.T + p.out.bias
    np.testing.assert_allclose(attended, expected, atol=2e-5)
