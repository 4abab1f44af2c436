"""Whatever holds a picture -> an RGB picture.

Checks huggingface/processing/picture_steps.py, huggingface/reading/colours.py,
huggingface/reading/content.py, huggingface/reading/mistakes.py, huggingface/reading/options.py.
"""

from __future__ import annotations

import base64
import io
import os
import struct
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin

import numpygit
from numpygit.captioner import Captioner
from numpygit.errors import NotFoundError, NotReadableError, UserError
from numpygit.huggingface.processing import picture_steps as opener
from numpygit.huggingface.processing.picture_steps import (
    ImageProcessor,
    as_rgb,
    is_file,
    is_one_picture,
    open_picture,
)
from numpygit.huggingface.reading import PictureOptions, mistakes
from numpygit.huggingface.reading.content import kind_of_bytes

COLOURS = np.random.default_rng(5).integers(0, 256, (14, 22, 3), np.uint8)
PICTURE = Image.fromarray(COLOURS)
LOSSLESS = {"png": {}, "webp": {"lossless": True}, "tif": {}, "jpg": {"quality": 95}}


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def png(picture: Image.Image = PICTURE) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


# ---------------------------------------------------------------- rotation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", LOSSLESS)
def test_a_file_is_turned_as_its_exif_says(ending: str, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / f"turned.{ending}"
    PICTURE.save(path, exif=exif(orientation), **LOSSLESS[ending])
    with Image.open(path) as picture:
        right = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    assert right.shape == ((22, 14, 3) if orientation > 4 else (14, 22, 3))
    for given in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        np.testing.assert_array_equal(np.asarray(open_picture(given)), right)
    with path.open("rb") as file:
        np.testing.assert_array_equal(np.asarray(open_picture(file)), right)


def test_a_heic_photo_is_turned_once(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    stripes = Image.fromarray(np.repeat([[[250, 0, 0]], [[0, 0, 250]]], 64, 0).astype(np.uint8))
    wide = stripes.resize((64, 128)).transpose(Image.Transpose.ROTATE_90)
    wide.save(tmp_path / "turned.heic", exif=exif(6), quality=100)
    upright = open_picture(tmp_path / "turned.heic")
    assert upright.size == (64, 128)
    assert upright.getpixel((30, 10))[0] > 200
    assert upright.getpixel((30, 120))[2] > 200


def test_a_picture_handed_over_is_left_alone(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "turned.png", exif=exif(6))
    steps = ImageProcessor(14, 14, 14)
    with Image.open(tmp_path / "turned.png") as picture:
        np.testing.assert_array_equal(steps(picture), steps(PICTURE))


@pytest.mark.parametrize("damage", [b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0", b"no", exif(99)])
def test_a_damaged_exif_turns_nothing(damage: bytes, tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "damaged.png", exif=damage)
    np.testing.assert_array_equal(np.asarray(open_picture(tmp_path / "damaged.png")), COLOURS)


# ---------------------------------------------------------------- ways to hold a picture


class Holder:
    """An array of another library."""

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return COLOURS


@pytest.mark.parametrize(
    "given",
    [
        png(), bytearray(png()), memoryview(png()), io.BytesIO(png()), PICTURE, COLOURS,
        COLOURS.transpose(2, 0, 1), COLOURS / 255, (COLOURS / 255).astype(np.float32), Holder(),
        "data:image/png;base64," + base64.b64encode(png()).decode(),
        "data:image/png," + "".join(f"%{byte:02x}" for byte in png()),
    ],
    ids=lambda given: type(given).__name__,
)  # fmt: skip
def test_every_way_to_hold_a_picture_gives_the_same_pixels(given: object) -> None:
    steps = ImageProcessor(14, 14, 14)
    np.testing.assert_allclose(steps(given), steps(PICTURE), rtol=0, atol=1e-6)


@pytest.mark.parametrize("grey", [COLOURS[:, :, 0], COLOURS[:, :, :1], COLOURS[None, :, :, 0]])
def test_a_grey_array_may_lack_its_channels(grey: np.ndarray) -> None:
    steps = ImageProcessor(14, 14, 14)
    np.testing.assert_array_equal(steps(grey), steps(PICTURE.getchannel("R")))


def test_an_array_is_a_clip_only_with_four_dimensions(storybook: Captioner) -> None:
    colours = np.zeros((3, 40, 40, 3), np.uint8)
    assert storybook.pixels(colours).shape == (1, 3, 3, 96, 96)
    assert storybook.pixels(colours[0]).shape == (1, 3, 96, 96)
    assert storybook.pixels(np.zeros((384, 384, 3), np.uint8)).shape == (1, 3, 96, 96)


@pytest.mark.parametrize(
    "given", [None, 5, 2.5, {}, object(), np.zeros((2, 3, 4, 5, 6)), np.zeros(5), [None], [3], []]
)
def test_what_is_no_picture_ends_in_one_sentence(given: object, storybook: Captioner) -> None:
    with pytest.raises(UserError, match=r"a picture|empty list") as caught:
        storybook.caption(given)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 5, 3)), "must have pixels"),
        (np.full((5, 5), np.nan), "colours in 0 to 255"),
        (np.zeros((5, 5), complex), "must hold numbers"),
        (np.array([["a"]]), "must hold numbers"),
    ],
)
def test_an_array_that_is_no_picture_is_refused(array: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ImageProcessor(14, 14, 14)(array)


def test_one_picture_where_a_list_is_meant(storybook: Captioner) -> None:
    with pytest.raises(UserError, match="captions takes a list"):
        storybook.captions("a.png")
    with pytest.raises(UserError, match="labels is the text 'cat'; give a list"):
        numpygit.classify(storybook, PICTURE, "cat")


def test_an_open_file_may_be_read_again(tmp_path: Path) -> None:
    file = io.BytesIO(png())
    file.read()
    assert open_picture(file).size == open_picture(file).size == (22, 14)
    path = tmp_path / "text.png"
    path.write_bytes(png())
    with path.open(encoding="latin-1") as text, pytest.raises(UserError, match="mode 'rb'"):
        open_picture(text)


def test_long_and_odd_names_are_cut_and_escaped() -> None:
    with pytest.raises(NotFoundError) as caught:
        open_picture("x" * 5000 + "\x1b[31m\n")
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", Path("/dev/zero")):
        with pytest.raises(UserError, match="pipe or a device"):
            open_picture(path)


# ---------------------------------------------------------------- colours


RAMP = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
GREYS = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize(
    ("numbers", "ending"),
    [(RAMP, "png"), (RAMP, "tif"), ((GREYS / 255).astype(np.float32), "tif"),
     (GREYS.astype(np.float32), "tif"), ((GREYS / 51 - 2).astype(np.float32), "tif"),
     (RAMP.astype(np.float32), "tif"), (RAMP.astype(np.int32) * 100, "tif")],
)  # fmt: skip
def test_greys_of_many_bits_are_scaled_by_their_range(
    numbers: np.ndarray, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"grey.{ending}"
    Image.fromarray(numbers).save(path)
    opened = np.asarray(open_picture(path))
    np.testing.assert_array_equal(opened, np.repeat(GREYS[:, :, None], 3, axis=2))
    clipped = np.asarray(open_picture(path, PictureOptions(depth="clip")))
    with Image.open(path) as picture:
        np.testing.assert_array_equal(clipped, np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize(
    ("kind", "ending"),
    [(np.uint16, "png"), (np.uint16, "tif"), (np.int32, "tif"), (np.float32, "tif")],
)
def test_instruments_use_fewer_bits_than_their_files_hold(
    bits: int, kind: type, ending: str, tmp_path: Path
) -> None:
    numbers = np.rint(GREYS * ((2**bits - 1) / 255)).astype(kind)
    Image.fromarray(numbers).save(tmp_path / f"grey.{ending}")
    opened = np.asarray(open_picture(tmp_path / f"grey.{ending}"))
    np.testing.assert_array_equal(opened, np.repeat(GREYS[:, :, None], 3, axis=2))


@pytest.mark.parametrize(
    "mode",
    ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA", "RGBX",
     "RGBa", "La", "I;16", "I;16B"],
)  # fmt: skip
@pytest.mark.parametrize("background", [None, "white"])
def test_every_mode_of_pillow_becomes_rgb(mode: str, background: str | None) -> None:
    picture = Image.new(mode, (4, 3))
    made = as_rgb(picture, PictureOptions(background=background))
    assert (made.mode, made.size) == ("RGB", (4, 3))
    if mode in ("La", "RGBa", "LA", "RGBA", "PA"):  # clear everywhere
        assert made.getpixel((0, 0)) == ((0, 0, 0) if background is None else (255, 255, 255))


def test_a_float_that_is_no_number_is_black(tmp_path: Path) -> None:
    numbers = np.array([[0, 1], [np.nan, np.inf]], np.float32)
    Image.fromarray(numbers).save(tmp_path / "odd.tif")
    assert np.asarray(open_picture(tmp_path / "odd.tif"))[:, :, 0].tolist() == [[0, 255], [0, 0]]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_a_background_when_asked(mode: str, tmp_path: Path) -> None:
    clear = Image.new("RGBA", (4, 4), (9, 9, 9, 0))
    clear.putpixel((0, 0), (9, 9, 9, 255))
    (clear.quantize(4) if mode == "P" else clear.convert(mode)).save(tmp_path / "clear.png")
    options = PictureOptions(background="white")
    laid = open_picture(tmp_path / "clear.png", options)
    assert laid.getpixel((3, 3)) == (255, 255, 255)
    assert max(laid.getpixel((0, 0))) < 20
    assert max(open_picture(tmp_path / "clear.png").getpixel((3, 3))) < 20
    assert laid.mode == "RGB"


def test_an_icc_profile_is_followed_when_asked(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")
    PICTURE.save(tmp_path / "srgb.png", icc_profile=srgb)
    PICTURE.save(tmp_path / "other.png", icc_profile=swapped)
    PICTURE.save(tmp_path / "damaged.png", icc_profile=b"no profile")
    options = PictureOptions(to_srgb=True)
    same = np.asarray(open_picture(tmp_path / "srgb.png", options)).astype(int)
    assert np.abs(same - COLOURS).max() <= 1
    other = np.asarray(open_picture(tmp_path / "other.png", options)).astype(int)
    assert np.abs(other - COLOURS[:, :, ::-1]).max() <= 2  # the profile swaps red and blue
    for name, how in (("damaged.png", options), ("other.png", PictureOptions())):
        np.testing.assert_array_equal(np.asarray(open_picture(tmp_path / name, how)), COLOURS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"fit": "stretch"}, "fit is 'stretch', expected one of crop, squash, pad"),
     ({"background": "whight"}, "background is 'whight', expected a colour"),
     ({"depth": "16"}, "depth is '16'"), ({"sample": "all"}, "sample is 'all'"),
     ({"turn": "no"}, "turn is 'no'"), ({"to_srgb": 1}, "to_srgb is 1"),
     ({"local_files_only": None}, "local_files_only is None"), ({"timeout": "5"}, "timeout is '5'"),
     ({"timeout": 0}, "timeout is 0"), ({"timeout": -1}, "timeout is -1"),
     ({"timeout": float("nan")}, "timeout is nan"), ({"timeout": True}, "timeout is True")],
)  # fmt: skip
def test_an_unknown_option_is_refused(wrong: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        PictureOptions(**wrong)


# ---------------------------------------------------------------- the whole picture


def test_the_whole_picture_is_kept_when_asked() -> None:
    halves = np.zeros((20, 60, 3), np.uint8)
    halves[:, :10], halves[:, 50:] = 255, 255
    plain = {"do_normalize": False, "do_rescale": False}
    crop, squash, pad = (
        ImageProcessor(20, 20, 20, options=PictureOptions(fit=fit), **plain)(halves)
        for fit in ("crop", "squash", "pad")
    )
    assert crop.max() == 0  # both white ends are cut away
    assert squash.shape == pad.shape == (3, 20, 20)
    assert squash[:, 10, 0].min() > 200
    assert squash[:, 10, 19].min() > 200
    assert pad[:, 10, 0].min() > 200
    mean = np.round(np.array([0.48145466, 0.4578275, 0.40821073]) * 255)
    np.testing.assert_array_equal(pad[:, 0, 10], mean)  # the border: 0 when normalised


def test_the_authors_preparation_fits_its_own_way() -> None:
    with pytest.raises(UserError, match=r"fit is 'pad'.*its own way"):
        numpygit.load("storybook", preprocessing="original", pictures=PictureOptions(fit="pad"))


# ---------------------------------------------------------------- what goes wrong


def test_what_libraries_print_is_held_back(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / "palette.png"
    many = Image.fromarray(GREYS).convert("P")
    many.save(path, transparency=bytes(range(256)))
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        open_picture(path)
    assert not given
    assert capfd.readouterr() == ("", "")


def test_a_mistake_of_ours_is_not_told_as_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(picture: Image.Image, options: PictureOptions) -> Image.Image:
        raise ValueError("a mistake of ours")

    PICTURE.save(tmp_path / "fine.png")
    monkeypatch.setattr(opener, "finished", broken)
    with pytest.raises(ValueError, match="a mistake of ours") as caught:
        open_picture(tmp_path / "fine.png")
    assert not isinstance(caught.value, UserError)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript, which is not readable"),
        (b"\xd7\xcd\xc6\x9a" + bytes(80), "Windows metafile, which is not readable"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a drawing in SVG"),
        (b"\0\0\0\x18ftypcrx " + bytes(80), "a camera's raw file"),
        (b"FUJIFILMCCD-RAW 0201FF129502", "a camera's raw file"),
        (b"II\x1a\0\0\0HEAPCCDR" + bytes(80), "a camera's raw file"),  # Canon's CRW
        (b"\0MRM" + bytes(80), "a camera's raw file"),
        (b"FOVb" + bytes(80), "a camera's raw file"),
        (b"gimp xcf v011\0" + bytes(80), "GIMP's own"),
        (b"\xff\x0a\x00\x00", "pillow-jxl-plugin"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
        (b"\x1aE\xdf\xa3" + bytes(99), "a video"),
    ],
)
def test_a_file_for_others_says_what_it_is(start: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_picture(start)


class OnACard:
    """A tensor that NumPy cannot take, as those on a graphics card."""

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


def test_an_object_that_gives_no_array_is_told(storybook: Captioner) -> None:
    tensor, message = OnACard(), r"OnACard gives no array.*cuda:0"
    for ask in (
        lambda: storybook.caption(tensor),
        lambda: storybook.captions([tensor, PICTURE]),
        lambda: storybook.answer(tensor, "what is it?"),
        lambda: storybook.explain(tensor, measure=False),
        lambda: numpygit.classify(storybook, tensor, ["a"]),
        lambda: storybook.processor(images=tensor),
        lambda: storybook.processor(images=[tensor]),
        lambda: numpygit.CLIPImageProcessor()(tensor),
    ):
        with pytest.raises(UserError, match=message):
            ask()


def test_numbers_of_16_bits_in_an_array_are_told_how_to_scale(storybook: Captioner) -> None:
    with pytest.raises(UserError, match=r"got 0 to 65535. Divide 16-bit colours by 65535"):
        storybook.caption(np.array([[0, 65535]], np.uint16))


def tiff(*, order: str, mark: bytes = b"", **tags: int) -> bytes:
    """Write a TIFF with a readable picture of 160 x 120 in its first directory, and more tags."""
    known = {"SubIFDs": 330, "NewSubfileType": 254, "Photometric": 262, "DNGVersion": 50706}
    file = io.BytesIO()
    info = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II" if order == "<" else b"MM")
    for name, value in tags.items():
        info[known[name]] = value
    PICTURE.resize((160, 120)).save(file, "TIFF", tiffinfo=info)
    content = file.getvalue()
    return content[:8] + mark + content[8 + len(mark) :] if mark else content


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "tags",
    [
        {"DNGVersion": 4},
        {"NewSubfileType": 1, "SubIFDs": 9},  # Nikon, Sony, Epson, Hasselblad
        {"NewSubfileType": 1, "SubIFDs": 9, "Photometric": 2},
        {"mark": b"CR\2\0"},
        {"mark": b"IIII"},
    ],
)
def test_a_raw_file_built_as_a_tiff_is_not_read_as_its_preview(
    order: str, tags: dict[str, Any]
) -> None:
    with pytest.raises(NotReadableError, match="a camera's raw file, which is not readable here"):
        open_picture(tiff(order=order, **tags))


@pytest.mark.parametrize(
    ("photometric", "is_raw"), [(0, False), (1, False), (2, False), (32803, True), (34892, True)]
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_numbers_of_a_sensor_are_no_picture(photometric: int, is_raw: bool, order: str) -> None:
    tags = struct.pack(f"{order}HHHIHH", 1, 262, 3, 1, photometric, 0)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8) + tags
    assert kind_of_bytes(head) == ("RAW" if is_raw else "PICTURE")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "tags", [{}, {"NewSubfileType": 0, "SubIFDs": 9}, {"NewSubfileType": 1}, {"SubIFDs": 9}]
)
def test_other_tiffs_are_read(order: str, tags: dict[str, int]) -> None:
    assert open_picture(tiff(order=order, **tags)).size == (160, 120)


def test_a_cut_tiff_is_told_as_damaged() -> None:
    content = tiff(order="<")
    for length in (4, 7, 8, 9, 100, len(content) - 30):
        with pytest.raises(UserError, match="is damaged or cut short"):
            open_picture(content[:length])


def test_a_large_name_keeps_the_name_of_its_file(tmp_path: Path) -> None:
    folder = tmp_path / ("folder" * 20)
    folder.mkdir()
    (folder / "IMG_20240712_123456789_HDR_PORTRAIT_of_somebody.jpg").write_bytes(b"no")
    with pytest.raises(
        UserError, match=r" \.\.\. .*IMG_20240712_123456789_HDR_PORTRAIT_of_somebody"
    ):
        open_picture(folder / "IMG_20240712_123456789_HDR_PORTRAIT_of_somebody.jpg")


def test_a_heic_file_without_its_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    if find_spec("pillow_heif"):  # it is there, and the file is damaged
        with pytest.raises(UserError, match="is damaged or cut short"):
            open_picture(heic)
    monkeypatch.setattr(mistakes, "has_decoder", lambda kind: False)
    monkeypatch.setattr(opener, "register_plugin", lambda kind: False)
    monkeypatch.setattr(opener, "NEVER_READ", (*opener.NEVER_READ, "HEIF"))
    with pytest.raises(UserError, match=r"pip install numpygit\[heic\]"):
        open_picture(heic)


def test_an_empty_file_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    for given in (tmp_path / "photo.jpg", b"", io.BytesIO()):
        with pytest.raises(UserError, match="is empty: it has no bytes"):
            open_picture(given)


def test_files_are_told_from_what_is_in_memory() -> None:
    assert is_one_picture(COLOURS)
    assert is_file(b"") is True
    assert is_file(PICTURE) is False


@pytest.mark.parametrize("ending", ["jpg", "mpo"])
def test_a_jpeg_of_several_pictures_is_its_first(
    ending: str, tmp_path: Path, storybook: Captioner
) -> None:
    path = tmp_path / f"photo.{ending}"
    PICTURE.save(path, "MPO", save_all=True, append_images=[PICTURE.resize((5, 5))], quality=95)
    with Image.open(path) as opened:
        assert opened.format == "MPO"
    PICTURE.save(tmp_path / "plain.jpg", quality=95)
    np.testing.assert_array_equal(storybook.pixels(path), storybook.pixels(tmp_path / "plain.jpg"))
