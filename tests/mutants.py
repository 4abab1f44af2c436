"""Do the tests notice? Change the code in one small way at a time, and list what no test saw.

    python tests/mutants.py --sample 60              # 60 of all changes, drawn by --seed
    python tests/mutants.py numpygit/model/text.py   # all changes of a file, or of several
    python tests/mutants.py --list                   # how many changes there are

A change: a comparison, an operator, a number, a truth value, `and` for `or`, `min` for `max`, a
`not` left out. Each is made in a copy of the repository; the tests of its room run there, the
likeliest first, until one fails. What passes them all has survived, and is printed. Changes that
change nothing, such as a larger block of the same result, are listed in EQUAL with the reason.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
TARGETS = [
    *(f"numpygit/model/{name}.py" for name in ("image", "layers", "vision", "text", "generate")),
    "numpygit/fast",
    "numpygit/captioner",
    "numpygit/decoding",
]
HEART = ["tests/golden/test_golden_tiny.py", "tests/model"]
SEARCHES = [
    "tests/decoding",
    "tests/golden/test_golden_generation.py",
    "tests/captioner/test_ask.py",
]
TESTS = {  # of files that begin with this: one that is quick and notices most, then the others
    "numpygit/model/image": ["tests/model/test_image.py", "tests/huggingface/processing"],
    "numpygit/model/generate": ["tests/model/test_generate.py", *SEARCHES, *HEART],
    "numpygit/model": [*HEART, "tests/golden/test_golden_forward.py", "tests/test_trace.py"],
    "numpygit/fast": ["tests/fast/test_towers.py", "tests/fast", "tests/model/test_shapes.py"],
    "numpygit/captioner": [
        "tests/captioner/test_captioner.py",
        "tests/captioner/test_ask.py",
        "tests/captioner/test_classify.py",
        "tests/golden/test_golden_storybook.py",
    ],
    "numpygit/decoding/options": ["tests/decoding/test_options.py", *SEARCHES],
    "numpygit/decoding/constrained": ["tests/captioner/test_ask.py", *SEARCHES],
    "numpygit/decoding": ["tests/golden/test_golden_generation.py", *SEARCHES],
}
COMPARE = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="}
OPERATE = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*"}
SIGNS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
         ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//"}  # fmt: skip
EQUAL = {  # "file: line as it is changed" -> why nothing can see it
    "numpygit/fast/attention.py: for some in cut(n, -(-n * together)):": "how many heads at once",
    "numpygit/fast/attention.py: HANDS = 5  # threads that do so: more of them wait for each other":
    "how many threads share the work",
    "numpygit/decoding/logits.py: if beyond < 0:": "factor ** 0 - 1 changes nothing",
    "numpygit/decoding/sampling.py: if options.epsilon_cutoff >= 0:": "0 cuts nothing",
}  # fmt: skip


class Mutant(NamedTuple):
    """One small change."""

    file: str
    line: int
    start: int  # of the piece that is replaced, in the whole text
    end: int
    new: str
    shown: str  # the line, changed


def main() -> None:
    """Try the changes, print the survivors and their share."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="*", default=TARGETS, help="files or folders")
    parser.add_argument("--sample", type=int, help="try so many, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="count the changes and stop")
    options = parser.parse_args()
    mutants = [m for file in files_of(options.files) for m in mutants_of(file)]
    if options.list:
        print(f"{len(mutants)} changes in {len({m.file for m in mutants})} files")
        return
    if options.sample and options.sample < len(mutants):
        mutants = random.Random(options.seed).sample(mutants, options.sample)
    survivors = [mutant for mutant in tried(mutants) if mutant is not None]
    killed = len(mutants) - len(survivors)
    print(f"{killed} of {len(mutants)} changes were noticed, {killed / len(mutants):.1%}")
    for mutant in survivors:
        print(f"SURVIVED {mutant.file}:{mutant.line}  {mutant.shown}")


def files_of(names: list[str]) -> Iterator[str]:
    """List the Python files of files and folders."""
    for name in names:
        path = ROOT / name
        found = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        yield from (one.relative_to(ROOT).as_posix() for one in found)


def mutants_of(file: str) -> Iterator[Mutant]:
    """List the changes of one file."""
    source = (ROOT / file).read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    data = source.encode()

    def place(line: int, column: int) -> int:
        return starts[line - 1] + column

    def made(start: int, end: int, new: str, line: int) -> Mutant:
        changed = (data[:start] + new.encode() + data[end:]).decode().splitlines()
        return Mutant(file, line, start, end, new, changed[line - 1].strip())

    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.arg):
            node.annotation = None  # type: ignore[assignment]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
    for node in ast.walk(tree):
        for left, right, sign, new in between(node):
            begin = place(left.end_lineno, left.end_col_offset)
            end = place(right.lineno, right.col_offset)
            at = data.find(sign.encode(), begin, end)
            if at >= 0:
                line = data[:at].count(b"\n") + 1
                yield made(at, at + len(sign), new, line)
        if isinstance(node, ast.Constant) and hasattr(node, "lineno"):
            new = changed_constant(node.value)
            if new is not None:
                begin = place(node.lineno, node.col_offset)
                end = place(node.end_lineno, node.end_col_offset)
                yield made(begin, end, new, node.lineno)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            begin = place(node.lineno, node.col_offset)
            yield made(begin, begin + len("not"), "", node.lineno)
        if isinstance(node, ast.Name) and node.id in ("min", "max"):
            begin = place(node.lineno, node.col_offset)
            new = "max" if node.id == "min" else "min"
            yield made(begin, begin + len("min"), new, node.lineno)


def between(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr, str, str]]:
    """List signs between two expressions: -> left, right, the sign, its replacement."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARE:
        kind = type(node.ops[0])
        yield node.left, node.comparators[0], SIGNS[kind], COMPARE[kind]
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATE:
        kind = type(node.op)
        yield node.left, node.right, SIGNS[kind], OPERATE[kind]
    if isinstance(node, ast.BoolOp):
        sign = "and" if isinstance(node.op, ast.And) else "or"
        yield node.values[0], node.values[1], sign, "or" if sign == "and" else "and"


def changed_constant(value: object) -> str | None:
    """Say what stands in a constant's place: another number, or the other truth value."""
    if isinstance(value, bool):
        return str(not value)
    if isinstance(value, int):
        return str(value + 1)
    if isinstance(value, float) and value not in (float("inf"),):
        return repr(value * 1.5 + 0.5)
    return None


def tried(mutants: list[Mutant]) -> Iterator[Mutant | None]:
    """Make each change in a copy and run its tests; yield those that nothing noticed."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "numpygit"
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("numpygit", "tests", "tutorials", "docs"):
            shutil.copytree(ROOT / name, copy / name, ignore=ignore)
        for name in ("pyproject.toml", "README.md"):
            shutil.copyfile(ROOT / name, copy / name)
        (copy / "golden").symlink_to(ROOT / "golden")
        rooms = {room for room in TESTS for m in mutants if m.file.startswith(room)}
        for room in sorted(rooms):
            if not tests_pass(TESTS[room][:1], copy):
                sys.exit(f"the tests of {room} fail without any change")
        for number, mutant in enumerate(mutants, 1):
            started = time.monotonic()
            survived = survives(mutant, copy)
            known = EQUAL.get(f"{mutant.file}: {mutant.shown}")
            word = "equal" if survived and known else "SURVIVED" if survived else "noticed"
            seconds = time.monotonic() - started
            print(f"[{number}] {word} {seconds:.0f} s  {mutant.file}:{mutant.line}  {mutant.shown}",
                  flush=True)  # fmt: skip
            yield mutant if survived and not known else None


def survives(mutant: Mutant, copy: Path) -> bool:
    """Tell whether all tests of the room pass with the change."""
    room = next(room for room in TESTS if mutant.file.startswith(room))
    path = copy / mutant.file
    before = path.read_bytes()
    path.write_bytes(before[: mutant.start] + mutant.new.encode() + before[mutant.end :])
    try:
        return tests_pass(TESTS[room][:1], copy) and tests_pass(TESTS[room][1:], copy)
    finally:
        path.write_bytes(before)


def tests_pass(tests: list[str], copy: Path) -> bool:
    """Tell whether tests pass in the copy."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        *(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
        *("-m", "not slow and not full and not official and not browser"),
        *tests,
    ]
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=600)
    except subprocess.TimeoutExpired:
        return False  # it never ends: that is noticed
    return done.returncode == 0


if __name__ == "__main__":
    main()
