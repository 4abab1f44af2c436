r"""VQA accuracy: an answer is right as far as other people gave it too.

Ten people answered each question. Leaving out one after the other, an answer scores min(1, equal
answers among the other nine / 3); the accuracy is the mean of the ten: 0, 0.3, 0.6, 0.9 or 1 for
0, 1, 2, 3 or more equal answers. Source: GT-Vision-Lab/VQA, vqaEval.py, whose slips are kept,
because published figures have them:

- answers are normalised only where the people disagree: "Yes" against ten "yes" scores 0;
- the lookbehind before a full stop is written `(?!<=\d)`, which never holds anything back, so the
  full stop of "3." goes although a digit stands before it;
- `re.UNICODE` is given where the number of replacements stands: at most 32 full stops go;
- punctuation disappears where it stands beside a space anywhere in the answer (or where a number
  has a comma), and becomes a space elsewhere;
- "somebody'd" becomes "somebodyd", the forms with a capital I never meet a text in small letters,
  and "lets" and "shes" stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
FULL_STOP = re.compile(r"\.(?!\d)")
NUMBER_WITH_COMMA = re.compile(r"\d,\d")
NUMBERS = "zero one two three four five six seven eight nine ten"
DIGITS = {word: str(number) for number, word in enumerate(NUMBERS.split())} | {"none": "0"}
ARTICLES = {"a", "an", "the"}
EXPANDED = """
    'ow's'at 'twas ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't
    hadn't've hasn't haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am
    might've mightn't mightn't've must've mustn't needn't not've o'clock oughtn't shan't she'd've
    should've shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've
    someone'll someone's something'd something'd've something'll that's there'd there'd've there're
    there's they'd they'd've they'll they're they've wasn't we'd've we've weren't what'll what're
    what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're
    why's won't would've wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll
    you're you've
"""  # each is known without one of its apostrophes
CONTRACTIONS = {
    word[:i] + word[i + 1 :]: word
    for word in EXPANDED.split()
    for i, letter in enumerate(word)
    if letter == "'"
} | {"somebody'd": "somebodyd"}


def vqa_accuracy(answer: str, answers: Sequence[str]) -> float:
    """Compare an answer with those of all people who were asked: -> 0 to 1."""
    answer, *given = (plain(text) for text in (answer, *answers))
    if len(set(given)) > 1:
        answer, *given = (normalise(text) for text in (answer, *given))
    equal = sum(other == answer for other in given)
    left_out = [min(1.0, (equal - (other == answer)) / 3) for other in given]
    return sum(left_out) / len(left_out)


def plain(text: str) -> str:
    """Make one line of a text."""
    return text.replace("\n", " ").replace("\t", " ").strip()


def normalise(text: str) -> str:
    """Take off punctuation and articles, write numbers as digits and contractions in full."""
    return words(without_punctuation(text))


def without_punctuation(text: str) -> str:
    """Take punctuation off, or make spaces of it."""
    has_number = NUMBER_WITH_COMMA.search(text) is not None
    found = text
    for mark in PUNCTUATION:
        is_beside_space = f"{mark} " in text or f" {mark}" in text
        found = found.replace(mark, "" if is_beside_space or has_number else " ")
    return FULL_STOP.sub("", found, count=32)


def words(text: str) -> str:
    """Write the words of a text as the official code compares them."""
    digits = (DIGITS.get(word, word) for word in text.lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in digits if word not in ARTICLES)
