"""Relative positions: the definition in loops, and what they must not depend on.

Checks model/variants/choose.py, model/variants/relative_positions.py,
model/variants/relative_text.py.
"""

import math

import numpy as np
import pytest
from golden_inputs import TINY

from numpygit import GitConfig, GitForCausalLM, UserError, loading
from numpygit.model import text
from numpygit.model.params import Attention, Linear, Relative
from numpygit.model.variants.relative_positions import (
    attention,
    relative_scores,
    sequence_positions,
)

KINDS = ["relative_key", "relative_key_query"]


def model_of(kind: str) -> GitForCausalLM:
    values = {**loading.read_json(TINY / "config.json"), "position_embedding_type": kind}
    model = GitForCausalLM(GitConfig.from_dict(values | {"initializer_range": 0.3}), seed=3)
    return model


MODELS = {kind: model_of(kind) for kind in KINDS}


@pytest.mark.parametrize("by_key", [False, True])
def test_scores_are_products_with_the_vector_of_the_distance(by_key: bool) -> None:
    rng = np.random.default_rng(0)
    B, N, T, S, A = 2, 3, 4, 6, 5
    q = rng.standard_normal((B, N, T, A)).astype(np.float32)
    k = rng.standard_normal((B, N, S, A)).astype(np.float32)
    p = Relative(rng.standard_normal((2 * 8 - 1, A)).astype(np.float32), by_key)
    scores = relative_scores(q, k, p, position=None)
    for t in range(T):
        for s in range(S):
            vector = p.embedding[(S - T + t) - s + 7]
            expected = q[:, :, t] @ vector + (k[:, :, s] @ vector if by_key else 0)
            np.testing.assert_allclose(scores[:, :, t, s], expected, atol=1e-5)


def test_they_are_added_before_the_division() -> None:
    rng = np.random.default_rng(1)
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    same = [Linear(draw(6, 6), draw(6)) for _ in range(4)]
    x, seen = draw(1, 3, 6), {}
    p = Attention(*same, relative=Relative(draw(9, 3), by_key=False))
    attention(x, p, heads=2, trace=seen.__setitem__)
    expected = seen["q"] @ seen["k"].transpose(0, 1, 3, 2)
    expected = expected + relative_scores(seen["q"], seen["k"], p.relative, position=None)
    np.testing.assert_allclose(seen["scores"], expected / math.sqrt(3), rtol=1e-5, atol=1e-6)


def test_image_tokens_stand_before_words() -> None:
    places = sequence_positions(np.array([[0, 1, 2], [0, 0, 1]]), image=2)
    np.testing.assert_array_equal(places, [[0, 1, 2, 3, 4], [0, 1, 2, 2, 3]])


@pytest.mark.parametrize("kind", KINDS)
def test_no_absolute_position_is_added(kind: str) -> None:
    model, ids = MODELS[kind], np.array([[5, 6, 7]])
    one = model(ids).logits
    other = model(ids, position_ids=np.array([[9, 3, 0]])).logits
    np.testing.assert_array_equal(one, other)


def test_the_other_text_decoder_refuses_such_a_model() -> None:
    model, memory = MODELS["relative_key"], np.zeros((1, 0, 30), np.float32)
    with pytest.raises(UserError, match=r"is 'relative_key'.*relative_text"):
        text.forward(memory, np.array([[5]]), model.params.text, config=model.config)


def test_a_sequence_longer_than_the_distances_is_refused() -> None:
    model = MODELS["relative_key"]
    pixels = np.zeros((1, 2, 3, 27, 27), np.float32)
    assert model(np.full((1, 3), 5), pixel_values=pixels).logits.shape == (1, 23, 61)
    with pytest.raises(UserError, match="24 tokens, but this model knows relative positions up to"):
        model(np.full((1, 4), 5), pixel_values=pixels)
