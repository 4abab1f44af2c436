"""Clip files: which frames are taken, that they are the right ones, and how little is kept."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import numpygit
from numpygit.captioner import Captioner
from numpygit.errors import NotFoundError, UserError
from numpygit.huggingface.processing import video
from numpygit.huggingface.processing.video import (
    count_frames,
    evenly_spaced,
    read_clip,
    read_frames,
    sample_frame_indices,
)

pytestmark = pytest.mark.slow

SIZE = (32, 24)


def coloured(i: int) -> Image.Image:
    """Draw frame number i: nine fields of black or white that spell i in binary."""
    bits = np.array([(i >> bit) & 1 for bit in range(9)] + [0, 1, 0], np.uint8)
    fields = np.kron(bits.reshape(3, 4), np.ones((8, 8), np.uint8)) * 255
    return Image.fromarray(fields).convert("RGB")


def number(frame: Image.Image) -> int:
    """Read the number of a frame back, whatever a lossy codec did to it."""
    assert frame.mode == "RGB"
    assert frame.size == SIZE
    fields = np.asarray(frame.convert("L"), int).reshape(3, 8, 4, 8).mean(axis=(1, 3))
    bits = (fields > 127).ravel()[:9]
    return int(sum(int(bit) << place for place, bit in enumerate(bits)))


def save_clip(path: Path, frames: int, **settings: object) -> Path:
    first, *rest = (coloured(i) for i in range(frames))
    first.save(path, save_all=True, append_images=rest, duration=40, **settings)
    return path


def save_video(path: Path, frames: int, codec: str = "mpeg4") -> Path:
    av = pytest.importorskip("av", reason="PyAV is not installed: pip install numpygit[video]")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.bit_rate = 2_000_000
        for i in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_image(coloured(i))))
        container.mux(stream.encode())
    return path


# ---------------------------------------------------------------- which frames


def documented(clip_len: int, frame_sample_rate: int, seg_len: int) -> np.ndarray:
    """Sample as in the documentation of transformers 4.37.2, word for word."""
    converted_len = int(clip_len * frame_sample_rate)
    end_idx = np.random.randint(converted_len, seg_len)  # noqa: NPY002
    start_idx = end_idx - converted_len
    indices = np.linspace(start_idx, end_idx, num=clip_len)
    indices = np.clip(indices, start_idx, end_idx - 1).astype(np.int64)
    return indices


@given(
    st.integers(1, 12), st.integers(1, 9), st.integers(1, 500), st.integers(0, 2**32 - 1)
)  # fmt: skip
def test_a_random_state_gives_the_indices_of_the_documentation(clip_len, rate, more, seed):
    seg_len = clip_len * rate + more
    np.random.seed(seed)  # noqa: NPY002
    expected = documented(clip_len, rate, seg_len)
    indices = sample_frame_indices(clip_len, rate, seg_len, seed=np.random.RandomState(seed))
    np.testing.assert_array_equal(indices, expected)
    assert indices.dtype == np.int64


def test_the_documentation_s_example_by_heart():
    indices = sample_frame_indices(6, 4, 300, seed=np.random.RandomState(45))
    np.testing.assert_array_equal(indices, [131, 135, 140, 145, 150, 154])


@given(st.integers(1, 12), st.integers(1, 9), st.integers(1, 500), st.integers(0, 99))
def test_sampled_frames_are_in_the_clip_in_order_and_decided_by_the_seed(clip_len, rate, more, n):
    seg_len = clip_len * rate + more
    indices = sample_frame_indices(clip_len, rate, seg_len, seed=n)
    assert len(indices) == clip_len
    assert (np.diff(indices) >= 0).all()
    assert indices[0] >= 0
    assert indices[-1] < seg_len
    again = sample_frame_indices(clip_len, rate, seg_len, seed=np.random.default_rng(n))
    np.testing.assert_array_equal(indices, again)


@given(st.integers(1, 40), st.integers(1, 10_000))
def test_evenly_spaced_frames_span_the_clip_and_none_comes_twice(clip_len, seg_len):
    indices = evenly_spaced(clip_len, seg_len)
    assert len(indices) == min(clip_len, seg_len)
    assert indices[0] == 0
    assert len(indices) == 1 or indices[-1] == seg_len - 1
    steps = np.diff(indices)
    assert len(steps) == 0 or (steps.min() >= 1 and steps.max() - steps.min() <= 1)


@pytest.mark.parametrize("arguments", [(6, 4, 24), (6, 4, 3), (0, 4, 99), (6, 0, 99), (-1, 1, 5)])
def test_what_cannot_be_sampled_is_refused(arguments):
    with pytest.raises(UserError, match="frames"):
        sample_frame_indices(*arguments)


@pytest.mark.parametrize("arguments", [(0, 5), (5, 0)])
def test_no_frames_cannot_be_spread(arguments):
    with pytest.raises(UserError, match="at least 1"):
        evenly_spaced(*arguments)


# ---------------------------------------------------------------- Pillow's clips


@pytest.mark.parametrize("name", ["clip.gif", "clip.png", "clip.webp"])
@pytest.mark.parametrize("indices", [[0], [4], [0, 3, 11], [7, 2, 2, 9]])
def test_frames_of_a_clip_are_the_ones_asked_for(name, indices, tmp_path):
    path = save_clip(tmp_path / name, 12)
    assert count_frames(path) == 12
    assert [number(frame) for frame in read_frames(path, indices)] == indices


@pytest.mark.parametrize("name", ["clip.gif", "clip.png", "clip.webp"])
def test_a_frame_stored_as_a_change_is_put_together(name, tmp_path):
    frames = [Image.new("RGB", SIZE, "red")]
    for x in range(1, 4):
        frames.append(frames[-1].copy())
        frames[-1].paste("blue", (x * 6, 8, x * 6 + 4, 12))
    settings = {"lossless": True} if name.endswith("webp") else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **settings)
    for found, expected in zip(read_frames(tmp_path / name, range(4)), frames, strict=True):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def test_the_still_in_front_of_an_apng_is_no_frame_of_its_clip(tmp_path):
    path = save_clip(tmp_path / "clip.png", 5, default_image=True)
    assert count_frames(path) == 4
    assert [number(frame) for frame in read_frames(path, range(4))] == [1, 2, 3, 4]


def test_of_a_long_clip_only_the_asked_frames_are_kept(tmp_path, monkeypatch):
    def tiny(i: int) -> Image.Image:
        return Image.fromarray(np.full((2, 2), i % 251, np.uint8))

    path = tmp_path / "long.gif"
    tiny(0).save(path, save_all=True, append_images=(tiny(i) for i in range(1, 5000)))
    kept, keep = [], video.finished

    def counted(frame: Image.Image, *options: object) -> Image.Image:
        kept.append(keep(frame, *options))
        return kept[-1]

    monkeypatch.setattr(video, "finished", counted)
    assert count_frames(path) == 5000
    assert kept == []
    frames = read_clip(path, 6)
    assert len(kept) == 6
    assert [frame.getpixel((0, 0))[0] for frame in frames] == [
        i % 251 for i in (0, 999, 1999, 2999, 3999, 4999)
    ]


def test_reading_stops_at_the_last_frame_that_is_asked_for(tmp_path, monkeypatch):
    decoded, decode = [], video.decode

    def counted(*arguments):
        for frame in decode(*arguments):
            decoded.append(frame)
            yield frame

    monkeypatch.setattr(video, "decode", counted)
    read_frames(save_clip(tmp_path / "clip.gif", 12), [1, 4])
    assert len(decoded) == 5


MANY = 100_000
LOOK = """
import sys, time
import numpygit
from PIL import Image
from numpygit.captioner import Captioner

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))

folder, clip = sys.argv[1:]
captioner = numpygit.load(folder)
Image.new("RGB", (2, 2)).save(clip + ".small.gif")
steps = (lambda path: captioner.processor.pixels(path), captioner.caption)
for step in steps:  # a first look loads what Pillow and the model need
    step(clip + ".small.gif")
for step in steps:
    before, start = peak(), time.perf_counter()
    step(clip)
    print(peak() - before, time.perf_counter() - start)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
def test_a_clip_of_very_many_frames_takes_the_memory_of_a_few(tiny_folder, tmp_path, offline):
    size, palette = struct.pack("<2H", 2, 2), bytes([0, 0, 0, 255, 255, 255])
    pause, dots = b"\x21\xf9\4\0\1\0\0\0", b"\2\3\x44\x34\5\0"
    frame = pause + b"," + bytes(4) + size + b"\0" + dots
    path = tmp_path / "many.gif"
    path.write_bytes(b"GIF89a" + size + b"\x80\0\0" + palette + frame * MANY + b";")
    assert count_frames(path) == MANY
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(tiny_folder), str(path)],
        env=offline, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    still, clip = ([float(n) for n in line.split()] for line in done.stdout.splitlines())
    assert still[1] < 1  # seconds: as a still, the rest of the file is not looked at
    assert max(still[0], clip[0]) < 16 * 2**20


def test_a_still_is_a_clip_of_one_frame(tmp_path):
    coloured(5).save(tmp_path / "still.bmp")
    assert count_frames(tmp_path / "still.bmp") == 1
    assert [number(frame) for frame in read_clip(tmp_path / "still.bmp", 6)] == [5]


def test_pages_are_no_clip(tmp_path):
    path = save_clip(tmp_path / "pages.tiff", 3)
    assert count_frames(path) == 1


def test_a_short_clip_gives_all_its_frames(tmp_path):
    path = save_clip(tmp_path / "short.gif", 3)
    assert [number(frame) for frame in read_clip(path, 6)] == [0, 1, 2]


@pytest.mark.parametrize("indices", [[], [-1], [0, 12], [99]])
def test_a_frame_that_is_not_there_is_refused(indices, tmp_path):
    path = save_clip(tmp_path / "clip.gif", 12)
    with pytest.raises(UserError, match="frame"):
        read_frames(path, indices)


def outcome(path: Path) -> str:
    """Read a damaged clip: "frames", or the one error that is allowed."""
    try:
        for frame in read_clip(path, 12):
            assert frame.mode == "RGB"
    except UserError as error:
        return str(error)
    return "frames"


@pytest.mark.parametrize("name", ["clip.gif", "clip.png", "clip.webp"])
def test_a_clip_cut_anywhere_gives_frames_or_one_clear_error(name, tmp_path):
    data = save_clip(tmp_path / name, 12).read_bytes()
    outcomes = set()
    for length in range(0, len(data), max(1, len(data) // 200)):
        (tmp_path / name).write_bytes(data[:length])
        outcomes.add(outcome(tmp_path / name))
    assert all(name in text or text == "frames" for text in outcomes)
    assert len(outcomes) > 1


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", ["clip.gif", "clip.png", "clip.webp"])
def test_a_clip_with_wrong_bytes_gives_frames_or_one_clear_error(name, tmp_path):
    data = save_clip(tmp_path / name, 6).read_bytes()
    rng = np.random.default_rng(5)
    for _ in range(200):
        wrong = bytearray(data)
        for place in rng.integers(len(data), size=3):
            wrong[place] = rng.integers(256)
        (tmp_path / name).write_bytes(wrong)
        text = outcome(tmp_path / name)
        assert name in text or text == "frames"


@pytest.mark.parametrize("read", [count_frames, lambda path: read_frames(path, [0])])
def test_what_is_no_clip_file_is_refused(read, tmp_path):
    (tmp_path / "words.gif").write_text("no picture")
    with pytest.raises(UserError, match="not a picture that Pillow can read"):
        read(tmp_path / "words.gif")
    with pytest.raises(NotFoundError, match="no such picture file"):
        read(tmp_path / "nowhere.gif")
    with pytest.raises(UserError, match="is a folder"):
        read(tmp_path)


# ---------------------------------------------------------------- videos, through PyAV


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi", "CLIP.MOV"])
def test_frames_of_a_video_are_the_ones_asked_for(name, tmp_path):
    path = save_video(tmp_path / name, 40)
    assert count_frames(path) == 40
    indices = sample_frame_indices(6, 4, 40, seed=np.random.RandomState(45))
    assert [number(frame) for frame in read_frames(path, indices)] == indices.tolist()
    assert [number(frame) for frame in read_clip(path, 4)] == [0, 13, 26, 39]


def test_a_video_is_read_as_in_the_documentation(tmp_path):
    path = save_video(tmp_path / "clip.mp4", 40)
    import av

    np.random.seed(45)  # noqa: NPY002
    with av.open(str(path)) as container:
        seg_len = container.streams.video[0].frames
        indices = documented(6, 4, seg_len)
        frames = [
            frame.to_ndarray(format="rgb24")
            for i, frame in enumerate(container.decode(video=0))
            if i in indices
        ]
    found = sample_frame_indices(6, 4, count_frames(path), seed=np.random.RandomState(45))
    np.testing.assert_array_equal(found, indices)
    for ours, theirs in zip(read_frames(path, found), frames, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), theirs)


def test_a_broken_video_is_one_clear_error(tmp_path):
    data = save_video(tmp_path / "clip.mp4", 40).read_bytes()
    for broken in (b"", b"no video at all", data[: len(data) // 2]):
        (tmp_path / "broken.mp4").write_bytes(broken)
        with pytest.raises(UserError, match=r"broken\.mp4 is (damaged or cut short|empty)"):
            read_clip(tmp_path / "broken.mp4", 4)
    with pytest.raises(NotFoundError, match="no such picture file"):
        read_clip(tmp_path / "nowhere.mp4", 4)


def test_a_video_cut_anywhere_gives_frames_or_one_clear_error(tmp_path):
    data = save_video(tmp_path / "clip.avi", 12).read_bytes()
    for length in range(0, len(data), max(1, len(data) // 30)):
        (tmp_path / "cut.avi").write_bytes(data[:length])
        text = outcome(tmp_path / "cut.avi")
        assert "cut.avi" in text or text == "frames"


def test_sound_alone_is_no_clip(tmp_path):
    av = pytest.importorskip("av", reason="PyAV is not installed: pip install numpygit[video]")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(UserError, match="no pictures in it"):
        count_frames(tmp_path / "sound.mp4")


def test_without_pyav_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "clip.mp4").write_bytes(b"something")
    with pytest.raises(UserError, match=r"pip install numpygit\[video\]"):
        read_clip(tmp_path / "clip.mp4", 4)


# ---------------------------------------------------------------- clips for a model


@pytest.fixture(scope="module")
def tiny(write_folder, tmp_path_factory) -> Captioner:
    return numpygit.load(write_folder(tmp_path_factory.mktemp("model") / "tiny"))


@pytest.mark.parametrize(("frames", "shape"), [(1, (1,)), (2, (1, 2)), (9, (1, 2))])
def test_a_file_of_several_frames_is_a_clip_for_a_model_of_clips(tiny, frames, shape, tmp_path):
    path = save_clip(tmp_path / "clip.gif", frames)
    assert tiny.pixels(path).shape == (*shape, 3, 18, 18)
    wanted = read_clip(path, 2)
    assert tiny.caption(str(path)) == tiny.caption(wanted if frames > 1 else wanted[0])


def test_the_model_sees_the_first_and_the_last_frame(tiny, tmp_path):
    path = save_clip(tmp_path / "clip.gif", 9)
    np.testing.assert_array_equal(tiny.pixels(path), tiny.pixels([coloured(0), coloured(8)]))


@pytest.mark.parametrize("name", ["clip.gif", "clip.mp4"])
def test_without_frames_to_take_the_first_one_is_the_picture(tiny, name, tmp_path):
    save = save_video if name.endswith("mp4") else save_clip
    path = save(tmp_path / name, 9)
    pixels = tiny.processor.pixels(path)
    np.testing.assert_array_equal(pixels, tiny.processor.pixels(read_frames(path, [0])[0]))
    assert pixels.shape == (1, 3, 18, 18)
