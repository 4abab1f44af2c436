"""Train a storybook from nothing with numpygit alone: NumPy, processes, no torch.

    python golden/train_from_nothing.py --out DIR                    # all cores, until it is done
    python golden/train_from_nothing.py --out DIR --seconds 560      # stop in time; again: goes on
    python golden/train_from_nothing.py --out DIR --figures 1000     # figures only

The cheap recipe: all texts of a picture stand in one sequence (packing), Muon moves the matrices of
the blocks, AdamW the rest, 15 % of the words of captions and answers are hidden behind [MASK], the
initial spread is 0.05. A step is 128 stills and 8 clips of four frames.

Every process draws scenes of its own and keeps the newest; at each step a quarter of its stills
are new, the others are taken from what it keeps. All processes work on one set of parameters in
shared memory: each finds the gradient of its part of the batch, then adds up one slice of all
gradients, then moves one share of the parameters. What chance decides hangs on the seed, the
process and the step alone, so a run that was stopped goes on as if it had not been, to the bit,
with as many processes as it began with. The bundled model stays the official code's
(train_storybook.py).
"""

from __future__ import annotations

import argparse
import json
import math
import mmap
import multiprocessing
import os
import re
import time
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a process is a core
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from safetensors.numpy import load_file, save_file

from numpygit import storybook
from numpygit.fast.threads import cores, keep_freed_memory
from numpygit.huggingface.loss import IGNORED
from numpygit.huggingface.pretrained import save_model
from numpygit.huggingface.processing.vocabulary import read_vocabulary
from numpygit.learning.fast.model import cut, loss_and_gradients
from numpygit.learning.fast.text import Batch
from numpygit.learning.optimizers import Momenta, Moments, adamw, muon, norm_of, schedule
from numpygit.learning.parameters import decays, is_block_matrix, named, replaced
from numpygit.loading.config import GitConfig
from numpygit.loading.random_weights import random_model
from numpygit.loading.write_whole import write_whole

SIDE, PATCH, T = 96, 16, 48  # of a picture; tokens of all its texts together
CLS, SEP, MASK = 2, 3, 4
STILLS, CLIPS, FRAMES = 128, 8, 4
RATE, WARM_UP, DECAY, HIDDEN, SPREAD = 2e-3, 300, 0.05, 0.15, 0.05
MEAN = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)[:, None, None]
STD = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)[:, None, None]
RECIPES = {"A": (128, 4, 10_000), "B": (96, 3, 9_000)}  # width, heads, steps
PATIENCE = 300  # seconds that a process waits for the others
TEST_SEED = 77_000_000


# ---- words and pictures


@cache
def word_ids(word: str) -> tuple[int, ...]:
    """The tokens of one word, by the tokenizer of the checkpoint."""
    return tuple(vocabulary().encode(word))


@cache
def vocabulary() -> Any:
    """The tokenizer of the bundled model: the world has its words."""
    return read_vocabulary(storybook.CHECKPOINT)


def text_ids(text: str) -> list[int]:
    """The tokens of a text, word by word."""
    return [i for word in re.findall(r"[a-z0-9]+|[,?]", text) for i in word_ids(word)]


def packed(scene: storybook.Scene, rng: np.random.Generator) -> np.ndarray:
    """Lay as many texts as fit into one row: words in, words out, text, position (4, T)."""
    asked = sorted(storybook.questions(scene, rng), key=lambda text: text[0] != "read")
    texts = [("", storybook.caption(scene)), *((q, a) for _, q, a in asked)]
    rows = np.zeros((4, T), np.int64)
    rows[1] = IGNORED
    start = 0
    for number, (prompt, answer) in enumerate(texts, 1):
        said = text_ids(answer)
        words_in = [CLS, *text_ids(prompt), *said]
        stop = start + len(words_in)
        if stop > T:
            continue
        rows[0, start:stop] = words_in
        rows[1, stop - len(said) - 1 : stop] = [*said, SEP]
        rows[2, start:stop] = number
        rows[3, start:stop] = np.arange(len(words_in))
        start = stop
    return rows


def draw(seed: list[int], clip: bool) -> tuple[np.ndarray, np.ndarray]:
    """Draw one scene: bytes (H, W, 3), of a clip (4, H, W, 3), and its texts (4, T)."""
    rng = np.random.default_rng(seed)
    scene = storybook.sample(rng, "clip" if clip else None)
    rows = packed(scene, rng)
    drawn = storybook.render(scene, SIDE)
    return np.array([np.asarray(f) for f in drawn] if clip else np.asarray(drawn)), rows


class Store:
    """The newest scenes that a process has drawn; the oldest are written over."""

    def __init__(self, seed: list[int], capacity: int, clip: bool) -> None:
        self.seed, self.capacity, self.clip = seed, capacity, clip
        shape = (capacity, FRAMES, SIDE, SIDE, 3) if clip else (capacity, SIDE, SIDE, 3)
        self.pictures = np.zeros(shape, np.uint8)
        self.rows = np.zeros((capacity, 4, T), np.int64)
        self.made = 0

    def fill(self, made: int) -> None:
        """Draw until `made` scenes have been drawn in all; those long written over are left out."""
        for number in range(max(self.made, made - self.capacity), made):
            place = number % self.capacity
            self.pictures[place], self.rows[place] = draw([*self.seed, number], self.clip)
        self.made = max(self.made, made)

    def batch(self, count: int, new: int, rng: np.random.Generator) -> Batch:
        """Take the newest scenes and some others, a little grainy, some words hidden."""
        filled = min(self.made, self.capacity)
        newest = (self.made - 1 - np.arange(new)) % self.capacity
        picked = np.concatenate([newest, rng.integers(filled, size=count - new)])
        ids, targets, text, positions = self.rows[picked].transpose(1, 0, 2)
        said = (np.roll(targets, 1, axis=1) >= 0) & (positions > 0)
        hidden = said & (rng.random(ids.shape) < HIDDEN)
        ids = np.where(hidden, MASK, ids)
        return Batch(ids, targets, text, positions, pixels=grainy(self.pictures[picked], rng))


def grainy(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bytes (..., H, W, 3) -> pixels (..., 3, H, W), each picture of its own light and grain."""
    x = np.moveaxis(pictures, -1, -3).astype(np.float32) / 255
    each = (len(x), *[1] * (x.ndim - 1))
    x *= 1 + 0.06 * (rng.random(each, np.float32) - 0.5)
    x += rng.standard_normal(x.shape, np.float32) * (rng.random(each, np.float32) * 0.02)
    return (x.clip(0, 1) - MEAN) / STD


# ---- the model in shared memory


def config_of(recipe: str) -> GitConfig:
    """The settings of a small GIT for the world."""
    width, heads, _ = RECIPES[recipe]
    tower = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": 3}
    tower |= {"num_attention_heads": heads, "initializer_range": SPREAD}
    return GitConfig.from_dict(
        {
            **tower,
            "vocab_size": len(storybook.vocabulary()),
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "max_position_embeddings": 32,
            "num_image_with_embedding": FRAMES,
            "bos_token_id": CLS,
            "eos_token_id": SEP,
            "vision_config": {**tower, "image_size": SIDE, "patch_size": PATCH},
        }
    )


def shared(*shape: int) -> np.ndarray:
    """Zeros that all processes to come will share."""
    memory = mmap.mmap(-1, max(1, math.prod(shape)) * 4)
    return np.frombuffer(memory, np.float32).reshape(shape)


class Team(NamedTuple):
    """What the processes share: parameters and what the optimisers remember, as flat vectors."""

    config: GitConfig
    params: Any  # a Git of views into `flat`
    names: list[str]
    ends: list[int]  # where each parameter begins in the flat vectors, and the end of all
    flat: np.ndarray  # (n,)
    gradients: np.ndarray  # (processes, n)
    total: np.ndarray  # (n,)
    first: np.ndarray  # (n,), of Muon's matrices the momentum
    second: np.ndarray  # (n,)
    notes: np.ndarray  # (processes, 4): loss, labels, squared norm, seconds
    barrier: Any

    def views(self, flat: np.ndarray) -> list[np.ndarray]:
        """Cut a flat vector into arrays of the parameters' shapes."""
        shapes = [array.shape for _, array in named(self.params)]
        ends = zip(self.ends, self.ends[1:], shapes, strict=False)
        return [flat[a:b].reshape(shape) for a, b, shape in ends]


def team_of(recipe: str, processes: int, seed: int) -> Team:
    """Lay a fresh model into shared memory."""
    config = config_of(recipe)
    params = random_model(config, seed=seed)
    times = params.vision.temporal_embedding  # left at 0 by the official code's initialisation
    times[:] = np.random.default_rng(seed).standard_normal(times.shape, np.float32) * SPREAD
    names = [name for name, _ in named(params)]
    arrays = [array for _, array in named(params)]
    ends = [0, *np.cumsum([array.size for array in arrays]).tolist()]
    n = ends[-1]
    flat = shared(n)
    flat[:] = np.concatenate([array.ravel() for array in arrays])
    views = [flat[a:b].reshape(x.shape) for a, b, x in zip(ends, ends[1:], arrays, strict=False)]
    barrier = multiprocessing.get_context("fork").Barrier(processes)
    memory = [shared(processes, n), shared(n), shared(n), shared(n), shared(processes, 4)]
    return Team(config, replaced(params, iter(views)), names, ends, flat, *memory, barrier)


# ---- one process of the team


class Shares(NamedTuple):
    """What one process does of each step."""

    stills: int
    clips: int
    slice: slice  # of the flat gradients, to add up
    matrices: list[int]  # that it moves with Muon
    others: list[int]  # that it moves with AdamW


def shares_of(team: Team, number: int, processes: int) -> Shares:
    """Share out a step evenly; a clip counts as its frames."""
    clips = len(range(number, CLIPS, processes))
    units = STILLS + CLIPS * FRAMES
    room = [units * (i + 1) // processes - units * i // processes for i in range(processes)]
    taken = [FRAMES * len(range(i, CLIPS, processes)) for i in range(processes)]
    stills = max(1, room[number] - taken[number])
    n = team.ends[-1]
    mine = slice(n * number // processes, n * (number + 1) // processes)
    sizes = np.diff(team.ends)
    blocks = [i for i, name in enumerate(team.names) if is_block_matrix(name)]
    rest = [i for i in range(len(team.names)) if i not in blocks]
    work = [*sorted(blocks, key=lambda i: -sizes[i])]
    return Shares(stills, clips, mine, work[number::processes], rest[number::processes])


def work(team: Team, number: int, processes: int, args: argparse.Namespace, step: int) -> None:
    """Be one process of the team; the first also keeps the log and the files."""
    keep_freed_memory()
    mine = shares_of(team, number, processes)
    capacity = max(64, args.keep // processes)
    stills = Store([args.seed, number, 0], capacity, False)
    clips = Store([args.seed, number, 1], max(16, capacity // 16), True)
    fresh = max(1, mine.stills // 4)
    last = RECIPES[args.recipe][2] if args.steps is None else args.steps
    began, first_step, done = time.time(), step, False
    while step < last and not done:
        stills.fill(args.first // processes + (step + 1) * fresh)
        clips.fill((args.first // 32 // processes + (step + 1) // 4 + 1) if mine.clips else 0)
        rng = np.random.default_rng([args.seed, number, 2, step])
        batches = [stills.batch(mine.stills, fresh, rng)]
        if mine.clips:
            batches.append(clips.batch(mine.clips, 0, rng))
        gradient_of(team, number, batches)
        norm = one_step(team, number, mine, args, step, last)
        step += 1
        done = bool(team.notes[0, 3])  # written by the first before the step's last barrier
        if number == 0:
            report(team, args, step, first_step, began, norm)
    if number == 0:
        save(team, args, step)


def gradient_of(team: Team, number: int, batches: list[Batch]) -> None:
    """Find the summed gradient of one part of the batch."""
    mine, loss = team.gradients[number], 0.0
    mine[:] = 0
    views = team.views(mine)
    for batch in batches:
        for piece in cut(batch, -(-len(batch.ids) // 16)):
            lost, gradients = loss_and_gradients(team.params, team.config, piece, count=1)
            loss += lost
            for view, (_, gradient) in zip(views, named(gradients), strict=True):
                view += gradient
    labels = sum(int((batch.targets != IGNORED).sum()) for batch in batches)
    team.notes[number, :2] = loss, labels


def one_step(
    team: Team, number: int, mine: Shares, args: argparse.Namespace, step: int, last: int
) -> float:
    """Add up, clip and move, each process its share; return the norm before clipping."""
    team.barrier.wait(PATIENCE)
    total = team.total[mine.slice]
    np.sum(team.gradients[:, mine.slice], axis=0, out=total)
    total /= team.notes[:, 1].sum()
    team.notes[number, 2] = norm_of([total]) ** 2
    if number == 0:
        team.notes[0, 3] = args.seconds > 0 and time.time() - args.began > args.seconds
    team.barrier.wait(PATIENCE)
    norm = math.sqrt(float(team.notes[:, 2].sum()))
    scale = min(1.0, 1.0 / (norm + 1e-6))
    warm = min(1.0, (step + 1) / WARM_UP)
    rate = RATE * warm * schedule("cosine", step, warm_up=0, total=last)
    params, gradients = team.views(team.flat), team.views(team.total)
    first, second = team.views(team.first), team.views(team.second)
    picked = mine.matrices
    pulled = [gradients[i] * scale for i in picked]
    muon([params[i] for i in picked], pulled, Momenta([first[i] for i in picked]), rate=rate,
         decay=DECAY)  # fmt: skip
    picked = mine.others
    state = Moments([first[i] for i in picked], [second[i] for i in picked], step)
    pulled = [gradients[i] * scale for i in picked]
    decay = [DECAY if decays(team.names[i]) else 0.0 for i in picked]
    if picked:
        adamw([params[i] for i in picked], pulled, state, rate=rate, decays=decay,
              betas=(0.9, 0.98))  # fmt: skip
    team.barrier.wait(PATIENCE)
    return norm


def report(
    team: Team, args: argparse.Namespace, step: int, first_step: int, began: float, norm: float
) -> None:
    """Print a line now and then, and save every few minutes."""
    if step % 100 == 0 or step in (1, 10, 50):
        loss = team.notes[:, 0].sum() / team.notes[:, 1].sum()
        each = (time.time() - began) / (step - first_step)
        line = f"step {step}, loss {loss:.4f}, norm {norm:.2f}, {each * 1000:.0f} ms a step"
        log(args, line)
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
    save_model(args.out, team.config, team.params)
    for name in ("vocab.txt", "preprocessor_config.json", "tokenizer_config.json"):
        text = (storybook.CHECKPOINT / name).read_text()
        write_whole(args.out / name, lambda path, text=text: path.write_text(text))
    speak = (storybook.CHECKPOINT / "generation_config.json").read_text()
    write_whole(args.out / "generation_config.json", lambda path: path.write_text(speak))
    state = {"flat": team.flat, "first": team.first, "second": team.second}
    facts = {"step": str(step), "recipe": args.recipe, "processes": str(args.processes)}
    facts |= {"seed": str(args.seed)}
    write_whole(args.out / "state.safetensors", lambda path: save_file(state, path, facts))


def resume(team: Team, args: argparse.Namespace) -> int:
    """Take up what an earlier run left; return its step."""
    path = args.out / "state.safetensors"
    if not path.exists():
        return 0
    facts = json.loads(header_text(path))["__metadata__"]
    for name in ("recipe", "processes", "seed"):
        if facts[name] != str(getattr(args, name)):
            raise SystemExit(f"{path} was made with --{name} {facts[name]}; go on with that")
    for name, array in load_file(path).items():
        getattr(team, name)[:] = array
    return int(facts["step"])


def header_text(path: Path) -> str:
    """The header of a safetensors file, which is JSON."""
    with path.open("rb") as file:
        return file.read(int.from_bytes(file.read(8), "little")).decode()


# ---- figures


def score(job: tuple[Path, int, int, bool, bool]) -> dict[str, list[int]]:
    """Count whole texts that are right, by kind: captions and answers, by greedy generation."""
    import numpygit

    folder, seed, count, clip, held_out = job
    captioner = numpygit.load(str(folder), threads=1)
    rng = np.random.default_rng(seed)
    counts: dict[str, list[int]] = {}
    for _ in range(count):
        scene = storybook.sample(rng, "clip" if clip else None, held_out)
        asked = storybook.questions(scene, rng)
        picture = storybook.render(scene, SIDE)
        said = [captioner.caption(picture)]
        said += captioner.answers(picture, [q for _, q, _ in asked]) if asked else []
        right = [storybook.caption(scene), *(a for _, _, a in asked)]
        kinds = ["caption", *["answer"] * len(asked)]
        for kind, mine, expected in zip(kinds, said, right, strict=True):
            counts.setdefault(kind, [0, 0])
            counts[kind][0] += mine == expected
            counts[kind][1] += 1
    return counts


def figures(args: argparse.Namespace) -> None:
    """Print how many texts of unseen scenes come out right, seen and held-out combinations."""
    sets = {"stills seen": (False, False), "stills held-out": (False, True)}
    sets |= {"clips seen": (True, False), "clips held-out": (True, True)}
    with multiprocessing.get_context("fork").Pool(args.processes) as pool:
        for number, (name, (clip, held_out)) in enumerate(sets.items()):
            count = args.figures // 4 if clip else args.figures
            each = max(1, -(-count // (4 * args.processes)))
            jobs = [
                (args.out, TEST_SEED + number * 100_000 + at, min(each, count - at), clip, held_out)
                for at in range(0, count, each)
            ]
            counts: dict[str, list[int]] = {}
            for part in pool.imap_unordered(score, jobs):
                for kind, (right, every) in part.items():
                    both = counts.setdefault(kind, [0, 0])
                    both[0], both[1] = both[0] + right, both[1] + every
            words = [
                f"{kind}s {100 * right / every:.1f} % of {every}"
                for kind, (right, every) in counts.items()
            ]
            log(args, f"{name}: {', '.join(words)}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, type=Path, help="folder for the model; goes on")
    parser.add_argument("--recipe", choices=RECIPES, default="B", help="A is the larger one")
    parser.add_argument("--steps", type=int, help="in all (default: as the recipe says)")
    parser.add_argument("--seconds", type=float, default=0, help="stop after so long, to go on")
    parser.add_argument("--processes", type=int, default=cores())
    parser.add_argument("--keep", type=int, default=60_000, help="newest stills to learn from")
    parser.add_argument("--first", type=int, default=4_000, help="stills to begin with")
    parser.add_argument("--figures", type=int, default=0, help="only count, on so many stills")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Draw, learn, save; or count."""
    args = arguments()
    args.began = time.time()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.figures:
        return figures(args)
    team = team_of(args.recipe, args.processes, args.seed)
    step = resume(team, args)
    log(args, f"{len(team.flat):,} parameters, {args.processes} processes, from step {step} on")
    context = multiprocessing.get_context("fork")
    others = [
        context.Process(target=work, args=(team, i, args.processes, args, step), daemon=True)
        for i in range(1, args.processes)
    ]
    for other in others:
        other.start()
    work(team, 0, args.processes, args, step)
    for other in others:
        other.join()
    return None


if __name__ == "__main__":
    main()
