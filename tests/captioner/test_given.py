"""None, numbers, texts and tables where something else is meant end in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import numpygit
from numpygit import PictureOptions
from numpygit.captioner import Captioner, answers, classify
from numpygit.decoding.wording import Wording
from numpygit.errors import UserError
from numpygit.storybook import EXAMPLES

SIGN = EXAMPLES / "sign.png"
SAID = "a purple bird above a sign that says rain"


def asked(function: Callable[..., Any], *given: Any, **named: Any) -> Callable[[Captioner], Any]:
    return lambda captioner: function(captioner, *given, **named)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (asked(Captioner.captions, None), "pictures is NoneType, expected a list"),
        (asked(Captioner.captions, 5), "pictures is int, expected a list"),
        (asked(Captioner.captions, {"a": SIGN}), "pictures is dict, expected a list"),
        (asked(Captioner.captions, str(SIGN)), "captions takes a list of pictures"),
        (asked(Captioner.captions, [None]), "a picture must be a path"),
        (asked(Captioner.answers, SIGN, None), "questions is NoneType, expected a list"),
        (asked(Captioner.answers, SIGN, [None]), "one of questions is None, expected a text"),
        (asked(Captioner.answers, SIGN, "what?"), "give a list, or use answer"),
        (asked(Captioner.answer, SIGN, None), "the question is None, expected a text"),
        (asked(Captioner.answer, SIGN, 5), "the question is 5, expected a text"),
        (asked(Captioner.caption, SIGN, begin=5), "5 is no text to begin with"),
        (lambda c: list(answers(c, SIGN, "what?")), "questions is the text"),
        (lambda c: list(answers(c, SIGN, [7])), "one of questions is 7"),
        (asked(classify, SIGN, None), "labels is NoneType, expected a list"),
        (asked(classify, SIGN, "cat"), "labels is the text"),
        (asked(classify, SIGN, [1, 2]), "one of labels is 1, expected a text"),
        (asked(classify, SIGN, {"a": 1}), "labels is dict, expected a list"),
        (asked(classify, SIGN, ["cat"], top="many"), "top is 'many'"),
        (lambda c: numpygit.load(None), "the name of a model is a text or a path, got NoneType"),
        (lambda c: numpygit.load(b"storybook"), "got bytes"),
        (lambda c: numpygit.load("storybook", threads="2"), "threads is '2'"),
        (
            lambda c: numpygit.load("storybook", pictures={"fit": "pad"}),
            r"expected PictureOptions\(",
        ),
        (lambda c: numpygit.load("storybook", wording="a photo of"), r"expected Wording\("),
        (lambda c: PictureOptions(background=5), "background is 5, expected a colour"),
        (lambda c: Wording(options=5), "options is 5"),
        (lambda c: Wording(forbid=5), "forbid is 5"),
    ],
)
def test_what_is_of_another_kind_is_refused(
    ask: Callable[[Captioner], Any], message: str, storybook: Captioner
) -> None:
    with pytest.raises(UserError, match=message):
        ask(storybook)


def test_every_kind_of_list_is_one(storybook: Captioner) -> None:
    for pictures in ([SIGN], (SIGN,), iter([SIGN])):
        assert storybook.captions(pictures) == [SAID]
    assert classify(storybook, SIGN, iter([SAID, "a red house"]))[0].label == SAID
