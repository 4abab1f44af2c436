"""How light numpygit is: importing it, `--help`, what is installed, and the memory of a batch.

    python tests/benchmarks/light.py [--peer PYTHON] [--folder CHECKPOINT]

Importing is measured in seconds of the processor over what NumPy alone takes, so that other
programs matter little. Installed is every file of numpygit and of what it requires, in this
environment, and of torch and transformers in the peer's. The memory is the peak of a process that
captions so many pictures, so many at once (`numpygit caption FOLDER --batch-size N`), with the
checkpoint given (that of `speed.py --folder`).
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
from pathlib import Path

SIZES = """
import re, sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
todo, found = sys.argv[1:], {}
while todo:
    name = re.sub("[-_.]+", "-", todo.pop()).lower()
    try:
        dist = distribution(name)
    except PackageNotFoundError:
        continue
    if name in found:
        continue
    files = [Path(dist.locate_file(file)) for file in dist.files or ()]
    if name == "numpygit":  # may be linked to its sources
        import numpygit
        files = [file for file in Path(numpygit.__file__).parent.rglob("*")]
    found[name] = sum(file.stat().st_blocks * 512 for file in files if file.is_file())
    todo += [re.split("[ ;<>=!~(\\\\[]", need)[0] for need in dist.requires or ()
             if "extra ==" not in need]
print(sum(found.values()))
print(", ".join(f"{n} {found[n] / 1e6:.1f}" for n in sorted(found, key=found.get, reverse=True)))
"""
PEAK = """
import resource, sys
from pathlib import Path
import numpygit
captioner = numpygit.load(sys.argv[1])
paths = sorted(Path(sys.argv[1], "pictures").glob("*.jpg"))[: int(sys.argv[2])]
for start in range(0, len(paths), int(sys.argv[3])):
    captioner.captions(paths[start : start + int(sys.argv[3])], max_length=21)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def processor_seconds(command: list[str], rounds: int = 9) -> float:
    """Run a command some times: -> the median of what the processor spent on it."""
    seconds = []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(seconds)


def installed(python: str, *names: str) -> float:
    """Add up what packages and their requirements take in an environment: megabytes."""
    run = subprocess.run([python, "-c", SIZES, *names], capture_output=True, text=True, check=True)
    size, found = run.stdout.splitlines()
    print(f"  {python}: {found} MB")
    return int(size) / 1e6


def peak(folder: Path, pictures: int, at_once: int) -> float:
    """Caption pictures of a folder, some at once: -> the peak of resident memory, megabytes."""
    run = subprocess.run(
        [sys.executable, "-c", PEAK, str(folder), str(pictures), str(at_once)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(run.stdout) / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", metavar="PYTHON", help="with torch and transformers")
    parser.add_argument("--folder", type=Path, metavar="CHECKPOINT")
    asked = parser.parse_args()
    numpy_alone = processor_seconds([sys.executable, "-c", "import numpy"])
    both = processor_seconds([sys.executable, "-c", "import numpy, numpygit"])
    told = processor_seconds([sys.executable, "-m", "numpygit", "--help"])
    print(f"import numpygit: {both - numpy_alone:.3f} s over NumPy's {numpy_alone:.3f} s")
    print(f"numpygit --help: {told:.3f} s")
    mine = installed(sys.executable, "numpygit")
    print(f"installed with what it requires: {mine:.0f} MB")
    if asked.peer:
        theirs = installed(asked.peer, "torch", "transformers")
        print(f"torch and transformers: {theirs:.0f} MB, ratio {theirs / mine:.1f}")
    if asked.folder:
        for pictures, at_once in [(1, 1), (8, 8), (32, 8), (32, 32)]:
            size = peak(asked.folder, pictures, at_once)
            print(f"{pictures} pictures, {at_once} at once: at most {size:.0f} MB resident")


if __name__ == "__main__":
    main()
