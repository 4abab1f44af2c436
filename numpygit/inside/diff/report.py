"""What `numpygit diff` prints: rows, the first difference, and what it looks like."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from importlib import import_module
from itertools import groupby

from ...trace import TABLE, Named, find
from ..record import IDS
from .compare import DIFF, MISSING, OK, SHAPE, Report, Row

HEAD = f"{'':8}{'tensor':24} {'shape':19} {'largest':>8} {'mean':>8} {'allowed':>8}"


def report_lines(report: Report, *, every: bool = False) -> Iterator[str]:
    """Write a report in lines of at most 80 columns; with `every`, all rows one by one."""
    yield HEAD
    rows, first = report.rows, report.first
    if first is not None and not every:
        rows = rows[: rows.index(first) + 1]
    for group, members in groupby(rows, key=lambda row: group_of(row.name)):
        listed = list(members)
        alike = not every and len(listed) > 1 and {row.status for row in listed} == {OK}
        if alike and not (first and group_of(first.name) == group):
            yield together_line(group, listed)
        else:
            yield from map(row_line, listed)
    yield ""
    counts = [f"{sum(r.status == s for r in rows)} {s}" for s in (OK, DIFF, SHAPE, MISSING)]
    left = len(report.rows) - len(rows)
    yield ", ".join(counts) + (f"; {left} later tensors not shown, --all shows them" * (left > 0))
    for note in report.notes:
        yield from paragraph(f"Note: {note}".removesuffix(".") + "." * (not note.endswith("?")))
    if first is not None:
        yield ""
        yield from verdict_lines(report, first)


def group_of(name: str) -> str:
    """Name the layer that a tensor belongs to, or else the tensor itself."""
    place = find(name)
    if place is None or place.layer is None:
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
    """Write where the first difference is and what it looks like."""
    yield f"First difference: {first.name}"
    if first.name == IDS:
        yield from paragraph(
            "The two runs read different words, so the text towers cannot be compared. Let the "
            "other program read the words of `ids` in our file.", "  "
        )  # fmt: skip
        return
    place = find(first.name)
    if place is None:
        raise AssertionError("only names of the table are compared")
    yield f"  {place.row.meaning} {place.row.shape}"
    yield f"  computed by {where(place.row)}"
    if place.row.official:
        layer = "" if place.layer is None else str(place.layer)
        yield "  in the official code the module"
        yield f"    {place.row.official.replace('{i}', layer)}"
    skipped = unseen(report.rows, first)
    if skipped:
        yield from paragraph(f"Not in theirs, so not seen: {', '.join(skipped)}.", "  ")
    for cause in report.causes:
        yield from paragraph(cause, "  * ")
    if report.suspects:
        yield from paragraph(f"Usually wrong here: {report.suspects}.", "  ")


def unseen(rows: list[Row], first: Row) -> list[str]:
    """List the tensors between the last that agrees and the first that differs."""
    before = rows[: rows.index(first)]
    names: list[str] = []
    for row in before:
        names = [*names, row.name] if row.status == MISSING else []
    return names


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
