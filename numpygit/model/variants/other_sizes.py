"""Position embeddings for pictures of another size: the learned grid, interpolated.

Source: transformers 5.23, GitVisionEmbeddings.interpolate_pos_encoding, which calls
torch.nn.functional.interpolate with mode "bicubic" and align_corners False; the convolution
kernel is that of Keys 1981, "Cubic convolution interpolation", with a = -0.75.
"""

from __future__ import annotations

import math

import numpy as np

from ..params import Array

KEYS_A = -0.75


def resize_positions(positions: Array, *, rows: int, columns: int) -> Array:
    """Interpolate position embeddings to rows x columns patches: (old + 1, D) -> (new + 1, D).

    That of the class token, the first, stays; the others are a square grid. Interpolation is one
    matrix product along each side of the grid. A grid of the same size comes out bit by bit.
    """
    class_position, grid = positions[:1], positions[1:]
    P, D = grid.shape
    side = math.isqrt(P)
    down = cubic_matrix(side, rows)  # (rows, side)
    across = cubic_matrix(side, columns)  # (columns, side)
    tall = down @ grid.reshape(side, side * D)  # (rows, side * D)
    wide = across @ tall.reshape(rows, side, D)  # (rows, columns, D)
    return np.concatenate([class_position, wide.reshape(rows * columns, D)])


def cubic_matrix(old: int, new: int) -> Array:
    """Say how much of each of the old points goes into each new point: -> (new, old) float32.

    Points are the middles of equal cells, so new point i lies at (i + 1/2) old/new - 1/2. It
    takes from the four old points around it; beyond the border the last point stands in. When
    shrinking, the points between are skipped and not averaged, as in torch without antialias.
    """
    matrix = np.zeros((new, old), np.float32)  # (new, old)
    for i in range(new):
        centre = (i + 0.5) * old / new - 0.5
        for neighbour in range(math.floor(centre) - 1, math.floor(centre) + 3):
            inside = min(max(neighbour, 0), old - 1)
            matrix[i, inside] += keys_kernel(abs(centre - neighbour))
    return matrix


def keys_kernel(distance: float) -> float:
    """Weigh an old point by its distance from the new one: 1 at 0, and 0 from 2 on."""
    a, d = KEYS_A, distance
    if d < 1:
        return ((a + 2) * d - (a + 3)) * d * d + 1
    if d < 2:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return 0.0
