"""Adapters of PEFT: merged as PEFT merges them, found beside or without their base, refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import numpygit
from numpygit.cli.commands import main
from numpygit.errors import NotFoundError, UserError
from numpygit.learning.lora import random_lora, save_adapter
from numpygit.loading.adapter import with_adapter
from numpygit.loading.formats import read_tensors
from numpygit.loading.names import official_name

GOLDEN = Path(__file__).parents[2] / "golden"
BASE, ADAPTERS = GOLDEN / "saved" / "tiny", GOLDEN / "adapters"
KINDS = ("plain", "patterns", "dora", "tables", "biases", "thin_biases")
PICTURE = np.arange(30 * 40 * 3, dtype=np.uint8).reshape(30, 40, 3)


def adapter(folder: Path, kind: str = "plain", **settings: Any) -> Path:
    """Copy an adapter, and change its settings."""
    shutil.copytree(ADAPTERS / kind, folder)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_merged_as_peft_merges(kind: str) -> None:
    expected = {name.partition("/")[2]: array
                for name, array in np.load(ADAPTERS / "merged.npz").items()
                if name.startswith(f"{kind}/")}  # fmt: skip
    base = {official_name(name): array for name, array in read_tensors(BASE).items()}
    found = with_adapter(base, ADAPTERS / kind)
    assert len(expected) >= 2
    assert found.keys() == base.keys()
    for name, array in found.items():
        if name in expected:
            np.testing.assert_allclose(array, expected[name], rtol=0, atol=1e-6)
        else:
            np.testing.assert_array_equal(array, base[name])
    look = with_adapter(read_tensors(BASE, look_only=True), ADAPTERS / kind, look_only=True)
    assert {name: array.shape for name, array in look.items()} == {
        name: array.shape for name, array in found.items()
    }


def test_an_adapter_is_loaded_with_the_base_model_that_it_names(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "lora", base_model_name_or_path=str(BASE))
    captioner = numpygit.load(folder)
    weight = captioner.model.params.text.blocks[0].attention.query.weight
    merged = np.load(ADAPTERS / "merged.npz")
    expected = merged["plain/git.encoder.layer.0.attention.self.query.weight"]
    np.testing.assert_allclose(weight, expected, rtol=0, atol=1e-6)
    assert captioner.caption(PICTURE, max_length=6) == captioner.caption(PICTURE, max_length=6)
    model = numpygit.GitForCausalLM.from_pretrained(folder)
    np.testing.assert_array_equal(model.params.text.blocks[0].attention.query.weight, weight)
    assert numpygit.GitConfig.from_pretrained(folder).vocab_size == 149
    assert numpygit.GitProcessor.from_pretrained(folder).words.start_id == 2


def test_the_base_model_may_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = adapter(tmp_path / "lora", base_model_name_or_path=None)
    with pytest.raises(UserError, match="does not say which model it was made for; give that"):
        numpygit.load(folder)
    assert numpygit.load(folder, base=BASE).source == BASE / "model.safetensors"
    with pytest.raises(UserError, match="is a whole model"):
        numpygit.load(BASE, base=BASE)
    picture = str(numpygit.storybook.EXAMPLES / "sign.png")
    command = ["caption", picture, "--model", str(folder), "--max-length", "5"]
    assert main([*command, "--base", str(BASE)]) == 0
    assert main(command) == 1
    assert "--base" in capsys.readouterr().err


def test_a_base_model_that_is_not_to_be_had_is_named(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "lora", base_model_name_or_path="/home/bob/git-base")
    with pytest.raises(NotFoundError, match="is an adapter of '/home/bob/git-base', which is not"):
        numpygit.load(folder)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()),
                                "base_model_name_or_path": str(folder)}))  # fmt: skip
    with pytest.raises(UserError, match="which is an adapter itself"):
        numpygit.load(folder)


def test_what_train_wrote_comes_back(tmp_path: Path) -> None:
    params = numpygit.load(BASE).model.params
    lora = random_lora(params, rank=3, alpha=6.0, seed=1)
    for part in lora.parts:
        part.b[:] = 0.5
    save_adapter(tmp_path, lora, base=str(BASE))
    blocks = numpygit.load(tmp_path).model.params.text.blocks
    for i, block in enumerate(blocks):
        [part] = [p for p in lora.parts if p.name == f"text.blocks.{i}.attention.value.weight"]
        expected = params.text.blocks[i].attention.value.weight + 2 * part.b @ part.a
        np.testing.assert_allclose(block.attention.value.weight, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"peft_type": "IA3"}, "describes a IA3 adapter, expected LORA; merge it with PEFT"),
        ({"peft_type": None}, "describes a None adapter"),
        ({"init_lora_weights": "pissa_niter_4"}, "changed the base model too"),
        ({"layer_replication": [[0, 2]]}, "has layer_replication"),
        ({"alora_invocation_tokens": [1]}, "has alora_invocation_tokens"),
        ({"lora_alpha": "8"}, "lora_alpha is '8', expected a number"),
        ({"lora_alpha": float("nan")}, "lora_alpha is nan"),
        ({"alpha_pattern": {"(a+)+$": 1}}, "expected names of modules"),
        ({"alpha_pattern": {"query": "much"}}, "alpha_pattern: query is 'much'"),
        ({"base_model_name_or_path": ["a"]}, "base_model_name_or_path is"),
    ],
)
def test_what_cannot_be_merged_is_refused(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = adapter(tmp_path / "lora", **settings)
    with pytest.raises(UserError) as raised:
        numpygit.load(folder, base=BASE)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


FIRST = "base_model.model.git.encoder.layer.0.attention.self.query"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({f"{FIRST}.lora_A.weight": None}, "LoRA needs A and B"),
        ({f"{FIRST}.lora_B.weight": np.zeros((7, 4), np.float32)}, r"shape \(7, 4\)"),
        ({f"{FIRST}.lora_A.weight": np.zeros((4, 9), np.float32)}, r"shape \(4, 9\)"),
        ({f"{FIRST}.lora_A.weight": np.zeros((0, 20), np.float32),
          f"{FIRST}.lora_B.weight": np.zeros((20, 0), np.float32)}, "cannot be merged here"),
        ({"base_model.model.git.encoder.layer.9.attention.self.query.lora_A.weight":
          np.zeros((4, 20), np.float32)}, "which its base model does not have"),
        ({f"{FIRST}.lora_B.weight": np.full((20, 4), np.nan, np.float32)}, "not finite"),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit_are_named(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = adapter(tmp_path / "lora")
    path = folder / "adapter_model.safetensors"
    tensors = {**load_file(path), **change}
    save_file({name: array for name, array in tensors.items() if array is not None}, path)
    with pytest.raises(UserError, match=message):
        numpygit.load(folder, base=BASE)


def test_an_adapter_without_its_tensors(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "lora")
    (folder / "adapter_model.safetensors").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\n"
    )
    with pytest.raises(UserError, match="git lfs pull"):
        numpygit.load(folder, base=BASE)
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(NotFoundError, match=r"without adapter_model\.safetensors and"):
        numpygit.load(folder, base=BASE)
    shutil.copyfile(BASE / "model.safetensors", folder / "model.safetensors")
    with pytest.raises(
        UserError, match=r"config\.json"
    ):  # a whole model, and it lacks its settings
        numpygit.load(folder)


def test_settings_of_the_adapter_s_own_folder_come_first(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "lora", base_model_name_or_path=str(BASE))
    for name in ("preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(BASE / name, folder / name)
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "image_mean": [0.1, 0.2, 0.3]}))
    assert numpygit.GitProcessor.from_pretrained(folder).image_processor.image_mean[0] == 0.1
    assert numpygit.load(folder).processor.image_processor.image_mean[0] == 0.1
    original = numpygit.load(folder, preprocessing="original")  # needs the config: the base's
    assert original.processor.original
