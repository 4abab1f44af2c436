"""The cluster on paper: each picture in one share, and a short tail as we recommend it."""

from __future__ import annotations

import pytest
from benchmarks.cluster import Cluster, check, simulate

STORED = 100_000_000


def test_each_picture_once_and_a_short_tail():
    cluster = Cluster(workers=1000, shards=10_000)
    recommended = simulate(cluster, 50_000, is_fixed=False)
    assert sum(recommended.written.values()) == STORED
    assert recommended.deaths > 100
    assert recommended.tail < 0.05
    assert recommended.repeated < STORED // 10_000
    assert simulate(cluster, 1000, is_fixed=True).tail > 0.3  # what it is better than


@pytest.mark.slow
def test_shares_of_numpygit_itself():
    check(Cluster(workers=10, shards=7), 5)
    check(Cluster(workers=10, shards=7), 17)
