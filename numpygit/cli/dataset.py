"""`numpygit caption` of folders and data sets: tables, COCO, VQA, shards, parquet; shares, workers.

Stop it and start it again as you like: pictures that have their caption are not looked at again,
and none is left out.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from ..data import Row, Share, read
from ..data.sinks import Sink, kind_of, sink
from ..data.sinks.files import is_ending
from ..data.sinks.run import Counts, Report, run
from ..data.sinks.texts import Nothing
from ..data.sources import common_folder, find_sources, is_pattern, is_set
from ..data.speak import Speak
from ..data.split import WHOLE
from ..errors import UserError, complain, is_watched
from ..huggingface.reading.address import is_address
from ..scale.workers import alone, together
from .loading import announce_download, how_to_load, in_processes

MOST_FOLDERS = 100  # that are held open
READ_ON_THE_WAY = (".tar", ".tsv", ".parquet")  # their rows are not listed before the work


def is_meant(options: argparse.Namespace) -> bool:
    """Tell whether a folder or data set is to be captioned, rather than single pictures."""
    files = [Path(source) for source in options.pictures if not is_address(source)]
    asked = (options.shard, options.workers, options.format, options.folder, options.output)
    return (
        any(one is not None for one in asked)
        or options.recursive
        or options.engine != "local"
        or any(os.path.isdir(file) or is_set(file) for file in files)
        or any(is_pattern(file) and not file.exists() for file in files)
    )


def caption(options: argparse.Namespace) -> int:
    """Caption a folder or a data set; return how many pictures could not be.

    What can go wrong goes wrong before the model is loaded.
    """
    check(options)
    if options.engine == "ray":
        from ..scale.ray import caption_with_ray  # needs the extra, and takes seconds to import

        return caption_with_ray(options, how_to_load(options))
    share = WHOLE if options.shard is None else Share.parse(options.shard)
    paths = find_sources(options.pictures)
    output = options.output
    if output is not None and not is_ending(output):
        output = share.name(output)
    rows = read(
        options.pictures,
        pictures=options.folder,
        recursive=options.recursive,
        with_texts=False,
        share=share,
        output=output,
    )
    counts = caption_rows(
        rows,
        speaker(options),
        output=output,
        model=options.model,
        form=options.format,
        batch_size=options.batch_size,
        as_json=options.json,
        existing=options.existing,
        folders=folders_of(paths, options.folder),
        together=share.of > 1,
        is_listed=not any(is_set(path) and path.suffix in READ_ON_THE_WAY for path in paths),
    )
    complain(str(counts))
    return counts.failed


def check(options: argparse.Namespace) -> None:
    """Refuse what cannot be done, or does nothing."""
    if options.batch_size < 1:
        raise UserError(f"--batch-size is {options.batch_size}, it must be at least 1")
    is_rows = options.output is None or kind_of(options.output, options.format) == "jsonl"
    takes_several = is_rows and not is_ending(options.output or "") and options.engine != "ray"
    if (options.num_return_sequences or 1) > 1 and not takes_several:
        raise UserError(
            "--num-return-sequences is for the screen and for .jsonl, whose rows hold several "
            "captions, and not for --engine ray"
        )
    if options.format is not None and options.output is None:
        raise UserError("--format is that of --output: give the name of a file too")
    if options.address is not None and options.engine != "ray":
        raise UserError("--address is that of a Ray cluster: give --engine ray too")


def folders_of(paths: list[Path], pictures: str | None) -> list[Path]:
    """List the folders that text files may be written to, or the one that all of many lie in."""
    if pictures is not None:
        return [Path(pictures)]
    found = list(dict.fromkeys(path if path.is_dir() else path.parent for path in paths))
    return found if len(found) <= MOST_FOLDERS else [common_folder(found)]


def speaker(options: argparse.Namespace) -> Speak:
    """Choose who captions: this process, or several. The model is loaded when it is needed."""
    how = how_to_load(options)
    count = getattr(options, "num_return_sequences", None) or 1  # `evaluate` does not ask
    asked = {"max_length": options.max_length, "count": count}
    if options.workers is None:
        return announced(alone(in_processes(how), **asked), options)
    return announced(together(how, options.workers, **asked), options)


def announced(speak: Speak, options: argparse.Namespace) -> Speak:
    """Say how large the model is before it is downloaded."""

    def counted(batches: Iterable[list[Row]]) -> Iterator[list[Row]]:
        for number, batch in enumerate(batches):
            if number == 0:
                announce_download(options)
            yield batch

    return lambda batches: speak(counted(batches))


def caption_rows(
    rows: Iterable[Row],
    speak: Speak,
    *,
    output: str | None,
    model: str,
    batch_size: int = 8,
    is_silent: bool = False,
    is_listed: bool = False,
    **how: Any,
) -> Counts:
    """Caption rows into the output of that name; failures are printed.

    Without an output captions are printed too, unless it is to be silent. Rows that can be listed
    at once are compared with the output before the work begins. `how` is what `sink` takes.
    """
    rows, asks = look_ahead(iter(rows))
    to: Sink = sink(output, model=model, asks=asks, **how)
    if output is None and is_silent:
        to = Nothing()
    try:
        to.open()
        total, had = None, 0
        if is_listed:
            listed = list(rows)
            rows = [row for row in listed if not to.has(row)]
            total, had = len(listed), len(listed) - len(rows)
        with progress(total, had) as (report, advance):
            found = run(rows, to, speak, batch_size=batch_size, report=report, advance=advance)
        found.had += had
        return found
    finally:
        to.close()


@contextmanager
def progress(total: int | None, had: int) -> Iterator[tuple[Report, Callable[[int], object]]]:
    """Show a bar where a person watches: -> how to print a line past it, and how to advance it."""
    from tqdm import tqdm  # inside a browser there is none

    with tqdm(total=total, initial=had, unit="picture", disable=not is_watched()) as bar:

        def report(why: str) -> None:
            bar.clear()
            complain(why)

        yield report, bar.update


def look_ahead(rows: Iterator[Row]) -> tuple[Iterable[Row], bool]:
    """Tell whether rows are questions, by the first of them."""
    first = next(rows, None)
    if first is None:
        return iter(()), False
    return chain([first], rows), first.question is not None
