"""How often a model of the storybook world is right: whole texts, by greedy generation.

    python golden/nothing_figures.py DIR --stills 1600 [--processes N]

Scenes that no training drew, from seen and from held-out combinations; a quarter as many clips.
Printed are the shares of captions and answers, and of every kind that is not always right.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a process is a core
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import numpygit
from numpygit import storybook
from numpygit.fast.threads import cores

SIDE, TEST_SEED = 96, 77_000_000
Counts = dict[tuple[str, str], list[int]]  # (captions or answers, kind of scene) -> right, all


def score(job: tuple[Path, int, int, bool, bool]) -> Counts:
    """Count whole texts that are right, by greedy generation."""
    folder, seed, count, clip, held_out = job
    captioner = numpygit.load(str(folder), threads=1)
    rng = np.random.default_rng(seed)
    counts: Counts = {}
    for _ in range(count):
        scene = storybook.sample(rng, "clip" if clip else None, held_out)
        asked = storybook.questions(scene, rng)
        picture = storybook.render(scene, SIDE)
        said = [captioner.caption(picture)]
        said += captioner.answers(picture, [q for _, q, _ in asked]) if asked else []
        right = [storybook.caption(scene), *(a for _, _, a in asked)]
        kinds = [("captions", scene.kind), *(("answers", kind) for kind, _, _ in asked)]
        for kind, mine, expected in zip(kinds, said, right, strict=True):
            both = counts.setdefault(kind, [0, 0])
            both[0] += mine == expected
            both[1] += 1
    return counts


def figures(folder: Path, stills: int, processes: int) -> list[str]:
    """Count on unseen scenes, of seen and of held-out combinations: a line for each set."""
    lines = []
    sets = {"stills seen": (False, False), "stills held-out": (False, True)}
    sets |= {"clips seen": (True, False), "clips held-out": (True, True)}
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for number, (name, (clip, held_out)) in enumerate(sets.items()):
            count = stills // 4 if clip else stills
            each = max(1, -(-count // (4 * processes)))
            jobs = [
                (folder, TEST_SEED + number * 100_000 + at, min(each, count - at), clip, held_out)
                for at in range(0, count, each)
            ]
            counts: Counts = {}
            for part in pool.imap_unordered(score, jobs):
                for kind, (right, every) in part.items():
                    both = counts.setdefault(kind, [0, 0])
                    both[0], both[1] = both[0] + right, both[1] + every
            lines.append(f"{name}: {told(counts)}")
    return lines


def told(counts: Counts) -> str:
    """Say the shares of captions and of answers, and by kind what is not always right."""
    parts = []
    for kind in ("captions", "answers"):
        found = {name: both for (of, name), both in counts.items() if of == kind}
        right, every = (sum(both[i] for both in found.values()) for i in (0, 1))
        wrong = sorted((a / b, name, b) for name, (a, b) in found.items() if a < b)
        single = ", ".join(f"{name} {100 * share:.1f} of {b}" for share, name, b in wrong)
        parts.append(f"{kind} {100 * right / max(1, every):.2f} % of {every}"
                     + (f" ({single})" if single else ""))  # fmt: skip
    return "; ".join(parts)


def main() -> None:
    """Read the command line, count, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stills", type=int, default=1600, help="of each set (default: 1600)")
    parser.add_argument("--processes", type=int, default=cores())
    args = parser.parse_args()
    print("\n".join(figures(args.folder, args.stills, args.processes)))


if __name__ == "__main__":
    main()
