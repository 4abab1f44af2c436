"""Whether the programs that speed.py measures answer alike; where not, whether it is a tie."""

from __future__ import annotations

import sys

import numpy as np
from programs import Program

TIE = 2e-4  # logits closer than this may change places by rounding; they are of size 1


def compare(job: str, answers: dict, programs: dict[str, Program], wrong: bool) -> list[str]:
    """Check that all programs answer alike; tell of ties, and end where it is more than that."""
    notes = []
    mine = answers["numpygit"]
    for name, theirs in answers.items():
        if job == "vision tower":
            same = np.allclose(theirs, mine, atol=2e-3)
        else:
            same = theirs == mine
            if not same and job in SPOKEN:
                pair = {"numpygit": programs["numpygit"], name: programs[name]}
                notes += [f"{job}: {note}" for note in SPOKEN[job](mine, theirs, pair, wrong)]
                same = True
        if not same and wrong:
            notes.append(f"{job}: {name} answers otherwise than numpygit")
        elif not same:
            sys.exit(f"{job}: {name} answers otherwise than numpygit; no time counts")
    return notes


def ties(mine: list, theirs: list, pair: dict[str, Program], wrong: bool) -> list[str]:
    """Say of each picture with other words whether the two best logits are a tie in both."""
    notes = []
    for picture, (one, other) in enumerate(zip(mine, theirs, strict=True)):
        if one == other:
            continue
        place = next(i for i in range(len(one)) if one[i] != other[i])
        words = [one[place], other[place]]
        gaps = {}
        for name, program in pair.items():
            best, second = program.ask(picture=picture, ids=one[:place], words=words)["logits"]
            gaps[name] = best - second
        told = ", ".join(f"{gap:+.1e} in {name}" for name, gap in gaps.items())
        note = f"picture {picture}, word {place}: {words[0]} or {words[1]}, apart by {told}"
        if max(abs(gap) for gap in gaps.values()) <= TIE:
            notes.append(f"a tie. {note}")
        elif wrong:
            notes.append(f"no tie. {note}")
        else:
            sys.exit(f"{note}: more than rounding; no time counts")
    return notes


def equal_texts(mine: list, theirs: list, pair: dict[str, Program], wrong: bool) -> list[str]:
    """Say whether the texts that two beam searches prefer are equally likely, in both programs."""
    ((one,), (other,)) = mine, theirs
    gaps = {}
    for name, program in pair.items():
        first, second = program.ask(picture=0, texts=[one, other])["scores"]
        gaps[name] = first - second
    told = ", ".join(f"{gap:+.1e} in {name}" for name, gap in gaps.items())
    note = f"other beams; the logarithms of their likelihoods are apart by {told}"
    if max(abs(gap) for gap in gaps.values()) <= TIE * len(one):
        return [f"a tie. {note}"]
    if wrong:
        return [f"no tie. {note}"]
    sys.exit(f"{note}: more than rounding; no time counts")


SPOKEN = {"first word": ties, "greedy 20": ties, "beam 4 x 20": equal_texts}
SPOKEN |= {f"batch {size}, greedy 20": ties for size in (8, 32)}
