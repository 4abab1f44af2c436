"""`numpygit evaluate`: the figures of the library, as a table, as JSON, for each picture.

Checks evaluation/scenes.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import made_sets
import pytest
from published_scores import CAPTIONS, PUBLISHED, REFERENCES

from numpygit.cli.commands import main
from numpygit.evaluation.scenes import scenes


@pytest.fixture
def example(tmp_path: Path) -> list[str]:
    """The published example as files of COCO."""
    results = [{"image_id": i, "caption": text} for i, text in enumerate(CAPTIONS)]
    (tmp_path / "results.json").write_text(json.dumps(results))
    captions = [(i, text) for i, texts in enumerate(REFERENCES) for text in texts]
    made_sets.coco(tmp_path / "captions.json", {0: "0.jpg", 1: "1.jpg", 2: "2.jpg"}, captions)
    references = str(tmp_path / "captions.json")
    return ["evaluate", str(tmp_path / "results.json"), "--references", references, "--no-java"]


def test_the_published_example(example, capsys, tmp_path):
    assert main([*example, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert {name: round(row[name], 6) for name in PUBLISHED} == PUBLISHED
    assert (row["N"], row["references"]) == (2, 2)
    assert main([*example, "--per-picture", str(tmp_path / "each.jsonl")]) == 0
    out = capsys.readouterr().out
    for line in ("N            2 of 2 pictures", "Bleu_4       0.201", "CIDEr        1.242"):
        assert line in out.splitlines()
    each = [json.loads(line) for line in (tmp_path / "each.jsonl").read_text().splitlines()]
    assert [one["prediction"] for one in each] == CAPTIONS
    assert sum(one["CIDEr"] for one in each) / 2 == pytest.approx(1.242192, abs=1e-6)


def test_vqa_accuracy_as_its_own_code_names_it(tmp_path, capsys):
    questions = [{"question_id": i, "image_id": i, "question": "what?"} for i in range(3)]
    notes = [
        {"question_id": i, "question_type": kind, "answer_type": "other",
         "answers": [{"answer": answer, "answer_id": j} for j, answer in enumerate(answers)]}
        for i, (kind, answers) in enumerate(
            [("what", ["cat"] * 10), ("what", ["a dog"] * 2 + ["dog"] * 8), ("how", ["2"] * 10)]
        )
    ]  # fmt: skip
    (tmp_path / "q.json").write_text(json.dumps({"questions": questions}))
    (tmp_path / "a.json").write_text(json.dumps({"annotations": notes}))
    said = [{"question_id": i, "answer": text} for i, text in enumerate(["Cat", "dog", "2"])]
    (tmp_path / "r.json").write_text(json.dumps(said))
    command = ["evaluate", f"{tmp_path}/r.json", "--questions", f"{tmp_path}/q.json"]
    assert main([*command, "--answers", f"{tmp_path}/a.json", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["overall"] == 66.67
    assert row["perQuestionType"] == {"how": 100.0, "what": 50.0}
    assert row["perAnswerType"] == {"other": 66.67}


@pytest.mark.slow
def test_the_bundled_model_on_scenes_it_has_never_seen(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["evaluate", "storybook:12", "--model", "storybook", "--json", "--report", "r.html"]
    assert main(command) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["N"], row["references"]) == (24, 24)
    groups = {group: values["N"] for group, values in row["groups"].items()}
    assert groups == {
        f"set: {kind} {half}, {what}": number
        for kind, number in (("clips", 2), ("stills", 4))
        for half in ("held-out", "seen")
        for what in ("captions", "answers")
    }
    assert row["exact"] >= 0.8
    assert "data:image/jpeg" in (tmp_path / "r.html").read_text()


def test_captioning_first_keeps_what_was_said(tmp_path, capsys):
    folder = made_sets.scenes(tmp_path / "p", 4)
    output = str(tmp_path / "c.jsonl")
    command = ["evaluate", str(folder), "--model", "storybook", "--output", output, "--no-java"]
    assert main([*command, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main([*command, "--json"]) == 0  # from what was kept
    assert json.loads(capsys.readouterr().out) == first
    assert len((tmp_path / "c.jsonl").read_text().splitlines()) == 4
    assert first["exact"] >= 0.5


def test_pictures_without_a_reference_are_refused_before_the_work(tmp_path, capsys):
    folder = made_sets.scenes(tmp_path / "p", 2)
    made_sets.folder(folder, ["extra.png"])
    command = ["evaluate", str(folder), "--references", str(folder / "metadata.jsonl")]
    assert main([*command, "--model", "there/is-none"]) == 1
    said = capsys.readouterr().err
    assert "1 of 3 results have no reference, the first is 'extra.png'" in said
    assert said.count("\n") == 1


def test_scenes_are_always_the_same():
    rows = list(scenes("storybook:3:7"))
    assert [row.texts for row in rows] == [row.texts for row in scenes("storybook:3:7")]
    assert [row.texts for row in rows] != [row.texts for row in scenes("storybook:3")]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["r.json"], "give --references"),
        (["r.json", "--references", "gone.json"], "no such file or folder: gone.json"),
        (["storybook:many", "--model", "storybook"], "scenes are storybook:3000"),
        (["r.json", "--references", "r.json"], "no column that names pictures"),
        (["p", "--model", "storybook", "--output", "x.tar"], "keep results in"),
    ],
)
def test_mistakes_end_in_a_sentence(tmp_path, monkeypatch, capsys, arguments, why):
    monkeypatch.chdir(tmp_path)
    made_sets.folder(tmp_path / "p", ["a.png"])
    (tmp_path / "r.json").write_text('[{"image_id": 1, "caption": "x"}]')
    assert main(["evaluate", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert why in err
    assert err.count("\n") == 1
