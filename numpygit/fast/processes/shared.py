"""Memory that several processes share: a barrier, room for what they gather, and an arena.

Each process counts its steps in a cell of its own, and looks at the others' cells until all have
come as far: that takes a microsecond or two, where waking a thread takes 50 and more.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import numpy as np

from ...model.params import Array
from ..pool import groups
from ..teams import WHOLE, Member, Team
from .arena import Arena, reserve

RING = 4  # gathered arrays that are kept: a layer adds x to what is gathered three times later
CELL = 16  # numbers of 8 bytes from one process's cell to the next: each has cache lines of its own
LOOKS_PER_YIELD, LOOKS_PER_CHECK = 10, 5000  # giving way, and asking who is still there


class Shared:
    """Memory for `size` processes, each of which is forked after this is made.

    `numbers` is how large a gathered array may be; `room` is how many bytes the arena has.
    """

    def __init__(self, size: int, *, numbers: int, room: int) -> None:
        self.size, self.numbers = size, numbers
        self.cells = {  # for each size of teams, each process's steps
            size // teams: memoryview(reserve(8 * CELL * size)).cast("Q")
            for teams in range(1, size // 2 + 1)
        }
        count = size // 2 * RING * numbers
        rings = np.frombuffer(reserve(4 * count), np.float32, count)
        self.rings = rings.reshape(size // 2, RING, numbers)  # one for each team
        self.arena = Arena(room)


class Rank(Member):
    """One process of a group, or of a team of so many of them; rank 0 of the group is who asked.

    `check` looks whether the others are there: it raises LostError in rank 0, and ends others.
    """

    def __init__(
        self, shared: Shared, process: int, *, check: Callable[[], None], team: int = 0
    ) -> None:
        size = team or shared.size
        number, rank = divmod(process, size)
        super().__init__(Team(size), rank)
        self.shared, self.process, self.check = shared, process, check
        self.cells, self.ring = shared.cells[size], shared.rings[number]
        self.all = range(number * size, number * size + size)
        self.steps = 0
        self.teams: dict[int, Rank] = {}

    def in_teams(self, work: Callable[[slice, Member], object], pictures: int) -> None:
        """Call `work` with some pictures, or one and the members of a team; all have ended it then.

        As threads share out a batch: each process takes groups of them (`pool.groups`; data
        parallelism); what is left over goes to teams of equal size, one picture each.
        """
        processes = self.shared.size
        alone, left, size = groups(pictures, threads=processes, team=processes)
        for group in alone[self.process :: processes]:
            work(group, WHOLE)
        if self.process // size < len(left):
            work(left[self.process // size], self.of_team(size))
        self.meet()

    def of_team(self, size: int) -> Rank:
        """Be a member of a team of so many processes."""
        if size == self.shared.size:
            return self
        if size not in self.teams:
            self.teams[size] = Rank(self.shared, self.process, check=self.check, team=size)
        return self.teams[size]

    def meet(self) -> None:
        """Wait until all processes of the team have come to this step."""
        cells, looks = self.cells, 0
        self.steps += 1
        cells[self.process * CELL] = self.steps
        for other in self.all:
            while cells[other * CELL] < self.steps:
                looks += 1
                if looks % LOOKS_PER_YIELD == 0:
                    os.sched_yield()
                if looks % LOOKS_PER_CHECK == 0:
                    self.check()

    def room(self, shape: tuple[int, int]) -> Array:
        """Get the array into which all gather, in the ring."""
        return self.ring[self.gathered % RING][: math.prod(shape)].reshape(shape)
