"""Put the mistakes of a list in, one after the other, and note what `diff` says.

python tests/helpers/trial.py              # `port_mistakes.py`: those that causes were written with
python tests/helpers/trial.py --new        # `new_port_mistakes.py`, written after them
python tests/helpers/trial.py --later      # its second batch, written after the causes of the first
python tests/helpers/trial.py --last       # its third, written after those of the second
python tests/helpers/trial.py --aside      # the part of either that was kept aside
python tests/helpers/trial.py --coarse     # with nothing but the outputs of blocks
python tests/helpers/trial.py --counts     # the counts alone, no mistake by name
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import new_port_mistakes
import numpy as np
import port_mistakes
from PIL import Image
from port import Port, Weights
from port_mistakes import Mistake

import numpygit
from numpygit.inside.diff.compare import Report, compare
from numpygit.inside.record import Run, record
from numpygit.loading.formats.safetensors_file import read_safetensors
from numpygit.storybook import CHECKPOINT, EXAMPLES


class Outcome(NamedTuple):
    """What came out for one mistake."""

    mistake: Mistake
    report: Report
    is_right: bool  # the first wrong tensor is the one where the mistake is
    is_named: bool
    is_misleading: bool  # a cause was named, and it is not the mistake


@cache
def captioner():
    return numpygit.load("storybook", plain=True)


def picture_of(kind: str) -> Path | Image.Image:
    """The picture that a kind of run is made of: a still, a clip, or one that must be cut."""
    if kind == "wide":
        return new_port_mistakes.wide_picture()
    return EXAMPLES / ("clip.gif" if kind == "clip" else "relation.png")


@cache
def ours(kind: str) -> Run:
    return record(captioner(), picture_of(kind), noise=True)


@cache
def weights() -> Weights:
    tensors = {
        name: np.array(a) for name, a in read_safetensors(CHECKPOINT / "model.safetensors").items()
    }
    vision = captioner().model.config.vision_config
    return Weights(tensors, vision.num_attention_heads, vision.patch_size)


def run_port(mistake: Mistake | None, kind: str, *, coarse: bool) -> Run:
    """Run the port, with the mistake's methods in place of its own."""
    methods = {} if mistake is None else mistake.methods
    port = type("Wrong", (Port,), methods)(weights())
    right = ours(kind).tensors
    with np.errstate(all="ignore"):
        return Run(port.run(right["pixels"], right["ids"], coarse=coarse), {})


def where_coarse(tensor: str) -> str:
    """The first output of a block, or of a tower, behind a tensor."""
    parts = tensor.split(".")
    if len(parts) == 3:
        return f"{parts[0]}.{parts[1]}.x"
    return {
        "pixels": "pixels", "vision.image_tokens": "vision.image_tokens", "clip_tokens": "memory",
        "projected": "memory", "memory": "memory", "logits": "logits",
    }.get(tensor, "vision.0.x" if parts[0] == "vision" else "text.0.x")  # fmt: skip


def attempt(mistake: Mistake, *, coarse: bool) -> Outcome:
    """Put one mistake in and compare."""
    model = captioner().model
    theirs = run_port(mistake, mistake.kind, coarse=coarse)
    picture = picture_of("wide") if mistake.kind == "wide" else None
    report = compare(
        ours(mistake.kind), theirs, params=model.params, config=model.config, picture=picture
    )
    wanted = where_coarse(mistake.tensor) if coarse else mistake.tensor
    first = report.first.name if report.first else ""
    said = " ".join(report.causes)
    claims = said.startswith(("Theirs equals", "Theirs is nearly"))
    is_named = any(hint.lower() in said.lower() for hint in mistake.hints)
    return Outcome(mistake, report, first == wanted, is_named, claims and not is_named)


def chosen(given: list[str]) -> list[Mistake]:
    """The mistakes of the list and the part that the options name."""
    room = new_port_mistakes if "--new" in given else port_mistakes
    listed = room.NEW if "--new" in given else room.MISTAKES
    for batch in ("LATER", "LAST"):
        if f"--{batch.lower()}" in given:
            return getattr(new_port_mistakes, batch)
    words = [word for word in given if not word.startswith("--")]
    found = [m for m in listed if room.is_aside(m.title) == ("--aside" in given)]
    return [m for m in found if not words or any(word in m.title for word in words)]


def main(given: list[str]) -> None:
    outcomes = []
    for mistake in chosen(given):
        outcome = attempt(mistake, coarse="--coarse" in given)
        outcomes.append(outcome)
        bad = "" if outcome.is_right else "WRONG TENSOR "
        bad += "MISLEADING " if outcome.is_misleading else "" if outcome.is_named else "UNNAMED "
        if "--all" in given or (bad and "--counts" not in given):
            first = outcome.report.first.name if outcome.report.first else "nothing"
            said = " ".join(outcome.report.causes)
            print(f"{bad}{mistake.title} [{mistake.tensor}]: {first}: {said}")
    for what in ("is_right", "is_named", "is_misleading"):
        count = sum(getattr(o, what) for o in outcomes)
        print(f"{what}: {count} of {len(outcomes)}")


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parent))
    main(sys.argv[1:])
