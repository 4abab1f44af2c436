"""Captions go where they should: each once, whole, and on from there after any kill.

Checks data/sinks/files.py, data/sinks/hold.py, data/sinks/published.py, data/sinks/run.py,
data/sinks/tars.py, data/sinks/texts.py, data/sinks/sidecars.py.
"""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import made_sets
import pytest

from numpygit.data import Row, read
from numpygit.data.sinks import sink
from numpygit.data.sinks.run import Counts, run
from numpygit.data.speak import Spoken
from numpygit.errors import UserError

OUTPUTS = ["c.jsonl", "c.csv", "c.json", "c.tar", "c.parquet"]


def echo(batches):
    """Say of each picture what it is called; of some, that they are broken."""
    for batch in batches:
        yield [
            Spoken(row, None, f"{row.key} is broken")
            if "broken" in row.key
            else Spoken(row, f'"{row.key}", é\nis it')
            for row in batch
        ]


def caption(rows: list[Row], output: Path | None, *, asks: bool = False, model: str = "m"):
    """Caption rows; -> counts and what was reported."""
    to = sink(None if output is None else str(output), model=model, asks=asks)
    said: list[str] = []
    try:
        to.open()
        return run(iter(rows), to, echo, batch_size=4, report=said.append), said
    finally:
        to.close()


def written(path: Path) -> dict[str, str]:
    """Read captions back with other code than numpygit's; no key may come twice."""
    if path.suffix == ".jsonl":
        pairs = [json.loads(line) for line in path.read_text().splitlines()]
        found = [(row["picture"], row["caption"]) for row in pairs]
    elif path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8-sig") as file:
            found = [(row["picture"], row["caption"]) for row in csv.DictReader(file)]
    elif path.suffix == ".json":
        rows = json.loads(path.read_text())
        found = [(row.get("image_id", row.get("question_id")), row.get("caption")) for row in rows]
    elif path.suffix == ".tar":
        with tarfile.open(path) as tar:
            files = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}
            names = tar.getnames()
        assert len(names) == len(set(names)) == len(files)
        told = [json.loads(data) for name, data in files.items() if name.endswith(".json")]
        found = [(row["picture"], row["caption"]) for row in told]
        for name, data in files.items():
            stem, _, ending = name.rpartition(".")
            assert {f"{stem}.json", f"{stem}.txt"} <= files.keys()
            if ending == "txt":
                assert data.decode() == json.loads(files[f"{stem}.json"])["caption"]
    else:
        from pyarrow import parquet

        rows = parquet.read_table(path).to_pylist()
        found = [(row["key"], row["text"]) for row in rows if not row["error"]]
    assert len(dict(found)) == len(found)
    return dict(found)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Row]:
    names = [f"COCO_val2014_{i:012}.png" for i in range(10)]
    folder = made_sets.folder(tmp_path / "pictures", names)
    return list(read(folder))


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_kind_keeps_each_caption_once(tmp_path, pictures, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    output = tmp_path / name
    broken = Row("broken.png", None, error="broken")
    rows = [*pictures[:3], broken, *pictures[3:6]]
    assert caption(rows, output) == (Counts(6, 0, 1), ["broken"])
    assert caption([*rows, *pictures[6:]], output)[0] == Counts(4, 6, 1)
    assert caption(pictures, output)[0] == Counts(0, 10, 0)
    keys = list(range(10)) if name == "c.json" else [row.key for row in pictures]
    texts = {key: f'"{row.key}", é\nis it' for key, row in zip(keys, pictures, strict=True)}
    assert written(output) == texts
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["pictures", name])


def test_errors_have_rows_in_parquet_until_they_are_captioned(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    output = tmp_path / "c.parquet"
    caption([Row("broken 1", None), Row("a", None)], output)
    rows = parquet.read_table(output).to_pylist()
    assert [(row["key"], row["text"] is None, row["error"]) for row in rows] == [
        ("broken 1", True, "broken 1 is broken"),
        ("a", False, None),
    ]
    assert caption([Row("broken 1", None)], output)[0].failed == 1
    assert len(parquet.read_table(output)) == 2


def test_a_new_shard_has_the_pictures_as_they_were(tmp_path):
    source = made_sets.shard(tmp_path / "00000.tar", 3)
    other = made_sets.folder(tmp_path / "f", ["a.b.png", "in/a.b.jpg", "a.b.jpg"])
    rows = [*read(source), *read(other)]
    output = tmp_path / "c.tar"
    caption(rows, output)
    with tarfile.open(output) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}
    assert files["00000/000000001.jpg"] == made_sets.picture(1, "jpg")
    assert {"a_b.jpg", "a_b_2.png", "in/a_b.jpg"} <= files.keys() or {
        "a_b.png",
        "a_b_2.jpg",
        "in/a_b.jpg",
    } <= {name.replace("a.b", "a_b") for name in files}
    again = {row.key: row for row in read(output)}
    assert len(again) == 6
    assert again["c.tar/00000/000000001"].texts == ('"00000.tar/000000001", é\nis it',)


def test_results_for_coco_and_vqa(tmp_path, pictures):
    caption(pictures[:2], tmp_path / "coco.json")
    assert [row["image_id"] for row in json.loads((tmp_path / "coco.json").read_text())] == [0, 1]
    named = Row("dog.png", tmp_path / "dog.png")
    with pytest.raises(UserError, match="has no image_id: COCO's results need"):
        caption([named], tmp_path / "other.json")
    row = Row("5", None, question="what?", labels={"question_id": 5, "image_id": 1})
    caption([row], tmp_path / "vqa.json", asks=True)
    answers = json.loads((tmp_path / "vqa.json").read_text())
    assert answers == [{"question_id": 5, "answer": '"5", é\nis it'}]


def test_text_files_stand_beside_pictures_only(tmp_path, pictures, monkeypatch):
    caption(pictures[:2], Path(".txt"))
    assert (tmp_path / "pictures/COCO_val2014_000000000001.txt").is_file()
    assert caption(pictures[:3], Path(".txt"))[0] == Counts(1, 2, 0)
    made_sets.shard(tmp_path / "s.tar", 1)
    with pytest.raises(UserError, match="no text file can stand beside it"):
        caption(list(read(tmp_path / "s.tar")), Path(".txt"))
    made_sets.folder(tmp_path / "two", ["a.png", "a.jpg"])
    with pytest.raises(UserError, match="would have the same text file"):
        caption(list(read(tmp_path / "two")), Path(".txt"))


FOREIGN = {
    "c.tar": made_sets.picture(0),
    "c.json": b'{"a": 1}',
    "c.parquet": b"PAR1",
    "c.jsonl": b'{"a": 1}\n',
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_others_are_left_as_they_are(tmp_path, pictures, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    output = tmp_path / name
    output.write_bytes(FOREIGN[name])
    with pytest.raises(UserError, match=r"another (file|name)|damaged|no list"):
        caption(pictures, output)
    assert output.read_bytes() == FOREIGN[name]


def test_a_shard_of_others_is_left_as_it_is(tmp_path, pictures):
    output = made_sets.shard(tmp_path / "c.tar", 2)
    before = output.read_bytes()
    with pytest.raises(UserError, match="cannot go on with"):
        caption(pictures, output)
    assert output.read_bytes() == before
    caption(pictures[:2], tmp_path / "d.tar")
    with pytest.raises(UserError, match="of the model 'm', not 'n'"):
        caption(pictures, tmp_path / "d.tar", model="n")


def test_captions_of_two_models_do_not_mix(tmp_path, pictures):
    pytest.importorskip("pyarrow")
    for name in ("c.jsonl", "c.csv", "c.tar", "c.parquet"):
        caption(pictures[:2], tmp_path / name)
        before = (tmp_path / name).read_bytes()
        with pytest.raises(UserError, match="of the model 'm', not 'n'"):
            caption(pictures, tmp_path / name, model="n")
        assert (tmp_path / name).read_bytes() == before
    assert not list(tmp_path.glob("*.part"))


def test_a_run_that_is_refused_leaves_no_journal(tmp_path):
    with pytest.raises(UserError, match="has no image_id"):
        caption([Row("dog.png", tmp_path / "dog.png")], tmp_path / "c.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", OUTPUTS)
def test_two_runs_do_not_write_the_same_file(tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    first, second = (sink(str(tmp_path / name), model="m") for _ in range(2))
    first.open()
    with pytest.raises(UserError, match="another run of numpygit is writing"):
        second.open()
    first.close()


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_file_cut_anywhere_goes_on(tmp_path, pictures, name):
    """What a kill leaves is a beginning of the file, or of its journal."""
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    caption(pictures, tmp_path / name)
    whole, texts = (tmp_path / name).read_bytes(), written(tmp_path / name)
    output = tmp_path / name
    if name in ("c.json", "c.parquet"):  # written in one step: the journal is what is cut
        output.unlink()
        to = sink(str(output), model="m")
        to.open()
        to.write(next(echo([pictures])))
        to.close()
        output = tmp_path / f"{name}.part"
        whole = output.read_bytes()
    for end in range(0, len(whole), max(1, len(whole) // 40)):
        (tmp_path / name).unlink(missing_ok=True)
        output.write_bytes(whole[:end])
        assert caption(pictures, tmp_path / name)[0].failed == 0
        assert written(tmp_path / name) == texts


# ---------------------------------------------------------------- killed for real

WRITER = """
import sys, time
from numpygit.data import read, Share
from numpygit.data.sinks import sink
from numpygit.data.sinks.run import run
from numpygit.data.speak import Spoken

def say(batches):
    for batch in batches:
        time.sleep(0.002)
        yield [Spoken(row, row.key.upper()) for row in batch]

share = Share.parse(sys.argv[2])
to = sink(share.name(sys.argv[1]), model="m")
to.open()
run(read(sys.argv[3:], with_texts=False, share=share), to, say, batch_size=16, report=print)
to.close()
"""


def start(how: list[str], output: Path, share: str, shards: list[str]) -> subprocess.Popen:
    """Start a writer: the command itself with a model, or WRITER, whose model says the key."""
    if how:
        command = ["-m", "numpygit", "caption", *how, "--output", output, "--shard", share]
    else:
        command = ["-c", WRITER, output, share]
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, *map(str, command), *shards],
        env={**os.environ, "PYTHONPATH": root},
        stderr=subprocess.DEVNULL,
    )


def kill_in_the_middle(writer: subprocess.Popen, files: list[Path], growth: int) -> bool:
    """Kill a writer after its files have grown by so many bytes; tell whether it was at work."""
    before = size(files)
    while writer.poll() is None and size(files) < before + growth:
        time.sleep(0.002)
    writer.send_signal(signal.SIGKILL)
    return writer.wait() == -signal.SIGKILL and size(files) > before


def size(files: list[Path]) -> int:
    return sum(path.stat().st_size for path in files if path.exists())


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
@pytest.mark.parametrize("by", ["writer", "command"])
@pytest.mark.parametrize("name", ["c.jsonl", "c.tar", "c.parquet"])
def test_10000_pictures_in_20_shards_killed_20_times(tmp_path, name, by, write_folder):
    """Two writers on different shares; whichever is killed, each key is there once."""
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    data = made_sets.picture(1)
    for i in range(20):
        keys = [f"{i:02}{j:04}" for j in range(500)]
        made_sets.tar(tmp_path / f"{i:05}.tar", {f"{key}.png": data for key in keys})
    shards = sorted(map(str, tmp_path.glob("0*.tar")))
    how: list[str] = []
    if by == "command":
        how = ["--model", str(write_folder(tmp_path / "tiny")), "--max-length", "5"]
        how += ["--threads", "1", "--batch-size", "16"]
    stem, _, ending = name.partition(".")
    outputs = [tmp_path / f"{stem}-{i}-of-2.{ending}" for i in range(2)]
    shares = ("0/2", "1/2")
    row = 3000 if ending == "tar" else 80  # bytes; it only says how soon a kill comes
    lengths = random.Random(4)
    writers = [start(how, tmp_path / name, share, shards) for share in shares]
    for kill in range(20):
        files = [outputs[kill % 2], outputs[kill % 2].with_name(f"{outputs[kill % 2].name}.part")]
        growth = row * lengths.randint(1, 450)
        assert kill_in_the_middle(writers[kill % 2], files, growth), "it ended before"
        writers[kill % 2] = start(how, tmp_path / name, shares[kill % 2], shards)
    assert [writer.wait() for writer in writers] == [0, 0]
    parts = [written(output) for output in outputs]
    assert not parts[0].keys() & parts[1].keys()
    every = {f"{i:05}.tar/{i:02}{j:04}" for i in range(20) for j in range(500)}
    assert parts[0].keys() | parts[1].keys() == every
    texts = [(key, text) for part in parts for key, text in part.items()]
    if by == "writer":
        assert all(text == key.upper() for key, text in texts)
    else:
        assert len({text for _, text in texts}) == 1  # of 10,000 times the same picture
