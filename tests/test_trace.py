"""The table of named tensors is complete, true, and watching changes nothing."""

import io
import re

import numpy as np
import pytest
from golden_inputs import tiny_inputs, tiny_model

from numpygit.trace import TABLE, Printer, Recorder

MODEL = tiny_model()
SIZES = {
    "vision": {"B": 6, "C": 3, "P": 9, "D": 28, "N": 4, "A": 7, "F": 52, "T": 10, "S": 10},
    "text": {"B": 2, "T": 36, "S": 36, "D": 30, "N": 5, "A": 6, "F": 44},
    "": {"B": 2, "C": 3, "H": 27, "W": 27, "M": 30, "D": 30, "T": 6, "S": 36, "V": 61},
}


def record(*patterns: str) -> dict[str, np.ndarray]:
    recorder = Recorder(*patterns)
    given = tiny_inputs("clip")
    MODEL.logits(given["input_ids"], given["pixel_values"], trace=recorder)
    return recorder.tensors


def row_name(name: str) -> str:
    return re.sub(r"\.\d+\.", ".{i}.", name)


def test_every_name_fires_and_every_fired_name_is_listed():
    fired = {row_name(name) for name in record()}
    listed = {row.name for row in TABLE}
    assert len(listed) == len(TABLE)
    assert listed - fired == {"word"}  # `generate` names it, `forward` has none
    assert fired <= listed


@pytest.mark.parametrize("row", [row for row in TABLE if row.name != "word"], ids=lambda r: r.name)
def test_the_shapes_of_the_table_are_true(row):
    tower = row.name.split(".")[0] if "." in row.name else ""
    letters = {**SIZES[tower], "patch": 9}
    if row.name == "clip_tokens":
        letters["D"] = 28
    shape = eval(row.shape, {}, letters)
    if row.name == "pixels":
        shape = (2, 3, 3, 27, 27)  # this run is a clip
    for name, value in record(row.name.replace("{i}", "*")).items():
        assert value.shape == shape, name


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_the_functions_of_the_table_exist(row):
    import importlib

    module, _, function = row.function.partition(".")
    room = importlib.import_module(f"numpygit.{module}")
    assert not function or callable(getattr(room, function))


def test_watching_changes_no_bit():
    given = tiny_inputs("still")
    unwatched = tiny_model()
    unwatched.plain = True
    plain = unwatched.logits(given["input_ids"], given["pixel_values"])
    watched = MODEL.logits(given["input_ids"], given["pixel_values"], trace=Recorder())
    np.testing.assert_array_equal(plain, watched)


def test_patterns_choose_names():
    assert list(record("text.*.weights")) == [f"text.{i}.weights" for i in range(3)]
    assert set(record("memory", "logits")) == {"memory", "logits"}


def test_the_printer_says_name_shape_and_range():
    to = io.StringIO()
    given = tiny_inputs("still")
    MODEL.logits(given["input_ids"], given["pixel_values"], trace=Printer("memory", to=to))
    assert re.fullmatch(r"memory +\(2, 10, 30\) +-\S+ to +\S+, mean +\S+\n", to.getvalue())
