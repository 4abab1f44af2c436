"""Pictures of other sizes: places stretched as torch stretches them, and the whole model on them.

The goldens come from golden/make_positions.py: torch, and transformers 5.23.

Checks model/variants/other_sizes.py.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from golden_inputs import tiny_model

import numpygit
from numpygit.errors import UserError
from numpygit.model.variants.other_sizes import cubic_matrix, keys_kernel, resize_positions

GOLDEN = Path(__file__).parents[2] / "golden"
ANSWERS = dict(np.load(GOLDEN / "positions.npz"))
GRIDS = sorted({name.rpartition("/")[0] for name in ANSWERS if name.startswith("grid/")})
SIZES = sorted(name for name in ANSWERS if name.startswith("logits/"))
MODEL = tiny_model()
IDS = [2, 17, 5, 40, 9, 22]


def seeded_pixels(shape: tuple[int, ...]) -> np.ndarray:
    spec = importlib.util.spec_from_file_location("seeded", GOLDEN / "seeded.py")
    seeded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seeded)
    return seeded.seeded_pixels(shape, seed=8)


@pytest.mark.parametrize("grid", GRIDS)
def test_stretched_places_equal_those_of_torch(grid):
    old, new = ANSWERS[f"{grid}/old"], ANSWERS[f"{grid}/new"]
    rows, columns, D = new.shape
    places = np.concatenate([np.full((1, D), 9, np.float32), old.reshape(-1, D)])
    stretched = resize_positions(places, rows=rows, columns=columns)
    assert stretched.dtype == np.float32
    np.testing.assert_array_equal(stretched[0], places[0])
    np.testing.assert_allclose(stretched[1:].reshape(new.shape), new, rtol=0, atol=2e-6)


def test_the_grids_of_the_golden_are_all_there():
    assert len(GRIDS) == 7
    assert {"grid/30/30x40", "grid/14/11x11"} <= set(GRIDS)
    assert len(SIZES) == 5


def test_a_grid_of_the_same_size_stays_bit_by_bit():
    places = np.random.default_rng(0).standard_normal((1 + 49, 5), np.float32)
    np.testing.assert_array_equal(resize_positions(places, rows=7, columns=7), places)


def test_every_new_place_is_a_mean_of_old_ones():
    for old, new in ((3, 8), (8, 3), (1, 4), (30, 40)):
        np.testing.assert_allclose(cubic_matrix(old, new).sum(axis=1), 1, atol=1e-6)


def test_the_kernel_meets_the_old_points():
    assert [keys_kernel(d) for d in (0.0, 1.0, 2.0, 2.5)] == [1, 0, 0, 0]
    assert keys_kernel(1.5) == pytest.approx(-0.75 * 0.125)  # a (d^3 - 5 d^2 + 8 d - 4)


@pytest.mark.parametrize("name", SIZES)
def test_logits_of_other_sizes_equal_the_official_ones(name):
    shape = tuple(int(size) for size in name.removeprefix("logits/").split("x"))
    ids = np.array([IDS] * shape[0])
    logits = MODEL.logits(ids, seeded_pixels(shape), interpolate_pos_encoding=True)
    assert logits.shape == ANSWERS[name].shape
    np.testing.assert_allclose(logits, ANSWERS[name], rtol=0, atol=5e-5)  # float32 noise: 2e-5


def test_words_of_other_sizes_are_those_of_the_uncached_definition():
    pixels = seeded_pixels((1, 3, 40, 20))
    ids = MODEL.generate(pixel_values=pixels, max_length=12, interpolate_pos_encoding=True)
    for t in range(1, ids.shape[1]):
        logits = MODEL.logits(ids[:, :t], pixels, interpolate_pos_encoding=True)
        assert logits[0, -1].argmax() == ids[0, t]


def test_interpolation_changes_nothing_at_the_models_own_size():
    pixels = seeded_pixels((1, 3, 27, 27))
    np.testing.assert_array_equal(
        MODEL.memory(pixels, interpolate_pos_encoding=True), MODEL.memory(pixels)
    )


def test_other_sizes_are_refused_unless_asked_for():
    pixels = seeded_pixels((1, 3, 40, 20))
    with pytest.raises(UserError, match=r"\(40\*20, .* pass interpolate_pos_encoding=True"):
        MODEL.memory(pixels)
    assert MODEL.memory(pixels, interpolate_pos_encoding=True).shape == (1, 9, 30)
    with pytest.raises(UserError, match=r"\(8\*20, .*for sizes from 9 on"):
        MODEL.memory(np.zeros((1, 3, 8, 20), np.float32), interpolate_pos_encoding=True)
    with pytest.raises(UserError, match="1 channels"):
        MODEL.memory(np.zeros((1, 1, 40, 20), np.float32), interpolate_pos_encoding=True)


def test_a_call_takes_other_sizes_too():
    pixels, ids = seeded_pixels((1, 3, 40, 20)), np.array([IDS])
    logits = MODEL.logits(ids, pixels, interpolate_pos_encoding=True)
    called = MODEL(ids, pixel_values=pixels, interpolate_pos_encoding=True)
    np.testing.assert_array_equal(called.logits, logits)
    body = MODEL.git(ids, pixel_values=pixels, interpolate_pos_encoding=True)
    assert body.last_hidden_state.shape == (1, 9 + len(IDS), MODEL.config.hidden_size)
    tower = numpygit.GitVisionModel(MODEL.config.vision_config, MODEL.params.vision)
    assert tower(pixels, interpolate_pos_encoding=True).last_hidden_state.shape == (
        1,
        9,
        MODEL.config.vision_config.hidden_size,
    )
    with pytest.raises(UserError, match="pass interpolate_pos_encoding=True"):
        MODEL(ids, pixel_values=pixels)
