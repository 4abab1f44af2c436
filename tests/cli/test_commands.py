"""The command line: what it prints, and that every mistake is one line and an exit code.

Checks __main__.py, cli/loading.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from checkpoints import Tensors, WriteFolder
from PIL import Image

import numpygit
from numpygit.captioner import Captioner
from numpygit.cli.commands import main
from numpygit.loading.config import GitConfig
from numpygit.storybook.drawing import render
from numpygit.storybook.scene import Scene, Thing

pytestmark = pytest.mark.slow

Done = subprocess.CompletedProcess
Run = Callable[..., "Done[str]"]

FC1 = "git.image_encoder.vision_model.encoder.layers.1.mlp.fc1.weight"


@pytest.fixture
def run(offline: dict[str, str], tmp_path: Path) -> Run:
    """Get a function that runs the command in a process of its own, in the folder tmp_path."""

    def run(*arguments: object, **more: str) -> Done[str]:
        command = [sys.executable, "-m", "numpygit", *map(str, arguments)]
        return subprocess.run(
            command, env=offline | more, cwd=tmp_path,
            capture_output=True, text=True, encoding="utf-8", timeout=60,
        )  # fmt: skip

    return run


@pytest.fixture
def quick(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Get a function that runs the command in this process, in the folder tmp_path."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Done[str]:
        command = [str(argument) for argument in arguments]
        code = main(command)
        captured = capsys.readouterr()
        return Done(command, code, captured.out, captured.err)

    return run


def draw(path: Path, colour: str) -> Path:
    """Draw a heart of the bundled model's world."""
    heart = Thing("heart", colour, "big", x=0.5, y=0.5, r=0.2)
    picture = render(Scene("single", (heart,)))
    assert isinstance(picture, Image.Image)
    picture.save(path)
    return path


@pytest.fixture
def red(tmp_path: Path) -> Path:
    return draw(tmp_path / "red.png", "red")


@pytest.fixture
def blue(tmp_path: Path) -> Path:
    return draw(tmp_path / "blue.png", "blue")


# ---------------------------------------------------------------- what it prints


def test_caption(run: Run, red: Path, storybook: Captioner) -> None:
    done = run("caption", "--model", "storybook", red)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == storybook.caption(red) + "\n"
    assert "red heart" in done.stdout


def test_captions_of_several_pictures(
    run: Run, red: Path, blue: Path, storybook: Captioner
) -> None:
    done = run("caption", "--model", "storybook", red, blue)
    assert (done.returncode, done.stderr) == (0, "")
    captions = [storybook.caption(picture) for picture in (red, blue)]
    assert done.stdout == f"{red}: {captions[0]}\n{blue}: {captions[1]}\n"
    assert captions[0] != captions[1]


def test_answer(run: Run, red: Path, blue: Path, storybook: Captioner) -> None:
    question = "what color is the heart?"
    for picture, colour in ((red, "red"), (blue, "blue")):
        done = run("answer", "--model", "storybook", picture, question)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == storybook.answer(picture, question) + "\n" == f"{colour}\n"


def test_answers_to_several_questions(run: Run, red: Path, storybook: Captioner) -> None:
    questions = ["what color is the heart?", "how many hearts are there?"]
    done = run("answer", "--model", "storybook", red, *questions)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "".join(f"{q}: {storybook.answer(red, q)}\n" for q in questions)


def test_json(run: Run, red: Path, blue: Path, storybook: Captioner) -> None:
    done = run("caption", "--json", "--model", "storybook", red, blue)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows == [
        {"picture": str(picture), "caption": storybook.caption(picture), "model": "storybook"}
        for picture in (red, blue)
    ]
    question = "what color is the heart?"
    done = run("answer", "--json", "--model", "storybook", red, question)
    row = {"picture": str(red), "question": question, "answer": "red", "model": "storybook"}
    assert json.loads(done.stdout) == row


def test_max_length_ends_a_caption_early(quick: Run, red: Path, storybook: Captioner) -> None:
    done = quick("caption", "--model", "storybook", "--max-length", 4, red)
    assert (done.returncode, done.stderr) == (0, "")
    whole = storybook.caption(red)
    assert whole.startswith(done.stdout.rstrip("\n"))
    assert len(done.stdout.split()) == 3 < len(whole.split())


@pytest.mark.parametrize("arguments", [["--help"], ["caption", "--help"], ["answer", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 0
    assert "usage: numpygit" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["sing"], ["caption"], ["answer", "a.png"], ["caption", "--max-length", "x"]]
)
def test_a_wrong_command_line_shows_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: numpygit")
    assert captured.err.splitlines()[-1].startswith("numpygit")


# ---------------------------------------------------------------- every mistake is one line


def assert_one_line(done: Done[str], *said: str) -> None:
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("numpygit: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    for part in said:
        assert part in done.stderr


@pytest.mark.parametrize("command", [["caption", "none.png"], ["answer", "none.png", "why?"]])
def test_no_such_picture(run: Run, tiny_folder: Path, command: list[str]) -> None:
    done = run(command[0], "--model", tiny_folder, *command[1:])
    assert_one_line(done, "no such picture file: none.png")


def test_text_that_is_called_a_picture(run: Run, tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("This is not a picture.\n")
    done = run("caption", "--model", tiny_folder, "text.jpg")
    assert_one_line(done, "text.jpg is not a picture that Pillow can read")


def test_a_truncated_photograph(run: Run, tiny_folder: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "short.jpg")
    whole = (tmp_path / "short.jpg").read_bytes()
    (tmp_path / "short.jpg").write_bytes(whole[: len(whole) // 2])
    done = run("caption", "--model", tiny_folder, "short.jpg")
    assert_one_line(done, "short.jpg is damaged or cut short")


def test_a_folder_for_a_picture(quick: Run, tiny_folder: Path) -> None:
    done = quick("answer", "--model", tiny_folder, ".", "what is it?")
    assert_one_line(done, ". is a folder, expected")
    assert_one_line(quick("caption", "--model", tiny_folder, "."), ". has no pictures in it")


def test_a_line_break_in_a_name_stays_one_line(quick: Run, tiny_folder: Path) -> None:
    done = quick("caption", "--model", tiny_folder, "two\nlines.png")
    assert_one_line(done, "no such picture file: two\\nlines.png")


@pytest.mark.parametrize("name", ["nothing", "./nothing", "a/b/c", ""])
def test_an_unknown_model(quick: Run, red: Path, name: str) -> None:
    done = quick("caption", "--model", name, red)
    assert_one_line(done, f"unknown model {name!r}", "the bundled model is 'storybook'")


@pytest.mark.parametrize("arguments", [["--offline"], ["--model", "somebody/model"], []])
def test_a_model_of_the_hub_without_a_network(
    run: Run, red: Path, offline: dict[str, str], arguments: list[str]
) -> None:
    done = run("caption", *arguments, red)
    name = "somebody/model" if "--model" in arguments else "microsoft/git-base-coco"
    assert_one_line(done, "no network", name, offline["HF_HOME"], "'storybook' needs no download")


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("config.json", "is no checkpoint folder: it has no config.json"),
        ("preprocessor_config.json", "is no checkpoint folder: it has no preprocessor_config"),
        ("vocab.txt", "has neither tokenizer.json nor vocab.txt"),
        ("model.safetensors", "has no model.safetensors"),
    ],
)
def test_an_incomplete_folder(
    quick: Run, red: Path, tiny_folder: Path, lost: str, said: str
) -> None:
    (tiny_folder / lost).unlink()
    assert_one_line(quick("caption", "--model", tiny_folder, red), str(tiny_folder), said)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_damaged_settings(quick: Run, red: Path, tiny_folder: Path, name: str) -> None:
    (tiny_folder / name).write_text('{"a": ')
    done = quick("caption", "--model", tiny_folder, red)
    assert_one_line(done, f"{name} is not valid JSON")


def test_a_checkpoint_with_a_tensor_missing(
    quick: Run, red: Path, write_folder: WriteFolder, tiny_tensors: Tensors, tmp_path: Path
) -> None:
    rest = {name: array for name, array in tiny_tensors.items() if name != FC1}
    folder = write_folder(tmp_path / "less", tensors=rest)
    assert_one_line(quick("caption", "--model", folder, red), f"missing {FC1}")


def test_a_checkpoint_with_a_tensor_transposed(
    quick: Run, red: Path, write_folder: WriteFolder, tiny_tensors: Tensors, tmp_path: Path
) -> None:
    turned = tiny_tensors | {FC1: tiny_tensors[FC1].T.copy()}
    folder = write_folder(tmp_path / "turned", tensors=turned)
    assert_one_line(quick("caption", "--model", folder, red), FC1, "(12, 26)", "(26, 12)")


def test_a_checkpoint_cut_short(run: Run, red: Path, tiny_folder: Path) -> None:
    path = tiny_folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    done = run("caption", "--model", tiny_folder, red)
    assert_one_line(done, "model.safetensors is damaged or cut short")


def test_a_processor_that_does_not_fit_the_model(quick: Run, red: Path, tiny_folder: Path) -> None:
    settings = {"size": {"shortest_edge": 30}, "crop_size": 30}
    (tiny_folder / "preprocessor_config.json").write_text(json.dumps(settings))
    done = quick("caption", "--model", tiny_folder, red)
    assert_one_line(done, "makes pictures of 30x30, and the model takes 18x18")


def test_a_vocabulary_larger_than_the_model(quick: Run, red: Path, tiny_folder: Path) -> None:
    with (tiny_folder / "vocab.txt").open("a") as file:
        file.write("zebra\n")
    done = quick("answer", "--model", tiny_folder, red, "zebra")
    assert_one_line(done, "token ids must lie in 0 to 148")


@pytest.mark.parametrize("question", ["", "   "])
def test_an_empty_question(quick: Run, red: Path, tiny_folder: Path, question: str) -> None:
    done = quick("answer", "--model", tiny_folder, red, question)
    assert_one_line(done, "the question is empty")


@pytest.mark.parametrize("length", [-1, 0, 1, 24, 10**30])
def test_a_max_length_out_of_range(quick: Run, red: Path, tiny_folder: Path, length: int) -> None:
    done = quick("caption", "--model", tiny_folder, "--max-length", length, red)
    assert_one_line(done, f"max_length is {length}", "at most the model's 23 positions")


def test_a_question_longer_than_the_model_has_places(
    quick: Run, red: Path, tiny_folder: Path
) -> None:
    done = quick("answer", "--model", tiny_folder, red, "what " * 30)
    assert_one_line(done, "31 tokens", "23 positions")


@pytest.mark.parametrize("json_option", [[], ["--json"]])
def test_one_broken_picture_does_not_stop_the_others(
    run: Run, red: Path, blue: Path, tmp_path: Path, storybook: Captioner, json_option: list[str]
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture at all")
    done = run("caption", *json_option, "--model", "storybook", red, "broken.jpg", "none.png", blue)
    assert done.returncode == 1
    captions = {str(picture): storybook.caption(picture) for picture in (red, blue)}
    if json_option:
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert {row["picture"]: row["caption"] for row in rows} == captions
    else:
        assert done.stdout == "".join(f"{name}: {text}\n" for name, text in captions.items())
    complaints = done.stderr.splitlines()
    assert len(complaints) == 2
    assert complaints[0].startswith("numpygit: broken.jpg is not a picture")
    assert complaints[1].startswith("numpygit: no such picture file: none.png")


# ---------------------------------------------------------------- where it writes to


def test_words_come_one_by_one_on_a_terminal(
    offline: dict[str, str], red: Path, storybook: Captioner
) -> None:
    """Every piece of text is handed to the terminal at once, not when the line is full."""
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
    program = (
        "import io, sys\n"
        "from numpygit.cli import main\n"
        "class Counting(io.FileIO):\n"
        "    def write(self, data):\n"
        "        sys.stderr.write(f'{bytes(data)!r}\\n')\n"
        "        return super().write(data)\n"
        "assert sys.stdout.isatty()\n"
        "raw = io.BufferedWriter(Counting(1, 'w', closefd=False))\n"
        "sys.stdout = io.TextIOWrapper(raw, line_buffering=True)\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", program, "caption", "--model", "storybook", str(red)]
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            command, env=offline, stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=60
        )
        shown = os.read(ours, 10_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0, done.stderr
    caption = storybook.caption(red)
    assert shown == caption + "\r\n"
    assert len(done.stderr.splitlines()) >= len(caption.split()) > 2


def test_a_reader_that_stops_early_is_no_mistake(
    offline: dict[str, str], tiny_folder: Path, red: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "numpygit", "caption", "--model", tiny_folder, red, red]
    try:
        done = subprocess.run(
            command, env=offline, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60
        )
    finally:
        os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_told(offline: dict[str, str], tiny_folder: Path, red: Path) -> None:
    command = [sys.executable, "-m", "numpygit", "caption", "--model", tiny_folder, red]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, env=offline, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr.startswith("numpygit: ")
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are no free bytes here")
@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1"])
def test_names_of_any_bytes_are_printed(
    run: Run, tiny_folder: Path, tmp_path: Path, encoding: str
) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \xf0\x9f\x98\x80.png")
    draw(Path(odd), "red")
    done = run("caption", "--model", tiny_folder, odd, odd, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2
    done = run("caption", "--json", "--model", tiny_folder, odd, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["picture"] == odd


def test_stopping_by_hand_is_one_line(
    tiny_folder: Path, red: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def stop(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Captioner, "stream", stop)
    assert main(["caption", "--model", str(tiny_folder), str(red)]) == 130
    assert capsys.readouterr().err == "numpygit: stopped\n"


def test_main_in_this_process_prints_the_same(
    tiny_folder: Path, red: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    assert main(["caption", "--model", str(tiny_folder), str(red)]) == 0
    captured = capsys.readouterr()
    assert captured.out == numpygit.load(tiny_folder).caption(red) + "\n"
    assert captured.out == run("caption", "--model", tiny_folder, red).stdout


def test_settings_of_the_tiny_folder_are_complete(
    tiny_folder: Path, tiny_config: GitConfig
) -> None:
    captioner = numpygit.load(tiny_folder)
    assert asdict(captioner.model.config) == asdict(tiny_config)
    assert captioner.name == str(tiny_folder)


def test_a_missing_picture_is_told_before_a_model_is_looked_for(monkeypatch, capsys):
    def never(*arguments: object, **options: object) -> None:
        raise AssertionError("the model was asked for")

    monkeypatch.setattr("numpygit.captioner.load", never)
    for command in (["caption", "nowhere.jpg"], ["answer", "nowhere.jpg", "what is it?"]):
        assert main(command) == 1
        assert capsys.readouterr().err == "numpygit: no such picture file: nowhere.jpg\n"
