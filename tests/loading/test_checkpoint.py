"""A name or a folder -> config and params, and what is said where that cannot be.

Checks loading/find.py, loading/names.py, loading/formats/safetensors_file.py.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import Tensors, WriteFolder
from safetensors.numpy import save_file

from numpygit import loading
from numpygit.errors import NotFoundError, UserError
from numpygit.loading.checkpoint import load
from numpygit.loading.config import GitConfig, read_config
from numpygit.loading.find import find
from numpygit.loading.formats.mapped import is_mapped
from numpygit.loading.formats.safetensors_file import read_safetensors
from numpygit.loading.names import tensor_shapes
from numpygit.model.params import Git, named_arrays

WORD_TABLE = "git.embeddings.word_embeddings.weight"
FIRST_TIME = "git.img_temperal_embedding.0"
FC1 = "git.image_encoder.vision_model.encoder.layers.1.mlp.fc1.weight"


def arrays_of(part: Any) -> list[np.ndarray]:
    """List all arrays of params, in the order of their fields."""
    return [array for _, array in named_arrays(part)]


def same_params(a: Git, b: Git) -> bool:
    pairs = zip(arrays_of(a), arrays_of(b), strict=True)
    return all(x.shape == y.shape and x.dtype == y.dtype and (x == y).all() for x, y in pairs)


def raw_file(entries: dict[str, tuple[str, tuple[int, ...], bytes]], *, spaces: int = 0) -> bytes:
    """Write the safetensors format by hand: length, JSON header, data.

    Spaces at the end of the header, which the format allows, move the data.
    """
    header, data = {}, b""
    for name, (dtype, shape, raw) in entries.items():
        header[name] = {
            "dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]
        }  # fmt: skip
        data += raw
    text = json.dumps(header).encode() + b" " * spaces
    return len(text).to_bytes(8, "little") + text + data


def float32_entries(tensors: Tensors) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {name: ("F32", a.shape, a.astype("<f4").tobytes()) for name, a in tensors.items()}


# ---------------------------------------------------------------- what loads


def test_every_tensor_comes_to_its_place(tiny_folder: Path, tiny_tensors: Tensors) -> None:
    """The places are written out here once more, by hand."""
    config, p = load(tiny_folder)
    t = tiny_tensors
    tower, decoder = "git.image_encoder.vision_model.", "git.encoder.layer.2."
    layer = f"{tower}encoder.layers.1."
    places = {
        f"{tower}embeddings.class_embedding": p.vision.class_embedding,
        f"{tower}embeddings.position_embedding.weight": p.vision.position_embedding,
        f"{tower}pre_layrnorm.bias": p.vision.pre_norm.bias,
        f"{tower}post_layernorm.weight": p.vision.post_norm.weight,
        f"{layer}self_attn.q_proj.weight": p.vision.blocks[1].attention.query.weight,
        f"{layer}self_attn.k_proj.bias": p.vision.blocks[1].attention.key.bias,
        f"{layer}self_attn.v_proj.weight": p.vision.blocks[1].attention.value.weight,
        f"{layer}self_attn.out_proj.weight": p.vision.blocks[1].attention.out.weight,
        f"{layer}layer_norm1.weight": p.vision.blocks[1].attention_norm.weight,
        f"{layer}mlp.fc1.weight": p.vision.blocks[1].mlp.up.weight,
        f"{layer}mlp.fc2.weight": p.vision.blocks[1].mlp.down.weight,
        f"{layer}layer_norm2.bias": p.vision.blocks[1].mlp_norm.bias,
        "git.visual_projection.visual_projection.0.weight": p.text.projection.weight,
        "git.visual_projection.visual_projection.1.bias": p.text.projection_norm.bias,
        WORD_TABLE: p.text.word_embedding,
        "git.embeddings.position_embeddings.weight": p.text.position_embedding,
        "git.embeddings.LayerNorm.weight": p.text.embedding_norm.weight,
        f"{decoder}attention.self.query.weight": p.text.blocks[2].attention.query.weight,
        f"{decoder}attention.self.key.weight": p.text.blocks[2].attention.key.weight,
        f"{decoder}attention.self.value.bias": p.text.blocks[2].attention.value.bias,
        f"{decoder}attention.output.dense.weight": p.text.blocks[2].attention.out.weight,
        f"{decoder}attention.output.LayerNorm.bias": p.text.blocks[2].attention_norm.bias,
        f"{decoder}intermediate.dense.weight": p.text.blocks[2].mlp.up.weight,
        f"{decoder}output.dense.weight": p.text.blocks[2].mlp.down.weight,
        f"{decoder}output.LayerNorm.weight": p.text.blocks[2].mlp_norm.weight,
        "output.weight": p.text.head.weight,
        "output.bias": p.text.head.bias,
    }
    for name, array in places.items():
        np.testing.assert_array_equal(array, t[name], err_msg=name)
    patches = t[f"{tower}embeddings.patch_embedding.weight"].reshape(12, 3 * 6 * 6)
    np.testing.assert_array_equal(p.vision.patch_embedding, patches)
    times = np.stack([t[f"git.img_temperal_embedding.{i}"].ravel() for i in range(2)])
    np.testing.assert_array_equal(p.vision.temporal_embedding, times)
    assert config.vision_config.num_patches == 9
    total = sum(array.size for array in arrays_of(p))
    assert total == sum(array.size for array in t.values())


def test_float32_is_mapped_from_the_file_and_read_only(tiny_folder: Path) -> None:
    tensors = read_safetensors(tiny_folder / "model.safetensors")
    for name, array in tensors.items():
        assert array.dtype == np.float32
        assert array.flags.aligned
        assert not array.flags.writeable, name
        assert is_mapped(array), f"{name} was copied"
    with pytest.raises(ValueError, match="read-only"):
        tensors[WORD_TABLE][0] = 0


def test_params_of_a_float32_file_are_not_copied(tiny_folder: Path) -> None:
    _, p = load(tiny_folder)
    # only the temporal embeddings are joined from several tensors
    assert not any(array.flags.writeable for array in arrays_of(p.text))
    assert not p.vision.patch_embedding.flags.writeable


def test_float16_is_widened(
    write_folder: WriteFolder, tiny_tensors: Tensors, tmp_path: Path
) -> None:
    halves = {name: array.astype(np.float16) for name, array in tiny_tensors.items()}
    write_folder(tmp_path, tensors=halves)
    tensors = read_safetensors(tmp_path / "model.safetensors")
    for name, half in halves.items():
        assert tensors[name].dtype == np.float32
        np.testing.assert_array_equal(tensors[name], half.astype(np.float32))
    load(tmp_path)


def test_bfloat16_is_widened(tmp_path: Path) -> None:
    # 1.0, -2.0, 3.140625, 2**-126, infinity, 0: sign, exponent of 8 bits, mantissa of 7
    bits = np.array([0x3F80, 0xC000, 0x4049, 0x0080, 0x7F80, 0x0000], "<u2")
    path = tmp_path / "model.safetensors"
    path.write_bytes(raw_file({"a": ("BF16", (2, 3), bits.tobytes())}))
    array = read_safetensors(path)["a"]
    assert array.dtype == np.float32
    assert array.tolist() == [[1.0, -2.0, 3.140625], [2.0**-126, float("inf"), 0.0]]


def test_a_whole_bfloat16_checkpoint_loads(tiny_folder: Path, tiny_tensors: Tensors) -> None:
    entries = {}
    for name, array in tiny_tensors.items():
        upper = (array.view(np.uint32) >> 16).astype("<u2")
        entries[name] = ("BF16", array.shape, upper.tobytes())
    (tiny_folder / "model.safetensors").write_bytes(raw_file(entries))
    _, p = load(tiny_folder)
    np.testing.assert_allclose(p.text.word_embedding, tiny_tensors[WORD_TABLE], rtol=2**-7)
    assert all(array.dtype == np.float32 for array in arrays_of(p))


@pytest.mark.parametrize("spaces", range(8))
def test_data_at_any_offset_gives_right_and_aligned_arrays(
    tiny_folder: Path, tiny_tensors: Tensors, spaces: int
) -> None:
    """The official git-base file starts its data at a place that no 4 divides."""
    path = tiny_folder / "model.safetensors"
    path.write_bytes(raw_file(float32_entries(tiny_tensors), spaces=spaces))
    tensors = read_safetensors(path)
    for name, array in tensors.items():
        assert array.flags.aligned
        assert array.ctypes.data % 4 == 0
        np.testing.assert_array_equal(array, tiny_tensors[name])


@pytest.mark.parametrize("spaces", range(2))
def test_halves_at_any_offset_give_right_and_aligned_arrays(tmp_path: Path, spaces: int) -> None:
    values = np.arange(6, dtype="<f2")
    entries = {"odd": ("F16", (6,), values.tobytes()), "brain": ("BF16", (1,), b"\x80\x3f")}
    path = tmp_path / "model.safetensors"
    path.write_bytes(raw_file(entries, spaces=spaces))
    tensors = read_safetensors(path)
    assert tensors["odd"].tolist() == [0, 1, 2, 3, 4, 5]
    assert tensors["brain"].tolist() == [1]


def test_shards_load_like_one_file(
    tiny_folder: Path, tiny_tensors: Tensors, write_folder: WriteFolder, tmp_path: Path
) -> None:
    write_shards(tiny_folder, tiny_tensors)
    whole = write_folder(tmp_path / "whole")
    assert same_params(load(tiny_folder)[1], load(whole)[1])


def write_shards(folder: Path, tensors: Tensors) -> dict[str, str]:
    """Replace the one file by two and an index."""
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    places = {}
    for number, part in ((1, names[::2]), (2, names[1::2])):
        shard = f"model-{number:05}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / shard)
        places |= dict.fromkeys(part, shard)
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return places


def test_old_buffers_are_ignored(
    write_folder: WriteFolder, tiny_tensors: Tensors, tmp_path: Path
) -> None:
    buffers = {
        "git.embeddings.position_ids": np.arange(23)[None],
        "git.image_encoder.vision_model.embeddings.position_ids": np.arange(10)[None],
    }
    old = write_folder(tmp_path / "old", tensors=tiny_tensors | buffers)
    new = write_folder(tmp_path / "new")
    assert same_params(load(old)[1], load(new)[1])


def test_both_spellings_of_the_temporal_embeddings_load(
    write_folder: WriteFolder, tiny_tensors: Tensors, tmp_path: Path
) -> None:
    renamed = {name.replace("temperal", "temporal"): a for name, a in tiny_tensors.items()}
    assert renamed.keys() != tiny_tensors.keys()
    new = write_folder(tmp_path / "new", tensors=renamed)
    old = write_folder(tmp_path / "old")
    assert same_params(load(new)[1], load(old)[1])


def test_metadata_in_the_file_does_not_matter(write_folder: WriteFolder, tmp_path: Path) -> None:
    with_note = write_folder(tmp_path / "with", metadata={"format": "pt", "made by": "hand"})
    without = write_folder(tmp_path / "without")
    assert same_params(load(with_note)[1], load(without)[1])


def test_unknown_config_keys_are_ignored(
    write_folder: WriteFolder, tiny_config: GitConfig, tmp_path: Path
) -> None:
    values = asdict(tiny_config) | {"projection_dim": 512, "_commit_hash": None, "torch_dtype": "x"}
    values["vision_config"] |= {"dropout": 0.0, "initializer_factor": 1.0}
    config = read_config(write_folder(tmp_path, config=values))
    assert asdict(config) == asdict(tiny_config)
    assert config.projection_dim == 512  # kept, but nothing looks at it


def test_a_sparse_vision_config_is_filled_with_defaults(tmp_path: Path) -> None:
    values = {"model_type": "git", "vision_config": {"image_size": 480}}
    (tmp_path / "config.json").write_text(json.dumps(values))
    config = read_config(tmp_path)
    assert config.vision_config.image_size == 480
    assert config.vision_config.patch_size == 16
    assert config.vision_config.num_patches == 900
    (tmp_path / "config.json").write_text('{"vision_config": null}')
    assert read_config(tmp_path) == GitConfig()


# Numbers of tensors and parameters of the official files, as their headers on the Hub say.
LARGE = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
         "num_attention_heads": 16, "patch_size": 14}  # fmt: skip


@pytest.mark.parametrize(
    ("vision", "frames", "tensors", "parameters"),
    [
        ({}, None, 305, 176_619_066),
        ({"image_size": 480}, None, 305, 177_159_738),
        ({}, 6, 311, 176_623_674),
        (LARGE, None, 497, 394_196_026),
        (LARGE | {"image_size": 420}, None, 497, 394_855_482),
        (LARGE, 6, 503, 394_202_170),
    ],
)
def test_sizes_of_the_official_variants(
    vision: dict, frames: int | None, tensors: int, parameters: int
) -> None:
    values = {"vision_config": vision, "num_image_with_embedding": frames}
    shapes = tensor_shapes(GitConfig.from_dict(values))
    assert len(shapes) == tensors
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == parameters


# ---------------------------------------------------------------- what does not fit


def test_a_missing_tensor_is_named(
    write_folder: WriteFolder, tiny_tensors: Tensors, tmp_path: Path
) -> None:
    rest = {name: array for name, array in tiny_tensors.items() if name != WORD_TABLE}
    folder = write_folder(tmp_path, tensors=rest)
    with pytest.raises(UserError) as caught:
        load(folder)
    file = folder / "model.safetensors"
    assert str(caught.value) == f"{file} does not fit its config.json: missing {WORD_TABLE}"


def test_a_misspelt_tensor_is_named_with_the_right_name(
    write_folder: WriteFolder, tiny_tensors: Tensors, tmp_path: Path
) -> None:
    misspelt = FC1.replace("mlp.fc1", "mpl.fc1")
    changed = {misspelt if name == FC1 else name: array for name, array in tiny_tensors.items()}
    with pytest.raises(UserError) as caught:
        load(write_folder(tmp_path, tensors=changed))
    assert f"missing {FC1} (the file has {misspelt})" in str(caught.value)
    assert f"unknown {misspelt} (expected is {FC1})" in str(caught.value)


def test_an_unknown_tensor_is_named(
    write_folder: WriteFolder, tiny_tensors: Tensors, tmp_path: Path
) -> None:
    more = tiny_tensors | {"pooler.dense.weight": np.zeros((3, 3), np.float32)}
    with pytest.raises(UserError, match=r"json: unknown pooler\.dense\.weight$"):
        load(write_folder(tmp_path, tensors=more))


@pytest.mark.parametrize(
    ("change", "found"),
    [(lambda a: a.T.copy(), "(12, 26)"), (lambda a: a[1:].copy(), "(25, 12)"),
     (lambda a: a[None], "(1, 26, 12)")],
)  # fmt: skip
def test_a_misshapen_tensor_is_named_with_both_shapes(
    write_folder: WriteFolder, tiny_tensors: Tensors, tmp_path: Path, change: Any, found: str
) -> None:
    changed = tiny_tensors | {FC1: change(tiny_tensors[FC1])}
    with pytest.raises(UserError) as caught:
        load(write_folder(tmp_path, tensors=changed))
    assert f"{FC1} has shape {found}, its config says (26, 12)" in str(caught.value)


def test_a_checkpoint_of_something_else_is_told_in_a_few_lines(
    write_folder: WriteFolder, tiny_tensors: Tensors, tmp_path: Path
) -> None:
    other = {f"other.{name}": array for name, array in tiny_tensors.items()}
    with pytest.raises(UserError) as caught:
        load(write_folder(tmp_path, tensors=other))
    assert str(caught.value).count(";") == 5
    assert str(caught.value).endswith(f"and {2 * len(other) - 5} more")
    assert len(str(caught.value)) < 1000


def test_frames_that_the_config_does_not_know_are_named(
    write_folder: WriteFolder, tiny_config: GitConfig, tmp_path: Path
) -> None:
    values = asdict(tiny_config) | {"num_image_with_embedding": None}
    with pytest.raises(UserError, match=f"unknown {FIRST_TIME}"):
        load(write_folder(tmp_path, config=values))


@pytest.mark.parametrize("share", [0.0, 1e-5, 0.001, 0.05, 0.2, 0.5, 0.9, 0.999999])
def test_a_file_cut_short_is_refused(tiny_folder: Path, share: float) -> None:
    path = tiny_folder / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match=r"model\.safetensors is damaged or cut short"):
        load(tiny_folder)


@pytest.mark.parametrize(
    "content",
    [
        b"version https://git-lfs.github.com/spec/v1\noid sha256:123\nsize 706526022\n",
        b"<!DOCTYPE html><html><body>Not found</body></html>",
        b"\xff" * 8 + b"{}",
        (10**12).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (3).to_bytes(8, "little") + b"\xff\xff\xff",
    ],
)
def test_a_file_that_is_no_safetensors_is_refused(tiny_folder: Path, content: bytes) -> None:
    (tiny_folder / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors is damaged or cut short"):
        load(tiny_folder)


@pytest.mark.parametrize("offsets", [[0, 4], [0, 400], [-8, 0], [8, 0], [4, 12], [2**63, 2**63]])
def test_a_header_that_points_elsewhere_is_refused(tmp_path: Path, offsets: list[int]) -> None:
    header = {"a": {"dtype": "F32", "shape": [2], "data_offsets": offsets}}
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    with pytest.raises(UserError, match="damaged or cut short"):
        read_safetensors(path)


@pytest.mark.parametrize(("dtype", "size"), [("I64", 8), ("I32", 4), ("U8", 1), ("BOOL", 1)])
def test_other_dtypes_are_refused_by_name(
    tiny_folder: Path, tiny_tensors: Tensors, dtype: str, size: int
) -> None:
    entries = float32_entries(tiny_tensors)
    entries[FC1] = (dtype, (26, 12), bytes(26 * 12 * size))
    (tiny_folder / "model.safetensors").write_bytes(raw_file(entries))
    with pytest.raises(UserError, match=f"{FC1} has dtype {dtype}; expected one of F32, F16, BF16"):
        load(tiny_folder)


@pytest.mark.parametrize("place", ["model-00003.safetensors", "../elsewhere.safetensors", "", "."])
def test_an_index_may_only_name_files_of_its_folder(
    tiny_folder: Path, tiny_tensors: Tensors, place: str
) -> None:
    shutil.copy(tiny_folder / "model.safetensors", tiny_folder.parent / "elsewhere.safetensors")
    places = write_shards(tiny_folder, tiny_tensors)
    index = {"weight_map": places | {FC1: place}}
    (tiny_folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(NotFoundError, match=f"index.json lists {place!r}, which is not in"):
        load(tiny_folder)


def test_an_index_may_not_name_an_absolute_path(tiny_folder: Path, tiny_tensors: Tensors) -> None:
    outside = tiny_folder.parent / "elsewhere.safetensors"
    shutil.copy(tiny_folder / "model.safetensors", outside)
    places = write_shards(tiny_folder, tiny_tensors)
    index = {"weight_map": places | {FC1: str(outside)}}
    (tiny_folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(NotFoundError, match="which is not in the folder"):
        load(tiny_folder)


@pytest.mark.parametrize("index", ["{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}'])
def test_an_index_without_a_map_is_refused(tiny_folder: Path, index: str) -> None:
    (tiny_folder / "model.safetensors").unlink()
    (tiny_folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(UserError, match="has no 'weight_map'"):
        load(tiny_folder)


def test_a_folder_without_weights_is_told(tiny_folder: Path) -> None:
    (tiny_folder / "model.safetensors").unlink()
    with pytest.raises(NotFoundError, match=r"has no model\.safetensors and no model\.safet"):
        load(tiny_folder)


# ---------------------------------------------------------------- configs


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "blip"}, "describes a 'blip' model; numpygit runs models of type 'git'"),
        ({"num_attention_heads": 3}, "hidden_size 20 is not a multiple of num_attention_heads 3"),
        ({"hidden_act": "mish"}, "hidden_act is 'mish'; the activations here are"),
        ({"position_embedding_type": "rotary"}, "expected one of absolute, relative_key"),
        ({"hidden_size": "20"}, "hidden_size is '20', expected a whole number from 1"),
        ({"hidden_size": None}, "hidden_size is None"),
        ({"vocab_size": 0}, "vocab_size is 0"),
        ({"num_hidden_layers": 1.5}, "num_hidden_layers is 1.5"),
        ({"eos_token_id": "3"}, "eos_token_id is '3', expected a whole number from 0"),
        ({"layer_norm_eps": "small"}, "layer_norm_eps is 'small', expected a number"),
        ({"vision_config": "large"}, "vision_config is 'large', expected an object"),
        ({"vision_config": {"patch_size": 0}}, "patch_size is 0"),
        ({"vision_config": {"patch_size": 300}}, "patch_size 300"),
        ({"vision_config": {"num_attention_heads": 7}}, "vision_config: hidden_size 768"),
        ({"vision_config": {"hidden_act": "mish"}}, "hidden_act is 'mish'"),
    ],
)
def test_configs_that_cannot_be_run_are_refused(
    write_folder: WriteFolder, tiny_config: GitConfig, tmp_path: Path, change: dict, said: str
) -> None:
    folder = write_folder(tmp_path, config=asdict(tiny_config) | change)
    with pytest.raises(UserError) as caught:
        load(folder)
    assert said in str(caught.value)
    assert str(folder / "config.json") in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not valid JSON"),
        (b'{"hidden_size": 20', "is not valid JSON"),
        (b"\xff\xfe{", "is not valid JSON"),
        (b"[1, 2]", "holds list, expected an object"),
        (b"null", "holds NoneType, expected an object"),
    ],
)
def test_a_config_that_is_no_object_is_refused(
    tiny_folder: Path, content: bytes, said: str
) -> None:
    (tiny_folder / "config.json").write_bytes(content)
    with pytest.raises(UserError, match=f"config.json {said}"):
        load(tiny_folder)


def test_a_folder_without_config_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"is no checkpoint folder: it has no config\.json"):
        load(tmp_path)


def test_a_config_that_is_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(UserError, match=r"config\.json cannot be read"):
        load(tmp_path)


# ---------------------------------------------------------------- names


def test_the_bundled_name_is_found() -> None:
    assert find("storybook") == Path(loading.__file__).parent.parent / "storybook" / "checkpoint"


@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_is_found(tmp_path: Path, kind: type) -> None:
    assert find(kind(tmp_path)) == tmp_path


@pytest.mark.parametrize("name", ["x" * 5000, "a/" + "b" * 5000, "a\0b", "/" + "c" * 300])
def test_names_longer_than_any_folder_are_refused_in_short(name: str) -> None:
    with pytest.raises(NotFoundError, match="unknown model") as caught:
        find(name)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "name", ["", "nothing", "a/b/c", "/a", "./a", "../a", "~/models", "a/", "storybook/"]
)
def test_names_that_can_be_nothing_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFoundError) as caught:
        find(name)
    assert repr(name) in str(caught.value)
    assert "the bundled model is 'storybook'" in str(caught.value)
