"""Picture -> pixels: equal to the official processor, and each step by its definition.

The goldens come from golden/make_pixels.py.

Checks huggingface/processing/picture_steps.py.
"""

from __future__ import annotations

import json
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from numpygit.errors import NotFoundError, UserError
from numpygit.huggingface.processing.picture_steps import ImageProcessor, open_picture
from numpygit.huggingface.processing.processor import GitProcessor
from numpygit.huggingface.reading import PictureOptions
from numpygit.model import image
from numpygit.model.image import centre_crop, normalise, resize, scale, to_rgb

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "golden" / "pixels"
PHOTOS = Path(os.environ.get("NUMPYGIT_PHOTOS", ROOT.parent / "shared" / "data" / "photos"))
CASES = json.loads((GOLDEN / "cases.json").read_text(encoding="utf-8"))
FILES = sorted({case["file"] for case in CASES.values()})


@pytest.fixture(scope="module")
def official() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "pixels.npz") as answers:
        return dict(answers)


# ---------------------------------------------------------------- the whole way


@pytest.mark.parametrize("name", CASES)
def test_pixels_equal_the_official_ones(name: str, official: dict[str, np.ndarray]) -> None:
    if name.startswith("tall") and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow before 13 resizes rows first here: other roundings than in the golden")
    as_official = PictureOptions(turn=False, depth="clip")
    processor = ImageProcessor.from_dict(CASES[name]["settings"], options=as_official)
    pixels = processor(GOLDEN / CASES[name]["file"])
    assert pixels.dtype == np.float32
    assert pixels.flags.c_contiguous
    assert pixels.shape == official[name].shape
    np.testing.assert_allclose(pixels, official[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["boats", "mountain"])
def test_pixels_of_photographs_equal_the_official_ones(name: str) -> None:
    photo = PHOTOS / f"{name}.jpg"
    if not photo.is_file():
        pytest.skip(f"no {name}.jpg in {PHOTOS}: put it there or set NUMPYGIT_PHOTOS to its folder")
    with np.load(GOLDEN / "photos.npz") as answers:
        np.testing.assert_allclose(ImageProcessor()(photo), answers[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["rgb.png", "palette_opacities.png", "cmyk.jpg"])
def test_an_open_picture_gives_the_same_pixels_as_its_file(name: str) -> None:
    processor = ImageProcessor(24, 24, 24)
    with Image.open(GOLDEN / name) as picture:
        np.testing.assert_array_equal(processor(picture), processor(str(GOLDEN / name)))


def test_the_processor_stacks_frames() -> None:
    processor = GitProcessor(ImageProcessor(24, 24, 24), tokenizer=None)  # type: ignore[arg-type]
    still = processor.pixels(GOLDEN / "rgb.png")
    clip = processor.pixels([GOLDEN / "odd.png", GOLDEN / "rgb.png"])
    assert still.shape == (1, 3, 24, 24)
    assert clip.shape == (1, 2, 3, 24, 24)
    assert clip.dtype == np.float32
    np.testing.assert_array_equal(clip[:, 1], still)
    with pytest.raises(UserError, match="empty list"):
        processor.pixels([])


# ---------------------------------------------------------------- settings


def test_defaults_are_the_official_ones() -> None:
    # CLIPImageProcessor() of transformers 4.37.2: size and crop are the only settings that the
    # first case of the goldens does not have from there
    given = CASES["rgb.png"]["settings"] | {"size": {"shortest_edge": 224}, "crop_size": 224}
    assert ImageProcessor.from_dict(given) == ImageProcessor() == ImageProcessor.from_dict({})


def test_plain_numbers_for_size_and_crop_are_understood() -> None:
    old = ImageProcessor.from_dict({"size": 30, "crop_size": 20})
    assert old == ImageProcessor(shortest_edge=30, crop_height=20, crop_width=20)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"size": {"height": 24}}, "shortest_edge"),
        ({"size": {"height": 24, "width": 0}}, "size"),
        ({"size": {"shortest_edge": 0}}, "size"),
        ({"size": "large"}, "size"),
        ({"crop_size": {"shortest_edge": 24}}, "crop_size"),
        ({"crop_size": -3}, "crop_size"),
        ({"resample": 17}, "resample"),
        ({"image_mean": [0.5, 0.5]}, "image_mean"),
        ({"image_std": [0.5, 0.0, 0.5]}, "image_std"),
        ({"image_std": [0.5, 0.5]}, "image_std"),
        ({"image_std": "0.5"}, "image_std"),
        ({"rescale_factor": None}, "rescale_factor"),
    ],
)
def test_settings_that_cannot_be_honoured_are_refused(settings: dict, said: str) -> None:
    with pytest.raises(UserError, match=f"preprocessor_config.json.*{said}"):
        ImageProcessor.from_dict(settings)


# ---------------------------------------------------------------- resize


@pytest.mark.parametrize(
    ("before", "edge", "after"),
    [
        ((60, 40), 24, (36, 24)),
        ((40, 60), 24, (24, 36)),
        ((53, 37), 33, (47, 33)),  # 47.27
        ((71, 34), 33, (68, 33)),  # 68.91: truncated, not rounded
        ((34, 71), 33, (33, 68)),
        ((10, 10), 33, (33, 33)),
        ((1, 500), 24, (24, 12000)),
        ((101, 100), 50, (50, 50)),  # 50.5
    ],
)
def test_resize_truncates_the_longer_side(
    before: tuple[int, int], edge: int, after: tuple[int, int]
) -> None:
    picture = Image.new("RGB", before, (10, 20, 30))
    resized = resize(picture, shortest_edge=edge, resample=3)
    assert resized.size == after
    assert resized.mode == "RGB"
    assert resized.getpixel((0, 0)) == (10, 20, 30)


@pytest.mark.parametrize("size", [(1, 65500), (65500, 1)])
def test_a_line_that_would_fill_the_memory_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UserError, match="too thin"):
        ImageProcessor()(Image.new("L", size))


def test_nearest_resize_by_two_takes_every_second_pixel() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    resized = resize(Image.fromarray(colours), shortest_edge=4, resample=0)
    np.testing.assert_array_equal(np.asarray(resized), colours[1::2, 1::2])


def test_cubic_resize_is_clipped_to_whole_numbers() -> None:
    edge = np.zeros((16, 16, 3), np.uint8)
    edge[:, 8:] = 255  # a cubic curve swings over both ends here
    resized = np.asarray(resize(Image.fromarray(edge), shortest_edge=40, resample=3))
    assert resized.dtype == np.uint8
    assert resized.min() == 0
    assert resized.max() == 255


# ---------------------------------------------------------------- crop


def counted(height: int, width: int) -> np.ndarray:
    """Number the pixels from 1, so that each can be told from the others and from padding."""
    numbers = np.arange(1, height * width + 1, dtype=np.float32).reshape(height, width, 1)
    return np.repeat(numbers, 3, axis=2)


@pytest.mark.parametrize(
    ("have", "want", "first"),
    [(7, 4, 1), (8, 4, 2), (9, 4, 2), (5, 4, 0), (4, 4, 0), (10, 1, 4), (37, 24, 6)],
)
def test_crop_starts_at_half_the_rest_rounded_down(have: int, want: int, first: int) -> None:
    colours = counted(have, have + 2)
    cropped = centre_crop(colours, height=want, width=want + 2)
    np.testing.assert_array_equal(cropped, colours[first : first + want, first : first + want + 2])


@pytest.mark.parametrize(
    ("have", "want", "before", "after"),
    [(20, 32, 6, 6), (1, 4, 1, 2), (3, 4, 0, 1), (19, 32, 6, 7), (4, 4, 0, 0)],
)
def test_crop_pads_with_zeros_the_odd_pixel_at_the_end(
    have: int, want: int, before: int, after: int
) -> None:
    colours = counted(have, have)
    padded = centre_crop(colours, height=want, width=want)
    expected = np.pad(colours, ((before, after), (before, after), (0, 0)))
    assert expected.shape == (want, want, 3)
    np.testing.assert_array_equal(padded, expected)
    assert padded.dtype == colours.dtype


def test_crop_pads_one_side_and_cuts_the_other() -> None:
    colours = counted(2, 9)
    cropped = centre_crop(colours, height=5, width=4)
    expected = np.pad(colours[:, 2:6], ((1, 2), (0, 0), (0, 0)))
    np.testing.assert_array_equal(cropped, expected)


def test_padding_is_black_before_it_is_normalised(official: dict[str, np.ndarray]) -> None:
    case = CASES["crop larger, both sides"]["settings"]
    black = -np.array(case["image_mean"]) / np.array(case["image_std"])
    pixels = ImageProcessor.from_dict(case)(GOLDEN / "square.png")
    np.testing.assert_allclose(pixels[:, 0, 0], black, rtol=1e-6)
    np.testing.assert_allclose(official["crop larger, both sides"][:, 0, 0], black, rtol=1e-6)


# ---------------------------------------------------------------- numbers


def test_scale_is_float32_from_whole_numbers() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    scaled = scale(every, factor=1 / 255)
    assert scaled.dtype == np.float32
    assert (scaled.min(), scaled.max()) == (0, 1)
    np.testing.assert_allclose(scaled.ravel() * 255, np.arange(256), rtol=1e-6)


def test_normalise_subtracts_and_divides_each_colour() -> None:
    colours = np.random.default_rng(1).random((4, 5, 3), np.float32)
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.25, 2.0]
    normal = normalise(colours, mean=mean, std=std)
    assert normal.dtype == np.float32
    for c in range(3):
        expected = (colours[:, :, c].astype(np.float64) - mean[c]) / std[c]
        np.testing.assert_allclose(normal[:, :, c], expected, rtol=1e-5, atol=1e-6)


def test_no_step_changes_what_it_was_given() -> None:
    colours = np.full((6, 6, 3), 9, np.uint8)
    colours.setflags(write=False)
    picture = Image.fromarray(colours)
    resize(picture, shortest_edge=3, resample=3)
    centre_crop(colours, height=8, width=4)
    scaled = scale(colours, factor=0.5)
    normalise(scaled, mean=[1, 1, 1], std=[2, 2, 2])
    assert picture.size == (6, 6)
    assert (scaled == 4.5).all()


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_opens_as_rgb_without_a_warning(name: str) -> None:
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        picture = open_picture(GOLDEN / name)
    assert picture.mode == "RGB"
    assert not [str(warning.message) for warning in given]


@pytest.mark.parametrize("name", ["animated.gif", "animated.webp", "animated.png"])
def test_only_the_first_frame_of_an_animation_counts(name: str) -> None:
    with Image.open(GOLDEN / name) as picture:
        assert picture.n_frames == 3
        picture.seek(2)
        last = np.asarray(picture.convert("RGB"))
        picture.seek(0)
        first = np.asarray(picture.convert("RGB"))
    opened = np.asarray(open_picture(GOLDEN / name))
    np.testing.assert_array_equal(opened, first)
    assert (opened != last).any()


def test_a_picture_is_turned_as_its_camera_noted() -> None:
    with Image.open(GOLDEN / "turned.jpg") as picture:
        assert picture.getexif()[0x0112] == 6
        assert picture.size == (46, 28)
    assert open_picture(GOLDEN / "turned.jpg").size == (28, 46)
    assert open_picture(GOLDEN / "turned.jpg", PictureOptions(turn=False)).size == (46, 28)


def test_transparency_is_dropped_not_blended() -> None:
    picture = Image.new("RGBA", (2, 2), (200, 100, 50, 0))
    assert to_rgb(picture).getpixel((0, 0)) == (200, 100, 50)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no such picture file: .*nowhere\.png"):
        open_picture(tmp_path / "nowhere.png")


def test_a_folder_is_not_a_picture(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        open_picture(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello, I am no picture\n", b"\xff\xd8\xff", b"\0" * 99])
def test_a_file_that_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.jpg"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"text\.jpg is (not a picture|empty|damaged)"):
        open_picture(path)


def test_a_truncated_photograph_is_refused(tmp_path: Path) -> None:
    whole = (GOLDEN / "turned.jpg").read_bytes()
    path = tmp_path / "short.jpg"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(UserError, match=r"short\.jpg is damaged or cut short"):
        open_picture(path)


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_open_or_are_refused_in_our_words(name: str, tmp_path: Path) -> None:
    """Whatever is cut off or changed, Pillow's many kinds of exception do not come through."""
    whole = (GOLDEN / name).read_bytes()
    rng = np.random.default_rng(len(whole))
    path = tmp_path / name
    damaged = [whole[:length] for length in rng.integers(0, len(whole), 20)]
    for places in rng.integers(0, min(len(whole), 400), (40, 3)):
        changed = bytearray(whole)
        for place in places:
            changed[place] = int(rng.integers(0, 256))
        damaged.append(bytes(changed))
    refusals = []
    for content in damaged:
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow warns of some damage and goes on
                open_picture(path)
        except UserError as error:
            refusals.append(str(error))
    assert refusals
    assert all(name in refusal for refusal in refusals)


def test_a_picture_that_declares_an_absurd_size_is_refused_unread(tmp_path):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    parts = (
        chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
    path = tmp_path / "vast.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    with pytest.raises(UserError, match=r"vast.png says that it has too many pixels: .*2500000000"):
        open_picture(path)


def test_a_line_may_fill_what_is_allowed_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "MOST_PIXELS", 10 * 100)
    assert resize(Image.new("RGB", (5, 50)), shortest_edge=10, resample=3).size == (10, 100)
    with pytest.raises(UserError, match="longer one would have 102"):
        resize(Image.new("RGB", (5, 51)), shortest_edge=10, resample=3)
