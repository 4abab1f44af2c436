"""Clip files -> frames: GIF, WebP, APNG and AVIF with Pillow, mp4 and the rest with PyAV.

A file is read from its start, and of all its frames only those that are asked for are kept, so a
clip of any length takes the memory of a few pictures. What a file is, its content says; the ending
of its name counts where that says nothing. PyAV comes with the optional extra `numpygit[video]`.
Frames are turned as the file says: EXIF, or the display matrix of a video.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ...errors import NotReadableError, UserError
from ...model.params import Array
from ..reading.apng import Animation, composed, read_animation
from ..reading.content import ANIMATED, VIDEO, WHAT_HELPS, is_video
from ..reading.content import VIDEO_SUFFIXES as VIDEO_SUFFIXES
from ..reading.options import DEFAULT, PictureOptions
from .picture_steps import (
    Source,
    as_binary,
    finished,
    opened,
    orientation_of,
    reading,
    source_of,
    turned,
)

MOST_DAMAGE = 10_000  # packets; then the rest of a video is given up

Seed = int | np.random.Generator | np.random.RandomState


class Gathered(NamedTuple):
    """What came out of a file: the frames that were wanted, and how many there were at all."""

    kept: dict[int, Image.Image]
    total: int
    damage: int  # packets that could not be decoded


# ------------------------------------------------------------------ which frames


def evenly_spaced(clip_len: int, seg_len: int) -> Array:
    """Spread `clip_len` frames over `seg_len`, the first and the last among them -> indices.

    None comes twice: of a clip that is too short, all frames are taken.
    """
    if clip_len < 1 or seg_len < 1:
        raise UserError(f"cannot take {clip_len} of {seg_len} frames; both must be at least 1")
    count = min(clip_len, seg_len)
    return np.arange(count) * (seg_len - 1) // max(count - 1, 1)


def evenly_in_time(clip_len: int, times: Sequence[float] | Array) -> Array:
    """Spread `clip_len` frames evenly over the time of a clip -> indices of the frames seen then.

    `times` are the seconds at which each frame comes, in order. None comes twice.
    """
    if clip_len < 1 or len(times) == 0:
        raise UserError(f"cannot take {clip_len} of {len(times)} frames; both must be at least 1")
    moments = np.linspace(times[0], times[-1], min(clip_len, len(times))) + 1e-6
    return np.unique(np.searchsorted(np.asarray(times), moments, side="right") - 1)


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


def count_frames(given: Any) -> int:
    """Count the frames of a clip file, without decoding a video; a still picture has one."""
    source, name = source_of(given)
    with reading(source, name):
        return len(times_of(source, exact=False))


def frame_times(given: Any) -> list[float]:
    """List the seconds at which the frames of a clip file come, without decoding a video."""
    source, name = source_of(given)
    with reading(source, name):
        return times_of(source)


def read_frames(
    given: Any, indices: Sequence[int] | Array, options: PictureOptions = DEFAULT
) -> list[Image.Image]:
    """Read some frames of a clip file, counted from 0 -> RGB pictures in the order of `indices`.

    Frames are whole pictures: what a file stores as a change of the frame before is put together.
    Raises UserError for a frame that is not there, NotFoundError for a missing file.
    """
    wanted = [int(index) for index in indices]
    if not wanted or min(wanted) < 0:
        raise UserError(f"frames {wanted} cannot be read; ask for one or more, counted from 0")
    source, name = source_of(given, options)
    with reading(source, name):
        frames = gather(source, wanted, options)
    if max(wanted) >= frames.total:
        broken = f", and {frames.damage} damaged packets" if frames.damage else ""
        raise UserError(
            f"{name} has {frames.total} frames{broken}; there is no frame {max(wanted)}, from 0 on"
        )
    return [frames.kept[index] for index in wanted]


def read_clip(given: Any, clip_len: int, options: PictureOptions = DEFAULT) -> list[Image.Image]:
    """Read frames evenly spaced over a clip file: at most `clip_len`, fewer if it has fewer.

    Of a file with damaged packets the frames that can be decoded count, and a warning says so.
    """
    source, name = source_of(given, options)
    with reading(source, name):
        by_time = options.sample == "time"
        times = times_of(source, exact=by_time)
        if not times:
            raise UserError(f"{name} is damaged or cut short: it has no frames")
        wanted = evenly_in_time(clip_len, times) if by_time else evenly_spaced(clip_len, len(times))
        frames = gather(source, wanted.tolist(), options)
        if frames.total <= max(wanted):  # some cannot be decoded: take them from the others
            if not frames.total:
                raise UserError(f"{name} is damaged or cut short: no frame of it can be decoded")
            wanted = evenly_spaced(clip_len, frames.total)
            frames = gather(source, wanted.tolist(), options)
    if frames.damage:
        warnings.warn(
            f"{name} is damaged: {frames.damage} of its packets cannot be decoded; the frames are "
            f"taken from the {frames.total} that can",
            stacklevel=2,
        )
    return [frames.kept[index] for index in wanted]


def gather(source: Source, wanted: Sequence[int], options: PictureOptions) -> Gathered:
    """Go through a file up to the last frame that is wanted."""
    kept: dict[int, Image.Image] = {}
    count, damage = 0, [0]
    for frame in decode(source, damage, options):
        if count in wanted:
            kept[count] = frame()
        count += 1
        if count > max(wanted):
            break
    return Gathered(kept, count, damage[0])


def decode(source: Source, damage: list[int], options: PictureOptions) -> Iterator[Any]:
    """Yield for every frame, in order, a function that makes a picture of it, until the next one.

    Packets that cannot be decoded are counted in `damage`.
    """
    if is_video(source):
        with open_video(source) as container:
            for frame in decoded_frames(container, damage):
                yield lambda frame=frame: from_video(frame, options)
        return
    animation = animated_png(source)
    with opened(source) as picture:
        orientation = orientation_of(picture) if options.turn else 1
        if animation is not None:
            for canvas in composed(animation):
                yield lambda canvas=canvas: finished(turned(canvas.copy(), orientation), options)
            return
        for number in frame_numbers(picture):
            picture.seek(number)
            yield lambda: finished(loaded(picture), options)


def loaded(picture: Image.Image) -> Image.Image:
    """Decode the frame at which a Pillow picture stands."""
    picture.load()
    return picture


def decoded_frames(container: Any, damage: list[int]) -> Iterator[Any]:
    """Decode a video packet by packet; what is damaged is left out."""
    import av

    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = packet.decode()
        except EOFError:
            return
        except av.FFmpegError:
            damage[0] += 1
            if damage[0] > MOST_DAMAGE:
                return
            continue
        yield from frames


def from_video(frame: Any, options: PictureOptions) -> Image.Image:
    """Copy a frame of PyAV into a picture of its own, turned as its display matrix says."""
    picture = Image.fromarray(frame.to_ndarray(format="rgb24"))
    return turned(picture, orientation_of_video(frame)) if options.turn else picture


def orientation_of_video(frame: Any) -> int:
    """Read how a frame of PyAV is to be turned from its display matrix, as EXIF counts: 1 to 8.

    A point (x, y) of the frame is shown at (a x + c y, b x + d y). Slanting ones are as they are.
    """
    found = [bytes(one) for one in frame.side_data if one.type.name == "DISPLAYMATRIX"]
    if not found or len(found[0]) != 36:
        return 1
    a, b, _, c, d, *_ = struct.unpack("=9i", found[0])
    if a and d and abs(a) >= abs(b):
        return (3, 2, 4, 1)[2 * (a > 0) + (d > 0)]
    if b and c:
        return (7, 8, 6, 5)[2 * (b > 0) + (c > 0)]
    return 1


def animated_png(source: Source) -> Animation | None:
    """Read an animated PNG, which is put together here; None for every other file."""
    with as_binary(source) as file:
        return read_animation(file)


def times_of(source: Source, *, exact: bool = True) -> list[float]:
    """List the seconds at which frames come; how many there are, at least.

    Of WebP and AVIF a frame has to be decoded to know how long it stays: where times need not be
    `exact`, all are 0.
    """
    if is_video(source):
        with open_video(source) as container:
            return times_of_packets(container)
    animation = animated_png(source)
    if animation is not None:
        milliseconds = [frame.milliseconds for frame in animation.frames]
        return [sum(milliseconds[:i]) / 1000 for i in range(len(milliseconds))]
    times, now = [], 0.0
    with opened(source) as picture:
        found = frame_numbers(picture)
        for number in found:
            times.append(now)
            if len(found) > 1:
                picture.seek(number)
                if exact and picture.format in ("WEBP", "AVIF"):
                    picture.load()
                now += float(picture.info.get("duration", 0)) / 1000
    return times


def times_of_packets(container: Any) -> list[float]:
    """List when the packets of a video are shown, in order."""
    import av

    base = container.streams.video[0].time_base or 1
    times: list[float] = []
    try:
        for packet in container.demux(video=0):
            if packet.size and not packet.is_discard:
                moment = packet.dts if packet.pts is None else packet.pts
                times.append(float((len(times) if moment is None else moment) * base))
    except av.FFmpegError:  # cut short: what came before counts
        pass
    return sorted(times)


def frame_numbers(picture: Image.Image) -> range:
    """List where the frames of an animation stand; a still has one."""
    frames = getattr(picture, "n_frames", 1) if picture.format in ANIMATED else 1
    return range(frames)


@contextmanager
def open_video(source: Source) -> Iterator[Any]:
    """Open a video file with PyAV."""
    name = str(source) if isinstance(source, Path) else "the clip"
    try:
        import av
    except ImportError:
        raise NotReadableError(
            f"{name} is {WHAT_HELPS[VIDEO]}; GIF, WebP and APNG clips work without it"
        ) from None
    with as_binary(source) as file, av.open(file) as container:
        if not container.streams.video:
            raise UserError(f"{name} has no pictures in it, only sound or text")
        yield container
