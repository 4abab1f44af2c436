"""What the trace lines of the model cost when nobody watches.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tests/benchmarks/trace_off.py

Captions one picture with the bundled model, in turns with the trace lines and without: `untraced`
gives the functions of the model code from which these lines were cut. The bundled model is the
worst case, because its matrices are small. Prints the times of the quickest fifth of all turns.

On a busy machine two runs of the same code differ by a percent or two, which is more than there is
to measure. So the cost is also counted: how many times a caption traces and puts a prefix before
names, times what one such call takes.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import inspect
import time
import timeit
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from unittest import mock

import numpy as np

import numpygit
from numpygit.model import layers

MODEL = ["layers", "vision", "text", "generate"]
PICTURE = Path(numpygit.__file__).parent / "storybook" / "examples" / "relation.png"


class Cut(ast.NodeTransformer):
    """Take out `trace(...)` and `step_trace(...)`; `scope(trace, ...)` becomes `trace`."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        call = node.value
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("trace", "step_trace"):
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if ast.unparse(node.func) == "scope":
            return node.args[0]
        return self.generic_visit(node)


@functools.cache
def cut_functions(module: ModuleType) -> list[tuple[FunctionType, CodeType]]:
    """Compile each function of a module without its trace lines."""
    found = []
    tree = Cut().visit(ast.parse(inspect.getsource(module)))
    whole = compile(ast.fix_missing_locations(tree), str(module.__file__), "exec")
    codes = {part.co_name: part for part in whole.co_consts if isinstance(part, CodeType)}
    for name, function in vars(module).items():
        is_own = inspect.isfunction(function) and function.__module__ == module.__name__
        if is_own and name in codes and name != "scope":
            found.append((function, codes[name]))
    return found


@contextlib.contextmanager
def untraced() -> Iterator[int]:
    """Let the model run without its trace lines for a while; gives how many functions changed."""
    before: list[tuple[FunctionType, CodeType]] = []
    try:
        for name in MODEL:
            for function, code in cut_functions(importlib.import_module(f"numpygit.model.{name}")):
                before.append((function, function.__code__))
                function.__code__ = code
        yield len(before)
    finally:
        for function, code in before:
            function.__code__ = code


def main(turns: int = 150) -> None:
    """Measure in turns, so that a slower machine for a while slows both."""
    storybook = numpygit.load("storybook", plain=True)
    pixels = storybook.pixels(PICTURE)
    times: dict[str, list[float]] = {"with": [], "without": []}
    for turn in range(2 * turns):
        kind = "with" if turn % 2 else "without"
        with untraced() if kind == "without" else contextlib.nullcontext():
            storybook.caption_pixels([pixels])  # Python learns changed functions anew
            start = time.perf_counter()
            storybook.caption_pixels([pixels])
            times[kind].append(time.perf_counter() - start)
    quick = {kind: np.sort(found)[: turns // 5].mean() for kind, found in times.items()}
    for kind, seconds in quick.items():
        print(f"{kind:8} trace lines: {seconds * 1e3:.3f} ms a caption")
    print(f"in turns: they cost {quick['with'] / quick['without'] - 1:+.2%}")
    seconds, traced, scoped = counted(storybook, pixels)
    share = seconds / quick["with"]
    print(
        f"counted: {traced} calls of trace, {scoped} of scope: {seconds * 1e6:.0f} us, {share:.2%}"
    )


def counted(storybook: numpygit.Captioner, pixels: np.ndarray) -> tuple[float, int, int]:
    """Count calls while a caption is made, and time one call -> seconds, numbers of calls."""
    calls = {"trace": 0, "scope": 0}

    def trace(name: str, value: np.ndarray) -> None:
        calls["trace"] += 1

    def scope(trace: layers.Trace, prefix: str) -> layers.Trace:
        calls["scope"] += 1
        return trace

    with contextlib.ExitStack() as stack:
        for name in MODEL[1:]:
            room = importlib.import_module(f"numpygit.model.{name}")
            stack.enter_context(mock.patch.object(room, "scope", scope))
        *_, _ = storybook.generate(pixels, storybook.processor.prompt(), trace=trace)
    rounds = 100_000
    known = {"trace": layers.no_trace, "scope": layers.scope, "x": pixels, "i": 3}
    one_trace = min(timeit.repeat('trace("name", x)', globals=known, number=rounds)) / rounds
    one_scope = min(timeit.repeat("scope(trace, str(i))", globals=known, number=rounds)) / rounds
    seconds = calls["trace"] * one_trace + calls["scope"] * one_scope
    return seconds, calls["trace"], calls["scope"]


if __name__ == "__main__":
    main()
