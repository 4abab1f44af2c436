"""The processor as documented: texts and arrays as the official one, containers, refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from numpygit import (
    AutoImageProcessor,
    AutoProcessor,
    AutoTokenizer,
    GitImageProcessor,
    GitProcessor,
    GitTokenizer,
    UserError,
)
from numpygit.huggingface.processing.vocabulary import from_vocabulary

ROOT = Path(__file__).parents[3] / "golden"
GOLDEN = dict(np.load(ROOT / "processor.npz"))
SIZES = {"size": {"shortest_edge": 20}, "crop_size": {"height": 16, "width": 18}}
TEXTS = ["how many stars?", "a red fish to the left of the big blue house", "what"]
PICTURE = GOLDEN["picture"]
FRAMES = [np.roll(PICTURE, 3 * i, axis=1) for i in range(4)]


def processor_of(**settings: object) -> GitProcessor:
    words = from_vocabulary(ROOT / "words" / "vocab.txt")
    return GitProcessor(GitImageProcessor(**{**SIZES, **settings}), GitTokenizer(words))


STILLS = processor_of()
CLIPS = processor_of(image_processor_type="VideoMAEImageProcessor")


# ---------------------------------------------------------------- texts


@pytest.mark.parametrize("name", sorted(name for name in GOLDEN if name.startswith("text/")))
def test_texts_become_the_official_ids(name: str) -> None:
    case, expected = json.loads(str(GOLDEN[name]))
    found = STILLS(**case)
    assert list(found) == list(expected)
    for key, value in expected.items():
        if case.get("return_tensors") == "np":
            assert found[key].dtype == np.int64
            assert found[key].tolist() == value
        else:
            assert found[key] == value


def test_padding_on_the_left() -> None:
    processor = processor_of()
    processor.tokenizer.padding_side = "left"
    found = processor(text=TEXTS, padding=True, return_tensors="np")
    for key in ("input_ids", "attention_mask"):
        np.testing.assert_array_equal(found[key], GOLDEN[f"left/{key}"])


def test_texts_and_back() -> None:
    encoded = STILLS(text=TEXTS, padding=True, return_tensors="np")
    assert STILLS.batch_decode(encoded.input_ids, skip_special_tokens=True) == TEXTS
    assert STILLS.decode(encoded.input_ids[0], skip_special_tokens=True) == TEXTS[0]
    tokenizer = STILLS.tokenizer
    assert tokenizer.batch_decode(encoded.input_ids) == STILLS.batch_decode(encoded.input_ids)
    assert tokenizer.convert_ids_to_tokens(tokenizer.cls_token_id) == "[CLS]" == tokenizer.cls_token
    assert tokenizer.convert_tokens_to_ids(["[SEP]", "no such token"]) == [
        tokenizer.sep_token_id, tokenizer.unk_token_id]  # fmt: skip
    assert tokenizer.tokenize(TEXTS[2]) == ["what"]
    assert tokenizer.encode(TEXTS[2]) == tokenizer(TEXTS[2]).input_ids
    assert len(tokenizer) == tokenizer.vocab_size == 149
    assert sorted(tokenizer.all_special_ids) == sorted(
        tokenizer.convert_tokens_to_ids(tokenizer.all_special_tokens)
    )


# ---------------------------------------------------------------- pictures


@pytest.mark.parametrize(
    ("name", "images", "settings"),
    [
        ("last", PICTURE, {}),
        ("first", PICTURE.transpose(2, 0, 1), {}),
        ("last", Image.fromarray(PICTURE), {}),
        ("last", [PICTURE], {}),
        ("two", FRAMES[:2], {}),
        ("two", np.stack(FRAMES[:2]), {}),
        ("unscaled", PICTURE / 255.0, {"do_rescale": False}),
        ("plain", PICTURE, {"do_normalize": False, "do_resize": False}),
        ("other", PICTURE, {"size": {"shortest_edge": 30}, "crop_size": 24}),
    ],
)
def test_pictures_become_the_official_pixels(name: str, images: object, settings: dict) -> None:
    found = STILLS(images=images, return_tensors="np", **settings)
    assert list(found) == ["pixel_values"]
    assert found.pixel_values.dtype == np.float32
    np.testing.assert_allclose(found.pixel_values, GOLDEN[name], atol=1e-6)


def test_colours_in_0_to_1_are_scaled_once() -> None:
    """The official processor divides them by 255 once more: the model sees black."""
    scaled = STILLS(images=PICTURE / 255.0, return_tensors="np").pixel_values
    np.testing.assert_allclose(scaled, GOLDEN["last"], atol=1e-6)


def test_frames_become_a_clip_where_the_file_says_video() -> None:
    clip = CLIPS(images=FRAMES, return_tensors="np").pixel_values
    np.testing.assert_allclose(clip, GOLDEN["clip"], atol=1e-6)
    clips = CLIPS(images=[FRAMES[:2], FRAMES[2:]], return_tensors="np").pixel_values
    np.testing.assert_allclose(clips, GOLDEN["clips"], atol=1e-6)
    one = CLIPS(images=PICTURE, return_tensors="np").pixel_values
    np.testing.assert_allclose(one, GOLDEN["clip"][:, :1], atol=1e-6)
    assert len(CLIPS(images=FRAMES).pixel_values[0]) == 4


def test_paths_and_grey_arrays_are_pictures_too(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "some.png")
    found = STILLS(images=[tmp_path / "some.png", str(tmp_path / "some.png")], return_tensors="np")
    np.testing.assert_allclose(found.pixel_values, np.repeat(GOLDEN["last"], 2, 0), atol=1e-6)
    grey = STILLS(images=[PICTURE[:, :, 0], PICTURE[:, :, :1]], return_tensors="np").pixel_values
    np.testing.assert_array_equal(grey[0], grey[1])


def test_an_exact_size_keeps_no_proportions() -> None:
    size = {"height": 9, "width": 31}
    found = STILLS(images=PICTURE, size=size, crop_size=size, return_tensors="np").pixel_values
    assert found.shape == (1, 3, 9, 31)


# ---------------------------------------------------------------- both, files, refusals


def test_texts_and_pictures_together() -> None:
    found = STILLS(TEXTS[0], PICTURE, return_tensors="np", padding=True)
    assert list(found) == ["input_ids", "attention_mask", "pixel_values"]
    assert list(found) == list(STILLS.model_input_names)
    assert found.input_ids is found["input_ids"]
    assert {**found}.keys() == found.keys()
    plain = STILLS(text=TEXTS[0], images=PICTURE)
    assert isinstance(plain.input_ids[0], int)
    assert isinstance(plain.pixel_values, list)
    with pytest.raises(AttributeError, match="no 'labels' here; there is: input_ids"):
        _ = found.labels


def test_saved_and_read_again(tmp_path: Path) -> None:
    for processor in (STILLS, CLIPS):
        processor.save_pretrained(tmp_path)
        for read in (
            GitProcessor.from_pretrained(tmp_path),
            AutoProcessor.from_pretrained(tmp_path),
        ):
            one, other = (p(TEXTS, FRAMES, return_tensors="np", padding=True)
                          for p in (processor, read))  # fmt: skip
            assert list(one) == list(other)
            for key in one:
                np.testing.assert_array_equal(one[key], other[key])
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.get_vocab() == STILLS.tokenizer.get_vocab()
    settings = AutoImageProcessor.from_pretrained(tmp_path)
    assert settings.is_video
    assert (settings.resample, settings.image_mean) == (2, [0.5, 0.5, 0.5])
    assert settings.to_dict()["size"] == {"shortest_edge": 20}


@pytest.mark.parametrize("kind", ["tf", "jax", "torch"])
def test_other_frameworks_are_told_what_to_pass(kind: str) -> None:
    for arguments in ({"text": TEXTS}, {"images": PICTURE}):
        with pytest.raises(UserError, match=f'return_tensors=.{kind}.*pass "np"'):
            STILLS(**arguments, return_tensors=kind)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "You have to specify either text or images. Both cannot be none."),
        ({"text": TEXTS, "return_tensors": "np"}, "3 to 20 tokens make no array; pass padding"),
        ({"text": [["how", "many"]]}, "pass is_split_into_words=True"),
        ({"text": 5}, "text must be"),
        ({"text": "what", "max_length": 1}, "no room"),
        ({"text": "what", "padding": "some"}, "padding='some'"),
        ({"text": "what", "truncation": "some"}, "truncation='some'"),
        ({"text": "what", "colour": 3}, "unknown settings colour; known are: add_special_tokens"),
        ({"images": []}, "empty list"),
        ({"images": [None]}, "a picture must be .* got NoneType"),
        ({"images": np.zeros((2, 2, 2, 2, 2))}, r"got ndarray of shape \(2, 2, 2, 2\)"),
        ({"images": np.zeros((9, 9, 7))}, r"got \(9, 9, 7\)"),
        ({"images": np.full((9, 9, 3), -2.0)}, "0 to 255.*prepared already"),
        ({"images": [PICTURE, PICTURE[:20]], "do_center_crop": False, "return_tensors": "np"},
         "differ in size"),
        ({"images": PICTURE, "size": {"longest_edge": 3}}, "size is .*expected .*shortest_edge"),
    ],
)  # fmt: skip
def test_what_cannot_be_prepared_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        STILLS(**arguments)
