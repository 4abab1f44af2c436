"""Which tests check a module? Those of its name in the room of its name, or those that say so.

    python tests/helpers/find_tests.py numpygit/data/tsv.py        # -> tests/data/test_sources.py

A test file of several modules lists them at the end of its docstring: "Checks data/coco.py, ...".
"""

from __future__ import annotations

import ast
import gc
import re
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS, PACKAGE = ROOT / "tests", ROOT / "numpygit"


def main() -> None:
    """Print the test files of the modules that are named."""
    for name in sys.argv[1:]:
        print(*tests_of(name), sep="\n")


def tests_of(module: str) -> list[str]:
    """Find the test files of `numpygit/room/file.py`: -> paths from the repository's root."""
    name = module.removeprefix("numpygit/")
    room, _, file = name.rpartition("/")
    mirror = TESTS / room / f"test_{file}"
    found = [mirror] if mirror.is_file() else []
    found += [path for path, modules in listed().items() if name in modules and path != mirror]
    return [path.relative_to(ROOT).as_posix() for path in found]


@cache
def tree_of(path: Path) -> ast.Module:
    """Parse a Python file, once for all the tests that look at it."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """List all nodes of a Python file, once for all the tests that look at it."""
    gc.disable()  # there are a million of them
    try:
        found = tuple(ast.walk(tree_of(path)))
    finally:
        gc.enable()
        gc.freeze()
    return found


@cache
def listed() -> dict[Path, list[str]]:
    """Read which modules each test file lists in its docstring."""
    found = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        docstring = re.match(r'"""(.*?)"""', path.read_text(encoding="utf-8"), re.DOTALL)
        text = docstring[1].rstrip() if docstring else ""
        sentence = re.search(r"^Checks (.*)\.\Z", text, re.MULTILINE | re.DOTALL)
        found[path] = re.split(r",\s+", sentence[1]) if sentence else []
    return found


if __name__ == "__main__":
    main()
