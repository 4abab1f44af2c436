"""What is confused with what: the words of captions beside those of the nearest reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from .pairs import Pair
from .tokens import tokenise


class Confusion(NamedTuple):
    """A word or an answer that stood where another was expected; "" for none."""

    wanted: str
    prediction: str
    times: int
    keys: list[str]  # of some pictures


def confusions(pairs: Sequence[Pair], *, most: int = 40) -> list[Confusion]:
    """Count what was said instead of what, the most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    keys: dict[tuple[str, str], list[str]] = {}
    for pair in pairs:
        for found in set(differences(pair)):
            counts[found] += 1
            keys.setdefault(found, []).append(pair.row.key)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Confusion(*found, times, keys[found][:5]) for found, times in ordered[:most]]


def differences(pair: Pair) -> list[tuple[str, str]]:
    """List what differs between a text and its nearest reference: (wanted, prediction)."""
    if pair.row.question is not None:
        counts = Counter(pair.wanted).most_common(1)
        wanted = counts[0][0] if counts else ""
        return [] if pair.prediction in pair.wanted else [(wanted, pair.prediction)]
    prediction = tokenise(pair.prediction).split()
    tried = [(text.split(), alike(text.split(), prediction)) for text in map(tokenise, pair.wanted)]
    wanted_words, nearest = max(tried, key=lambda one: one[1].ratio())
    found = []
    for kind, a, b, c, d in nearest.get_opcodes():
        if kind == "equal":
            continue
        if b - a == d - c:
            found += list(zip(wanted_words[a:b], prediction[c:d], strict=True))
        else:
            found.append((" ".join(wanted_words[a:b]), " ".join(prediction[c:d])))
    return found


def alike(wanted: list[str], prediction: list[str]) -> SequenceMatcher[str]:
    """Compare two texts word by word."""
    return SequenceMatcher(None, wanted, prediction, autojunk=False)
