"""Ask one picture several things: scored captions, answers to many questions, a class of a list.

Each is a function of a `Captioner`; the picture is encoded once.

    captions(captioner, "dog.jpg", num_beams=4, num_return_sequences=3)
    list(answers(captioner, "dog.jpg", ["what animal is it?", "where is it?"]))
    classify(captioner, "dog.jpg", ["cat", "dog", "hot dog"], top=2)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .decoding import Generation, best_of, decode, make_plan
from .errors import UserError
from .generate import keep_rows
from .model import threads_of, towers_of
from .params import Array
from .text import Cache
from .threads import blas_threads

if TYPE_CHECKING:
    from .captioner import Captioner, Subject


class ScoredText(NamedTuple):
    """A caption or an answer, and how likely the model finds it."""

    text: str
    log_probability: float  # of the whole text, its end token included
    mean: float  # the same for each token: comparable between texts of different lengths
    words: list[tuple[str, float]]  # each token and its log-probability


class Label(NamedTuple):
    """One of a list of labels, and how likely the model finds it."""

    label: str
    log_probability: float  # of its tokens and the end token
    share: float | None  # of the probability of all labels; None after a search with beams


def captions(
    captioner: Captioner,
    picture: Subject,
    question: str | None = None,
    **options: Any,
) -> list[ScoredText]:
    """Say what a picture shows, or answer, with scores: the options of `generate` -> texts.

    As many texts as num_return_sequences, the best first.
    """
    cache = look(captioner, picture)
    prompt = captioner.processor.prompt(question)
    found = speak(captioner, cache, prompt, {**options, "output_log_probabilities": True})
    scores = found.log_probabilities
    if scores is None:
        raise AssertionError("asked for just above")
    words = captioner.processor.words
    texts = []
    for row, ids in enumerate(found.sequences[:, prompt.shape[1] :].tolist()):
        counted = scores.words[row].tolist()
        ended = next((i for i, word in enumerate(ids) if word == words.end_id), len(ids) - 1)
        said = [
            (words.tokenizer.id_to_token(i) or "", s) for i, s in zip(ids, counted, strict=True)
        ]
        text, total, mean = words.decode(ids), float(scores.total[row]), float(scores.mean[row])
        texts.append(ScoredText(text, total, mean, said[: ended + 1]))
    return texts


def answers(
    captioner: Captioner,
    picture: Subject,
    questions: Iterable[str],
    **options: Any,
) -> Iterator[str]:
    """Answer one question after the other; only their words are read anew."""
    cache = look(captioner, picture)
    for question in questions:
        if not question.strip():
            raise UserError("a question is empty; ask something, or ask for a caption")
        prompt = captioner.processor.prompt(question)
        ids = speak(captioner, cache, prompt, options).sequences[0, prompt.shape[1] :]
        yield captioner.processor.words.decode(ids.tolist())


def classify(
    captioner: Captioner,
    picture: Subject,
    labels: Sequence[str],
    *,
    top: int = 5,
    question: str | None = None,
    beams: int | None = None,
) -> list[Label]:
    """Say which of the labels the model would rather say of a picture, the best first.

    Every label is scored exactly: the log-probability of its tokens and the end token. For lists
    of many thousands `beams` searches instead, and may miss a label with an unlikely beginning.
    The captioner prepares picture and question its own way; no option of `generate` takes part.
    Source: generation-based classification, arXiv 2205.14100, section 4.3.
    """
    words, model = captioner.processor.words, captioner.model
    texts = [words.encode(label) for label in labels]
    empty = [label for label, ids in zip(labels, texts, strict=True) if not ids]
    if empty or not texts:
        raise UserError(f"give labels, one or more, with words in them; got {empty or labels!r}")
    if top < 1:
        raise UserError(f"top is {top}; it must be at least 1")
    found = best_of(
        look(captioner, picture),
        captioner.processor.prompt(question),
        texts,
        model.params.text,
        config=model.config,
        top=len(texts) if beams is None else top,
        beams=beams,
    )
    highest = found[0].log_probability if found else 0.0
    all_labels = sum(math.exp(scored.log_probability - highest) for scored in found)
    named = []
    for number, score in found[:top]:
        share = None if beams is not None else math.exp(score - highest) / all_labels
        named.append(Label(labels[number], score, share))
    return named


def look(captioner: Captioner, picture: Subject) -> Cache:
    """Encode a picture or a clip once, and let its tokens look at each other."""
    return picture if isinstance(picture, Cache) else captioner.see(picture)


def speak(captioner: Captioner, cache: Cache, prompt: Array, options: dict[str, Any]) -> Generation:
    """Generate from a picture that was looked at, as `Captioner.options` says but for `options`."""
    model = captioner.model
    chosen = captioner.options(options.get("max_length")).change(options)
    plan = make_plan(prompt, config=model.config, options=chosen)
    plan = plan._replace(towers=towers_of(model))
    with blas_threads(threads_of(model)):
        return decode(keep_rows(cache, np.zeros(len(prompt), np.int64)), model.params.text, plan)
