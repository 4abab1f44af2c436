"""Captions are cut into words as Stanford's tokeniser cuts them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from numpygit.evaluation.scores import stanford
from numpygit.evaluation.tokens import tokenise

GOLDEN = Path(__file__).parents[2] / "golden" / "evaluation" / "hard_captions.txt"
HARD = [line.split("\t") for line in GOLDEN.read_text(encoding="utf-8").splitlines()]
PLAIN = """
    a man woman dog's cat it's don't isn't they're can't holding small, red frisbee. while "stop"
    sign (old) t-shirt fire-hydrant 2 three 10 bus; street: couple's table - wine/beer & of with
"""
MIXED = """
    a A The the dog Dog's cat. I I'm don't U.S. St. st. bus (old) "stop" sign's 2 3rd 10:30 p.m.
    two-story & It's they're Mr. Mrs. Smith c. B. An Then while in wine/beer -- ... ? no. 5 #7 $5
    50% half-eaten men's K. Dr. Ave. Jr. ft. Miss. sat. Sun. Wed. fig. D.C. vs. etc. one. sign;
"""


def test_hard_captions():
    """All but the telephone number, whose two halves Stanford joins by a space of its own."""
    others = [caption for caption, words in HARD if tokenise(caption) != words]
    assert others == ["Phone: 555-1234 (555) 123-4567"]


def test_what_is_left_of_a_caption():
    assert tokenise("A man, with a dog!") == "a man with a dog"
    assert tokenise("Two lines\nand\ttabs") == "two lines and tabs"
    assert tokenise(" . , ! ") == ""


@pytest.mark.java
def test_stanford_itself():
    assert stanford([caption for caption, _ in HARD]) == [words for _, words in HARD]
    for words, ends in ((PLAIN, ""), (MIXED, " x")):
        rng = random.Random(3)
        texts = [
            " ".join(rng.choice(words.split()) for _ in range(rng.randint(1, 12))) + ends
            for _ in range(5000)
        ]
        different = [
            (text, ours, theirs)
            for text, theirs in zip(texts, stanford(texts), strict=True)
            if (ours := tokenise(text)) != theirs
        ]
        assert different == []
