"""The filters of sampling at their boundaries, worked out by hand.

Probabilities are powers of two, or halves and quarters, so that sums and products are exact.
"""

import math
from functools import partial

import numpy as np
import pytest

from numpygit.decoding import sampling
from numpygit.decoding.options import GenerationConfig
from numpygit.decoding.sampling import (
    below_top,
    draw,
    draw_several,
    filter_epsilon,
    filter_eta,
    filter_min_p,
    filter_top_k,
    filter_top_p,
    filter_typical,
    filters,
    random_numbers,
    scale_temperature,
)

IDS = np.zeros((1, 1), np.int64)
HALVES = [1 / 4, 1 / 2, 1 / 8, 1 / 8]
NEVER = -np.inf


def logits_of(probabilities: list[float]) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(np.array([probabilities], np.float32))


def kept(filtered: np.ndarray) -> list[int]:
    return np.flatnonzero(np.isfinite(filtered[0])).tolist()


# ---------------------------------------------------------------- which filters


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"top_k": 0}, []),
        ({"top_k": None}, []),
        ({}, ["filter_top_k"]),  # 50, as in transformers
        ({"top_k": 1}, ["filter_top_k"]),
        ({"top_k": 0, "temperature": 2.0}, ["scale_temperature"]),
        ({"top_k": 0, "temperature": 0.5}, ["scale_temperature"]),
        ({"top_k": 0, "top_p": 0.99}, ["filter_top_p"]),
        ({"top_k": 0, "top_p": 1.0, "typical_p": 1.0}, []),
        ({"top_k": 0, "min_p": 0.0}, ["filter_min_p"]),
        ({"top_k": 0, "typical_p": 0.99}, ["filter_typical"]),
        ({"top_k": 0, "epsilon_cutoff": 0.5, "eta_cutoff": 0.0}, ["filter_epsilon"]),
        ({"top_k": 0, "epsilon_cutoff": 0.0, "eta_cutoff": 0.5}, ["filter_eta"]),
        ({"top_k": 0, "renormalize_logits": True}, ["normalise"]),
        (
            {"eta_cutoff": 0.1, "epsilon_cutoff": 0.1, "typical_p": 0.5, "min_p": 0.1,
             "top_p": 0.5, "top_k": 3, "temperature": 3.0, "renormalize_logits": True},
            ["scale_temperature", "filter_top_k", "filter_top_p", "filter_min_p",
             "filter_typical", "filter_epsilon", "filter_eta", "normalise"],
        ),
    ],
)  # fmt: skip
def test_the_options_that_are_set_have_a_filter_in_the_official_order(options, names):
    found = filters(GenerationConfig(do_sample=True, **options), keep=1)
    assert [getattr(one, "func", one).__name__ for one in found] == names


def test_top_k_leaves_what_must_be_kept():
    (few,) = filters(GenerationConfig(do_sample=True, top_k=1), keep=3)
    assert kept(few(IDS, logits_of(HALVES))) == [0, 1, 2, 3]  # the third and its equal
    (many,) = filters(GenerationConfig(do_sample=True, top_k=3), keep=1)
    assert kept(many(IDS, logits_of([1 / 2, 1 / 4, 1 / 8, 1 / 16]))) == [0, 1, 2]


# ---------------------------------------------------------------- each at its boundary


def test_temperature_divides():
    logits = np.array([[2.0, -4.0]], np.float32)
    found = scale_temperature(IDS, logits, temperature=2.0)
    np.testing.assert_array_equal(found, [[1, -2]])
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [1]), (2, [0, 1]), (3, [0, 1, 2, 3]), (9, [0, 1, 2, 3])]
)
def test_top_k_keeps_equals_of_the_last(count, expected):
    assert kept(filter_top_k(IDS, logits_of(HALVES), count=count)) == expected


@pytest.mark.parametrize(
    ("mass", "keep", "expected"),
    [
        (0.4, 1, [1]),
        (0.5, 1, [1]),  # half is enough for half
        (0.51, 1, [0, 1]),
        (0.75, 1, [0, 1]),
        (0.76, 1, [0, 1, 3]),  # of equals those that come last in order of size
        (0.0, 1, [1]),
        (0.0, 2, [0, 1]),
        (0.0, 3, [0, 1, 3]),
    ],
)
def test_top_p_keeps_the_fewest_that_reach_the_mass(mass, keep, expected):
    assert kept(filter_top_p(IDS, logits_of(HALVES), mass=mass, keep=keep)) == expected


@pytest.mark.parametrize(
    ("share", "keep", "expected"),
    [
        (1.0, 1, [1]),
        (0.5, 1, [0, 1]),  # exactly half as likely as the likeliest
        (0.51, 1, [1]),
        (0.25, 1, [0, 1, 2, 3]),
        (1.0, 2, [0, 1]),
        (0.0, 1, [0, 1, 2, 3]),
    ],
)
def test_min_p_counts_from_the_likeliest(share, keep, expected):
    assert kept(filter_min_p(IDS, logits_of(HALVES), share=share, keep=keep)) == expected


def test_typical_keeps_what_is_nearest_to_the_entropy():
    """Surprisals 2, 1, 3, 3 ln 2 and entropy 1.75 ln 2: distances 0.25, 0.75, 1.25, 1.25 ln 2."""
    for mass, keep, expected in [
        (0.2, 1, [0]),
        (0.25, 1, [0]),  # a quarter is enough for a quarter
        (0.26, 1, [0, 1]),
        (0.75, 1, [0, 1]),
        (0.7, 1, [0, 1]),
        (0.8, 1, [0, 1, 2, 3]),
        (0.2, 2, [0, 1]),
        (0.2, 3, [0, 1, 2]),
        (1.0, 1, [0, 1, 2, 3]),
    ]:
        found = filter_typical(IDS, logits_of(HALVES), mass=mass, keep=keep)
        assert kept(found) == expected, mass


def test_typical_where_one_word_has_all_the_mass_that_is_asked_for():
    """Two words of one half each, one of none: distances 0, 0 and infinite."""
    logits = np.array([[3.0, 3.0, NEVER]], np.float32)
    assert kept(filter_typical(IDS, logits, mass=0.5, keep=1)) == [0, 1]
    assert kept(filter_typical(IDS, logits, mass=0.9, keep=1)) == [0, 1]


def test_typical_keeps_all_where_rounding_never_reaches_the_mass():
    """1,000 equal words sum to less than 1 in float32; the last place is the last word."""
    logits = np.zeros((1, 1000), np.float32)
    assert len(kept(filter_typical(IDS, logits, mass=0.9999999, keep=1))) == 1000
    rising = np.linspace(0, 1, 1000, dtype=np.float32)[None]
    mass = 1 + 1e-3  # never reached: as if rounding had lost it
    assert len(kept(filter_typical(IDS, rising, mass=mass, keep=1))) == 1000


@pytest.mark.parametrize(
    ("epsilon", "keep", "expected"),
    [
        (1 / 8, 1, [0, 1, 2, 3]),  # not below it
        (0.126, 1, [0, 1]),
        (0.3, 1, [1]),
        (0.9, 1, [1]),
        (0.9, 2, [0, 1]),
    ],
)
def test_epsilon_cuts_what_is_below(epsilon, keep, expected):
    logits = logits_of(HALVES)
    assert kept(filter_epsilon(IDS, logits, epsilon=epsilon, keep=keep)) == expected


def test_eta_is_the_smaller_of_epsilon_and_what_the_entropy_leaves():
    """Entropy 1.75 ln 2: exp(-entropy) is 0.2973, times the root of epsilon."""
    logits = logits_of(HALVES)
    assert kept(filter_eta(IDS, logits, epsilon=0.09, keep=1)) == [0, 1, 2, 3]  # 0.0892
    assert kept(filter_eta(IDS, logits, epsilon=0.25, keep=1)) == [0, 1]  # 0.1487
    assert kept(filter_eta(IDS, logits, epsilon=0.81, keep=1)) == [1]  # 0.2676
    assert kept(filter_eta(IDS, logits, epsilon=0.81, keep=3)) == [0, 1, 2, 3]
    sure = np.array([[0.0, -9.0, NEVER]], np.float32)  # entropy near 0: epsilon itself
    assert kept(filter_eta(IDS, sure, epsilon=1e-4, keep=1)) == [0, 1]
    assert kept(filter_eta(IDS, sure, epsilon=2e-4, keep=1)) == [0]


def test_below_the_top():
    logits = logits_of(HALVES)
    for keep, expected in ((1, [0, 2, 3]), (2, [2, 3]), (3, []), (4, []), (9, [])):
        assert np.flatnonzero(below_top(logits, keep)[0]).tolist() == expected


# ---------------------------------------------------------------- draws


def test_several_draws_are_different_words():
    logits = np.zeros((3, 7), np.float32)
    drawn = draw_several(logits, np.random.default_rng(1), count=5)
    assert drawn.shape == (3, 5)
    assert all(len(set(row)) == 5 for row in drawn.tolist())


def test_random_numbers_come_from_the_generator_the_seed_or_numpy(monkeypatch):
    mine = np.random.default_rng(3)
    assert random_numbers(GenerationConfig(generator=mine)) is mine
    again = random_numbers(GenerationConfig(seed=3)).integers(1000)
    assert again == np.random.default_rng(3).integers(1000)
    assert random_numbers(GenerationConfig(seed=0)).integers(9) == np.random.default_rng(
        0
    ).integers(9)
    monkeypatch.setattr(sampling.np.random, "randint", lambda most: 5)
    assert random_numbers(GenerationConfig()).integers(99) == np.random.default_rng(5).integers(99)


@pytest.mark.parametrize("how", [draw, partial(draw_several, count=1)])
def test_draws_are_as_frequent_as_they_are_likely(how):
    """One word of one half, 20 of one fortieth each: 8,000 draws, 5 standard deviations."""
    logits = np.log(np.array([[1 / 2, *[1 / 40] * 20]], np.float32)).repeat(8000, axis=0)
    drawn = how(logits, np.random.default_rng(4)).reshape(-1)
    assert abs(np.mean(drawn == 0) - 1 / 2) < 5 * math.sqrt(1 / 4 / 8000)
    assert len(set(drawn.tolist())) == 21
