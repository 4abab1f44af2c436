"""A cluster on paper: 1,000 workers caption 100 million pictures in 10,000 shards, and some die.

    python tests/benchmarks/cluster.py [--workers 1000] [--shards 10000] [--seed 1]

Shares are numpygit's own (`--shard I/N`); time is made up. A worker captions so many pictures a
second, each machine at its own speed, a few at half of it. Every worker dies now and then; its
share is put back at the end of the queue, and whoever takes it goes on behind the last batch that
was written. "fixed" gives every worker one share for the whole run, as a loop over machines would;
"queue" lets each take the next share, as a job array of Slurm or `xargs -P` does.
"""

from __future__ import annotations

import argparse
import heapq
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from numpygit.data import Row, Share

BATCH = 8  # pictures that are written together
STORED = 10_000  # pictures a shard


@dataclass(frozen=True)
class Cluster:
    """What is made up."""

    workers: int = 1000
    shards: int = 10_000
    rate: float = 2.0  # pictures a second of a worker, git-base on two cores
    spread: float = 0.1  # of the machines' speeds
    slow: float = 0.02  # of the machines, at half their speed
    hours_to_death: float = 24.0
    start: float = 60.0  # seconds until a worker that died is back, and to begin a share


class Outcome(NamedTuple):
    """How a run ended."""

    shares: int
    hours: float
    tail: float  # of the run: from the first worker without work to the end
    busy: float  # of the workers' time, until the end
    deaths: int
    repeated: int  # pictures that were captioned, but died before they were written
    written: Counter[int]  # pictures of each share


def sizes(cluster: Cluster, count: int, rng: np.random.Generator) -> list[int]:
    """Count the pictures of each share; a divided shard is dealt out as its keys' hash would."""
    if count <= cluster.shards:
        return [STORED * len(range(i, cluster.shards, count)) for i in range(count)]
    found = np.zeros(count, int)
    for shard in range(cluster.shards):
        several = range(shard, count, cluster.shards)
        found[several] = rng.multinomial(STORED, [1 / len(several)] * len(several))
    return [int(size) for size in found]


def check(cluster: Cluster, count: int, shards: int = 7) -> None:
    """Give a few shards out by numpygit itself: every picture must be in exactly one share."""
    paths = [Path(f"{i:05}.tar") for i in range(shards)]
    parts = max(1, count * shards // cluster.shards)
    seen: Counter[str] = Counter()
    for number in range(parts):
        share = Share(number, parts)
        for path in share.files(paths):
            rows = [Row(f"{path.name}/{i:09}", None) for i in range(STORED)]
            seen.update(row.key for row in share.rows(rows, files=shards))
    if len(seen) != shards * STORED or set(seen.values()) != {1}:
        raise AssertionError("a picture is in no share, or in two")


def simulate(cluster: Cluster, count: int, *, is_fixed: bool, seed: int = 1) -> Outcome:
    """Run the cluster with `count` shares to the end."""
    rng = np.random.default_rng(seed)
    rates = cluster.rate * np.exp(cluster.spread * rng.standard_normal(cluster.workers))
    rates[rng.random(cluster.workers) < cluster.slow] /= 2
    totals = sizes(cluster, count, rng)
    written: Counter[int] = Counter()
    queue = deque(range(count))
    own = {worker: deque([worker]) for worker in range(cluster.workers)} if is_fixed else {}
    free = [(0.0, worker) for worker in range(cluster.workers)]
    idle: dict[int, float] = {}
    deaths = repeated = 0
    busy = end = 0.0
    heapq.heapify(free)
    while free:
        now, worker = heapq.heappop(free)
        waiting = own.get(worker, queue)
        if not waiting:
            idle[worker] = now
            continue
        share = waiting.popleft()
        left = totals[share] - written[share]
        needed = left / rates[worker]
        death = rng.exponential(cluster.hours_to_death * 3600)
        if death < needed:
            done = int(death * rates[worker])
            kept = done // BATCH * BATCH
            written[share] += kept
            repeated, deaths = repeated + done - kept, deaths + 1
            waiting.append(share)
            busy += death
            heapq.heappush(free, (now + death + 2 * cluster.start, worker))
            for other, since in idle.items():  # someone who waits takes it
                if not is_fixed:
                    heapq.heappush(free, (max(since, now + death), other))
            idle = idle if is_fixed else {}
        else:
            written[share] += left
            busy += needed
            end = max(end, now + cluster.start + needed)
            heapq.heappush(free, (now + cluster.start + needed, worker))
    first = min(idle.values())
    used = busy / (end * cluster.workers)
    if any(written[share] != totals[share] for share in range(count)):
        raise AssertionError("a share is not whole")
    return Outcome(count, end / 3600, (end - first) / end, used, deaths, repeated, written)


def main() -> None:
    """Print what comes out of several ways to share the work out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--shards", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    cluster = Cluster(options.workers, options.shards)
    ideal = cluster.shards * STORED / cluster.workers / cluster.rate / 3600
    print(f"{cluster.shards * STORED:,} pictures, {ideal:.2f} hours if all were alike")
    for name, count in (
        ("fixed", cluster.workers),
        ("queue", cluster.shards),
        ("queue", 5 * cluster.shards),
    ):
        check(cluster, count)
        one = simulate(cluster, count, is_fixed=name == "fixed", seed=options.seed)
        print(
            f"{name} {count:6,} shares: {one.hours:6.2f} hours, tail {one.tail:6.1%}, workers busy "
            f"{one.busy:.1%}, {one.deaths:,} deaths, {one.repeated:,} pictures captioned twice, "
            f"{sum(one.written.values()):,} written"
        )


if __name__ == "__main__":
    main()
