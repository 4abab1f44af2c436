"""Nothing that a file says is ever run, nothing large is allocated, and one sentence says why."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_files import HOSTILE, PICKLES
from made_files import (
    FOUR,
    ONE,
    archive_64,
    call,
    entry,
    name,
    new,
    number,
    numbers,
    old,
    patch,
    program,
    safe,
    state,
    storage,
)

from numpygit.errors import UserError
from numpygit.loading.formats import read_file

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "golden" / "files" / "bin" / "config.json"
# looking at files, nothing else; mode None is os.open for reading, which does not wait for a pipe
ALLOWED = {"open for 'rb' 0", "open for 'r' 0", "open for None 0", "mmap.__new__", "builtins.id"}
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
        [
            sys.executable,
            "-X",
            "utf8",
            str(ROOT / "tests" / "helpers" / "read_hostile.py"),
            *folders,
        ],
        cwd=empty,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
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


OLD_TENSOR = call(
    name("torch._utils", "_rebuild_tensor"),
    storage("0", 4),
    number(0),
    numbers((4,)),
    numbers((1,)),
)
PAIRS = b"](](U\x01x" + OLD_TENSOR + b"ee"  # text and pairs as Python 2 writes them
GOOD = {
    "python2.bin": new(program(call(name("collections", "OrderedDict"), PAIRS))),
    "torch03.bin": old(program(state({"x": OLD_TENSOR}))),
    "zip64.bin": archive_64([("a/data.pkl", ONE), ("a/data/0", FOUR)]),
    "new.bin": new(),
    "old.bin": old(),
    "a.safetensors": safe(
        {"x": entry(shape=[2, 1], offsets=[0, 8]), "y": entry("I64", [1], [8, 16])}
    ),
}


@pytest.mark.parametrize("file", GOOD)
def test_the_hostile_files_are_right_but_for_their_malice(file, tmp_path):
    (tmp_path / file).write_bytes(GOOD[file])
    assert read_file(tmp_path / file)["x"].ravel()[:2].tolist() == [1, 2]


@pytest.mark.parametrize("file", GOOD)
def test_a_file_cut_short_anywhere_is_refused(file, tmp_path):
    path = tmp_path / file
    for length in range(len(GOOD[file])):
        path.write_bytes(GOOD[file][:length])
        with pytest.raises(UserError, match=file):
            read_file(path)


@pytest.mark.parametrize("file", ["bin/pytorch_model.bin", "bin_2022/pytorch_model.bin"])
def test_a_file_that_torch_wrote_cut_short_is_refused(file, tmp_path):
    whole = (ROOT / "golden" / "files" / file).read_bytes()
    path = tmp_path / "model.bin"
    for length in range(0, len(whole), 101):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"model\.bin is refused"):
            read_file(path)


@pytest.mark.parametrize("file", GOOD)
@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
def test_any_changed_byte_is_read_or_refused(file, change, tmp_path):
    path = tmp_path / file
    read = refused = 0
    for at, byte in enumerate(GOOD[file]):
        path.write_bytes(patch(GOOD[file], at, bytes([byte ^ change])))
        try:
            read_file(path)
            read += 1
        except UserError:
            refused += 1
    assert refused > 50
    assert read > 10


CONTROL = """
import os, pickle, sys
from read_hostile import EVENTS, watch
sys.addaudithook(watch)
pickle.loads(bytes.fromhex(sys.argv[1]))
print(*EVENTS, sep=",")
"""


def test_the_watch_would_see_a_pickle_that_runs(tmp_path):
    """The control: Python's own machine runs these files, and the watch and the canary tell."""
    payload = program(PICKLES["posix.system"])
    done = subprocess.run(
        [sys.executable, "-c", CONTROL, payload.hex()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'helpers'}", "PATH": "/usr/bin:/bin"},
    )
    assert {"pickle.find_class", "os.system"} <= set(done.stdout.strip().split(","))
    assert (tmp_path / "CANARY").exists()
