"""However words are cut, padded, forked: cached == uncached, batch == single, fast == plain.

Checks fast/towers.py, fast/words.py, model/text.py, model/variants/relative_positions.py,
model/variants/relative_text.py.
"""

import numpy as np
import pytest
from examples import examples
from golden_inputs import TINY, tiny_model
from hypothesis import given
from hypothesis import strategies as st

from numpygit import GitConfig, GitForCausalLM, loading
from numpygit.fast import towers
from numpygit.model import text
from numpygit.model.generate import keep_rows
from numpygit.model.variants import relative_text

MODEL = tiny_model()
P, CONFIG = MODEL.params.text, MODEL.config
TOLERANCE = 3e-5  # logits are of size 1; float32 sums in another order differ by about 1e-6


def uncached(memory, ids, attention_mask=None) -> np.ndarray:
    logits, _ = text.forward(memory, ids, P, config=CONFIG, attention_mask=attention_mask)
    return logits[:, memory.shape[1] :]


# ---------------------------------------------------------------- the definition


@st.composite
def prompts(draw: st.DrawFn):
    """Pictures of some size, words, padding on the left, and how the words are cut in pieces."""
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    B, M, T = (
        draw(st.integers(1, 3)),
        draw(st.sampled_from([0, 1, 7, 20])),
        draw(st.integers(1, 12)),
    )
    left = draw(st.lists(st.integers(0, T - 1), min_size=B, max_size=B))
    attention_mask = (np.arange(T) >= np.array(left)[:, None]).astype(np.int64)
    cuts = sorted(draw(st.sets(st.integers(1, max(1, T - 1)), max_size=T - 1)))
    pieces = [piece for piece in np.split(np.arange(T), cuts) if len(piece)]
    return (
        rng.standard_normal((B, M, 30)).astype(np.float32),
        rng.integers(0, 61, (B, T)),
        attention_mask,
        pieces,
    )


@examples(150)
@given(prompts())
def test_cached_equals_uncached(prompt):
    memory, ids, attention_mask, pieces = prompt
    expected = uncached(memory, ids, attention_mask)
    cache = text.prefill(memory, P, config=CONFIG)
    read = []
    for piece in pieces:
        logits, cache = text.decode_step(
            ids[:, piece], cache, P, config=CONFIG, attention_mask=attention_mask[:, piece]
        )
        read.append(logits)
    words = attention_mask == 1
    got = np.concatenate(read, axis=1)
    np.testing.assert_allclose(got[words], expected[words], atol=TOLERANCE)
    assert np.isfinite(got).all()


@examples(60)
@given(prompts())
def test_a_padded_batch_equals_its_rows_alone(prompt):
    memory, ids, attention_mask, _ = prompt
    together = uncached(memory, ids, attention_mask)
    for b in range(len(ids)):
        length = attention_mask[b].sum()
        alone = uncached(memory[b : b + 1], ids[b : b + 1, -length:])
        np.testing.assert_allclose(together[b, -length:], alone[0], atol=TOLERANCE)
        on_the_right = np.roll(ids[b : b + 1], length - ids.shape[1], axis=1)
        mask = np.arange(ids.shape[1])[None] < length
        right = uncached(memory[b : b + 1], on_the_right, mask.astype(np.int64))
        np.testing.assert_allclose(right[0, :length], alone[0], atol=TOLERANCE)


# ---------------------------------------------------------------- fast


@st.composite
def conversations(draw: st.DrawFn):
    """Pictures, some texts about each of them, padding, and how the words are cut in pieces."""
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    pictures, texts = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    M, T = draw(st.sampled_from([1, 7, 20])), draw(st.integers(1, 9))
    B = pictures * texts
    left = draw(st.lists(st.integers(0, T - 1), min_size=B, max_size=B))
    mask = (np.arange(T) >= np.array(left)[:, None]).astype(np.int64)
    cuts = sorted(draw(st.sets(st.integers(1, max(1, T - 1)), max_size=T - 1)))
    pieces = [piece for piece in np.split(np.arange(T), cuts) if len(piece)]
    memory = rng.standard_normal((pictures, M, 30)).astype(np.float32)
    order = rng.integers(0, texts, B) + np.arange(B) // texts * texts  # beams that fork and end
    return memory, texts, rng.integers(0, 61, (B, T)), mask, pieces, order


@pytest.mark.slow
@examples(150)
@given(conversations())
def test_fast_is_plain(conversation):
    memory, texts, ids, mask, pieces, order = conversation
    fork = np.arange(len(memory)).repeat(texts)
    plain = keep_rows(text.prefill(memory, P, config=CONFIG), fork)
    quick = keep_rows(towers.prefill(memory, P, config=CONFIG), fork)
    for piece in pieces:
        expected, plain = text.decode_step(
            ids[:, piece], plain, P, config=CONFIG, attention_mask=mask[:, piece]
        )
        got, quick = towers.decode_step(
            ids[:, piece], quick, P, config=CONFIG, attention_mask=mask[:, piece]
        )
        words = mask[:, piece[-1]] == 1
        np.testing.assert_allclose(got[words, 0], expected[words, -1], atol=TOLERANCE)
        np.testing.assert_array_equal(quick.attention_mask, plain.attention_mask)
        plain, quick = keep_rows(plain, order), keep_rows(quick, order)
        mask = mask[order]


# ---------------------------------------------------------------- relative positions


KINDS = ["relative_key", "relative_key_query"]


def model_of(kind: str) -> GitForCausalLM:
    values = {**loading.read_json(TINY / "config.json"), "position_embedding_type": kind}
    return GitForCausalLM(GitConfig.from_dict(values | {"initializer_range": 0.3}), seed=3)


MODELS = {kind: model_of(kind) for kind in KINDS}


@examples(60)
@given(st.sampled_from(KINDS), st.integers(0, 99), st.sampled_from([0, 7]), st.data())
def test_cached_equals_uncached_with_padding(kind, seed, M, data) -> None:
    """The official cached step is wrong for more than one new token, and with padding."""
    model, rng = MODELS[kind], np.random.default_rng(seed)
    T = data.draw(st.integers(1, 10))
    left = data.draw(st.integers(0, T - 1))
    cut = data.draw(st.integers(0, T))
    memory = rng.standard_normal((2, M, 30)).astype(np.float32)
    ids = rng.integers(4, 61, (2, T))
    mask = np.ones((2, T), np.int64)
    mask[1, :left] = 0
    p, config = model.params.text, model.config
    whole, _ = relative_text.forward(memory, ids, p, config=config, attention_mask=mask)
    cache, read = relative_text.prefill(memory, p, config=config), []
    for piece in (slice(0, cut), slice(cut, T)):
        if ids[:, piece].size:
            logits, cache = relative_text.decode_step(
                ids[:, piece], cache, p, config=config, attention_mask=mask[:, piece]
            )
            read.append(logits)
    words = mask == 1
    np.testing.assert_allclose(np.concatenate(read, axis=1)[words], whole[:, M:][words], atol=3e-5)
    alone, _ = relative_text.forward(memory[1:], ids[1:, left:], p, config=config)
    np.testing.assert_allclose(whole[1:, M + left :], alone[:, M:], atol=3e-5)
