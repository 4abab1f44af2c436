"""Captions on a Ray cluster, or on one machine with Ray: the extra `numpygit[ray]`.

    import ray
    from numpygit.scale.ray import Caption, strategy
    pictures = ray.data.read_binary_files("s3://bucket/pictures", include_paths=True)
    captions = pictures.map_batches(Caption, batch_size=32, **strategy(4, model="storybook"))
    captions.write_parquet("s3://bucket/captions")

Reading and writing, queues, retries and restarts of actors are Ray's. What is here: the model is
loaded once in each actor; a picture that cannot be read becomes a row with an error, because an
exception ends the whole job, whatever Ray's allowance for errors says; and a core is left for Ray,
because where actors hold all cores, the tasks that read wait for ever.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..captioner import load
from ..data.sinks.run import Counts
from ..data.sources import Asked, find_sources, is_set, read_one
from ..errors import UserError, complain
from .each import caption_each

PICTURES = ("bytes", "image", "jpg", "jpeg", "png", "webp", "picture", "content", "row")
KEYS = ("path", "key", "__key__", "file_name", "id", "row")
READ_BY_RAY = (".parquet", ".tar")
WRITTEN_BY_RAY = (".parquet", ".jsonl", ".csv")


class Caption:
    """What `map_batches` calls: a batch of pictures -> the batch with `caption` and `error`.

    Pictures come as bytes, arrays (H, W, 3) of 0 to 255, or paths, in the `column` of that name, by
    default the first of PICTURES that is there, or `path`. Columns of pictures are dropped, all
    others are kept, or those that `keep` names. `how` is what `load` takes.
    """

    def __init__(
        self,
        model: str = "storybook",
        *,
        threads: int | None = 1,
        column: str | None = None,
        keep: Sequence[str] | None = None,
        max_length: int | None = None,
        **how: Any,
    ) -> None:
        self.captioner = load(model, threads=threads, **how)
        self.column, self.keep, self.max_length = column, keep, max_length

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Caption one batch."""
        column = self.column or next((n for n in (*PICTURES, "path") if n in batch), None)
        if column is None or column not in batch:
            raise UserError(
                f"no column of pictures: expected {column or ', '.join(PICTURES)}, the batch has "
                f"{', '.join(batch)}"
            )
        keys = next((batch[name] for name in KEYS if name in batch), None)
        captioned = caption_each(
            self.captioner, batch[column], keys=keys, max_length=self.max_length
        )
        kept = {
            name: values
            for name, values in batch.items()
            if name not in PICTURES and (self.keep is None or name in self.keep)
        }
        if not any(name in kept for name in KEYS):
            kept["path"] = np.array([one.row.key for one in captioned], object)
        kept["caption"] = np.array([one.text or "" for one in captioned], object)
        return {**kept, "error": np.array([one.error or "" for one in captioned], object)}


def strategy(actors: int, *, cpus: float | None = None, **how: Any) -> dict[str, Any]:
    """Say how `map_batches` runs Caption: `actors` of them, with a core left for Ray.

    `how` is what Caption takes; its `threads` is how many cores an actor uses. `cpus` is how many
    there are, by default those of the cluster.
    """
    ray = import_ray()
    there = float(ray.cluster_resources().get("CPU", 1)) if cpus is None else cpus
    threads = how.get("threads") or 1
    left = there - 1 if there > 1 else there / 2
    return {
        "compute": ray.data.ActorPoolStrategy(size=actors),
        "num_cpus": min(float(threads), left / actors),
        "fn_constructor_kwargs": {**how, "threads": threads},
    }


def import_ray() -> Any:
    """Import Ray with its part for data; UserError where it is not installed."""
    try:
        import ray
        import ray.data
    except ImportError:
        raise UserError("this needs Ray: pip install 'numpygit[ray]'") from None
    return ray


def caption_with_ray(options: argparse.Namespace, how: dict[str, Any]) -> int:
    """Do what `numpygit caption SOURCE --engine ray` asks for; return how many pictures failed."""
    ray = import_ray()
    output = options.output
    if output is not None and Path(output).suffix.lower() not in WRITTEN_BY_RAY:
        raise UserError(
            f"Ray writes folders of .parquet, .jsonl or .csv files, so --output cannot be {output}"
        )
    for name in ("shard", "format", "folder"):
        if getattr(options, name, None) is not None:
            raise UserError(f"--{name} is for --engine local; Ray shares the work out by itself")
    start(ray, options.address)
    quieten(ray)
    cpus = int(ray.cluster_resources().get("CPU", 1))
    actors = options.workers or max(1, cpus - 1)
    found = read_with_ray(ray, options)
    done = keys_done(output)
    if done:
        found = found.filter(lambda row: key_of(row) not in done)
    rest = {name: value for name, value in how.items() if name != "name"}
    captions = found.repartition(target_num_rows_per_block=options.batch_size).map_batches(
        Caption,
        batch_size=options.batch_size,
        **strategy(actors, model=how["name"], keep=KEYS, max_length=options.max_length, **rest),
    )
    return write(captions, output, had=len(done))


def start(ray: Any, address: str | None) -> None:
    """Start Ray on this machine, or join the cluster; UserError where that does not work."""
    if ray.is_initialized():
        return
    settings = {"log_to_driver": False, "include_dashboard": False, "logging_level": logging.ERROR}
    if address is not None:
        del settings["include_dashboard"]  # which is the cluster's
    try:
        ray.init(address=address, **settings)
    except Exception as error:  # of many kinds
        why = " ".join(str(error).split())[:300]
        raise UserError(f"Ray did not start: {why}") from None


def read_with_ray(ray: Any, options: argparse.Namespace) -> Any:
    """Read a source with Ray's own readers; sources of other kinds as rows of ours."""
    addresses = [source for source in options.pictures if "://" in source]
    paths = [] if addresses else find_sources(options.pictures)
    names = addresses or [str(path.absolute()) for path in paths]
    endings = {Path(name).suffix.lower() for name in names}
    if endings == {".parquet"}:
        return ray.data.read_parquet(names)
    if endings == {".tar"}:
        return ray.data.read_webdataset(names, decoder=False, expand_json=False)
    if addresses:
        return ray.data.read_binary_files(names, include_paths=True)
    asked = Asked(recursive=options.recursive, with_texts=False)
    rows = [row for path in paths for row in read_one(path, asked)]
    if any(is_set(path) for path in paths) or any(row.error or row.question for row in rows):
        return ray.data.from_items([{"path": row.key, "row": row} for row in rows])
    return ray.data.read_binary_files(
        [str(Path(row.picture).absolute()) for row in rows if isinstance(row.picture, Path)],
        include_paths=True,
    )


def key_of(row: Mapping[str, Any]) -> str:
    """Name a row by the first column that can."""
    return str(next((row[name] for name in KEYS if name in row and name != "row"), ""))


def keys_done(output: str | None) -> set[str]:
    """Read which pictures have a caption from an earlier run."""
    if output is None or ("://" not in output and not Path(output).exists()):
        return set()
    return {key_of(row) for row in read_back(output) if not row["error"]}


def read_back(output: str) -> list[dict[str, Any]]:
    """Read the small columns of what was written."""
    import pyarrow.dataset

    kind = Path(output).suffix.lower().replace(".jsonl", ".json")[1:]
    written = pyarrow.dataset.dataset(output, format=kind)
    names = [name for name in (*KEYS, "error") if name in written.schema.names]
    return written.to_table(columns=names).to_pylist()


def write(captions: Any, output: str | None, *, had: int) -> int:
    """Write captions with Ray's own writers, or print them; return how many pictures failed."""
    if output is None:
        failed = 0
        for row in captions.iter_rows():
            failed += bool(row["error"])
            if row["error"]:
                complain(row["error"])
            else:
                print(f"{key_of(row)}: {row['caption']}", flush=True)
        return failed
    ending = Path(output).suffix.lower()
    if ending == ".parquet":
        captions.write_parquet(output)
    elif ending == ".csv":
        captions.write_csv(output)
    else:
        captions.write_json(output)
    rows = read_back(output)
    captioned = {key_of(row) for row in rows if not row["error"]}
    broken = {key_of(row) for row in rows} - captioned
    complain(str(Counts(len(captioned) - had, had, len(broken))))
    return len(broken)


def quieten(ray: Any) -> None:
    """Leave Ray's progress bars and plans to those who want them."""
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
