"""What the three models have in common: parameters by name, sizes, files, pruned heads.

Checks huggingface/models/matrix.py, huggingface/models/parts.py, huggingface/models/torch_only.py,
loading/pruned_heads.py.
"""

from __future__ import annotations

import json
import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numpygit import GitConfig, GitForCausalLM, GitModel, GitVisionModel, UserError
from numpygit.fast.processes.model_group import start

SIZES: dict[str, Any] = {
    "vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4,
    "intermediate_size": 20, "max_position_embeddings": 20, "bos_token_id": 2, "eos_token_id": 3,
    "vision_config": {"hidden_size": 20, "intermediate_size": 28, "num_hidden_layers": 2,
                      "num_attention_heads": 5, "image_size": 12, "patch_size": 6},
}  # fmt: skip
IDS = np.array([[2, 7, 9], [2, 11, 4]])
PIXELS = np.random.default_rng(0).standard_normal((2, 3, 12, 12), np.float32)


def model_of(**settings: Any) -> GitForCausalLM:
    return GitForCausalLM(GitConfig(**{**SIZES, **settings}), seed=3)


MODEL = model_of()


def test_a_parameter_is_found_by_every_official_way() -> None:
    name = "git.encoder.layer.1.attention.self.query.weight"
    array = MODEL.state_dict()[name]
    assert MODEL.git.encoder.layer[1].attention.self.query.weight is not None
    for found in (
        MODEL.git.encoder.layer[1].attention.self.query.weight,
        MODEL.get_parameter(name),
        MODEL.get_submodule("git.encoder.layer.1").state_dict()["attention.self.query.weight"],
        dict(MODEL.named_parameters())[name],
        MODEL.git.state_dict()[name.removeprefix("git.")],
    ):
        np.testing.assert_array_equal(found, array)
    assert len(MODEL.git.encoder.layer) == 3
    assert MODEL.output.out_features == 61
    assert MODEL.git.embeddings.word_embeddings.num_embeddings == 61
    tower = GitVisionModel(MODEL.config.vision_config, MODEL.params.vision)
    assert tower.vision_model.encoder.layers[0].mlp.fc1.weight.shape == (28, 20)
    with pytest.raises(UserError, match="parts of a model are read here"):
        MODEL.git.encoder.layer = None
    with pytest.raises(IndexError, match="no number 7"):
        _ = MODEL.git.encoder.layer[7]


def test_sizes_and_places() -> None:
    assert MODEL.num_parameters() == sum(a.size for a in MODEL.parameters())
    less = MODEL.num_parameters(exclude_embeddings=True)
    assert MODEL.num_parameters() - less == (61 + 20) * 24 + 5 * 20
    assert MODEL.get_memory_footprint() == 4 * MODEL.num_parameters()
    assert MODEL.to("cpu").eval().to(dtype="float32") is MODEL
    assert (str(MODEL.device), MODEL.device.type, MODEL.dtype) == ("cpu", "cpu", np.float32)
    assert GitForCausalLM.can_generate()
    assert not GitModel.can_generate()
    for place in ("cuda", "cuda:0", "mps"):
        with pytest.raises(UserError, match="runs on the CPU"):
            MODEL.to(place)
    for kind in ("float16", "torch.bfloat16"):
        with pytest.raises(UserError, match="computes in float32"):
            MODEL.to(kind)


def test_what_is_torchs_own_says_what_to_do_here() -> None:
    with pytest.raises(
        AttributeError, match=r"GitForCausalLM has no zero_grad: .*numpygit\.learning"
    ):
        MODEL.zero_grad()
    with pytest.raises(AttributeError, match=r"register_forward_hook.*Recorder"):
        MODEL.register_forward_hook(print)
    with pytest.raises(AttributeError, match="no vocabulary head"):
        MODEL.git.generate()


def test_a_state_dict_goes_round() -> None:
    other = GitForCausalLM(MODEL.config, seed=9)
    assert other.load_state_dict(MODEL.state_dict()) == ([], [])
    np.testing.assert_array_equal(other(IDS).logits, MODEL(IDS).logits)
    keys = other.load_state_dict({"output.bias": np.ones(61), "x": np.ones(1)}, strict=False)
    assert keys.unexpected_keys == ["x"]
    assert len(keys.missing_keys) == len(MODEL.state_dict()) - 1
    np.testing.assert_allclose(other(IDS).logits - MODEL(IDS).logits, 1, atol=1e-5)
    with pytest.raises(UserError, match=r"unexpected \['x'\]"):
        other.load_state_dict({**MODEL.state_dict(), "x": np.ones(1)})
    with pytest.raises(UserError, match=r"output.bias has shape \(3,\); the model's is \(61,\)"):
        other.load_state_dict({"output.bias": np.ones(3)}, strict=False)


# ---------------------------------------------------------------- pruned heads


def test_pruned_heads_of_a_config_are_obeyed() -> None:
    plain = model_of()
    pruned = GitForCausalLM(GitConfig(**SIZES, pruned_heads={"0": [1], -1: [0, 3]}), plain.params)
    by_hand = GitForCausalLM(GitConfig(**SIZES), plain.params)
    by_hand.prune_heads({0: [1], 2: [0, 3]})
    mask = np.ones((3, 4))
    mask[0, 1] = mask[2, [0, 3]] = 0
    expected = plain(IDS, pixel_values=PIXELS, head_mask=mask)
    for model in (pruned, by_hand):
        found = model(IDS, pixel_values=PIXELS, output_attentions=True)
        np.testing.assert_allclose(found.logits, expected.logits, atol=1e-6)
        assert [a.shape[1] for a in found.attentions] == [3, 4, 2]
    assert by_hand.config.pruned_heads == {0: [1], 2: [0, 3]}
    assert plain.config.pruned_heads == {}
    said = pruned.generate(
        IDS, pixel_values=PIXELS, max_new_tokens=2, output_attentions=True,
        return_dict_in_generate=True,
    )  # fmt: skip
    assert [a.shape[1] for a in said.attentions[0]] == [3, 4, 2]


@pytest.mark.parametrize("kind", [GitForCausalLM, GitModel])
def test_a_pruned_model_is_saved_without_its_heads_and_comes_back(
    kind: Any, tmp_path: Path
) -> None:
    model = kind(GitConfig(**SIZES), seed=3)
    model.prune_heads({-2: [0, -1]})
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["pruned_heads"] == {"1": [0, 3]}
    layer = [n for n in model.state_dict() if "layer.1.attention.self.query.weight" in n]
    assert model.state_dict()[layer[0]].shape == (12, 24)
    back = kind.from_pretrained(tmp_path)
    np.testing.assert_array_equal(back(IDS)[0], model(IDS)[0])
    back.prune_heads({1: [0], 0: [2]})
    assert back.config.pruned_heads == {0: [2], 1: [0, 3]}
    with pytest.raises(UserError, match="cannot prune heads"):
        back.prune_heads({9: [0]})


# ---------------------------------------------------------------- vocabularies and files


def test_the_vocabulary_is_resized_in_full() -> None:
    model = model_of()
    assert model.resize_token_embeddings().shape == (61, 24)
    assert model.resize_token_embeddings(pad_to_multiple_of=16).weight.shape == (64, 24)
    assert model.config.vocab_size == 64 == model.get_output_embeddings().out_features
    assert model.resize_token_embeddings(50, pad_to_multiple_of=8).num_embeddings == 56
    np.testing.assert_array_equal(model(IDS).logits, MODEL(IDS).logits[..., :56])
    headless = GitModel(GitConfig(**SIZES), seed=3)
    assert headless.resize_token_embeddings(70).shape == (70, 24)
    assert headless.get_output_embeddings() is None
    with pytest.raises(UserError, match=r"multiple of `2\.5`"):
        model.resize_token_embeddings(9, pad_to_multiple_of=2.5)


def test_embeddings_are_arrays_that_can_be_called() -> None:
    embedding = MODEL.get_input_embeddings()
    np.testing.assert_array_equal(embedding(IDS), MODEL.params.text.word_embedding[IDS])
    outputs = MODEL(inputs_embeds=embedding(IDS), output_hidden_states=True)
    np.testing.assert_allclose(outputs.logits, MODEL(IDS).logits, atol=1e-6)
    head = MODEL.get_output_embeddings()
    np.testing.assert_allclose(head(outputs.hidden_states[-1]), outputs.logits, atol=1e-5)
    other = model_of()
    other.set_output_embeddings(head * 2)
    other.set_input_embeddings(embedding)
    np.testing.assert_allclose(other(IDS).logits, 2 * MODEL(IDS).logits, atol=1e-4)


def test_weights_are_split_into_shards(tmp_path: Path) -> None:
    MODEL.save_pretrained(tmp_path, max_shard_size="20KB")
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    shards = sorted(set(index["weight_map"].values()))
    assert shards[0] == f"model-00001-of-{len(shards):05}.safetensors"
    assert len(shards) > 1
    assert index["metadata"]["total_size"] == MODEL.get_memory_footprint()
    back = GitForCausalLM.from_pretrained(tmp_path)
    np.testing.assert_array_equal(back(IDS).logits, MODEL(IDS).logits)
    MODEL.save_pretrained(tmp_path)  # the shards of before are gone
    assert [p.name for p in tmp_path.glob("*safetensors*")] == ["model.safetensors"]
    with pytest.raises(UserError, match="max_shard_size is 'much'"):
        MODEL.save_pretrained(tmp_path, max_shard_size="much")
    with pytest.raises(UserError, match="safetensors only"):
        MODEL.save_pretrained(tmp_path, safe_serialization=False)


def test_variants_subfolders_and_what_does_not_fit(tmp_path: Path) -> None:
    MODEL.save_pretrained(tmp_path / "sub", variant="fp16")
    back = GitForCausalLM.from_pretrained(tmp_path, subfolder="sub", variant="fp16")
    np.testing.assert_array_equal(back(IDS).logits, MODEL(IDS).logits)
    with pytest.raises(UserError, match=r"has no model\.safetensors"):
        GitForCausalLM.from_pretrained(tmp_path / "sub")
    with pytest.raises(UserError, match="has no folder 'other'"):
        GitConfig.from_pretrained(tmp_path, subfolder="other")
    config = GitConfig(**{**SIZES, "vocab_size": 40})
    given = {"subfolder": "sub", "variant": "fp16", "config": config}
    with pytest.raises(UserError, match="does not fit"):
        GitForCausalLM.from_pretrained(tmp_path, **given)
    model, info = GitForCausalLM.from_pretrained(
        tmp_path, **given, ignore_mismatched_sizes=True, output_loading_info=True
    )
    assert model(IDS).logits.shape[-1] == 40
    assert {name for name, *_ in info["mismatched_keys"]} == {
        "git.embeddings.word_embeddings.weight", "output.weight", "output.bias"}  # fmt: skip
    assert info["missing_keys"] == []
    alone = GitForCausalLM.from_pretrained(None, config=MODEL.config, state_dict=MODEL.state_dict())
    np.testing.assert_array_equal(alone(IDS).logits, MODEL(IDS).logits)


def test_loading_info_lists_what_has_no_place_and_what_is_missing(tmp_path: Path) -> None:
    tensors = {**MODEL.state_dict(), "git.extra.weight": np.zeros(3, np.float32)}
    gone = tensors.pop("output.bias")
    given: dict[str, Any] = {"config": MODEL.config, "state_dict": tensors}
    with pytest.raises(UserError, match=r"git\.extra\.weight|output\.bias"):
        GitForCausalLM.from_pretrained(None, **given)
    model, info = GitForCausalLM.from_pretrained(None, **given, output_loading_info=True)
    assert info == {"missing_keys": ["output.bias"], "unexpected_keys": ["git.extra.weight"],
                    "mismatched_keys": [], "error_msgs": []}  # fmt: skip
    assert model(IDS).logits.shape[-1] == len(gone)
    MODEL.save_pretrained(tmp_path)
    body, info = GitModel.from_pretrained(tmp_path, output_loading_info=True)
    assert info["missing_keys"] == []
    assert set(info["unexpected_keys"]) == {"output.weight", "output.bias"}
    np.testing.assert_array_equal(body(IDS)[0], MODEL.git(IDS)[0])
    smaller = GitConfig(**{**SIZES, "vocab_size": 40})
    with pytest.raises(UserError, match="does not fit"):  # a shape is no matter of a report
        GitForCausalLM.from_pretrained(tmp_path, config=smaller, output_loading_info=True)


def test_settings_among_the_keywords_of_from_pretrained(tmp_path: Path) -> None:
    MODEL.save_pretrained(tmp_path)
    model = GitForCausalLM.from_pretrained(tmp_path, output_attentions=True, use_cache=False)
    assert list(model(IDS)) == ["logits", "attentions"]
    config, unused = GitConfig.from_pretrained(
        tmp_path, output_attentions=True, colour=1, return_unused_kwargs=True
    )
    assert (config.output_attentions, unused) == (True, {"colour": 1})
    assert GitConfig.from_dict({}, colour=1, return_unused_kwargs=True)[1] == {"colour": 1}
    with pytest.raises(UserError, match="no setting called colour"):
        GitConfig.from_pretrained(tmp_path, colour=1)
    with pytest.raises(UserError, match="device_map='cuda' cannot be had"):
        GitForCausalLM.from_pretrained(tmp_path, device_map="cuda")
    with pytest.raises(
        UserError, match=r"torch_dtype='float16' cannot be had: .* leave torch_dtype"
    ):
        GitForCausalLM.from_pretrained(tmp_path, torch_dtype="float16")


@pytest.mark.parametrize("kind", ["deepcopy", "pickle"])
def test_a_model_can_be_copied_and_sent_to_another_process(kind: str) -> None:
    model = model_of()
    model.threads = 1
    model.group = start(model.params, model.config, size=2)
    try:
        copied = deepcopy(model) if kind == "deepcopy" else pickle.loads(pickle.dumps(model))
    finally:
        if model.group is not None:
            model.group.close()
    assert copied.group is None  # its processes stay with the model
    assert copied.threads == 1
    expected = model(IDS, pixel_values=PIXELS).logits
    np.testing.assert_array_equal(copied(IDS, pixel_values=PIXELS).logits, expected)
    np.testing.assert_array_equal(
        copied.state_dict()["output.weight"], model.params.text.head.weight
    )
