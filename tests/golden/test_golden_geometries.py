"""The six sizes of the official checkpoints with seeded weights, against the official code.

    pytest -m full tests/golden/test_golden_geometries.py [-k large-420]

draws up to 395 million weights at a time: 4 GB, and up to a minute for each size. The goldens come
from golden/make_geometries.py.
"""

import gc
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from numpygit.huggingface.models import GitForCausalLM
from numpygit.loading.config import GitConfig
from numpygit.loading.names import params_from, tensor_shapes

GOLDEN = Path(__file__).parents[2] / "golden"
SIZES = json.loads((GOLDEN / "geometries.json").read_text())
SEED = 4
PROMPT = np.array([[101, 1037, 6302, 1997]])
WORDS = 5
EVERY = 11

spec = importlib.util.spec_from_file_location("seeded", GOLDEN / "seeded.py")
seeded = importlib.util.module_from_spec(spec)
spec.loader.exec_module(seeded)


class Run(NamedTuple):
    golden: dict[str, np.ndarray]
    model: GitForCausalLM
    pixels: np.ndarray


@pytest.mark.parametrize("name", SIZES)
def test_a_golden_holds_every_tensor_of_its_size(name):
    golden = np.load(GOLDEN / "geometries" / f"{name}.npz")
    config = GitConfig.from_dict(SIZES[name])
    names = str(golden["names"]).split("\n")
    clip = config.num_image_with_embedding is not None
    assert len(names) == 15 * config.vision_config.num_hidden_layers + 6 * 13 + 13 + clip
    assert golden["ids"].shape == (1, 4 + WORDS)
    assert golden["last_logits"].shape == (2775,)


@pytest.fixture(scope="module", params=SIZES)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    golden = dict(np.load(GOLDEN / "geometries" / f"{request.param}.npz"))
    config = GitConfig.from_dict(SIZES[request.param])
    tensors = seeded.seeded_tensors(tensor_shapes(config), seed=SEED)
    model = GitForCausalLM(config, params_from(tensors, config, source="golden/seeded.py"))
    size, frames = config.vision_config.image_size, config.num_image_with_embedding
    shape = (1, frames, 3, size, size) if frames else (1, 3, size, size)
    yield Run(golden, model, seeded.seeded_pixels(shape, seed=SEED))
    del tensors, model
    gc.collect()


@pytest.mark.full
def test_every_layer_and_the_logits(run):
    corners = {}

    def keep_corner(name: str, value: np.ndarray) -> None:
        corners[name] = seeded.corner(value).copy()

    logits = run.model.logits(PROMPT, run.pixels, trace=keep_corner)[0, -1]
    assert np.abs(logits[::EVERY] - run.golden["last_logits"]).max() < 1e-4
    rest = run.golden["corners"]
    for name in str(run.golden["names"]).split("\n"):
        mine = corners[name]
        expected, rest = rest[: mine.size].reshape(mine.shape), rest[mine.size :]
        unblocked = expected > -1e30
        np.testing.assert_array_equal(mine > -1e30, unblocked)
        size = max(1, np.abs(expected[unblocked]).max(initial=0))
        error = np.abs(mine[unblocked] - expected[unblocked]).max(initial=0)
        assert error < 1e-4 * size, name
    assert rest.size == 0


@pytest.mark.full
def test_five_words_are_the_same(run):
    ids = run.model.generate(PROMPT, pixel_values=run.pixels, max_length=PROMPT.shape[1] + WORDS)
    np.testing.assert_array_equal(ids, run.golden["ids"])
