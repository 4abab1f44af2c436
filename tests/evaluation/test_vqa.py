"""VQA accuracy equals the official code's, slips included."""

from __future__ import annotations

from pathlib import Path

import pytest
from vqa_cases import cases

from numpygit.evaluation.vqa import normalise, vqa_accuracy

GOLDEN = Path(__file__).parents[2] / "golden" / "evaluation" / "vqa_accuracy.txt"
VALUES = {"0": 0.0, "3": 0.3, "6": 0.6, "9": 0.9, "1": 1.0}


def test_equal_to_the_official_code_on_3000_cases():
    official = [VALUES[digit] for digit in GOLDEN.read_text().replace("\n", "")]
    made = [vqa_accuracy(answer, answers) for answer, answers in cases()]
    assert len(official) == len(made) == 3000
    assert made == pytest.approx(official, abs=1e-12)
    assert {round(value, 3) for value in made} == set(VALUES.values())


@pytest.mark.parametrize(("equal", "accuracy"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1)])
def test_one_annotator_is_left_out_after_the_other(equal, accuracy):
    answers = ["cat"] * equal + [f"dog {i}" for i in range(10 - equal)]
    assert vqa_accuracy("cat", answers) == pytest.approx(accuracy)


def test_the_slips_of_the_official_code():
    assert vqa_accuracy("Yes", ["yes"] * 10) == 0
    assert vqa_accuracy("Yes", ["yes"] * 9 + ["no"]) == 1
    assert normalise("3.") == "3"
    assert normalise("3.5") == "3.5"
    assert normalise("." * 40) == "." * 8
    assert normalise("red-ish") == "red ish"
    assert normalise("red- ish") == "red ish"
    assert normalise("a,b c, d") == "ab c d"
    assert normalise("somebody'd Im lets shes") == "somebodyd im lets shes"


def test_numbers_articles_and_contractions():
    assert normalise("The two dogs, none of them") == "2 dogs 0 of them"
    assert normalise("Dont couldntve couldnt've whats y'alld've") == (
        "don't couldntve couldn't've what's y'all'd've"
    )
