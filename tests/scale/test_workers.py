"""Processes on one machine: the same captions in the same order, and a killed one is told."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import made_sets
import pytest

from numpygit.captioner import Captioner
from numpygit.data import Row, read
from numpygit.data.speak import batches
from numpygit.errors import UserError
from numpygit.scale.workers import alone, together

HOW = {"name": "storybook"}


@pytest.mark.slow
def test_processes_say_what_one_says_in_the_same_order(tmp_path, storybook: Captioner):
    folder = made_sets.scenes(tmp_path / "p", 9)
    rows = [*read(folder), Row("gone", None, error="it is gone")]
    one = [said for batch in alone(HOW, max_length=None)(batches(rows, 2)) for said in batch]
    two = [said for batch in together(HOW, 2, max_length=None)(batches(rows, 2)) for said in batch]
    assert two == one
    assert [said.row for said in two] == rows
    assert two[-1].error == "it is gone"
    assert two[0].text == storybook.caption(folder / "000.png")


class Deadly:
    """A picture whose reader is killed."""

    def read(self) -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("nobody survives that")


@pytest.mark.slow
def test_a_killed_process_ends_in_a_sentence(tmp_path: Path):
    rows = [Row(str(i), Deadly()) for i in range(4)]
    with pytest.raises(UserError, match="a worker ended before its work did"):
        list(together(HOW, 2, max_length=None)(batches(rows, 1)))


def test_no_process_is_started_for_nothing():
    assert list(together(HOW, 2, max_length=None)(iter(()))) == []
    with pytest.raises(UserError, match="--workers is 0"):
        together(HOW, 0, max_length=None)
