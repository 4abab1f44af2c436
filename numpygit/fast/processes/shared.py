"""Memory that several processes share: a barrier, and room for what they gather.

Each process counts its steps in a cell of its own, and looks at the others' cells until all have
come as far: that takes a microsecond or two, where waking a thread takes 50 and more.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from mmap import mmap

import numpy as np

from ...model.params import Array
from ..teams import Member, Team

RING = 8  # gathered arrays that are kept: a layer reads what was gathered up to three times before
CELL = 16  # numbers of 8 bytes from one process's cell to the next: each has cache lines of its own
LOOKS_PER_YIELD, LOOKS_PER_CHECK = 200, 5000  # giving way, and asking who is still there


class Shared:
    """Memory for `size` processes, each of which is forked after this is made.

    `numbers` is how large a gathered array may be; `arrays` are shapes of float32 arrays by name.
    """

    def __init__(self, size: int, *, numbers: int, arrays: Mapping[str, tuple[int, ...]]) -> None:
        head = 8 * CELL * size
        counts = [RING * numbers, *(math.prod(shape) for shape in arrays.values())]
        memory = mmap(-1, head + 4 * sum(counts))
        self.size = size
        self.cells = memoryview(memory)[:head].cast("Q")
        pieces = np.split(np.frombuffer(memory, np.float32, offset=head), np.cumsum(counts)[:-1])
        self.ring = pieces[0].reshape(RING, numbers)
        self.arrays = {
            name: piece.reshape(shape)
            for (name, shape), piece in zip(arrays.items(), pieces[1:], strict=True)
        }


class Rank(Member):
    """One process of a group; `rank` 0 is the one that asked.

    `check` looks whether the others are there: it raises LostError in rank 0, and ends others.
    """

    def __init__(self, shared: Shared, rank: int, *, check: Callable[[], None]) -> None:
        super().__init__(Team(shared.size), rank)
        self.shared, self.check = shared, check
        self.steps = 0

    def meet(self) -> None:
        """Wait until all processes have come to this step."""
        cells, looks = self.shared.cells, 0
        self.steps += 1
        cells[self.rank * CELL] = self.steps
        for other in range(self.shared.size):
            while cells[other * CELL] < self.steps:
                looks += 1
                if looks % LOOKS_PER_YIELD == 0:
                    os.sched_yield()
                if looks % LOOKS_PER_CHECK == 0:
                    self.check()

    def gather(self, *parts: Array, own: slice, total: int, axis: int = 0) -> tuple[Array, ...]:
        """Join the parts of all processes, as threads of a team do; the arrays live in the ring."""
        found = []
        for part in parts:
            shape = (total, part.shape[1]) if axis == 0 else (len(part), total)
            whole = self.shared.ring[self.gathered % RING][: math.prod(shape)].reshape(shape)
            whole[np.index_exp[own] if axis == 0 else np.index_exp[:, own]] = part
            self.gathered += 1
            found.append(whole)
        self.meet()
        return tuple(found)
