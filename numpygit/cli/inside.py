"""The commands that look inside a run: `numpygit trace`, `diff` and `step`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from ..captioner import Captioner, load
from ..errors import UserError, is_watched
from ..huggingface.processing.picture_steps import open_picture
from ..inside.backward import record_backward
from ..inside.diff.compare import Report, compare
from ..inside.diff.report import report_lines, table_lines
from ..inside.diff.rows import Row
from ..inside.diff.theirs.foreign_names import read_map
from ..inside.record import IDS, Run, check_target, read, record, save
from ..model.params import Array
from ..trace import Printer

Load = Callable[[argparse.Namespace], Captioner]


def run_command(options: argparse.Namespace, load_model: Load) -> int:
    """Do what was asked; return the exit code."""
    if options.command == "trace":
        return trace_command(options, load_model)
    if options.command == "diff":
        return diff_command(options)
    from ..inside.step import walk  # with pdb and all it needs: only for those who step

    check_question(options.question)
    if options.json:
        raise UserError("step is a conversation and has no --json; `trace --json` has the numbers")
    return walk(load_model(options), options.picture, options.question, cached=options.cached)


def check_question(question: str | None) -> None:
    """Refuse an empty question."""
    if question is not None and not question.strip():
        raise UserError("the question is empty; ask something, or leave --question out")


def trace_command(options: argparse.Namespace, load_model: Load) -> int:
    """Print the tensors of a run, or save them."""
    if options.table:
        print(*table_lines(), sep="\n")
        return 0
    if options.picture is None:
        raise UserError("give a picture to trace, or --table for the names")
    check_question(options.question)
    asked: dict[str, Any] = {"patterns": options.only}
    if options.backward and options.cached:
        raise UserError("gradients are those of the whole text at once: leave --cached out")
    if not options.backward:
        asked["cached"] = options.cached
    if options.output is None:
        asked["trace"] = print_json if options.json else Printer()
    else:
        asked["noise"] = not options.no_noise
        check_target(options.output)
    keep = record_backward if options.backward else record
    run = keep(load_model(options), options.picture, options.question, **asked)
    if options.output is not None:
        save(options.output, run)
        size = sum(array.nbytes for array in run.tensors.values()) / 1e6
        facts = {"file": options.output, "tensors": len(run.tensors), "text": run.facts["text"]}
        line = f"{options.output}: {len(run.tensors)} tensors, {size:.1f} MB, {facts['text']!r}"
        print(json.dumps(facts) if options.json else line)
    return 0


def print_json(name: str, value: Array) -> None:
    """Print one tensor as a JSON object: what an array is, without its numbers."""
    finite = value[np.isfinite(value)].astype(np.float64)
    row: dict[str, Any] = {"name": name, "shape": value.shape, "dtype": str(value.dtype)}
    if finite.size:
        row |= {"min": finite.min(), "max": finite.max(), "mean": finite.mean()}
    print(json.dumps(row))


def diff_command(options: argparse.Namespace) -> int:
    """Compare two files."""
    if options.tolerance is not None and not 0 < options.tolerance < 1:
        raise UserError(f"--tolerance is {options.tolerance}, expected a number between 0 and 1")
    asked: dict[str, Any] = {"tolerance": options.tolerance}
    if options.map:
        asked["names"] = read_map(options.map)
    ours, theirs = read(options.ours), read(options.theirs)
    report = compare(ours, theirs, **asked)
    if report.first is not None and report.first.name != IDS:
        report = with_model(report, ours, theirs, options.model, asked)
    if options.json:
        for row in report.rows:
            print(row_as_json(row))
        print(verdict_as_json(report))
    else:
        print(*report_lines(report, every=options.all), sep="\n")
    return 0 if report.equal else 1


def verdict_as_json(report: Report) -> str:
    """Write what was found as a JSON object."""
    first = None if report.first is None else report.first.name
    verdict = {"equal": report.equal, "first_difference": first, "causes": report.causes}
    return json.dumps({**verdict, "usually": report.suspects, "unseen": report.unseen,
                       "notes": report.notes})  # fmt: skip


def row_as_json(row: Row) -> str:
    """Write a row as a JSON object; JSON has no infinity, which NaN makes of a distance."""
    values = row._asdict()
    for name in ("apart", "allowed"):
        pair = values[name]
        if pair is not None:
            finite = {part: x if np.isfinite(x) else None for part, x in pair._asdict().items()}
            values[name] = finite
    return json.dumps(values)


def with_model(
    report: Report, ours: Run, theirs: Run, name: str | None, asked: dict[str, Any]
) -> Report:
    """Compare again with the weights at hand, if they are; nothing is downloaded for it."""
    model = name or ours.facts.get("model")
    why = "no model is named in the file; --model names one"
    if model:
        try:
            prepared = ours.facts.get("preprocessing", "hf")
            captioner = load(model, local_files_only=True, preprocessing=prepared)
            found = captioner.model
            picture = same_picture(captioner, ours)
            return compare(
                ours,
                theirs,
                params=found.params,
                config=found.config,
                picture=picture,
                progress=show_progress,
                **asked,
            )
        except UserError as error:
            if name:
                raise
            why = str(error)
    note = f"causes that need the weights were not tried: {why}"
    return report._replace(notes=[*report.notes, note])


def show_progress(done: int, total: int) -> None:
    """Say how many known mistakes were tried, where a person watches."""
    if is_watched():
        line = f"trying known mistakes: {done} of {total}" if done < total else " " * 50
        print(line, end="\r", file=sys.stderr, flush=True)


def same_picture(captioner: Captioner, ours: Run) -> Image.Image | None:
    """Open the picture that the trace was made of, if it is still there and gives its pixels."""
    path = ours.facts.get("picture")
    if not path or "pixels" not in ours.tensors:
        return None
    try:
        pixels = captioner.pixels(path)
        if pixels.ndim == 4 and np.array_equal(pixels, ours.tensors["pixels"]):
            return open_picture(path)
    except UserError:
        pass
    return None
