"""Infinities and NaN in weights end in one clear error wherever words or numbers would come out.

Vectors are looked at when a file is read; matrices that are mapped only when they have spoilt a
result, since looking at them would read the whole file.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import numpygit
from numpygit import GitForCausalLM, GitModel, GitVisionModel, UserError
from numpygit.captioner import answers, captions, classify
from numpygit.cli.commands import main
from numpygit.loading.config import GitConfig

BAD = [np.nan, np.inf, -np.inf]
SAID = "the weights are damaged: params.* numbers that are not finite"
TOWER = "git.image_encoder.vision_model."
LAYER = "git.encoder.layer.1."
ONE_OF_EACH = [
    f"{TOWER}embeddings.patch_embedding.weight",
    f"{TOWER}encoder.layers.0.mlp.fc1.weight",
    "git.visual_projection.visual_projection.0.weight",
    f"{LAYER}attention.self.key.weight",
    "output.weight",
]


@pytest.fixture
def damaged(
    write_folder: Callable[..., Path], tiny_tensors: dict[str, np.ndarray], tmp_path: Path
) -> Callable[[str, float], Path]:
    """Get a function that writes a checkpoint with one bad number in one tensor."""

    def write(name: str, bad: float) -> Path:
        broken = np.array(tiny_tensors[name])
        row = 2 if name.endswith("word_embeddings.weight") else 0  # that of the start token
        broken.reshape(len(broken), -1)[row, 0] = bad
        return write_folder(tmp_path / "damaged", tensors=tiny_tensors | {name: broken})

    return write


@pytest.fixture
def clip(tiny_config: GitConfig) -> np.ndarray:
    size = tiny_config.vision_config.image_size
    return np.random.default_rng(1).standard_normal((1, 2, 3, size, size), np.float32)


@pytest.fixture
def picture(tmp_path: Path) -> str:
    Image.new("RGB", (20, 20), (200, 30, 90)).save(tmp_path / "picture.png")
    return str(tmp_path / "picture.png")


@pytest.mark.slow
@pytest.mark.parametrize("bad", BAD)
def test_wherever_the_bad_number_is_the_model_says_so(bad, damaged, tiny_tensors, clip):
    """Every tensor in turn: loading it, running it and generating with it."""
    words = np.array([[2, 7, 9]])
    at_loading = 0
    for name, tensor in tiny_tensors.items():
        folder = damaged(name, bad)
        if tensor.ndim == 1:
            at_loading += 1
            with pytest.raises(UserError, match=f"{name} has 1 numbers that are not finite"):
                GitForCausalLM.from_pretrained(folder)
            continue
        model = GitForCausalLM.from_pretrained(folder)
        for use in (
            lambda model=model: model(words, pixel_values=clip),
            lambda model=model: model.logits(words, clip),
            lambda model=model: model.generate(pixel_values=clip, max_length=5),
            lambda model=model: model.generate(pixel_values=clip, max_length=5, num_beams=3),
            lambda model=model: list(model.steps(clip, max_length=5)),
        ):
            with np.errstate(all="ignore"), pytest.raises(UserError, match=SAID):
                use()
    assert 30 < at_loading < len(tiny_tensors) - 20


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_the_models_without_a_head_say_so_too(name, bad, damaged, clip):
    folder = damaged(name, bad)
    if name != "output.weight":
        with np.errstate(all="ignore"), pytest.raises(UserError, match=SAID):
            GitModel.from_pretrained(folder)(np.array([[2, 7]]), pixel_values=clip)
    if name.startswith(TOWER):
        with np.errstate(all="ignore"), pytest.raises(UserError, match=SAID):
            GitVisionModel.from_pretrained(folder)(clip[0])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "bad", [pytest.param(bad, marks=pytest.mark.slow if bad == bad else ()) for bad in BAD]
)
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_the_commands_print_one_line_and_no_words(name, bad, damaged, picture, tmp_path, capsys):
    folder = str(damaged(name, bad))
    labels = tmp_path / "labels.txt"
    labels.write_text("red\nblue\n")
    for command in (
        ["caption", picture],
        ["caption", "--preprocessing", "original", picture],
        ["caption", "--json", picture],
        ["caption", str(tmp_path), "--output", str(tmp_path / "captions.jsonl")],
        ["answer", picture, "red ?"],
        ["classify", picture, "--labels", str(labels)],
    ):
        assert main([*command, "--model", folder]) == 1, command
        out, err = capsys.readouterr()
        assert out == "", command
        assert err.startswith("numpygit: the "), command
        assert "finite" in err
        assert err.count("\n") == 1
    captions = tmp_path / "captions.jsonl"
    assert not captions.exists() or captions.read_text() == ""


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_so_do_scores_and_labels(name, bad, damaged, picture):
    captioner = numpygit.load(damaged(name, bad))
    for use in (
        lambda: captions(captioner, picture),
        lambda: list(answers(captioner, picture, ["red ?"])),
        lambda: classify(captioner, picture, ["red", "blue"]),
        lambda: classify(captioner, picture, ["red", "blue"], beams=2),
    ):
        with pytest.raises(UserError, match="not finite"):
            use()


def test_numbers_of_the_caller_are_told_apart_from_weights(tiny_folder, clip):
    model = GitForCausalLM.from_pretrained(tiny_folder)
    clip[0, 0, 0, 0, 0] = np.nan
    with pytest.raises(UserError, match=r"^pixel_values, or vectors in place of words, hold num"):
        model(np.array([[2]]), pixel_values=clip)
