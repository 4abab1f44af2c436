"""Arrays in one line in every debugger, and as before afterwards."""

import io
import json
import pdb
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import numpygit
from numpygit.cli.commands import parser
from numpygit.inside.debug import MANY, describe_array

ROOT = Path(__file__).parents[2]
X = np.linspace(-1, 3, 24, dtype=np.float32).reshape(2, 3, 4)
PLAIN = repr(X)


def test_arrays_are_one_line_for_a_while():
    with numpygit.debug():
        assert repr(X) == "float32 (2, 3, 4)  -1 to 3, mean 1"
        assert "float32 (2, 3, 4)" in f"{X!r} and {[X]}"
        assert str(X).startswith("[[[")
    assert repr(X) == PLAIN


def test_it_can_be_undone_and_nested():
    shown = numpygit.debug()
    try:
        assert "undo" in repr(shown)
        with numpygit.debug():
            pass
        assert repr(X) == "float32 (2, 3, 4)  -1 to 3, mean 1"
    finally:
        shown.undo()
    assert repr(X) == PLAIN


def test_it_is_undone_after_an_error():
    with pytest.raises(ZeroDivisionError), numpygit.debug():
        raise ZeroDivisionError
    assert repr(X) == PLAIN


def test_pdb_shows_arrays_in_one_line():
    to = io.StringIO()
    typed = io.StringIO("n\np weights\npp [weights]\nc\n")
    debugger = pdb.Pdb(stdin=typed, stdout=to, readrc=False)
    debugger.use_rawinput = False

    def function() -> None:
        weights = X
        assert weights is X

    with numpygit.debug():
        debugger.runcall(function)
    assert "float32 (2, 3, 4)  -1 to 3, mean 1\n" in to.getvalue()
    assert "[float32 (2, 3, 4)  -1 to 3, mean 1]\n" in to.getvalue()


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((0, 3), np.float32), "float32 (0, 3)  empty"),
        (np.array([2, 80, 127]), "int64 (3,)  [  2,  80, 127]"),
        (np.float32([[1.5, np.nan]]), "float32 (1, 2)  [[1.5, nan]]"),
        (np.array(3.0), "float64 ()  3."),
        (np.arange(9), "int64 (9,)  0 to 8, mean 4"),
        (np.arange(20) < 5, "bool (20,)  25% True"),
        (np.full(9, np.nan), "float64 (9,)  9 NaN"),
        (np.array(["a"] * 9), "<U1 (9,)  ['a', 'a', 'a', ..., 'a', 'a', 'a']"),
        (
            np.float32([0, 1, 2, 3, 4, 5, 6, np.nan, -np.inf, np.inf]),
            "float32 (10,)  0 to 6, mean 3, 1 NaN, 1 inf, 1 -inf",
        ),
    ],
)
def test_what_is_said(array, text):
    assert describe_array(array) == text


@pytest.mark.parametrize("is_turned", [False, True])
def test_large_arrays_are_sampled_and_said_to_be(is_turned):
    array = np.zeros((3000, 1001), np.float32)
    array[:, ::2] = 1
    text = describe_array(array.T if is_turned else array)
    assert array.size > MANY
    assert "about 0 to 1, mean 0.5" in text
    assert describe_array(np.ones((3, MANY), np.float32)[:, ::2]).endswith("about 1 to 1, mean 1")


def test_parameters_are_readable_too(storybook):
    with numpygit.debug():
        text = repr(storybook.model.params.text.projection)
    assert text.startswith("Linear(weight=float32 (160, 160)  ")
    assert len(text) < 200


@pytest.mark.parametrize(
    ("value", "shown"), [("1", "int64 (9,)"), ("0", "array([0"), ("", "array([0")]
)
def test_the_environment_turns_it_on_for_the_command(offline, value, shown):
    code = (
        "import sys, runpy, numpy, numpygit.cli\n"
        "numpygit.cli.main = lambda: print(repr(numpy.arange(9)))\n"
        "runpy.run_module('numpygit', run_name='__main__')"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=offline | {"NUMPYGIT_DEBUG": value},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown in run.stdout


def test_the_launch_configurations_start_what_exists():
    launch = json.loads((ROOT / ".vscode" / "launch.json").read_text())
    assert len(launch["configurations"]) == 3
    for configuration in launch["configurations"]:
        assert configuration["type"] == "debugpy"
        if "module" in configuration:
            assert configuration["env"]["NUMPYGIT_DEBUG"] == "1"
            *_, picture = configuration["args"]
            assert (ROOT / picture).is_file()
            assert parser().parse_args(configuration["args"]).model == "storybook"
