"""Rows become captions, whatever holds the picture; what cannot be read is a value."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import made_sets
import numpy as np

from numpygit import storybook as world
from numpygit.captioner import Captioner
from numpygit.data import Row, read
from numpygit.data.speak import batches, speak
from numpygit.errors import NotReadableError


def test_clips_and_stills_in_a_shard(tmp_path: Path, storybook: Captioner):
    first, *others = world.render(world.sample(np.random.default_rng(3), "clip"))
    first.save(tmp_path / "c.gif", save_all=True, append_images=others)
    world.render(world.sample(np.random.default_rng(4))).save(tmp_path / "s.png")
    files = [tmp_path / "c.gif", tmp_path / "s.png"]
    made_sets.tar(tmp_path / "x.tar", {path.name: path.read_bytes() for path in files})
    said = speak(storybook, list(read(tmp_path / "x.tar")))
    assert [one.text for one in said] == [storybook.caption(path) for path in files]


def test_errors_are_values_among_the_others(tmp_path: Path, storybook: Captioner):
    made_sets.scenes(tmp_path / "p", 2)
    good = [Row(name, tmp_path / "p" / name) for name in ("000.png", "001.png")]
    (tmp_path / "broken.png").write_bytes(b"no picture")
    rows = [
        Row("broken", tmp_path / "broken.png"),
        good[0],
        Row("gone", tmp_path / "gone.png"),
        Row("wrong", None, error="it was wrong from the start"),
        good[1],
    ]
    said = speak(storybook, rows)
    assert [one.row for one in said] == rows
    assert [one.text for one in said] == [
        None,
        storybook.caption(good[0].picture),
        None,
        None,
        storybook.caption(good[1].picture),
    ]
    errors = [one.error for one in said if one.error is not None]
    assert "broken.png" in errors[0]
    assert "no such picture file" in errors[1]
    assert errors[2] == "it was wrong from the start"


def test_an_error_of_any_kind_stays_with_its_picture(tmp_path: Path, storybook: Captioner):
    class Odd:
        def read(self) -> bytes:
            raise RuntimeError("a library has a mistake")

    made_sets.scenes(tmp_path / "p", 1)
    good = Row("good", tmp_path / "p" / "000.png")
    odd, fine = speak(storybook, [Row("odd", Odd()), good])
    assert odd.error == "odd: RuntimeError: a library has a mistake"
    assert (fine.text, fine.error) == (storybook.caption(good.picture), None)


def test_what_libraries_print_is_joined_to_the_error(tmp_path: Path, capfd):
    class Loud:
        name = "loud"

        def pixels(self, picture: Path) -> str:
            os.write(2, b"a C library says so\n")
            warnings.warn("a note", stacklevel=1)
            if picture.name == "bad":
                raise NotReadableError("bad cannot be read here")
            return picture.name

        def caption_pixels(self, prepared: list[str], *, max_length: int | None) -> list[str]:
            return prepared

    rows = [Row("bad", tmp_path / "bad"), Row("good", tmp_path / "good")]
    bad, good = speak(Loud(), rows, is_held_back=True)
    assert bad.error == "bad cannot be read here (a C library says so)"
    assert (bad.is_fine, good.is_fine, good.text) == (True, False, "good")
    assert bad.notes == good.notes == ("a note",)
    assert capfd.readouterr().err == ""


def test_an_answer_belongs_to_its_own_picture(tmp_path: Path, storybook: Captioner):
    made_sets.scenes(tmp_path / "p", 2)
    question = "is it day or night?"
    rows = [Row(str(i), tmp_path / f"p/{i:03}.png", question=question) for i in range(2)]
    said = speak(storybook, [rows[0], Row("c", tmp_path / "p/000.png"), rows[1]])
    assert said[0].text == storybook.answer(rows[0].picture, question)
    assert said[1].text == storybook.caption(rows[0].picture)
    assert said[2].text == storybook.answer(rows[1].picture, question)


def test_a_picture_is_encoded_once_for_questions_that_follow_each_other(
    tmp_path: Path, storybook: Captioner, monkeypatch
):
    made_sets.scenes(tmp_path / "p", 2)
    seen = []
    prefill = storybook.prefill
    monkeypatch.setattr(
        storybook, "prefill", lambda picture: seen.append(picture) or prefill(picture)
    )
    questions = ["is it day or night?", "how many things are there?", "is it day or night?"]
    rows = [
        Row(f"{i} {question}", tmp_path / f"p/{i:03}.png", question=question)
        for i in range(2)
        for question in questions
    ]
    said = speak(storybook, rows)
    assert seen == [rows[0].picture, rows[3].picture]
    assert [one.text for one in said] == [
        storybook.answer(row.picture, row.question) for row in rows
    ]


def test_batches():
    assert list(batches("abcde", 2)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(batches("", 2)) == []
