"""Word by word: greedy, stopping, padding, and the shape that sampling and beams need."""

import itertools

import numpy as np
import pytest
from golden_inputs import tiny_inputs, tiny_model

from numpygit.errors import UserError
from numpygit.model import text
from numpygit.model.generate import Choice, greedy
from numpygit.trace import Recorder

MODEL = tiny_model()
PIXELS = tiny_inputs("still")["pixel_values"]
END, PAD = 3, 0


def plain_greedy(pixels: np.ndarray, ids: np.ndarray, max_length: int) -> np.ndarray:
    """The definition: forget everything and read it all again for every word."""
    memory = MODEL.memory(pixels)
    while ids.shape[1] < max_length and not (ids[:, 1:] == END).any(axis=1).all():
        logits, _ = text.forward(memory, ids, MODEL.params.text, config=MODEL.config)
        word = logits[:, -1].argmax(axis=1)
        done = (ids[:, 1:] == END).any(axis=1)
        ids = np.concatenate([ids, np.where(done, PAD, word)[:, None]], axis=1)
    return ids


def choose_from(rows: list[list[int]]):
    """Say given words, whatever the model thinks."""
    said = iter(zip(*rows, strict=True))

    def choose(logits, ids):
        return Choice(np.array(next(said)), np.arange(len(ids)))

    return choose


@pytest.mark.parametrize("seed", range(8))
def test_cached_greedy_equals_reading_everything_again(seed):
    rng = np.random.default_rng(seed)
    pixels = rng.standard_normal(PIXELS.shape).astype(np.float32)
    prompt = rng.integers(4, 61, (2, 1 + seed % 3))
    expected = plain_greedy(pixels, prompt, 15)
    np.testing.assert_array_equal(
        MODEL.generate(prompt, pixel_values=pixels, max_length=15), expected
    )


def test_generation_starts_from_the_start_token():
    ids = MODEL.generate(pixel_values=PIXELS, max_length=5)
    assert ids.shape == (2, 5)
    np.testing.assert_array_equal(ids[:, 0], 2)


def test_max_length_counts_the_prompt():
    prompt = np.array([[2, 7, 8]])
    ids = MODEL.generate(prompt, pixel_values=PIXELS[:1], max_length=4)
    assert ids.shape == (1, 4)
    np.testing.assert_array_equal(ids[:, :3], prompt)


def test_finished_rows_are_padded_and_the_last_ends_it():
    choose = choose_from([[5, END, 9, 9, 9], [5, 6, 7, END, 9]])
    steps = list(MODEL.steps(PIXELS, max_length=20, choose=choose))
    np.testing.assert_array_equal(steps[-1].ids, [[2, 5, END, PAD, PAD], [2, 5, 6, 7, END]])
    assert [step.finished.tolist() for step in steps] == [
        [False, False],
        [True, False],
        [True, False],
        [True, True],
    ]


def test_steps_are_lazy():
    recorder = Recorder("word.*.word")
    steps = MODEL.steps(PIXELS, max_length=20, trace=recorder)
    list(itertools.islice(steps, 2))
    assert list(recorder.tensors) == ["word.0.word", "word.1.word"]


def test_the_picture_is_read_once():
    seen = []
    list(MODEL.steps(PIXELS, max_length=6, trace=lambda name, value: seen.append(name)))
    assert seen.count("vision.image_tokens") == seen.count("image.text.0.k") == 1
    assert sum(name.endswith("text.0.k") for name in seen) == 1 + 5
    assert seen.count("word.4.logits") == 1


def test_a_choice_may_drop_and_fork_rows():
    """What a beam search does: both rows go on from the words of row 1."""
    prompt = np.array([[2, 5], [2, 9]])
    pixels = np.repeat(PIXELS[:1], 2, axis=0)

    def choose(logits, ids):
        word, _ = greedy(logits, ids)
        if ids.shape[1] == 2:
            return Choice(np.array([7, 8]), np.array([1, 1]))
        return Choice(word, np.arange(2))

    *_, last = MODEL.steps(pixels, prompt, max_length=8, choose=choose)
    for row, word in enumerate((7, 8)):
        alone = plain_greedy(PIXELS[:1], np.array([[2, 9, word]]), 8)
        np.testing.assert_array_equal(last.ids[row, : alone.shape[1]], alone[0])


def test_left_padded_prompts_give_what_they_give_alone():
    prompts = np.array([[0, 0, 2, 7], [2, 9, 11, 5]])
    attention_mask = np.array([[0, 0, 1, 1], [1, 1, 1, 1]])
    together = MODEL.generate(
        prompts, pixel_values=PIXELS, attention_mask=attention_mask, max_length=12
    )
    alone = MODEL.generate(prompts[:1, 2:], pixel_values=PIXELS[:1], max_length=10)
    np.testing.assert_array_equal(together[0, 2 : 2 + alone.shape[1]], alone[0])


def test_without_a_picture_it_is_a_language_model():
    ids = MODEL.generate(input_ids=np.array([[2, 8]]), max_length=7)
    memory = np.zeros((1, 0, 30), np.float32)
    logits, _ = text.forward(memory, ids[:, :-1], MODEL.params.text, config=MODEL.config)
    np.testing.assert_array_equal(logits[0, 1:].argmax(axis=1), ids[0, 2:])


def test_one_picture_serves_several_prompts():
    prompts = np.array([[2, 7], [2, 9], [2, 30]])
    together = MODEL.generate(prompts, pixel_values=PIXELS[:1], max_length=8)
    for row, prompt in enumerate(prompts):
        alone = MODEL.generate(prompt[None], pixel_values=PIXELS[:1], max_length=8)
        np.testing.assert_array_equal(together[row, : alone.shape[1]], alone[0])


@pytest.mark.parametrize("max_length", [0, 2, 24, -1])
def test_a_length_that_cannot_be_is_refused_before_any_work(max_length):
    seen = []
    steps = MODEL.steps(
        PIXELS[:1],
        np.array([[2, 5]]),
        max_length=max_length,
        trace=lambda name, value: seen.append(name),
    )
    with pytest.raises(UserError, match=f"max_length is {max_length}; .* 23 positions"):
        next(steps)
    assert not seen


def test_frames_as_a_list_are_a_clip_and_pictures_as_a_list_a_batch():
    clip = tiny_inputs("clip")["pixel_values"]
    frames = [clip[:, f] for f in range(clip.shape[1])]
    whole = MODEL.generate(pixel_values=clip, max_length=8)
    np.testing.assert_array_equal(MODEL.generate(pixel_values=frames, max_length=8), whole)
    stills = MODEL.generate(pixel_values=PIXELS, max_length=8)
    np.testing.assert_array_equal(MODEL.generate(pixel_values=list(PIXELS), max_length=8), stills)


def test_pictures_and_prompts_must_match():
    with pytest.raises(UserError, match="2 pictures and 3 rows of input_ids"):
        MODEL.generate(np.full((3, 1), 2), pixel_values=PIXELS, max_length=5)


def test_prompts_padded_on_the_right_give_what_they_give_alone():
    prompts = np.array([[2, 7, 0, 0], [2, 9, 11, 5]])
    attention_mask = np.array([[1, 1, 0, 0], [1, 1, 1, 1]])
    together = MODEL.generate(
        prompts, pixel_values=PIXELS, attention_mask=attention_mask, max_length=12
    )
    alone = MODEL.generate(prompts[:1, :2], pixel_values=PIXELS[:1], max_length=10)
    np.testing.assert_array_equal(together[:, :4], prompts)
    np.testing.assert_array_equal(together[0, 4 : 2 + alone.shape[1]], alone[0, 2:])
