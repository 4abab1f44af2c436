"""One table of types and ranges: every field of every JSON file, and what becomes of odd values.

Checks huggingface/processing/texts/tokenizer_json.py, loading/formats/small_files.py,
loading/fields/check.py, loading/fields/kinds.py, loading/fields/tables.py.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from dataclasses import fields as fields_of
from pathlib import Path

import fuzz_settings
import numpy as np
import pytest
from examples import examples
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

import numpygit
from numpygit.decoding.options import GenerationConfig
from numpygit.errors import UserError
from numpygit.fast import memory
from numpygit.huggingface.processing.picture_steps import SETTINGS
from numpygit.huggingface.processing.texts.tokenizer_json import read_tokenizer_file
from numpygit.loading import fields
from numpygit.loading.config import GitConfig, GitVisionConfig
from numpygit.loading.fields import checked
from numpygit.loading.formats import read_tensors
from numpygit.loading.formats.pickled import Machine
from numpygit.loading.formats.small_files import read_json
from numpygit.loading.names import tensor_shapes

TABLES = {
    "config.json": fields.CONFIG,
    "preprocessor_config.json": fields.PREPROCESSOR,
    "generation_config.json": fields.GENERATION,
    "tokenizer_config.json": fields.TOKENIZER,
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fields") / "tiny"
    fuzz_settings.write(folder, fuzz_settings.checkpoint(folder))
    return folder


def changed(tiny: Path, tmp_path: Path, file: str, **values: object) -> Path:
    folder = tmp_path / "changed"
    shutil.copytree(tiny, folder, dirs_exist_ok=True)
    before = json.loads((folder / file).read_text(encoding="utf-8"))
    (folder / file).write_text(json.dumps({**before, **values}), encoding="utf-8")
    return folder


# ---------------------------------------------------------------- the tables


def test_every_setting_has_a_line_in_its_table() -> None:
    assert {field.name for field in fields_of(GitConfig)} <= set(fields.CONFIG)
    assert {field.name for field in fields_of(GitVisionConfig)} <= set(fields.VISION)
    assert {field.name for field in fields_of(GenerationConfig)} <= set(fields.GENERATION)
    assert set(fields.PREPROCESSOR) >= SETTINGS


@pytest.mark.parametrize("file", TABLES)
@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 10**400, -(10**400), "\ud800"], ids=lambda v: str(v)[:9]
)
def test_what_no_field_can_be_is_refused_in_all_of_them(file: str, value: object) -> None:
    for name in TABLES[file]:
        with pytest.raises(UserError, match=f"{file}.*{name}") as caught:
            checked({name: value}, TABLES[file], where=file)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("table", [*TABLES.values(), fields.VISION])
def test_whole_numbers_may_be_written_with_a_point_but_not_as_text(table: fields.Table) -> None:
    whole = {name: kind for name, kind in table.items() if isinstance(kind, fields.Whole)}
    for name, kind in whole.items():
        number = max(kind.low, 4) if kind.high >= 4 else kind.high
        taken = checked({name: float(number)}, table)[name]
        assert taken == number
        assert type(taken) is int
        for value in (str(number), number + 0.5, True, None, [number]):
            with pytest.raises(UserError, match=f"^{name} is"):
                checked({name: value}, table)


@pytest.mark.parametrize("table", [*TABLES.values(), fields.VISION])
def test_flags_are_true_or_false(table: fields.Table) -> None:
    for name in [name for name, kind in table.items() if isinstance(kind, fields.Flag)]:
        for value in ("no", "false", 0, 1, 1.0, []):
            with pytest.raises(UserError, match=f"^{name} is .*, expected true or false"):
                checked({name: value}, table)


@pytest.mark.parametrize("file", TABLES)
@pytest.mark.parametrize("name", ["self", "cls", "__dict__", "__class__", ""])
def test_names_that_are_pythons_own_are_refused(
    file: str, name: str, tiny: Path, tmp_path: Path
) -> None:
    folder = changed(tiny, tmp_path, file, **{name: {}})
    with pytest.raises(UserError, match=rf"{file}.*cannot be the name of a setting"):
        numpygit.load(folder)


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("config.json", {"num_hidden_layers": 10**5}, "num_hidden_layers is 100000, expected"),
        ("config.json", {"vision_config": {"num_hidden_layers": 999}}, "vision_config: num_hidden"),
        ("config.json", {"num_attention_heads": 10**9}, "num_attention_heads is"),
        ("config.json", {"vocab_size": 10**9}, "vocab_size is"),
        ("config.json", {"max_position_embeddings": 10**12}, "max_position_embeddings is"),
        ("config.json", {"num_image_with_embedding": 10**6}, "num_image_with_embedding is"),
        ("config.json", {"vision_config": {"image_size": 4096, "patch_size": 1}}, "patches"),
        ("config.json", {"layer_norm_eps": float("inf")}, "layer_norm_eps is inf"),
        ("config.json", {"hidden_act": [1]}, r"hidden_act is \[1\], expected a text"),
        ("preprocessor_config.json", {"crop_size": 20_000}, "crop_size is 20000"),
        ("preprocessor_config.json", {"crop_size": 300}, "300x300, and the model takes 27x27"),
        ("preprocessor_config.json", {"size": {"shortest_edge": 10**6}}, "size is"),
        ("preprocessor_config.json", {"image_mean": [0, 0]}, "image_mean is"),
        ("preprocessor_config.json", {"image_std": [0, 1, 1]}, "image_std is"),
        ("preprocessor_config.json", {"do_resize": "no"}, "do_resize is 'no'"),
        ("generation_config.json", {"num_beams": 10**6}, "num_beams is 1000000"),
        ("generation_config.json", {"num_return_sequences": 10**6}, "num_return_sequences is"),
        ("generation_config.json", {"temperature": float("inf")}, "temperature is inf"),
        ("tokenizer_config.json", {"model_max_length": "x"}, "model_max_length is 'x'"),
        ("tokenizer_config.json", {"padding_side": 5}, "padding_side is 5, expected one of"),
        ("tokenizer_config.json", {"do_lower_case": "no"}, "do_lower_case is 'no'"),
    ],
)
def test_numbers_are_bounded_before_any_work(
    file: str, values: dict, message: str, tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        numpygit.load(changed(tiny, tmp_path, file, **values)).caption(np.zeros((9, 9), np.uint8))
    assert file in str(caught.value)


@pytest.mark.slow
@examples(40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_value_in_any_field_ends_in_a_caption_or_a_sentence(data, tiny, tmp_path) -> None:
    file = data.draw(st.sampled_from(sorted(TABLES)))
    name = data.draw(st.sampled_from(sorted(TABLES[file])))
    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    nested = st.recursive(
        plain,
        lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=5), v),
        max_leaves=8,
    )
    folder = changed(tiny, tmp_path, file, **{name: data.draw(nested)})
    assert fuzz_settings.use(folder) in ("used", "refused")


def test_a_part_of_the_fuzzer_runs_here() -> None:
    ends, _ = fuzz_settings.run(60, seed=3)
    assert set(ends) <= {"used", "refused"}
    assert ends["used"] > 0
    assert ends["refused"] > 0


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("file", [*TABLES, "tokenizer.json", "vocab.txt"])
def test_a_byte_order_mark_is_no_part_of_a_file(file: str, tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "marked"
    shutil.copytree(tiny, folder)
    if file == "vocab.txt":
        (folder / "tokenizer.json").unlink()
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(b"\xef\xbb\xbf" + content)
    assert fuzz_settings.use(folder) == "used"


@pytest.mark.parametrize("file", [*TABLES, "tokenizer.json", "vocab.txt", "model.safetensors"])
def test_a_pointer_of_git_lfs_is_named(file: str, tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pointers"
    shutil.copytree(tiny, folder)
    if file == "vocab.txt":
        (folder / "tokenizer.json").unlink()
    (folder / file).write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    )
    with pytest.raises(UserError, match=rf"{file}.*git lfs pull"):
        numpygit.load(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
@pytest.mark.parametrize("file", [*TABLES, "tokenizer.json", "vocab.txt"])
def test_pipes_are_not_read(file: str, tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pipes"
    shutil.copytree(tiny, folder)
    if file == "vocab.txt":
        (folder / "tokenizer.json").unlink()
    (folder / file).unlink()
    os.mkfifo(folder / file)
    with pytest.raises(UserError, match=rf"{file} is a pipe"):
        numpygit.load(folder)


def test_deep_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    for deep in (40, 900, 100_000):
        path.write_text('{"a": ' + "[" * deep + "]" * deep + "}", encoding="utf-8")
        with pytest.raises(UserError, match=r"deep in each other|not valid JSON"):
            read_json(path)


# ---------------------------------------------------------------- tensors


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "_orig_mod.module."])
def test_a_prefix_of_all_names_is_taken_away(prefix: str, tiny: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = tmp_path / "prefixed"
    shutil.copytree(tiny, folder)
    tensors = load_file(folder / "model.safetensors")
    save_file({prefix + n: a for n, a in tensors.items()}, folder / "model.safetensors")
    assert fuzz_settings.use(folder) == "used"
    assert read_tensors(folder).keys() == tensors.keys()


def test_looking_reads_names_and_shapes_and_no_numbers(tiny: Path) -> None:
    look, tensors = read_tensors(tiny, look_only=True), read_tensors(tiny)
    assert {n: (a.shape, a.dtype) for n, a in look.items()} == {
        n: (a.shape, a.dtype) for n, a in tensors.items()
    }
    assert all(a.strides == (0,) * a.ndim for a in look.values())


SPARSE = """
import sys
import numpygit
try:
    numpygit.load(sys.argv[1])
except numpygit.UserError as error:
    print(error)
peak = next(l for l in open("/proc/self/status") if l.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_a_sparse_file_with_an_unknown_tensor_costs_nothing(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sparse"
    shutil.copytree(tiny, folder)
    path = folder / "model.safetensors"
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    end = len(data) + 3 * 2**30
    header["unknown"] = {"dtype": "F16", "shape": [3 * 2**29], "data_offsets": [len(data), end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + data)
        file.truncate(8 + len(text) + end)
    told, peak = subprocess.run(
        [sys.executable, "-c", SPARSE, folder], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(numpygit.__file__).parents[1])},
    ).stdout.splitlines()  # fmt: skip
    assert "unknown" in told
    assert int(peak) < 300


def write_sparse(folder: Path, config: GitConfig, dtype: str) -> None:
    """Write a model of zeros that fits its config and takes no room on the disk."""
    bytes_each, end, header = {"F16": 2, "F32": 4}[dtype], 0, {}
    for name, shape in tensor_shapes(config).items():
        size = math.prod(shape) * bytes_each
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
@pytest.mark.parametrize("dtype", ["F16", "F32"])
def test_a_file_that_fits_its_config_and_no_memory_costs_nothing(
    dtype: str, tiny: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sparse"
    shutil.copytree(tiny, folder)
    config = GitConfig.from_pretrained(tiny)
    width = 8192
    layers = 2 + 2 * (memory.machine_memory() or 0) // (4 * 12 * width * width)  # twice too much
    if layers > 256:
        pytest.skip("no config describes a model too large for this machine")
    config = config.changed({"hidden_size": width, "intermediate_size": 4 * width,
                             "num_attention_heads": 64, "num_hidden_layers": layers})  # fmt: skip
    config.to_json_file(folder / "config.json")
    write_sparse(folder, config, dtype)
    told, peak = subprocess.run(
        [sys.executable, "-c", SPARSE, folder], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(numpygit.__file__).parents[1])},
    ).stdout.splitlines()  # fmt: skip
    assert told.startswith(str(folder / "model.safetensors"))
    assert "MB of parameters as float32, and this process may have" in told
    assert int(peak) < 300


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="`ulimit -v` holds on Linux")
def test_memory_that_is_refused_ends_in_a_sentence(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sparse"
    shutil.copytree(tiny, folder)
    config = GitConfig.from_pretrained(tiny).changed({"vocab_size": 1_000_000})
    config.to_json_file(folder / "config.json")
    write_sparse(folder, config, "F16")  # 240 MB as float32
    program = f"""
import resource, sys
import numpygit.captioner
from numpygit.fast import memory
memory.memory_limit = memory.memory_free = lambda: None
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 200_000_000, -1))
{SPARSE}
"""
    told, _ = subprocess.run(
        [sys.executable, "-c", program, folder], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(numpygit.__file__).parents[1])},
    ).stdout.splitlines()  # fmt: skip
    assert "its numbers do not fit the memory" in told or "cannot be read: Cannot allocate" in told


# ---------------------------------------------------------------- pickles


def copies_of_a_long_list(count: int) -> bytes:
    """A pickle of 254 thousand bytes whose few calls copy one long list over and over."""
    code = pickle.PROTO + b"\2ccollections\nOrderedDict\nq\1" + pickle.EMPTY_LIST + pickle.MARK
    for i in range(8000):
        code += b"M" + i.to_bytes(2, "little") + b"N" + pickle.TUPLE2
    code += pickle.APPENDS + pickle.TUPLE1 + b"q\2" + pickle.MARK
    return code + b"h\1h\2R" * count + pickle.TUPLE + pickle.STOP


@pytest.mark.slow
def test_copying_counts_as_work() -> None:
    assert len(Machine(copies_of_a_long_list(5)).run()) == 5
    with pytest.raises(UserError, match="copies more than"):
        Machine(copies_of_a_long_list(20_000)).run()


def test_texts_count_by_the_memory_they_take() -> None:
    text = ("a" * 9000 + "\U0001f600").encode()  # four bytes a letter in memory
    code = b"X" + len(text).to_bytes(4, "little") + text
    with pytest.raises(UserError, match="texts of more than"):
        Machine(b"\x80\2" + code * 2000 + b".").run()


def test_a_tensor_of_many_axes_is_refused_before_they_are_looked_at(tmp_path: Path) -> None:
    code = b"\x80\2" + b"(" + b"K\1" * 50_000 + b"tq\1"
    call = b"ctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
    call += b"0X\3\0\0\0cpuK\1tQK\0h\1h\1tR"
    with zipfile.ZipFile(tmp_path / "pytorch_model.bin", "w") as archive:
        archive.writestr("a/data.pkl", code + call + b".")
        archive.writestr("a/data/0", bytes(4))
    with pytest.raises(UserError, match="axes"):
        read_tensors(tmp_path)


# ---------------------------------------------------------------- tokenizer.json


def test_a_tokenizer_file_keeps_what_bert_has(tiny: Path) -> None:
    kept = read_tokenizer_file(tiny / "tokenizer.json")
    assert kept["model"]["type"] == "WordPiece"
    assert kept["normalizer"]["type"] == "BertNormalizer"
    assert kept["post_processor"] is None
    assert kept["padding"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AA"}}, "Precompiled"),
        ({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a+)+$"}}}, "Split"),
        ({"model": {"type": "BPE", "vocab": {}, "merges": []}}, "BPE.*expected WordPiece"),
        ({"model": {"type": "WordPiece", "vocab": {"[UNK]": 10**9}}}, "is 1000000000"),
        ({"model": {"type": "WordPiece", "vocab": {"a": 0}}}, "lacks the unk_token"),
        ({"model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "a": 0}}}, "same id"),
        ({"model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "a" * 9999: 1}}}, "9999 letters"),
        ({"added_tokens": [{"id": 0, "content": ""}]}, "is empty"),
        ({"added_tokens": [{"id": -1, "content": "a"}]}, "id is -1"),
        ({"added_tokens": 5}, "no list"),
        ({"decoder": {"type": "ByteFallback"}}, "ByteFallback"),
        ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}] * 99}}, "at most"),
        ({"normalizer": {"type": "BertNormalizer", "lowercase": "no"}}, "lowercase is 'no'"),
    ],
)
def test_other_components_are_not_handed_on(
    change: dict, message: str, tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        numpygit.load(changed(tiny, tmp_path, "tokenizer.json", **change))
    assert "tokenizer.json" in str(caught.value)


def test_a_panic_of_the_package_ends_in_a_sentence(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tokenizers

    class PanicException(BaseException):
        """What a panic of Rust becomes in Python."""

    class Panics:
        @staticmethod
        def from_str(text: str) -> None:
            raise PanicException("called `Option::unwrap()` on a `None` value")

    monkeypatch.setattr(tokenizers, "Tokenizer", Panics)
    with pytest.raises(UserError, match=r"tokenizer\.json is not a tokenizer file: called"):
        numpygit.load(tiny)


def test_the_order_of_fields_does_not_matter_to_values() -> None:
    values = {"hidden_size": 8.0, "mine": [1], "vision_config": {"patch_size": 2.0}}
    found = checked(values, fields.CONFIG)
    assert found == {"hidden_size": 8, "mine": [1], "vision_config": {"patch_size": 2}}
    assert isinstance(found["vision_config"]["patch_size"], int)
    assert np.ndim(found["hidden_size"]) == 0


@pytest.mark.parametrize("name", ["generator", "seed", "num_beams", "bad_words_ids", "max_length"])
def test_a_long_value_is_cut_in_the_message(name: str, tiny: Path, tmp_path: Path) -> None:
    folder = changed(tiny, tmp_path, "generation_config.json", **{name: [[0.5]] * 5000})
    with pytest.raises(UserError) as raised:
        numpygit.load(folder)
    assert name in str(raised.value)
    assert len(str(raised.value)) < 500 + len(str(folder))
