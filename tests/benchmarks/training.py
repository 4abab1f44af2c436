"""A training step beside torch's: forward, backward, and of git-base the optimiser too.

    ORACLE/bin/python tests/benchmarks/training.py                  # storybook, batch 64
    ORACLE/bin/python tests/benchmarks/training.py --threads 2
    ORACLE/bin/python tests/benchmarks/training.py --git-base 1     # batch 1; 8 GB
    python tests/benchmarks/training.py --adamw                     # 176 million parameters

ORACLE is an environment with torch and transformers (golden/README.md), which imports numpygit too.
Both sides are asked in turn, and the best of several is told: in seconds of one processor where
--threads is 1 (so that other programs do not count), else in seconds on the wall.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from numpygit.fast.threads import blas_threads, keep_freed_memory
from numpygit.learning.fast.model import labels_in, side_by_side
from numpygit.learning.fast.text import Batch
from numpygit.learning.optimizers import adamw, clip, moments_of
from numpygit.learning.parameters import astype, named
from numpygit.loading.checkpoint import load
from numpygit.loading.config import GitConfig
from numpygit.loading.random_weights import random_model
from numpygit.storybook import CHECKPOINT


def batch_of(config: GitConfig, B: int, T: int) -> tuple[Batch, np.ndarray]:
    """Draw pixels and words; all words but the first are labels."""
    rng = np.random.default_rng(0)
    side = config.vision_config.image_size
    pixels = rng.standard_normal((B, 3, side, side), np.float32)
    ids = rng.integers(5, config.vocab_size, (B, T))
    targets = np.full_like(ids, -100)
    targets[:, :-1] = ids[:, 1:]
    positions = np.broadcast_to(np.arange(T), ids.shape)
    return Batch(ids, targets, np.ones_like(ids), positions, pixels=pixels), ids


def numpy_step(config: GitConfig, params, batch: Batch, threads: int, what: str, pieces: int):
    """One step here, with the optimiser where `what` is not empty."""
    names, arrays = zip(*named(params), strict=True)
    state = moments_of(arrays) if what else None

    def step() -> None:
        _, found = side_by_side(params, config, [batch], pieces=pieces, threads=threads)
        if state is not None:
            clip(found)
            adamw(arrays, found, state, rate=1e-5, decays=[0.01] * len(names), threads=threads)

    return step


def torch_step(config: GitConfig, batch: Batch, ids: np.ndarray, threads: int, what: str, folder):
    """The same step by torch and transformers, without dropout."""
    import torch
    from transformers import GitConfig as Official
    from transformers import GitForCausalLM

    torch.set_num_threads(threads)
    model = GitForCausalLM.from_pretrained(folder) if folder else GitForCausalLM(Official())
    model.eval()
    pixels, words = torch.tensor(batch.pixels), torch.tensor(ids)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01) if what else None

    def step() -> None:
        logits = model(input_ids=words, pixel_values=pixels, use_cache=False).logits
        before = logits[:, -ids.shape[1] : -1].reshape(-1, logits.shape[-1])
        loss = torch.nn.functional.cross_entropy(before, words[:, 1:].reshape(-1))
        model.zero_grad(set_to_none=True)
        loss.backward()
        if optimizer is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    return step


def best_of(steps: dict[str, Callable[[], None]], times: int, clock: Callable[[], float]):
    """Ask all in turn; -> the best seconds of each."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(times):
        for name, step in steps.items():
            began = clock()
            step()
            found[name].append(clock() - began)
    return {name: min(values) for name, values in found.items()}


def compare(args: argparse.Namespace) -> None:
    """Print the seconds of a step."""
    if args.git_base:
        config, B, T, folder, what = GitConfig(), args.git_base, 16, None, "all"
        params = random_model(config)
        pieces = min(B, args.threads)
    else:
        config, stored = load(CHECKPOINT)
        params, B, T, folder, what, pieces = astype(stored, np.float32), 64, 12, CHECKPOINT, "", 4
    batch, ids = batch_of(config, B, T)
    assert labels_in([batch])
    steps = {"numpygit": numpy_step(config, params, batch, args.threads, what, pieces)}
    if not args.alone:
        steps["torch"] = torch_step(config, batch, ids, args.threads, what, folder)
    clock = time.process_time if args.threads == 1 else time.perf_counter
    found = best_of(steps, args.times, clock)
    for name, seconds in found.items():
        print(f"{name}: {seconds:.3f} s a step, {B / seconds:.1f} pictures/s")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"batch {B}, threads {args.threads}, load {os.getloadavg()[0]:.1f}, memory {memory} MB")


def time_adamw(threads: int) -> None:
    """Print the seconds of AdamW over as many parameters as git-base has."""
    arrays = [np.ones((7, 1024, 1024), np.float32) for _ in range(24)]
    gradients = [np.full_like(array, 0.1) for array in arrays]
    state = moments_of(arrays)

    def step() -> None:
        adamw(arrays, gradients, state, rate=1e-5, decays=[0.01] * 24, threads=threads)

    step()
    clock = time.process_time if threads == 1 else time.perf_counter
    found = best_of({"adamw": step}, 5, clock)
    count = sum(array.size for array in arrays)
    print(f"AdamW, {count:,} parameters: {found['adamw']:.2f} s, threads {threads}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--git-base", type=int, default=0, metavar="BATCH")
    parser.add_argument("--alone", action="store_true", help="without torch")
    parser.add_argument("--adamw", action="store_true")
    args = parser.parse_args()
    keep_freed_memory()
    with blas_threads(1):
        if args.adamw:
            time_adamw(args.threads)
        else:
            compare(args)


if __name__ == "__main__":
    main()
