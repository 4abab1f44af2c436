"""A training step beside torch's: forward, backward, and of git-base clipping and AdamW too.

    ORACLE/bin/python tests/benchmarks/training.py                  # storybook, batch 64
    ORACLE/bin/python tests/benchmarks/training.py --threads 2
    ORACLE/bin/python tests/benchmarks/training.py --git-base 1     # batch 1; 8 GB
    ORACLE/bin/python tests/benchmarks/training.py --git-base 4 --train last:2
    ORACLE/bin/python tests/benchmarks/training.py --git-base 4 --train lora:8 --only torch
    python tests/benchmarks/training.py --definition                # the definition and its twin
    python tests/benchmarks/training.py --techniques                # each with it and without
    python tests/benchmarks/training.py --adamw                     # 176 million parameters

ORACLE is an environment with torch and transformers (golden/README.md), which imports numpygit too.
Both sides are asked in turn, and the best of several is told: in seconds of one processor where
--threads is 1 (so that other programs do not count), else in seconds on the wall. With last:N and
lora:R numpygit learns from states and image tokens that `train` keeps on disk; torch runs its
frozen parts again, as its users do. Memory is that of one side with --only.
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
from numpygit.learning.backward.model import loss_and_gradients as definition
from numpygit.learning.fast import model as fast
from numpygit.learning.fast.model import labels_in, side_by_side
from numpygit.learning.fast.text import Batch
from numpygit.learning.optimizers import adamw, clip, moments_of
from numpygit.learning.parameters import astype
from numpygit.learning.weights import weights_of
from numpygit.loading.checkpoint import load
from numpygit.loading.config import GitConfig
from numpygit.loading.random_weights import random_model
from numpygit.storybook import CHECKPOINT


def batch_of(config: GitConfig, B: int, T: int) -> Batch:
    """Draw pixels and words; all words but the first are labels."""
    rng = np.random.default_rng(0)
    side = config.vision_config.image_size
    pixels = rng.standard_normal((B, 3, side, side), np.float32)
    ids = rng.integers(5, config.vocab_size, (B, T))
    targets = np.full_like(ids, -100)
    targets[:, :-1] = ids[:, 1:]
    positions = np.broadcast_to(np.arange(T), ids.shape)
    return Batch(ids, targets, np.ones_like(ids), positions, pixels=pixels)


def with_kept(config: GitConfig, batch: Batch, what: str) -> Batch:
    """Put in the place of pixels what `train` keeps of them: tokens, or states of lower layers."""
    rng = np.random.default_rng(1)
    M = 1 + (config.vision_config.image_size // config.vision_config.patch_size) ** 2
    B, T = batch.ids.shape
    if what.startswith("last"):
        states = rng.standard_normal((B, M + T, config.hidden_size), np.float32)
        return batch._replace(pixels=None, states=states)
    if what.startswith("lora"):
        tokens = rng.standard_normal((B, M, config.vision_config.hidden_size), np.float32)
        return batch._replace(pixels=None, tokens=tokens)
    return batch


def numpy_step(
    config: GitConfig, params, batch: Batch, threads: int, what: str, pieces: int, moves: bool
) -> Callable[[], None]:
    """One step here."""
    weights = weights_of(config, params, what, clips=False, seed=0)
    given = with_kept(config, batch, what)
    state = moments_of(weights.arrays) if moves else None
    decays = [0.01] * len(weights.arrays)

    def step() -> None:
        _, found = side_by_side(
            weights.params, config, [given], pieces=pieces, threads=threads, what=what
        )
        if state is not None:
            gradients = weights.gradients(found)
            clip(gradients)
            adamw(weights.arrays, gradients, state, rate=1e-5, decays=decays, threads=threads)
            weights.refresh()

    return step


def definition_step(config: GitConfig, params, batch: Batch) -> Callable[[], None]:
    """The same gradients by the definition, whose tape is what the five files trace."""
    labels = np.full_like(batch.ids, -100)
    labels[:, 1:] = batch.targets[:, :-1]
    return lambda: definition(params, config, batch.pixels, batch.ids, labels)


def torch_step(
    config: GitConfig, batch: Batch, threads: int, what: str, folder, moves: bool
) -> Callable[[], None]:
    """The same step by torch and transformers, without dropout."""
    import torch
    from transformers import GitConfig as Official
    from transformers import GitForCausalLM

    torch.set_num_threads(threads)
    model = GitForCausalLM.from_pretrained(folder) if folder else GitForCausalLM(Official())
    model.eval()
    trained = freeze(model, what)
    pixels, words = torch.tensor(batch.pixels), torch.tensor(batch.ids)
    optimizer = torch.optim.AdamW(trained, lr=1e-5, weight_decay=0.01) if moves else None
    T = words.shape[1]

    def step() -> None:
        logits = model(input_ids=words, pixel_values=pixels, use_cache=False).logits
        before = logits[:, -T:-1].reshape(-1, logits.shape[-1])
        loss = torch.nn.functional.cross_entropy(before, words[:, 1:].reshape(-1))
        model.zero_grad(set_to_none=True)
        loss.backward()
        if optimizer is not None:
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()

    return step


def freeze(model, what: str) -> list:
    """Leave only what is trained with a gradient; put LoRA's matrices beside queries and values."""
    kind, _, number = what.partition(":")
    layers = model.git.encoder.layer
    if kind == "all":
        return list(model.parameters())
    model.requires_grad_(False)
    if kind == "last":
        parts = [model.output, *layers[len(layers) - int(number) :]]
        return [p for part in parts for p in part.requires_grad_(True).parameters()]
    trained = []
    for layer in layers:
        attention = layer.attention.self
        for name in ("query", "value"):
            trained += adapt(getattr(attention, name), int(number))
    return trained


def adapt(linear, rank: int) -> list:
    """Add a product of two thin matrices to what a projection makes."""
    import torch

    a = torch.nn.Parameter(torch.randn(rank, linear.in_features) * 0.02)
    b = torch.nn.Parameter(torch.zeros(linear.out_features, rank))
    linear.register_forward_hook(lambda _, given, made: made + 2.0 * ((given[0] @ a.T) @ b.T))
    return [a, b]


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
    what, moves, threads = args.train, bool(args.git_base), args.threads
    if args.git_base:
        config, B, T, folder = GitConfig(), args.git_base, 16, None
        params, pieces = random_model(config), min(args.git_base, threads)
    else:
        config, stored = load(CHECKPOINT)
        params, B, T, folder, pieces = astype(stored, np.float32), 64, 12, CHECKPOINT, 4
    batch = batch_of(config, B, T)
    assert labels_in([batch])
    steps: dict[str, Callable[[], None]] = {}
    if args.only != "torch":
        steps["numpygit"] = numpy_step(config, params, batch, threads, what, pieces, moves)
    if args.definition:
        steps["definition"] = definition_step(config, params, batch)
    elif args.only != "numpygit":
        steps["torch"] = torch_step(config, batch, threads, what, folder, moves)
    clock = time.process_time if threads == 1 else time.perf_counter
    found = best_of(steps, args.times, clock)
    for name, seconds in found.items():
        print(f"{name}: {seconds:.3f} s a step, {B / seconds:.1f} pictures/s")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    load_now = os.getloadavg()[0]
    print(f"batch {B}, train {what}, threads {threads}, load {load_now:.1f}, memory {memory} MB")


def time_techniques(times: int) -> None:
    """Print what techniques of the fast twin bring: storybook's geometry, seconds of one core."""
    config, stored = load(CHECKPOINT)
    params, block, back = astype(stored, np.float32), fast.block, fast.block_backward
    one, several = batch_of(config, 32, 12), [batch_of(config, 32, 12) for _ in range(5)]

    def ask(batches: list[Batch], pieces: int = 2) -> float:
        step = lambda: side_by_side(params, config, batches, pieces=pieces, threads=1)  # noqa: E731
        return best_of({"": step}, times, time.process_time)[""]

    def all_ask(*given, rows, **more):
        return block(*given, rows=None, **more)

    def all_ask_backward(dx, saved, *given, batch, **more):
        rows, D = saved[0].x.shape
        whole = np.zeros((batch, rows // batch, D), dx.dtype)
        whole[:, -(len(dx) // batch) :] = dx.reshape(batch, -1, D)
        return back(whole.reshape(rows, D), saved, *given, batch=batch, **more)

    plain = ask([one])
    tell("a batch of 32 in two pieces", plain, ask([one], pieces=1))
    tell("five texts of a picture in one row", ask([packed(several)]), ask(several))
    fast.block, fast.block_backward = all_ask, all_ask_backward
    tell("in the last text layer only words ask", plain, ask([one]))
    fast.block, fast.block_backward = block, back


def packed(several: list[Batch]) -> Batch:
    """Lay the texts of some batches about the same pictures side by side."""
    B, T = several[0].ids.shape
    numbers = np.repeat(np.arange(1, len(several) + 1), T)
    ids, targets, positions = (
        np.concatenate([getattr(batch, name) for batch in several], axis=1)
        for name in ("ids", "targets", "positions")
    )
    text = np.broadcast_to(numbers, (B, len(numbers)))
    return Batch(ids, targets, text, positions, pixels=several[0].pixels)


def tell(name: str, seconds: float, without: float) -> None:
    """Print a line."""
    print(f"{name}: {seconds:.3f} s, without {without:.3f} s ({without / seconds:.2f} times)")


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
    parser.add_argument("--train", default="all", metavar="WHAT", help="all, last:N or lora:R")
    parser.add_argument("--only", choices=("numpygit", "torch"), help="one side alone")
    parser.add_argument("--definition", action="store_true", help="not torch: the definition")
    parser.add_argument("--techniques", action="store_true", help="of the fast twin")
    parser.add_argument("--adamw", action="store_true")
    args = parser.parse_args()
    keep_freed_memory()
    with blas_threads(1):
        if args.techniques:
            time_techniques(args.times)
        elif args.adamw:
            time_adamw(args.threads)
        else:
            compare(args)


if __name__ == "__main__":
    main()
