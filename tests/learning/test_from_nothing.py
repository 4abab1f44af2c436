"""golden/train_from_nothing.py: it learns, and a run that was stopped goes on to the same bits."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from nothing_figures import told
from packed_scenes import Portion, Store, draw, vocabulary
from safetensors.numpy import load_file
from train_from_nothing import shared_out

import numpygit
from numpygit.storybook import EXAMPLES

SCRIPT = Path(__file__).parents[2] / "golden" / "train_from_nothing.py"


def begin(folder: Path, *more: str, environment: dict[str, str]) -> str:
    command = [sys.executable, SCRIPT, "--out", folder, "--steps", "3", "--processes", "2"]
    ran = subprocess.run(
        [*command, "--first", "16", "--keep", "64", *more],
        env=environment,
        capture_output=True,
        text=True,
    )
    return ran.stdout + ran.stderr


@pytest.mark.slow
def test_stopped_after_each_step_it_ends_at_the_same_bits(tmp_path, offline):
    assert "from step 0 on" in begin(tmp_path / "whole", environment=offline)
    for step in range(3):
        told = begin(tmp_path / "broken", "--seconds", "0.001", environment=offline)
        assert f"from step {step} on" in told
    whole, broken = (load_file(tmp_path / n / "state.safetensors") for n in ("whole", "broken"))
    assert whole.keys() == broken.keys()
    assert all(np.array_equal(whole[name], broken[name]) for name in whole)
    assert np.isfinite(whole["flat"]).all()
    assert isinstance(numpygit.load(str(tmp_path / "whole")).caption(EXAMPLES / "sign.png"), str)
    refused = begin(tmp_path / "whole", "--seed", "2", environment=offline)
    assert "was made with --seed 1; go on with that" in refused


def test_texts_of_a_scene_stand_apart_in_one_row():
    picture, rows = draw([3, 0, 0, 5], False)
    ids, targets, text, positions = rows
    assert picture.shape == (96, 96, 3)
    assert text.max() >= 3
    for number in range(1, text.max() + 1):
        here = np.flatnonzero(text == number)
        assert ids[here[0]] == 2
        assert positions[here].tolist() == list(range(len(here)))
        assert targets[here[-1]] == 3
        learnt = [i for i in here[:-1] if targets[i] >= 0]
        assert all(targets[i] == ids[i + 1] for i in learnt)
    assert "[UNK]" not in vocabulary().decode(ids[ids > 4].tolist())


def test_a_store_that_goes_on_has_what_it_would_have_had():
    """Draw 12 scenes into room for 8, at once or after a pause: the same batch."""
    one, other = Store([1, 0, 0], 8, False), Store([1, 0, 0], 8, False)
    for made in (4, 9, 12):
        one.fill(made)
    other.fill(12)
    batches = [store.batch(5, Portion(10, 12), np.random.default_rng(0)) for store in (one, other)]
    for mine, theirs in zip(*batches, strict=True):
        assert (mine is None and theirs is None) or np.array_equal(mine, theirs)
    new = draw([1, 0, 0, 10], False)[1]
    assert np.array_equal(batches[0].targets[0], new[1])


def test_work_is_shared_out_evenly():
    given = shared_out([4] * 8 + [1] * 128, 32)
    assert sorted(i for part in given for i in part) == list(range(136))
    loads = [sum(4 if i < 8 else 1 for i in part) for part in given]
    assert loads == [5] * 32


def test_figures_are_told_by_kind():
    counts = {("captions", "sign"): [1, 2], ("captions", "row"): [2, 2], ("answers", "day"): [3, 3]}
    assert told(counts) == "captions 75.00 % of 4 (sign 50.0 of 2); answers 100.00 % of 3"
