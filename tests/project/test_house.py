"""The shape of the house: short functions, short files, few files in a folder, no circles."""

import ast
from collections.abc import Iterator
from pathlib import Path

from find_tests import nodes_of

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "numpygit"
FILES = sorted(PACKAGE.rglob("*.py"))

# What is longer still: it may get shorter and leave this list, and nothing may join it.
LONG_FUNCTIONS: dict[str, int] = {}
LONG_FILES: dict[str, int] = {}
FULL_FOLDERS: dict[str, int] = {}


def lines_of(function: ast.FunctionDef) -> int:
    """Count the lines of a function; a docstring in numpydoc form is documentation, not code."""
    count = function.end_lineno - function.lineno + 1
    if "\n----" in (ast.get_docstring(function) or "").replace("    ", ""):
        count -= function.body[0].end_lineno - function.body[0].lineno + 1
    return count


def test_functions_have_at_most_40_lines():
    found = []
    for path in FILES:
        for node in nodes_of(path):
            if isinstance(node, ast.FunctionDef):
                name = f"{path.name}: {node.name}"
                if lines_of(node) > LONG_FUNCTIONS.get(name, 40):
                    found.append(f"{name} has {lines_of(node)} lines")
    assert not found


def test_files_have_at_most_400_lines_and_folders_at_most_11_files():
    for path in FILES:
        name = path.relative_to(PACKAGE).as_posix()
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= LONG_FILES.get(name, 400), name
    for folder in {path.parent for path in FILES} - {PACKAGE}:
        name = folder.relative_to(PACKAGE).as_posix()
        count = len([path for path in FILES if path.parent == folder])
        assert count <= FULL_FOLDERS.get(name, 11), name


def test_the_package_has_at_most_16_entries_at_its_top():
    pythons = {"__init__.py", "__main__.py", "__pycache__", "py.typed"}  # what its tools look for
    assert len({path.name for path in PACKAGE.iterdir()} - pythons) <= 16


def imports_of(path: Path) -> Iterator[Path]:
    """List the files of the package that a file imports when it is imported."""
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for target in (base, *(base / alias.name for alias in node.names)):
                if target.with_suffix(".py").is_file():
                    yield target.with_suffix(".py")


def test_there_is_no_circle_between_files():
    arrows = {path: set(imports_of(path)) - {path} for path in FILES}
    assert sum(map(len, arrows.values())) > 300
    left = dict(arrows)
    while True:
        free = [path for path, to in left.items() if not to & left.keys()]
        if not free:
            break
        for path in free:
            del left[path]
    assert not [str(path.relative_to(PACKAGE)) for path in left]


# What prints outside `cli/`, and why: everything else is logged, or is a command's business.
PRINTING = {
    "errors.py: complain",  # the one line of a command that fails
    "trace.py: __call__",  # a Printer, whose trade it is
    "inside/step.py: write",  # a conversation in the terminal
    "inside/show.py: show",  # tutorials
    "data/sinks/files.py: write",  # the standard output as a place for captions
    "scale/ray.py: write",
    "huggingface/streamers.py: on_finalized_text",
}


def test_the_library_prints_only_where_printing_is_its_trade():
    found = set()
    for path in FILES:
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith("cli/"):
            continue
        for function in nodes_of(path):
            if isinstance(function, ast.FunctionDef):
                for node in ast.walk(function):
                    called = node.func if isinstance(node, ast.Call) else None
                    if isinstance(called, ast.Name) and called.id == "print":
                        found.add(f"{name}: {function.name}")
    assert found <= PRINTING, found - PRINTING
