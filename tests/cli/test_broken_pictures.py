"""One line a broken picture, through every command: what C libraries print is joined to it.

Checks huggingface/reading/lines.py.
"""

from __future__ import annotations

import base64
import io
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from numpygit.cli import main
from numpygit.cli.commands import commands_of, parser
from numpygit.errors import UserError
from numpygit.huggingface.processing.picture_steps import held_back, open_picture
from numpygit.huggingface.reading import lines
from numpygit.huggingface.reading.lines import error_stream_is_ours
from numpygit.playground import Server
from numpygit.storybook import EXAMPLES

SIGN = EXAMPLES / "sign.png"
MODEL = ["--model", "storybook"]
OF_LIBTIFF = "Using code not yet in table."  # libtiff says so of what `broken` makes
WITHOUT_PICTURES = {"models", "completion", "lesson"}
COMMANDS = {
    "caption": ["caption", "{picture}", *MODEL],
    "caption, several": ["caption", "{picture}", "{sign}", *MODEL],
    "caption, scores": ["caption", "{picture}", "--num-return-sequences", "2", *MODEL],
    "caption, folder": ["caption", "{folder}", *MODEL],
    "caption, output": ["caption", "{folder}", "--output", "{out}.jsonl", *MODEL],
    "caption, text files": ["caption", "{folder}", "--output", ".txt", *MODEL],
    "answer": ["answer", "{picture}", "what is it?", "where?", *MODEL],
    "classify": ["classify", "{picture}", "--labels", "{labels}", *MODEL],
    "explain": ["explain", "{picture}", "--output", "{out}.html", "--no-measure", *MODEL],
    "trace": ["trace", "{picture}", *MODEL],
    "trace, output": ["trace", "{picture}", "--output", "{out}.safetensors", *MODEL],
    "trace, backward": ["trace", "{picture}", "--backward", *MODEL],
    "step": ["step", "{picture}", *MODEL],
    "evaluate": ["evaluate", "{folder}", *MODEL],
    "train": ["train", "{folder}", "--output", "{out}", "--steps", "1", "--validation", "0"],
}


def broken() -> bytes:
    """A TIFF of which libtiff prints what is wrong, on the error stream of the process."""
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "TIFF", compression="tiff_lzw")
    content = bytearray(file.getvalue())
    for i in range(200, 6000, 53):
        content[i] ^= 0x5A
    return bytes(content)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "bad.tif").write_bytes(broken())
    (folder / "bad.txt").write_text("")
    (tmp_path / "labels.txt").write_text("a cat\na dog\n")
    return {"picture": str(folder / "bad.tif"), "folder": str(folder), "sign": str(SIGN),
            "labels": str(tmp_path / "labels.txt"), "out": str(tmp_path / "out")}  # fmt: skip


def test_every_command_is_tried() -> None:
    tried = {arguments[0] for arguments in COMMANDS.values()} | {"play", "diff"}
    assert set(commands_of(parser())) == tried | WITHOUT_PICTURES


def test_the_library_prints_past_python(places: dict[str, str], capfd: pytest.CaptureFixture):
    with pytest.raises(UserError, match="damaged or cut short"):
        open_picture(places["picture"])  # not a whole program: its error stream is left alone
    assert OF_LIBTIFF in capfd.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_one_line_a_broken_picture(
    name: str, places: dict[str, str], capfd: pytest.CaptureFixture
) -> None:
    if name in ("evaluate", "train"):
        (Path(places["folder"]) / "bad.txt").write_text("a red cat")
        shutil.copy(SIGN, Path(places["folder"]) / "sign.png")
        (Path(places["folder"]) / "sign.txt").write_text("a sign")
    assert main([argument.format_map(places) for argument in COMMANDS[name]]) == 1
    told = capfd.readouterr().err.splitlines()
    about = [line for line in told if "bad.tif" in line or "libtiff" in line or OF_LIBTIFF in line]
    assert len(about) == 1, told
    assert about[0].startswith("numpygit: ")
    assert "damaged or cut short" in about[0]
    assert about[0].count(OF_LIBTIFF) == 1
    assert all(line.startswith("numpygit: ") for line in told)


def test_diff_looks_for_the_picture_of_the_trace(
    places: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    picture = tmp_path / "good.png"
    shutil.copy(SIGN, picture)
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.npz"
    assert main(["trace", str(picture), "--output", str(ours), *MODEL]) == 0
    tensors = load_file(ours)
    tensors["memory"] = tensors["memory"] * np.float32(1.5)
    np.savez(theirs, **tensors)
    picture.write_bytes(broken())
    capfd.readouterr()
    assert main(["diff", str(ours), str(theirs)]) == 1
    read = capfd.readouterr()
    assert "memory" in read.out
    assert OF_LIBTIFF not in read.err


def test_the_page_of_play(capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = []

    class Served(Server):
        """A server that is asked once."""

        def serve_forever(self, poll_interval: float = 0) -> None:
            file = base64.b64encode(SIGN.read_bytes()).decode()
            message = {"version": 1, "op": "caption", "picture": {"file": file}}
            answered.extend(self.playground.handle(message))

    def loud(picture: Image.Image) -> None:
        os.write(2, b"libpng: odd\n")
        raise OSError("cannot be decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", loud)
    monkeypatch.setattr("numpygit.playground.Server", Served)
    assert main(["play", "--no-browser", "--port", "0"]) == 0
    (event,) = answered
    assert event["text"].endswith("(libpng: odd)")
    assert capfd.readouterr().err == ""


# ---------------------------------------------------------------- holding back


def test_several_threads_take_turns(capfd: pytest.CaptureFixture) -> None:
    found: dict[int, list[str]] = {}

    def read(number: int) -> None:
        for _ in range(20):
            with held_back() as said:
                os.write(2, f"of {number}\n".encode())
            found.setdefault(number, []).extend(said)

    with error_stream_is_ours():
        threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    os.write(2, b"afterwards\n")
    assert found == {number: [f"of {number}"] * 20 for number in range(4)}
    assert capfd.readouterr().err == "afterwards\n"


def test_without_a_file_to_keep_them_in_lines_are_dropped(
    capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lines.tempfile, "TemporaryFile", full)
    with error_stream_is_ours(), held_back() as said:
        os.write(2, b"something\n")
    assert (said, capfd.readouterr().err) == ([], "")


def test_a_thousand_lines_become_three(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(broken())
    plain = Image.Image.load
    with pytest.MonkeyPatch.context() as patch:

        def loud(picture: Image.Image) -> None:
            os.write(2, "".join(f"line {i}\n" for i in range(100_000)).encode())
            plain(picture)
            raise OSError("no")

        patch.setattr("PIL.TiffImagePlugin.TiffImageFile.load", loud)
        with error_stream_is_ours(), pytest.raises(UserError) as caught:
            open_picture(path)
    assert str(caught.value).endswith("(line 0; line 1; line 2)")
    assert capfd.readouterr().err == ""
