"""`numpygit evaluate`: how good captions or answers are, against references."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..data import Row, read
from ..data.speak import Speak
from ..errors import UserError, complain
from ..evaluation import Pair, Scores, match, read_results, score
from ..evaluation.report import page
from ..evaluation.scenes import BEGINNING, scenes
from ..loading.write_whole import write_whole
from .dataset import caption_rows, speaker


def evaluate(options: argparse.Namespace) -> int:
    """Score results, and print the figures; return how many pictures could not be captioned."""
    failed = 0
    if options.model is None:
        if options.references is None:
            raise UserError("give --references to score results, or --model to caption them first")
        references = list(references_of(options))
        results = read_results(Path(options.results))
    else:
        references = list(references_of(options))
        results, failed = said_by_model(options, references, speaker(options))
    pairs = match(results, references)
    found = score(pairs, java=options.java, spice=options.spice)
    total = sum(bool(row.texts or row.answers) for row in references)
    if options.per_picture:
        write(options.per_picture, lines_of(pairs, found))
    if options.report:
        title = f"{options.results}: {len(pairs):,} pictures scored"
        write(options.report, page(pairs, found, title=title))
    print(as_json(found, total) if options.json else as_text(found, total), flush=True)
    return failed


def references_of(options: argparse.Namespace) -> Iterator[Row]:
    """Read the references."""
    source = options.references or options.results
    if source.startswith(BEGINNING):
        return scenes(source)
    return read(source, answers=options.answers, pictures=options.pictures)


def said_by_model(
    options: argparse.Namespace, references: list[Row], speak: Speak
) -> tuple[dict[str, str], int]:
    """Let the model caption the source first: -> key -> text, and how many failed."""
    rows = references
    if options.references is not None:
        rows = list(read(options.results, pictures=options.pictures, with_texts=False))
        match({row.key: "" for row in rows if row.error is None}, references)  # before the work
    kept: dict[str, str] = {}

    def keep(batches: Any) -> Any:
        for spoken in speak(batches):
            kept.update({one.row.key: one.text for one in spoken if one.text is not None})
            yield spoken

    output = options.output
    if output is not None and Path(output).suffix.lower() in ("", ".tar", ".txt"):
        raise UserError(f"keep results in .jsonl, .csv, .json or .parquet, not in {output!r}")
    counts = caption_rows(
        rows,
        keep,
        output=output,
        model=options.model,
        batch_size=options.batch_size,
        is_silent=True,
        is_listed=True,
    )
    if output is not None:  # with what an earlier run has written
        kept = {**read_results(Path(output)), **kept} if counts.had else kept
    return kept, counts.failed


def write(name: str, text: str) -> None:
    """Write a file whole; UserError where that does not work."""
    try:
        write_whole(Path(name), lambda part: part.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{name} cannot be written: {error.strerror}") from None


def as_text(found: Scores, total: int) -> str:
    """Write the scores as a table."""
    unit = "questions" if "accuracy" in found.all else "pictures"
    lines = [f"{'N':12} {found.pictures:,} of {total:,} {unit}"]
    for name, value in found.all.items():
        is_percent = name == "accuracy"
        lines.append(f"{name:12} {100 * value:.2f} %" if is_percent else f"{name:12} {value:.3f}")
    for group, values in found.groups.items():
        line = ", ".join(f"{n} {100 * v:.2f} %" for n, v in values.items() if n != "N")
        lines.append(f"{group:32} N {values['N']:,}, {line}")
    lines += [f"{name:12} {what}" for name, what in found.by.items()]
    for note in found.notes:
        complain(note)
    return "\n".join(lines)


def as_json(found: Scores, total: int) -> str:
    """Write the scores as one JSON object; VQA's as its own code names them."""
    row: dict[str, Any] = {"N": found.pictures, "references": total, **found.all}
    if "accuracy" in found.all:
        row["overall"] = round(100 * found.all["accuracy"], 2)
        for name, label in (("perQuestionType", "question_type"), ("perAnswerType", "answer_type")):
            row[name] = {
                group.removeprefix(f"{label}: "): round(100 * values["accuracy"], 2)
                for group, values in found.groups.items()
                if group.startswith(label)
            }
    return json.dumps({**row, "groups": found.groups, "by": found.by, "notes": found.notes})


def lines_of(pairs: list[Pair], found: Scores) -> str:
    """Write the scores of each picture, one JSON object a line."""
    lines = []
    for i, pair in enumerate(pairs):
        row: dict[str, Any] = {"picture": pair.row.key}
        if pair.row.question is not None:
            row["question"] = pair.row.question
        row |= {"prediction": pair.prediction, "references": list(pair.wanted)}
        row |= {name: each[i] for name, each in found.each.items()}
        lines.append(json.dumps(row) + "\n")
    return "".join(lines)
