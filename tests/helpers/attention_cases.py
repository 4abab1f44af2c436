"""Attention whose scores are of any size, small ones and such as leave float32 when e is raised."""

import numpy as np

from numpygit.model.params import Attention, Linear

D, N, M = 12, 3, 7
CLOSE = 5e-6


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape, np.float32)


def of_scale(scale: float, offset: float) -> Attention:
    """Attention whose scores are about `scale`, all of them moved by about `offset`."""
    query = Linear(random(D, D, seed=1) * np.float32(scale), np.full(D, offset, np.float32))
    key = Linear(random(D, D, seed=2), np.full(D, 1, np.float32))
    return Attention(query, key, Linear(random(D, D, seed=3), random(D, seed=3)),
                     Linear(random(D, D, seed=4), random(D, seed=4)))  # fmt: skip


SIZES = [(0.3, 0), (1, 30), (1, -30), (1, 500), (1, -500), (60, 0), (3000, 0)]
