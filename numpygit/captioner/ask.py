"""More to ask a captioner: captions with scores, several answers from one KV cache, and
classification by labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..decoding.constrained import best_of
from ..decoding.decode import Generation, decode
from ..decoding.plan import make_plan
from ..errors import UserError
from ..fast.threads import blas_threads
from ..huggingface.call import threads_of, towers_of
from ..model.generate import keep_rows
from ..model.params import Array
from ..model.text import Cache
from .captioner import Captioner, Subject
from .given import texts_of


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
    """Caption a picture, or answer a question, with scores; takes the options of `generate`.

    -> as many texts as num_return_sequences, the best first.
    """
    cache, begin = look(captioner, picture), options.pop("begin", None)
    is_caption, wording = question is None, captioner.wording
    prompt = captioner.caption_prompt(begin) if is_caption else captioner.processor.prompt(question)
    before = prompt[0, 1:].tolist() if is_caption else []
    found = speak(captioner, cache, prompt, {**options, "output_log_probabilities": True})
    scores = found.log_probabilities
    if scores is None:
        raise AssertionError("asked for just above")
    vocabulary = captioner.processor.vocabulary
    texts = []
    for row, ids in enumerate(found.sequences[:, prompt.shape[1] :].tolist()):
        counted = scores.words[row].tolist()
        ended = next((i for i, word in enumerate(ids) if word == vocabulary.end_id), len(ids) - 1)
        words = [
            (vocabulary.tokenizer.id_to_token(i) or "", s)
            for i, s in zip(ids, counted, strict=True)
        ]
        text = vocabulary.decode([*before, *ids])
        text = wording.around(text) if is_caption else text
        total, mean = float(scores.total[row]), float(scores.mean[row])
        texts.append(ScoredText(text, total, mean, words[: ended + 1]))
    return texts


def answers(
    captioner: Captioner,
    picture: Subject,
    questions: Iterable[str],
    **options: Any,
) -> Iterator[str]:
    """Answer one question after the other, on the KV cache of one picture."""
    asked = texts_of(questions, "questions")
    cache = look(captioner, picture)
    for question in asked:
        if not question.strip():
            raise UserError("a question is empty; ask something, or ask for a caption")
        prompt = captioner.processor.prompt(question)
        ids = speak(captioner, cache, prompt, options).sequences[0, prompt.shape[1] :]
        yield captioner.processor.vocabulary.decode(ids.tolist())


def classify(
    captioner: Captioner,
    picture: Subject,
    labels: Sequence[str],
    *,
    top: int = 5,
    question: str | None = None,
    beams: int | None = None,
) -> list[Label]:
    """Classify a picture: score each label as a text about it -> the likeliest labels first.

    Every label is scored exactly: the log-probability of its tokens and the end token. The
    captioner prepares picture and question its own way; no option of `generate` takes part.

    Parameters
    ----------
    captioner : Captioner
        What `load` returned.
    picture : path, picture, list of frames, or Cache
        What to name; a Cache comes from `captioner.prefill`.
    labels : sequence of str
        The texts to choose from.
    top : int
        How many to return.
    question : str, optional
        Labels as answers to it.
    beams : int, optional
        Search with so many beams instead of scoring all labels: for lists of many thousands. It
        may miss a label with an unlikely beginning.

    Returns
    -------
    list of Label
        label, log_probability (natural logarithm), share of the probability of all labels.

    Raises
    ------
    UserError
        For no labels, empty ones, or top below 1.

    Examples
    --------
    >>> import numpygit
    >>> from numpygit.storybook import EXAMPLES
    >>> storybook = numpygit.load("storybook")
    >>> picture = EXAMPLES / "count.png"
    >>> numpygit.classify(storybook, picture, ["five small pink trees", "a red house"])[0].label
    'five small pink trees'

    Source: generation-based classification, arXiv 2205.14100, section 4.3.
    """
    labels = texts_of(labels, "labels")
    model, texts = captioner.model, encode_labels(captioner, labels)
    if not isinstance(top, int) or top < 1:
        raise UserError(f"top is {top!r}; it must be a whole number, at least 1")
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


def encode_labels(captioner: Captioner, labels: Sequence[str]) -> list[list[int]]:
    """Turn labels into token ids; refuse labels without words."""
    texts = [captioner.processor.vocabulary.encode(label) for label in labels]
    empty = [label for label, ids in zip(labels, texts, strict=True) if not ids]
    if empty or not texts:
        raise UserError(f"give labels, one or more, with words in them; got {empty or labels!r}")
    return texts


def look(captioner: Captioner, picture: Subject) -> Cache:
    """Encode a picture or a clip once, and prefill the KV cache with it."""
    return picture if isinstance(picture, Cache) else captioner.prefill(picture)


def speak(captioner: Captioner, cache: Cache, prompt: Array, options: dict[str, Any]) -> Generation:
    """Generate from a picture that was looked at, as `Captioner.options` says but for `options`."""
    model = captioner.model
    chosen = captioner.options(options.get("max_length")).change(options)
    plan = make_plan(prompt, config=model.config, options=chosen)
    plan = plan._replace(towers=towers_of(model))
    with blas_threads(threads_of(model)):
        return decode(keep_rows(cache, np.zeros(len(prompt), np.int64)), model.params.text, plan)
