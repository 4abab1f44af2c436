"""Messages: what is taken, and that every other one is refused with a sentence."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from numpygit.errors import UserError
from numpygit.playground.protocol import MOST_BYTES, OPERATIONS, VERSION, parse

CAT = {"kind": "cat", "color": "blue", "x": 0.5, "y": 0.3, "r": 0.15}
SCENE = {"scene": {"stickers": [CAT]}}
STROKE = {"r": 0.1, "points": [[0.1, 0.2], [0.3, 0.4]]}


def message(**parts: Any) -> dict[str, Any]:
    return {"version": VERSION, "op": "caption", "picture": SCENE, **parts}


def test_a_whole_message_is_read() -> None:
    read = parse(
        message(
            brush=[STROKE],
            question=" what is it? ",
            heads_off=[[0, 1]],
            layers_off=[2],
            beams=3,
            temperature=0.5,
            seed=7,
            random_weights=True,
        )
    )
    assert read.subject.frames[0].stickers[0].kind == "cat"
    assert read.subject.brush[0].points == ((0.1, 0.2), (0.3, 0.4))
    assert read.subject.question == "what is it?"
    found = read.settings
    assert (found.heads_off, found.layers_off, found.beams) == (((0, 1),), (2,), 3)
    assert (found.temperature, found.seed, found.random_weights) == (0.5, 7, True)


@pytest.mark.parametrize(
    "picture", [{"example": "row.png"}, {"frames": [{}, {}]}, {"file": "AAAA"}]
)
def test_every_kind_of_picture_is_read(picture: dict[str, Any]) -> None:
    subject = parse(message(picture=picture)).subject
    assert [bool(subject.example), bool(subject.frames), bool(subject.file)].count(True) == 1


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"version": 2}, "version is 2"),
        ({"version": None}, "version is None"),
        ({"op": "shell"}, "op is 'shell', expected one of hello"),
        ({"op": ["caption"]}, "op is"),
        ({"colour": 1}, "caption does not know colour"),
        ({"picture": None}, "picture must be an object, got NoneType"),
        ({"picture": {}}, "picture must have one of"),
        ({"picture": {"scene": {}, "file": ""}}, "picture must have one of"),
        ({"picture": {"path": "/etc/passwd"}}, "picture has 'path'"),
        ({"picture": {"example": 3}}, "example must be a name"),
        ({"picture": {"file": 3}}, "file must be base64"),
        ({"picture": {"file": "a b"}}, "file is not base64"),
        ({"picture": {"file": "A" * (MOST_BYTES * 2)}}, "the file is larger than"),
        ({"picture": {"frames": []}}, "a clip needs a frame"),
        ({"picture": {"frames": [{}] * 7}}, "frames has 7 entries, at most 6"),
        ({"picture": {"scene": {"stickers": [CAT] * 13}}}, "stickers has 13 entries"),
        ({"picture": {"scene": {"stickers": [{**CAT, "x": float("nan")}]}}}, "x must be a number"),
        ({"picture": {"scene": {"stickers": [{**CAT, "r": 1e9}]}}}, "r is 1000000000.0"),
        ({"picture": {"scene": {"stickers": [{**CAT, "x": "1"}]}}}, "x must be a number"),
        ({"picture": {"scene": {"stickers": [{**CAT, "onclick": "x"}]}}}, "does not know onclick"),
        ({"picture": {"scene": {"sign": "<b>"}}}, "a sign has letters"),
        ({"picture": {"scene": {"sign": "ninechars"}}}, "sign has 9 characters"),
        ({"picture": {"scene": {"night": 1}}}, "night must be true or false"),
        ({"picture": {"scene": {"backdrop": 1.5}}}, "backdrop must be a whole number"),
        ({"brush": [{"r": 0.1, "points": [[0]]}]}, "x must be a number|y must be a number"),
        ({"brush": [{"r": 0.1, "points": [[0, 0]] * 3000}] * 2}, "more than 4000 points"),
        ({"question": "a" * 201}, "question has 201 characters"),
        ({"question": ["a"]}, "question must be a text"),
        ({"beams": 9}, "beams is 9, expected 1 to 8"),
        ({"beams": True}, "beams must be a whole number"),
        ({"temperature": -1}, "temperature is -1"),
        ({"seed": 2**40}, "seed is"),
        ({"heads_off": [[0]]}, "expected \\[layer, head\\]"),
        ({"layers_off": ["0"]}, "a layer must be a whole number"),
        ({"random_weights": "yes"}, "random_weights must be"),
    ],
)
def test_mistakes_are_named(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse(message(**parts))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["picture", "brush", "question", "heads_off", "layers_off", "beams", "temperature", "seed",
     "scene", "frames", "file", "stickers", "size", "name", "source", "points"]
)  # fmt: skip


@examples(300)
@given(op=st.sampled_from(OPERATIONS), parts=st.dictionaries(KEYS, JSON, max_size=5), whole=JSON)
def test_anything_else_is_a_user_error(op: str, parts: dict[str, Any], whole: Any) -> None:
    for given_message in (whole, {"version": VERSION, "op": op, **parts}):
        with suppress(UserError):  # and no other error
            assert parse(given_message).op in OPERATIONS


def test_a_file_is_decoded() -> None:
    data = bytes(range(256))
    picture = {"file": base64.b64encode(data).decode()}
    assert parse(message(picture=picture)).subject.file == data
