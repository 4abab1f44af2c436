"""The fast forward and backward against the definition, and what only they can do.

Checks learning/fast/layers.py, learning/fast/model.py, learning/fast/text.py,
learning/fast/vision.py.
"""

import numpy as np
import pytest
from golden_gradients import cases

from numpygit.huggingface.loss import IGNORED
from numpygit.learning.backward.model import loss_and_gradients as definition
from numpygit.learning.fast.model import cut, labels_in, loss_and_gradients, side_by_side
from numpygit.learning.fast.text import Batch
from numpygit.learning.parameters import astype, is_trained
from numpygit.loading.checkpoint import load
from numpygit.loading.config import GitConfig
from numpygit.model.layers import ACTIVATIONS
from numpygit.model.params import named_arrays
from numpygit.storybook import CHECKPOINT


def model_of(name: str, dtype: type = np.float64, **settings):
    folder = (
        CHECKPOINT if name == "storybook" else cases.__file__.replace("gradient_cases.py", "tiny")
    )
    config, params = load(type(CHECKPOINT)(folder))
    values = {**config.to_dict(), **settings}
    if "hidden_act" in settings:
        values["vision_config"] = {**values["vision_config"], **settings}
    return GitConfig.from_dict(values), astype(params, dtype)


def batch_of(name: str, dtype: type = np.float64) -> tuple[Batch, dict[str, np.ndarray]]:
    given = cases.draw(name)
    ids, labels = given["input_ids"], given["labels"]
    targets = np.full_like(ids, IGNORED)
    targets[:, :-1] = labels[:, 1:]
    positions = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
    pixels = given["pixel_values"].astype(dtype)
    return Batch(ids, targets, given["attention_mask"], positions, pixels=pixels), given


def define(config, params, given, smoothing=0.0, dtype=np.float64):
    return definition(
        params,
        config,
        given["pixel_values"].astype(dtype),
        given["input_ids"],
        given["labels"],
        attention_mask=given["attention_mask"],
        smoothing=smoothing,
    )


def distance(mine, theirs, keep=lambda name: True) -> float:
    pairs = [(m, t) for (n, m), (_, t) in zip(mine, theirs, strict=True) if keep(n)]
    lost = sum(((m.astype(np.float64) - t) ** 2).sum() for m, t in pairs)
    return float(np.sqrt(lost / sum((t.astype(np.float64) ** 2).sum() for _, t in pairs)))


@pytest.mark.parametrize(
    "name",
    [
        "tiny-still",
        "tiny-clip",
        pytest.param("storybook-stills", marks=pytest.mark.slow),
        pytest.param("storybook-clips", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(("dtype", "close"), [(np.float64, 1e-13), (np.float32, 5e-6)])
def test_fast_gradients_are_those_of_the_definition(name, dtype, close):
    config, params = model_of(name.split("-")[0], dtype)
    batch, given = batch_of(name, dtype)
    smoothing = cases.CASES[name].smoothing
    loss, gradients = define(config, params, given, smoothing, dtype)
    mine, fast = loss_and_gradients(
        params, config, batch, count=labels_in([batch]), smoothing=smoothing
    )
    assert abs(loss - mine) < 10 * close
    assert distance(named_arrays(fast), list(named_arrays(gradients))) < close
    assert all(array.dtype == dtype for _, array in named_arrays(fast))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation):
    config, params = model_of("tiny", hidden_act=activation)
    batch, given = batch_of("tiny-still")
    _, gradients = define(config, params, given)
    _, fast = loss_and_gradients(params, config, batch, count=labels_in([batch]))
    assert distance(named_arrays(fast), list(named_arrays(gradients))) < 1e-13


def test_scores_too_large_for_a_power_of_e():
    config, params = model_of("tiny")
    for _, array in named_arrays(params.text.blocks[0].attention.query):
        array *= 300
    batch, given = batch_of("tiny-still")
    _, gradients = define(config, params, given)
    _, fast = loss_and_gradients(params, config, batch, count=labels_in([batch]))
    assert distance(named_arrays(fast), list(named_arrays(gradients))) < 1e-12


def test_pieces_and_threads_add_up():
    config, params = model_of("tiny")
    batch, given = batch_of("tiny-still")
    clips, _ = batch_of("tiny-clip")
    loss, gradients = define(config, params, given)
    whole = [array for _, array in named_arrays(gradients)]
    names = [name for name, _ in named_arrays(gradients)]
    for pieces, threads in ((1, 1), (2, 2), (9, 1)):
        mine, arrays = side_by_side(params, config, [batch], pieces=pieces, threads=threads)
        assert abs(mine - loss) < 1e-12
        assert (
            distance(zip(names, arrays, strict=True), list(zip(names, whole, strict=True))) < 1e-12
        )
    one = side_by_side(params, config, [batch, clips], pieces=2, threads=1)
    other = side_by_side(params, config, [batch, clips], pieces=2, threads=3)
    assert one[0] == other[0]
    for a, b in zip(one[1], other[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert [len(piece.ids) for piece in cut(batch, 2)] == [1, 2]


@pytest.mark.parametrize("what", ["text", "last:2", "last:1", "head", "lora:4"])
def test_what_is_trained_has_its_gradient_and_frozen_parts_have_none(what):
    config, params = model_of("tiny")
    batch, given = batch_of("tiny-still")
    _, gradients = define(config, params, given)
    _, fast = loss_and_gradients(params, config, batch, count=labels_in([batch]), what=what)

    def trained(name: str) -> bool:
        return is_trained(name, what, layers=3)

    assert distance(named_arrays(fast), list(named_arrays(gradients)), trained) < 1e-13
    frozen = [array for name, array in named_arrays(fast) if name.startswith("vision.")]
    assert not any(np.any(array) for array in frozen)


def test_kept_tokens_and_states_give_the_same():
    from numpygit.model import text, vision
    from numpygit.trace import Recorder

    config, params = model_of("tiny")
    batch, given = batch_of("tiny-still")
    recorder = Recorder()
    tokens = vision.image_tokens(batch.pixels, params.vision, config=config.vision_config)
    memory = text.project(tokens, params.text, eps=config.vision_config.layer_norm_eps)
    mask = given["attention_mask"]
    text.forward(memory, batch.ids, params.text, config=config, attention_mask=mask, trace=recorder)
    for what, kept in (
        ("text", {"tokens": tokens}),
        ("lora:2", {"tokens": tokens}),
        ("last:2", {"states": recorder.tensors["text.0.x"]}),
        ("head", {"states": recorder.tensors["text.2.x"]}),
    ):
        count = labels_in([batch])
        loss, expected = loss_and_gradients(params, config, batch, count=count, what=what)
        other = batch._replace(pixels=None, **kept)
        mine, fast = loss_and_gradients(params, config, other, count=count, what=what)
        assert abs(loss - mine) < 1e-12, what
        keep = lambda name, what=what: is_trained(name, what, layers=3)  # noqa: E731
        assert distance(named_arrays(fast), list(named_arrays(expected)), keep) < 1e-12, what


def test_packed_texts_are_like_texts_apart():
    """Two texts of one picture in one row: the sum of what each gives alone."""
    config, params = model_of("tiny")
    batch, _ = batch_of("tiny-still")
    pixels = batch.pixels[:1]
    first, second = batch.ids[:1, :4], batch.ids[1:2, :3]
    one = Batch(first, np.roll(first, -1, 1), np.ones_like(first), np.arange(4)[None], pixels)
    two = Batch(second, np.roll(second, -1, 1), np.ones_like(second), np.arange(3)[None], pixels)
    padding = np.zeros((1, 1), int)
    packed = Batch(
        np.concatenate([first, second, padding], 1),
        np.concatenate([one.targets, two.targets, padding + IGNORED], 1),
        np.array([[1, 1, 1, 1, 2, 2, 2, 0]]),
        np.array([[0, 1, 2, 3, 0, 1, 2, 0]]),
        pixels,
    )
    apart = [loss_and_gradients(params, config, each, count=7) for each in (one, two)]
    loss, together = loss_and_gradients(params, config, packed, count=7)
    assert abs(loss - apart[0][0] - apart[1][0]) < 1e-12
    sums = [
        (name, a + b)
        for (name, a), (_, b) in zip(
            named_arrays(apart[0][1]), named_arrays(apart[1][1]), strict=True
        )
    ]
    assert distance(named_arrays(together), sums) < 1e-12
