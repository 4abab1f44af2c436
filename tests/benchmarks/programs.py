"""The programs that speed.py measures, each on cores of its own choice, and whether it had them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from numpygit.fast import SLEEP_SOON  # noqa: E402

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def environment(cores: int, *, sleep_soon: bool = True) -> dict[str, str]:
    """Tell a program how many cores it may use; threads of OpenBLAS as numpygit has them.

    Or, where they shall not sleep soon, as in a program that has loaded NumPy before numpygit.
    """
    kept = {name: value for name, value in os.environ.items() if name != SLEEP_SOON[0]}
    kept |= {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)} | dict.fromkeys(THREADS, str(cores))
    return kept | dict([SLEEP_SOON] if sleep_soon else [])


def pinned(cores: range) -> list[str]:
    """Keep a program on these cores, so that it cannot use more."""
    return ["taskset", "--cpu-list", f"{cores.start}-{cores.stop - 1}"]


class Program:
    """A worker that waits for jobs."""

    def __init__(
        self, python: str, kind: str, folder: Path, cores: range, *, sleep_soon: bool = True
    ) -> None:
        self.said = tempfile.TemporaryFile("w+")  # noqa: SIM115 (open while the program runs)
        self.process = subprocess.Popen(
            [*pinned(cores), python, str(HERE / "worker.py"), kind, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said, text=True,
            env=environment(len(cores), sleep_soon=sleep_soon),
        )  # fmt: skip
        self.jobs = self.answer()["jobs"]

    def answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            self.said.seek(0)
            sys.exit(f"{self.process.args[-2]} has died:\n{self.said.read()[-2000:]}")
        return json.loads(line)

    def say(self, **question: object) -> None:
        print(json.dumps(question), file=self.process.stdin, flush=True)

    def ask(self, **question: object) -> dict:
        self.say(**question)
        return self.answer()

    def do(self, job: str, repeats: int) -> dict:
        return self.ask(job=job, repeats=repeats)


def busy() -> float:
    """Read how many seconds all cores together have worked since the machine started."""
    numbers = [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(numbers) - numbers[3] - numbers[4]) / os.sysconf("SC_CLK_TCK")


def quiet_turn(program: Program, job: str, repeats: int, used: float) -> tuple[dict, bool]:
    """Let a program do a job; tell whether it had the machine for itself."""
    time.sleep(0.3)  # until the threads of the one before sleep
    before, start = busy(), time.perf_counter()
    found = program.do(job, repeats)
    wall = time.perf_counter() - start
    foreign = busy() - before - (found["used"] - used)
    return found, foreign < 0.1 * wall * os.cpu_count()


def kind_of(name: str) -> str:
    """Say what a worker is to run: numpygit, or else transformers."""
    return "numpygit" if name == "numpygit" else "transformers"


class Processes:
    """Several workers that share out a folder, each with its part of the cores."""

    def __init__(self, python: str, name: str, folder: Path, cores: range, count: int) -> None:
        each = len(cores) // count
        starts = range(cores.start, cores.start + each * count, each)
        self.programs = [
            Program(python, kind_of(name), folder, range(start, start + each)) for start in starts
        ]

    def do(self, job: str, pictures: int | None = None) -> tuple[float, list[str], int]:
        """Let all do their shares of a job: -> seconds, captions in order, peak bytes together."""
        count = len(self.programs)
        start = time.perf_counter()
        for number, program in enumerate(self.programs):
            program.say(job=job, repeats=1, share=[number, count, pictures])
        found = [program.answer() for program in self.programs]
        seconds = time.perf_counter() - start
        texts: list[list[str]] = [[] for _ in range(sum(len(one["result"]) for one in found))]
        for number, one in enumerate(found):
            texts[number::count] = one["result"]
        peak = sum(one["peak"] for one in found)
        return seconds, [text for batch in texts for text in batch], peak

    def end(self) -> None:
        for program in self.programs:
            program.process.kill()
