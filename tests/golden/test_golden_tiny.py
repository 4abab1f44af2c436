"""Every named tensor, against the official implementation, on a random model of odd sizes.

The golden holds each tensor in float64 and in float32. Their distance is the noise of float32:
we may be at most 8 times as far from float64 as the official float32 run is.
"""

from pathlib import Path

import numpy as np
import pytest
from golden_inputs import FACTOR, FLOOR
from safetensors.numpy import load_file

from numpygit import loading
from numpygit.huggingface.models import GitForCausalLM
from numpygit.trace import TABLE, Recorder

TINY = Path(__file__).parents[2] / "golden" / "tiny"
KINDS = ["still", "clip"]
BLOCKED = -1e30  # masks hold -inf or the lowest float: blocked either way


def run(kind: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    golden = load_file(TINY / f"{kind}.safetensors")
    model = GitForCausalLM(*loading.load(TINY))
    recorder = Recorder()
    model.logits(
        golden["input/input_ids"],
        golden["input/pixel_values"],
        attention_mask=golden["input/attention_mask"],
        trace=recorder,
    )
    return golden, recorder.tensors


RUNS = {kind: run(kind) for kind in KINDS}
CASES = [
    (kind, name)  # in the order in which the model computes them: the first failure is the cause
    for kind, (golden, ours) in RUNS.items()
    for name in ours
    if f"float64/{name}" in golden
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_tensor_with_an_official_module_is_in_the_golden(kind):
    golden, ours = RUNS[kind]
    only_ours = {row.name for row in TABLE if not row.official} & set(ours)
    assert only_ours == {"vision.patches"}
    compared = {f"float64/{name}" for name in ours if name not in only_ours}
    assert compared == {name for name in golden if name.startswith("float64/")}


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_tensor_is_as_exact_as_float32_allows(kind, name):
    golden, ours = RUNS[kind]
    exact, rounded, mine = golden[f"float64/{name}"], golden[f"float32/{name}"], ours[name]
    assert mine.shape == exact.shape
    assert mine.dtype == np.float32
    unblocked = exact > BLOCKED
    np.testing.assert_array_equal(mine > BLOCKED, unblocked)
    exact = exact[unblocked]
    noise = np.abs(rounded[unblocked] - exact).max()
    error = np.abs(mine[unblocked] - exact).max()
    assert error <= max(FACTOR * noise, FLOOR), f"{name}: {error:.2e}, noise {noise:.2e}"
