"""The frames of an animated PNG, against what the standard says of each pixel."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from numpygit.errors import UserError
from numpygit.huggingface.processing.video import count_frames, frame_times, read_frames
from numpygit.huggingface.reading.apng import chunk, composed, read_animation

RED, GREEN, CLEAR = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 0, 0)
HALF_BLUE = (0, 0, 255, 128)
GOLDEN = Path(__file__).parents[3] / "golden" / "pixels"
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def animation(*frames: tuple[tuple[int, int, int, int], tuple[int, ...], int, int]) -> bytes:
    """Write an APNG of 8 x 8 pixels: frames of one colour (box, colour, dispose, blend)."""
    parts = [chunk(b"IHDR", struct.pack(">2I5B", 8, 8, 8, 6, 0, 0, 0))]
    parts.append(chunk(b"acTL", struct.pack(">2I", len(frames), 0)))
    sequence = 0
    for number, ((left, top, width, height), colour, dispose, blend) in enumerate(frames):
        control = struct.pack(">5I2H2B", sequence, width, height, left, top, 1, 4, dispose, blend)
        parts.append(chunk(b"fcTL", control))
        pixels = zlib.compress((b"\0" + bytes(colour) * width) * height)
        numbered = struct.pack(">I", sequence + 1) + pixels
        parts.append(chunk(b"fdAT", numbered) if number else chunk(b"IDAT", pixels))
        sequence += 2 if number else 1
    return SIGNATURE + b"".join(parts) + chunk(b"IEND", b"")


WHOLE, MIDDLE = (0, 0, 8, 8), (2, 2, 4, 4)
PREVIOUS = animation(
    (WHOLE, RED, 0, 0), (MIDDLE, GREEN, 2, 0), (MIDDLE, HALF_BLUE, 2, 1), (WHOLE, CLEAR, 0, 1)
)


def test_after_dispose_previous_the_picture_before_comes_back() -> None:
    frames = read_frames(PREVIOUS, range(4))
    assert [frame.getpixel((3, 3)) for frame in frames] == [
        (255, 0, 0), (0, 255, 0), (127, 0, 128), (255, 0, 0)
    ]  # fmt: skip
    assert [frame.getpixel((0, 0)) for frame in frames] == [(255, 0, 0)] * 4


def test_a_frame_is_the_same_whichever_frames_are_asked_for() -> None:
    whole = [np.asarray(frame) for frame in read_frames(PREVIOUS, range(4))]
    for count in range(1, 5):
        for indices in itertools.combinations(range(4), count):
            for index, frame in zip(indices, read_frames(PREVIOUS, indices), strict=True):
                np.testing.assert_array_equal(np.asarray(frame), whole[index])


def test_dispose_background_clears_and_the_first_frame_has_nothing_before_it() -> None:
    file = animation((WHOLE, RED, 2, 0), (MIDDLE, GREEN, 1, 1), (MIDDLE, HALF_BLUE, 0, 1))
    found = read_animation(io.BytesIO(file))
    assert found is not None
    frames = [canvas.copy() for canvas in composed(found)]
    assert [frame.getpixel((0, 0)) for frame in frames] == [RED, CLEAR, CLEAR]
    assert [frame.getpixel((3, 3)) for frame in frames] == [RED, GREEN, HALF_BLUE]


def test_simple_animations_are_as_pillow_has_them() -> None:
    path = GOLDEN / "animated.png"
    with Image.open(path) as picture:
        for index, frame in enumerate(read_frames(path, range(3))):
            picture.seek(index)
            np.testing.assert_array_equal(np.asarray(frame), np.asarray(picture.convert("RGB")))


def test_frames_come_at_their_times() -> None:
    assert count_frames(PREVIOUS) == 4
    assert frame_times(PREVIOUS) == [0, 0.25, 0.5, 0.75]


def test_an_animation_cut_short_has_its_whole_frames() -> None:
    assert count_frames(PREVIOUS[:-60]) == 3


def test_a_frame_outside_of_the_picture_is_refused() -> None:
    with pytest.raises(UserError, match="outside"):
        read_frames(animation((WHOLE, RED, 0, 0), ((6, 6, 4, 4), GREEN, 0, 0)), [1])


def test_a_still_is_no_animation() -> None:
    file = io.BytesIO()
    Image.new("RGB", (3, 3)).save(file, "PNG")
    assert read_animation(file) is None
    assert read_animation(io.BytesIO(b"GIF89a")) is None
