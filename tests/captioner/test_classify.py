"""numpygit classify: the labels of a file, and what is printed of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import numpygit
from numpygit.captioner import Captioner, classify
from numpygit.cli.commands import main
from numpygit.cli.wording import read_labels
from numpygit.errors import NotFoundError, UserError
from numpygit.huggingface.models import GitForCausalLM

LABELS = ["a big moon", "a red star", "two hearts", "a moon", "blue"]


@pytest.fixture(scope="module")
def tiny(write_folder, tmp_path_factory) -> Captioner:
    return numpygit.load(write_folder(tmp_path_factory.mktemp("model") / "tiny"))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    rng = np.random.default_rng(4)
    frames = [Image.fromarray(rng.integers(0, 256, (20, 18, 3), np.uint8)) for _ in range(3)]
    frames[0].save(tmp_path / "picture.png")
    frames[0].save(tmp_path / "clip.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "labels.txt").write_text("\n".join(LABELS), encoding="utf-8")
    return tmp_path / "picture.png"


@pytest.mark.parametrize("name", ["picture.png", "clip.gif"])
def test_the_command_prints_what_the_function_finds(tiny, picture, name, capsys):
    subject, labels = str(picture.with_name(name)), str(picture.with_name("labels.txt"))
    command = ["classify", "--model", tiny.name, subject, "--labels", labels]
    found = classify(tiny, subject, LABELS, top=3)
    assert main([*command, "--top", "3"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out == "".join(f"{one.share:7.2%}  {one.label}\n" for one in found)
    assert main([*command, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["label"] for row in rows[:3]] == [one.label for one in found]
    assert sorted(row["label"] for row in rows) == sorted(LABELS)
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert rows == sorted(rows, key=lambda row: -row["log_probability"])
    assert {(row["picture"], row["model"]) for row in rows} == {(subject, tiny.name)}


def test_a_clip_is_seen_whole(tiny, picture, monkeypatch):
    shapes, memory = [], GitForCausalLM.memory

    def watching(model, pixels, **settings):
        shapes.append(pixels.shape)
        return memory(model, pixels, **settings)

    monkeypatch.setattr(GitForCausalLM, "memory", watching)
    classify(tiny, picture.with_name("clip.gif"), LABELS)
    assert shapes == [(1, 2, 3, 18, 18)]


def test_a_picture_that_was_seen_is_not_looked_at_again(tiny, picture, monkeypatch):
    expected = classify(tiny, picture, LABELS)
    cache = tiny.prefill(picture)
    monkeypatch.delattr(GitForCausalLM, "memory")
    assert classify(tiny, cache, LABELS) == expected


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_labels_are_lines_without_what_surrounds_them(tmp_path, ends, capsys):
    lines = ["\ufeffa red star", "", "  two\tmoons  ", "#1", "naïve", "   "]
    (tmp_path / "labels.txt").write_bytes(ends.join(lines).encode())
    assert read_labels(tmp_path / "labels.txt") == ["a red star", "two\tmoons", "#1", "naïve"]
    assert capsys.readouterr().err == ""


def test_a_label_that_comes_again_is_reported_and_counts_once(tiny, picture, capsys):
    twice = picture.with_name("twice.txt")
    twice.write_text("\n".join([*LABELS, "blue", LABELS[1], "blue"]))
    outputs = []
    for labels in (twice, picture.with_name("labels.txt")):
        command = ["classify", "--model", tiny.name, str(picture), "--labels", str(labels)]
        assert main(command) == 0
        outputs.append(capsys.readouterr())
    assert outputs[0].out == outputs[1].out
    assert outputs[0].err.endswith("labels more than once, each counts once: a red star, blue\n")
    assert outputs[1].err == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "no labels in it"), (b"\n  \n", "no labels in it"), (b"caf\xe9", "is no text in UTF-8")],
)
def test_a_file_without_labels(content, said, picture, capsys):
    picture.with_name("labels.txt").write_bytes(content)
    labels = str(picture.with_name("labels.txt"))
    assert main(["classify", "--model", "there/is-none", str(picture), "--labels", labels]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_no_file_of_labels(tmp_path):
    with pytest.raises(NotFoundError, match=r"no such file: .*none.txt"):
        read_labels(tmp_path / "none.txt")
    with pytest.raises(UserError, match="cannot be read"):
        read_labels(tmp_path)


@pytest.mark.parametrize("top", ["0", "-1"])
def test_at_least_one_label_is_shown(picture, top, capsys):
    labels = str(picture.with_name("labels.txt"))
    command = ["classify", "--model", "there/is-none", str(picture), "--labels", labels]
    assert main([*command, "--top", top]) == 1
    assert "--top is" in capsys.readouterr().err


def test_more_labels_than_there_are(tiny, picture, capsys):
    labels = str(picture.with_name("labels.txt"))
    command = ["classify", "--model", tiny.name, str(picture), "--labels", labels, "--top", "99"]
    assert main(command) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(LABELS)


def test_a_label_too_long_for_the_model_is_one_clear_error(tiny, picture, capsys):
    picture.with_name("labels.txt").write_text("a moon\n" + "moon " * 40)
    labels = str(picture.with_name("labels.txt"))
    assert main(["classify", "--model", tiny.name, str(picture), "--labels", labels]) == 1
    err = capsys.readouterr().err
    assert err.startswith("numpygit: ")
    assert err.count("\n") == 1


def test_a_broken_picture_is_one_clear_error(tiny, picture, capsys):
    picture.write_bytes(b"no picture")
    labels = str(picture.with_name("labels.txt"))
    assert main(["classify", "--model", tiny.name, str(picture), "--labels", labels]) == 1
    assert "picture.png is not a picture" in capsys.readouterr().err
