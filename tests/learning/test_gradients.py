"""Every gradient, against goldens of transformers 4.37.2 in float64, and against differences.

Checks learning/backward/activations.py, learning/backward/layers.py, learning/backward/model.py,
learning/backward/text.py, learning/backward/vision.py.
"""

from dataclasses import replace

import numpy as np
import pytest
from golden_gradients import GOLDEN, cases, model_of

from numpygit import GitConfig
from numpygit.errors import UserError
from numpygit.huggingface.tensors import tensors_of
from numpygit.learning.backward.activations import SLOPES, activate_backward, exact_gelu
from numpygit.learning.backward.model import loss_and_gradients, tied
from numpygit.model.layers import ACTIVATIONS
from numpygit.model.params import Git


def ask(name: str, dtype: type, **more):
    case, given = cases.CASES[name], cases.draw(name)
    config, params = model_of(case.model, dtype)
    pixels = given["pixel_values"].astype(dtype)
    loss, gradients = loss_and_gradients(
        params,
        config,
        pixels,
        given["input_ids"],
        given["labels"],
        attention_mask=given["attention_mask"],
        smoothing=case.smoothing,
        **more,
    )
    return loss, tensors_of(gradients, config)


def distances(mine: dict[str, np.ndarray], golden: dict[str, np.ndarray]) -> dict[str, float]:
    """Name -> distance, as a part of the tensor's norm or of a thousandth of the whole one.

    Key biases need the second: their gradient is 0 (softmax ignores a shift of all keys), and
    what stands there is rounding.
    """
    whole = np.sqrt(sum((array * array).sum() for array in golden.values()))
    assert mine.keys() == golden.keys()
    found = {}
    for name, expected in golden.items():
        kept = mine[name].astype(np.float64)
        if expected.shape != kept.shape:
            kept = cases.digest(name, mine[name])
        norm = max(np.linalg.norm(expected), 1e-3 * whole)
        found[name] = float(np.linalg.norm(kept - expected) / norm)
    return found


def golden_of(name: str, kind: str) -> dict[str, np.ndarray]:
    arrays = np.load(GOLDEN / "gradients" / f"{name}.npz")
    start = f"{kind}/"
    return {n.removeprefix(start): arrays[n] for n in arrays.files if n.startswith(start)}


MARKS = {"git-base": pytest.mark.full, "storybook": pytest.mark.slow, "tiny": ()}
NAMES = [
    pytest.param(name, marks=next(MARKS[size] for size in MARKS if name.startswith(size)))
    for name in cases.CASES
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("dtype", "most"), [(np.float64, 1e-12), (np.float32, 1e-6)])
def test_every_parameters_gradient_is_torchs(name, dtype, most):
    loss, mine = ask(name, dtype)
    golden = golden_of(name, "parameter")
    found = distances(mine, golden)
    worst = max(found, key=found.get)
    total = np.sqrt(sum((found[n] * max(1e-30, np.linalg.norm(golden[n]))) ** 2 for n in found))
    whole = np.sqrt(sum((array * array).sum() for array in golden.values()))
    print(f"{name} {np.dtype(dtype)}: worst {worst} {found[worst]:.1e}; all {total / whole:.1e}")
    assert len(found) == len(golden) > 90
    if dtype is np.float32:  # sharp weights round more: torch's own float32 is the measure
        most = max(most, 2 * float(np.load(GOLDEN / "gradients" / f"{name}.npz")["noise"]))
    assert total / whole <= most
    assert found[worst] <= 20 * most
    expected = float(np.load(GOLDEN / "gradients" / f"{name}.npz")["loss"])
    assert abs(loss - expected) < (1e-12 if dtype is np.float64 else 1e-5) * expected


@pytest.mark.parametrize("name", ["tiny-still", "tiny-clip"])
def test_every_named_tensors_gradient_is_torchs(name):
    seen: dict[str, np.ndarray] = {}
    ask(name, np.float64, trace=seen.__setitem__)
    golden = golden_of(name, "tensor")
    clip_only = {"vision.patches"}  # no module of torch cuts patches: no golden
    assert seen.keys() - golden.keys() <= clip_only
    assert golden.keys() - seen.keys() == set()
    found = distances({n: seen[n] for n in golden}, golden)
    worst = max(found, key=found.get)
    assert found[worst] < 1e-12, worst


def moved(part, name: str, index: int, by: float):
    """Copy nested parameters with one number moved; name as in "text.blocks.0.mlp.up.weight"."""
    first, _, rest = name.partition(".")
    if isinstance(part, np.ndarray):
        copy = part.copy()
        copy.flat[index] += by
        return copy
    if isinstance(part, tuple):
        i = int(first)
        return (*part[:i], moved(part[i], rest, index, by), *part[i + 1 :])
    return replace(part, **{first: moved(getattr(part, first), rest, index, by)})


PLACES = [
    "vision.patch_embedding",
    "vision.class_embedding",
    "vision.position_embedding",
    "vision.temporal_embedding",
    "vision.pre_norm.weight",
    "vision.blocks.0.attention.query.weight",
    "vision.blocks.1.mlp.up.bias",
    "vision.post_norm.bias",
    "text.projection.weight",
    "text.projection_norm.weight",
    "text.position_embedding",
    "text.embedding_norm.weight",
    "text.blocks.0.attention.value.weight",
    "text.blocks.2.attention.out.bias",
    "text.blocks.1.attention.key.weight",
    "text.blocks.2.mlp_norm.weight",
    "text.blocks.0.mlp.down.weight",
    "text.head.weight",
    "text.head.bias",
]


OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in ACTIVATIONS if name != "relu"]


@pytest.mark.parametrize("activation", [exact_gelu, *OTHERS])
def test_a_gradient_is_what_a_small_step_changes(activation):
    """No oracle: (loss at w + h - loss at w - h) / 2h, for a number of each kind of parameter."""
    config, params = model_of("tiny", np.float64)
    values = {**config.to_dict(), "hidden_act": activation}
    values["vision_config"] = {**values["vision_config"], "hidden_act": activation}
    config = GitConfig.from_dict(values)
    given = cases.draw("tiny-clip")
    data = (given["pixel_values"], given["input_ids"], given["labels"])

    def loss_at(p: Git) -> float:
        return loss_and_gradients(p, config, *data, attention_mask=given["attention_mask"])[0]

    _, gradients = loss_and_gradients(params, config, *data, attention_mask=given["attention_mask"])
    rng, h = np.random.default_rng(3), 1e-5
    close = 1e-6 if activation == "gelu" else 2e-8  # its Phi is exact for float32 only
    for name in PLACES:
        gradient = gradients
        for step in name.split("."):
            gradient = gradient[int(step)] if step.isdigit() else getattr(gradient, step)
        index = int(rng.integers(gradient.size))
        ahead, behind = (loss_at(moved(params, name, index, d)) for d in (h, -h))
        assert abs((ahead - behind) / (2 * h) - gradient.flat[index]) < close, name


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_slope_is_what_a_small_step_changes(name):
    x = np.random.default_rng(0).standard_normal(200) * 3
    h = 1e-6
    slope = (ACTIVATIONS[name](x + h) - ACTIVATIONS[name](x - h)) / (2 * h)
    np.testing.assert_allclose(activate_backward(np.ones(200), x, name=name), slope, atol=1e-6)
    assert set(ACTIVATIONS) <= set(SLOPES)


def test_a_function_without_a_known_slope_is_refused():
    with pytest.raises(UserError, match="the slopes known here are those of: quick_gelu"):
        activate_backward(np.ones(3), np.ones(3), name=np.sin)


def test_tied_embeddings_get_the_sum_of_both():
    config, params = model_of("tiny", np.float64)
    given = cases.draw("tiny-still")
    data = (given["pixel_values"], given["input_ids"], given["labels"])

    def with_tie(p: Git) -> Git:
        head = replace(p.text.head, weight=p.text.word_embedding)
        return replace(p, text=replace(p.text, head=head))

    params = with_tie(params)
    _, gradients = loss_and_gradients(params, config, *data)
    both = tied(gradients).text
    assert both.word_embedding is both.head.weight
    h = 1e-5
    for index in (151, 12 * 30 + 4):
        ahead, behind = (
            loss_and_gradients(
                with_tie(moved(params, "text.word_embedding", index, d)), config, *data
            )[0]
            for d in (h, -h)
        )
        assert abs((ahead - behind) / (2 * h) - both.word_embedding.flat[index]) < 1e-8


def test_relative_positions_and_no_labels_are_refused():
    config, params = model_of("tiny", np.float32)
    given = cases.draw("tiny-still")
    pixels, ids = given["pixel_values"].astype(np.float32), given["input_ids"]
    with pytest.raises(UserError, match="no label to learn from"):
        loss_and_gradients(params, config, pixels, ids, np.full_like(ids, -100))
    relative = GitConfig.from_dict({**config.to_dict(), "position_embedding_type": "relative_key"})
    with pytest.raises(UserError, match="gradients are known for 'absolute'"):
        loss_and_gradients(params, relative, pixels, ids, ids)
