"""One HTML page about a set of scores: the figures, the worst and the best pictures, confusions.

Everything is inside the file, pictures as small JPEGs; it opens without a network.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from ..errors import UserError
from ..huggingface.processing.picture_steps import open_picture
from .confusions import Confusion, confusions
from .pairs import Pair
from .scores import Scores

SHOWN = 24  # pictures, the worst and the best
SIDE = 160  # pixels of a small picture

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
       color: #222; background: #fff }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .2rem .8rem; text-align: left;
       border-bottom: 1px solid #8884 } td.number { text-align: right; font-variant-numeric:
       tabular-nums } .pictures { display: grid; gap: 1rem;
       grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)) }
figure { margin: 0; border: 1px solid #8884; border-radius: .4rem; padding: .6rem }
figure img { max-width: 100%; height: 160px; object-fit: contain } .said { font-weight: 600 }
.wanted, .key { color: #777; font-size: .9em; overflow-wrap: anywhere }
"""


def page(pairs: Sequence[Pair], scores: Scores, *, title: str) -> str:
    """Make the page: -> HTML."""
    order = ranking(scores)
    worst = [i for i in order if not is_perfect(scores, i)][:SHOWN]
    best = list(reversed(order))[:SHOWN]
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>",
        "<meta name=viewport content='width=device-width'>",
        f"<style>{STYLE}</style><h1>{escape(title)}</h1>",
        figures(scores),
        section("The worst", pairs, scores, worst),
        table_of(confusions(pairs)),
        section("The best", pairs, scores, best),
        "</html>",
    ]
    return "\n".join(parts)


def ranking(scores: Scores) -> list[int]:
    """Put the pictures in order, the worst first."""
    names = [name for name in ("exact", "accuracy", "CIDEr", "ROUGE_L") if name in scores.each]
    if scores.pictures == 1 and "CIDEr" in names:
        names.remove("CIDEr")
    return sorted(
        range(scores.pictures), key=lambda i: tuple(scores.each[name][i] for name in names)
    )


def is_perfect(scores: Scores, row: int) -> bool:
    """Tell whether nothing is wrong with a picture."""
    return scores.each["exact"][row] == 1.0


def figures(scores: Scores) -> str:
    """Write the scores of all pictures, and of each group."""
    rows = [("pictures or questions", f"{scores.pictures:,}")]
    rows += [(name, f"{value:.3f}") for name, value in scores.all.items()]
    table = "".join(f"<tr><td>{escape(name)}<td class=number>{value}" for name, value in rows)
    notes = "".join(f"<p>{escape(note)}" for note in scores.notes)
    by = "; ".join(f"{name}: {value}" for name, value in scores.by.items())
    return f"<table>{table}</table><p>{escape(by)}{notes}{grouped(scores)}"


def grouped(scores: Scores) -> str:
    """Write the scores of each group."""
    if not scores.groups:
        return ""
    names = list(next(iter(scores.groups.values())))
    head = "".join(f"<th>{escape(name)}" for name in ("", *names))
    rows = "".join(
        f"<tr><td>{escape(group)}" + "".join(f"<td class=number>{cell(v)}" for v in found.values())
        for group, found in scores.groups.items()
    )
    return f"<table><tr>{head}{rows}</table>"


def cell(value: float) -> str:
    """Write a number of a table."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def section(title: str, pairs: Sequence[Pair], scores: Scores, rows: list[int]) -> str:
    """Write some pictures with what was said of them and what was expected."""
    if not rows:
        return ""
    shown = "".join(figure(pairs[i], scores, i) for i in rows)
    return f"<h2>{escape(title)}</h2><div class=pictures>{shown}</div>"


def figure(pair: Pair, scores: Scores, number: int) -> str:
    """Write one picture."""
    row = pair.row
    question = f"<div>{escape(row.question)}</div>" if row.question else ""
    wanted = "<br>".join(escape(text) for text in dict.fromkeys(pair.wanted))
    values = ", ".join(
        f"{name} {scores.each[name][number]:.2f}"
        for name in ("accuracy", "CIDEr", "ROUGE_L", "exact")
        if name in scores.each
    )
    return (
        f"<figure>{small(pair)}{question}"
        f"<div class=said>{escape(pair.prediction) or '(nothing)'}</div>"
        f"<div class=wanted>{wanted}</div><div class=key>{escape(row.key)}: {values}</div></figure>"
    )


def small(pair: Pair) -> str:
    """Write a picture as a small JPEG inside the page; a line of text where it cannot be read."""
    try:
        picture = opened(pair.row.read())
    except (UserError, OSError) as error:
        return f"<div class=key>{escape(str(error))}</div>"
    picture.thumbnail((2 * SIDE, 2 * SIDE))
    file = io.BytesIO()
    picture.convert("RGB").save(file, "jpeg", quality=80)
    data = base64.b64encode(file.getvalue()).decode()
    return f"<img src='data:image/jpeg;base64,{data}' alt='{escape(pair.prediction, quote=True)}'>"


def opened(content: Any) -> Image.Image:
    """Open what a row has: a path, bytes, a picture, or the frames of a clip."""
    if isinstance(content, Path | bytes):
        return open_picture(content)
    return (content[len(content) // 2] if isinstance(content, list) else content).copy()


def table_of(found: list[Confusion]) -> str:
    """Write what is confused with what."""
    if not found:
        return ""
    rows = "".join(
        f"<tr><td class=number>{one.times}<td>{escape(one.wanted) or '(nothing)'}"
        f"<td>{escape(one.prediction) or '(nothing)'}<td class=key>{escape(', '.join(one.keys))}"
        for one in found
    )
    head = "<tr><th>times<th>expected<th>said<th>for example"
    return f"<h2>What is confused with what</h2><table>{head}{rows}</table>"
