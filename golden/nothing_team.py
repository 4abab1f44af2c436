"""What the processes of train_from_nothing.py share: a model in shared memory, and a meeting place.

Parameters, gradients and what the optimisers remember are flat float32 vectors that every process
sees; the model's arrays are views into them.
"""

from __future__ import annotations

import math
import mmap
import multiprocessing
from typing import Any, NamedTuple

import numpy as np
from packed_scenes import CLS, FRAMES, SEP, SIDE

from numpygit import storybook
from numpygit.learning.parameters import replaced
from numpygit.loading.config import GitConfig
from numpygit.loading.random_weights import random_model
from numpygit.model.params import named_arrays

SPREAD = 0.05  # of the initial weights
PATIENCE = 300  # seconds that a process waits for the others
PARTS = ("draw", "learn", "wait", "move")  # what a step's time goes to


class Recipe(NamedTuple):
    """A size of model, and how long it is trained."""

    width: int
    heads: int
    patch: int
    steps: int


RECIPES = {
    "A": Recipe(128, 4, 16, 8_000),
    "B": Recipe(96, 3, 16, 9_000),
}


def config_of(recipe: Recipe) -> GitConfig:
    """The settings of a small GIT for the world."""
    width = recipe.width
    tower = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": 3}
    tower |= {"num_attention_heads": recipe.heads, "initializer_range": SPREAD}
    return GitConfig.from_dict(
        {
            **tower,
            "hidden_act": "quick_gelu",  # with gelu a step takes 97 ms instead of 92
            "vocab_size": len(storybook.vocabulary()),
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "max_position_embeddings": 32,
            "num_image_with_embedding": FRAMES,
            "bos_token_id": CLS,
            "eos_token_id": SEP,
            "vision_config": {**tower, "image_size": SIDE, "patch_size": recipe.patch},
        }
    )


def shared(*shape: int) -> np.ndarray:
    """Zeros that all processes to come will share."""
    memory = mmap.mmap(-1, max(1, math.prod(shape)) * 4)
    return np.frombuffer(memory, np.float32).reshape(shape)


class Meeting:
    """A place where all processes wait for the last of them.

    One lock for all, as in multiprocessing.Barrier, takes milliseconds with 32 processes.
    """

    def __init__(self, processes: int) -> None:
        context = multiprocessing.get_context("fork")
        self.others = processes - 1
        self.came = context.Semaphore(0)
        self.leave = (context.Semaphore(0), context.Semaphore(0))  # in turns: none goes twice
        self.turn = 0

    def wait(self, number: int) -> None:
        """Come, and leave when all are there; the first process lets the others go."""
        here, self.turn = self.leave[self.turn], 1 - self.turn
        if number:
            self.came.release()
            arrived = here.acquire(timeout=PATIENCE)
        else:
            arrived = all(self.came.acquire(timeout=PATIENCE) for _ in range(self.others))
            for _ in range(self.others):
                here.release()
        if not arrived:
            raise SystemExit("another process did not come; start again, it goes on")


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
    notes: np.ndarray  # (processes, 4): loss, labels, squared norm, whether to stop
    times: np.ndarray  # (processes, PARTS): seconds
    meeting: Meeting

    def views(self, flat: np.ndarray) -> list[np.ndarray]:
        """Cut a flat vector into arrays of the parameters' shapes."""
        shapes = [array.shape for _, array in named_arrays(self.params)]
        ends = zip(self.ends, self.ends[1:], shapes, strict=False)
        return [flat[a:b].reshape(shape) for a, b, shape in ends]


def team_of(recipe: Recipe, processes: int, seed: int) -> Team:
    """Lay a fresh model into shared memory."""
    config = config_of(recipe)
    params = random_model(config, seed=seed)
    times = params.vision.temporal_embedding  # left at 0 by the official code's initialisation
    times[:] = np.random.default_rng(seed).standard_normal(times.shape, np.float32) * SPREAD
    names = [name for name, _ in named_arrays(params)]
    arrays = [array for _, array in named_arrays(params)]
    ends = [0, *np.cumsum([array.size for array in arrays]).tolist()]
    n = ends[-1]
    flat = shared(n)
    flat[:] = np.concatenate([array.ravel() for array in arrays])
    views = [flat[a:b].reshape(x.shape) for a, b, x in zip(ends, ends[1:], arrays, strict=False)]
    memory = [shared(processes, n), shared(n), shared(n), shared(n), shared(processes, 4)]
    memory.append(shared(processes, len(PARTS)))
    return Team(config, replaced(params, iter(views)), names, ends, flat, *memory,
                Meeting(processes))  # fmt: skip
