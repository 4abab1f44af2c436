"""BLEU, ROUGE-L and CIDEr-D of captions, as COCO's evaluation defines them, in plain Python.

Each takes, for the same pictures in the same order, one caption and its references, as texts whose
words stand between spaces (see tokens.py), and returns the score of all and that of each picture.
Equal to pycocoevalcap 1.2 to the last bit: a test holds that.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LONGEST = 4  # n-grams of 1 to 4 words
NGrams = Counter[tuple[str, ...]]


class Score(NamedTuple):
    """A measure of all pictures, and of each."""

    all: float
    each: list[float]


def n_grams(words: Sequence[str]) -> NGrams:
    """Count the runs of 1 to 4 words of a text."""
    found: NGrams = Counter()
    for n in range(1, LONGEST + 1):
        found.update(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    return found


# ------------------------------------------------------------------ BLEU


def bleu(captions: Sequence[str], references: Sequence[Sequence[str]]) -> list[Score]:
    """BLEU-1 to BLEU-4: precision of n-grams, with a penalty for captions that are too short.

    An n-gram counts as often as the reference that has it most often. Counts are summed over all
    pictures before they are divided. Source: Papineni et al. 2002; the length that a caption is
    compared with is that of the reference nearest to it.
    """
    correct, possible = np.zeros(LONGEST, int), np.zeros(LONGEST, int)
    length = wanted = 0
    each: list[list[float]] = [[] for _ in range(LONGEST)]
    for caption, several in zip(captions, references, strict=True):
        words, texts = caption.split(), [text.split() for text in several]
        nearest = min((abs(len(text) - len(words)), len(text)) for text in texts)[1]
        most: NGrams = Counter()
        for text in texts:
            most |= n_grams(text)
        right, made = np.zeros(LONGEST, int), np.zeros(LONGEST, int)
        for gram, count in n_grams(words).items():
            right[len(gram) - 1] += min(most[gram], count)
        made[:] = [max(0, len(words) - n) for n in range(LONGEST)]
        for scores, score in zip(each, of_counts(right, made, len(words), nearest), strict=True):
            scores.append(score)
        correct, possible = correct + right, possible + made
        length, wanted = length + len(words), wanted + nearest
    every = of_counts(correct, possible, length, wanted)
    return [Score(score, scores) for score, scores in zip(every, each, strict=True)]


def of_counts(correct: np.ndarray, possible: np.ndarray, length: int, wanted: int) -> list[float]:
    """Geometric means of the precisions of 1 to n words, times exp(1 - wanted / length)."""
    tiny, small = 1e-15, 1e-9  # the official code's, against a division by zero
    found, product = [], 1.0
    for n in range(LONGEST):
        product *= (float(correct[n]) + tiny) / (float(possible[n]) + small)
        found.append(product ** (1.0 / (n + 1)))
    ratio = (length + tiny) / (wanted + small)
    return [score * math.exp(1 - 1 / ratio) for score in found] if ratio < 1 else found


# ------------------------------------------------------------------ ROUGE-L


def rouge_l(captions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """ROUGE-L: the longest common subsequence, as an F-measure that leans to recall (beta 1.2).

    The best precision and the best recall over the references are combined, even if they are those
    of different references. Source: Lin 2004.
    """
    beta, each = 1.2, []
    for caption, several in zip(captions, references, strict=True):
        words = caption.split(" ")
        texts = [text.split(" ") for text in several]
        common = [longest_common(words, text) for text in texts]
        precision = max(length / len(words) for length in common)
        recall = max(length / len(text) for length, text in zip(common, texts, strict=True))
        score = 0.0
        if precision and recall:
            score = ((1 + beta**2) * precision * recall) / (recall + beta**2 * precision)
        each.append(score)
    return Score(float(np.mean(each)), each)


def longest_common(a: Sequence[str], b: Sequence[str]) -> int:
    """Count the words of the longest common subsequence."""
    before = [0] * (len(b) + 1)
    for word in a:
        now = [0]
        for j, other in enumerate(b):
            longer = max(before[j + 1], now[j])
            now.append(before[j] + 1 if word == other else longer)
        before = now
    return before[-1]


# ------------------------------------------------------------------ CIDEr-D


class Weighed(NamedTuple):
    """A text as weighted n-grams."""

    weights: list[dict[tuple[str, ...], float]]  # for n = 1 to 4
    norms: list[float]
    length: int  # in pairs of words, as the official code counts


def cider_d(captions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """CIDEr-D: cosine of the n-grams of caption and reference, rare ones weighing more.

    How rare an n-gram is depends on the references of all pictures, so scores of different sets
    cannot be compared, and a single picture scores 0. Source: Vedantam et al. 2015.
    """
    std = 6.0
    counted = [[n_grams(text.split()) for text in several] for several in references]
    frequency: Counter[tuple[str, ...]] = Counter()
    for several in counted:
        frequency.update({gram for text in several for gram in text})
    log_pictures = np.log(float(len(counted)))

    def weigh(grams: NGrams) -> Weighed:
        weights: list[dict[tuple[str, ...], float]] = [{} for _ in range(LONGEST)]
        norms, length = [0.0] * LONGEST, 0
        for gram, count in grams.items():
            n = len(gram) - 1
            weight = float(count) * (log_pictures - np.log(max(1.0, frequency[gram])))
            weights[n][gram] = weight
            norms[n] += pow(weight, 2)
            length += count if n == 1 else 0
        return Weighed(weights, [np.sqrt(norm) for norm in norms], length)

    each = []
    for caption, several in zip(captions, counted, strict=True):
        counts, total = weigh(n_grams(caption.split())), np.zeros(LONGEST)
        for text in several:
            total += likeness(counts, weigh(text), std)
        each.append(float(np.mean(total) / len(several) * 10.0))
    return Score(float(np.mean(each)), each)


def likeness(a: Weighed, b: Weighed, std: float) -> np.ndarray:
    """Cosine of two texts for n = 1 to 4; a word said too often, or more length, gains nothing."""
    found = np.zeros(LONGEST)
    difference = float(a.length - b.length)
    for n in range(LONGEST):
        for gram, weight in a.weights[n].items():
            other = b.weights[n].get(gram, 0.0)
            found[n] += min(weight, other) * other
        if a.norms[n] != 0 and b.norms[n] != 0:
            found[n] /= a.norms[n] * b.norms[n]
        found[n] *= np.e ** (-(difference**2) / (2 * std**2))
    return found
