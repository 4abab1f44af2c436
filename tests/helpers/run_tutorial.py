"""Run one tutorial cell by cell in this process, offline, and try wrong answers in its exercises.

    python tests/helpers/run_tutorial.py tutorials/00_forty_lines.py

Its pictures are written where NUMPYGIT_PICTURES says. Ends with status 0 if all cells run, the
right answer passes in every exercise and a wrong one fails. Prints the number of exercises, and the
seconds that the processor worked.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")


class Cell(NamedTuple):
    """Code, or prose."""

    text: str
    line: int  # of its first line in the file
    is_prose: bool


def cells_of(path: Path) -> list[Cell]:
    """Cut a percent script into cells; prose comes without its `# `."""
    lines = path.read_text(encoding="utf-8").splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("# %%")]
    assert starts[0] == 0, "a tutorial begins with a cell"
    found = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        is_prose = lines[start] == "# %% [markdown]"
        body = lines[start + 1 : end]
        if is_prose:
            body = [re.sub("^# ?", "", line) for line in body]
        found.append(Cell("\n".join(body).strip("\n") + "\n", start + 2, is_prose))
    return found


def forbid_network(event: str, _: tuple[object, ...]) -> None:
    """Raise where Python is about to use the network."""
    if event in NETWORK:
        raise RuntimeError(f"a tutorial must run offline; this is {event}")


def execute(cell: Cell, path: Path, names: dict[str, Any]) -> None:
    """Run a cell; errors point at the right line of the file."""
    padded = "\n" * (cell.line - 1) + cell.text
    exec(compile(padded, str(path), "exec"), names)


def wrong(solution: Any) -> Any:
    """Make an answer that is not the solution, but of its kind."""
    if callable(solution):
        right: Callable[..., Any] = solution
        return lambda *given: right(*given) + 1
    if isinstance(solution, str):
        return solution + " and more"
    if isinstance(solution, list | tuple):
        return type(solution)([*solution[:-1], wrong(solution[-1])])
    return np.asarray(solution) + 1 if isinstance(solution, np.ndarray) else solution + 1


def run(path: Path) -> int:
    """Run all cells, and each exercise with a right and a wrong answer: -> number of exercises."""
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    blank, exercises = False, 0
    for cell in cells_of(path):
        if cell.is_prose:
            continue
        execute(cell, path, names)
        if blank:
            exercises += 1
            for_right = {**names, "yours": names["solution"]}
            execute(cell, path, for_right)
            for_wrong = {**names, "yours": wrong(names["solution"])}
            try:
                execute(cell, path, for_wrong)
            except AssertionError:
                pass
            else:
                raise SystemExit(f"{path.name}, line {cell.line}: a wrong answer passes")
        blank = cell.text.strip() == "yours = ..."
    return exercises


if __name__ == "__main__":
    sys.addaudithook(forbid_network)
    print(run(Path(sys.argv[1]).resolve()), time.process_time())
