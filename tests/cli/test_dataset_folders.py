"""Captions of a folder: nothing is lost or done twice, whatever happens on the way."""

from __future__ import annotations

import csv
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from examples import examples
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st
from PIL import Image

import numpygit
from numpygit.captioner import Captioner
from numpygit.cli.commands import main
from numpygit.cli.dataset import caption_rows, folders_of
from numpygit.data import read as read_source
from numpygit.data.folders import find_pictures, picture_suffixes
from numpygit.data.sinks import sink
from numpygit.data.sinks.files import Rows, no_formula
from numpygit.data.sinks.run import run
from numpygit.data.speak import speak
from numpygit.errors import NotFoundError, UserError

pytestmark = pytest.mark.slow

OUTPUTS = ["captions.jsonl", "captions.csv", ".txt"]


@pytest.fixture(scope="module")
def model(write_folder, tmp_path_factory) -> Path:
    return write_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def tiny(model) -> Captioner:
    return numpygit.load(model)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Seven pictures, two of them in a folder of the folder."""
    folder = tmp_path / "pictures"
    for i, name in enumerate(
        ["a.png", "b.JPG", "c.gif", "d.bmp", "e.png", "in/a.png", "in/f.webp"]
    ):
        draw(folder / name, i)
    (folder / "notes.md").write_text("no picture")
    return folder


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    first, *more = (rng.integers(0, 256, (12, 15, 3), np.uint8) for _ in range(3))
    if path.suffix == ".gif":  # a clip
        later = [Image.fromarray(colours) for colours in more]
        Image.fromarray(first).save(path, save_all=True, append_images=later)
    else:
        Image.fromarray(first).save(path)


def read(folder: Path, output: Path | str) -> dict[str, str]:
    """Read captions back with the standard library alone."""
    if str(output) == ".txt":
        texts = {path.with_suffix("").name: path for path in folder.rglob("*.txt")}
        return {name: path.read_text(encoding="utf-8") for name, path in texts.items()}
    with Path(output).open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        if str(output).endswith("csv"):
            rows = list(csv.DictReader(file))
        else:
            rows = [json.loads(line) for line in file]
    assert len({row["picture"] for row in rows}) == len(rows)
    return {row["picture"]: row["caption"] for row in rows}


def echo(name: str) -> str:
    """Say something about a picture that is hard to write down."""
    return f'{name!a} "quoted",\nand é'


class Echo:
    """A model whose caption of a picture is its name, and which counts what it looks at."""

    name = "echo"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def pixels(self, path: Path) -> str:
        self.seen.append(path.name)
        return path.name

    def caption_pixels(self, prepared: list[str], *, max_length: int | None) -> list[str]:
        return [echo(name) for name in prepared]


def said_by(captioner, max_length: int | None = None):
    """Let a model that is loaded caption batches."""
    return lambda batches: (
        speak(captioner, batch, max_length=max_length, is_held_back=True) for batch in batches
    )


def caption_folder(
    captioner,
    folder: Path,
    output: str | None = None,
    *,
    recursive: bool = False,
    batch_size: int = 8,
    max_length: int | None = None,
) -> int:
    """Caption a folder as the command does; return how many things could not be read."""
    return caption_rows(
        read_source(folder, recursive=recursive, with_texts=False, output=output),
        said_by(captioner, max_length),
        output=output,
        model=captioner.name,
        batch_size=batch_size,
        folders=[folder],
        is_listed=True,
    ).failed


# ---------------------------------------------------------------- what is written


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
@pytest.mark.parametrize("kind", ["captions.jsonl", "captions.csv"])
def test_rows_are_the_captions_of_single_pictures(tiny, pictures, kind, batch_size, tmp_path):
    output = tmp_path / kind
    assert caption_folder(
        tiny, pictures, str(output), recursive=True, batch_size=batch_size
    ) == 0  # fmt: skip
    names = ["a.png", "b.JPG", "c.gif", "d.bmp", "e.png", "in/a.png", "in/f.webp"]
    found = read(pictures, output)
    assert list(found) == names
    assert found == {name: tiny.caption(pictures / name) for name in names}
    assert tiny.pixels(pictures / "c.gif").shape == (1, 2, 3, 18, 18)  # stills and a clip


def test_text_files_stand_beside_their_pictures(tiny, pictures):
    assert caption_folder(tiny, pictures, ".txt", recursive=True) == 0
    for path in pictures.rglob("*"):
        if path.suffix.lower() in picture_suffixes():
            text = path.with_suffix(".txt").read_text(encoding="utf-8")
            assert text == tiny.caption(path) + "\n"
    assert len(list(pictures.rglob("*.txt"))) == 7
    assert not list(pictures.rglob("*.part"))


def test_without_recursive_only_the_folder_itself(tiny, pictures, capsys):
    assert caption_folder(tiny, pictures) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"{name}: {tiny.caption(pictures / name)}"
        for name in ("a.png", "b.JPG", "c.gif", "d.bmp", "e.png")
    ]


def test_the_command_writes_what_the_function_writes(tiny, model, pictures, tmp_path, capsys):
    arguments = ["caption", "--model", str(model), str(pictures)]
    for kind in ("captions.jsonl", "captions.csv"):
        ours, theirs = tmp_path / f"1{kind}", tmp_path / f"2{kind}"
        assert main([*arguments, "--output", str(ours), "--batch-size", "2", "--recursive"]) == 0
        caption_folder(tiny, pictures, str(theirs), recursive=True)
        assert ours.read_bytes() == theirs.read_bytes()
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(" s each")[2] for line in err.splitlines()] == [
        ", 0 had one already, 0 failed"
    ] * 2
    assert main([*arguments, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["picture"] for row in rows] == ["a.png", "b.JPG", "c.gif", "d.bmp", "e.png"]
    assert all(row["model"] == str(model) for row in rows)


def test_the_output_may_stand_among_the_pictures(tiny, pictures):
    for kind in OUTPUTS:
        output = kind if kind == ".txt" else str(pictures / kind)
        assert caption_folder(tiny, pictures, output, recursive=True) == 0
        assert caption_folder(tiny, pictures, output, recursive=True) == 0
        assert len(read(pictures, output)) >= 6


# ---------------------------------------------------------------- which pictures


def test_names_are_found_by_their_endings_and_sorted(tmp_path):
    for name in ["b.png", "a.jpeg", "Z.TIF", ".hidden.png", "data.h5", "text.txt", "x/.y/c.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "x" / "folder.png").mkdir()
    (tmp_path / "x" / "folder.png" / "c.webp").touch()
    said: list[str] = []
    found = find_pictures(tmp_path, recursive=True, report=said.append)
    assert found == (["Z.TIF", "a.jpeg", "b.png", "x/folder.png/c.webp"], 0)
    assert find_pictures(tmp_path, recursive=False, report=said.append)[0] == found[0][:3]
    assert said == []


def test_videos_are_found_whether_or_not_they_can_be_read(tmp_path):
    (tmp_path / "clip.mp4").touch()  # without PyAV the run says what to install
    assert find_pictures(tmp_path, recursive=False, report=print) == (["clip.mp4"], 0)


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes need rights on Windows")
def test_links_are_read_but_not_followed_in_circles(pictures, tmp_path):
    os.symlink(pictures, pictures / "in" / "circle")
    os.symlink(pictures / "a.png", pictures / "link.png")
    os.symlink(pictures / "self.png", pictures / "self.png")
    os.mkfifo(pictures / "pipe.png")
    found, _ = find_pictures(pictures, recursive=True, report=print)
    assert "link.png" in found
    assert "self.png" in found  # is reported as broken
    assert "pipe.png" in found  # and this as what it is: to read it would never end
    assert len(found) == 10


@pytest.mark.skipif(sys.platform == "win32", reason="folders have other rights on Windows")
def test_a_folder_that_cannot_be_read_is_reported(tiny, pictures, capsys, monkeypatch, tmp_path):
    scandir = os.scandir

    def forbidding(path: str) -> Iterator[os.DirEntry[str]]:
        if os.path.basename(path) == "in":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidding)
    output = str(tmp_path / "captions.jsonl")
    assert caption_folder(tiny, pictures, output, recursive=True) == 1
    said = capsys.readouterr().err
    assert said == f"numpygit: {pictures / 'in'} cannot be read: Permission denied\n"
    assert len(read(pictures, output)) == 5


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are no free bytes here")
@pytest.mark.parametrize("kind", OUTPUTS)
def test_odd_names_come_back_as_they_are(kind, tmp_path, monkeypatch):
    names = ["ä ö.png", "new\nline.png", '"quoted", too.png', "\r.png", "\udcff.png", "日本.png"]
    for i, name in enumerate(names):
        draw(tmp_path / "pictures" / name, i)
    output = kind if kind == ".txt" else str(tmp_path / kind)
    model = Echo()
    caption_folder(model, tmp_path / "pictures", output, batch_size=2)
    caption_folder(model, tmp_path / "pictures", output, batch_size=2)
    assert sorted(model.seen) == sorted(names)
    if kind != ".txt":
        expected = {name: echo(name) for name in sorted(names)}
        assert read(tmp_path, output) == expected


# ---------------------------------------------------------------- stopped and started again


def uninterrupted(folder: Path, output: Path) -> bytes:
    caption_folder(Echo(), folder, str(output), batch_size=2)
    return output.read_bytes()


@pytest.mark.parametrize("kind", ["captions.jsonl", "captions.csv"])
def test_a_file_torn_anywhere_is_completed_to_the_same_bytes(kind, tmp_path):
    for i, name in enumerate(["a.png", 'b\n".png', "c,.png", "d.png", "é.png"]):
        draw(tmp_path / "pictures" / name, i)
    output = tmp_path / kind
    whole = uninterrupted(tmp_path / "pictures", output)
    for length in range(len(whole)):
        output.write_bytes(whole[:length])
        model = Echo()
        caption_folder(model, tmp_path / "pictures", str(output), batch_size=3)
        assert output.read_bytes() == whole
        lost = sum(end > length for end in ends_of_rows(whole, kind))
        assert len(model.seen) == lost


def ends_of_rows(whole: bytes, kind: str) -> list[int]:
    """Find where the rows end, by writing them one by one."""
    rows = Rows(Path(kind), "echo")
    names = ["a.png", 'b\n".png', "c,.png", "d.png", "é.png"]
    end = len(b"\xef\xbb\xbfpicture,caption,model\r\n") if kind.endswith("csv") else 0
    ends = []
    for name in names:
        end += len(rows.row(name, echo(name), ()))
        ends.append(end)
    assert end == len(whole)
    return ends


LETTERS = st.characters(codec="utf-8", exclude_characters="\0")  # no name of a file holds NUL


@examples(60, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.text(LETTERS, max_size=8), min_size=1, max_size=6, unique=True),
    st.text(LETTERS, max_size=20),
    st.integers(0, 400),
    st.sampled_from(["captions.jsonl", "captions.csv"]),
)
@example(["\r"], "\r\n", 30, "captions.csv")
@example(["=", "./=", "././ +", "./", "./a", "-"], "=1", 30, "captions.csv")
def test_rows_of_any_text_survive_being_torn(tmp_path, names, caption, length, kind):
    path = tmp_path / kind
    path.unlink(missing_ok=True)
    rows = Rows(path, "model")
    assert rows.done() == set()
    rows.write(dict.fromkeys(names, caption), {})
    assert rows.done() == set(names)
    path.write_bytes(path.read_bytes()[:length])
    done = rows.done()
    assert list(names[: len(done)]) == [name for name in names if name in done]
    rows.write({name: caption for name in names if name not in done}, {})
    assert rows.done() == set(names)
    written = map(no_formula, names) if kind == "captions.csv" else names
    assert read(tmp_path, path) == dict.fromkeys(written, caption)


def test_text_files_that_are_there_are_left_alone(pictures):
    (pictures / "b.txt").write_text("by hand")
    (pictures / "c.txt.part").write_text("half a cap")  # what a killed run may leave
    model = Echo()
    assert caption_folder(model, pictures, ".txt") == 0
    assert model.seen == ["a.png", "c.gif", "d.bmp", "e.png"]
    assert (pictures / "b.txt").read_text() == "by hand"
    assert not (pictures / "c.txt.part").exists()


def test_new_pictures_are_added(pictures, tmp_path):
    output = str(tmp_path / "captions.csv")
    caption_folder(Echo(), pictures, output)
    draw(pictures / "aa.png", 9)
    model = Echo()
    caption_folder(model, pictures, output)
    assert model.seen == ["aa.png"]
    assert list(read(pictures, output)) == ["a.png", "b.JPG", "c.gif", "d.bmp", "e.png", "aa.png"]


def test_when_all_is_done_no_model_is_loaded(tiny, model, pictures, tmp_path, capsys):
    output = str(tmp_path / "captions.jsonl")
    arguments = ["caption", "--model", str(model), str(pictures), "--output", output]
    assert main(arguments) == 0
    before = Path(output).read_bytes()
    (model / "config.json").rename(model / "away.json")
    try:
        assert main(arguments) == 0
    finally:
        (model / "away.json").rename(model / "config.json")
    assert Path(output).read_bytes() == before
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("numpygit: 0 captioned, 5 had one already, 0 failed\n")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
@pytest.mark.parametrize("kind", OUTPUTS)
def test_killed_in_the_middle_and_started_again(kind, tiny, model, offline, tmp_path):
    folder = tmp_path / "pictures"
    for i in range(100):
        draw(folder / f"{i % 7}" / f"{i}.png", i)
    output = kind if kind == ".txt" else str(tmp_path / kind)
    command = [sys.executable, "-m", "numpygit", "caption", "--model", model, folder,
               "--recursive", "--batch-size", "2", "--output", output]  # fmt: skip

    def done() -> int:
        if kind == ".txt":
            return len(list(folder.rglob("*.txt")))
        return Path(output).read_bytes().count(b"\n") if Path(output).exists() else 0

    for more in (5, 12):
        target = done() + more
        running = subprocess.Popen(command, env=offline, stderr=subprocess.PIPE)
        while done() < target and running.poll() is None:
            time.sleep(0.002)
        running.kill()
        running.communicate()
        assert running.returncode == -signal.SIGKILL, "it ended before it was killed"
    assert done() < 100
    subprocess.run(command, env=offline, check=True, timeout=60)
    killed = {path.name: path.read_bytes() for path in folder.rglob("*.txt")}
    if kind != ".txt":
        killed = {"": Path(output).read_bytes()}
        Path(output).unlink()
    for path in folder.rglob("*.txt"):
        path.unlink()
    caption_folder(tiny, folder, output, recursive=True, batch_size=2)
    if kind == ".txt":
        assert killed == {path.name: path.read_bytes() for path in folder.rglob("*.txt")}
        assert len(killed) == 100
    else:
        assert killed[""] == Path(output).read_bytes()
        assert len(read(folder, output)) == 100
    assert not list(folder.rglob("*.part"))


BEGUN = """
import sys, time
from pathlib import Path
from numpygit.data import read
from numpygit.data.sinks import sink
folder, output, model = sys.argv[1:]
to = sink(output, model=model, folders=[Path(folder)])
to.open()
print(sum(not to.has(row) for row in read(folder, recursive=False)), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is held on Windows")
@pytest.mark.parametrize("kind", OUTPUTS)
def test_two_runs_at_once_do_not_mix(kind, model, pictures, offline, tmp_path, capsys):
    output = kind if kind == ".txt" else str(tmp_path / kind)
    command = [sys.executable, "-c", BEGUN, str(pictures), output, str(model)]
    begun = subprocess.Popen(command, env=offline, stdout=subprocess.PIPE)
    assert begun.stdout.readline() == b"5\n"
    arguments = ["caption", "--model", str(model), str(pictures), "--output", output]
    assert main(arguments) == 1
    held = pictures if kind == ".txt" else output
    said = capsys.readouterr().err
    assert said.startswith(f"numpygit: another run of numpygit is writing to {held}; wait")
    assert said.count("\n") == 1
    begun.kill()  # a lock of the dead holds nobody up
    begun.communicate()
    assert main(arguments) == 0
    assert len(read(pictures, output)) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is held on Windows")
def test_a_file_system_without_locks_is_written_all_the_same(pictures, tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    assert caption_folder(Echo(), pictures, str(tmp_path / "captions.csv")) == 0
    assert len(read(pictures, tmp_path / "captions.csv")) == 5


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_broken_picture_is_reported_skipped_and_tried_again(
    kind, model, pictures, tmp_path, capsys
):
    whole = (pictures / "b.JPG").read_bytes()
    (pictures / "b.JPG").write_bytes(b"no picture")
    output = kind if kind == ".txt" else str(tmp_path / kind)
    command = ["caption", "--model", str(model), str(pictures), "--output", output]
    for _ in range(2):
        assert main(command) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 2
        assert f"{pictures / 'b.JPG'} is not a picture" in err
    assert len(read(pictures, output)) == 4
    (pictures / "b.JPG").write_bytes(whole)
    assert main(command) == 0
    assert len(read(pictures, output)) == 5


def test_only_broken_pictures_are_no_captions(tiny, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(b"no picture")
    assert caption_folder(tiny, tmp_path, str(tmp_path / "captions.jsonl")) == 1
    assert (tmp_path / "captions.jsonl").read_bytes() == b""


@pytest.mark.parametrize("arguments", [
    ["--output", "captions.xml"],
    ["--output", "nowhere/captions.jsonl"],
    ["--output", "folder.csv"],
    ["--output", "captions"],
    ["--batch-size", "0"],
    ["--batch-size", "-3", "--output", "captions.csv"],
    ["other.png"],
])  # fmt: skip
def test_what_cannot_be_done_is_told_before_a_model_is_loaded(
    arguments, pictures, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    assert main(["caption", "--model", "there/is-none", str(pictures), *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("numpygit: ")
    assert err.count("\n") == 1
    assert "is-none" not in err


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(UserError, match=r"no pictures in it; --recursive"):
        caption_folder(Echo(), tmp_path)
    with pytest.raises(NotFoundError, match="no such file or folder"):
        caption_folder(Echo(), tmp_path / "nowhere")


@pytest.mark.parametrize("kind", ["captions.jsonl", "captions.csv"])
@pytest.mark.parametrize("content", [
    b"somebody's words",
    b"somebody's words\n",
    b'{"picture": "a.png"}\n',
    b'{"picture": "a.png", "caption": "x", "model": "another"}\n',
    b"picture,caption,model\r\na.png,x,another\r\n",
    b"picture,caption,model\r\na.png,x\r\n",
    b"[1, 2, 3]\n",
    b"\xff\xfe\n",
])  # fmt: skip
def test_a_file_that_is_not_ours_is_left_as_it_is(kind, content, pictures, tmp_path):
    (tmp_path / kind).write_bytes(content)
    with pytest.raises(UserError, match="cannot go on with"):
        caption_folder(Echo(), pictures, str(tmp_path / kind))
    assert (tmp_path / kind).read_bytes() == content


@pytest.mark.parametrize("content", [b"\xef", b"\xef\xbb", b"\xef\xbb\xbfsomebody's words"])
def test_the_mark_of_csv_is_no_beginning_of_json_lines(content, pictures, tmp_path):
    (tmp_path / "captions.jsonl").write_bytes(content)
    with pytest.raises(UserError, match="cannot go on with"):
        caption_folder(Echo(), pictures, str(tmp_path / "captions.jsonl"))
    assert (tmp_path / "captions.jsonl").read_bytes() == content


def test_two_pictures_cannot_share_a_text_file(tmp_path):
    draw(tmp_path / "a.png", 1)
    draw(tmp_path / "a.jpg", 2)
    with pytest.raises(UserError, match=r"a\.jpg and a\.png would have the same text file"):
        caption_folder(Echo(), tmp_path, ".txt")


def test_a_folder_where_nothing_may_be_written(pictures, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match="cannot be written"):
        caption_folder(Echo(), pictures, ".txt")


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_disk_that_fills_up_loses_nothing(kind, pictures, tmp_path, monkeypatch):
    output = kind if kind == ".txt" else str(tmp_path / kind)
    sync, times = os.fsync, []

    def full(file: int) -> None:
        times.append(file)
        if len(times) == 3:
            raise OSError(28, "No space left on device")
        sync(file)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device; what was written before is kept"):
        caption_folder(Echo(), pictures, output, batch_size=1)
    assert caption_folder(Echo(), pictures, output, batch_size=1) == 0
    assert len(read(pictures, output)) == 5


def test_a_length_the_model_has_not_is_told_once(tiny, pictures, tmp_path):
    with pytest.raises(UserError, match="max_length is 99"):
        caption_folder(tiny, pictures, str(tmp_path / "captions.jsonl"), max_length=99)


# ---------------------------------------------------------------- the progress bar


def test_a_bar_is_shown_on_a_terminal_only(model, pictures, offline, tmp_path):
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
    (pictures / "b.JPG").write_bytes(b"no picture")
    command = [sys.executable, "-m", "numpygit", "caption", "--model", model, pictures,
               "--output", tmp_path / "captions.csv", "--batch-size", "2"]  # fmt: skip
    import fcntl
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    try:
        done = subprocess.run(command, env=offline, stderr=theirs, stdout=subprocess.PIPE)
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.returncode, done.stdout) == (1, b"")
    assert "5/5" in shown
    assert f"numpygit: {pictures / 'b.JPG'} is not a picture" in shown
    again = subprocess.run(command, env=offline, capture_output=True, text=True)
    assert again.stderr.count("\n") == 2  # the picture that cannot be read, and the summary


def test_the_parts_can_be_used_alone(pictures, tmp_path):
    said: list[str] = []
    rows = list(read_source(pictures))
    to = sink(str(tmp_path / "captions.jsonl"), model="echo")
    to.open()
    found = run(rows, to, said_by(Echo()), batch_size=4, report=said.append)
    assert (found.captioned, found.had, found.failed) == (7, 0, 0)
    assert all(map(to.has, rows))
    to.close()
    assert said == []


# ---------------------------------------------------------------- tables in the folder


def test_a_table_in_the_folder_adds_what_it_names_and_hides_nothing(pictures, tmp_path):
    (pictures / "metadata.jsonl").write_text(
        json.dumps({"file_name": "in/f.webp", "text": "two"}) + "\n"
        + json.dumps({"file_name": "./b.JPG", "text": "one"}) + "\n"
    )  # fmt: skip
    output = tmp_path / "captions.jsonl"
    assert caption_folder(Echo(), pictures, str(output)) == 0
    names = ["in/f.webp", "./b.JPG", "a.png", "c.gif", "d.bmp", "e.png"]
    assert list(read(pictures, output)) == names
    assert [row.key for row in read_source(pictures)] == names[:2]  # whoever wants the texts


@pytest.mark.parametrize("table", ["SourceFile,Camera\r\na.png,x\r\n", "", "{", "file_name\r\n"])
def test_a_table_of_another_program_counts_for_nothing(table, pictures, tmp_path, capsys):
    (pictures / "metadata.csv").write_text(table)
    assert caption_folder(Echo(), pictures, str(tmp_path / "captions.csv")) == 0
    assert len(read(pictures, tmp_path / "captions.csv")) == 5
    said = capsys.readouterr().err
    assert said.startswith(f"numpygit: note: {pictures / 'metadata.csv'}")
    assert said.count("\n") == 1


def test_the_output_may_have_the_name_of_a_table(pictures):
    output = pictures / "metadata.csv"
    for more in ("f.png", "g.png"):
        assert caption_folder(Echo(), pictures, str(output), batch_size=2) == 0
        draw(pictures / more, 5)
    assert caption_folder(Echo(), pictures, str(output)) == 0
    assert len(read(pictures, output)) == 7


# ---------------------------------------------------------------- several runs beside each other


def test_pictures_of_very_many_folders_do_not_hold_each(tmp_path):
    for number in range(150):
        draw(tmp_path / f"{number}" / "a.png", 1)
    few = sorted(tmp_path.glob("[12]/*.png"))
    assert folders_of(few, None) == [tmp_path / "1", tmp_path / "2"]
    assert folders_of(sorted(tmp_path.glob("*/*.png")), None) == [tmp_path]
    assert folders_of(few, "elsewhere") == [Path("elsewhere")]


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is held on Windows")
def test_shares_write_their_text_files_beside_each_other(pictures):
    first, second, whole = (
        sink(".txt", model="m", folders=[pictures], together=one) for one in (True, True, False)
    )
    first.open()
    second.open()
    with pytest.raises(UserError, match="another run of numpygit is writing"):
        whole.open()
    first.close()
    second.close()
    whole.open()
    whole.close()
