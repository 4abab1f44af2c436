"""What the newer official code answers (5.23): prompts padded on the left, as vectors, and after a
cache; pictures of other sizes; the last logits alone. How it was asked: golden/make_newer.py."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from golden_inputs import tiny_model
from seeded import seeded_pixels

from numpygit import GitForCausalLM, UserError

GOLDEN = dict(np.load(Path(__file__).parents[2] / "golden" / "newer.npz"))
PAD, END, ENDING, KNOWN = 0, 3, 0.6, 3
PROMPTS = [[2, 17, 5, 40, 9], [2, 22], [2, 8, 31]]
SIZES = {"still": (3, 3, 27, 27), "clip": (3, 4, 3, 27, 27), "wide": (3, 3, 10, 84)}
PIXELS = {kind: seeded_pixels(shape, seed=9) for kind, shape in SIZES.items()}
OPTIONS = {
    "greedy": {},
    "beams": {"num_beams": 3, "num_return_sequences": 2},
    "repetition_penalty": {"repetition_penalty": 1.7},
    "no_repeat": {"no_repeat_ngram_size": 1},
    "lengths": {"max_length": 12, "min_length": 9, "forced_eos_token_id": END},
    "new_lengths": {"max_new_tokens": 7, "min_new_tokens": 4},
    "decay": {"exponential_decay_length_penalty": (1, 1.9)},
}
CLOSE = {"atol": 3e-5}


def ending_model() -> GitForCausalLM:
    model = tiny_model()
    text = model.params.text
    bias = text.head.bias.copy()
    bias[END] += np.float32(ENDING)
    head = replace(text.head, bias=bias)
    return GitForCausalLM(model.config, replace(model.params, text=replace(text, head=head)))


def padded(side: str) -> tuple[np.ndarray, np.ndarray]:
    ids, mask = np.full((3, 5), PAD), np.zeros((3, 5), np.int64)
    for row, prompt in enumerate(PROMPTS):
        place = slice(5 - len(prompt), 5) if side == "left" else slice(0, len(prompt))
        ids[row, place], mask[row, place] = prompt, 1
    return ids, mask


MODEL = ending_model()
IDS, MASK = padded("left")
WORDS = np.concatenate([np.ones((3, 10), bool), MASK == 1], axis=1)  # image tokens and words


def test_logits_of_prompts_padded_on_the_left() -> None:
    logits = MODEL(IDS, MASK, pixel_values=PIXELS["still"]).logits
    np.testing.assert_allclose(logits[WORDS], GOLDEN["forward/padded"][WORDS], **CLOSE)


@pytest.mark.parametrize("count", [1, 3])
def test_the_last_logits_alone(count: int) -> None:
    logits = MODEL(IDS, MASK, pixel_values=PIXELS["still"], logits_to_keep=count).logits
    expected, words = GOLDEN[f"forward/keep_{count}"], WORDS[:, -count:]
    assert logits.shape == expected.shape == (3, count, 61)
    np.testing.assert_allclose(logits[words], expected[words], **CLOSE)


def test_several_new_words_after_a_cache() -> None:
    first = MODEL(IDS[:, :KNOWN], MASK[:, :KNOWN], pixel_values=PIXELS["still"])
    later = MODEL(IDS[:, KNOWN:], MASK, past_key_values=first.past_key_values)
    np.testing.assert_allclose(later.logits, GOLDEN["forward/later"], **CLOSE)


def ended(golden: str) -> np.ndarray:
    """Official beams are filled up with the end token where the padding token is 0."""
    rows = GOLDEN[golden].copy()
    for row in rows:
        if END in row:
            row[row.tolist().index(END) + 1 :] = PAD
    return rows


def asked(name: str, kind: str) -> dict:
    options = {"max_length": 15, **OPTIONS[name], "interpolate_pos_encoding": kind == "wide"}
    if name == "new_lengths":
        del options["max_length"]
    return options


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("kind", SIZES)
def test_prompts_padded_on_the_left(kind: str, name: str) -> None:
    found = MODEL.generate(IDS, pixel_values=PIXELS[kind], attention_mask=MASK, **asked(name, kind))
    np.testing.assert_array_equal(found, ended(f"ids/{kind}/{name}"))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("kind", SIZES)
def test_prompts_as_vectors(kind: str, name: str, side: str) -> None:
    """Only new words come back; lengths count the vectors; penalties do not see them."""
    ids, mask = padded(side)
    vectors = MODEL.get_input_embeddings()[ids]
    kept = vectors.copy()
    found = MODEL.generate(
        pixel_values=PIXELS[kind], inputs_embeds=vectors, attention_mask=mask, **asked(name, kind)
    )
    np.testing.assert_array_equal(found, ended(f"vectors/{kind}/{name}"))
    np.testing.assert_array_equal(vectors, kept)


def test_vectors_beside_the_ids_that_they_stand_for() -> None:
    given = {**asked("repetition_penalty", "wide"), "attention_mask": MASK}
    vectors = MODEL.get_input_embeddings()[IDS]
    found = MODEL.generate(IDS, pixel_values=PIXELS["wide"], inputs_embeds=vectors, **given)
    np.testing.assert_array_equal(found, ended("both/wide/repetition_penalty"))
    with pytest.raises(UserError, match=r"input_ids of shape \(3, 4\) do not go with inputs_embed"):
        MODEL.generate(IDS[:, 1:], pixel_values=PIXELS["wide"], inputs_embeds=vectors)
    with pytest.raises(UserError, match=r"must be of shape \(B, T, 30\); got \(3, 5, 29\)"):
        MODEL.generate(pixel_values=PIXELS["wide"], inputs_embeds=vectors[..., 1:])


@pytest.mark.parametrize("name", ["greedy", "beams"])
def test_going_on_from_a_cache_of_a_call(name: str) -> None:
    ids = np.array([PROMPTS[0]] * 3)
    past = MODEL(ids[:, :KNOWN], pixel_values=PIXELS["still"]).past_key_values
    options = {"max_length": 15, **OPTIONS[name]}
    found = MODEL.generate(input_ids=ids, past_key_values=past, **options)
    np.testing.assert_array_equal(found[:, KNOWN:], ended(f"continued/{name}"))
    assert (found[:, :KNOWN] == ids[0, :KNOWN]).all()
    vectors = MODEL.get_input_embeddings()[ids]
    said = MODEL.generate(inputs_embeds=vectors, past_key_values=past, **options)
    np.testing.assert_array_equal(said, found[:, 5:])


def test_the_golden_texts_end_at_many_lengths() -> None:
    ends = {row.tolist().index(END) for name, a in GOLDEN.items() if a.ndim == 2 for row in a
            if END in row}  # fmt: skip
    assert len(ends) >= 8
    assert len(GOLDEN) == 51
