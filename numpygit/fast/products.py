"""Products of few rows, as words are, with a matrix: what is quickest was measured.

OpenBLAS packs a matrix, copying it into an order of its own, before it multiplies. For a few rows
that costs more than the product itself, and memory is read where one row would do.
"""

from __future__ import annotations

import numpy as np

from ..model.params import Array
from .pool import spread
from .threads import multiplies_small_directly

FEW, FEW_ON_MANY = 32, 16  # rows: up to so many, packing costs more than it brings; on many threads
MANY = 4  # threads: so many pack quicker than Python's own threads multiply without
VECTORS = 4  # rows: up to so many are multiplied one vector after the other, on several threads
NEAR = 400_000  # numbers of a matrix that stay in one core's second-level cache: 1.6 MB
SMALL = 1_000_000  # multiplications of a product that OpenBLAS does without packing the matrices
SLICE = 786_432  # numbers of a matrix that OpenBLAS packs at once, where it packs


def product(x: Array, weight: Array, *, threads: int = 1) -> Array:
    """Multiply rows by a matrix: (T, in) and (out, in) -> (T, out)."""
    (found,) = products(x, weight, threads=threads)
    return found


def products(x: Array, *weights: Array, threads: int = 1) -> list[Array]:
    """Multiply rows by matrices of one shape: (T, in) and n times (out, in) -> n times (T, out).

    OpenBLAS has so many threads. One row is a product of a matrix and a vector. So are two to four,
    slice by slice, on two threads or more, or where OpenBLAS packs whatever it multiplies. Else a
    stack of slices so small that it does not pack them; or slices of a size that stays in the cache
    while it is packed.
    """
    rows, row_by_row = len(x), all(weight.flags.c_contiguous for weight in weights)
    few = FEW if threads < MANY else FEW_ON_MANY
    if rows > few or not row_by_row:
        return [x @ weight.T for weight in weights]
    if rows == 1:
        return [(weight @ x[0])[None] for weight in weights]
    directly = multiplies_small_directly()
    if rows <= VECTORS and (threads > 1 or not directly):
        return [vectors(x, weight, threads=threads) for weight in weights]
    if threads < MANY and directly:
        return stacked(x, *weights, threads=1 if rows < 8 else threads)
    return [sliced(x, weight) for weight in weights]


def vectors(x: Array, weight: Array, *, threads: int) -> Array:
    """Multiply vector after vector by a slice, while it lies in the caches of the threads."""
    T, width = x.shape
    found = np.empty((T, len(weight)), np.float32)
    step = max(1, threads * NEAR // width)
    for start in range(0, len(weight), step):
        some = weight[start : start + step]
        for row in range(T):
            np.matmul(some, x[row], out=found[row, start : start + step])
    return found


def stacked(x: Array, *weights: Array, threads: int = 1) -> list[Array]:
    """Multiply by matrices, each a stack of slices of less than `SMALL` multiplications.

    (T, in) and n times (out, in) -> n times (T, out). Threads take some rows of every matrix.
    """
    columns = np.ascontiguousarray(x.T)  # (in, T)
    found = np.empty((len(weights), len(weights[0]), len(x)), np.float32)

    def share(rows: slice) -> None:
        for weight, into in zip(weights, found, strict=True):
            multiply_stacked(weight[rows], columns, out=into[rows])

    spread(share, len(weights[0]), threads=threads)
    return [np.ascontiguousarray(one.T) for one in found]


def multiply_stacked(weight: Array, columns: Array, *, out: Array) -> None:
    """Write weight @ columns into `out`: (out, in) and (in, T) -> (out, T)."""
    rows, width = weight.shape
    T = columns.shape[1]
    step = max(1, SMALL // (width * T))
    slices = rows // step
    whole = slices * step
    stack = weight[:whole].reshape(slices, step, width)
    np.matmul(stack, columns, out=out[:whole].reshape(slices, step, T))
    np.matmul(weight[whole:], columns, out=out[whole:])


def sliced(x: Array, weight: Array) -> Array:
    """Multiply slices of a large matrix one after the other; a small one is a slice itself."""
    columns = x.T
    if weight.size <= 4 * SLICE:
        return np.ascontiguousarray((weight @ columns).T)
    found = np.empty((len(weight), len(x)), np.float32)
    step = SLICE // weight.shape[1]
    for start in range(0, len(weight), step):
        found[start : start + step] = weight[start : start + step] @ columns
    return np.ascontiguousarray(found.T)
