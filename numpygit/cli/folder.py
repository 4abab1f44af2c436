"""A folder of pictures -> captions, a batch at a time. Stop it and start it again as you like:
pictures that have their caption are not looked at again, and none is left out.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..captioner import Captioner
from ..data.folders import find_pictures
from ..data.sinks.files import Results, results
from ..errors import NotFoundError, NotReadableError, UserError, complain, is_watched
from ..huggingface.reading.mistakes import joined
from ..model.params import Array

Report = Callable[[str], object]


@dataclass(frozen=True)
class Job:
    """What is to be done in a folder."""

    folder: Path
    pictures: list[str]  # still without a caption; relative to the folder, in order
    done: int  # pictures that have one already
    failures: int  # folders that cannot be read
    results: Results


def plan(folder: str | Path, to: Results, *, recursive: bool, report: Report) -> Job:
    """Find out what is to be done. Needs no model, and ends in an error where it would be no use.

    Raises NotFoundError for a missing folder; UserError for one without pictures, and for results
    that cannot be written.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotFoundError(f"no such folder: {folder}")
    pictures, failures = find_pictures(folder, recursive=recursive, report=report)
    if not pictures:
        hint = "" if recursive else "; --recursive looks into its folders too"
        raise UserError(f"{folder} has no pictures in it{hint}")
    done = to.done(pictures)
    left = [picture for picture in pictures if picture not in done]
    return Job(folder, left, len(pictures) - len(left), failures, to)


def run(
    job: Job,
    captioner: Captioner,
    *,
    batch_size: int,
    max_length: int | None = None,
    report: Report,
    unreadable: list[str] | None = None,
) -> int:
    """Caption the pictures of a job; return how many things could not be read.

    Those that are fine, but need what is not installed here, are listed in `unreadable` too.
    A broken picture is reported and left out, so that the next start tries it again.
    """
    from tqdm import tqdm  # only folders need it; inside a browser there is none

    failures = job.failures
    total = job.done + len(job.pictures)
    hidden = not is_watched()
    with tqdm(total=total, initial=job.done, unit="picture", disable=hidden) as bar:
        for start in range(0, len(job.pictures), batch_size):
            batch = job.pictures[start : start + batch_size]
            prepared: dict[str, Array] = {}
            for picture in batch:
                lines: list[str] = []
                try:
                    with held_back(lines, report):
                        prepared[picture] = captioner.pixels(job.folder / picture)
                except (UserError, OSError) as error:
                    failures += 1
                    if unreadable is not None and isinstance(error, NotReadableError):
                        unreadable.append(picture)
                    bar.clear()
                    report(f"{error}{joined(lines, str(error))}")
            captions = captioner.caption_pixels(list(prepared.values()), max_length=max_length)
            for why in job.results.write(dict(zip(prepared, captions, strict=True))):
                failures += 1
                report(why)
            bar.update(len(batch))
    return failures


def caption_folder(
    captioner: Captioner,
    folder: str | Path,
    output: str | None = None,
    *,
    recursive: bool = False,
    batch_size: int = 8,
    max_length: int | None = None,
    existing: str = "skip",
) -> int:
    """Caption all pictures of a folder; return how many could not be read.

    `output` is a file that ends in .jsonl or .csv; an ending alone, such as ".txt", for a text file
    beside each picture; None prints. `existing` is "skip", "overwrite" or "append". Call it again
    to go on with what is left. Mistakes are printed as they come.
    """
    with closing(results(output, Path(folder), model=captioner.name, existing=existing)) as to:
        job = plan(folder, to, recursive=recursive, report=complain)
        return run(job, captioner, batch_size=batch_size, max_length=max_length, report=complain)


@contextmanager
def held_back(lines: list[str], report: Report) -> Iterator[None]:
    """Collect what the C libraries print while a picture is read; notes of ours are reported.

    Such lines go to the error stream of the process, past Python: it leads into a file meanwhile.
    """
    try:
        kept = os.dup(2)
    except OSError:  # there is no error stream
        yield
        return
    with tempfile.TemporaryFile() as file, warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            lines += file.read(10_000).decode(errors="replace").splitlines()
    for note in notes:
        report(f"note: {note.message}")
