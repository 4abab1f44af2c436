"""Every kind of file, as torch and transformers wrote it (`golden/files`), number by number.

Checks loading/formats/archive.py, loading/formats/authors_names.py, loading/formats/mapped.py,
loading/formats/pickled.py, loading/formats/torch_file.py.
"""

import ast
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from find_tests import nodes_of
from PIL import Image
from safetensors.numpy import load_file, save_file

import numpygit
from numpygit import loading
from numpygit.errors import NotFoundError, UserError
from numpygit.loading.authors import config_from
from numpygit.loading.config import GitConfig, stored
from numpygit.loading.formats import read_file, read_tensors, weights_file
from numpygit.loading.formats.authors_names import official_names
from numpygit.loading.formats.mapped import is_mapped
from numpygit.loading.names import tensor_shapes

FILES = Path(__file__).parents[2] / "golden" / "files"
TRUE = load_file(FILES / "true.safetensors")
AUTHORS = load_file(FILES / "true_authors.safetensors")
BUFFERS = {
    "git.embeddings.position_ids": np.arange(7)[None],
    "git.image_encoder.vision_model.embeddings.position_ids": np.arange(10)[None],
}


def assert_same(found: dict[str, np.ndarray], true: dict[str, np.ndarray]) -> None:
    assert found.keys() == true.keys()
    for name, array in true.items():
        assert found[name].dtype == array.dtype, name
        assert found[name].shape == array.shape, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)
        assert found[name].flags.c_contiguous, name
        assert found[name].flags.aligned, name
        assert not found[name].flags.writeable, name


def upper_half(array: np.ndarray) -> np.ndarray:
    """Round float32 to bfloat16, ties to even, and widen it again."""
    bits = array.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)


# ---------------------------------------------------------------- what torch wrote


@pytest.mark.parametrize("folder", ["bin", "bin_shards"])
def test_what_the_official_model_saves(folder):
    assert_same(read_tensors(FILES / folder), TRUE)


@pytest.mark.parametrize("file", ["odd.bin", "odd_old.bin", "odd_4.bin"])
def test_parameters_views_strides_and_shared_storages(file):
    assert_same(read_file(FILES / file), TRUE)


def test_the_older_layout_with_metadata_and_the_buffers_of_2022():
    assert_same(read_tensors(FILES / "bin_2022"), TRUE | BUFFERS)


def test_float16():
    halves = {name: a.astype(np.float16).astype(np.float32) for name, a in TRUE.items()}
    assert_same(read_tensors(FILES / "bin_float16"), halves)


@pytest.mark.parametrize("folder", ["bin_bfloat16", "bin_bfloat16_old"])
def test_bfloat16(folder):
    brains = {name: upper_half(array) for name, array in TRUE.items()}
    assert_same(read_tensors(FILES / folder), brains)


@pytest.mark.parametrize("file", ["few.bin", "few_old.bin"])
def test_other_dtypes_empty_and_repeated_tensors_inside_a_training_checkpoint(file):
    found = read_file(FILES / file)
    assert_same(
        found,
        {
            "empty": np.zeros((0, 3), np.float32),
            "number": np.array(1.5, np.float32),
            "double": np.array([1.0, 2.5], np.float32),
            "repeated": np.array([[1, 2, 3], [1, 2, 3]], np.float32),
            "long": np.arange(3),
            "int": np.arange(3, dtype=np.int32),
            "short": np.arange(3, dtype=np.int16),
            "char": np.arange(3, dtype=np.int8),
            "byte": np.arange(3, dtype=np.uint8),
            "bool": np.array([True, False]),
            "same": np.array(1.5, np.float32),
        },
    )
    assert found["same"] is found["number"]


@pytest.mark.parametrize("folder", ["authors", "authors_module"])
def test_the_authors_layout(folder):
    found = read_tensors(FILES / folder)
    assert_same(found, AUTHORS)
    assert np.shares_memory(found["output.weight"], found["git.embeddings.word_embeddings.weight"])


def test_an_authors_file_that_holds_the_tied_words_once():
    theirs = read_file(FILES / "authors" / "model.pt")
    del theirs["textual.output.weight"]
    renamed = official_names(theirs)
    assert renamed["output.weight"] is renamed["git.embeddings.word_embeddings.weight"]


@pytest.mark.parametrize("folder", ["bin", "bin_shards", "bin_2022", "authors"])
def test_a_folder_makes_the_same_model_as_its_safetensors(folder, tmp_path):
    true, settings = ("true.safetensors", "bin/config.json")
    if folder == "authors":
        true, settings = ("true_authors.safetensors", "true_authors.json")
    shutil.copyfile(FILES / settings, tmp_path / "config.json")
    shutil.copyfile(FILES / true, tmp_path / "model.safetensors")
    models = [numpygit.GitForCausalLM.from_pretrained(f) for f in (tmp_path, FILES / folder)]
    pixels = np.random.default_rng(1).standard_normal((1, 2, 3, 9, 9), np.float32)
    a, b = [model.logits(np.array([[2, 5, 6]]), pixels) for model in models]
    np.testing.assert_array_equal(a, b)


def test_the_config_of_an_authors_file_comes_from_its_shapes():
    config, _ = loading.load(FILES / "authors")
    expected = GitConfig.from_dict(json.loads((FILES / "true_authors.json").read_text()))
    expected.bos_token_id, expected.eos_token_id = 101, 102  # no shape tells these
    assert config == expected


LARGE = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
         "num_attention_heads": 16, "patch_size": 14}  # fmt: skip
PUBLISHED = {  # the authors' names, and what their conversion to the Hub makes of each
    "GIT_BASE": ({}, None),
    "GIT_BASE_VQAv2": ({"image_size": 480}, None),
    "GIT_BASE_VATEX": ({}, 6),
    "GIT_LARGE_R": (LARGE, None),
    "GIT_LARGE_TEXTVQA": (LARGE | {"image_size": 420}, None),
    "GIT_LARGE_MSRVTT": (LARGE, 6),
}


@pytest.mark.parametrize("model", PUBLISHED)
def test_shapes_tell_the_config_of_every_published_size(model):
    vision, frames = PUBLISHED[model]
    config = GitConfig.from_dict({"vision_config": vision, "num_image_with_embedding": frames})
    shapes = tensor_shapes(config)
    tensors = {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}
    assert stored(config_from(tensors)) == config


# ---------------------------------------------------------------- mapped or copied


def mapped_names(tensors: dict[str, np.ndarray]) -> set[str]:
    return {name for name, array in tensors.items() if is_mapped(array)}


def test_float32_of_a_zip_file_is_mapped():
    assert mapped_names(read_tensors(FILES / "bin")) == TRUE.keys()
    assert mapped_names(read_tensors(FILES / "authors")) == AUTHORS.keys()


def test_float32_of_a_safetensors_file_is_mapped_if_aligned(tmp_path):
    assert mapped_names(read_file(FILES / "true.safetensors")) == TRUE.keys()
    whole = (FILES / "true.safetensors").read_bytes()
    length = int.from_bytes(whole[:8], "little")
    path = tmp_path / "moved.safetensors"
    path.write_bytes((length + 2).to_bytes(8, "little") + whole[8 : 8 + length] + b"  "
                     + whole[8 + length :])  # fmt: skip
    moved = read_file(path)
    assert mapped_names(moved) == set()
    assert_same(moved, TRUE)


def test_halves_are_copied():
    assert mapped_names(read_tensors(FILES / "bin_float16")) == set()


# ---------------------------------------------------------------- which file


def test_the_first_kind_that_a_folder_has_is_read(tmp_path):
    with pytest.raises(NotFoundError, match=r"no pytorch_model\.bin and .* no model\.pt$"):
        weights_file(tmp_path)
    shutil.copyfile(FILES / "authors" / "model.pt", tmp_path / "model.pt")
    assert weights_file(tmp_path) == tmp_path / "model.pt"
    for shard in (FILES / "bin_shards").iterdir():
        shutil.copyfile(shard, tmp_path / shard.name)
    assert weights_file(tmp_path) == tmp_path / "pytorch_model.bin.index.json"
    shutil.copyfile(FILES / "bin" / "pytorch_model.bin", tmp_path / "pytorch_model.bin")
    assert weights_file(tmp_path) == tmp_path / "pytorch_model.bin"
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    assert weights_file(tmp_path) == tmp_path / "model.safetensors.index.json"
    save_file({"only": np.ones(1, np.float32)}, tmp_path / "model.safetensors")
    assert weights_file(tmp_path) == tmp_path / "model.safetensors"
    assert list(read_tensors(tmp_path)) == ["only"]


@pytest.mark.parametrize(
    ("folder", "source"),
    [("bin", "pytorch_model.bin"), ("bin_shards", "pytorch_model.bin.index.json")],
)
def test_a_captioner_says_which_file_it_was_loaded_from(folder, source, tmp_path):
    shutil.copytree(FILES / folder, tmp_path / "model")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijkl"]
    (tmp_path / "model" / "vocab.txt").write_text("\n".join(words) + "\n")
    settings = {"size": {"shortest_edge": 9}, "crop_size": {"height": 9, "width": 9}}
    (tmp_path / "model" / "preprocessor_config.json").write_text(json.dumps(settings))
    captioner = numpygit.load(tmp_path / "model")
    assert captioner.source == tmp_path / "model" / source
    assert isinstance(captioner.caption(Image.new("RGB", (9, 9)), max_length=4), str)


def test_two_shards_with_one_tensor_are_refused(tmp_path):
    for shard in ("a.bin", "b.bin"):
        shutil.copyfile(FILES / "odd.bin", tmp_path / shard)
    index = {"weight_map": {"x": "a.bin", "y": "b.bin"}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match="lists several files that hold git"):
        read_tensors(tmp_path)


# ---------------------------------------------------------------- numbers that are none


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_is_named(tmp_path, bad):
    broken = np.array(TRUE["output.bias"])
    broken[3] = bad
    save_file(TRUE | {"output.bias": broken}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"output\.bias has 1 numbers that are not finite"):
        read_tensors(tmp_path)


def test_a_half_that_overflowed_is_named(tmp_path):
    name = "git.embeddings.word_embeddings.weight"
    halves = {n: a.astype(np.float16) for n, a in TRUE.items()}
    halves[name][2, 3] = np.inf
    save_file(halves, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=f"{name} has 1 numbers that are not finite"):
        read_tensors(tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("git.encoder.layer.1.output.dense.weight", "params.text.blocks.1.mlp.down.weight"),
        ("git.visual_projection.visual_projection.0.weight", "params.text.projection.weight"),
    ],
)
def test_a_mapped_matrix_that_is_not_finite_is_named_at_the_first_word(tmp_path, name, said):
    shutil.copyfile(FILES / "bin" / "config.json", tmp_path / "config.json")
    broken = np.array(TRUE[name])
    broken[0, 0] = np.nan
    save_file(TRUE | {name: broken}, tmp_path / "model.safetensors")
    model = numpygit.GitForCausalLM.from_pretrained(tmp_path)
    pixels = np.zeros((1, 3, 9, 9), np.float32)
    with pytest.raises(UserError, match=f"weights are damaged: {said} hold numbers that are not"):
        model.generate(pixel_values=pixels, max_length=4)


def test_pixels_that_are_not_finite_are_told(tmp_path):
    model = numpygit.GitForCausalLM.from_pretrained(FILES / "bin")
    pixels = np.full((1, 3, 9, 9), np.nan, np.float32)
    with pytest.raises(UserError, match="pixel_values, or vectors in place of words, hold"):
        model.generate(pixel_values=pixels, max_length=4)


# ---------------------------------------------------------------- no code is run


def test_no_module_can_run_a_pickle():
    """`pickle` serves for the names of its instructions: constants in capitals, nothing else."""
    for path in Path(numpygit.__file__).parent.rglob("*.py"):
        for node in nodes_of(path):
            if isinstance(node, ast.ImportFrom):
                assert node.module not in ("pickle", "_pickle", "marshal", "shelve"), path
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "pickle":
                assert node.attr.isupper(), f"{path}: pickle.{node.attr}"
            if isinstance(node, ast.Call):
                # the playground runs what a person types, in a browser, and nothing from a file
                is_editor = path.name == "code.py" and "playground" in path.parts
                forbidden = ("eval", "__import__") if is_editor else ("eval", "exec", "__import__")
                assert getattr(node.func, "id", "") not in forbidden, path
