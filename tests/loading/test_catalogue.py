"""The table of the official checkpoints, `numpygit models`, and names that are nearly right.

Checks loading/official_models.py.
"""

import json
import math
from pathlib import Path

import pytest
from huggingface_hub import constants

from numpygit import NotFoundError, loading
from numpygit.cli.commands import main
from numpygit.loading.catalogue import config_of, describe, is_cached, parameters, table
from numpygit.loading.names import tensor_shapes
from numpygit.loading.official_models import CATALOGUE, nearest

BY_NAME = {entry.name: entry for entry in CATALOGUE}
GEOMETRIES = json.loads((Path(__file__).parents[2] / "golden" / "geometries.json").read_text())


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def test_there_are_seventeen():
    assert len(BY_NAME) == len(CATALOGUE) == 17
    assert all(name.startswith("microsoft/git-") for name in BY_NAME)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_parameters_are_those_of_the_tensors(entry):
    shapes = tensor_shapes(config_of(entry))
    assert sum(math.prod(shape) for shape in shapes.values()) == parameters(entry)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_sizes_follow_the_names_as_in_the_official_conversion(entry):
    # transformers 4.37.2, convert_git_to_pytorch.py, get_git_config
    large, asks = "large" in entry.name, "vqa" in entry.name
    clip = "vatex" in entry.name or "msrvtt" in entry.name
    vision = config_of(entry).vision_config
    assert vision.image_size == ((420 if large else 480) if asks else 224)
    assert vision.patch_size == (14 if large else 16)
    assert (vision.hidden_size, vision.num_hidden_layers) == ((1024, 24) if large else (768, 12))
    assert (vision.intermediate_size, vision.num_attention_heads) == (
        (4096, 16) if large else (3072, 12)
    )
    assert config_of(entry).num_image_with_embedding == (6 if clip else None)


def test_the_sizes_are_the_six_of_the_goldens():
    from numpygit import GitConfig

    sizes = [GitConfig.from_dict(changes) for changes in GEOMETRIES.values()]
    used = [config_of(entry) for entry in CATALOGUE]
    assert all(config in sizes for config in used)
    assert all(config in used for config in sizes)


def test_the_authors_numbers():
    numbers = {name: entry.metric.rpartition(" ")[2] for name, entry in BY_NAME.items()}
    expected = {
        "base-coco": "131.4", "base-textcaps": "64.9", "base-vqav2": "72.72",
        "base-textvqa": "18.81", "base-vatex": "60.0", "base-msrvtt-qa": "41.0",
        "large-coco": "138.5", "large-textcaps": "106.3", "large-vqav2": "75.51",
        "large-textvqa": "37.47", "large-vatex": "72.5", "large-msrvtt-qa": "42.7",
        "large-r-coco": "137.6", "large-r-textcaps": "105.3",
    }  # fmt: skip
    for name, number in expected.items():
        assert numbers[f"microsoft/git-{name}"] == number


def test_a_download_is_about_as_large_as_the_published_file():
    row = describe(BY_NAME["microsoft/git-base"])
    published = 706_526_022  # git-base's model.safetensors
    assert 0 < published - row["download_bytes"] < 60_000
    assert row["cached"] is False


def test_the_lines_of_the_command(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "name", "task", "picture", "width", "frames", "parameters", "download", "reported",
        "cached",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[1:18]] == list(BY_NAME)
    large = next(line for line in lines if "git-large-vqav2" in line)
    assert large.split("  ")[-1] == "no"
    for cell in ("420/14", "1024+768", "395M", "1579 MB", "VQAv2 test-dev 75.51"):
        assert cell in large
    assert "MIT" in lines[-1]
    assert max(map(len, lines)) < 150


def test_the_command_in_json(capsys):
    assert main(["models", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows] == list(BY_NAME)
    vatex = rows[list(BY_NAME).index("microsoft/git-large-vatex")]
    assert (vatex["frames"], vatex["parameters"]) == (6, 394_202_170)
    assert vatex["licence"] == "MIT"


def put_into_cache(cache: Path, name: str, file: str, revision: str) -> None:
    """Lay a file where the Hub's cache keeps it."""
    repository = cache / f"models--{name.replace('/', '--')}"
    (repository / "refs" / revision).parent.mkdir(parents=True)
    (repository / "refs" / revision).write_text("c0ffee")
    (repository / "snapshots" / "c0ffee").mkdir(parents=True)
    (repository / "snapshots" / "c0ffee" / file).write_bytes(b"weights")


@pytest.mark.parametrize(
    ("file", "revision", "expected"),
    [
        ("model.safetensors", "main", True),
        ("pytorch_model.bin", "main", True),
        ("model.safetensors", "refs/pr/1", True),
        ("config.json", "main", False),
        ("model.safetensors", "refs/pr/2", False),
    ],
)
def test_what_is_in_the_cache_is_seen(cache, file, revision, expected):
    name = "microsoft/git-base-coco"
    put_into_cache(cache, name, file, revision)
    assert is_cached(name) is expected
    assert not is_cached("microsoft/git-base")
    line = next(line for line in table().splitlines() if f"{name} " in line)
    assert line.split()[-1] == ("yes" if expected else "no")


def test_a_narrow_terminal_gets_two_lines_a_checkpoint():
    narrow = table(columns=80).splitlines()
    assert max(map(len, narrow)) <= 80
    for entry in CATALOGUE:
        at = next(i for i, line in enumerate(narrow) if line.split()[:1] == [entry.name])
        assert entry.task in narrow[at]
        assert entry.metric in narrow[at + 1]
        assert f"{parameters(entry) / 1e6:.0f}M parameters" in narrow[at + 1]
    assert table(columns=200) == table()


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("microsoft/git-base-cocoo", "microsoft/git-base-coco"),
        ("git-base-coco", "microsoft/git-base-coco"),
        ("mircosoft/git-large-coco", "microsoft/git-large-coco"),
        ("Microsoft/GIT-base-vqav2", "microsoft/git-base-vqav2"),
        ("microsoft/git-base-msrvtt", "microsoft/git-base-msrvtt-qa"),
        ("microsoft/git-large-r-textcap", "microsoft/git-large-r-textcaps"),
    ],
)
def test_the_nearest_names_are_suggested(name, suggested):
    hint = nearest(name)
    assert hint.startswith(f"; did you mean {suggested}")
    with pytest.raises(NotFoundError) as caught:
        loading.find(name, local_files_only=True)
    assert str(caught.value).endswith(hint)


@pytest.mark.parametrize(
    "name", ["microsoft/git-base", "somebody/git-base-cocoo", "microsoft/phi-2", "", "gpt2"]
)
def test_other_names_get_no_suggestion(name):
    assert nearest(name) == ""
