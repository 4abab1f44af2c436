"""What is said before, after and never; where two texts part."""

import pytest

from numpygit.decoding.wording import Wording, common_start
from numpygit.errors import UserError


@pytest.mark.parametrize(
    ("a", "b", "start"),
    [("", "", ""), ("a", "", ""), ("ab", "cd", ""), ("ab", "ad", "a"), ("ab", "ab", "ab"),
     ("ab", "abc", "ab"), ("abc", "ab", "ab"), ("xb", "yb", "")],
)  # fmt: skip
def test_what_two_texts_begin_with_alike(a, b, start):
    assert common_start(a, b) == common_start(b, a) == start


def test_prefix_and_suffix_stand_around_a_caption():
    assert Wording().around("a cat") == "a cat"
    assert Wording(prefix="xyz, ").around("a cat") == "xyz, a cat"
    assert Wording(suffix=".").around("a cat") == "a cat."


@pytest.mark.parametrize("forbid", [["a"], ("a", "b"), {"a"}, (), []])
def test_words_are_forbidden_by_any_kind_of_list(forbid):
    assert Wording(forbid=forbid).forbid == forbid


@pytest.mark.parametrize(
    "wrong",
    [{"begin": None}, {"prefix": 3}, {"suffix": b"a"}, {"forbid": "a"}, {"forbid": [3]},
     {"forbid": ["a", None]}, {"forbid": None}, {"options": None}, {"options": [("a", 1)]}],
)  # fmt: skip
def test_what_is_no_wording_is_refused_by_name(wrong):
    with pytest.raises(UserError, match=f"{next(iter(wrong))} is .*, expected"):
        Wording(**wrong)
