"""What `numpygit diff` prints: rows, the first difference, and what it looks like."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from importlib import import_module
from itertools import groupby

from ...trace import TABLE, Named, find
from ..record import IDS
from .compare import Report
from .rows import DIFF, MISSING, OK, SHAPE, Row

HEAD = f"{'':8}{'tensor':24} {'shape':19} {'largest':>8} {'mean':>8} {'allowed':>8}"


def report_lines(report: Report, *, every: bool = False) -> Iterator[str]:
    """Write a report in lines of at most 80 columns; with `every`, all rows one by one."""
    yield HEAD
    rows, first = report.rows, report.first
    if first is not None and not every:
        rows = rows[: rows.index(first) + 1]
    yield from map(row_line, rows) if every else folded(rows, first)
    yield ""
    counts = [f"{sum(r.status == s for r in rows)} {s}" for s in (OK, DIFF, SHAPE, MISSING)]
    left = len(report.rows) - len(rows)
    yield ", ".join(counts) + (f"; {left} later tensors not shown, --all shows them" * (left > 0))
    for note in report.notes:
        yield from paragraph(f"Note: {note}".removesuffix(".") + "." * (not note.endswith("?")))
    if first is not None:
        yield ""
        yield from verdict_lines(report, first)


def folded(rows: list[Row], first: Row | None) -> Iterator[str]:
    """Write layers that agree, and tensors that one of the two lacks, in one line each."""
    here = group_of(first.name) if first else ""

    def fold(row: Row) -> tuple[str, str]:
        if row.status == MISSING:
            return MISSING, where_missing(row)
        return row.status, group_of(row.name)

    for (status, group), members in groupby(in_groups(rows, here), key=fold):
        listed = list(members)
        if status == MISSING and len(listed) > 1:
            span = f"{listed[0].name} to {listed[-1].name}"
            yield f"{MISSING:8}{span}"
            yield f"{'':8}{len(listed)} tensors, not in {group}"
        elif status == OK and len(listed) > 1 and group != here:
            yield together_line(group, listed)
        else:
            yield from map(row_line, listed)


def in_groups(rows: list[Row], here: str) -> Iterator[Row]:
    """Put the missing ones of a layer behind the others, so that both fold; not in `here`."""
    for group, members in groupby(rows, key=lambda row: group_of(row.name)):
        listed = list(members)
        if group == here:
            yield from listed
            continue
        yield from (row for row in listed if row.status != MISSING)
        yield from (row for row in listed if row.status == MISSING)


def where_missing(row: Row) -> str:
    """Name the run that lacks a tensor."""
    return "theirs" if row.theirs is None else "ours"


def group_of(name: str) -> str:
    """Name the layer that a tensor belongs to, or else the tensor itself."""
    location = find(name)
    if location is None or location.layer is None:
        return name
    return f"{name.rpartition('.')[0]}.*"


def row_line(row: Row) -> str:
    """Write one row."""
    shape = str(row.theirs if row.ours is None else row.ours)
    if row.status == SHAPE:
        return f"{row.status:8}{row.name:24} ours {row.ours}, theirs {row.theirs}"
    if row.apart is None or row.allowed is None:
        where = "theirs" if row.theirs is None else "ours"
        return f"{row.status:8}{row.name:24} {shape:19} not in {where}"
    largest, mean = row.apart
    measured = " ".join(map(short, (largest, mean, row.allowed.largest)))
    return f"{row.status:8}{row.name:24} {shape:19} {measured}"


def together_line(group: str, rows: list[Row]) -> str:
    """Write one line for a layer in which everything agrees: the row closest to its bound."""

    def share(row: Row) -> float:
        if row.apart is None or row.allowed is None or row.allowed.largest == 0:
            return 0.0
        return row.apart.largest / row.allowed.largest

    worst = max(rows, key=share)
    if worst.apart is None or worst.allowed is None:
        raise AssertionError("only rows that agree come here")
    measured = " ".join(map(short, (*worst.apart, worst.allowed.largest)))
    return f"{OK:8}{group:24} {f'{len(rows)} tensors':19} {measured}"


def short(number: float) -> str:
    """Write a distance in eight places."""
    return f"{number:8.1e}" if number else f"{0:>8}"


def verdict_lines(report: Report, first: Row) -> Iterator[str]:
    """Write where the first difference is, what it looks like, and what to write down next."""
    yield f"First difference: {first.name}"
    if first.name == IDS:
        for cause in report.causes:
            yield from paragraph(f"{cause[0].upper()}{cause[1:]}.", "  * ")
        yield from paragraph(
            "All else that can be compared agrees. Let the other program read the words of `ids` "
            "in our file, to compare the rest.", "  "
        )  # fmt: skip
        return
    location = find(first.name)
    if location is None:
        raise AssertionError("only names of the table are compared")
    yield f"  {location.row.meaning} {location.row.shape}"
    yield f"  computed by {where(location.row)}"
    if location.row.official:
        layer = "" if location.layer is None else str(location.layer)
        yield "  in the official code the module"
        yield f"    {location.row.official.replace('{i}', layer)}"
    if first.how:
        yield from paragraph(f"Theirs was read {first.how}.", "  ")
    if first.is_aside:
        yield from paragraph("What is computed from it agrees all the same.", "  ")
    if report.unseen:
        yield from paragraph(f"Not in theirs, so not seen: {shortly(report.unseen)}.", "  ")
    for cause in report.causes:
        yield from paragraph(cause, "  * ")
    if report.suspects:
        yield from paragraph(f"Usually wrong here: {report.suspects}.", "  ")
    if report.unseen:
        yield from paragraph(
            f"To see closer, write down next: {next_to_write(report.unseen)}.", "  "
        )


def shortly(names: list[str]) -> str:
    """List names; of many, the ends and how many there are."""
    if len(names) <= 6:
        return ", ".join(names)
    return f"{len(names)} tensors from {names[0]} to {names[-1]}"


def next_to_write(unseen: list[str]) -> str:
    """Choose what to dump next: all of a few, else the ends of blocks, else a block's landmarks."""
    ends = [name for name in unseen if name.endswith(".x")]
    marks = ("after_attention", "attended", "weights", "q", "attention_input", "mlp_input", "words")
    inside = [name for name in unseen if name.rpartition(".")[2] in marks]
    chosen = unseen if len(unseen) <= 4 else ends if len(ends) > 1 else ends + inside
    chosen = chosen or unseen[:: max(1, len(unseen) // 4)]
    return ", ".join(chosen[:8]) + (", ..." if len(chosen) > 8 else "")


def where(row: Named) -> str:
    """Say which function computes a tensor: its name, file and line."""
    module, _, function = row.function.partition(".")
    if not function:
        return f"numpygit/model/{module}.py"
    source = getattr(import_module(f"numpygit.model.{module}"), function)
    line = inspect.getsourcelines(source)[1]
    return f"`{function}`, numpygit/model/{module}.py:{line}"


def paragraph(text: str, begin: str = "") -> list[str]:
    """Break a text into lines of 80 columns."""
    rest = " " * len(begin)
    return textwrap.wrap(text, 80, initial_indent=begin, subsequent_indent=rest)


def table_lines() -> Iterator[str]:
    """Write the table of all names."""
    for row in TABLE:
        yield f"{row.name:27} {row.shape:29} {row.function}"
        yield f"    {row.meaning}"
