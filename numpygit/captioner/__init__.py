"""A model with its processor: load one, and ask it for captions, answers and labels.

captioner.py   Captioner and load
ask.py         captions with scores, several answers, classification by labels
given.py       arguments, checked
"""

from ..decoding.wording import common_start
from .ask import Label, ScoredText, answers, captions, classify
from .captioner import Captioner, Subject, load

__all__ = [
    "Captioner",
    "Label",
    "ScoredText",
    "Subject",
    "answers",
    "captions",
    "classify",
    "common_start",
    "load",
]
