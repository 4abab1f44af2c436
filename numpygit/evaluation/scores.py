"""All measures of a set of captions or answers, each standing alone.

BLEU, ROUGE-L and CIDEr-D come from pycocoevalcap's own classes where they are installed (the extra
`numpygit[evaluate]`), else from measures.py, which is equal to them; WER from jiwer; METEOR, SPICE
and the official tokeniser from pycocoevalcap and Java, where both are there. A measure that fails
says why in a note, and the others stay.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

from ..data.speak import held_back
from ..errors import UserError
from . import measures
from .pairs import Pair
from .tokens import tokenise
from .vqa import vqa_accuracy

PARSER = "stanford-corenlp-3.6.0.jar"  # which SPICE downloads
GROUPS = ("set", "question_type", "answer_type")  # labels that scores are told for


@dataclass
class Scores:
    """How good the captions or answers of a set are."""

    pictures: int
    all: dict[str, float] = field(default_factory=dict)
    each: dict[str, list[float]] = field(default_factory=dict)
    groups: dict[str, dict[str, float]] = field(default_factory=dict)  # "set: seen" -> scores
    by: dict[str, str] = field(default_factory=dict)  # what measured, what cut the words
    notes: list[str] = field(default_factory=list)


def score(pairs: Sequence[Pair], *, java: bool | None = None, spice: bool | None = None) -> Scores:
    """Score captions, or answers by VQA's accuracy where ten people were asked.

    A set is of the one kind or the other, or of captions and questions with one right answer each,
    such as storybook's, where only the exact match counts. `java` is for METEOR and Stanford's
    tokeniser, `spice` for SPICE, which downloads 400 MB at its first use; None means: where that
    is there already.
    """
    asked = [pair for pair in pairs if pair.row.question is not None]
    if asked and len(asked) == len(pairs) and all(len(pair.wanted) > 1 for pair in pairs):
        found = of_answers(pairs)
    elif asked:
        found = Scores(len(pairs), notes=["questions with one answer: the exact match is told"])
        add(found, "exact", exact(pairs))
    else:
        has_java = is_java_there() if java is None else java
        has_spice = has_java and is_spice_there() if spice is None else spice
        found = of_captions(pairs, java=has_java or has_spice, spice=has_spice)
        if has_java and not has_spice:
            found.by["SPICE"] = "left out; --spice downloads its 400 MB once"
    found.groups = by_group(pairs, found)
    return found


def of_answers(pairs: Sequence[Pair]) -> Scores:
    """VQA's accuracy, and how many answers are one of those given."""
    found = Scores(len(pairs), by={"measures": "numpygit, equal to VQA's vqaEval.py"})
    add(found, "accuracy", [vqa_accuracy(pair.prediction, pair.wanted) for pair in pairs])
    add(found, "exact", exact(pairs))
    return found


def of_captions(pairs: Sequence[Pair], *, java: bool, spice: bool) -> Scores:
    """Every measure of captions that can be had here."""
    found = Scores(len(pairs))
    captions, references = words_of(pairs, found, java=java)
    official = installed("pycocoevalcap")
    found.by["measures"] = f"pycocoevalcap {official}" if official else "numpygit"
    compute = official_scores if official else own_scores
    for name, one in compute(captions, references).items():
        found.all[name], found.each[name] = one.all, one.each
    if java:
        with_java(found, captions, references, spice=spice)
    add(found, "exact", exact(pairs))
    attempt(found, "WER", lambda: word_errors(captions, references))
    if len(pairs) == 1:
        found.notes.append("CIDEr of one picture is 0: it compares the words of many")
    return found


def words_of(
    pairs: Sequence[Pair], found: Scores, *, java: bool
) -> tuple[list[str], list[list[str]]]:
    """Cut captions and references into words, by Stanford's tokeniser or by our own."""
    predictions = [pair.prediction for pair in pairs]
    texts = [text for pair in pairs for text in pair.wanted]
    found.by["words"] = "regular expressions (tokens.py)"
    cut = [tokenise(text) for text in (*predictions, *texts)]
    if java:
        try:
            cut = stanford([*predictions, *texts])
            found.by["words"] = "Stanford's PTBTokenizer"
        except Exception as error:
            found.notes.append(f"Stanford's tokeniser failed: {sentence(error)}")
    rest = iter(cut[len(predictions) :])
    return cut[: len(predictions)], [[next(rest) for _ in pair.wanted] for pair in pairs]


def stanford(texts: Sequence[str]) -> list[str]:
    """Cut texts into words by pycocoevalcap's tokeniser, in Java."""
    need_java()
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    lines = [" ".join(text.split()) for text in texts]
    with held_back([], []):  # it tells how fast it was
        cut = PTBTokenizer().tokenize({i: [{"caption": line}] for i, line in enumerate(lines)})
    if len(cut) < len(lines):
        raise UserError("java ended before all was cut")
    return [cut[i][0] for i in range(len(lines))]


def own_scores(captions: list[str], references: list[list[str]]) -> dict[str, measures.Score]:
    """BLEU, ROUGE-L and CIDEr-D by measures.py."""
    found = {f"Bleu_{n + 1}": one for n, one in enumerate(measures.bleu(captions, references))}
    found["ROUGE_L"] = measures.rouge_l(captions, references)
    return {**found, "CIDEr": measures.cider_d(captions, references)}


def official_scores(captions: list[str], references: list[list[str]]) -> dict[str, measures.Score]:
    """BLEU, ROUGE-L and CIDEr-D by pycocoevalcap's classes."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    predictions, wanted = as_official(captions, references)
    every, each = Bleu(4).compute_score(wanted, predictions, verbose=0)
    found = {f"Bleu_{n + 1}": measures.Score(every[n], list(each[n])) for n in range(4)}
    for name, kind in (("ROUGE_L", Rouge), ("CIDEr", Cider)):
        one, several = kind().compute_score(wanted, predictions)
        found[name] = measures.Score(float(one), [float(score) for score in several])
    return found


def with_java(
    found: Scores, captions: list[str], references: list[list[str]], *, spice: bool
) -> None:
    """Add METEOR, and SPICE where it is asked for; each may fail alone."""
    predictions, wanted = as_official(captions, references)

    def meteor() -> measures.Score:
        need_java()
        from pycocoevalcap.meteor.meteor import Meteor

        java = Meteor()
        try:
            one, several = java.compute_score(wanted, predictions)
        finally:
            end(java)
        return measures.Score(float(one), list(several))

    def spice_score() -> measures.Score:
        need_java()
        from pycocoevalcap.spice.spice import Spice

        with redirect_stdout(StringIO()):
            one, several = Spice().compute_score(wanted, predictions)
        return measures.Score(float(one), [float(each["All"]["f"]) for each in several])

    attempt(found, "METEOR", meteor)
    if spice:
        attempt(found, "SPICE", spice_score)


def end(java: Any) -> None:
    """End the process of pycocoevalcap's Meteor, which after a failure would wait for itself."""
    process = java.meteor_p
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        with suppress(OSError):  # what was not written yet
            stream.close()
    if java.lock.locked():
        java.lock.release()


def attempt(found: Scores, name: str, measure: Callable[[], measures.Score]) -> None:
    """Add a measure, or a note of why it could not be had."""
    try:
        one = measure()
    except Exception as error:  # whatever Java or a package of others does
        found.notes.append(f"{name} is left out: {sentence(error)}")
    else:
        found.all[name], found.each[name] = one.all, one.each


def word_errors(captions: list[str], references: list[list[str]]) -> measures.Score:
    """WER by jiwer: wrong, missing and added words, over those of the nearest reference."""
    try:
        import jiwer
    except ImportError:
        raise UserError("it needs jiwer: pip install 'numpygit[evaluate]'") from None
    each, errors, words = [], 0, 0
    for caption, several in zip(captions, references, strict=True):
        tried = []
        for text in (text for text in several if text):
            out = jiwer.process_words(text, caption)
            wrong = out.substitutions + out.deletions + out.insertions
            tried.append((wrong / len(text.split()), wrong, len(text.split())))
        rate, wrong, length = min(tried, default=(0.0, 0, 0))
        each.append(rate)
        errors, words = errors + wrong, words + length
    return measures.Score(errors / max(words, 1), each)


def exact(pairs: Sequence[Pair]) -> list[float]:
    """Tell for each picture whether the whole text is one of the references."""
    return [float(one_line(pair.prediction) in map(one_line, pair.wanted)) for pair in pairs]


def by_group(pairs: Sequence[Pair], found: Scores) -> dict[str, dict[str, float]]:
    """Average what has a meaning for a part of the set: exact match and VQA's accuracy."""
    groups: dict[str, list[int]] = {}
    for i, pair in enumerate(pairs):
        for label in GROUPS:
            if label in pair.row.labels:
                groups.setdefault(f"{label}: {pair.row.labels[label]}", []).append(i)
    names = [name for name in ("accuracy", "exact") if name in found.each]
    return {
        group: {"N": len(rows)}
        | {name: sum(found.each[name][i] for i in rows) / len(rows) for name in names}
        for group, rows in sorted(groups.items())
    }


def add(found: Scores, name: str, each: list[float]) -> None:
    """Add a measure that is the mean of its pictures."""
    found.all[name], found.each[name] = sum(each) / len(each), each


def as_official(captions: list[str], references: list[list[str]]) -> tuple[Any, Any]:
    """Arrange texts as pycocoevalcap takes them."""
    return {i: [text] for i, text in enumerate(captions)}, dict(enumerate(references))


def installed(package: str) -> str | None:
    """Find the version of a package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def is_java_there() -> bool:
    """Tell whether the measures in Java can be had."""
    return installed("pycocoevalcap") is not None and does_java_run()


def does_java_run() -> bool:
    """Tell whether there is a Java; what a Mac has in its place only says where to get one."""
    if shutil.which("java") is None:
        return False
    try:
        java = subprocess.run(["java", "-version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return java.returncode == 0


def is_spice_there() -> bool:
    """Tell whether the parser that SPICE downloads at its first use is there."""
    package = find_spec("pycocoevalcap")
    places = (package.submodule_search_locations if package else None) or ()
    return any((Path(place) / "spice" / "lib" / PARSER).is_file() for place in places)


def need_java() -> None:
    """Raise UserError where Java or pycocoevalcap is not there."""
    if not does_java_run():
        raise UserError("there is no java on this machine, or it does not run")
    if installed("pycocoevalcap") is None:
        raise UserError("it needs pycocoevalcap: pip install 'numpygit[evaluate]'")


def one_line(text: str) -> str:
    """Write a text with single spaces."""
    return " ".join(text.split())


def sentence(error: Exception) -> str:
    """Say what an error is."""
    return " ".join(str(error).split())[:200] or type(error).__name__
