"""Caption many pictures in a run that is killed again and again: each picture has one caption.

    python tests/helpers/killed_runs.py [--pictures 1000] [--kills 20] [--output captions.jsonl]

`--output` may be .txt, a .csv or a .jsonl, as on the command line; kills are spread over the run.
At the end the captions are compared with those of a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]


def make_pictures(folder: Path, count: int) -> None:
    """Draw pictures in several folders."""
    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"{number % 7}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 20, 3), np.uint8)).save(path)


def command_of(folder: Path, output: str) -> list[str]:
    """Write the command that captions the folder."""
    return [sys.executable, "-m", "numpygit", "caption", str(folder), "--recursive", "--model",
            "storybook", "--batch-size", "4", "--output", output]  # fmt: skip


def captions_in(folder: Path, output: str) -> dict[str, str]:
    """Read what was written; a picture that has two captions is a mistake."""
    if output.startswith("."):
        files = sorted(folder.rglob(f"*{output}"))
        return {str(f.relative_to(folder).with_suffix("")): f.read_text() for f in files}
    found: dict[str, str] = {}
    path = Path(output)
    if path.suffix == ".csv":
        import csv

        rows = [
            (row["picture"], row["caption"])
            for row in csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
        ]
    else:  # fmt: skip
        rows = [(row["picture"], row["caption"])
                for row in map(json.loads, path.read_text().splitlines())]  # fmt: skip
    for picture, caption in rows:
        assert picture not in found, f"{picture} has two captions"
        found[picture] = caption
    return found


def count(folder: Path, output: str) -> int:
    """Count what is done so far, without reading it."""
    if output.startswith("."):
        return sum(1 for _ in folder.rglob(f"*{output}"))
    return Path(output).read_bytes().count(b"\n") if Path(output).exists() else 0


def run(pictures: int, kills: int, output: str) -> int:
    """Kill a run so many times and let it end: -> how often it was killed."""
    with tempfile.TemporaryDirectory() as place:
        folder, calm = Path(place) / "killed", Path(place) / "calm"
        for each in (folder, calm):
            make_pictures(each, pictures)
        named = [output if output.startswith(".") else str(Path(place) / f"{kind}-{output}")
                 for kind in ("killed", "calm")]  # fmt: skip
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        killed = 0
        for number in range(kills):
            target = pictures * (number + 1) // (kills + 1)
            running = subprocess.Popen(command_of(folder, named[0]), cwd=ROOT, env=environment,
                                       stderr=subprocess.DEVNULL)  # fmt: skip
            while count(folder, named[0]) < target and running.poll() is None:
                time.sleep(0.01)
            killed += running.poll() is None
            running.kill()
            running.wait()
        for each, name in ((folder, named[0]), (calm, named[1])):
            subprocess.run(command_of(each, name), cwd=ROOT, env=environment, check=True,
                           stderr=subprocess.DEVNULL)  # fmt: skip
        found = captions_in(folder, named[0])
        assert len(found) == pictures, f"{len(found)} captions"
        assert found == captions_in(calm, named[1]), "other captions than without kills"
        left = [path.name for path in Path(place).rglob("*.part")]
        assert not left, f"left behind: {left}"
        return killed


def main() -> None:
    """Run as the command line asks."""
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("--pictures", type=int, default=1000)
    given.add_argument("--kills", type=int, default=20)
    given.add_argument("--output", default="captions.jsonl")
    asked = given.parse_args()
    killed = run(asked.pictures, asked.kills, asked.output)
    print(f"{asked.pictures} pictures, {killed} kills, {asked.output}: one caption each, the same "
          "as without kills")  # fmt: skip


if __name__ == "__main__":
    main()
