"""A folder of pictures -> captions, a batch at a time. Stop it and start it again as you like:
pictures that have their caption are not looked at again, and none is left out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from ..captioner import Captioner
from ..errors import NotFoundError, UserError, complain
from ..huggingface.processing.video import VIDEO_SUFFIXES
from ..model.params import Array
from .output import Results, results

NEVER_READ = ("BUFR", "GRIB", "HDF5", "MPEG")  # Pillow knows their names, but has no decoder

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
) -> int:
    """Caption the pictures of a job; return how many things could not be read.

    A broken picture is reported and left out, so that the next start tries it again.
    """
    failures = job.failures
    total = job.done + len(job.pictures)
    is_watched = sys.stderr.isatty()
    with tqdm(total=total, initial=job.done, unit="picture", disable=not is_watched) as bar:
        for start in range(0, len(job.pictures), batch_size):
            batch = job.pictures[start : start + batch_size]
            prepared: dict[str, Array] = {}
            for picture in batch:
                try:
                    prepared[picture] = captioner.pixels(job.folder / picture)
                except (UserError, OSError) as error:
                    failures += 1
                    with tqdm.external_write_mode(file=sys.stderr):
                        report(str(error))
            captions = captioner.caption_pixels(list(prepared.values()), max_length=max_length)
            job.results.write(dict(zip(prepared, captions, strict=True)))
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
) -> int:
    """Caption all pictures of a folder; return how many could not be read.

    `output` is a file that ends in .jsonl or .csv; ".txt" for a text file beside each picture;
    None prints. Call it again to go on with what is left. Mistakes are printed as they come.
    """
    with closing(results(output, Path(folder), model=captioner.name)) as to:
        job = plan(folder, to, recursive=recursive, report=complain)
        return run(job, captioner, batch_size=batch_size, max_length=max_length, report=complain)


def find_pictures(folder: Path, *, recursive: bool, report: Report) -> tuple[list[str], int]:
    """List the pictures of a folder in order, and count the folders that cannot be read.

    Names that begin with a dot are left out, and links to other folders are not followed.
    """
    suffixes = picture_suffixes()
    unreadable: list[OSError] = []
    found = []
    for place, folders, files in os.walk(folder, onerror=unreadable.append):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        for name in files:
            path = Path(place, name)
            is_picture = path.suffix.lower() in suffixes and not name.startswith(".")
            if is_picture and (os.path.isfile(path) or not os.path.exists(path)):  # no pipe, ...
                found.append(path.relative_to(folder).as_posix())
    for error in sorted(unreadable, key=lambda error: str(error.filename)):
        report(f"{error.filename} cannot be read: {error.strerror}")
    return sorted(found), len(unreadable)


def picture_suffixes() -> set[str]:
    """List the endings of the files that can be read here; videos only if PyAV is there."""
    known = Image.registered_extensions().items()
    pictures = {end for end, kind in known if kind in Image.OPEN and kind not in NEVER_READ}
    return pictures | set(VIDEO_SUFFIXES if find_spec("av") else ())
