"""Teach storybook the word kite, and see what it learns and what it forgets.

    python tests/benchmarks/teaching.py                      # 256 kites, 256 old pictures
    python tests/benchmarks/teaching.py --old 0              # new pictures alone: it forgets
    python tests/benchmarks/teaching.py --pictures 64 --old 64 --train lora:8

A lesson is drawn, storybook is trained with `numpygit.learning.train`, and every `--every` steps
the model on disk captions 200 scenes with a kite and 200 without one that no lesson has, and
answers 200 questions of the old world. Whole texts count, greedily chosen. Seconds are those of the
training alone: of the processor, and on the wall.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import numpygit
from numpygit.learning.curves import Line
from numpygit.learning.lessons.kite import SIZE, draw_lesson, kites, scenes
from numpygit.learning.train import train
from numpygit.storybook import CHECKPOINT, Scene, caption, questions, render

UNSEEN = 20_000  # the seed of scenes that no lesson has
NAMES = ("new captions", "says kite", "old captions", "old answers")


class Test:
    """Pictures that no lesson has, and what is right to say about them."""

    def __init__(self, count: int) -> None:
        with kites():
            self.new = [self.drawn(one) for one in scenes(count, with_kite=True, seed=UNSEEN)]
            old = scenes(count, with_kite=False, seed=UNSEEN)
            self.old = [self.drawn(one) for one in old]
        rng = np.random.default_rng(UNSEEN)
        asked = [(render(one, SIZE), questions(one, rng)[0]) for one in old]  # of the old world
        self.asked = [(picture, question, answer) for picture, (_, question, answer) in asked]

    @staticmethod
    def drawn(scene: Scene):
        return render(scene, SIZE), caption(scene)

    def ask(self, folder: Path) -> dict[str, float]:
        """Percent of whole texts that are right."""
        model = numpygit.load(str(folder), threads=1)
        new = [(model.caption(picture), text) for picture, text in self.new]
        old = [(model.caption(picture), text) for picture, text in self.old]
        asked = [(model.answer(picture, question), a) for picture, question, a in self.asked]
        right = [[said == text for said, text in pairs] for pairs in (new, old, asked)]
        kite = ["kite" in said for said, _ in new]
        shares = [100 * float(np.mean(each)) for each in (right[0], kite, right[1], right[2])]
        return dict(zip(NAMES, shares, strict=True))


def teach(args: argparse.Namespace, folder: Path) -> list[dict[str, float]]:
    """Train, and ask every so many steps."""
    test, rows = Test(args.scenes), []
    lesson = draw_lesson(folder / "lesson", pictures=args.pictures, old=args.old)
    clocks = (time.process_time, time.perf_counter)
    paused = [clock() for clock in clocks]  # when it began, moved on by what asking took

    def note(step: int, model: Path) -> None:
        at = [clock() for clock in clocks]
        spent = [a - b for a, b in zip(at, paused, strict=True)]
        row = {"step": step, "CPU s": spent[0], "s": spent[1]} | test.ask(model)
        rows.append(row)
        print(", ".join(f"{name} {value:.4g}" for name, value in row.items()), flush=True)
        for i, clock in enumerate(clocks):
            paused[i] += clock() - at[i]

    def observe(line: Line, total: int) -> None:
        if line.step % args.every == 0 or line.step == total:
            note(line.step, folder / "taught")

    note(0, CHECKPOINT)
    train(
        lesson,
        output=folder / "taught",
        what=args.train,
        steps=args.steps,
        rate=args.rate,
        validation=0.0,  # the newest model is on disk
        save_every=args.every,
        threads=args.threads,
        observe=observe,
    )
    return rows


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--old", type=int, default=256)
    parser.add_argument("--train", default="text")
    parser.add_argument("--steps", type=int, default=320)
    parser.add_argument("--every", type=int, default=80)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="keep the table here too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = teach(args, Path(folder))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
