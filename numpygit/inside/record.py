"""Run a model on a picture with everything watched, and keep the tensors in a file.

    run = record(captioner, "picture.png")          # Run: tensors by name, and facts
    save("run.safetensors", run)
    read("run.safetensors")

The run is the definition: the model first says its caption, then one call without a cache reads
the whole text at once, so that every name comes once. With `cached` the names are those of the
caption being made, word by word: `image.text.0.k`, `word.2.logits`, ...

`noise` is what float32 costs: the same run is done again in float64, and for every tensor the
largest and the mean distance of the two are kept. `numpygit diff` needs them as its measure.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import NotFoundError, UserError
from ..huggingface.models import GitForCausalLM
from ..huggingface.processing.picture_steps import Picture
from ..loading.config import GitConfig
from ..loading.formats.mapped import map_file
from ..loading.formats.safetensors_file import read_header, read_safetensors
from ..loading.write_whole import write_tensors
from ..model.generate import Choice
from ..model.layers import Trace
from ..model.params import Array
from ..trace import NUMBERS, TABLE, Recorder, find, only
from .takes import Captioner

IDS = "ids"  # the words that were read, in files beside the named tensors
BLOCKED = -5000.0  # a score below this has weight 0: masks hold -inf, -1e4 or the lowest float
Subject = Picture | Sequence[Picture]


class Run(NamedTuple):
    """What a run left: its tensors, and what is to be known about it."""

    tensors: dict[str, Array]
    facts: dict[str, Any]  # model, picture, question, mode, text, noise, ...


class Distance(NamedTuple):
    """How far two tensors are apart."""

    largest: float
    mean: float


def record(
    captioner: Captioner,
    picture: Subject,
    question: str | None = None,
    *,
    patterns: Sequence[str] = (),
    cached: bool = False,
    noise: bool = False,
    trace: Trace | None = None,
) -> Run:
    """Watch a caption or an answer: keep what fits the patterns, or hand it to `trace`."""
    check_patterns(patterns, names_of(captioner.model.config, cached=cached))
    pixels = captioner.pixels(picture)
    prompt = captioner.processor.prompt(question)
    recorder = Recorder(*patterns)
    watch = recorder if trace is None else only(patterns, trace)
    if cached:
        *_, ids = captioner.generate(pixels, prompt, trace=watch)
    else:
        *_, ids = captioner.generate(pixels, prompt)
        read_once(captioner, captioner.model, pixels, ids[:, :-1], watch)
    facts: dict[str, Any] = {
        "model": captioner.name,
        "picture": str(picture) if isinstance(picture, str | Path) else "",
        "question": question or "",
        "preprocessing": "original" if captioner.processor.original else "hf",
        "mode": "cached" if cached else "uncached",
        "text": captioner.processor.vocabulary.decode(ids[0, prompt.shape[1] :].tolist()),
    }
    tensors = {IDS: ids[:, :-1], **recorder.tensors}
    if noise and not (cached and captioner.processor.original):
        facts["noise"] = measure_noise(captioner, pixels, prompt, ids, tensors, cached=cached)
    return Run(tensors, facts)


def read_once(
    captioner: Captioner, model: GitForCausalLM, pixels: Array, ids: Array, trace: Trace
) -> None:
    """Read a whole text at once, without a cache. The last word of a caption is never read."""
    stretch = captioner.processor.original
    model.logits(ids, pixels, interpolate_pos_encoding=stretch, trace=trace)


def measure_noise(
    captioner: Captioner,
    pixels: Array,
    prompt: Array,
    ids: Array,
    tensors: Mapping[str, Array],
    *,
    cached: bool,
) -> dict[str, Distance]:
    """Do the same run in float64: name -> how far float32 was from that."""
    exact = GitForCausalLM(captioner.model.config, in_float64(captioner.model.params))
    found: dict[str, Distance] = {}

    def hold_against(name: str, value: Array) -> None:
        if name in tensors:
            found[name] = distance(tensors[name], value)

    chosen = iter(ids[:, prompt.shape[1] :].T)  # the same words, whatever float64 would say
    if cached:
        for _ in exact.steps(
            pixels,
            prompt,
            max_length=ids.shape[1],
            choose=lambda logits, so_far: Choice(next(chosen), np.arange(1)),
            trace=hold_against,
        ):
            pass
    else:
        read_once(captioner, exact, pixels, ids[:, :-1], hold_against)
    return found


def in_float64(part: Any) -> Any:
    """Copy parameters in double precision."""
    if isinstance(part, np.ndarray):
        return part.astype(np.float64)
    if isinstance(part, tuple):
        return tuple(in_float64(piece) for piece in part)
    if is_dataclass(part) and not isinstance(part, type):
        values = {field.name: in_float64(getattr(part, field.name)) for field in fields(part)}
        return type(part)(**values)
    return part


def distance(a: Array, b: Array, *, unit: float = 0.0) -> Distance:
    """Measure how far two tensors of one shape are apart; masked positions count as equal.

    `unit` is half a step of the numbers of b, relative to them: so much counts as nothing.
    """
    both_blocked = (a < BLOCKED) & (b < BLOCKED)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(np.asarray(a, np.float64) - b)
        if unit:
            apart = np.maximum(apart - unit * np.abs(np.asarray(b, np.float64)) - 2.0**-25, 0)
    apart[both_blocked | (np.isnan(a) & np.isnan(b))] = 0
    apart[np.isnan(apart)] = np.inf
    if apart.size == 0:
        return Distance(0.0, 0.0)
    return Distance(float(apart.max()), float(apart.mean()))


def check_patterns(patterns: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a pattern that no name of a run fits, before the run."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            near = nearest_name(pattern, names) or ";"
            raise UserError(
                f"no tensor of this run is called {pattern!r}{near} `*` stands for anything, and "
                "`numpygit trace --table` lists the names"
            )


def names_of(config: GitConfig, *, cached: bool = False) -> list[str]:
    """List the names that a run can have, a cached one as many words as there are positions."""
    found = []
    depth = {"vision": config.vision_config.num_hidden_layers, "text": config.num_hidden_layers}
    for row in TABLE:
        tower = row.name.split(".")[0]
        layers = range(depth[tower] if "{i}" in row.name else 1)
        found += [row.name.replace("{i}", str(i)) for i in layers]
    if not cached:
        return found[:-1]  # all but the word that was chosen
    words = [name for name in found if NUMBERS[find(name).row.name] > NUMBERS["memory"]]  # type: ignore[union-attr]
    runs = [f"word.{i}." for i in range(config.max_position_embeddings)]
    return found + [run + name for run in ("image.", *runs) for name in words]


def nearest_name(name: str, names: Sequence[str]) -> str:
    """Suggest a name that looks like this one."""
    from difflib import get_close_matches

    near = get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


# ---------------------------------------------------------------- files


def check_target(path: str | Path) -> Path:
    """Refuse a file that cannot be written or would not be read again, before any work."""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise UserError(f"{path} must end in .safetensors, the format that traces are written in")
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the name of a file to write")
    if not path.parent.is_dir():
        raise NotFoundError(f"{path.parent} is no folder; make it first, or write elsewhere")
    return path


def save(path: str | Path, run: Run) -> None:
    """Write a run, whole or not at all."""
    path = check_target(path)
    packed = {name: np.ascontiguousarray(array) for name, array in run.tensors.items()}
    facts = {name: value if isinstance(value, str) else json.dumps(value)
             for name, value in run.facts.items()}  # fmt: skip
    write_tensors(path, packed, facts)


def read(path: str | Path) -> Run:
    """Read a run, or what another program wrote: .safetensors, or .npz with the same names."""
    path = Path(path)
    if not path.is_file():
        raise NotFoundError(f"no such file: {path}")
    if path.suffix == ".npz":
        return Run(read_npz(path), {})
    if path.suffix != ".safetensors":
        raise UserError(f"{path} must end in .safetensors or .npz")
    tensors = read_safetensors(path)
    header, _ = read_header(map_file(path))
    facts: dict[str, Any] = {**header.pop("__metadata__", {})}
    if "noise" in facts:
        try:
            found = json.loads(facts["noise"])
            facts["noise"] = {name: Distance(*map(float, pair)) for name, pair in found.items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise UserError(f"{path}: its metadata `noise` cannot be read: {error}") from None
    doubles = [name for name, entry in header.items() if entry["dtype"] == "F64"]
    if doubles:
        facts["float64"] = sorted(doubles)
    return Run(dict(tensors), facts)


def read_npz(path: Path) -> dict[str, Array]:
    """Read arrays that NumPy saved, those with decimals as float32; nothing pickled is ever run."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is no file of arrays that NumPy saved: {error}") from None
    odd = [name for name, array in arrays.items() if array.dtype.kind not in "fiub"]
    if odd:
        raise UserError(f"{path}: {odd[0]!r} holds {arrays[odd[0]].dtype}, expected numbers")
    return {n: a.astype(np.float32) if a.dtype.kind == "f" else a for n, a in arrays.items()}
