"""A model that asks for processes: who does what, and when others are started."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import numpygit
from numpygit.fast.processes.group import Work, can_fork
from numpygit.fast.processes.pictures import PictureGroup
from numpygit.huggingface import call
from numpygit.huggingface.call import group_of
from numpygit.huggingface.models import GitForCausalLM, GitVisionModel
from numpygit.model.vision import image_tokens

EXAMPLE = sorted((Path(numpygit.__file__).parent / "storybook" / "examples").glob("*.png"))[0]

pytestmark = pytest.mark.skipif(not can_fork(), reason="processes need Linux")


@pytest.fixture
def model(storybook, monkeypatch) -> GitForCausalLM:
    monkeypatch.setattr(call, "cores", lambda: 3)
    found = GitForCausalLM(storybook.model.config, storybook.model.params)
    found.threads, found.processes = 2, True
    return found


@pytest.fixture
def pixels(storybook) -> np.ndarray:
    return storybook.pixels(EXAMPLE)


@pytest.fixture
def started(model) -> Iterator[PictureGroup]:
    found = group_of(model)
    yield found
    found.group.close()


def count_works(found: PictureGroup, done: list[int]) -> None:
    """Note what this process does with the group."""

    def noted(number: int, work: Work) -> Work:
        return lambda rank: done.append(number) or work(rank)

    found.group.works = [noted(number, work) for number, work in enumerate(found.group.works)]


def test_captions_are_the_same(model, storybook, pixels, started):
    done: list[int] = []
    count_works(started, done)
    several = np.concatenate([pixels, pixels[:, :, ::-1], pixels])
    expected = storybook.model.generate(pixel_values=several, max_length=12)
    np.testing.assert_array_equal(model.generate(pixel_values=several, max_length=12), expected)
    assert done == [0, 1]  # two pictures are for a thread each, the third is for all


def test_a_vision_encoder_of_its_own(model, pixels):
    tower = GitVisionModel(model.config.vision_config, model.params.vision)
    tower.threads, tower.processes = 2, True
    found, done = group_of(tower), []
    count_works(found, done)
    seen = tower(pixels).last_hidden_state
    assert done == [0]
    expected = image_tokens(pixels, tower.params, config=tower.config)
    np.testing.assert_allclose(seen, expected, atol=1e-5)
    found.group.close()


def test_other_parameters_get_other_processes(model, started):
    assert group_of(model) is started
    model.threads = 8
    larger = group_of(model)  # of as many as there are cores
    assert larger is not started
    assert larger.size == 3
    assert not started.group.alive()
    model.processes = False
    assert group_of(model) is None
    larger.group.close()


def test_a_group_that_has_ended_is_replaced(model, started, pixels):
    started.group.close()
    again = group_of(model)
    assert again is not started
    assert again.encode(pixels, model.params.vision) is not None
    again.group.close()
