"""Pictures a second: from a folder and from a tar, by threads, processes and Ray; memory that is
shared.

    python tests/benchmarks/scale.py [--pictures 500] [--base 16] [--rounds 3] [--ray]

The kinds take turns; told are the best of the rounds, and the median over the rounds of how many
times as fast as the first kind each was, which a busy machine disturbs least. "cold" means that the
system was asked to forget the files first (not the names of a folder). "storybook" captions drawn
scenes with the bundled model; "git-base" has its geometry and random weights, and generates 20
tokens of random pictures. Loading the model and starting processes is not counted.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from numpygit import storybook
from numpygit.captioner import load
from numpygit.data import read
from numpygit.data.speak import batches, speak
from numpygit.scale import workers as processes

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "golden")]


def draw(folder: Path, count: int, size: int) -> None:
    """Write scenes as a folder of pictures and as a tar of the same files."""
    (folder / "pictures").mkdir(parents=True)
    for i in range(count):
        scene = storybook.sample(np.random.default_rng([i, 77]))
        storybook.render(scene, size).save(folder / "pictures" / f"{i:06}.jpg", quality=90)
    with tarfile.open(folder / "s.tar", "w") as tar:
        for path in sorted((folder / "pictures").iterdir()):
            tar.add(path, path.name)


def taken(kinds: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Let the kinds take turns: -> the times of each."""
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, work in kinds.items():
            found[name].append(work())
    return found


def forget(source: Path) -> None:
    """Ask the system to drop what it keeps of a file, or of the files of a folder."""
    for path in source.iterdir() if source.is_dir() else [source]:
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def reading(source: Path, *, decode: bool = False, cold: bool = False) -> Callable[[], float]:
    """Make the work of reading every picture of a source."""

    def work() -> float:
        if cold:
            forget(source)
        start = time.perf_counter()
        for row in read(source, with_texts=False):
            content = row.read()
            if decode:
                with Image.open(
                    content if isinstance(content, Path) else io.BytesIO(content)
                ) as picture:
                    picture.load()
            elif isinstance(content, Path):
                content.read_bytes()
        return time.perf_counter() - start

    return work


def captioning(
    rows: list[Any], how: dict[str, Any], workers: int | None, size: int, length: int | None
) -> Callable[[], float]:
    """Make the work of captioning rows in batches; models are loaded before its first time."""
    every = list(batches(rows, size))
    if workers is None:
        captioner = load(**how)

        def alone() -> float:
            start = time.perf_counter()
            for batch in every:
                speak(captioner, batch, max_length=length)
            return time.perf_counter() - start

        return alone

    pool = processes.make_pool(how, workers)
    list(pool.map(wait, range(workers)))  # each process has its model then

    def together() -> float:
        start = time.perf_counter()
        for said in [pool.submit(processes.work, batch, length) for batch in every]:
            said.result()
        return time.perf_counter() - start

    return together


def wait(number: int) -> None:
    """Keep a process busy until the others have begun."""
    time.sleep(15)


def shared_memory(model: str) -> list[dict[str, int]]:
    """Measure two processes with the same model: kB of each, as the system counts them."""
    from multiprocessing import get_context

    context = get_context("spawn")
    with context.Pool(2) as pool:
        return pool.map(memory_of, [model] * 2, chunksize=1)


def memory_of(model: str) -> dict[str, int]:
    """Load a model, caption once, and read what the memory of this process is."""
    captioner = load(model, threads=1)
    captioner.caption(Image.new("RGB", (64, 64)), max_length=8)
    time.sleep(20)  # until the other is as far
    wanted = ("Rss", "Pss", "Shared_Clean", "Private_Clean", "Private_Dirty")
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(wanted)}


def with_ray(folder: Path, model: str, actors: int, length: int | None, rows: int = 8) -> float:
    """Caption a folder by Ray; the whole time of the job, without the start of Ray."""
    import ray

    from numpygit.scale.ray import Caption, strategy

    start = time.perf_counter()
    pictures = ray.data.read_binary_files(str(folder), include_paths=True)
    said = pictures.repartition(target_num_rows_per_block=rows).map_batches(
        Caption, batch_size=rows, **strategy(actors, model=model, threads=1, max_length=length)
    )
    count = sum(1 for row in said.iter_rows() if row["caption"])
    if count == 0:
        raise AssertionError("Ray captioned nothing")
    return time.perf_counter() - start


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--base", type=int, default=16, help="pictures for git-base's geometry")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--words", type=int, default=20, help="for git-base's geometry")
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--only-reading", action="store_true")
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")
    with tempfile.TemporaryDirectory() as place:
        measure(Path(place), options)


def measure(place: Path, options: argparse.Namespace) -> None:
    """Measure everything in a folder of its own."""
    from speed import make_checkpoint

    draw(place, options.pictures, 256)
    base = place / "git-base"
    base.mkdir()
    make_checkpoint(base, "base-224", pictures=0)
    tell("reading", options.pictures, taken({
        f"{name}, {what}": reading(place / source, **how)
        for what, how in (
            ("bytes", {}), ("bytes, cold", {"cold": True}), ("decoded", {"decode": True})
        )
        for name, source in (("folder", "pictures"), ("tar", "s.tar"))
    }, 5 * options.rounds))  # fmt: skip
    if options.only_reading:
        return
    rows = list(read(place / "s.tar", with_texts=False))
    for model, some, size, length in (
        ("storybook", rows, 8, None),
        (str(base), rows[: options.base], 4, options.words),
    ):
        found = taken({
            f"{workers or 1} process, {threads} threads": captioning(
                some, {"name": model, "threads": threads}, workers, size, length
            )
            for workers, threads in ((None, 1), (None, 2), (2, 1))
        }, options.rounds)  # fmt: skip
        tell(Path(model).name, len(some), found)
    for one in shared_memory(str(base)):
        print("git-base, one of two processes, MB:", {k: v // 1024 for k, v in one.items()})
    if options.ray:
        import ray

        ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
        few = place / "few"
        few.mkdir()
        for path in sorted((place / "pictures").iterdir())[: options.base]:
            (few / path.name).write_bytes(path.read_bytes())
        for model, some, length, block in (
            ("storybook", place / "pictures", None, 8),
            (str(base), few, options.words, 2),
        ):
            seconds = {
                f"Ray, {n} actors": [with_ray(some, model, n, length, block)] for n in (1, 2)
            }
            tell(Path(model).name, len(list(some.iterdir())), seconds)


def tell(what: str, count: int, found: dict[str, list[float]]) -> None:
    """Print one table: the best of each kind, and the median of its rounds beside the first's."""
    first = next(iter(found.values()))
    for name, times in found.items():
        ratio = statistics.median(a / b for a, b in zip(first, times, strict=True))
        print(f"{what:10} {name:24} {count / min(times):9.2f} pictures/s, {ratio:.2f} of the first")


if __name__ == "__main__":
    main()
