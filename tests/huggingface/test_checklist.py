"""The behaviour that the official tests of GIT check, on their tiny model, line by line.

Source: transformers, `tests/models/git/test_modeling_git.py` and `test_processor_git.py` (what is
checked, not the code). What other files check in more depth is named there.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from numpygit import (
    AutoModelForCausalLM,
    AutoProcessor,
    GitConfig,
    GitForCausalLM,
    GitModel,
    GitVisionConfig,
    GitVisionModel,
    UserError,
)
from numpygit.huggingface.processing.image_processor import GitImageProcessor
from numpygit.huggingface.processing.tokenizer import GitTokenizer
from numpygit.model.config import POSITIONS

B, T, V, D, LAYERS, HEADS = 13, 7, 99, 32, 2, 4
M = (32 // 16) ** 2 + 1
TOWER = {"hidden_size": D, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
         "intermediate_size": 37, "image_size": 32, "patch_size": 16}  # fmt: skip
SIZES = {"vocab_size": V, "hidden_size": D, "num_hidden_layers": LAYERS,
         "num_attention_heads": HEADS, "intermediate_size": 37, "max_position_embeddings": 512,
         "bos_token_id": 98, "eos_token_id": 98, "pad_token_id": 98,
         "vision_config": TOWER}  # fmt: skip
RNG = np.random.default_rng(0)
IDS = RNG.integers(0, V - 1, (B, T))
PIXELS = RNG.standard_normal((B, 3, 32, 32), np.float32)
MASK = np.tri(B, T, 3, dtype=np.int64)  # padded on the right, unalike
MODEL = GitForCausalLM(GitConfig(**SIZES), seed=3)


def test_a_config_goes_to_files_and_back_with_labels_of_its_own(tmp_path: Path) -> None:
    for config in (GitConfig(**SIZES, num_labels=3), GitVisionConfig(**TOWER, num_labels=3)):
        assert config.num_labels == 3
        config.save_pretrained(tmp_path)
        assert type(config).from_pretrained(tmp_path) == config
        config.to_json_file(tmp_path / "config.json")
        assert type(config).from_json_file(tmp_path / "config.json") == config
        assert json.loads(config.to_json_string())["hidden_size"] == D
        other = type(config).from_pretrained(tmp_path, num_labels=5, initializer_range=0.5)
        assert (other.num_labels, other.initializer_range, other.hidden_size) == (5, 0.5, D)


def test_the_picture_tower() -> None:
    tower = GitVisionModel(GitVisionConfig(**TOWER))
    outputs = tower(PIXELS, output_hidden_states=True, output_attentions=True)
    assert outputs.last_hidden_state.shape == (B, M, D)
    assert [state.shape for state in outputs.hidden_states] == [(B, M, D)] * (LAYERS + 1)
    assert [shown.shape for shown in outputs.attentions] == [(B, HEADS, M, M)] * LAYERS


@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("labels", [None, IDS])
@pytest.mark.parametrize("kind", POSITIONS)
def test_forward(kind: str, labels: np.ndarray | None, mask: np.ndarray | None) -> None:
    model = GitForCausalLM(GitConfig(**SIZES, position_embedding_type=kind), seed=1)
    for pixels, image in ((PIXELS, M), (None, 0)):
        given = {"attention_mask": mask, "pixel_values": pixels}
        outputs = model(IDS, **given, labels=labels)
        assert outputs.logits.shape == (B, image + T, V)
        assert outputs.logits.dtype == np.float32
        if labels is not None:
            assert np.ndim(outputs.loss) == 0
            assert outputs.loss > 0
        assert model.git(IDS, **given).last_hidden_state.shape == (B, image + T, D)


def test_vectors_in_place_of_ids_and_the_same_call_again() -> None:
    vectors = MODEL.get_input_embeddings()[IDS]
    one = MODEL(IDS, pixel_values=PIXELS).logits
    np.testing.assert_array_equal(MODEL(inputs_embeds=vectors, pixel_values=PIXELS).logits, one)
    np.testing.assert_array_equal(MODEL(IDS, pixel_values=PIXELS).logits, one)


def test_tuples_hold_what_outputs_hold() -> None:
    asked = {"pixel_values": PIXELS, "output_hidden_states": True, "output_attentions": True}
    named, plain = MODEL(IDS, **asked), MODEL(IDS, **asked, return_dict=False)
    for one, other in zip(named.to_tuple(), plain, strict=True):
        np.testing.assert_array_equal(one[-1], other[-1])


def test_a_beam_search_of_the_official_tests() -> None:
    found = MODEL.generate(
        pixel_values=PIXELS, do_sample=False, max_length=20, num_beams=2, num_return_sequences=2,
        bos_token_id=98, eos_token_id=97, pad_token_id=97, min_length=20,
    )  # fmt: skip
    assert found.shape == (2 * B, 20)
    assert (found[:, 0] == 98).all()


def test_captions_of_a_batch() -> None:
    found = MODEL.generate(pixel_values=PIXELS, input_ids=None, max_length=9)
    assert found.shape[0] == B
    assert found.shape[1] <= 9
    alone = MODEL.generate(pixel_values=PIXELS[4:5], max_length=9)[0]
    np.testing.assert_array_equal(found[4, : len(alone)], alone)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"do_sample": True, "seed": 0},
        {"num_beams": 2},
        {"num_beams": 2, "do_sample": True, "seed": 0},
        {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 2.0},
        {"penalty_alpha": 0.6, "top_k": 5},
        {"prefix_allowed_tokens_fn": lambda row, ids: [5, 6, 7]},
    ],
)
def test_every_way_to_generate_tells_what_it_saw(options: dict) -> None:
    is_contrastive = "penalty_alpha" in options
    found = MODEL.generate(
        IDS, pixel_values=PIXELS, max_new_tokens=3, eos_token_id=97,
        pad_token_id=97, min_new_tokens=3,
        return_dict_in_generate=True, output_scores=True, output_logits=True,
        output_attentions=not is_contrastive, output_hidden_states=not is_contrastive, **options,
    )  # fmt: skip
    rows = B * options.get("num_beams", 1)
    assert found.sequences.shape == (B, T + 3)
    assert [scores.shape for scores in found.scores] == [(rows, V)] * 3
    assert [logits.shape for logits in found.logits] == [(rows, V)] * 3
    if is_contrastive:
        return
    for step, (seen, states) in enumerate(zip(found.attentions, found.hidden_states, strict=True)):
        now, known = (M + T, M + T) if step == 0 else (1, M + T + step)
        assert [layer.shape for layer in seen] == [(rows, HEADS, now, known)] * LAYERS
        assert [state.shape for state in states] == [(rows, now, D)] * (LAYERS + 1)


def test_what_is_left_out_says_so() -> None:
    with pytest.raises(UserError, match="generate has no assistant_model"):
        MODEL.generate(pixel_values=PIXELS, assistant_model=MODEL)


def test_saved_and_loaded_again(tmp_path: Path) -> None:
    MODEL.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    np.testing.assert_array_equal(
        again(IDS, pixel_values=PIXELS).logits, MODEL(IDS, pixel_values=PIXELS).logits
    )
    np.testing.assert_array_equal(
        again.generate(pixel_values=PIXELS), MODEL.generate(pixel_values=PIXELS)
    )
    body = GitModel.from_pretrained(tmp_path)
    assert body(IDS).last_hidden_state.shape == (B, T, D)


def test_a_processor_is_read_with_other_settings(tiny_folder: Path) -> None:
    changed = {"do_normalize": False, "crop_size": {"height": 10, "width": 12},
               "padding_side": "left"}  # fmt: skip
    processor = AutoProcessor.from_pretrained(tiny_folder, **changed)
    picture = RNG.integers(0, 256, (30, 40, 3), np.uint8)
    inputs = processor(["what", "what is it"], picture, padding=True, return_tensors="np")
    assert list(inputs) == list(processor.model_input_names)
    assert inputs.pixel_values.shape == (1, 3, 10, 12)
    assert 0 <= inputs.pixel_values.min() <= inputs.pixel_values.max() <= 1
    assert inputs.attention_mask[0, 0] == 0
    plain = AutoProcessor.from_pretrained(tiny_folder)
    assert plain.tokenizer.padding_side == "right"
    assert plain(images=picture).pixel_values[0].shape == (3, 18, 18)
    assert GitImageProcessor.from_pretrained(tiny_folder, do_resize=False).do_resize is False
    assert GitTokenizer.from_pretrained(tiny_folder, model_max_length=9).model_max_length == 9
    processor.save_pretrained(tiny_folder / "saved")
    again = AutoProcessor.from_pretrained(tiny_folder / "saved")
    assert again.image_processor.crop_size == changed["crop_size"]
    assert again.tokenizer.padding_side == "left"
    with pytest.raises(
        UserError, match="unknown settings do_normalise; known are: additional_special"
    ):
        AutoProcessor.from_pretrained(tiny_folder, do_normalise=False)


def test_the_table_of_official_bugs_names_tests_that_exist() -> None:
    root = Path(__file__).parents[2]
    rows = (root / "docs" / "official-bugs.md").read_text().splitlines()
    cells = [row.split(" | ") for row in rows if row.startswith("| ")][1:]
    assert len(cells) >= 35
    assert {len(row) for row in cells} == {4}
    for *_, tests in cells:
        names = re.findall(r"`([\w/]+\.py)`", tests)
        assert names or tests.startswith("same"), tests
        paths = [root / name for name in names]
        assert all(path.is_file() for path in paths), tests
        known = "".join(path.read_text() for path in paths)
        for test in re.findall(r"`(test_\w+)`", tests):
            assert f"def {test}(" in known, test
