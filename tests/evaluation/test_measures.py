"""BLEU, ROUGE-L and CIDEr-D: published values, and pycocoevalcap's to the last bit."""

from __future__ import annotations

import random

import pytest
from published_scores import CAPTIONS, PUBLISHED, REFERENCES

from numpygit.evaluation.measures import bleu, cider_d, rouge_l


def test_the_published_example():
    found = {f"Bleu_{n + 1}": one.all for n, one in enumerate(bleu(CAPTIONS, REFERENCES))}
    found["ROUGE_L"] = rouge_l(CAPTIONS, REFERENCES).all
    found["CIDEr"] = cider_d(CAPTIONS, REFERENCES).all
    assert {name: round(value, 6) for name, value in found.items()} == PUBLISHED


def test_a_single_picture_of_the_same_source():
    references = [["this is a test", "this is also a test"]]
    four = [one.all for one in bleu(["this is a good test"], references)]
    assert four == pytest.approx([0.799999, 0.632455, 0.5108729, 0.0000903602], abs=1e-5)
    assert rouge_l(["this is a good test"], references).all == pytest.approx(0.9070631, abs=1e-6)
    assert cider_d(["this is a good test"], references).all == 0


WORDS = "a the man dog red blue sits on under big small table with of and bike frisbee two".split


def texts(rng: random.Random) -> str:
    return " ".join(rng.choice(WORDS()) for _ in range(rng.randint(1, 14)))


def test_equal_to_pycocoevalcap_to_the_last_bit():
    pytest.importorskip("pycocoevalcap")
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    rng = random.Random(1)
    wanted = {i: [texts(rng) for _ in range(5)] for i in range(1000)}
    said = {i: [rng.choice(wanted[i]) if i % 3 == 0 else texts(rng)] for i in wanted}
    said[7] = [""]
    captions, references = [said[i][0] for i in said], list(wanted.values())
    all_four, each = Bleu(4).compute_score(wanted, said, verbose=0)
    ours = bleu(captions, references)
    assert [one.all for one in ours] == all_four
    assert [one.each for one in ours] == each
    for kind, measure in ((Rouge, rouge_l), (Cider, cider_d)):
        every, several = kind().compute_score(wanted, said)
        one = measure(captions, references)
        assert one.all == every
        assert one.each == list(several)
