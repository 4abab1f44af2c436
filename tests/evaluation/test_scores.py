"""Results are matched with references, refused where they do not fit, and scored one by one.

Checks evaluation/confusions.py, evaluation/pairs.py, evaluation/report.py.
"""

from __future__ import annotations

import json
import os
import sys
from html.parser import HTMLParser
from pathlib import Path

import made_sets
import pytest
from published_scores import CAPTIONS, METEOR, PUBLISHED, REFERENCES

from numpygit.data import Row, read
from numpygit.errors import UserError
from numpygit.evaluation import Pair, match, read_results, score
from numpygit.evaluation.confusions import confusions
from numpygit.evaluation.report import page


def pairs(captions=CAPTIONS, references=REFERENCES) -> list[Pair]:
    rows = [Row(f"{i}.png", None, tuple(texts)) for i, texts in enumerate(references)]
    return [Pair(text, row) for text, row in zip(captions, rows, strict=True)]


# ---------------------------------------------------------------- scores


@pytest.mark.parametrize("package", [None, "1.2"])
def test_the_published_example(package, monkeypatch):
    if package:
        pytest.importorskip("pycocoevalcap")
    monkeypatch.setattr("numpygit.evaluation.scores.installed", lambda name: package)
    found = score(pairs(), java=False)
    assert {name: round(found.all[name], 6) for name in PUBLISHED} == PUBLISHED
    assert found.by["measures"] == ("pycocoevalcap 1.2" if package else "numpygit")
    assert found.by["words"] == "regular expressions (tokens.py)"
    assert found.all["exact"] == 0


@pytest.mark.java
def test_the_published_example_with_java():
    found = score(pairs())  # no flag: java is there
    expected = {**PUBLISHED, "METEOR": METEOR}
    assert {name: round(found.all[name], 6) for name in expected} == expected
    assert found.by["words"] == "Stanford's PTBTokenizer"
    assert ("SPICE" in found.all) != ("SPICE" in found.by)  # it is there, or it is told why not
    assert found.notes == []


def test_one_measure_that_fails_keeps_the_others(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    found = score(pairs(), java=True, spice=True)
    assert {name: round(found.all[name], 6) for name in PUBLISHED} == PUBLISHED
    assert "METEOR" not in found.all
    notes = "\n".join(found.notes)
    for name in ("Stanford's tokeniser failed", "METEOR is left out", "SPICE is left out"):
        assert f"{name}: there is no java on this machine" in notes


BROKEN_JAVA = {
    "a Mac's": "echo 'Unable to locate a Java Runtime' >&2; exit 1",
    "one that fails": 'test "$1" = -version',
    "one that talks nonsense": 'test "$1" = -version || while read line; do echo none; done',
}


@pytest.mark.skipif(sys.platform == "win32", reason="the broken java is a shell script")
@pytest.mark.parametrize("kind", BROKEN_JAVA)
def test_a_java_that_does_not_run_keeps_the_others(tmp_path, monkeypatch, kind):
    pytest.importorskip("pycocoevalcap")
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\n{BROKEN_JAVA[kind]}\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for asked in (None, True):
        found = score(pairs(), java=asked)
        assert {name: round(found.all[name], 6) for name in PUBLISHED} == PUBLISHED
        assert "METEOR" not in found.all
        assert found.by["words"] == "regular expressions (tokens.py)"
        is_told = asked or kind != "a Mac's"  # where there is no java, nothing has failed
        assert len(found.notes) == (2 if is_told else 0)


def test_word_errors_of_the_nearest_reference():
    pytest.importorskip("jiwer")
    found = score(
        pairs(["a red dog", "two cats"], [["a dog", "the red dog"], ["two cats"]]), java=False
    )
    assert found.each["WER"] == [pytest.approx(1 / 3), 0]
    assert found.all["WER"] == pytest.approx(1 / 5)  # one word of the three and the two
    assert found.each["exact"] == [0, 1]


def test_answers_are_scored_by_type():
    def row(key: str, answers: list[str], kind: str) -> Row:
        labels = {"question_type": kind, "answer_type": "other"}
        return Row(key, None, (), "what?", tuple(answers), labels)

    rows = [row("1", ["cat"] * 9 + ["dog"], "what is"), row("2", ["red"] * 2 + ["blue"] * 8, "how")]
    found = score([Pair("cat", rows[0]), Pair("red", rows[1])])
    assert found.each["accuracy"] == [1, pytest.approx(0.6)]
    assert found.groups["question_type: how"]["N"] == 1
    assert found.groups["question_type: how"]["accuracy"] == pytest.approx(0.6)
    assert found.groups["answer_type: other"]["accuracy"] == pytest.approx(0.8)


# ---------------------------------------------------------------- results and references


def references(tmp_path: Path) -> list[Row]:
    names = {7: "COCO_val2014_000000000007.jpg", 42: "COCO_val2014_000000000042.jpg"}
    path = made_sets.coco(tmp_path / "r.json", names, [(7, "a dog"), (42, "a cat"), (7, "dogs")])
    return list(read(path))


FILES = {
    "r1.json": json.dumps([{"image_id": 7, "caption": "x"}, {"image_id": 42, "caption": "y"}]),
    "r2.jsonl": '{"picture": "a/COCO_val2014_000000000007.jpg", "caption": "x"}\n'
    '{"picture": "COCO_val2014_000000000042.jpg", "caption": "y"}\n',
    "r3.csv": "picture,caption,model\n7,x,m\n42,y,m\n",
    "r4.tsv": '7\t[{"caption": "x"}]\n42\t[{"caption": "y"}]\n',
}


@pytest.mark.parametrize("name", FILES)
def test_results_of_every_kind_find_their_references(tmp_path, name):
    (tmp_path / name).write_text(FILES[name])
    found = match(read_results(tmp_path / name), references(tmp_path))
    assert [(pair.prediction, pair.wanted) for pair in found] == [
        ("x", ("a dog", "dogs")),
        ("y", ("a cat",)),
    ]


def test_text_files_and_shards_are_results_too(tmp_path):
    folder = made_sets.folder(tmp_path / "f", ["a.png", "b.png"])
    (folder / "a.txt").write_text("x")
    assert read_results(folder) == {"a.png": "x"}
    made_sets.shard(tmp_path / "s.tar", 2)
    assert read_results(tmp_path / "s.tar") == {
        "s.tar/000000000": "text 0",
        "s.tar/000000001": "text 1",
    }


@pytest.mark.parametrize(
    ("results", "why"),
    [
        ([{"image_id": 9, "caption": "x"}], "1 of 1 results have no reference, the first is '9'"),
        ([{"image_id": 7, "caption": "x"}] * 2, "two texts for 7"),
        ([{"caption": "x"}], "without image_id or question_id"),
        ([{"image_id": 7}], "0 texts"),
        ([], "no results"),
        ({"annotations": []}, "no list of results"),
    ],
)
def test_results_that_do_not_fit_are_refused(tmp_path, results, why):
    (tmp_path / "r0.json").write_text(json.dumps(results))
    with pytest.raises(UserError, match=why):
        match(read_results(tmp_path / "r0.json"), references(tmp_path))


def test_two_results_of_one_picture_by_two_names(tmp_path):
    results = {"7": "x", "COCO_val2014_000000000007.jpg": "y"}
    with pytest.raises(UserError, match="two results for 7"):
        match(results, references(tmp_path))
    with pytest.raises(UserError, match="no captions and no answers"):
        match(results, [Row("7", None)])


def test_names_that_several_pictures_share_find_none():
    rows = [Row("a/x.png", None, ("one",)), Row("b/x.png", None, ("two",))]
    assert match({"a/x.png": "s"}, rows)[0].wanted == ("one",)
    assert match({"b/x": "s"}, rows)[0].wanted == ("two",)
    with pytest.raises(UserError, match="no reference"):
        match({"x.png": "s"}, rows)


# ---------------------------------------------------------------- confusions and the page


def test_confusions_count_what_was_said_instead():
    found = confusions(
        pairs(
            ["a red dog", "a red cat", "a cat on grass", "a house"],
            [["a red cat"], ["a blue cat", "a red bird"], ["a cat"], ["a house"]],
        )
    )
    counted = {(one.wanted, one.prediction): (one.times, one.keys) for one in found}
    assert counted["cat", "dog"] == (1, ["0.png"])
    assert counted["", "on grass"] == (1, ["2.png"])
    assert len(counted) == 3


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.sources: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def test_the_page_has_everything_inside(tmp_path):
    made_sets.folder(tmp_path, ["a.png"])
    rows = [
        Row("a.png", tmp_path / "a.png", ("a <b>dog</b>",)),
        Row("gone.png", None, ("a cat",), error="it is gone"),
    ]
    found = [Pair("a <i>cat</i>", rows[0]), Pair("a cat", rows[1])]
    html = page(found, score(found, java=False), title="<test>")
    reader = Reader()
    reader.feed(html)
    assert len(reader.sources) == 2  # among the worst and among the best
    assert all(source.startswith("data:image/jpeg;base64,") for source in reader.sources)
    for text in ("<test>", "a <i>cat</i>", "a <b>dog</b>", "it is gone", "CIDEr", "exact"):
        assert text in reader.text
    assert "<b>dog" not in html
    assert "http" not in html.lower()
