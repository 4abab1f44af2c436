"""Nothing that a file says is ever run, nothing large is allocated, and one sentence says why."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_files import HOSTILE
from made_files import entry, new, old, safe

from numpygit.errors import UserError
from numpygit.files import read_file

TESTS = Path(__file__).parent
CONFIG = TESTS.parent / "golden" / "files" / "bin" / "config.json"
ALLOWED = {"open for 'rb' 0", "open for 'r' 0", "mmap.__new__"}  # looking at files, nothing else
MEMORY = 32 * 2**20  # and twice the file


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """Read all hostile files in one watched process, in a folder of its own."""
    room = tmp_path_factory.mktemp("hostile")
    folders = []
    for i, (file, content) in enumerate(HOSTILE.values()):
        folder = room / str(i)
        folder.mkdir()
        (folder / file).write_bytes(content)
        if file != "model.pt":
            (folder / "config.json").write_bytes(CONFIG.read_bytes())
        folders.append(str(folder))
    (room / "x.bin").write_bytes(new())
    empty = room / "empty"
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, "-X", "utf8", str(TESTS / "read_hostile.py"), *folders],
        cwd=empty,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={"PYTHONPATH": str(TESTS.parent), "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert not list(empty.iterdir()), "a file has done something"
    results = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(HOSTILE, results, strict=True))


def test_there_are_many_kinds():
    assert len({kind.removeprefix("old ") for kind in HOSTILE}) > 250


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_does_nothing_and_ends_in_one_sentence(kind, outcomes):
    file, content = HOSTILE[kind]
    end = outcomes[kind]["end"]
    assert end.startswith("UserError: ")
    assert end.removeprefix("UserError: ").isprintable()
    assert len(end) < 600
    assert file in end, "the sentence names the file"
    assert set(outcomes[kind]["events"]) <= ALLOWED
    assert outcomes[kind]["peak"] < MEMORY + 2 * len(content)


GOOD = {
    "new.bin": new(),
    "old.bin": old(),
    "a.safetensors": safe(
        {"x": entry(shape=[2, 1], offsets=[0, 8]), "y": entry("I64", [1], [8, 16])}
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_the_hostile_files_are_right_but_for_their_malice(name, tmp_path):
    (tmp_path / name).write_bytes(GOOD[name])
    assert read_file(tmp_path / name)["x"].ravel()[:2].tolist() == [1, 2]


@pytest.mark.parametrize("name", GOOD)
def test_a_file_cut_short_anywhere_is_refused(name, tmp_path):
    path = tmp_path / name
    for length in range(len(GOOD[name])):
        path.write_bytes(GOOD[name][:length])
        with pytest.raises(UserError, match=name):
            read_file(path)


@pytest.mark.parametrize("name", ["bin/pytorch_model.bin", "bin_2022/pytorch_model.bin"])
def test_a_file_that_torch_wrote_cut_short_is_refused(name, tmp_path):
    whole = (TESTS.parent / "golden" / "files" / name).read_bytes()
    path = tmp_path / "model.bin"
    for length in range(0, len(whole), 101):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"model\.bin is refused"):
            read_file(path)
