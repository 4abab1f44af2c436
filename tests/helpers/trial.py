"""Put the mistakes of `port_mistakes.py` in, one after the other, and note what `diff` says.

python tests/helpers/trial.py              # two thirds: those that causes were written with
python tests/helpers/trial.py --aside      # the third that was kept aside
python tests/helpers/trial.py --coarse     # with nothing but the outputs of blocks
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from port import Port, Weights
from port_mistakes import MISTAKES, Mistake, is_aside

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


@cache
def ours(kind: str) -> Run:
    picture = EXAMPLES / ("clip.gif" if kind == "clip" else "relation.png")
    return record(captioner(), picture, noise=True)


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
    report = compare(ours(mistake.kind), theirs, params=model.params, config=model.config)
    wanted = where_coarse(mistake.tensor) if coarse else mistake.tensor
    first = report.first.name if report.first else ""
    said = " ".join(report.causes)
    claims = said.startswith(("Theirs equals", "Theirs is nearly"))
    is_named = any(hint.lower() in said.lower() for hint in mistake.hints)
    return Outcome(mistake, report, first == wanted, is_named, claims and not is_named)


def main() -> None:
    coarse = "--coarse" in sys.argv
    chosen = [m for m in MISTAKES if is_aside(m.title) == ("--aside" in sys.argv)]
    words = [w for w in sys.argv[1:] if not w.startswith("--")]
    outcomes = []
    for mistake in chosen:
        if words and not any(w in mistake.title for w in words):
            continue
        outcome = attempt(mistake, coarse=coarse)
        outcomes.append(outcome)
        bad = "" if outcome.is_right else "WRONG TENSOR "
        bad += "MISLEADING " if outcome.is_misleading else "" if outcome.is_named else "UNNAMED "
        if bad or "--all" in sys.argv:
            first = outcome.report.first.name if outcome.report.first else "nothing"
            said = " ".join(outcome.report.causes)
            print(f"{bad}{mistake.title} [{mistake.tensor}]: {first}: {said}")
    total = len(outcomes)
    for what in ("is_right", "is_named", "is_misleading"):
        count = sum(getattr(o, what) for o in outcomes)
        print(f"{what}: {count} of {total}")


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parent))
    main()
