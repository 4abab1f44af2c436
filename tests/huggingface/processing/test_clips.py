"""Clip files as people have them: turned, damaged, with odd names, with frames of unequal time."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from numpygit.errors import UserError
from numpygit.huggingface.processing.video import (
    count_frames,
    evenly_in_time,
    evenly_spaced,
    frame_times,
    is_video,
    read_clip,
    read_frames,
)
from numpygit.huggingface.reading import PictureOptions
from numpygit.huggingface.reading.content import has_decoder, kind_of_bytes


def made_video(path: Path, count: int = 24, *, times: list[int] | None = None) -> Path:
    """Write a video whose left half is red and whose right half grows brighter, below blue."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 1
        for number in range(count):
            colours = np.zeros((48, 64, 3), np.uint8)
            colours[:, :32, 0] = 255
            colours[:, 32:] = number * 10
            colours[:8, 32:, 2] = 255  # blue above it
            frame = av.VideoFrame.from_ndarray(colours, format="rgb24")
            frame.pts = number if times is None else times[number]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def brightness(frame: Image.Image) -> int:
    return round(frame.getpixel((56, 24))[1] / 10)


# ---------------------------------------------------------------- content and names


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypmp42" + bytes(20), "VIDEO"), (b"\0\0\0\x14ftypqt  ", "VIDEO"),
        (b"\0\0\0\x18ftypheic", "HEIC"), (b"\0\0\0\x18ftypavif", "AVIF"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "PICTURE"), (b"RIFF\0\0\0\0AVI LIST", "VIDEO"),
        ((b"G" + bytes(187)) * 5, "VIDEO"), ((bytes(4) + b"G" + bytes(187)) * 5, "VIDEO"),
        (b"\0\0\x01\xba" + bytes(20), "VIDEO"), (b"G" * 20, ""), (b"", "EMPTY"), (b"hello", ""),
        (b"GIF89a", "PICTURE"), (b"\xff\xd8\xff\xe0", "PICTURE"),
        (b"<svg xmlns=", "SVG"), (b'\xef\xbb\xbf\n<?xml version="1.0"?><!-- a --><svg ', "SVG"),
        (b'<?xml version="1.0"?><plist>', ""), (b"gimp xcf v011", "XCF"), (b"IIU\0\x18", "RAW"),
        (b"\0\0\0\x18ftypcrx ", "RAW"), (b"FUJIFILMCCD-RAW 0201", "RAW"), (b"IIRO\x08", "RAW"),
    ],
)  # fmt: skip
def test_a_file_is_known_by_its_first_bytes(head: bytes, kind: str) -> None:
    assert kind_of_bytes(head) == kind


def test_content_counts_before_the_ending(tmp_path: Path) -> None:
    named_video = tmp_path / "picture.mp4"
    Image.new("RGB", (5, 5), (9, 200, 9)).save(named_video, "PNG")
    assert not is_video(named_video)
    assert read_clip(named_video, 3)[0].getpixel((0, 0)) == (9, 200, 9)
    named_picture = made_video(tmp_path / "clip.mp4").rename(tmp_path / "clip.jpg")
    assert is_video(named_picture)
    assert len(read_clip(named_picture, 3)) == 3


@pytest.mark.parametrize("ending", [".ts", ".mts", ".vob", ".MP4", ".m2ts", ".mpg"])
def test_the_usual_endings_are_known(ending: str, tmp_path: Path) -> None:
    assert is_video(tmp_path / f"not_there{ending}")


def test_a_clip_may_be_bytes_or_an_open_file(tmp_path: Path) -> None:
    path = made_video(tmp_path / "clip.mp4")
    right = [np.asarray(frame) for frame in read_clip(path, 3)]
    for given in (path.read_bytes(), io.BytesIO(path.read_bytes())):
        for frame, wanted in zip(read_clip(given, 3), right, strict=True):
            np.testing.assert_array_equal(np.asarray(frame), wanted)


# ---------------------------------------------------------------- rotation


def turn(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Write a display matrix into an mp4 (ISO/IEC 14496-12, tkhd)."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 40
    one = 0x10000
    content[start : start + 36] = struct.pack(
        ">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 0x40000000
    )
    path.write_bytes(content)


T = Image.Transpose


@pytest.mark.parametrize(
    ("matrix", "shown"),  # a point (x, y) of the frame is shown at (a x + c y, b x + d y)
    [
        ((1, 0, 0, 1), None),
        ((0, 1, -1, 0), T.ROTATE_270),  # a quarter to the right: the left half is on top
        ((-1, 0, 0, -1), T.ROTATE_180),
        ((0, -1, 1, 0), T.ROTATE_90),
        ((-1, 0, 0, 1), T.FLIP_LEFT_RIGHT),  # as by some front cameras
        ((1, 0, 0, -1), T.FLIP_TOP_BOTTOM),
        ((0, 1, 1, 0), T.TRANSPOSE),
        ((0, -1, -1, 0), T.TRANSVERSE),
        ((0, 0, 0, 0), None),  # senseless: as it is
        ((1, 1, -1, 1), None),  # slanting
    ],
)
def test_a_video_is_turned_as_its_display_matrix_says(
    matrix: tuple[int, int, int, int], shown: Image.Transpose | None, tmp_path: Path
) -> None:
    path = made_video(tmp_path / "turned.mp4", 3)
    (plain,) = read_frames(path, [0])
    assert plain.size == (64, 48)
    assert plain.getpixel((10, 24))[0] > 200
    turn(path, *matrix)
    (frame,) = read_frames(path, [0])
    expected = plain if shown is None else plain.transpose(shown)
    np.testing.assert_array_equal(np.asarray(frame), np.asarray(expected))
    (unturned,) = read_frames(path, [0], PictureOptions(turn=False))
    np.testing.assert_array_equal(np.asarray(unturned), np.asarray(plain))


@pytest.mark.parametrize("ending", ["webp", "png"])
def test_an_animation_is_turned_as_its_exif_says(ending: str, tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    frames = [Image.new("RGB", (9, 5), (i * 90, 0, 0)) for i in range(3)]
    path = tmp_path / f"turned.{ending}"
    frames[0].save(path, save_all=True, append_images=frames[1:], exif=tags.tobytes())
    assert [frame.size for frame in read_clip(path, 3)] == [(5, 9)] * 3


# ---------------------------------------------------------------- damage


def test_a_damaged_packet_does_not_refuse_the_video(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = made_video(tmp_path / "damaged.mp4")
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray(path.read_bytes())
    for start, size in packets[10:13]:
        content[start : start + size] = b"\xff" * size
    path.write_bytes(content)
    whole = {brightness(frame) for frame in read_clip(made_video(tmp_path / "whole.mp4"), 24)}
    with pytest.warns(UserWarning, match=r"damaged\.mp4 is damaged: 3 of its packets .* from the"):
        frames = read_clip(path, 24)
    assert len(frames) == 21
    assert {brightness(frame) for frame in frames} == whole - {10, 11, 12}


def test_a_video_of_which_nothing_is_left_is_refused(tmp_path: Path) -> None:
    path = made_video(tmp_path / "nothing.mp4")
    content = path.read_bytes()
    start = content.index(b"mdat") + 4
    end = content.index(b"moov")
    path.write_bytes(content[:start] + b"\xff" * (end - start) + content[end:])
    with pytest.raises(UserError, match=r"nothing\.mp4 is damaged or cut short"):
        read_clip(path, 3)


def test_a_truncated_gif_is_told_as_such(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frames = [Image.fromarray(rng.integers(0, 255, (40, 40), np.uint8)) for _ in range(4)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    path = tmp_path / "short.gif"
    path.write_bytes((tmp_path / "a.gif").read_bytes()[:2500])
    with pytest.raises(UserError, match=r"short\.gif is damaged or cut short"):
        read_clip(path, 4)


# ---------------------------------------------------------------- time


def test_frames_may_be_taken_by_time() -> None:
    slow_then_fast = [0, 4, 8, 8.1, 8.2, 8.3, 8.4, 8.5, 8.6, 8.7, 8.8, 9]
    by_number = evenly_spaced(4, len(slow_then_fast))
    assert by_number.tolist() == [0, 3, 7, 11]
    assert evenly_in_time(4, slow_then_fast).tolist() == [0, 1, 11]  # 0 s, 3 s, 6 s, 9 s
    for count in range(1, 9):
        same = evenly_in_time(count, np.arange(30) / 25)
        np.testing.assert_array_equal(same, evenly_spaced(count, 30))
    with pytest.raises(UserError, match="cannot take"):
        evenly_in_time(0, [0.0])


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "avif"])
def test_times_of_every_kind_of_animation(ending: str, tmp_path: Path) -> None:
    if ending == "avif" and not has_decoder("AVIF"):
        pytest.skip("this Pillow does not read AVIF")
    frames = [Image.new("RGB", (16, 16), (i * 80, 0, 0)) for i in range(4)]
    path = tmp_path / f"uneven.{ending}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[1000, 1000, 40, 40])
    assert count_frames(path) == 4
    assert frame_times(path) == pytest.approx([0, 1, 2, 2.04])
    by_time = read_clip(path, 3, PictureOptions(sample="time"))
    reds = [frame.getpixel((0, 0))[0] for frame in by_time]
    assert reds == pytest.approx([0, 80, 240], abs=12)  # at 0 s, 1.02 s and 2.04 s


def test_times_come_from_the_file(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), i * 50) for i in range(4)]
    path = tmp_path / "uneven.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[1000, 1000, 40, 40])
    assert frame_times(path) == pytest.approx([0, 1, 2, 2.04])
    by_time = read_clip(path, 3, PictureOptions(sample="time"))
    assert [frame.getpixel((0, 0))[0] for frame in by_time] == [0, 50, 150]
    uneven = made_video(tmp_path / "uneven.mp4", 4, times=[0, 8, 16, 17])
    assert frame_times(uneven) == pytest.approx([0, 1, 2, 2.125])


def test_without_pyav_a_video_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(50))
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(UserError, match=r"numpygit\[video\]"):
        count_frames(path)
