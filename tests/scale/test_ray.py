"""A real local Ray: `pytest -m ray`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import made_sets
import numpy as np
import pytest
from PIL import Image

from numpygit.captioner import Captioner
from numpygit.cli.commands import parser
from numpygit.cli.loading import how_to_load
from numpygit.errors import UserError
from numpygit.scale.ray import Caption

MARK = "NUMPYGIT_TEST_OF_RAY"


def start(command: list[str], mark: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), MARK: mark}
    return subprocess.Popen(
        [sys.executable, "-m", "numpygit", *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def actors(mark: str) -> list[int]:
    """Find the processes of our actors: those that inherited our mark."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            title = (place / "cmdline").read_bytes()
            if title.startswith(b"ray::MapWorker") and mark.encode() in (
                (place / "environ").read_bytes()
            ):
                found.append(int(place.name))
        except OSError:
            continue
    return found


@pytest.mark.ray
@pytest.mark.parametrize("kill", [False, True])
def test_500_pictures_two_actors_one_broken_picture_one_killed_actor(tmp_path, kill):
    pq = pytest.importorskip("pyarrow.parquet")
    folder = made_sets.scenes(tmp_path / "p", 500)
    truth = {row["file_name"]: row["text"] for row in made_sets.lines(folder / "metadata.jsonl")}
    (folder / "metadata.jsonl").unlink()
    (folder / "137.png").write_bytes(b"no picture")
    mark, output = f"{tmp_path}", tmp_path / "c.parquet"
    command = ["caption", str(folder), "--model", "storybook", "--batch-size", "8"]
    running = start([*command, "--engine", "ray", "--workers", "2", "--output", str(output)], mark)
    if kill:
        while not list(output.glob("*")) and running.poll() is None:  # until something is done
            found = actors(mark)
            if len(found) == 2:
                time.sleep(4)  # in the middle of the work
                os.kill(found[0], signal.SIGKILL)
                break
            time.sleep(0.2)
        else:
            pytest.fail("no two actors were seen")
    said, _ = running.communicate(timeout=500)
    assert running.returncode == 1, said
    assert "499 captioned, 0 had one already, 1 failed" in said
    rows = pq.read_table(output).to_pylist()
    found = {Path(row["path"]).name: row for row in rows}
    assert len(found) == len(rows) == 500
    assert [name for name, row in found.items() if row["error"]] == ["137.png"]
    right = sum(found[name]["caption"] == text for name, text in truth.items())
    assert right >= 480


@pytest.mark.ray
@pytest.mark.parametrize("kind", ["parquet", "tar", "json"])
def test_what_ray_reads_by_itself(tmp_path, kind):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    folder = made_sets.scenes(tmp_path / "p", 12)
    rows = made_sets.lines(folder / "metadata.jsonl")
    data = {row["file_name"]: (folder / row["file_name"]).read_bytes() for row in rows}
    source = tmp_path / f"s.{kind}"
    if kind == "parquet":
        parquet.write_table(pa.table({"key": list(data), "png": list(data.values())}), source)
    elif kind == "tar":
        made_sets.tar(source, data)
    else:
        names = {i: row["file_name"] for i, row in enumerate(rows)}
        made_sets.coco(source, names, [(i, row["text"]) for i, row in enumerate(rows)])
        source.rename(folder / "s.json")
        source = folder / "s.json"
    output = tmp_path / "c.jsonl"
    command = ["caption", str(source), "--model", "storybook", "--engine", "ray"]
    for had in (0, 12):
        running = start([*command, "--output", str(output)], str(tmp_path))
        said, _ = running.communicate(timeout=300)
        assert running.returncode == 0, said
        assert f"{12 - had} captioned, {had} had one already, 0 failed" in said
    found = [row for path in output.glob("*.json") for row in made_sets.lines(path)]
    assert len(found) == 12
    texts = sorted(row["caption"] for row in found)
    assert texts == sorted(row["text"] for row in rows)


def test_the_class_takes_bytes_arrays_and_paths(tmp_path, storybook: Captioner):
    """Ray itself is not needed for this."""
    folder = made_sets.scenes(tmp_path / "p", 3)
    paths = [folder / f"{i:03}.png" for i in range(3)]
    captions = [storybook.caption(path) for path in paths]
    caption = Caption("storybook", threads=1)
    as_bytes = np.array([path.read_bytes() for path in paths], object)
    as_arrays = np.stack([np.asarray(Image.open(path)) for path in paths])
    as_paths = np.array([str(path) for path in paths], object)
    structs = np.array([{"bytes": path.read_bytes(), "path": None} for path in paths], object)
    for column, batch in (
        ("bytes", as_bytes), ("image", as_arrays), ("path", as_paths), ("image", structs)
    ):  # fmt: skip
        said = caption({column: batch, "number": np.arange(3)})
        assert list(said["caption"]) == captions
        assert list(said["error"]) == [""] * 3
        assert list(said["number"]) == [0, 1, 2]
    broken = np.array([as_bytes[0], b"no picture", None, 5], object)
    said = caption({"bytes": broken, "path": np.array(list("abcd"), object)})
    assert list(said["caption"]) == [captions[0], "", "", ""]
    assert [bool(error) for error in said["error"]] == [False, True, True, True]
    assert list(said["path"]) == list("abcd")
    assert list(Caption("storybook", column="mine")({"mine": as_bytes})["caption"]) == captions
    with pytest.raises(UserError, match="no column of pictures"):
        caption({"number": np.arange(3)})


def test_the_class_takes_all_that_the_command_line_says_of_a_model(tmp_path):
    """Ray itself is not needed for this."""
    folder = made_sets.scenes(tmp_path / "p", 1)
    options = parser().parse_args(["caption", str(folder), "--model", "storybook", "--begin", "a"])
    how = how_to_load(options)
    caption = Caption(how.pop("name"), keep=["path"], max_length=9, **how)
    said = caption({"bytes": np.array([(folder / "000.png").read_bytes()], object)})
    assert list(said["error"]) == [""]
    assert said["caption"][0].startswith("a")
