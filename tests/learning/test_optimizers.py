"""Optimisers and schedules against torch and transformers, and what they promise."""

import json

import numpy as np
import pytest
from golden_gradients import GOLDEN, cases, model_of

from numpygit.errors import UserError
from numpygit.huggingface.tensors import tensors_of
from numpygit.learning.backward.model import loss_and_gradients
from numpygit.learning.optimizers import (
    BLOCK,
    adamw,
    clip,
    momenta_of,
    moments_of,
    muon,
    norm_of,
    orthogonal,
    schedule,
)
from numpygit.learning.parameters import check_kind, decays, is_trained
from numpygit.model.params import named_arrays

EXPECTED = json.loads((GOLDEN / "gradients" / "training.json").read_text())


@pytest.mark.parametrize(("dtype", "close"), [(np.float64, 1e-11), (np.float32, 2e-3)])
def test_ten_steps_are_torchs(dtype, close):
    """AdamW with decay groups, clipping, warm-up and cosine, from the same start.

    In float32 a gradient that is rounding noise moves a parameter by the whole rate, in either
    direction: AdamW divides by its size. Hence the wide bound there.
    """
    config, params = model_of("tiny", dtype)
    given = cases.draw("tiny-still")
    # no clip goes in: torch has no gradient for the temporal embeddings, and leaves them alone
    trained = [(n, array) for n, array in named_arrays(params) if "temporal" not in n]
    names, arrays = zip(*trained, strict=True)
    state = moments_of(arrays)
    for step in range(10):
        loss, gradients = loss_and_gradients(
            params,
            config,
            given["pixel_values"].astype(dtype),
            given["input_ids"],
            given["labels"],
            attention_mask=given["attention_mask"],
        )
        moves = [gradient for n, gradient in named_arrays(gradients) if n in names]
        norm = clip(moves)
        assert abs(loss - EXPECTED["losses"][step]) < close
        assert abs(norm - EXPECTED["norms"][step]) < 10 * close
        rate = 1e-3 * schedule("cosine", step, warm_up=3, total=10)
        decay = [0.05 if decays(name) else 0.0 for name in names]
        adamw(arrays, moves, state, rate=rate, decays=decay, betas=(0.9, 0.98))
    golden = np.load(GOLDEN / "gradients" / "ten-steps.npz")
    mine = tensors_of(params, config)
    assert mine.keys() == set(golden.files)
    worst = max(np.abs(mine[name] - golden[name]).max() for name in golden.files)
    print(f"{np.dtype(dtype)}: largest difference of a parameter after ten steps {worst:.1e}")
    assert worst < close


def test_decay_groups_are_the_trainers():
    config, params = model_of("tiny", np.float32)
    official = tensors_of(params, config)
    mine = {id(array): name for name, array in named_arrays(params)}
    checked = 0
    for name, array in official.items():
        here = mine.get(id(array), mine.get(id(array.base)))
        if here is not None:
            assert decays(here) == (name not in EXPECTED["undecayed"]), name
            checked += 1
    assert checked > 90


@pytest.mark.parametrize("name", EXPECTED["schedules"])
def test_schedules_are_those_of_transformers(name):
    kind, warm_up = name.split()
    mine = [schedule(kind, step, warm_up=int(warm_up), total=20) for step in range(25)]
    assert mine == EXPECTED["schedules"][name]
    assert schedule("constant", 9, warm_up=5, total=20) == 1
    with pytest.raises(UserError, match="linear, cosine, constant"):
        schedule("step", 1, warm_up=0, total=2)


def test_adamw_is_the_same_in_blocks_and_on_threads():
    rng = np.random.default_rng(0)
    shapes = [(3,), (BLOCK + 7,), (300, 700), (1, 1)]
    start = [rng.standard_normal(shape, np.float32) for shape in shapes]
    gradients = [rng.standard_normal(shape, np.float32) for shape in shapes]
    results = []
    for threads in (1, 3):
        params = [array.copy() for array in start]
        state = moments_of(params)
        for _ in range(3):
            adamw(params, gradients, state, rate=0.01, decays=[0.1, 0, 0.1, 0], threads=threads)
        results.append(params)
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.abs(results[0][1] - start[1]).min() > 0


def test_clipping_keeps_the_direction():
    rng = np.random.default_rng(1)
    gradients = [rng.standard_normal((40, 50)), rng.standard_normal(9)]
    before = [g.copy() for g in gradients]
    norm = clip(gradients, most=2.0)
    assert abs(norm_of(gradients) - 2) < 1e-5
    np.testing.assert_allclose(gradients[1], before[1] * 2 / norm, rtol=1e-6)
    assert clip(gradients, most=5.0) == norm_of(gradients)


@pytest.mark.parametrize("shape", [(8, 8), (6, 20), (20, 6)])
def test_muon_moves_by_an_almost_orthogonal_matrix(shape):
    rng = np.random.default_rng(2)
    gradient = rng.standard_normal(shape)
    values = np.linalg.svd(orthogonal(gradient), compute_uv=False)
    assert 0.5 < values.min() <= values.max() < 1.3
    u, _, v = np.linalg.svd(gradient, full_matrices=False)
    assert (orthogonal(gradient) * (u @ v)).sum() > 0.9 * min(shape) * 0.7
    p = np.zeros(shape)
    state = momenta_of([p])
    muon([p], [gradient], state, rate=0.1, decay=0)
    expected = -0.1 * 0.2 * max(shape) ** 0.5 * orthogonal(gradient * 1.95)
    np.testing.assert_allclose(p, expected, atol=1e-12)
    np.testing.assert_array_equal(state.sums[0], gradient)


def test_kinds_of_training_name_their_parameters():
    _, params = model_of("tiny", np.float32)
    names = [name for name, _ in named_arrays(params)]
    count = {
        what: sum(is_trained(name, what, layers=3) for name in names)
        for what in ("all", "text", "last:2", "head", "lora:4")
    }
    assert count == {
        "all": len(names),
        "text": sum(n.startswith("text.") for n in names),
        "last:2": 2 * 16 + 2,
        "head": 2,
        "lora:4": 6,
    }
    for wrong in ("half", "last", "last:4", "last:0", "lora:31", "lora:x", "all:2"):
        with pytest.raises(UserError, match="train is"):
            check_kind(wrong, params)
