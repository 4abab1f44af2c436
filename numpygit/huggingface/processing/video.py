"""Clip files -> frames: GIF, WebP, APNG and AVIF with Pillow, mp4 and the rest with PyAV.

A file is read once from its start, and of all its frames only those that are asked for are kept,
so a clip of any length takes the memory of a few pictures. PyAV comes with the optional extra
`numpygit[video]`. Rotation notes of cameras are ignored, as in `image.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ...errors import UserError
from ...model.image import BROKEN, to_rgb, unreadable
from ...model.params import Array
from .picture_steps import ANIMATED, is_video

if TYPE_CHECKING:
    from av.container import InputContainer

Seed = int | np.random.Generator | np.random.RandomState


# ------------------------------------------------------------------ which frames


def evenly_spaced(clip_len: int, seg_len: int) -> Array:
    """Spread `clip_len` frames over `seg_len`, the first and the last among them -> indices.

    None comes twice: of a clip that is too short, all frames are taken.
    """
    if clip_len < 1 or seg_len < 1:
        raise UserError(f"cannot take {clip_len} of {seg_len} frames; both must be at least 1")
    count = min(clip_len, seg_len)
    return np.arange(count) * (seg_len - 1) // max(count - 1, 1)


def sample_frame_indices(
    clip_len: int, frame_sample_rate: int, seg_len: int, *, seed: Seed = 0
) -> Array:
    """Take every n-th frame from a random place on: indices as in the GIT documentation.

    `seed` is a whole number, a NumPy generator, or a RandomState: RandomState(45) gives the very
    indices that the documentation's example has after `np.random.seed(45)`.
    Source: transformers 4.37.2, documentation of GitForCausalLM, video captioning.
    """
    if clip_len < 1 or frame_sample_rate <= 0:
        raise UserError(
            f"cannot take {clip_len} frames at a rate of {frame_sample_rate}; "
            "the first must be at least 1, the second more than 0"
        )
    converted_len = int(clip_len * frame_sample_rate)
    if converted_len >= seg_len:
        raise UserError(
            f"{clip_len} frames at a rate of {frame_sample_rate} span {converted_len} frames, the "
            f"clip must be longer and has {seg_len}; use a lower rate, or evenly_spaced"
        )
    if isinstance(seed, np.random.RandomState):
        end_idx = int(seed.randint(converted_len, seg_len))
    else:
        end_idx = int(np.random.default_rng(seed).integers(converted_len, seg_len))
    start_idx = end_idx - converted_len
    indices = np.linspace(start_idx, end_idx, num=clip_len)
    return np.clip(indices, start_idx, end_idx - 1).astype(np.int64)


# ------------------------------------------------------------------ frames of a file


def count_frames(path: str | Path) -> int:
    """Count the frames of a clip file, without decoding a video; a still picture has one."""
    with reading(path):
        if is_video(path):
            with open_video(path) as container:
                packets = container.demux(video=0)
                return sum(1 for packet in packets if packet.size and not packet.is_discard)
        with Image.open(path) as picture:
            return len(places(picture))


def read_frames(path: str | Path, indices: Sequence[int] | Array) -> list[Image.Image]:
    """Read some frames of a clip file, counted from 0 -> RGB pictures in the order of `indices`.

    Frames are whole pictures: what a file stores as a change of the frame before is put together.
    Raises UserError for a frame that is not there, NotFoundError for a missing file.
    """
    wanted = [int(index) for index in indices]
    if not wanted or min(wanted) < 0:
        raise UserError(f"frames {wanted} cannot be read; ask for one or more, counted from 0")
    kept, seen = {}, 0
    with reading(path):
        for frame in decode(path):
            if seen in wanted:
                kept[seen] = picture_of(frame)
            seen += 1
            if seen > max(wanted):
                break
    if max(wanted) >= seen:
        raise UserError(f"{path} has {seen} frames; there is no frame {max(wanted)}, from 0 on")
    return [kept[index] for index in wanted]


def read_clip(path: str | Path, clip_len: int) -> list[Image.Image]:
    """Read frames evenly spaced over a clip file: at most `clip_len`, fewer if it has fewer."""
    seg_len = count_frames(path)
    if seg_len == 0:
        raise UserError(f"{path} is damaged or cut short: it has no frames")
    return read_frames(path, evenly_spaced(clip_len, seg_len))


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn what goes wrong with a file into one sentence."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        is_ffmpeg = "FFmpegError" in {kind.__name__ for kind in type(error).__mro__}
        if not is_ffmpeg and not isinstance(error, BROKEN):
            raise
        raise unreadable(path, error) from None


def decode(path: str | Path) -> Iterator[Any]:
    """Yield every frame in order, as its package has it; it is valid until the next one."""
    if is_video(path):
        with open_video(path) as container:
            container.streams.video[0].thread_type = "AUTO"
            yield from container.decode(video=0)
        return
    with Image.open(path) as picture:
        for place in places(picture):
            picture.seek(place)
            yield picture


def picture_of(frame: Any) -> Image.Image:
    """Copy a frame of either package into a picture of its own."""
    if isinstance(frame, Image.Image):
        return to_rgb(frame)
    return Image.fromarray(frame.to_ndarray(format="rgb24"))


def places(picture: Image.Image) -> range:
    """List where the frames stand; an APNG may begin with a still that is not part of the clip."""
    if picture.format not in ANIMATED:
        return range(1)
    frames = getattr(picture, "n_frames", 1)
    has_still = getattr(picture, "default_image", False) and frames > 1
    return range(1 if has_still else 0, frames)


def open_video(path: str | Path) -> InputContainer:
    """Open a video file with PyAV."""
    Path(path).open("rb").close()  # whether there is a file comes first
    try:
        import av
    except ImportError:
        raise UserError(
            f"{path} is a video, which needs PyAV: pip install numpygit[video]; "
            "GIF, WebP and APNG clips work without it"
        ) from None
    container = av.open(str(path))
    if not container.streams.video:
        container.close()
        raise UserError(f"{path} has no pictures in it, only sound or text")
    return container
