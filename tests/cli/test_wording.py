"""How captions shall be, and what becomes of folders: the options of `numpygit caption`.

Checks decoding/wording.py.
"""

from __future__ import annotations

import base64
import csv
import errno
import io
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import numpygit
from numpygit.captioner import Captioner, captions
from numpygit.cli import main
from numpygit.data.sinks import files
from numpygit.decoding.wording import Wording
from numpygit.errors import UserError
from numpygit.storybook import EXAMPLES

SIGN = EXAMPLES / "sign.png"
SAID = "a purple bird above a sign that says rain"
MODEL = ["--model", "storybook"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        shutil.copy(SIGN, folder / name)
    return folder


# ---------------------------------------------------------------- words


def test_a_caption_continues_a_beginning(storybook: Captioner) -> None:
    said = storybook.caption(SIGN, begin="a green")
    assert said.startswith("a green ")
    assert len(said.split()) > 2
    assert storybook.captions([SIGN, SIGN], begin="a green") == [said, said]
    assert captions(storybook, SIGN, begin="a green")[0].text == said


def test_options_of_generate_are_keywords(storybook: Captioner) -> None:
    assert storybook.caption(SIGN, num_beams=3)
    assert len(storybook.caption(SIGN, max_new_tokens=2).split()) == 2
    drawn = {storybook.caption(SIGN, do_sample=True, temperature=3.0, seed=s) for s in range(8)}
    assert len(drawn) > 1
    again = [storybook.caption(SIGN, do_sample=True, temperature=3.0, seed=1) for _ in range(2)]
    assert again[0] == again[1]
    with pytest.raises(UserError, match="no option 'beams'"):
        storybook.caption(SIGN, beams=3)
    with pytest.raises(UserError, match="a caption is one text"):
        storybook.caption(SIGN, num_return_sequences=2, num_beams=2)


def test_a_wording_holds_for_every_caption_and_no_answer() -> None:
    wording = Wording(begin="a", prefix="xyz, ", suffix=".", forbid=("purple",))
    captioner = numpygit.load("storybook", wording=wording)
    said = captioner.caption(SIGN)
    assert said.startswith("xyz, a ")
    assert said.endswith(".")
    assert "purple" not in said
    assert captioner.captions([SIGN]) == ["".join(captioner.stream(SIGN))] == [said]
    assert captions(captioner, SIGN)[0].text == said
    assert "xyz" not in captioner.answer(SIGN, "what does the sign say?")


@pytest.mark.parametrize(
    "wrong", [{"begin": 5}, {"forbid": "purple"}, {"forbid": (3,)}, {"prefix": None}]
)
def test_a_wording_that_cannot_be_is_refused(wrong: dict) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        Wording(**wrong)


def test_the_command_line_has_the_same_options(capsys: pytest.CaptureFixture) -> None:
    asked = ["--begin", "a green", "--prefix", "xyz ", "--forbid", "bird", "--num-beams", "2"]
    assert main(["caption", str(SIGN), *MODEL, *asked]) == 0
    said = capsys.readouterr().out
    assert said.startswith("xyz a green ")
    assert "bird" not in said
    assert main(["caption", str(SIGN), *MODEL, "--num-return-sequences", "3", "--num-beams", "3",
                 "--json"]) == 0  # fmt: skip
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len({row["caption"] for row in rows}) == 3
    assert all(row["log_probability"] < row["mean"] < 0 for row in rows)  # a sum, and a mean
    assert main(["caption", str(SIGN), *MODEL, "--temperature", "2", "--seed", "3"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_folders_have_several_captions_with_their_scores(
    storybook: Captioner, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for name in ("sign.png", "count.png", "clip.gif"):
        shutil.copy(EXAMPLES / name, tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    beams = {"num_beams": 3, "num_return_sequences": 2}
    asked = ["caption", str(tmp_path), *MODEL, "--num-beams", "3", "--num-return-sequences", "2"]
    expected = {
        name: captions(storybook, EXAMPLES / name, **beams)
        for name in ("clip.gif", "count.png", "sign.png")
    }
    assert main(asked) == 1
    printed = capsys.readouterr()
    lines = [f"{name}: {one.mean:8.3f}  {one.text}" for name in expected for one in expected[name]]
    assert printed.out.splitlines() == lines
    assert "3 captioned" in printed.err
    output = tmp_path / "captions.jsonl"
    for _ in range(2):  # the second run has nothing to do but the broken one
        assert main([*asked, "--output", str(output)]) == 1
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["picture"] for row in rows] == list(expected)
    for row in rows:
        found = expected[row["picture"]]
        assert row["caption"] == found[0].text
        assert [one["caption"] for one in row["captions"]] == [one.text for one in found]
        scores = [(one["mean"], one["log_probability"]) for one in row["captions"]]
        assert scores == [(one.mean, one.log_probability) for one in found]
    capsys.readouterr()
    upper = tmp_path / "captions.JSONL"  # an ending is the same in capitals
    assert main([*asked, "--output", str(upper)]) == 1
    assert upper.read_bytes() == output.read_bytes()
    assert "3 captioned" in capsys.readouterr().err
    assert main([*asked[:-1], "4"]) == 1  # a mistake of the options is none of the pictures
    assert capsys.readouterr().err.splitlines() == [
        "numpygit: num_return_sequences is 4; it must be at most num_beams, 3"
    ]
    for output in ("a.csv", ".txt", ".jsonl", "a.json", "a.tar", "a.parquet"):
        assert main([*asked, "--output", output]) == 1
        assert "for the screen and for .jsonl" in capsys.readouterr().err


def test_pictures_may_be_fitted_and_laid_on_a_colour(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    wide = Image.new("RGBA", (800, 384), (0, 0, 0, 0))
    wide.paste(Image.open(SIGN), (0, 0))
    wide.save(tmp_path / "wide.png")
    seen = {}
    for fit in ("crop", "pad", "squash"):
        main(["caption", str(tmp_path / "wide.png"), *MODEL, "--fit", fit, "--background", "#fff"])
        seen[fit] = capsys.readouterr().out
    assert all(seen.values())
    assert main(["caption", str(SIGN), *MODEL, "--background", "whight"]) == 1
    assert "expected a colour" in capsys.readouterr().err


def test_version_and_the_model_that_answers(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"numpygit {numpygit.__version__}\n"
    from numpygit.cli.commands import parser

    options = parser().parse_args(["answer", "a.png", "what?"])
    assert options.model == "microsoft/git-base-vqav2"
    assert parser().parse_args(["caption", "a.png"]).model == "microsoft/git-base-coco"


# ---------------------------------------------------------------- where pictures come from


def test_standard_input_and_data_uris(capsys: pytest.CaptureFixture, monkeypatch) -> None:
    class Input:
        buffer = io.BytesIO(SIGN.read_bytes())

    monkeypatch.setattr(sys, "stdin", Input)
    assert main(["caption", "-", *MODEL, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["picture"], row["caption"]) == ("-", SAID)
    uri = "data:image/png;base64," + base64.b64encode(SIGN.read_bytes()).decode()
    assert main(["caption", uri, *MODEL]) == 0
    assert capsys.readouterr().out == SAID + "\n"


@pytest.mark.parametrize("command", ["answer", "classify", "explain"])
def test_standard_input_for_every_command(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labels.txt").write_text(SAID)
    more = {
        "answer": ["what color is the bird?"],
        "classify": ["--labels", str(tmp_path / "labels.txt")],
        "explain": ["-o", str(tmp_path / "page.html"), "--no-measure"],
    }[command]

    class Input:
        buffer = io.BytesIO(SIGN.read_bytes())

    monkeypatch.setattr(sys, "stdin", Input)
    assert main([command, "-", *more, *MODEL]) == 0
    assert "purple" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", None)  # as pythonw has it
    assert main([command, "-", *more, *MODEL]) == 1
    assert "there is no standard input" in capsys.readouterr().err


def test_patterns_and_several_files_with_an_output(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["caption", str(folder / "[ab].png"), *MODEL]) == 0
    assert capsys.readouterr().out.count(SAID) == 2
    output = tmp_path / "captions.jsonl"
    given = [str(folder / "a.png"), str(folder / "c.png"), "--output", str(output)]
    assert main(["caption", *given, *MODEL]) == 0
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert {row["picture"] for row in rows} == {"a.png", "c.png"}
    assert " s each, 0 had one already, 0 failed" in capsys.readouterr().err


# ---------------------------------------------------------------- what is there already


OTHER_ENDINGS = [pytest.param(e, marks=pytest.mark.slow) for e in (".caption", ".cap2")]


@pytest.mark.parametrize("ending", [".txt", *OTHER_ENDINGS])
def test_what_becomes_of_sidecars(ending: str, folder: Path, capsys: pytest.CaptureFixture) -> None:
    (folder / f"a{ending}").write_text("mine\n", encoding="utf-8")
    (folder / f"b{ending}").touch()  # an empty one is no caption
    run = ["caption", str(folder), *MODEL, "--output", ending]
    assert main(run) == 0
    assert capsys.readouterr().err.endswith(", 1 had one already, 0 failed\n")
    texts = {name: (folder / f"{name}{ending}").read_text() for name in "abc"}
    assert texts == {"a": "mine\n", "b": SAID + "\n", "c": SAID + "\n"}
    assert main([*run, "--existing", "append"]) == 0
    assert (folder / f"a{ending}").read_text() == f"mine\n{SAID}\n"
    assert main([*run, "--existing", "overwrite"]) == 0
    assert {(folder / f"{name}{ending}").read_text() for name in "abc"} == {SAID + "\n"}
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_what_becomes_of_rows(ending: str, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / f"captions.{ending}"
    run = ["caption", str(folder), *MODEL, "--output", str(output)]
    assert main(run) == 0
    once = output.read_bytes()
    assert main(run) == 0
    assert output.read_bytes() == once
    assert main([*run, "--existing", "append"]) == 0
    assert output.read_bytes().count(SAID.encode()) == 6
    assert main([*run, "--existing", "overwrite"]) == 0
    assert output.read_bytes() == once


def test_a_csv_is_read_by_excel_as_utf_8(folder: Path, tmp_path: Path) -> None:
    (folder / "a.png").rename(folder / "ä.png")
    output = tmp_path / "captions.csv"
    assert main(["caption", str(folder), *MODEL, "--output", str(output)]) == 0
    content = output.read_bytes()
    assert content.startswith(b"\xef\xbb\xbfpicture,caption,model\r\n")
    assert "ä.png" in content.decode("utf-8-sig")
    assert main(["caption", str(folder), *MODEL, "--output", str(output)]) == 0
    assert output.read_bytes() == content
    output.write_bytes(content[3:])  # as an earlier version wrote it
    assert main(["caption", str(folder), *MODEL, "--output", str(output)]) == 0
    assert output.read_bytes() == content[3:]


MORE_TAILS = [b"\n", b"\n\n\r\n", b"\n" + b"\0" * 9]
TAILS = [b"\0" * 70_000, b"\0\n\0", *(pytest.param(t, marks=pytest.mark.slow) for t in MORE_TAILS)]


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_an_output_that_ends_in_nothing_is_repaired(
    ending: str, tail: bytes, folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / f"captions.{ending}"
    run = ["caption", str(folder), *MODEL, "--output", str(output)]
    assert main(run) == 0
    whole = output.read_bytes()
    output.write_bytes(whole + tail)
    shutil.copy(SIGN, folder / "d.png")
    assert main(run) == 0
    content = output.read_bytes()
    assert content.startswith(whole)
    assert content.count(SAID.encode()) == 4
    assert b"\0" not in content


# ---------------------------------------------------------------- runs that must not die


def test_a_name_too_long_for_its_text_file_is_told_and_passed(
    folder: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    just = "x" * 251 + ".png"  # the text file fits, its .part does not
    shutil.copy(SIGN, folder / just)
    assert main(["caption", str(folder), *MODEL, "--output", ".txt"]) == 0
    assert (folder / just).with_suffix(".txt").read_text() == SAID + "\n"
    shutil.copy(SIGN, folder / ("y" * 251 + ".png"))
    capsys.readouterr()
    assert main(["caption", str(folder), *MODEL, "--output", ".caption"]) == 1
    told = capsys.readouterr().err
    assert told.count("too long a name for a text file") == 2
    assert told.endswith(", 0 had one already, 2 failed\n")
    assert errno.ENAMETOOLONG
    assert files.is_ending(".caption")


def test_what_needs_more_is_told_and_counted(folder: Path, capsys: pytest.CaptureFixture) -> None:
    (folder / "drawing.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (folder / "photo.jxl").write_bytes(b"\xff\x0a" + bytes(50))
    (folder / "code.ts").write_text("export const a = 1\n", encoding="utf-8")
    (folder / "broken.png").write_bytes(b"no picture")
    assert main(["caption", str(folder), *MODEL]) == 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 4
    assert any("drawing.eps is a drawing in PostScript" in line for line in told)
    assert any("photo.jxl is a JPEG XL picture, which needs" in line for line in told)
    assert told[-1].startswith("numpygit: 3 captioned, ")
    assert told[-1].endswith(" s each, 0 had one already, 2 not readable here, 1 failed")


def test_no_kind_of_picture_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    sign = Image.open(SIGN).convert("RGB")
    sign.save(tmp_path / "stereo.MPO", "MPO", save_all=True, append_images=[sign])
    sign.save(tmp_path / "old.jif", "JPEG", quality=100)
    (tmp_path / "camera.NEF").write_bytes(b"MM\0*" + bytes(80))
    (tmp_path / "camera.raf").write_bytes(b"FUJIFILMCCD-RAW 0201" + bytes(80))
    (tmp_path / "drawing.svg").write_text("<svg/>", encoding="utf-8")
    for other in ("Thumbs.db", "notes.txt", "photo.jpg.part", "photo.xmp", "._photo.jpg"):
        (tmp_path / other).write_bytes(b"of another tool")
    assert main(["caption", str(tmp_path), *MODEL]) == 1
    read = capsys.readouterr()
    assert read.out.count(SAID) == 2
    assert read.err.splitlines()[-1].endswith("2 not readable here, 1 failed")
    assert "Thumbs" not in read.err


def test_lines_of_libraries_are_joined_to_the_one_of_the_picture(
    folder: Path, capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Captioner.pixels

    def loud(captioner: Captioner, picture: Path) -> np.ndarray:
        os.write(2, b"TIFFFetchNormalTag: odd\n")
        if picture.name == "b.png":
            raise UserError("b.png is damaged or cut short: no")
        return plain(captioner, picture)

    monkeypatch.setattr(Captioner, "pixels", loud)
    assert main(["caption", str(folder), *MODEL]) == 1
    told = capfd.readouterr().err.splitlines()
    line = "numpygit: b.png is damaged or cut short: no (TIFFFetchNormalTag: odd)"
    assert told[0] == line
    assert len(told) == 2


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("more", [["caption"], ["answer", "what is it?"]])
def test_warnings_are_notes_for_single_pictures(
    more: list[str], capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Captioner.pixels

    def loud(captioner: Captioner, picture: str) -> np.ndarray:
        warnings.warn("three of its packets cannot be decoded", stacklevel=2)
        if loud.is_broken:
            raise UserError("it is damaged or cut short: no")
        return plain(captioner, picture)

    monkeypatch.setattr(Captioner, "pixels", loud)
    command, *question = more
    for loud.is_broken in (False, True):
        assert main([command, str(SIGN), *question, *MODEL]) == loud.is_broken
        told = capfd.readouterr().err.splitlines()
        assert told[0] == "numpygit: note: three of its packets cannot be decoded"
        line = "numpygit: it is damaged or cut short: no"
        assert told[1:] == [line] * loud.is_broken


def test_a_warning_is_one_line_without_the_code_it_comes_from(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warned(captioner: Captioner, *arguments: object, **options: object) -> list[str]:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("an option\nthat does nothing", stacklevel=1)
        return ["a caption"]

    monkeypatch.setattr(Captioner, "stream", lambda *args, **options: iter(warned(*args)))
    assert main(["caption", str(SIGN), *MODEL]) == 0
    read = capsys.readouterr()
    assert (read.out, read.err) == ("a caption\n", "numpygit: note: an option that does nothing\n")


def test_a_format_without_an_output_is_refused(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["caption", str(folder), "--format", "csv", *MODEL]) == 1
    assert "--format is that of --output" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="no such names on Windows")
def test_no_name_is_a_formula_in_a_spreadsheet(folder: Path, tmp_path: Path) -> None:
    names = ["=cmd.png", "+1.png", "-2.png", "@sum.png", "\t=1.png", "\r=1.png", "a=1.png"]
    for name in names:
        shutil.copy(SIGN, folder / name)
    output = tmp_path / "captions.csv"
    for _ in range(2):  # and each is found again
        assert main(["caption", str(folder), "--output", str(output), *MODEL]) == 0
    with output.open(newline="", encoding="utf-8-sig") as file:
        written = [row["picture"] for row in csv.DictReader(file)]
    assert sorted(written) == sorted(["a.png", "a=1.png", "b.png", "c.png",
                                      *(f"./{name}" for name in names[:-1])])  # fmt: skip
    assert all((folder / name).is_file() for name in written)


ENCODINGS = ["utf-8", "utf-16", *(pytest.param(name, marks=pytest.mark.slow) for name in
             ("utf-8-sig", "utf-16-le", "utf-16-be"))]  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_lists_and_labels_have_the_encodings_of_windows(
    encoding: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    def write(name: str, text: str) -> str:
        mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
        (tmp_path / name).write_bytes(f"{mark}{text}".encode(encoding))
        return str(tmp_path / name)

    shutil.copy(SIGN, folder / "ä.png")
    for table in (
        write("a.csv", "picture,caption\r\nä.png,x\r\n"),
        write("b.csv", "picture\tcaption\r\nä.png\tx\r\n"),
        write("a.jsonl", '{"picture": "ä.png"}\r\n'),
    ):
        assert main(["caption", table, "--pictures", str(folder), *MODEL]) == 0
        assert capsys.readouterr().out == f"ä.png: {SAID}\n"
    labels = write("labels.txt", f"{SAID}\r\na dög\r\n")
    assert main(["classify", str(SIGN), "--labels", labels, *MODEL]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert (first.endswith(f"  {SAID}"), second.endswith("  a dög")) == (True, True)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes among the files of Windows")
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_no_file_that_is_named_may_go_on_for_ever(
    kind: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    endings = (".csv", ".jsonl", ".json", ".txt", ".tar", ".tsv", ".safetensors", ".npz")
    odd = {ending: tmp_path / f"odd{ending}" for ending in endings}
    for path in odd.values():
        os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    right = tmp_path / "right.safetensors"
    assert main(["trace", str(SIGN), "--output", str(right), *MODEL]) == 0
    capsys.readouterr()
    for arguments in (
        *(
            ["caption", str(odd[ending]), *MODEL]
            for ending in (".csv", ".jsonl", ".json", ".tar", ".tsv")
        ),
        ["caption", str(folder), "--output", str(odd[".csv"]), *MODEL],
        ["caption", str(folder), "--output", str(odd[".jsonl"]), *MODEL],
        ["classify", str(SIGN), "--labels", str(odd[".txt"]), *MODEL],
        ["evaluate", str(odd[".json"]), "--references", str(odd[".json"])],
        ["diff", str(odd[".safetensors"]), str(right)],
        ["diff", str(right), str(odd[".npz"])],
        ["diff", str(right), str(right), "--map", str(odd[".txt"])],
        ["train", str(odd[".csv"]), "--output", str(tmp_path / "trained")],
    ):
        assert main(arguments) == 1, arguments
        told = capsys.readouterr().err
        assert len(told.splitlines()) == 1, told
        assert "odd" in told


def test_a_package_that_an_output_needs_is_missed_before_the_work(
    folder: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setattr(Captioner, "pixels", lambda *given: pytest.fail("that was too early"))
    output = folder.parent / "captions.parquet"
    assert main(["caption", str(folder), "--output", str(output), *MODEL]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'numpygit[parquet]'" in line
    assert list(folder.parent.iterdir()) == [folder]


def test_control_characters_never_reach_a_terminal(
    folder: Path, capsys: pytest.CaptureFixture
) -> None:
    shutil.copy(SIGN, folder / "red\x1b[31m.png")
    (folder / "bell\x07.png").write_bytes(b"no")
    main(["caption", str(folder), *MODEL])
    written = capsys.readouterr()
    for text in (written.out, written.err):
        assert text.replace("\n", "").isprintable()
    assert "red\\x1b[31m.png: " in written.out


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="closes a stream as a Unix shell does")
@pytest.mark.parametrize("closing", ["2>&-", "2>/dev/full", "2>&1 >/dev/null | head -c 1"])
def test_a_broken_error_stream_loses_nothing(
    closing: str, folder: Path, tmp_path: Path, offline: dict[str, str]
) -> None:
    (folder / "0.png").write_bytes(b"no picture")
    output = tmp_path / "captions.jsonl"
    command = f"'{sys.executable}' -m numpygit caption '{folder}' --model storybook"
    subprocess.run(f"{command} --output '{output}' {closing}", shell=True, env=offline, check=False)
    assert output.read_bytes().count(SAID.encode()) == 3


def test_arrays_are_captioned_as_their_files(storybook: Captioner) -> None:
    assert storybook.caption(np.asarray(Image.open(SIGN).convert("RGB"))) == SAID


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes among the files of Windows")
def test_a_pipe_among_the_pictures_is_told_of(folder: Path, capsys: pytest.CaptureFixture) -> None:
    os.mkfifo(folder / "pipe.png")
    os.mkfifo(folder / "pipe.ts")  # whose ending has several meanings
    assert main(["caption", str(folder), *MODEL]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0].endswith("pipe.png is a pipe or a device, expected a picture file")
    assert told[1].endswith(", 0 had one already, 1 failed")
