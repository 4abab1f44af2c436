"""The authors' own preparation of pictures and questions.

The goldens come from golden/make_original.py: torchvision, and the official code with the
authors' epsilon.
"""

import json
from pathlib import Path

import numpy as np
import PIL
import pytest
from golden_inputs import tiny_inputs
from PIL import Image
from safetensors.numpy import load_file

import numpygit
from numpygit import UserError, loading
from numpygit.cli.commands import main
from numpygit.decoding.options import AUTHORS
from numpygit.huggingface.models import GitForCausalLM
from numpygit.huggingface.processing import authors
from numpygit.huggingface.processing.authors import (
    OriginalImageProcessor,
    cut_question,
    shortest_edge,
)
from numpygit.huggingface.processing.picture_steps import ImageProcessor
from numpygit.huggingface.processing.processor import GitProcessor
from numpygit.loading.catalogue import config_of
from numpygit.loading.names import params_from
from numpygit.loading.official_models import CATALOGUE

GOLDEN = Path(__file__).parents[3] / "golden"
ANSWERS = dict(np.load(GOLDEN / "original.npz"))
PIXELS = [name for name in ANSWERS if name.startswith("pixels/")]


def drawn(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng([height, width])
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


# ---------------------------------------------------------------- pictures


@pytest.mark.parametrize("name", PIXELS)
def test_pixels_equal_those_of_torchvision(name):
    _, picture, size, longest = name.split("/")
    width, height = (int(side) for side in picture.split("x"))
    if name == "pixels/9x100/24/32" and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow before 13 resizes rows first here: other roundings than in the golden")
    processor = OriginalImageProcessor(int(size), int(longest) or None)
    pixels = processor(drawn(width, height))
    assert pixels.dtype == np.float32
    assert pixels.flags.c_contiguous
    np.testing.assert_allclose(pixels, ANSWERS[name], rtol=0, atol=1e-6)


def test_both_kinds_of_cases_are_in_the_golden():
    assert len(PIXELS) == 15
    assert sum(name.endswith("/0") for name in PIXELS) == 8


@pytest.mark.parametrize("size", [480, 420])
def test_sizes_at_the_models_own_limits(size):
    processor = OriginalImageProcessor.for_size(size)
    for width, height, new_height, new_width in ANSWERS[f"sizes/{size}"]:
        pixels = processor(Image.new("RGB", (width, height)))
        assert pixels.shape == (3, new_height, new_width)


def test_which_checkpoints_take_the_whole_picture():
    whole = {
        entry.name: (processor.size, processor.longest)
        for entry in CATALOGUE
        for processor in [
            OriginalImageProcessor.for_size(config_of(entry).vision_config.image_size)
        ]
        if processor.longest
    }
    assert whole == {
        "microsoft/git-base-vqav2": (480, 640),
        "microsoft/git-base-textvqa": (480, 640),
        "microsoft/git-large-vqav2": (420, 560),
        "microsoft/git-large-textvqa": (420, 560),
    }


def test_a_line_is_refused():
    with pytest.raises(UserError, match="2000x1 pixels is too thin"):
        shortest_edge((2000, 1), size=480, longest=640)


def test_odd_rests_are_where_the_two_preparations_differ():
    picture = drawn(24, 27)  # three rows too many: the authors drop 2 above, the Hub's 1
    ours = OriginalImageProcessor(24)(picture)
    hub = ImageProcessor(24, 24, 24)(picture)
    np.testing.assert_array_equal(ours[:, :-1], hub[:, 1:])
    assert np.abs(ours - hub).max() > 1


# ---------------------------------------------------------------- clips from the Hub's settings


def test_the_hubs_settings_for_clips_give_the_official_pixels():
    settings = json.loads(str(ANSWERS["clip/settings"]))
    assert settings["image_processor_type"] == "VideoMAEImageProcessor"
    assert (settings["resample"], settings["image_mean"]) == (2, [0.5] * 3)
    processor = GitProcessor(ImageProcessor.from_dict(settings), tokenizer=None)  # type: ignore[arg-type]
    pixels = processor.pixels([drawn(320, 240), drawn(321, 240)])
    assert pixels.shape == (1, 2, 3, 224, 224)
    np.testing.assert_allclose(pixels[..., ::16, ::16], ANSWERS["clip/pixels"], rtol=0, atol=1e-6)


# ---------------------------------------------------------------- words


def test_a_question_keeps_the_last_38_of_its_first_40_tokens():
    assert cut_question(list(range(100))) == list(range(2, 40))
    assert cut_question(list(range(40))) == list(range(2, 40))
    assert cut_question(list(range(39))) == list(range(1, 39))
    assert cut_question(list(range(38))) == list(range(38))
    assert cut_question([]) == []


@pytest.mark.parametrize("eps", [1e-8, 1e-12])
def test_embedded_words_are_normalised_with_the_given_epsilon(eps):
    config = loading.read_config(GOLDEN / "tiny")
    if eps == 1e-8:
        config = authors.original_config(config)
    assert (config.embedding_eps, config.layer_norm_eps) == (eps, 1e-12)
    tensors = load_file(GOLDEN / "tiny" / "model.safetensors")
    for name in ("word_embeddings", "position_embeddings"):
        tensors[f"git.embeddings.{name}.weight"] *= np.float32(1e-4)
    model = GitForCausalLM(config, params_from(tensors, config, source="golden/tiny"))
    still = tiny_inputs("still")
    logits = model.logits(still["input_ids"], still["pixel_values"])
    np.testing.assert_allclose(logits, ANSWERS[f"logits/{eps:g}"], rtol=0, atol=5e-5)
    first = next(model.steps(still["pixel_values"], still["input_ids"], max_length=20))
    np.testing.assert_allclose(first.logits, ANSWERS[f"logits/{eps:g}"][:, -1], rtol=0, atol=5e-5)
    assert np.abs(ANSWERS["logits/1e-08"] - ANSWERS["logits/1e-12"]).max() > 0.1


# ---------------------------------------------------------------- all together


def test_a_model_loads_in_either_mode(tiny_folder):
    hub = numpygit.load(tiny_folder)
    ours = numpygit.load(tiny_folder, preprocessing="original")
    assert hub.model.config.embedding_eps == 1e-12
    assert ours.model.config.embedding_eps == 1e-8
    assert not hub.processor.original
    assert ours.processor.image_processor == OriginalImageProcessor(18, None)
    long = "red " * 60
    assert hub.processor.prompt(long).shape == (1, 61)
    assert ours.processor.prompt(long).shape == (1, 39)
    # a clip model: the authors make a clip of a still
    assert hub.processor.pixels(drawn(30, 20)).shape == (1, 3, 18, 18)
    assert ours.processor.pixels(drawn(30, 20)).shape == (1, 1, 3, 18, 18)
    assert isinstance(ours.caption(drawn(30, 20), max_length=5), str)


def test_whole_pictures_go_through_the_model(tiny_folder, monkeypatch):
    monkeypatch.setitem(authors.LONGEST_EDGE, 18, 24)
    captioner = numpygit.load(tiny_folder, preprocessing="original")
    seen = {}

    def look(name: str, value: np.ndarray) -> None:
        seen[name] = value

    words = "".join(captioner.stream(drawn(60, 40), "red ?", max_length=8, trace=look))
    assert seen["pixels"].shape == (1, 1, 3, 16, 24)
    assert seen["vision.embedded"].shape == (1, 2 * 4 + 1, 12)
    pixels = OriginalImageProcessor(18, 24)(drawn(60, 40))[None, None]
    prompt = captioner.processor.prompt("red ?")
    ids = captioner.model.generate(
        prompt,
        pixel_values=pixels,
        generation_config=AUTHORS,
        max_length=8,
        suppress_tokens=captioner.processor.vocabulary.unused(),
        interpolate_pos_encoding=True,
    )
    assert words == captioner.processor.vocabulary.decode(ids[0, prompt.shape[1] :].tolist())
    with pytest.raises(UserError, match="frames of a clip must all be of one size"):
        captioner.caption([drawn(60, 40), drawn(40, 60)])


def test_decoding_is_the_authors_own(tiny_folder):
    assert (AUTHORS.num_beams, AUTHORS.length_penalty) == (4, 0.6)
    assert (AUTHORS.beam_form, AUTHORS.per_node_beam_size) == ("authors", 2)
    ours = numpygit.load(tiny_folder, preprocessing="original")
    differs = 0
    for seed in range(5):
        still = drawn(30 + seed, 20)
        prompt = ours.processor.prompt("red ?")
        asked = {
            "suppress_tokens": ours.processor.vocabulary.unused(),
            "max_length": 12,
            "interpolate_pos_encoding": True,
        }
        ids = ours.model.generate(
            prompt, pixel_values=ours.pixels(still), generation_config=AUTHORS, **asked
        )
        text = ours.processor.vocabulary.decode(ids[0, prompt.shape[1] :].tolist())
        pieces = list(ours.stream(still, "red ?", max_length=12))
        assert pieces == ([text] if text else [])  # the whole text at once
        assert ours.answer(ours.prefill(still), "red ?", max_length=12) == text
        greedy = ours.model.generate(prompt, pixel_values=ours.pixels(still), **asked)
        differs += not np.array_equal(ids, greedy)
    assert differs
    stills = [drawn(30, 20), drawn(20, 30)]
    alone = [ours.caption(still, max_length=8) for still in stills]
    assert ours.captions(stills, max_length=8) == alone
    assert isinstance(ours.caption(stills[0]), str)  # as long as the model has places


def test_the_command_line_takes_either_mode(tiny_folder, tmp_path, capsys):
    drawn(30, 20).save(tmp_path / "picture.png")
    command = ["caption", "--model", str(tiny_folder), "--max-length", "6"]
    for mode in ("hf", "original"):
        assert main([*command, "--preprocessing", mode, str(tmp_path / "picture.png")]) == 0
        expected = numpygit.load(tiny_folder, preprocessing=mode)
        text = expected.caption(tmp_path / "picture.png", max_length=6)
        assert capsys.readouterr().out == text + "\n"


def test_another_mode_is_refused(tiny_folder):
    with pytest.raises(UserError, match="preprocessing is 'torch', expected one of hf, original"):
        numpygit.load(tiny_folder, preprocessing="torch")
