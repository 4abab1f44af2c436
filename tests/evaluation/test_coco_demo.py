"""coco-caption's own example: 1,000 made-up captions of COCO's val2014, for those who have COCO.

    NUMPYGIT_COCO=FOLDER pytest -rs tests/evaluation/test_coco_demo.py

FOLDER is a checkout of github.com/tylin/coco-caption with `annotations/captions_val2014.json`,
which cocodataset.org has too. The values are those that its `cocoEvalCapDemo.ipynb` prints.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from numpygit.cli.commands import main
from numpygit.data import read
from numpygit.evaluation import match, read_results
from numpygit.evaluation.measures import bleu, n_grams
from numpygit.evaluation.scores import is_java_there, official_scores, own_scores, stanford

PUBLISHED = {
    "Bleu_1": 0.579, "Bleu_2": 0.404, "Bleu_3": 0.279, "Bleu_4": 0.191,
    "ROUGE_L": 0.396, "CIDEr": 0.600, "METEOR": 0.195,
}  # fmt: skip
SPICE = 0.133
CORRECT, WORDS = [5732, 2510, 1043, 423], 9893  # n-grams that a reference has too; all words

pytestmark = pytest.mark.skipif(
    "NUMPYGIT_COCO" not in os.environ or not is_java_there(),
    reason="needs COCO, java and the extra [evaluate]: NUMPYGIT_COCO=FOLDER pytest "
    "tests/evaluation/test_coco_demo.py, where FOLDER is a checkout of tylin/coco-caption with "
    "annotations/captions_val2014.json",
)


@pytest.fixture(scope="module")
def files() -> tuple[Path, Path]:
    folder = Path(os.environ["NUMPYGIT_COCO"])
    return (
        folder / "results" / "captions_val2014_fakecap_results.json",
        folder / "annotations" / "captions_val2014.json",
    )


def test_the_values_of_the_notebook(files, capsys):
    results, references = map(str, files)
    assert main(["evaluate", results, "--references", references, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["N"] == 1000
    assert {name: round(row[name], 3) for name in PUBLISHED} == PUBLISHED
    assert round(row.get("SPICE", SPICE), 3) == SPICE  # which is told where it was downloaded


def test_its_counts_and_both_ways_to_measure(files):
    results, references = files
    pairs = match(read_results(results), list(read(references)))
    texts = stanford([text for pair in pairs for text in (pair.prediction, *pair.wanted)])
    rest = iter(texts)
    prediction, wanted = [], []
    for pair in pairs:
        prediction.append(next(rest))
        wanted.append([next(rest) for _ in pair.wanted])
    assert sum(len(text.split()) for text in prediction) == WORDS
    correct = [0] * 4
    for text, several in zip(prediction, wanted, strict=True):
        grams = [n_grams(one.split()) for one in several]
        for gram, count in n_grams(text.split()).items():
            correct[len(gram) - 1] += min(count, max(one[gram] for one in grams))
    assert correct == CORRECT
    assert [one.all for one in bleu(prediction, wanted)] == [
        one.all
        for name, one in official_scores(prediction, wanted).items()
        if name.startswith("Bleu")
    ]
    assert own_scores(prediction, wanted) == official_scores(prediction, wanted)
