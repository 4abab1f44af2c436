"""The bundled model says of 40 pictures what it says in the official implementation."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "storybook.npz")
TEXTS = json.loads(str(GOLDEN["texts"]))


def picture(i: int) -> Image.Image | list[Image.Image]:
    frames = [Image.fromarray(frame) for frame in GOLDEN[f"{i}/frames"]]
    return frames if len(frames) > 1 else frames[0]


def test_there_are_stills_and_clips():
    assert len(TEXTS) == 40
    assert sum(isinstance(picture(i), list) for i in range(40)) == 10


SLOW = [pytest.mark.slow]  # every fourth of them is part of the quick run, stills and clips
EACH = [pytest.param(i, marks=SLOW if i % 4 else []) for i in range(len(TEXTS))]


@pytest.mark.parametrize("kind", ["caption", "answer"])
@pytest.mark.parametrize("i", EACH)
def test_every_step_and_the_text(storybook, i, kind):
    question = TEXTS[i]["question"] if kind == "answer" else None
    pixels = storybook.processor.pixels(picture(i))
    prompt = storybook.processor.prompt(question)
    places = storybook.model.config.max_position_embeddings
    steps = list(storybook.model.steps(pixels, prompt, max_length=places))
    np.testing.assert_array_equal(steps[-1].ids[0], GOLDEN[f"{i}/{kind}/ids"])
    logits = np.concatenate([step.logits for step in steps])
    np.testing.assert_allclose(logits, GOLDEN[f"{i}/{kind}/logits"], atol=1e-4)
    said = storybook.answer(picture(i), question) if question else storybook.caption(picture(i))
    assert said == TEXTS[i][kind]
