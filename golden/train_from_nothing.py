"""Train a storybook from nothing with numpygit alone: NumPy, processes, no torch.

    python golden/train_from_nothing.py --out DIR                    # all cores, until it is done
    python golden/train_from_nothing.py --out DIR --seconds 560      # stop in time; again: goes on
    python golden/nothing_figures.py DIR                             # how often it is right

The cheap recipe: all texts of a picture stand in one sequence (packing), Muon moves the matrices of
the blocks, AdamW the rest, 15 % of the words of captions and answers are hidden behind [MASK], the
initial spread is 0.05. A step is 128 stills and 8 clips of four frames.

Every process draws scenes of its own and keeps the newest; of what it learns from a quarter is new.
All processes work on one set of parameters in shared memory: each finds the gradient of its part
of the batch, then adds up one slice of all gradients, then moves one share of the parameters. What
chance decides hangs on the seed, the process and the step alone, so a run that was stopped goes on
as if it had not been, to the bit, with as many processes as it began with. The bundled model stays
the official code's (train_storybook.py).
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a process is a core
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from nothing_team import PARTS, RECIPES, Team, team_of
from packed_scenes import Portion, Store
from safetensors.numpy import load_file, save_file

from numpygit import storybook
from numpygit.fast.threads import cores, keep_freed_memory
from numpygit.huggingface.loss import IGNORED
from numpygit.huggingface.models import GitForCausalLM
from numpygit.learning.fast.model import cut, loss_and_gradients
from numpygit.learning.fast.text import Batch
from numpygit.learning.optimizers import Momenta, Moments, adamw, muon, norm_of, schedule
from numpygit.learning.parameters import decays, is_block_matrix
from numpygit.loading.write_whole import write_whole
from numpygit.model.params import named_arrays

STILLS, CLIPS = 128, 8
RATE, WARM_UP, DECAY = 2e-3, 300, 0.05
TOGETHER = 8  # steps for which scenes are drawn at once
CLIP_WORK = 4  # a clip costs as much as so many stills
SAME = ("recipe", "steps", "processes", "seed", "first", "keep")  # alike, to go on


# ---- one process of the team


class Shares(NamedTuple):
    """What one process does of each step, with views into the team's vectors."""

    stills: int
    clips: int
    slice: slice  # of the flat gradients, to add up
    matrices: list[int]  # that it moves with Muon
    others: list[int]  # that it moves with AdamW
    gradient: list[np.ndarray]  # its own
    views: dict[str, list[np.ndarray]]  # of flat, total, first, second


def shares_of(team: Team, number: int, processes: int) -> Shares:
    """Share out a step evenly."""
    pictures = shared_out([CLIP_WORK] * CLIPS + [1] * STILLS, processes)[number]
    clips = sum(i < CLIPS for i in pictures)
    n = team.ends[-1]
    mine = slice(n * number // processes, n * (number + 1) // processes)
    shapes = [array.shape for _, array in named_arrays(team.params)]
    blocks = [i for i, name in enumerate(team.names) if is_block_matrix(name)]
    rest = [i for i in range(len(team.names)) if i not in blocks]
    work = shared_out([min(shapes[i]) ** 2 * max(shapes[i]) for i in blocks], processes)[number]
    views = {n: team.views(getattr(team, n)) for n in ("flat", "total", "first", "second")}
    return Shares(
        len(pictures) - clips,
        clips,
        mine,
        [blocks[i] for i in work],
        rest[number::processes],
        team.views(team.gradients[number]),
        views,
    )


def shared_out(costs: list[int], processes: int) -> list[list[int]]:
    """Give each piece of work, the costliest first, to the process that has least to do."""
    given: list[list[int]] = [[] for _ in range(processes)]
    load = [0] * processes
    for i in sorted(range(len(costs)), key=lambda i: -costs[i]):
        least = load.index(min(load))
        given[least].append(i)
        load[least] += costs[i]
    return given


@contextmanager
def timed(team: Team, number: int, part: str) -> Iterator[None]:
    """Add what a part of a step takes to the notes."""
    began = time.perf_counter()
    yield
    team.times[number, PARTS.index(part)] += time.perf_counter() - began


class Album:
    """The stills, or the clips, of one process: each step takes some new ones and some old."""

    def __init__(self, args: argparse.Namespace, number: int, count: int, clip: bool) -> None:
        one = args.processes * (32 if clip else 1)  # a clip for so many stills
        self.count, self.first = count, args.first // one
        self.new = max(1, TOGETHER * count // 4)  # a quarter, for TOGETHER steps
        capacity = max(self.new + 64, args.keep // one)
        self.store = Store([args.seed, number, int(clip)], capacity, clip)

    def fill(self, step: int) -> None:
        """Draw what the next steps need; after a pause, what they would have found."""
        if self.count:
            self.store.fill(self.first + (step // TOGETHER + 1) * self.new)

    def batch(self, step: int, rng: np.random.Generator) -> Batch:
        """Take the part of a step."""
        at, part = divmod(step, TOGETHER)
        ends = [self.new * (part + i) // TOGETHER for i in (0, 1)]
        start = self.first + at * self.new
        return self.store.batch(self.count, Portion(start + ends[0], start + ends[1]), rng)


def work(team: Team, number: int, args: argparse.Namespace, step: int) -> None:
    """Be one process of the team; the first also keeps the log and the files."""
    keep_freed_memory()
    mine = shares_of(team, number, args.processes)
    stills = Album(args, number, mine.stills, False)
    clips = Album(args, number, mine.clips, True)
    last = RECIPES[args.recipe].steps if args.steps is None else args.steps
    pace, first_step, done = Pace(team, step), step, step >= last
    while not done:
        with timed(team, number, "draw"):
            if step == first_step or step % TOGETHER == 0:
                stills.fill(step)
                clips.fill(step)
            rng = np.random.default_rng([args.seed, number, 2, step])
            batches = [album.batch(step, rng) for album in (stills, clips) if album.count]
        with timed(team, number, "learn"):
            gradient_of(team, number, mine, batches)
        norm = one_step(team, number, mine, args, step, last)
        step += 1
        done = step == last or bool(team.notes[0, 3])  # noted before the step's last meeting
        if number == 0:
            report(team, args, step, pace, norm)
    if number == 0:
        save(team, args, step)


def gradient_of(team: Team, number: int, mine: Shares, batches: list[Batch]) -> None:
    """Find the summed gradient of one part of the batch."""
    total, first = 0.0, True
    for batch in batches:
        for piece in cut(batch, -(-len(batch.ids) // 16)):
            loss, gradients = loss_and_gradients(team.params, team.config, piece, count=1)
            total += loss
            for view, (_, gradient) in zip(mine.gradient, named_arrays(gradients), strict=True):
                if first:
                    view[...] = gradient
                else:
                    view += gradient
            first = False
    labels = sum(int((batch.targets != IGNORED).sum()) for batch in batches)
    team.notes[number, :2] = total, labels


def one_step(
    team: Team, number: int, mine: Shares, args: argparse.Namespace, step: int, last: int
) -> float:
    """Add up, clip and move, each process its share; return the norm before clipping."""
    with timed(team, number, "wait"):
        team.meeting.wait(number)
    with timed(team, number, "move"):
        total = team.total[mine.slice]
        np.sum(team.gradients[:, mine.slice], axis=0, out=total)
        total /= team.notes[:, 1].sum()
        team.notes[number, 2] = norm_of([total]) ** 2
        if number == 0:
            team.notes[0, 3] = args.seconds > 0 and time.time() - args.began > args.seconds
    with timed(team, number, "wait"):
        team.meeting.wait(number)
    norm = math.sqrt(float(team.notes[:, 2].sum()))
    with timed(team, number, "move"):
        move(team, mine, step, last, scale=min(1.0, 1.0 / (norm + 1e-6)))
    with timed(team, number, "wait"):
        team.meeting.wait(number)
    return norm


def move(team: Team, mine: Shares, step: int, last: int, *, scale: float) -> None:
    """Move one process's share of the parameters."""
    warm = min(1.0, (step + 1) / WARM_UP)
    rate = RATE * warm * schedule("cosine", step, warm_up=0, total=last)
    params, gradients, first, second = (
        mine.views[name] for name in ("flat", "total", "first", "second")
    )
    picked = mine.matrices
    pulled = [gradients[i] * scale for i in picked]
    momenta = Momenta([first[i] for i in picked])
    muon([params[i] for i in picked], pulled, momenta, rate=rate, decay=DECAY)
    picked = mine.others
    if picked:
        state = Moments([first[i] for i in picked], [second[i] for i in picked], step)
        pulled = [gradients[i] * scale for i in picked]
        decay = [DECAY if decays(team.names[i]) else 0.0 for i in picked]
        arrays = [params[i] for i in picked]
        adamw(arrays, pulled, state, rate=rate, decays=decay, betas=(0.9, 0.98))


class Pace:
    """How long steps took since the last line of the log, and what the time went to."""

    def __init__(self, team: Team, step: int) -> None:
        self.step, self.at, self.times = step, time.perf_counter(), team.times.copy()

    def told(self, team: Team, step: int) -> str:
        """Say it, for the mean process and from the quickest to the slowest, and begin anew."""
        each = 1000 / (step - self.step)
        whole = each * (time.perf_counter() - self.at)
        parts = each * (team.times - self.times)  # (processes, PARTS)
        self.step, self.at, self.times = step, time.perf_counter(), team.times.copy()
        spent = ", ".join(
            f"{name} {ms.mean():.1f} ({ms.min():.0f} to {ms.max():.0f})"
            for name, ms in zip(PARTS, parts.T, strict=True)
        )
        return f"{whole:.1f} ms a step ({spent})"


def report(team: Team, args: argparse.Namespace, step: int, pace: Pace, norm: float) -> None:
    """Print a line now and then, and save every few minutes."""
    if step % 100 == 0 or step in (1, 10, 50):
        loss = team.notes[:, 0].sum() / team.notes[:, 1].sum()
        log(args, f"step {step}, loss {loss:.4f}, norm {norm:.2f}, {pace.told(team, step)}")
    if step % 2000 == 0:
        save(team, args, step)


def log(args: argparse.Namespace, line: str) -> None:
    """Print a line and keep it."""
    line = f"[{time.time() - args.began:6.0f} s] {line}"
    print(line, flush=True)
    with (args.out / "train.log").open("a") as file:
        file.write(line + "\n")


# ---- files


def save(team: Team, args: argparse.Namespace, step: int) -> None:
    """Write the model in the official format, and what is needed to go on."""
    GitForCausalLM(team.config, team.params).save_pretrained(args.out)
    for name in ("vocab.txt", "preprocessor_config.json", "tokenizer_config.json"):
        text = (storybook.CHECKPOINT / name).read_text()
        write_whole(args.out / name, lambda path, text=text: path.write_text(text))
    speak = (storybook.CHECKPOINT / "generation_config.json").read_text()
    write_whole(args.out / "generation_config.json", lambda path: path.write_text(speak))
    state = {"flat": team.flat, "first": team.first, "second": team.second}
    facts = {"step": str(step)} | {name: str(getattr(args, name)) for name in SAME}
    write_whole(args.out / "state.safetensors", lambda path: save_file(state, path, facts))


def resume(team: Team, args: argparse.Namespace) -> int:
    """Take up what an earlier run left; return its step."""
    path = args.out / "state.safetensors"
    if not path.exists():
        return 0
    facts = json.loads(header_text(path))["__metadata__"]
    for name in SAME:
        if facts[name] != str(getattr(args, name)):
            raise SystemExit(f"{path} was made with --{name} {facts[name]}; go on with that")
    for name, array in load_file(path).items():
        getattr(team, name)[:] = array
    return int(facts["step"])


def header_text(path: Path) -> str:
    """The header of a safetensors file, which is JSON."""
    with path.open("rb") as file:
        return file.read(int.from_bytes(file.read(8), "little")).decode()


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, type=Path, help="folder for the model; goes on")
    parser.add_argument("--recipe", choices=RECIPES, default="A", help="B is the smaller one")
    parser.add_argument("--steps", type=int, help="in all (default: as the recipe says)")
    parser.add_argument("--seconds", type=float, default=0, help="stop after so long, to go on")
    parser.add_argument("--processes", type=int, default=cores())
    parser.add_argument("--keep", type=int, default=60_000, help="newest stills to learn from")
    parser.add_argument("--first", type=int, default=4_000, help="stills to begin with")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Draw, learn, save."""
    args = arguments()
    args.began = time.time()
    args.out.mkdir(parents=True, exist_ok=True)
    team = team_of(RECIPES[args.recipe], args.processes, args.seed)
    step = resume(team, args)
    log(args, f"{len(team.flat):,} parameters, {args.processes} processes, from step {step} on")
    begin = multiprocessing.get_context("fork").Process
    numbers = range(1, args.processes)
    others = [begin(target=work, args=(team, i, args, step), daemon=True) for i in numbers]
    for other in others:
        other.start()
    work(team, 0, args, step)
    for other in others:
        other.join()


if __name__ == "__main__":
    main()
