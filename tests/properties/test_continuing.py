"""The classes that transformers has: a sequence read at once, in pieces, padded, or alone.

Checks huggingface/call.py, huggingface/models/causal_lm.py.
"""

import numpy as np
from examples import examples
from golden_inputs import tiny_model
from hypothesis import given
from hypothesis import strategies as st

from numpygit import GitModel

MODEL = tiny_model()
BODY = GitModel(MODEL.config, MODEL.params)
CLOSE = {"atol": 3e-5}
STRETCHED = {"interpolate_pos_encoding": True}


@st.composite
def continuations(draw: st.DrawFn):
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    B, T = draw(st.integers(1, 3)), draw(st.integers(2, 10))
    pixels = draw(st.sampled_from(["none", "still", "clip", "wide"]))
    shapes = {"still": (B, 3, 27, 27), "clip": (B, 2, 3, 27, 27), "wide": (B, 3, 18, 40)}
    shape = shapes.get(pixels)
    given = None if shape is None else rng.standard_normal(shape, np.float32)
    left = [draw(st.integers(0, T - 1)) for _ in range(B)]
    mask = (np.arange(T) >= np.array(left)[:, None]).astype(np.int64)  # on the left
    cut = draw(st.integers(1, T - 1))
    whole_mask = draw(st.booleans())
    return rng.integers(4, 61, (B, T)), given, mask, cut, whole_mask


@examples(60)
@given(continuations())
def test_continuing_equals_reading_at_once(case) -> None:
    """Several new words a step, padding honoured, positions right without position_ids.

    4.26 to 4.57 ignore padding in a step and take one new word only; 5.23 counts image tokens as
    words when no position_ids are given.
    """
    ids, pixels, mask, cut, whole_mask = case
    asked = {"output_hidden_states": True, "output_attentions": True}
    whole = MODEL(ids, attention_mask=mask, pixel_values=pixels, **asked, **STRETCHED)
    first = MODEL(ids[:, :cut], mask[:, :cut], pixel_values=pixels, **STRETCHED)
    now_mask = mask if whole_mask else mask[:, cut:]
    second = MODEL(ids[:, cut:], now_mask, past_key_values=first.past_key_values, **asked)
    words, T = mask[:, cut:] == 1, ids.shape[1] - cut
    np.testing.assert_allclose(second.logits[words], whole.logits[:, -T:][words], **CLOSE)
    for one, other in zip(second.hidden_states, whole.hidden_states, strict=True):
        np.testing.assert_allclose(one[words], other[:, -T:][words], **CLOSE)
    for one, other in zip(second.attentions, whole.attentions, strict=True):
        rows = np.broadcast_to(words[:, None], one.shape[:3])
        np.testing.assert_allclose(one[rows], other[:, :, -T:][rows], **CLOSE)
    body = BODY(ids[:, cut:], now_mask, past_key_values=first.past_key_values)
    np.testing.assert_allclose(
        body.last_hidden_state[words], whole.hidden_states[-1][:, -T:][words], **CLOSE
    )
    third = MODEL(ids[:, :1], past_key_values=second.past_key_values)
    assert third.past_key_values.text_kv[0].k.shape[2] == ids.shape[1] + 1


@examples(40)
@given(continuations(), st.sampled_from(["left", "right"]))
def test_padding_on_either_side_is_as_if_alone(case, side) -> None:
    ids, pixels, mask, _, _ = case
    if side == "right":
        mask = np.ascontiguousarray(mask[:, ::-1])
    together = MODEL(ids, attention_mask=mask, pixel_values=pixels, **STRETCHED).logits
    T = ids.shape[1]
    for b in range(len(ids)):
        words = mask[b] == 1
        picture = None if pixels is None else pixels[b : b + 1]
        alone = MODEL(ids[b : b + 1, words], pixel_values=picture, **STRETCHED).logits
        M = alone.shape[1] - words.sum()
        np.testing.assert_allclose(together[b, -T:][words], alone[0, M:], **CLOSE)
        np.testing.assert_allclose(together[b, :M], alone[0, :M], **CLOSE)
