"""The log of a training: a table of every step, and one page with the curves."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..loading.write_whole import write_whole

WIDTH, HEIGHT = 760, 220


@dataclass(frozen=True)
class Line:
    """One step. What was not measured at it is None."""

    step: int
    epoch: float
    loss: float
    norm: float  # of the gradient, before clipping
    rate: float
    pictures_per_second: float
    validation_loss: float | None = None
    exact_match: float | None = None  # the share of whole texts that come out right
    cider: float | None = None
    samples: str = ""  # JSON: [[key, what it should be, what it is], ...]


def write_csv(path: Path, lines: Sequence[Line]) -> None:
    """Write all steps, whole or not at all."""
    text = io.StringIO()
    table = csv.DictWriter(text, [field.name for field in fields(Line)], lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(line) for line in lines)
    write_whole(path, lambda to: to.write_text(text.getvalue(), encoding="utf-8"))


def read_csv(path: Path) -> list[Line]:
    """Read the steps of an earlier run."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [Line(**{name: number(name, value) for name, value in row.items()})
                for row in csv.DictReader(file)]  # fmt: skip


def number(name: str, value: str) -> Any:
    """Turn a cell into what it was."""
    if name == "samples":
        return value
    if name == "step":
        return int(value)
    return None if value == "" else float(value)


def smooth(values: Sequence[float]) -> list[float]:
    """Mean over the last twentieth of the steps, so that a noisy loss can be read."""
    span = max(1, len(values) // 20)
    found, total = [], 0.0
    for i, value in enumerate(values):
        total += value - (values[i - span] if i >= span else 0.0)
        found.append(total / min(i + 1, span))
    return found


def points(steps: Sequence[float], values: Sequence[float], low: float, high: float) -> str:
    """Coordinates of a curve inside the picture."""
    first, last = steps[0], steps[-1]
    wide, tall = max(last - first, 1), max(high - low, 1e-12)
    return " ".join(
        f"{50 + (WIDTH - 70) * (step - first) / wide:.1f},"
        f"{HEIGHT - 25 - (HEIGHT - 45) * (value - low) / tall:.1f}"
        for step, value in zip(steps, values, strict=True)
    )


def chart(title: str, curves: Sequence[tuple[str, str, Sequence[float], Sequence[float]]]) -> str:
    """One picture of curves: (name, colour, steps, values) each, their numbers at the side."""
    curves = [curve for curve in curves if len(curve[2])]
    if not curves:
        return ""
    low = min(min(values) for *_, values in curves)
    high = max(max(values) for *_, values in curves)
    last = max(steps[-1] for *_, steps, _ in curves)
    first = min(steps[0] for *_, steps, _ in curves)
    drawn = [
        f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" '
        f'points="{points([first, *steps, last], [values[0], *values, values[-1]], low, high)}"/>'
        for _, colour, steps, values in curves
    ]
    names = "".join(
        f'<tspan fill="{colour}" dx="12">{html.escape(name)} {values[-1]:.4g}</tspan>'
        for name, colour, _, values in curves
    )
    return (
        f"<h2>{html.escape(title)}</h2>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">'
        f'<line x1="50" y1="{HEIGHT - 25}" x2="{WIDTH - 20}" y2="{HEIGHT - 25}" stroke="#888"/>'
        f'<text x="46" y="24" text-anchor="end">{high:.3g}</text>'
        f'<text x="46" y="{HEIGHT - 25}" text-anchor="end">{low:.3g}</text>'
        f'<text x="50" y="{HEIGHT - 8}">step {first:.0f}</text>'
        f'<text x="{WIDTH - 20}" y="{HEIGHT - 8}" text-anchor="end">{last:.0f}</text>'
        f'<text x="60" y="16">{names}</text>{"".join(drawn)}</svg>'
    )


def of_cider(looks: Sequence[Line]) -> tuple[list[int], list[float]]:
    """Steps at which CIDEr was measured, and its values."""
    found = [(line.step, line.cider) for line in looks if line.cider is not None]
    return [step for step, _ in found], [value for _, value in found]


STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}
svg{width:100%;height:auto;background:#8881;border-radius:6px}svg text{font-size:12px;fill:#666}
h1{font-size:1.5rem}h2{font-size:1rem;margin:1.5rem 0 .3rem}
table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid #8884;padding:.3rem .5rem;text-align:left}
.right{color:#188038}.wrong{color:#c5221f}
@media(prefers-color-scheme:dark){body{background:#16181c;color:#e8e8e8}svg text{fill:#aaa}}"""


def page(title: str, facts: Sequence[tuple[str, str]], lines: Sequence[Line]) -> str:
    """The page: curves, the settings, and what the model said of some pictures at the end."""
    steps = [line.step for line in lines]
    looks = [line for line in lines if line.validation_loss is not None]
    at = [line.step for line in looks]
    charts = [
        chart(
            "Loss (cross-entropy of captions and answers; padding is never a label)",
            [
                ("training", "#4285f4", steps, smooth([line.loss for line in lines])),
                ("validation", "#d93025", at, [line.validation_loss or 0.0 for line in looks]),
            ],
        ),
        chart(
            "Whole texts right, of those held back (%)",
            [("exact match", "#188038", at, [100 * (line.exact_match or 0) for line in looks])],
        ),
        chart(
            "CIDEr-D of the captions held back",
            [("CIDEr-D", "#188038", *of_cider(looks))],
        ),
        chart("Rate", [("rate", "#9334e6", steps, [line.rate for line in lines])]),
        chart("Norm of the gradient", [("norm", "#e37400", steps, [line.norm for line in lines])]),
    ]
    table_of_facts = "".join(
        f"<tr><th>{html.escape(n)}</th><td>{html.escape(v)}</td></tr>" for n, v in facts
    )
    samples = [row for line in looks[-1:] for row in json.loads(line.samples or "[]")]
    rows = "".join(
        f"<tr><td>{html.escape(key)}</td><td>{html.escape(wanted)}</td>"
        f'<td class="{"right" if wanted == mine else "wrong"}">{html.escape(mine)}</td></tr>'
        for key, wanted, mine in samples
    )
    table = f"<h2>What it says</h2><table><tr><th>picture<th>wanted<th>said</tr>{rows}</table>"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style><h1>{html.escape(title)}</h1>{''.join(charts)}"
        f"{table if rows else ''}<h2>Settings</h2><table>{table_of_facts}</table></html>\n"
    )


def write_page(
    path: Path, title: str, facts: Sequence[tuple[str, str]], lines: Sequence[Line]
) -> None:
    """Write the page, whole or not at all."""
    text = page(title, facts, lines)
    write_whole(path, lambda to: to.write_text(text, encoding="utf-8"))
