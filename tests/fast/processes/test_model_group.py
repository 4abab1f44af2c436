"""Pictures and words by several processes: the same numbers, and whose parameters they have."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from processes_at_work import gone

import numpygit
from numpygit.fast.processes import group, model_group
from numpygit.fast.processes.group import LostError, check_children
from numpygit.fast.processes.model_group import ModelGroup, SharedLayers, start
from numpygit.fast.towers import PLAIN, fast_towers
from numpygit.huggingface.models import GitForCausalLM
from numpygit.model import text
from numpygit.model.generate import keep_rows
from numpygit.model.params import named_arrays
from numpygit.model.text import prefill
from numpygit.model.vision import image_tokens

EXAMPLE = sorted((Path(numpygit.__file__).parent / "storybook" / "examples").glob("*.png"))[0]

pytestmark = pytest.mark.skipif(not group.can_fork(), reason="processes need Linux")


@pytest.fixture
def model(storybook) -> GitForCausalLM:
    return storybook.model


@pytest.fixture
def pixels(storybook) -> np.ndarray:
    return storybook.pixels(EXAMPLE)


@pytest.fixture
def started(model) -> Iterator[ModelGroup]:
    found = start(model.params, model.config, size=2)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("size", "pictures"), [(2, 1), (3, 1), (5, 1), (4, 2), (5, 2), (7, 3), (2, 5), (3, 26)]
)
def test_pictures_are_the_same_from_any_number_of_processes(model, pixels, size, pictures):
    params, config = model.params, model.config
    pixels = np.concatenate([np.roll(pixels, 9 * i, axis=3) for i in range(pictures)])
    found = start(params, config, size=size)
    try:
        expected = image_tokens(pixels, params.vision, config=config.vision_config)
        for _ in range(2):
            seen = found.encode(pixels, params.vision, config.vision_config)
            np.testing.assert_allclose(seen, expected, atol=1e-5)
        memory = model.memory(pixels)
        eps = config.vision_config.layer_norm_eps
        projected = found.project(expected, params.text, eps)
        np.testing.assert_allclose(projected, memory, atol=1e-5)
        cache = prefill(memory, params.text, config=config)
        keep = found.empty_layers(cache.image_kv[0].k.shape)
        for _ in range(2):
            for kv in keep:
                kv.k[:], kv.v[:] = np.nan, np.nan
            assert found.prefill(memory, params.text, keep, config)
            for kept, kv in zip(keep, cache.image_kv, strict=True):
                np.testing.assert_allclose(kept.k, kv.k, atol=1e-5)
                np.testing.assert_allclose(kept.v, kv.v, atol=1e-5)
    finally:
        found.close()


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize(("pictures", "texts"), [(1, 1), (1, 4), (3, 1), (2, 3)])
def test_words_are_the_same_from_any_number_of_processes(model, pixels, size, pictures, texts):
    """A prompt of three words, one of them padding, a word, rows in another order, two words."""
    p, config, B = model.params.text, model.config, pictures * texts
    memory = np.concatenate([model.memory(np.roll(pixels, 9 * i, axis=3)) for i in range(pictures)])
    rng, mask = np.random.default_rng(5), np.ones((B, 3), np.int64)
    mask[::2, 0] = 0
    found = start(model.params, config, size=size)
    fast, plain = fast_towers(2, found), PLAIN["absolute"]
    try:
        mine, expected = (t.prefill(memory, p, config=config) for t in (fast, plain))
        mine, expected = (keep_rows(c, np.arange(pictures).repeat(texts)) for c in (mine, expected))
        for words, order in ((3, np.arange(B)), (1, np.arange(B)[::-1]), (2, np.arange(B))):
            ids = rng.integers(10, 150, (B, words))
            new_mask = mask if words == 3 else None
            logits, mine = fast.decode_step(ids, mine, p, config=config, attention_mask=new_mask)
            exact, expected = plain.decode_step(
                ids, expected, p, config=config, attention_mask=new_mask
            )
            assert isinstance(mine.text_kv, SharedLayers)
            np.testing.assert_allclose(logits, exact[:, -1:], atol=2e-4)
            for one, other in zip(mine.text_kv, expected.text_kv, strict=True):
                np.testing.assert_allclose(one.k, other.k, atol=1e-4)
                np.testing.assert_allclose(one.v, other.v, atol=1e-4)
            mine, expected = keep_rows(mine, order), keep_rows(expected, order)
    finally:
        found.close()


def test_what_the_group_does_not_know_is_left_to_threads(model, started, pixels):
    params, config, memory = model.params, model.config, model.memory(pixels)
    of_vision = config.vision_config
    assert started.encode(pixels[:, :, :16, :16], params.vision, of_vision) is None
    changed = numpygit.GitVisionModel(of_vision).params
    assert started.encode(pixels, changed, of_vision) is None
    keep = started.empty_layers((1, 2, memory.shape[1], 3))
    assert started.prefill(memory[:, :-1], params.text, keep, config) is None
    assert started.prefill(memory, params.text, tuple(keep), config) is None  # not in the arena
    other = GitForCausalLM(config, seed=1)
    assert started.prefill(memory, other.params.text, keep, config) is None
    assert started.project(memory, other.params.text, 1e-5) is None
    projected = text.project(memory, params.text, eps=0.5)
    np.testing.assert_allclose(started.project(memory, params.text, 0.5), projected, atol=1e-5)
    started.close()
    assert started.project(memory, params.text, 1e-5) is None
    assert started.encode(pixels, params.vision, of_vision) is None


def test_words_that_the_group_does_not_know_are_left_to_threads(model, started, pixels):
    p, config = model.params.text, model.config
    cache = fast_towers(2, started).prefill(model.memory(pixels), p, config=config)
    _, N, M, A = cache.image_kv[0].k.shape
    keep = started.empty_layers((1, N, 1, A))
    x = np.ones((1, config.hidden_size), np.float32)
    assert started.read_words(x, p, *cache[:2], keep, None, config) is not None
    other = GitForCausalLM(config, seed=1).params.text
    assert started.read_words(x, other, *cache[:2], keep, None, config) is None
    plain = tuple(cache.image_kv)
    assert not started.holds(plain)
    assert started.read_words(x, p, plain, cache.text_kv, keep, None, config) is None
    assert started.read_words(x, p, *cache[:2], tuple(keep), None, config) is None
    longer = started.empty_layers((1, N, M, A))
    many = np.ones((M + 1, config.hidden_size), np.float32)
    assert started.read_words(many[:M], p, *cache[:2], longer, None, config) is not None
    assert started.read_words(many, p, *cache[:2], longer, None, config) is None
    started.close()
    assert started.read_words(x, p, *cache[:2], keep, None, config) is None
    assert started.empty_layers((1, 1, 1, 1)) is None


def test_a_cache_of_another_group_is_not_taken_for_its_own(model, started, pixels):
    other = start(model.params, model.config, size=2)
    p, config = model.params.text, model.config
    towers, memory = fast_towers(2, other), model.memory(pixels)
    other.arena.empty(1000)
    cache = fast_towers(2, started).prefill(memory, p, config=config)
    assert started.holds(cache.image_kv)
    assert not other.holds(cache.image_kv)
    words = np.full((1, 2), 7)
    expected = PLAIN["absolute"].decode_step(words, cache, p, config=config)[0]
    mine, longer = towers.decode_step(words, cache, p, config=config)
    np.testing.assert_allclose(mine, expected[:, -1:], atol=2e-4)
    assert not isinstance(longer.text_kv, SharedLayers)
    other.close()


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("text", "layer_norm_eps", 0.1),
        ("text", "hidden_act", "relu"),
        ("vision", "layer_norm_eps", 0.1),
        ("vision", "hidden_act", "relu"),
    ],
)
def test_a_setting_that_is_changed_later_counts(part, name, value):
    """The processes have the old one: threads do the work then."""
    changed = numpygit.load("storybook", threads=2).model
    threads = numpygit.load("storybook", threads=2).model
    changed.group = start(changed.params, changed.config, size=2)
    pixels = np.random.default_rng(3).standard_normal((1, 3, 96, 96), np.float32)
    options = {"pixel_values": pixels, "max_length": 4, "min_length": 4, "output_logits": True}
    before = changed.generate(**options, return_dict_in_generate=True)
    for one in (changed, threads):
        setattr(one.config if part == "text" else one.config.vision_config, name, value)
    after = changed.generate(**options, return_dict_in_generate=True)
    expected = threads.generate(**options, return_dict_in_generate=True)
    np.testing.assert_allclose(after.logits[0], expected.logits[0], atol=1e-4)
    assert np.abs(after.logits[0] - before.logits[0]).max() > 1e-3
    changed.group.close()


def test_more_processes_than_image_tokens():
    config = numpygit.load("storybook").model.config
    vision = config.vision_config.to_dict() | {"image_size": 32, "patch_size": 16}
    small = GitForCausalLM(type(config).from_dict(config.to_dict() | {"vision_config": vision}))
    pixels = np.random.default_rng(3).standard_normal((1, 3, 32, 32), np.float32)
    expected = image_tokens(pixels, small.params.vision, config=small.config.vision_config)
    found = start(small.params, small.config, size=8)
    seen = found.encode(pixels, small.params.vision, small.config.vision_config)
    np.testing.assert_allclose(seen, expected, atol=1e-5)
    found.close()


def test_batches_of_any_size_one_after_the_other(model, pixels):
    found = start(model.params, model.config, size=5)
    config, p = model.config.vision_config, model.params.vision
    many = np.concatenate([np.roll(pixels, 9 * i, axis=3) for i in range(9)])
    expected = image_tokens(many, p, config=config)
    kept = []
    for count in (1, 7, 2, 9, 1, 3, 5, 4, 2, 8, 6):
        kept.append((count, found.encode(many[:count], p, config)))
    for count, seen in kept:
        np.testing.assert_allclose(seen, expected[:count], atol=1e-5)
    found.close()


def test_what_a_group_answers_is_not_shared_with_a_child(model, started, pixels):
    towers, p = fast_towers(2, started), model.params
    tokens = towers.image_tokens(pixels, p.vision, config=model.config.vision_config)
    memory = towers.project(tokens, p.text, eps=1e-5)
    cache = towers.prefill(memory, p.text, config=model.config)
    logits, _ = towers.decode_step(np.full((1, 1), 7), cache, p.text, config=model.config)
    before = [array.copy() for array in (tokens, memory, logits)]
    pid = os.fork()
    if pid == 0:
        for array in (tokens, memory, logits):
            array[:] = 0
        os._exit(0)
    os.waitpid(pid, 0)
    for array, other in zip((tokens, memory, logits), before, strict=True):
        np.testing.assert_array_equal(array, other)


def test_a_process_that_is_killed_in_the_middle_of_words(model, started, pixels):
    options = {"pixel_values": pixels, "max_length": 12, "min_length": 12}
    expected = model.generate(**options)
    helped = GitForCausalLM(model.config, model.params)
    helped.threads, helped.group = 2, started
    steps = started.processes.run
    count = 0

    def run(*given):
        nonlocal count
        count += 1
        if count == 6:
            os.kill(started.processes.pids[0], signal.SIGKILL)
        return steps(*given)

    started.processes.run = run
    np.testing.assert_array_equal(helped.generate(**options), expected)
    assert not started.processes.alive()


def test_two_threads_caption_with_one_model(model, started, pixels):
    helped = GitForCausalLM(model.config, model.params)
    helped.threads, helped.group = 2, started
    other = np.roll(pixels, 30, axis=3)
    expected = [model.generate(pixel_values=one, max_length=12).tolist() for one in (pixels, other)]
    found: list[list[bool]] = [[], []]

    def caption(number: int) -> None:
        for _ in range(8):
            ids = helped.generate(pixel_values=(pixels, other)[number], max_length=12).tolist()
            found[number].append(ids == expected[number])

    both = [threading.Thread(target=caption, args=(number,)) for number in (0, 1)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert found == [[True] * 8] * 2
    assert started.processes.alive()


def test_memory_goes_with_the_group(model, pixels):
    """At once, and not when Python looks for cycles."""
    gc.disable()
    try:
        found = start(model.params, model.config, size=2)
        found.encode(pixels, model.params.vision, model.config.vision_config)
        memory = weakref.ref(found.arena)
        del found
        assert memory() is None
    finally:
        gc.enable()


def test_a_full_arena_leaves_the_work_to_threads(model, started, pixels, monkeypatch):
    p, config, memory = model.params.text, model.config, model.memory(pixels)
    towers, x = fast_towers(2, started), np.ones((1, config.hidden_size), np.float32)
    cache = towers.prefill(memory, p, config=config)
    N, A = cache.image_kv[0].k.shape[1], cache.image_kv[0].k.shape[3]
    keep = started.empty_layers((1, N, 1, A))
    held = [started.arena.empty((end - begin) // 4) for begin, end in list(started.arena.gaps)]
    assert started.arena.gaps == []
    assert started.encode(pixels, model.params.vision, model.config.vision_config) is None
    assert started.project(memory, p, 1e-5) is None
    assert started.prefill(memory, p, cache.image_kv, config) is None
    assert started.empty_layers((1, N, 1, A)) is None
    assert started.read_words(x, p, *cache[:2], keep, None, config) is None
    expected = PLAIN["absolute"].decode_step(np.full((1, 1), 7), cache, p, config=config)[0]
    mine = towers.decode_step(np.full((1, 1), 7), cache, p, config=config)[0]
    np.testing.assert_allclose(mine, expected, atol=2e-4)
    del held
    assert started.read_words(x, p, *cache[:2], keep, None, config) is not None


def test_a_cache_is_copied_and_pickled_as_plain_arrays(model, started, pixels):
    cache = fast_towers(2, started).prefill(
        model.memory(pixels), model.params.text, config=model.config
    )
    for other in (pickle.loads(pickle.dumps(cache)), copy.deepcopy(cache)):
        assert type(other.image_kv) is tuple
        np.testing.assert_array_equal(other.image_kv[-1].v, cache.image_kv[-1].v)


def test_a_cache_outlives_its_group(model, pixels):
    found = start(model.params, model.config, size=2)
    pids = list(found.processes.pids)
    memory = model.memory(pixels)
    cache = fast_towers(2, found).prefill(memory, model.params.text, config=model.config)
    del found
    assert all(gone(pid) for pid in pids)
    expected = prefill(memory, model.params.text, config=model.config)
    np.testing.assert_allclose(cache.image_kv[-1].k, expected.image_kv[-1].k, atol=1e-5)


def test_a_lost_process_is_named(started):
    (pid,) = started.processes.pids
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)

    def look_until_told() -> None:
        while True:
            check_children(started.processes.pids)

    with pytest.raises(LostError, match=str(pid)):
        look_until_told()


def test_without_fork_there_are_threads(model, monkeypatch):
    monkeypatch.setattr(model_group, "can_fork", lambda: False)
    assert start(model.params, model.config, size=2) is None


def test_a_process_that_has_ended_is_told(model, started, pixels):
    (pid,) = started.processes.pids
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    assert started.encode(pixels, model.params.vision, model.config.vision_config) is None
    assert not started.processes.alive()
    assert started.encode(pixels, model.params.vision, model.config.vision_config) is None


def test_parameters_are_made_read_only():
    model = GitForCausalLM(numpygit.load("storybook").model.config)
    assert any(array.flags.writeable for _, array in named_arrays(model.params))
    found = start(model.params, model.config, size=2)
    found.close()
    assert not any(array.flags.writeable for _, array in named_arrays(model.params))
    assert start(model.params, model.config, size=1) is None


def test_no_more_processes_than_are_known_to_help(model, monkeypatch):
    monkeypatch.setattr(model_group, "MOST", 3)
    found = start(model.params, model.config, size=5)
    assert len(found.processes.pids) == 2
    found.close()


def test_a_system_that_forks_no_more_is_told(model, monkeypatch, caplog):
    def refuse() -> int:
        raise OSError("no more")

    monkeypatch.setattr(os, "fork", refuse)
    assert start(model.params, model.config, size=3) is None
    assert "threads take the place of processes: no more" in caplog.text


def test_a_group_goes_with_its_model(storybook):
    model = GitForCausalLM(storybook.model.config, storybook.model.params)
    model.group = start(model.params, model.config, size=3)
    pids = list(model.group.processes.pids)
    del model
    assert all(gone(pid) for pid in pids)


def test_a_vision_encoder_alone(model, pixels):
    p, config = model.params.vision, model.config.vision_config
    found = start(p, config, size=2)
    seen = found.encode(pixels, p, config)
    np.testing.assert_allclose(seen, image_tokens(pixels, p, config=config), atol=1e-5)
    assert found.empty_layers((1, 1, 1, 1)) is None
    assert found.project(seen, model.params.text, 1e-5) is None
    assert found.prefill(model.memory(pixels), model.params.text, (), model.config) is None
    assert found.read_words(pixels, model.params.text, (), (), (), None, model.config) is None
    found.close()
