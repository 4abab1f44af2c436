"""The fast room beside the five files: the same numbers, tensor by tensor, and the same words.

Checks fast/teams.py.
"""

from pathlib import Path

import numpy as np
import pytest
from golden_inputs import tiny_model
from safetensors.numpy import load_file

import numpygit
from numpygit import cli
from numpygit.fast import attention, teams, towers, words
from numpygit.fast import layers as fast_layers
from numpygit.huggingface.models import GitForCausalLM, GitVisionModel
from numpygit.loading.config import GitConfig
from numpygit.model import text, vision
from numpygit.model.layers import KeyValue
from numpygit.trace import Recorder

TINY = Path(__file__).parents[2] / "golden" / "tiny"
EXAMPLES = sorted((Path(numpygit.__file__).parent / "storybook" / "examples").glob("*.png"))
MODEL = tiny_model()
P, CONFIG = MODEL.params.text, MODEL.config
TOLERANCE = 3e-5  # as between cached and uncached: float32 sums in another order
CLOSE = 2e-6  # of one function, in units of the largest number


def assert_close(mine: np.ndarray, plain: np.ndarray) -> None:
    assert mine.shape == plain.shape
    assert mine.dtype == np.float32
    assert np.abs(mine - plain).max() <= CLOSE * max(1, np.abs(plain).max())


@pytest.fixture(scope="module")
def traced(storybook) -> tuple[GitForCausalLM, dict[str, np.ndarray]]:
    """All named tensors of a picture that the five files have looked at, with three words read."""
    recorder = Recorder()
    model = storybook.model
    model.logits(np.array([[2, 5, 6]]), storybook.pixels(EXAMPLES[0]), trace=recorder)
    return model, recorder.tensors


def columns(tokens: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(tokens[0].T)


def unwritten(shape: tuple[int, ...]) -> KeyValue:
    """Make room for keys and values; what nobody writes is not a number."""
    return KeyValue(np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32))


def test_each_layer_of_the_picture_tower(traced):
    model, tensors = traced
    config = model.config.vision_config
    before = "vision.x"
    for i, block in enumerate(model.params.vision.blocks):
        here = {name: tensors[f"vision.{i}.{name}"] for name in LAYER}
        eps, heads = config.layer_norm_eps, config.num_attention_heads
        normed = fast_layers.layer_norm(columns(tensors[before]), block.attention_norm, eps=eps)
        assert_close(normed.T, here["attention_input"][0])
        own = unwritten(here["k"].shape)
        attended = attention.image_attention(normed, block.attention, heads=heads, keep=own)
        assert_close(own.k, here["k"])
        assert_close(own.v, here["v"])
        assert_close(attended.T, here["attended"][0])
        normed = fast_layers.layer_norm(columns(here["after_attention"]), block.mlp_norm, eps=eps)
        assert_close(normed.T, here["mlp_input"][0])
        hidden = block.mlp.up.weight @ normed
        fast_layers.activate(hidden, block.mlp.up.bias, name=config.hidden_act)
        assert_close(hidden.T, here["activated"][0])
        thought = fast_layers.mlp(normed, block.mlp, activation=config.hidden_act)
        assert_close(thought.T, here["thought"][0])
        before = f"vision.{i}.x"


LAYER = ["attention_input", "k", "v", "attended", "after_attention", "mlp_input", "activated"]
LAYER += ["thought", "x"]


def test_each_layer_of_the_text_tower(traced):
    model, tensors = traced
    config, p = model.config, model.params.text
    M = tensors["memory"].shape[1]
    x = columns(tensors["memory"])
    for i, block in enumerate(p.blocks):
        attended = attention.image_attention(x, block.attention, heads=config.num_attention_heads)
        assert_close(attended.T, tensors[f"text.{i}.attended"][0, :M])
        x = columns(tensors[f"text.{i}.x"][:, :M])
    seen = [unwritten(tensors[f"text.{i}.k"][:, :, :M].shape) for i in range(len(p.blocks))]
    towers.prefill_pictures(tensors["memory"], p, config=config, keep=seen)
    for i, kept in enumerate(seen):
        assert_close(kept.k, tensors[f"text.{i}.k"][:, :, :M])
        assert_close(kept.v, tensors[f"text.{i}.v"][:, :, :M])
    cache = towers.prefill(tensors["memory"], p, config=config)
    mask = text.word_mask(np.ones((1, 3), int), image=0, now=3)
    x = tensors["words"][0]
    for i, block in enumerate(p.blocks):
        keep = unwritten(tensors[f"text.{i}.k"][:, :, M:].shape)
        layer = (cache.image_kv[i], cache.text_kv[i])
        attended = words.word_attention(x, block.attention, *layer, mask=mask, keep=keep)
        assert_close(keep.k, tensors[f"text.{i}.k"][:, :, M:])
        assert_close(keep.v, tensors[f"text.{i}.v"][:, :, M:])
        assert_close(attended, tensors[f"text.{i}.attended"][0, M:])
        again = unwritten(keep.k.shape)
        x = towers.word_block(x, block, *layer, again, config=config, mask=mask)
        assert_close(x, tensors[f"text.{i}.x"][0, M:])


@pytest.mark.parametrize("kind", ["still", "clip"])
def test_the_official_answers(kind):
    """No further from the official float64 result than the plain functions may be."""
    golden = load_file(TINY / f"{kind}.safetensors")
    model = GitForCausalLM(*numpygit.loading.load(TINY))
    memory = model.memory(golden["input/pixel_values"])
    exact, rounded = golden["float64/memory"], golden["float32/memory"]
    assert np.abs(memory - exact).max() < 8 * max(1e-6, np.abs(rounded - exact).max())
    cache = model.prefill(golden["input/pixel_values"])
    ids, mask = golden["input/input_ids"], golden["input/attention_mask"]
    logits, _ = towers.decode_step(
        ids, cache, model.params.text, config=model.config, attention_mask=mask
    )
    exact, rounded = golden["float64/logits"], golden["float32/logits"]
    whole = mask[:, -1] == 1  # of a padded row the last word is none
    worst = np.abs(logits[whole, 0] - exact[whole, -1]).max()
    assert worst < 8 * max(1e-6, np.abs(rounded - exact).max())


def test_no_pictures_are_encoded_and_seen_as_the_plain_functions_do():
    size = CONFIG.vision_config.image_size
    memory = MODEL.memory(np.zeros((0, 3, size, size), np.float32))
    assert memory.shape == (0, (size // CONFIG.vision_config.patch_size) ** 2 + 1, 30)
    cache = towers.prefill(memory, P, config=CONFIG)
    assert len(cache.image_kv) == len(P.blocks)
    assert len(cache.attention_mask) == 0


def test_a_cache_of_one_goes_into_the_other(storybook):
    model = storybook.model
    memory = model.memory(storybook.pixels(EXAMPLES[1]))
    first, second = np.array([[2, 5]]), np.array([[7]])
    logits = []
    for one, other in [(text, towers), (towers, text)]:
        cache = one.prefill(memory, model.params.text, config=model.config)
        _, cache = other.decode_step(first, cache, model.params.text, config=model.config)
        last, _ = one.decode_step(second, cache, model.params.text, config=model.config)
        logits.append(last[:, -1])
    np.testing.assert_allclose(logits[0], logits[1], atol=TOLERANCE)


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_stills_clips_and_other_sizes(threads, monkeypatch):
    monkeypatch.setattr(teams, "blas_sleeps_soon", lambda: True)
    monkeypatch.setattr(teams, "LEAST", 2)  # so that the few tokens here have a team
    rng = np.random.default_rng(5)
    config, p = CONFIG.vision_config, MODEL.params.vision
    size = config.image_size
    for shape in [(3, 3, size, size), (2, 2, 3, size, size)]:
        pixels = rng.standard_normal(shape, np.float32)
        plain = vision.image_tokens(pixels, p, config=config)
        assert_close(towers.image_tokens(pixels, p, config=config, threads=threads), plain)
    pixels = rng.standard_normal((1, 3, size + 9, size), np.float32)
    plain = vision.image_tokens(pixels, p, config=config, interpolate=True)
    mine = towers.image_tokens(pixels, p, config=config, interpolate=True, threads=threads)
    assert_close(mine, plain)
    expected = text.project(plain, P, eps=1e-5)
    assert_close(towers.project(plain, P, eps=1e-5, threads=threads), expected)


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("pictures", [1, 2, 3])
def test_keys_and_values_of_any_number_of_pictures(pictures, threads, monkeypatch):
    monkeypatch.setattr(teams, "blas_sleeps_soon", lambda: True)
    monkeypatch.setattr(teams, "LEAST", 2)
    memory = np.random.default_rng(6).standard_normal((pictures, 20, 30)).astype(np.float32)
    plain = text.prefill(memory, P, config=CONFIG)
    mine = towers.prefill(memory, P, config=CONFIG, threads=threads)
    for one, other in zip(mine.image_kv, plain.image_kv, strict=True):
        np.testing.assert_allclose(one.k, other.k, atol=TOLERANCE)
        np.testing.assert_allclose(one.v, other.v, atol=TOLERANCE)


def test_a_trace_is_answered_by_the_plain_functions():
    memory = np.random.default_rng(3).standard_normal((1, 10, 30)).astype(np.float32)
    seeing, reading = Recorder(), Recorder()
    cache = towers.prefill(memory, P, config=CONFIG, trace=seeing)
    logits, _ = towers.decode_step(np.array([[2, 5]]), cache, P, config=CONFIG, trace=reading)
    assert seeing.tensors["text.0.weights"].shape == (1, 5, 10, 10)
    assert reading.tensors["text.0.weights"].shape == (1, 5, 2, 12)
    assert logits.shape == (1, 2, 61)
    last, _ = towers.decode_step(np.array([[2, 5]]), cache, P, config=CONFIG)
    np.testing.assert_allclose(last[:, 0], logits[:, -1], atol=TOLERANCE)


@pytest.mark.slow
def test_a_trace_runs_the_plain_functions_and_names_everything(storybook):
    pixels = storybook.pixels(EXAMPLES[0])
    recorder, plain = Recorder(), Recorder()
    storybook.model.prefill(pixels, trace=recorder)
    storybook.model.plain = True
    try:
        storybook.model.prefill(pixels, trace=plain)
        untraced = storybook.model.memory(pixels)
    finally:
        storybook.model.plain = False
    assert list(recorder.tensors) == list(plain.tensors)
    np.testing.assert_array_equal(recorder.tensors["memory"], untraced)  # bit for bit


@pytest.mark.slow
def test_the_same_words(storybook):
    plain = numpygit.load("storybook", plain=True)
    assert storybook.captions(EXAMPLES) == plain.captions(EXAMPLES)
    for beams in (1, 3):
        for picture in EXAMPLES:
            pixels = storybook.pixels(picture)
            options = {"num_beams": beams, "num_return_sequences": beams, "max_length": 20}
            np.testing.assert_array_equal(
                storybook.model.generate(pixel_values=pixels, **options),
                plain.model.generate(pixel_values=pixels, **options),
            )


def test_plain_runs_no_fast_function(storybook, monkeypatch):
    plain = numpygit.load("storybook", plain=True)
    expected = plain.caption(EXAMPLES[0])
    for name in ("image_tokens", "project", "prefill", "decode_step"):
        monkeypatch.delattr(towers, name)
    assert plain.caption(EXAMPLES[0]) == expected
    with pytest.raises(NameError):
        storybook.caption(EXAMPLES[0])


def test_the_command_runs_the_plain_functions_when_asked(monkeypatch, capsys):
    command = ["caption", "--model", "storybook", str(EXAMPLES[0])]
    assert cli.main(command) == 0
    said = capsys.readouterr().out
    for name in ("image_tokens", "project", "prefill", "decode_step"):
        monkeypatch.delattr(towers, name)
    assert cli.main([*command, "--plain"]) == 0
    assert capsys.readouterr().out == said


def test_relative_positions_are_left_to_the_plain_functions():
    config = GitConfig(
        vision_config=CONFIG.vision_config,
        vocab_size=61,
        hidden_size=30,
        num_hidden_layers=2,
        num_attention_heads=5,
        intermediate_size=42,
        max_position_embeddings=40,
        position_embedding_type="relative_key_query",
        bos_token_id=1,
        eos_token_id=2,
    )
    model = GitForCausalLM(config, seed=3)
    size = config.vision_config.image_size
    pixels = np.random.default_rng(1).standard_normal((2, 3, size, size)).astype(np.float32)
    quick = model.generate(pixel_values=pixels, max_length=9)
    model.plain = True
    np.testing.assert_array_equal(quick, model.generate(pixel_values=pixels, max_length=9))


def test_the_tower_alone(storybook):
    tower = GitVisionModel(storybook.model.config.vision_config, storybook.model.params.vision)
    pixels = storybook.pixels(EXAMPLES[0])
    quick = tower(pixels).last_hidden_state
    tower.plain = True
    assert_close(quick, tower(pixels).last_hidden_state)


@pytest.mark.parametrize("words", [1, 3])
def test_vectors_in_place_of_words(words):
    memory = np.random.default_rng(2).standard_normal((2, 7, 30)).astype(np.float32)
    ids = np.random.default_rng(3).integers(4, 61, (2, words))
    cache = towers.prefill(memory, P, config=CONFIG)
    by_ids, _ = towers.decode_step(ids, cache, P, config=CONFIG)
    by_vectors, _ = towers.decode_step(P.word_embedding[ids], cache, P, config=CONFIG)
    np.testing.assert_array_equal(by_vectors, by_ids)
