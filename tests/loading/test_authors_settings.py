"""The authors' own folders: model.pt, and their settings, built in or from a parameter.yaml.

Checks loading/authors.py, loading/formats/authors_settings.py.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import numpygit
from numpygit import UserError, loading
from numpygit.cli.commands import main
from numpygit.huggingface.processing.authors import LONGEST_EDGE, OriginalImageProcessor
from numpygit.huggingface.processing.processor import GitProcessor
from numpygit.loading.authors import check_parameters
from numpygit.loading.catalogue import config_of
from numpygit.loading.formats.authors_settings import BUILT_IN, Parameters, parameters_of
from numpygit.loading.official_models import CATALOGUE

FILES = Path(__file__).parents[2] / "golden" / "files"
TINY = Parameters("", 9, 0, 2)  # golden/files/authors
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijkl"]


def name_on_the_hub(name: str) -> str:
    return "microsoft/" + name.lower().replace("_", "-")


def drawn(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng([height, width])
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as the authors' programs leave it, and the vocabulary."""
    place = tmp_path / "output" / "MINE" / "snapshot"
    place.mkdir(parents=True)
    shutil.copyfile(FILES / "authors" / "model.pt", place / "model.pt")
    (place / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return place


# ---------------------------------------------------------------- the table


def test_every_checkpoint_of_the_hub_has_its_settings():
    hub = {name_on_the_hub(name) for name in BUILT_IN}
    only_the_authors = {"microsoft/git-base-msrvtt", "microsoft/git-large-msrvtt"}
    assert hub == {entry.name for entry in CATALOGUE} | only_the_authors


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_settings_agree_with_the_hubs_config(name):
    entries = {entry.name: entry for entry in CATALOGUE}
    entry = entries[name_on_the_hub(name.removesuffix("MSRVTT") + "MSRVTT_QA")
                    if name.endswith("MSRVTT") else name_on_the_hub(name)]  # fmt: skip
    config = config_of(entry)
    check_parameters(config, BUILT_IN[name], source=name)
    size = config.vision_config.image_size
    assert (BUILT_IN[name].test_respect_ratio_max or None) == LONGEST_EDGE.get(size)


def test_only_four_models_take_the_whole_picture():
    whole = {n: (p.test_crop_size, p.test_respect_ratio_max) for n, p in BUILT_IN.items()
             if p.test_respect_ratio_max}  # fmt: skip
    assert whole == {
        "GIT_BASE_VQAv2": (480, 640), "GIT_BASE_TEXTVQA": (480, 640),
        "GIT_LARGE_VQAv2": (420, 560), "GIT_LARGE_TEXTVQA": (420, 560),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("GIT_BASE_VQAv2", [(3, 480, 640), (3, 640, 480), (3, 320, 640), (3, 480, 480)]),
        ("GIT_LARGE_TEXTVQA", [(3, 420, 560), (3, 560, 420), (3, 280, 560), (3, 420, 420)]),
        ("GIT_LARGE_R_COCO", [(3, 224, 224)] * 4),
        ("GIT_BASE_MSRVTT_QA", [(3, 224, 224)] * 4),
    ],
)
def test_pictures_get_the_size_that_the_authors_gave_them(name, shapes):
    settings = BUILT_IN[name]
    steps = OriginalImageProcessor(settings.test_crop_size, settings.test_respect_ratio_max or None)
    sides = [(1024, 768), (768, 1024), (1024, 512), (600, 600)]
    assert [steps(Image.new("RGB", side)).shape for side in sides] == shapes


# ---------------------------------------------------------------- where they are looked up


@pytest.mark.parametrize(
    "place", ["GIT_BASE_VQAv2", "aux_data/models/GIT_BASE_VQAv2", "GIT_BASE_VQAv2/snapshot"]
)
def test_a_folder_with_the_authors_name_has_the_authors_settings(place, tmp_path):
    found = parameters_of(tmp_path / place)
    assert found == (BUILT_IN["GIT_BASE_VQAv2"], "the authors' settings of GIT_BASE_VQAv2")
    assert parameters_of(tmp_path / place / "mine") is None


def test_a_file_comes_before_what_is_built_in(tmp_path):
    place = tmp_path / "GIT_BASE" / "snapshot"
    place.mkdir(parents=True)
    (tmp_path / "GIT_BASE" / "parameter.yaml").write_text(
        '# of mine\nimage_encoder_type: "CLIPViT_L_14"\n\ntest_crop_size: 96  # small\n'
        "test_respect_ratio_max: null\nvisual_feature_size: 1024\nnum_image_with_embedding: 6\n"
    )
    found = parameters_of(place)
    assert found
    assert found == (Parameters("CLIPViT_L_14", 96, 0, 6), str(place.parent / "parameter.yaml"))
    assert parameters_of(place.parent) == found


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("test_crop_size: big", "line 1: test_crop_size is 'big', expected a whole number from 0"),
        ("test_crop_size: -4", "line 1: test_crop_size is '-4', expected a whole number"),
        ("test_crop_size: " + "9" * 5000, "test_crop_size is '9{40}', expected a whole number"),
        ("test_crop_size: 1e3", "line 1: test_crop_size is '1e3', expected a whole number"),
        ("\nnum_image_with_embedding: [6]", "line 2: num_image_with_embedding is '\\[6\\]'"),
        ("image_encoder_type: VitEmb_base32", "expected one of CLIPViT_B_16, CLIPViT_L_14"),
    ],
)
def test_a_setting_that_is_none_is_refused(line, said, tmp_path):
    (tmp_path / "parameter.yaml").write_text(line)
    with pytest.raises(UserError, match=said):
        parameters_of(tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * 100_000])
def test_a_file_that_is_no_small_text_is_refused(content, tmp_path):
    (tmp_path / "parameter.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"parameter\.yaml (cannot be read as text|has more than)"):
        parameters_of(tmp_path)


# ---------------------------------------------------------------- the whole way


@pytest.mark.parametrize("where", [".", "..", "../.."])
def test_the_settings_decide_how_pictures_are_prepared(where, folder, capsys):
    (folder / "parameter.yaml").write_text(
        "test_crop_size: 9\ntest_respect_ratio_max: 12\nnum_image_with_embedding: 2\n"
    )
    if where == "../..":
        (folder / "parameter.yaml").unlink()
    found = folder if where == "." else folder.parent
    ours = numpygit.load(found, preprocessing="original")
    assert ours.source == folder / "model.pt"
    wide = (1, 1, 3, 9, 12) if where != "../.." else (1, 1, 3, 9, 9)
    assert ours.pixels(drawn(40, 30)).shape == wide
    hub = numpygit.load(found)
    assert hub.pixels(drawn(40, 30)).shape == (1, 3, 9, 9)
    drawn(40, 30).save(folder / "picture.png")
    for mode, captioner in (("original", ours), ("hf", hub)):
        command = ["caption", "--model", str(found), "--max-length", "5", "--preprocessing", mode]
        assert main([*command, str(folder / "picture.png")]) == 0
        text = captioner.caption(folder / "picture.png", max_length=5)
        assert capsys.readouterr().out == text + "\n"


def test_the_plain_mode_is_that_of_the_hub(folder):
    clip = GitProcessor.from_folder(folder).image_processor.to_dict()  # type: ignore[union-attr]
    assert (clip["image_mean"], clip["resample"], clip["crop_size"]) == (
        [0.5] * 3, 2, {"height": 9, "width": 9})  # fmt: skip
    assert clip["size"] == {"shortest_edge": 9}
    still = replace(loading.read_config(folder), num_image_with_embedding=None)
    settings = numpygit.GitImageProcessor.from_folder(folder, still).to_dict()
    assert settings["image_mean"][0] == 0.48145466
    assert settings["resample"] == 3


def test_the_other_classes_take_such_a_folder_too(folder):
    config = json.loads((FILES / "true_authors.json").read_text())
    expected = numpygit.GitConfig.from_dict(config)
    assert numpygit.AutoConfig.from_pretrained(folder).hidden_size == expected.hidden_size
    assert numpygit.GitConfig.from_pretrained(folder.parent) == loading.read_config(folder)
    tower = numpygit.GitVisionConfig.from_pretrained(folder)
    assert tower.image_size == expected.vision_config.image_size == 9
    assert numpygit.GitVisionModel.from_pretrained(folder).config == tower


def test_settings_that_the_weights_contradict_are_told(folder, monkeypatch):
    small = folder.parent.parent / "GIT_LARGE_VQAv2"
    shutil.copytree(folder, small)
    with pytest.raises(UserError) as caught:
        numpygit.load(small)
    assert str(caught.value) == (
        f"{small / 'model.pt'} cannot be used: test_crop_size is 420 in the authors' settings of "
        "GIT_LARGE_VQAv2, and 9 in the file of weights"
    )
    monkeypatch.setitem(BUILT_IN, "GIT_LARGE_VQAv2", replace(TINY, test_crop_size=9))
    assert numpygit.load(small).source == small / "model.pt"
    frames = replace(TINY, num_image_with_embedding=6)
    with pytest.raises(UserError, match="num_image_with_embedding is 6 in x, and 2 in the file"):
        check_parameters(loading.read_config(folder), frames, source="x")
    encoder = replace(TINY, image_encoder_type="CLIPViT_B_16")
    with pytest.raises(UserError, match=r"is \(768, 16\) in x, and \(64, 3\) in the file"):
        check_parameters(loading.read_config(folder), encoder, source="x")


def test_a_missing_vocabulary_is_told(folder):
    (folder / "vocab.txt").unlink()
    with pytest.raises(UserError, match=r"bert-base-uncased: put its vocab\.txt there"):
        numpygit.load(folder)
