"""The forward call, against the official one, on random tiny models of every kind.

The golden file holds configs, arguments and answers; the weights are drawn again by name. Many more
cases, which need the official code, are in golden/differential_forward.py.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from seeded import seeded_tensors

from numpygit import GitConfig, GitForCausalLM
from numpygit.huggingface.loss import cross_entropy, next_word_loss
from numpygit.loading.names import params_from, tensor_shapes

GOLDEN = dict(np.load(Path(__file__).parents[2] / "golden" / "forward.npz"))
SEEDS = sorted({int(key.split("/")[0]) for key in GOLDEN if key[0].isdigit()})


def parts(seed: int, prefix: str) -> dict[str, np.ndarray]:
    start = f"{seed}/{prefix}"
    return {key.removeprefix(start): a for key, a in GOLDEN.items() if key.startswith(start)}


def model_of(seed: int) -> GitForCausalLM:
    config = GitConfig.from_dict(json.loads(str(GOLDEN[f"{seed}/config"])))
    tensors = seeded_tensors(tensor_shapes(config), seed=seed)
    return GitForCausalLM(config, params_from(tensors, config, source="seeded"))


@pytest.mark.parametrize("seed", SEEDS)
def test_forward(seed: int) -> None:
    model = model_of(seed)
    outputs = model(**parts(seed, "input/"), output_hidden_states=True, output_attentions=True)
    np.testing.assert_allclose(outputs.logits, GOLDEN[f"{seed}/logits"], atol=5e-5)
    for kind in ("hidden_states", "attentions"):
        expected = parts(seed, f"{kind}/")
        assert len(outputs[kind]) == len(expected)
        for i, layer in enumerate(outputs[kind]):
            np.testing.assert_allclose(layer, expected[str(i)], atol=5e-5, err_msg=f"{kind} {i}")
    if f"{seed}/loss" in GOLDEN:
        np.testing.assert_allclose(outputs.loss, GOLDEN[f"{seed}/loss"], atol=1e-5)
    else:
        assert outputs.loss is None


def test_the_goldens_cover_what_they_should() -> None:
    configs = [json.loads(str(GOLDEN[f"{seed}/config"])) for seed in SEEDS]
    kinds = {c["position_embedding_type"] for c in configs}
    assert kinds == {"absolute", "relative_key", "relative_key_query"}
    activations = {c["hidden_act"] for c in configs}
    activations |= {c["vision_config"]["hidden_act"] for c in configs}
    assert activations >= {"quick_gelu", "gelu", "gelu_new", "relu", "silu", "selu"}
    given = [set(parts(seed, "input/")) for seed in SEEDS]
    for name in ("head_mask", "inputs_embeds", "attention_mask", "labels", "position_ids"):
        assert any(name in names for names in given), name
    assert any("pixel_values" not in names for names in given)
    assert any(GOLDEN[f"{s}/input/pixel_values"].ndim == 5 for s in SEEDS
               if f"{s}/input/pixel_values" in GOLDEN)  # fmt: skip


def test_the_smoothed_loss_is_the_authors() -> None:
    logits, labels = GOLDEN["smoothing/logits"], GOLDEN["smoothing/labels"]
    used = labels != -100
    loss = cross_entropy(logits[used], labels[used], smoothing=0.1)
    np.testing.assert_allclose(loss, GOLDEN["smoothing/loss"], rtol=1e-6)
    shifted = np.concatenate([[7], labels])[None]
    one_more = np.concatenate([logits, logits[:1]])[None]
    loss = next_word_loss(one_more, shifted, smoothing=0.1)
    np.testing.assert_allclose(loss, GOLDEN["smoothing/loss"], rtol=1e-6)
