"""`numpygit caption` of whole data sets: tables, COCO, VQA, shards, parquet; shares and workers."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from ..data import Row, Share, read
from ..data.sinks import Sink, sink
from ..data.sinks.files import is_ending
from ..data.sinks.run import Counts, Speak, run
from ..data.sinks.texts import Nothing
from ..data.sources import is_pattern, is_set
from ..data.split import WHOLE
from ..errors import UserError, complain, is_watched
from ..scale.workers import alone, together


def is_meant(options: argparse.Namespace) -> bool:
    """Tell whether a data set is to be captioned, rather than single pictures or one folder."""
    sources = [Path(source) for source in options.pictures]
    asked = (options.shard, options.workers, options.format, options.folder)
    return (
        any(one is not None for one in asked)
        or options.engine != "local"
        or any(is_set(source) or (is_pattern(source) and not source.exists()) for source in sources)
    )


def caption(options: argparse.Namespace, how: dict[str, Any]) -> int:
    """Caption a data set; return how many pictures could not be."""
    if options.batch_size < 1:
        raise UserError(f"--batch-size is {options.batch_size}, it must be at least 1")
    if options.engine == "ray":
        from ..scale.ray import caption_with_ray  # needs the extra, and takes seconds to import

        return caption_with_ray(options, how)
    share = WHOLE if options.shard is None else Share.parse(options.shard)
    rows = read(
        options.pictures,
        pictures=options.folder,
        recursive=options.recursive,
        with_texts=False,
        share=share,
    )
    output = options.output
    if output is not None and not is_ending(output):
        output = share.name(output)
    counts = caption_rows(
        rows,
        speaker(how, options.workers, options.max_length),
        output=output,
        model=options.model,
        form=options.format,
        batch_size=options.batch_size,
        as_json=options.json,
        existing=options.existing,
    )
    complain(str(counts))
    return counts.failed


def speaker(how: dict[str, Any], workers: int | None, max_length: int | None) -> Speak:
    """Choose who captions: this process, or several."""
    if workers is None:
        return alone(how, max_length=max_length)
    return together(how, workers, max_length=max_length)


def caption_rows(
    rows: Iterable[Row],
    speak: Speak,
    *,
    output: str | None,
    model: str,
    form: str | None = None,
    batch_size: int = 8,
    as_json: bool = False,
    silent: bool = False,
    existing: str = "skip",
) -> Counts:
    """Caption rows into the output of that name; failures are printed.

    Without an output captions are printed too, unless it is to be `silent`.
    """
    rows, asks = look_ahead(iter(rows))
    to: Sink = sink(output, model=model, form=form, asks=asks, as_json=as_json, existing=existing)
    if output is None and silent:
        to = Nothing()
    to.open()
    try:
        from tqdm import tqdm  # inside a browser there is none

        with tqdm(unit="picture", disable=not is_watched()) as bar:

            def report(why: str) -> None:
                bar.clear()
                complain(why)

            return run(rows, to, speak, batch_size=batch_size, report=report, advance=bar.update)
    finally:
        to.close()


def look_ahead(rows: Iterator[Row]) -> tuple[Iterator[Row], bool]:
    """Tell whether rows are questions, by the first of them."""
    first = next(rows, None)
    if first is None:
        return iter(()), False
    return chain([first], rows), first.question is not None
