"""One picture by several processes: the same numbers, and whose parameters they have."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from processes_at_work import gone

import numpygit
from numpygit.fast.processes import group, pictures
from numpygit.fast.processes.group import LostError, check_children
from numpygit.fast.processes.pictures import PictureGroup, start
from numpygit.huggingface.models import GitForCausalLM
from numpygit.model.params import named_arrays
from numpygit.model.text import prefill
from numpygit.model.vision import image_tokens

EXAMPLE = sorted((Path(numpygit.__file__).parent / "storybook" / "examples").glob("*.png"))[0]

pytestmark = pytest.mark.skipif(not group.can_fork(), reason="processes need Linux")


@pytest.fixture
def model(storybook) -> GitForCausalLM:
    return storybook.model


@pytest.fixture
def pixels(storybook) -> np.ndarray:
    return storybook.pixels(EXAMPLE)


@pytest.fixture
def started(model) -> Iterator[PictureGroup]:
    found = start(model.params, model.config, size=2)
    yield found
    found.close()


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_picture_is_the_same_from_any_number_of_processes(model, pixels, size):
    params, config = model.params, model.config
    found = start(params, config, size=size)
    try:
        seen = found.encode(pixels, params.vision)
        expected = image_tokens(pixels, params.vision, config=config.vision_config)
        np.testing.assert_allclose(seen, expected, atol=1e-5)
        memory = model.memory(pixels)
        cache = prefill(memory, params.text, config=config)
        keep = [type(kv)(np.full_like(kv.k, np.nan), np.full_like(kv.v, np.nan))
                for kv in cache.image_kv]  # fmt: skip
        for _ in range(2):
            assert found.prefill(memory, params.text, keep)
        for kept, kv in zip(keep, cache.image_kv, strict=True):
            np.testing.assert_allclose(kept.k, kv.k, atol=1e-5)
            np.testing.assert_allclose(kept.v, kv.v, atol=1e-5)
    finally:
        found.close()


def test_what_the_group_does_not_know_is_left_to_threads(model, started, pixels):
    params, memory = model.params, model.memory(pixels)
    assert started.encode(pixels[:, :, :16, :16], params.vision) is None
    changed = numpygit.GitVisionModel(model.config.vision_config).params
    assert started.encode(pixels, changed) is None
    assert started.prefill(memory[:, :-1], params.text, []) is None
    other = GitForCausalLM(model.config, seed=1)
    assert started.prefill(memory, other.params.text, []) is None


def test_a_lost_process_is_named(started):
    (pid,) = started.processes.pids
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)

    def look_until_told() -> None:
        while True:
            check_children(started.processes.pids)

    with pytest.raises(LostError, match=str(pid)):
        look_until_told()


def test_without_fork_there_are_threads(model, monkeypatch):
    monkeypatch.setattr(pictures, "can_fork", lambda: False)
    assert start(model.params, model.config, size=2) is None


def test_a_process_that_has_ended_is_told(model, started, pixels):
    (pid,) = started.processes.pids
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    assert started.encode(pixels, model.params.vision) is None
    assert not started.processes.alive()
    assert started.encode(pixels, model.params.vision) is None


def test_parameters_are_made_read_only():
    model = GitForCausalLM(numpygit.load("storybook").model.config)
    assert any(array.flags.writeable for _, array in named_arrays(model.params))
    found = start(model.params, model.config, size=2)
    found.close()
    assert not any(array.flags.writeable for _, array in named_arrays(model.params))
    assert start(model.params, model.config, size=1) is None


def test_a_system_that_forks_no_more_is_told(model, monkeypatch, caplog):
    def refuse() -> int:
        raise OSError("no more")

    monkeypatch.setattr(os, "fork", refuse)
    assert start(model.params, model.config, size=3) is None
    assert "threads take the place of processes: no more" in caplog.text


def test_a_group_goes_with_its_model(storybook):
    model = GitForCausalLM(storybook.model.config, storybook.model.params)
    model.group = start(model.params, model.config, size=3)
    pids = list(model.group.processes.pids)
    del model
    assert all(gone(pid) for pid in pids)


def test_a_vision_encoder_alone(model, pixels):
    p, config = model.params.vision, model.config.vision_config
    found = start(p, config, size=2)
    seen = found.encode(pixels, p)
    np.testing.assert_allclose(seen, image_tokens(pixels, p, config=config), atol=1e-5)
    assert found.prefill(model.memory(pixels), model.params.text, []) is None
    found.close()
