"""Products of few rows, however they are cut: the same numbers as one product."""

import numpy as np
import pytest

from numpygit.fast import products

CLOSE = 2e-6  # in units of the largest number


def assert_close(mine: np.ndarray, plain: np.ndarray) -> None:
    assert mine.shape == plain.shape
    assert mine.dtype == np.float32
    assert mine.flags.c_contiguous
    assert np.abs(mine - plain).max() <= CLOSE * max(1, np.abs(plain).max())


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape, np.float32)


@pytest.mark.parametrize("directly", [True, False])
@pytest.mark.parametrize("threads", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 4, 5, 7, 8, 16, 17, 32, 33])
def test_products_however_they_are_cut(count, threads, directly, monkeypatch):
    monkeypatch.setattr(products, "NEAR", 60)
    monkeypatch.setattr(products, "SLICE", 40)
    monkeypatch.setattr(products, "SMALL", 200)
    monkeypatch.setattr(products, "multiplies_small_directly", lambda: directly)
    x, weight = random(count, 8), random(50, 8)
    assert_close(products.product(x, weight, threads=threads), x @ weight.T)
    turned = random(8, 50).T  # does not lie row by row
    assert_close(products.product(x, turned, threads=threads), x @ turned.T)
    scattered = random(8, count).T
    assert_close(products.product(scattered, weight, threads=threads), scattered @ weight.T)


@pytest.mark.parametrize("directly", [True, False])
@pytest.mark.parametrize("threads", [1, 3, 4])
@pytest.mark.parametrize("count", [1, 4, 9, 17, 33])
def test_several_products_at_once(count, threads, directly, monkeypatch):
    monkeypatch.setattr(products, "SMALL", 200)
    monkeypatch.setattr(products, "multiplies_small_directly", lambda: directly)
    x, weights = random(count, 8), [random(50, 8) + number for number in range(3)]
    found = products.products(x, *weights, threads=threads)
    for mine, weight in zip(found, weights, strict=True):
        assert_close(mine, x @ weight.T)


def test_products_smaller_than_a_slice_and_with_rows_left_over(monkeypatch):
    for small in (1, 8 * 3, 8 * 3 * 7, 10**6):
        monkeypatch.setattr(products, "SMALL", small)
        weight, columns = random(50, 8), random(8, 3)
        found = np.full((50, 3), np.nan, np.float32)
        products.multiply_stacked(weight, columns, out=found)
        assert_close(found, weight @ columns)
