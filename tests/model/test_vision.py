"""The vision encoder: patches, frames, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from golden_inputs import tiny_inputs, tiny_model

from numpygit.errors import UserError
from numpygit.fast import towers
from numpygit.model import vision

MODEL = tiny_model()
CONFIG = MODEL.config.vision_config


def test_patches_are_squares_row_by_row():
    pixels = np.arange(2 * 3 * 7 * 9, dtype=np.float32).reshape(2, 3, 7, 9)
    patches = vision.cut_patches(pixels, patch=3)
    assert patches.shape == (2, 6, 27)  # the rest of a row of pixels is dropped
    np.testing.assert_array_equal(patches[1, 4].reshape(3, 3, 3), pixels[1, :, 3:6, 3:6])


def test_pictures_of_a_batch_do_not_meet():
    pixels = tiny_inputs("still")["pixel_values"]
    together = MODEL.memory(pixels)
    alone = np.concatenate([MODEL.memory(pixels[:1]), MODEL.memory(pixels[1:])])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_clip_is_its_frames_with_their_times():
    clip = tiny_inputs("clip")["pixel_values"]
    p = MODEL.params.vision
    whole = vision.image_tokens(clip, p, config=CONFIG)
    for f in range(3):
        frame = vision.image_tokens(clip[:, f], p, config=CONFIG)
        np.testing.assert_allclose(
            whole[:, f * 10 : f * 10 + 10], frame + p.temporal_embedding[f], atol=1e-5
        )
    assert np.abs(p.temporal_embedding).min(axis=1).max() > 0


def test_fewer_frames_than_configured_are_fine():
    clip = tiny_inputs("clip")["pixel_values"]
    assert MODEL.memory(clip[:, :1]).shape == (2, 10, 30)
    assert MODEL.memory(clip).shape == (2, 30, 30)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 27, 27), r"rank 4 .* got shape \(3, 27, 27\)"),
        ((1, 3, 27, 28), r"Input image size \(27\*28, 3 channels\) doesn't match model \(27\*27"),
        ((1, 1, 27, 27), "1 channels"),
        ((1, 5, 3, 27, 27), "a clip of 5 frames, but this model has temporal embeddings for 4"),
        ((1, 0, 3, 27, 27), "a clip of 0 frames"),
    ],
)
def test_pixels_that_do_not_fit_are_refused(shape, message):
    with pytest.raises(UserError, match=message):
        MODEL.memory(np.zeros(shape, np.float32))


def test_a_model_for_stills_says_that_it_takes_no_clips():
    p = replace(MODEL.params.vision, temporal_embedding=np.zeros((0, 30), np.float32))
    clip = np.zeros((1, 2, 3, 27, 27), np.float32)
    with pytest.raises(UserError, match=r"embeddings for none \(.*\); pass stills as \(B, C"):
        vision.image_tokens(clip, p, config=CONFIG)


def test_patches_of_another_size_are_not_embedded_unless_asked():
    p = MODEL.params.vision
    wide = np.zeros((1, 3, CONFIG.image_size, CONFIG.image_size + CONFIG.patch_size), np.float32)
    with pytest.raises(ValueError, match="broadcast"):
        vision.embed_patches(wide, p, patch=CONFIG.patch_size)
    assert vision.embed_patches(wide, p, patch=CONFIG.patch_size, interpolate=True).ndim == 3


@pytest.mark.parametrize("encode", [vision.image_tokens, towers.image_tokens])
def test_other_sizes_must_be_asked_for(encode):
    config = CONFIG
    size = config.image_size + config.patch_size
    pixels = np.zeros((1, 3, size, config.image_size), np.float32)
    with pytest.raises(UserError, match="interpolate"):
        encode(pixels, MODEL.params.vision, config=config)
    assert encode(pixels, MODEL.params.vision, config=config, interpolate=True).ndim == 3
