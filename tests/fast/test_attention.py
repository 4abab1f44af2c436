"""Softmax without its first pass: the same weights, also where powers of e leave float32."""

import numpy as np
import pytest
from attention_cases import CLOSE, SIZES, D, M, N, of_scale, random

from numpygit.fast import attention
from numpygit.fast.teams import Member, Team, in_teams
from numpygit.model import layers
from numpygit.model.layers import KeyValue


def room(pictures: int) -> KeyValue:
    """Make room for keys and values; what nobody writes is not a number."""
    empty = np.full((pictures, N, M, D // N), np.nan, np.float32)
    return KeyValue(empty, empty.copy())


def assert_same_cache(kept: KeyValue, expected: KeyValue) -> None:
    np.testing.assert_allclose(kept.k, expected.k, atol=CLOSE)
    np.testing.assert_allclose(kept.v, expected.v, atol=CLOSE)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("scale", "offset"), SIZES)
@pytest.mark.parametrize("pictures", [1, 2])
def test_image_tokens_with_scores_of_any_size(scale, offset, pictures):
    p, tokens, kept = of_scale(scale, offset), random(pictures, M, D), room(pictures)
    expected, kv = layers.attention(tokens, p, heads=N)
    x = np.ascontiguousarray(tokens.reshape(-1, D).T)
    mine = attention.image_attention(x, p, heads=N, pictures=pictures, keep=kept)
    assert_same_cache(kept, kv)
    size = np.abs(expected).max() * max(1, scale)  # scores of size s are rounded to s * 6e-8
    np.testing.assert_allclose(mine.T.reshape(tokens.shape), expected, atol=CLOSE * size)
    again = room(pictures)
    attention.image_keys_and_values(x, p, heads=N, keep=again, pictures=pictures)
    assert_same_cache(again, kv)


@pytest.mark.parametrize("size", range(2, N + 1))
def test_a_team_shares_the_heads_of_a_picture(size):
    p, tokens, kept, again = of_scale(1, 0), random(1, M, D), room(1), room(1)
    expected, kv = layers.attention(tokens, p, heads=N)
    x = np.ascontiguousarray(tokens[0].T)

    def work(picture: slice, member: Member) -> np.ndarray:
        attention.image_keys_and_values(x, p, heads=N, keep=again, member=member)
        return attention.image_attention(x, p, heads=N, plus=x, keep=kept, member=member)

    (whole,) = in_teams(work, [slice(0, 1)], size=size, threads=size)
    expected = expected + tokens
    np.testing.assert_allclose(whole.T[None], expected, atol=CLOSE * np.abs(expected).max())
    assert_same_cache(kept, kv)
    assert_same_cache(again, kv)


@pytest.mark.parametrize("locked", [True, False])
@pytest.mark.parametrize("hands", [1, 2, 3, 9])
def test_hands_share_the_heads_of_a_picture(hands, locked):
    p, tokens, kept = of_scale(1, 0), random(1, M, D), room(1)
    for one in (p.query, p.key, p.value):
        one.weight.flags.writeable = not locked
    expected, kv = layers.attention(tokens, p, heads=N)
    x = np.ascontiguousarray(tokens[0].T)
    member = Member(Team(1), 0, hands=hands)
    mine = attention.image_attention(x, p, heads=N, keep=kept, member=member)
    np.testing.assert_allclose(mine.T[None], expected, atol=CLOSE * np.abs(expected).max())
    assert_same_cache(kept, kv)


def test_what_is_not_a_number_stays_so():
    p, x = of_scale(1, 0), random(D, M)
    x[3, 2] = np.nan
    mine = attention.image_attention(x, p, heads=N)
    assert np.isnan(mine).all()


def test_the_sums_tell_when_powers_were_lost():
    for sums, safe in [([1, 1e20], True), ([1, np.inf], False), ([0, 1], False), ([np.nan], False)]:
        assert attention.safe(np.array(sums, np.float32)) is safe
