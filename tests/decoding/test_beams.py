"""The largest of many numbers, which beam search looks for at every word."""

import numpy as np
import pytest

from numpygit.decoding.beams import largest


@pytest.mark.parametrize("size", [8, 255, 2048, 5000])
@pytest.mark.parametrize("kind", ["any", "many equals", "few allowed", "none allowed", "all equal"])
def test_the_largest_and_of_equals_the_first(size, kind):
    rng = np.random.default_rng([size, len(kind)])
    values = rng.standard_normal(size).astype(np.float32)
    if kind == "many equals":
        values = np.round(values)
    elif kind == "few allowed":
        values[rng.permutation(size)[5:]] = -np.inf
    elif kind == "none allowed":
        values[:] = -np.inf
    elif kind == "all equal":
        values[:] = 3
    for count in (1, 2, 8):
        places = largest(values, count)
        assert len(set(places.tolist())) == count
        expected = np.sort(values)[::-1][:count]
        np.testing.assert_array_equal(np.sort(values[places])[::-1], expected)


def test_of_equals_the_first_ones():
    values = np.zeros(10_000, np.float32)
    values[[9_000, 70, 4_000, 71]] = [5, 5, 7, 5]
    assert largest(values, 3).tolist() == [4_000, 70, 71]


def test_not_a_number_is_no_mistake_here():
    values = np.arange(5_000, dtype=np.float32)
    values[::300] = np.nan
    assert len(largest(values, 4)) == 4
