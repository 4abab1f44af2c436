"""What processes gather: the same arrays in each."""

from __future__ import annotations

import numpy as np
import pytest
from processes_at_work import simple

from numpygit.fast.processes import group
from numpygit.fast.processes.shared import RING, Rank

pytestmark = pytest.mark.skipif(not group.can_fork(), reason="processes need Linux")


def test_what_is_gathered_lives_as_long_as_the_ring():
    def work(rank: Rank, x: np.ndarray) -> list[np.ndarray]:
        whole = np.arange(30, dtype=np.float32).reshape(5, 6) + x[0]
        rows, columns = rank.own(5), rank.own(6)
        kept = []
        for number in range(3 * RING):
            one, two = whole + number, whole - number
            kept.append(rank.gather(one[rows], own=rows, total=5))
            kept.append(rank.gather(two[rows], own=rows, total=5))
            kept.append(rank.gather(one[:, columns], own=columns, total=6, axis=1))
            np.testing.assert_array_equal(kept[-1], one)
            np.testing.assert_array_equal(kept[-2], two)
            np.testing.assert_array_equal(kept[-3], one)
        return [np.array(array) for array in kept[-3:]]

    found = simple(work, 4)
    last = np.arange(30, dtype=np.float32).reshape(5, 6) + 7 + 3 * RING - 1
    given = found.shared.arena.put(np.full(3, 7))
    np.testing.assert_array_equal(found.run(0, {"x": given.place}, list)[-1], last)
    found.close()
