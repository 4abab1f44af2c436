"""Do the tests notice? Change the code in one small way at a time, and list what no test saw.

    python tests/mutants.py --sample 100 --seed 2    # 100 of all changes, drawn
    OPENBLAS_NUM_THREADS=1 python tests/mutants.py --sample 100 --jobs 8    # 8 at a time
    python tests/mutants.py numpygit/model/text.py   # all changes of a file, or of several
    python tests/mutants.py --list                   # how many changes there are

A change: a comparison, an operator, a number, a truth value, `and` for `or`, `min` for `max`, a
`not` left out. Each is made in a copy of the repository; the tests of its module run there first,
then those of its room, until one fails: the quick ones, and if all pass, the slow ones too. What
passes them all has survived, and is printed. Changes that change nothing, such as a larger block
of the same result, are listed in equal_mutants.txt with the reason; they count for neither side.
Not made: another negative number for reshape's -1, which NumPy takes for the same, and `strict`,
`frozen` and `slots`, by which Python watches the programmer.
Ctrl-C ends it with the share of what was tried; `--skip` goes on after so many of a sample. (Each
run is a fork: Linux and macOS.)
"""

from __future__ import annotations

import argparse
import ast
import compileall
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy  # noqa: F401
import PIL.Image  # noqa: F401
import pytest
import tokenizers  # noqa: F401

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from find_tests import tests_of

ROOT = Path(__file__).parents[1]
EQUAL_FILE = Path(__file__).parent / "equal_mutants.txt"
TARGETS = [
    *(f"numpygit/model/{name}.py" for name in ("image", "layers", "vision", "text", "generate")),
    "numpygit/fast",
    "numpygit/captioner",
    "numpygit/decoding",
]
HEART = ["tests/golden/test_golden_tiny.py", "tests/model", "tests/properties/test_caches.py"]
SEARCHES = [
    "tests/golden/test_golden_generation.py",
    "tests/decoding",
    "tests/captioner",
    "tests/properties/test_generation.py",
]
TESTS = {  # after those of the module itself, for files that begin with this
    "numpygit/model/image": ["tests/huggingface/processing"],
    "numpygit/model/generate": [*SEARCHES, *HEART],
    "numpygit/model": [*HEART, "tests/golden/test_golden_forward.py", "tests/test_trace.py"],
    "numpygit/fast": ["tests/fast", "tests/model/test_shapes.py"],
    "numpygit/captioner": ["tests/captioner", "tests/golden/test_golden_storybook.py"],
    "numpygit/decoding": [*SEARCHES, "tests/huggingface/test_generate.py"],
}
LONGEST, MOST_WORK = 180, 100  # seconds, of the processor: a text that never ends is noticed too
MOST_MEMORY = 8 * 2**30  # and one that takes all there is
STOP = multiprocessing.get_context("fork").Event()
PASSED, FAILED, NO_END = "passed", "failed", "no end"
COMPARE = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="}
OPERATE = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*"}
SIGNS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
         ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//"}  # fmt: skip


class Mutant(NamedTuple):
    """One small change."""

    file: str
    line: int
    start: int  # of the piece that is replaced, in the whole text
    end: int
    new: str
    shown: str  # the line, changed


class Result(NamedTuple):
    """What the tests said of a change."""

    mutant: Mutant
    survived: bool
    reason: str  # why nothing can see it, if so
    took_too_long: bool = False  # noticed, because the tests did not end


def main() -> None:
    """Try the changes, print the survivors and their share."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="*", default=TARGETS, help="files or folders")
    parser.add_argument("--sample", type=int, help="try so many, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip", type=int, default=0, help="leave out the first of a sample")
    parser.add_argument("--jobs", type=int, default=1, help="so many at a time")
    parser.add_argument("--list", action="store_true", help="count the changes and stop")
    options = parser.parse_args()
    mutants = [m for file in files_of(options.files) for m in mutants_of(file)]
    if options.list:
        print(f"{len(mutants)} changes in {len({m.file for m in mutants})} files")
        return
    if options.sample:
        mutants = random.Random(options.seed).sample(mutants, min(options.sample, len(mutants)))
    mutants = mutants[options.skip :]
    results = []
    try:
        for result in tried(mutants, options.jobs):
            results.append(result)
    except KeyboardInterrupt:
        print(f"stopped after {len(results)} of {len(mutants)}")
    report(results)


def report(results: list[Result]) -> None:
    """Print the share that was noticed, the survivors, and what changes nothing."""
    survivors = [result.mutant for result in results if result.survived and not result.reason]
    equal = [result for result in results if result.survived and result.reason]
    count = len(results) - len(equal)
    killed = count - len(survivors)
    share = killed / count if count else 1
    print(f"{killed} of {count} changes were noticed, {share:.1%}; {len(equal)} change nothing")
    for mutant in (result.mutant for result in results if result.took_too_long):
        print(f"NOTICED AS TESTS DID NOT END {mutant.file}:{mutant.line}  {mutant.shown}")
    for mutant in survivors:
        print(f"SURVIVED {mutant.file}:{mutant.line}  {mutant.shown}")
    for result in equal:
        mutant = result.mutant
        print(f"EQUAL {mutant.file}:{mutant.line}  {mutant.shown}\n      {result.reason}")


def equal_changes() -> dict[tuple[str, str], str]:
    """Read equal_mutants.txt: (file, line as it is changed, or "any with: " and a part) -> why."""
    found = {}
    for block in EQUAL_FILE.read_text(encoding="utf-8").split("\n\n")[1:]:
        file, shown, *reason = (line.strip() for line in block.strip().splitlines())
        found[file, shown] = " ".join(reason)
    return found


def reason_of(mutant: Mutant) -> str:
    """Look up why nothing can see a change; "" if it should be seen."""
    line = (ROOT / mutant.file).read_text(encoding="utf-8").splitlines()[mutant.line - 1]
    for (file, shown), reason in equal_changes().items():
        part = shown.removeprefix("any with: ")
        if file == mutant.file and (part in line if part != shown else shown == mutant.shown):
            return reason
    return ""


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
    left_out = {constant for node in ast.walk(tree) for constant in without_effect(node)}
    for node in ast.walk(tree):
        for left, right, sign, new in between(node):
            begin = place(left.end_lineno, left.end_col_offset)
            end = place(right.lineno, right.col_offset)
            at = data.find(sign.encode(), begin, end)
            if at >= 0:
                line = data[:at].count(b"\n") + 1
                yield made(at, at + len(sign), new, line)
        if isinstance(node, ast.Constant) and hasattr(node, "lineno") and node not in left_out:
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


def without_effect(node: ast.AST) -> Iterator[ast.AST]:
    """List constants that may be others: reshape's -1, `strict`, `frozen` and `slots`."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "reshape":
            yield from (one.operand for one in node.args if isinstance(one, ast.UnaryOp))
        yield from (k.value for k in node.keywords if k.arg in ("strict", "frozen", "slots"))


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


def tried(mutants: list[Mutant], jobs: int) -> Iterator[Result]:
    """Make each change in a copy and run its tests, several at a time, each in its own copy."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        context = multiprocessing.get_context("fork")
        pool = ProcessPoolExecutor(jobs, context, initializer=begin, initargs=(Path(folder),))
        try:
            paths = sorted({path for mutant in mutants for path in tests_for(mutant.file)})
            passing = list(pool.map(passes_unchanged, paths))
            sound = {path for path, passes in zip(paths, passing, strict=True) if passes}
            for path in sorted(set(paths) - sound):
                print(f"left out, as it fails without any change: {path}")
            running = [pool.submit(judge, mutant, sound) for mutant in mutants]
            for number, one in enumerate(as_completed(running), 1):
                result, seconds = one.result()
                mutant, survived, reason, _ = result
                word = "equal" if survived and reason else "SURVIVED" if survived else "noticed"
                where = f"{mutant.file}:{mutant.line}"
                print(f"[{number}] {word} {seconds:.1f} s  {where}  {mutant.shown}", flush=True)
                yield result
        finally:
            STOP.set()
            pool.shutdown(cancel_futures=True)


def begin(folder: Path) -> None:
    """Begin a process of the pool: it works in a copy of its own, and Ctrl-C is its parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.chdir(folder)
    made_copy(own_copy())


def own_copy() -> Path:
    """Say where the copy of this process lies."""
    return Path.cwd() / str(os.getpid())


def passes_unchanged(path: str) -> bool:
    """Tell whether all tests of a path pass as they are."""
    return run_in_fork([path], own_copy(), quick=False) == PASSED


def judge(mutant: Mutant, sound: set[str]) -> tuple[Result, float]:
    """Try one change: -> what the tests said, and how many seconds it took."""
    started = time.monotonic()
    tests = [path for path in tests_for(mutant.file) if path in sound]
    outcome = tried_out(mutant, tests, own_copy())
    result = Result(mutant, outcome == PASSED, reason_of(mutant), outcome == NO_END)
    return result, time.monotonic() - started


def made_copy(copy: Path) -> None:
    """Copy what the tests need; files look old, so that a changed one is read again."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("numpygit", "tests", "tutorials", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md"):
        shutil.copyfile(ROOT / name, copy / name)
    (copy / "golden").symlink_to(ROOT / "golden")
    for path in (copy / "numpygit").rglob("*.py"):
        os.utime(path, (0, 0))
    compileall.compile_dir(copy / "numpygit", quiet=1)


def tests_for(file: str) -> list[str]:
    """List the tests of a file: its own first, those of its room then."""
    room = next(room for room in TESTS if file.startswith(room))
    names = [*tests_of(file), *TESTS[room]]
    return list(dict.fromkeys(found for name in names for found in files_in(name)))


def files_in(name: str) -> list[str]:
    """List the test files of a folder, or the one that is named."""
    found = sorted((ROOT / name).rglob("test_*.py")) or [ROOT / name]
    return [path.relative_to(ROOT).as_posix() for path in found]


def tried_out(mutant: Mutant, tests: list[str], copy: Path) -> str:
    """Run the quick tests with the change, and if they pass all of them: PASSED, FAILED, NO_END."""
    path = copy / mutant.file
    before = path.read_bytes()
    path.write_bytes(before[: mutant.start] + mutant.new.encode() + before[mutant.end :])
    forget(path)
    try:
        outcome = run_in_fork(tests, copy, quick=True)
        return run_in_fork(tests, copy, quick=False) if outcome == PASSED else outcome
    finally:
        path.write_bytes(before)
        os.utime(path, (0, 0))
        forget(path)


def forget(path: Path) -> None:
    """Delete the bytecode of a file, which its time and size may not tell from another."""
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


def run_in_fork(tests: list[str], copy: Path, *, quick: bool) -> str:
    """Run tests in the copy, in a fork that has the large packages: -> PASSED, FAILED or NO_END."""
    child = os.fork()
    if child == 0:
        run_tests(tests, copy, ["-m", "not slow"] if quick else [])
    ends = time.monotonic() + LONGEST
    while time.monotonic() < ends and not STOP.is_set():
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            if code in (-signal.SIGXCPU, -signal.SIGKILL):
                return NO_END
            return PASSED if code in (0, pytest.ExitCode.NO_TESTS_COLLECTED) else FAILED
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return NO_END


def run_tests(tests: list[str], copy: Path, which: list[str]) -> NoReturn:
    """Run pytest here, quietly, and end this process with its exit status."""
    os.setpgid(0, 0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.chdir(copy)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_WORK, MOST_WORK))  # whatever else runs here
    sys.dont_write_bytecode = False  # the tests are parsed once
    sys.path[:] = [str(copy), *(path for path in sys.path if not path.startswith(str(ROOT)))]
    os.environ["PYTHONPATH"] = str(copy)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.modules.pop("find_tests")
    flags = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    try:
        status = int(pytest.main([*flags, *which, *tests]))
    except BaseException:
        status = 1
    os._exit(status)


if __name__ == "__main__":
    main()
