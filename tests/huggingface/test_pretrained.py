"""Models to folders and back: three classes, three kinds of files, names, ties, atomic writing.

That transformers reads these folders, and numpygit those of transformers, is checked by
golden/check_saved.py.

Checks huggingface/auto.py, huggingface/tensors.py, huggingface/models/opened.py,
loading/write_whole.py.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from golden_inputs import TINY, tiny_inputs, tiny_model
from safetensors.numpy import load_file, save_file

import numpygit
from numpygit import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    GitConfig,
    GitForCausalLM,
    GitModel,
    GitVisionConfig,
    GitVisionModel,
    UserError,
)
from numpygit.huggingface.tensors import tensors_of
from numpygit.loading.formats import read_tensors
from numpygit.loading.names import tensor_shapes

MODEL = tiny_model()
IDS, PIXELS = tiny_inputs("still")["input_ids"], tiny_inputs("still")["pixel_values"]


def test_every_tensor_finds_its_name_again() -> None:
    tensors, file = tensors_of(MODEL.params, MODEL.config), load_file(TINY / "model.safetensors")
    assert set(tensors) == set(file)
    for name, array in file.items():
        np.testing.assert_array_equal(tensors[name], array, err_msg=name)


@pytest.mark.parametrize("kind", ["relative_key", "relative_key_query"])
@pytest.mark.parametrize("frames", [None, 1, 3])
def test_models_of_every_kind_come_back_whole(
    kind: str, frames: int | None, tmp_path: Path
) -> None:
    values = {**MODEL.config.to_dict(), "position_embedding_type": kind,
              "num_image_with_embedding": frames}  # fmt: skip
    model = GitForCausalLM(GitConfig.from_dict(values), seed=2)
    model.save_pretrained(tmp_path)
    shapes = {name: a.shape for name, a in load_file(tmp_path / "model.safetensors").items()}
    assert shapes == tensor_shapes(model.config)
    back = GitForCausalLM.from_pretrained(tmp_path)
    assert {**back.config.to_dict(), "architectures": 0, "torch_dtype": 0} == {
        **model.config.to_dict(), "architectures": 0, "torch_dtype": 0}  # fmt: skip
    np.testing.assert_array_equal(
        back(IDS, pixel_values=PIXELS)[0], model(IDS, pixel_values=PIXELS)[0]
    )


def test_each_class_reads_what_the_others_wrote(tmp_path: Path) -> None:
    whole, body, tower = MODEL, MODEL.git, GitVisionModel.from_pretrained(TINY)
    for name, model in (("whole", whole), ("body", body), ("tower", tower)):
        model.save_pretrained(tmp_path / name)
    last = body(IDS, pixel_values=PIXELS).last_hidden_state
    for name in ("whole", "body"):
        read = GitModel.from_pretrained(tmp_path / name)
        np.testing.assert_array_equal(read(IDS, pixel_values=PIXELS).last_hidden_state, last)
    for name in ("whole", "body", "tower"):
        read = GitVisionModel.from_pretrained(tmp_path / name)
        np.testing.assert_array_equal(read(PIXELS)[0], tower(PIXELS)[0])
        assert GitVisionConfig.from_pretrained(tmp_path / name).patch_size == 9
    with pytest.raises(UserError, match=r"missing output\.weight"):
        GitForCausalLM.from_pretrained(tmp_path / "body")
    names = set(load_file(tmp_path / "tower" / "model.safetensors"))
    assert "vision_model.pre_layrnorm.weight" in names
    assert "embeddings.LayerNorm.bias" in load_file(tmp_path / "body" / "model.safetensors")


def test_auto_classes_pick_by_the_checkpoint(tmp_path: Path) -> None:
    GitVisionModel.from_pretrained(TINY).save_pretrained(tmp_path)
    assert isinstance(AutoModel.from_pretrained(TINY), GitModel)
    assert isinstance(AutoModel.from_pretrained(tmp_path), GitVisionModel)
    assert isinstance(AutoModelForCausalLM.from_pretrained(TINY), GitForCausalLM)
    assert isinstance(AutoConfig.from_pretrained(TINY), GitConfig)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), GitVisionConfig)
    assert isinstance(AutoModel.from_config(MODEL.config), GitModel)
    assert isinstance(AutoModelForCausalLM.from_config(MODEL.config), GitForCausalLM)


def test_a_tied_head_is_not_written_and_comes_back(tmp_path: Path) -> None:
    model = GitForCausalLM(
        GitConfig.from_dict({**MODEL.config.to_dict(), "tie_word_embeddings": True})
    )
    model.save_pretrained(tmp_path)
    assert "output.weight" not in load_file(tmp_path / "model.safetensors")
    back = GitForCausalLM.from_pretrained(tmp_path)
    assert np.shares_memory(back.get_output_embeddings(), back.get_input_embeddings())


@pytest.mark.parametrize("spelling", ["temperal", "temporal"])
def test_both_spellings_of_time_load(spelling: str, tmp_path: Path) -> None:
    tensors = {n.replace("temperal", spelling): a for n, a in read_tensors(TINY).items()}
    save_file({n: np.array(a) for n, a in tensors.items()}, tmp_path / "model.safetensors")
    MODEL.config.save_pretrained(tmp_path)
    p = GitForCausalLM.from_pretrained(tmp_path).params
    np.testing.assert_array_equal(
        p.vision.temporal_embedding, MODEL.params.vision.temporal_embedding
    )
    assert all("temperal" in n for n in tensors_of(p, MODEL.config) if "temp" in n)


def test_saving_over_the_files_one_reads_from(tmp_path: Path) -> None:
    MODEL.save_pretrained(tmp_path)
    model = GitForCausalLM.from_pretrained(tmp_path)
    before = model(IDS).logits
    model.save_pretrained(tmp_path)
    np.testing.assert_array_equal(GitForCausalLM.from_pretrained(tmp_path)(IDS).logits, before)
    names = ["config.json", "generation_config.json", "model.safetensors"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_a_failed_save_leaves_the_old_files(tmp_path: Path) -> None:
    MODEL.save_pretrained(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    values = {**MODEL.config.to_dict(), "hidden_act": abs}
    with pytest.raises(UserError, match="cannot hold these settings"):
        GitForCausalLM(GitConfig.from_dict(values), MODEL.params).save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        MODEL.save_pretrained(tmp_path / "file")


# ---------------------------------------------------------------- configs


def test_configs_go_to_json_and_back(tmp_path: Path) -> None:
    config = GitConfig(
        vision_config={"patch_size": 14, "projection_dim": 512},
        vocab_size=99, num_labels=3, num_image_with_embedding=6,
    )  # fmt: skip
    assert config.num_labels == 3
    assert config.vision_config.projection_dim == 512
    config.to_json_file(tmp_path / "some.json")
    assert GitConfig.from_json_file(tmp_path / "some.json") == config
    assert GitConfig.from_dict(config.to_dict()) == config
    config.save_pretrained(tmp_path / "folder")
    assert GitConfig.from_pretrained(tmp_path / "folder") == config
    assert GitVisionConfig.from_pretrained(tmp_path / "folder") == config.vision_config
    assert GitConfig() != config
    assert "vocab_size" in repr(config)
    few = json.loads(config.to_json_string(use_diff=True))
    assert few["vocab_size"] == 99
    assert "hidden_size" not in few
    assert few["model_type"] == "git"


def test_a_config_may_be_given_by_position_or_as_an_object() -> None:
    tower = GitVisionConfig(48, 96)
    assert (tower.hidden_size, tower.intermediate_size) == (48, 96)
    assert GitConfig(tower).vision_config is tower
    assert GitConfig(None, 99).vocab_size == 99


def test_a_file_cannot_hide_a_method() -> None:
    config = GitConfig.from_dict({"to_dict": 5, "use_return_dict": False, "return_dict": False})
    assert config.to_dict()["model_type"] == "git"
    assert config.use_return_dict is False


def test_public_names() -> None:
    for name in numpygit.__all__:
        assert getattr(numpygit, name).__doc__, name
