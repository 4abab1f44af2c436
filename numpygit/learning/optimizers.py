"""Optimisers and schedules: how gradients move parameters. All of them work in place.

`adamw` is torch.optim.AdamW's formula (Loshchilov and Hutter, arXiv 1711.05101; decay before the
step, epsilon outside the root); `clip` is torch's clip_grad_norm_; the schedules are those of
transformers. `muon` (Jordan 2024, https://kellerjordan.github.io/posts/muon) is written with three
scales in the wild; here it is that of golden/train_storybook.py: momentum m = 0.95 m + g, the
update is that of g + 0.95 m (Nesterov), made orthogonal, times rate * 0.2 * sqrt(longer side).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ..errors import UserError
from ..model.params import Array

BLOCK = 32_768  # numbers worked on at once: seven arrays of them stay in a second-level cache
SCHEDULES = ("linear", "cosine", "constant")


@dataclass
class Moments:
    """What AdamW remembers: running means of gradients and of their squares, and the steps."""

    first: list[Array]
    second: list[Array]
    steps: int = 0


@dataclass
class Momenta:
    """What Muon remembers: the sum of gradients, older ones weighing less."""

    sums: list[Array] = field(default_factory=list)


def moments_of(params: Sequence[Array]) -> Moments:
    """Begin AdamW: nothing is remembered."""
    return Moments([np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params])


def momenta_of(params: Sequence[Array]) -> Momenta:
    """Begin Muon."""
    return Momenta([np.zeros_like(p) for p in params])


def adamw(
    params: Sequence[Array],
    gradients: Sequence[Array],
    state: Moments,
    *,
    rate: float,
    decays: Sequence[float],
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    threads: int = 1,
) -> None:
    """Take one step with every array, in place.

    p *= 1 - rate * decay; m += (g - m)(1 - b1); v = b2 v + (1 - b2) g^2;
    p -= rate / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps).
    The work goes block by block, so that what one line leaves in the cache the next line finds.
    """
    state.steps += 1
    step = (rate / (1 - betas[0] ** state.steps), math.sqrt(1 - betas[1] ** state.steps))
    cut: list[tuple[Array, ...]] = []
    kept: list[float] = []
    groups = zip(params, gradients, state.first, state.second, decays, strict=True)
    for *arrays, decay in groups:
        flat = [array.reshape(-1) for array in arrays]
        for start in range(0, flat[0].size, BLOCK):
            cut.append(tuple(array[start : start + BLOCK] for array in flat))
            kept.append(1 - rate * decay)

    def work(part: slice) -> None:
        room = np.empty(BLOCK, params[0].dtype)
        for block, keep in zip(cut[part], kept[part], strict=True):
            p, g, m, v = block
            adamw_block(p, g, m, v, room[: p.size], keep, *step, betas, eps)

    share_out(work, len(cut), threads)


def adamw_block(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    room: Array,
    keep: float,
    rate: float,
    root: float,
    betas: tuple[float, float],
    eps: float,
) -> None:
    """One step of a block that fits into the cache. `rate` and `root` hold bias corrections."""
    if keep != 1:
        p *= keep
    np.subtract(g, m, out=room)
    room *= 1 - betas[0]
    m += room
    v *= betas[1]
    np.multiply(g, g, out=room)
    room *= 1 - betas[1]
    v += room
    np.sqrt(v, out=room)
    room /= root
    room += eps
    np.divide(m, room, out=room)
    room *= rate
    p -= room


def share_out(work: Callable[[slice], None], count: int, threads: int) -> None:
    """Let threads work on equal parts of a list; one thread takes it whole."""
    if threads == 1 or count < 4 * threads:
        return work(slice(0, count))
    cuts = [count * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [slice(a, b) for a, b in pairwise(cuts)]))
    return None


def muon(
    params: Sequence[Array],
    gradients: Sequence[Array],
    state: Momenta,
    *,
    rate: float,
    decay: float = 0.05,
    momentum: float = 0.95,
) -> None:
    """Move every matrix by its momentum, made orthogonal, in place."""
    for p, g, m in zip(params, gradients, state.sums, strict=True):
        m *= momentum
        m += g
        update = orthogonal(g + momentum * m)
        p *= 1 - rate * decay
        p -= (rate * 0.2 * math.sqrt(max(p.shape))) * update


def orthogonal(matrix: Array, *, steps: int = 5) -> Array:
    """Push all singular values of a matrix towards 1: (rows, columns) -> (rows, columns).

    Newton-Schulz iteration of the fifth degree: x <- a x + (b x x^T + c (x x^T)^2) x. Its three
    numbers are chosen for speed, so the values end between about 0.7 and 1.2.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (math.sqrt(float((x * x).sum())) + 1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * (square @ square)) @ x
    return np.ascontiguousarray(x.T) if tall else x


def clip(gradients: Sequence[Array], *, most: float = 1.0) -> float:
    """Shorten all gradients together, in place, to a norm of at most `most`; return the norm.

    c = min(1, most / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_ has it.
    """
    norm = norm_of(gradients)
    scale = most / (norm + 1e-6)
    if scale < 1:
        for g in gradients:
            g *= scale
    return norm


def norm_of(arrays: Sequence[Array]) -> float:
    """The Euclidean norm of all numbers together, summed in double precision block by block."""
    total = 0.0
    for array in arrays:
        flat = array.reshape(-1)
        for start in range(0, flat.size, BLOCK):
            block = flat[start : start + BLOCK]
            total += float(block @ block)
    return math.sqrt(total)


def schedule(name: str, step: int, *, warm_up: int, total: int) -> float:
    """The share of the rate at a step, counted from 0: a rise from 0, then a fall to 0.

    "linear" and "cosine" are get_linear_schedule_with_warmup and get_cosine_schedule_with_warmup
    of transformers; "constant" stays at 1 after the rise.
    """
    if name not in SCHEDULES:
        raise UserError(f"schedule is {name!r}; known are: {', '.join(SCHEDULES)}")
    if step < warm_up:
        return step / max(1, warm_up)
    if name == "constant":
        return 1.0
    if name == "linear":
        return max(0.0, (total - step) / max(1, total - warm_up))
    progress = (step - warm_up) / max(1, total - warm_up)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))
