"""`numpygit caption` of data sets: the captions of single pictures, wherever the pictures lie."""

from __future__ import annotations

import json
from pathlib import Path

import made_sets
import pytest

from numpygit.captioner import Captioner
from numpygit.cli.commands import main
from numpygit.data import read


@pytest.fixture(scope="module")
def scenes(tmp_path_factory, storybook: Captioner) -> tuple[Path, dict[str, str]]:
    """A shard of drawn scenes, and their captions one by one."""
    folder = tmp_path_factory.mktemp("scenes")
    made_sets.scenes(folder / "pictures", 6)
    made_sets.tar(
        folder / "s.tar",
        {path.name: path.read_bytes() for path in sorted((folder / "pictures").glob("*.png"))},
    )
    captions = {
        path.stem: storybook.caption(path) for path in sorted((folder / "pictures").glob("*.png"))
    }
    return folder, captions


def command(*arguments: object) -> int:
    return main(["caption", "--model", "storybook", *map(str, arguments)])


def read_rows(path: Path) -> dict[str, str]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({row["picture"] for row in rows}) == len(rows)
    return {row["picture"]: row["caption"] for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--workers", "2", "--batch-size", "2"]])
def test_a_shard_has_the_captions_of_its_pictures(scenes, tmp_path, capsys, more):
    folder, captions = scenes
    output = tmp_path / "c.jsonl"
    assert command(folder / "s.tar", "--output", output, *more) == 0
    assert read_rows(output) == {f"s.tar/{name}": text for name, text in captions.items()}
    assert " s each, 0 had one already, 0 failed" in capsys.readouterr().err
    assert command(folder / "s.tar", "--output", output, *more) == 0
    assert "0 captioned, 6 had one already, 0 failed" in capsys.readouterr().err


def test_captions_are_printed_without_an_output(scenes, capsys):
    folder, captions = scenes
    assert command(folder / "s.tar") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"s.tar/{name}: {text}" for name, text in captions.items()]


def test_shares_make_the_whole(scenes, tmp_path):
    folder, captions = scenes
    for share in ("0/2", "1/2"):
        output = tmp_path / "c.jsonl"
        assert command(folder / "pictures", "--shard", share, "--output", output) == 0
    parts = [read_rows(tmp_path / f"c-{i}-of-2.jsonl") for i in range(2)]
    assert not parts[0].keys() & parts[1].keys()
    assert parts[0] | parts[1] == {f"{name}.png": text for name, text in captions.items()}


def test_a_broken_picture_is_reported_and_the_others_are_captioned(scenes, tmp_path, capsys):
    folder, captions = scenes
    members = {path.name: path.read_bytes() for path in (folder / "pictures").glob("*.png")}
    broken = made_sets.tar(tmp_path / "b.tar", {**members, "x.png": b"no picture", "y.png": b""})
    for more in ([], ["--workers", "2"]):
        output = tmp_path / f"c{len(more)}.jsonl"
        assert command(broken, "--output", output, *more) == 1
        assert {key.partition("/")[2]: text for key, text in read_rows(output).items()} == captions
        err = capsys.readouterr().err
        assert " s each, 0 had one already, 2 failed" in err
        assert "b.tar/x" in err
        assert "Traceback" not in err


def test_questions_are_answered(scenes, tmp_path, storybook):
    folder, _ = scenes
    questions = [
        {"question_id": i, "image_id": i, "question": text, "file_name": f"{i:03}.png"}
        for i, text in enumerate(["is it day or night?", "how many things are there?"])
    ]
    (tmp_path / "q.json").write_text(json.dumps({"questions": questions}))
    output = tmp_path / "results.json"
    assert command(tmp_path / "q.json", "--pictures", folder / "pictures", "--output", output) == 0
    answers = {row["question_id"]: row["answer"] for row in json.loads(output.read_text())}
    assert answers == {
        one["question_id"]: storybook.answer(
            folder / "pictures" / one["file_name"], one["question"]
        )
        for one in questions
    }


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nothing.tar"], "no such file or folder: nothing.tar"),
        (["*.tsv"], "nothing fits the pattern"),
        (["s.tar", "--shard", "3/3"], "0/16 to 15/16"),
        (["s.tar", "--workers", "0"], "--workers is 0"),
        (["s.tar", "--batch-size", "0"], "--batch-size is 0"),
        (["s.tar", "--output", "c.xml"], "no kind that is known"),
        (["s.tar", "--output", ".txt"], "no text file can stand beside"),
        (["s.tar", "--output", "no/where.jsonl"], "cannot be written"),
    ],
)
def test_mistakes_end_in_a_sentence(tmp_path, monkeypatch, capsys, arguments, why):
    monkeypatch.chdir(tmp_path)
    made_sets.shard(tmp_path / "s.tar", 1)
    assert main(["caption", "--model", "there/is-none", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert why in err
    assert err.count("\n") == 1


def test_what_is_captioned_reads_as_a_source(scenes, tmp_path):
    folder, captions = scenes
    assert command(folder / "s.tar", "--output", tmp_path / "c.tar") == 0
    texts = {row.key.rpartition("/")[2]: row.texts for row in read(tmp_path / "c.tar")}
    assert texts == {name: (text,) for name, text in captions.items()}
