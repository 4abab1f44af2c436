"""The full git-base geometry with seeded weights, against the official implementation.

Run with `pytest -m full`: it draws 177 million weights and takes 1.5 GB of memory.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from numpygit.huggingface.models import GitForCausalLM
from numpygit.loading.config import GitConfig
from numpygit.loading.names import params_from, tensor_shapes
from numpygit.trace import Recorder

GOLDEN = Path(__file__).parents[2] / "golden"
PHOTOS = ("boats", "mountain")
PROMPT = np.array([[101, 1037, 6302, 1997]])

pytestmark = pytest.mark.full


def seeded_tensors(shapes, seed):
    spec = importlib.util.spec_from_file_location("seeded", GOLDEN / "seeded.py")
    seeded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seeded)
    return seeded.seeded_tensors(shapes, seed=seed)


@pytest.fixture(scope="module")
def model() -> GitForCausalLM:
    config = GitConfig()
    tensors = seeded_tensors(tensor_shapes(config), seed=2)
    return GitForCausalLM(config, params_from(tensors, config, source="golden/seeded.py"))


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / "git_base_seeded.npz"))


def corner(tensor: np.ndarray) -> np.ndarray:
    for axis, size in enumerate(tensor.shape):
        tensor = tensor.take(sorted({0, size // 2, size - 1}), axis=axis)
    return tensor


@pytest.mark.parametrize("photo", PHOTOS)
def test_every_layer_and_the_logits(model, golden, photo):
    recorder = Recorder()
    logits = model.logits(PROMPT, golden[f"{photo}/pixels"], trace=recorder)
    assert np.abs(logits[:, -1] - golden[f"{photo}/last_logits"]).max() < 1e-4
    slices = {key: value for key, value in golden.items() if key.startswith(f"{photo}/slice/")}
    assert len(slices) == 12 * 15 + 6 * 13 + 13
    for key, expected in slices.items():
        mine = corner(recorder.tensors[key.removeprefix(f"{photo}/slice/")])
        unblocked = expected > -1e30
        np.testing.assert_array_equal(mine > -1e30, unblocked)
        size = max(1, np.abs(expected[unblocked]).max())
        error = np.abs(mine[unblocked] - expected[unblocked]).max()
        assert error < 1e-4 * size, key


@pytest.mark.parametrize("photo", PHOTOS)
def test_twenty_words_are_the_same(model, golden, photo):
    ids = model.generate(pixel_values=golden[f"{photo}/pixels"], max_length=21)
    np.testing.assert_array_equal(ids, golden[f"{photo}/greedy_ids"])
    assert len(set(ids[0].tolist())) > 4  # the weights do not just repeat one word
