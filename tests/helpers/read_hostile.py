"""Read hostile files in a process of its own, watched: which events, how much memory, what end.

python tests/helpers/read_hostile.py FOLDER...      prints one JSON object a line
"""

import json
import resource
import signal
import sys
import tracemalloc
from pathlib import Path

from numpygit import loading
from numpygit.errors import UserError

EVENTS: list[str] = []
SPARE = 400 * 2**20  # address space beyond what the process has when it begins
SECONDS = 5  # of computing, not by the clock: the machine may be busy with something else


def watch(event: str, arguments: tuple) -> None:
    """Note everything that Python tells of: imports, calls of the system, opened files."""
    if event == "open":
        event = f"open for {arguments[1]!r} {arguments[2] & 0o3}"
    EVENTS.append(event)


def read(folder: Path) -> dict[str, object]:
    EVENTS.clear()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        loading.load(folder)
        end = "loaded"
    except UserError as error:
        end = f"UserError: {error}"
    except BaseException as error:
        end = f"{type(error).__name__}: {str(error)[:200]}"
    signal.setitimer(signal.ITIMER_PROF, 0)
    peak = tracemalloc.get_traced_memory()[1] - before
    return {"name": folder.name, "end": end, "peak": peak, "events": sorted(set(EVENTS))}


def main() -> None:
    folders = [Path(argument) for argument in sys.argv[1:]]
    read(folders[0])  # imports what is imported late
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + SPARE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    tracemalloc.start()
    sys.addaudithook(watch)
    for folder in folders:
        result = read(folder)
        print(json.dumps(result))


if __name__ == "__main__":
    main()
