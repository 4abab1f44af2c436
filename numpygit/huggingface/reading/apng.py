"""The frames of an animated PNG, put together here.

Pillow pastes a frame into the picture that "dispose: previous" should bring back, so that what a
frame looks like depends on which frames were decoded before. Pillow still decodes the pixels of
each frame: they are handed to it as a PNG of their own.
Source: W3C, Portable Network Graphics (Third Edition), sections 11.3.6 and 13.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from PIL import Image

from ...errors import UserError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BACKGROUND, PREVIOUS = 1, 2  # dispose_op
OVER = 1  # blend_op
COPIED = (b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT")  # how to read the pixels


@dataclass
class Frame:
    """One frame of the file: where it lies on the canvas, and its compressed pixels."""

    width: int
    height: int
    left: int
    top: int
    milliseconds: float
    dispose: int
    blend: int
    data: list[bytes] = field(default_factory=list)


@dataclass
class Animation:
    """A whole file, its pixels still compressed."""

    header: bytes  # IHDR
    copied: list[tuple[bytes, bytes]]
    frames: list[Frame]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the canvas."""
        width, height = struct.unpack_from(">2I", self.header)
        return width, height


def read_animation(file: BinaryIO) -> Animation | None:
    """Read a PNG's chunks; None where it is no animation.

    A file that is cut short has the frames that are complete.
    """
    animation: Animation | None = None
    is_animated = False
    for kind, content in chunks(file):
        if kind == b"IHDR" and len(content) == 13:
            animation = Animation(content, [], [])
        elif animation is None:
            return None
        elif kind == b"acTL":
            is_animated = True
        elif kind == b"IDAT" and not is_animated:
            return None
        elif kind in COPIED:
            animation.copied.append((kind, content))
        elif kind == b"fcTL" and len(content) == 26:
            animation.frames.append(frame_from(content, animation.size))
        elif kind in (b"IDAT", b"fdAT") and animation.frames:  # before all: a still, no frame
            data = content if kind == b"IDAT" else content[4:]
            animation.frames[-1].data.append(data)
    if animation is None or not is_animated:
        return None
    animation.frames = [frame for frame in animation.frames if frame.data]
    return animation


def chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Go through the chunks of a PNG until its end, or until it is cut short or damaged."""
    file.seek(0)
    if file.read(8) != SIGNATURE:
        return
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        content = file.read(length) if length < 2**31 else b""
        check = file.read(4)
        if len(content) < length or check != struct.pack(">I", zlib.crc32(kind + content)):
            return
        if kind == b"IEND":
            return
        yield kind, content


def frame_from(content: bytes, size: tuple[int, int]) -> Frame:
    """Read an fcTL chunk. Raises UserError for a frame that leaves the canvas."""
    numbers = struct.unpack(">5I2H2B", content)
    _, width, height, left, top, delay, per_second, dispose, blend = numbers
    if width < 1 or height < 1 or left + width > size[0] or top + height > size[1]:
        raise UserError("a frame of the animated PNG lies outside of its picture")
    milliseconds = 1000 * delay / (per_second or 100)
    return Frame(width, height, left, top, milliseconds, dispose, blend)


def composed(animation: Animation) -> Iterator[Image.Image]:
    """Yield every frame as a whole picture in RGBA; it is valid until the next one."""
    canvas = Image.new("RGBA", animation.size)
    for number, frame in enumerate(animation.frames):
        box = (frame.left, frame.top, frame.left + frame.width, frame.top + frame.height)
        # the first frame has nothing before it to go back to
        dispose = BACKGROUND if number == 0 and frame.dispose == PREVIOUS else frame.dispose
        before = canvas.copy() if dispose == PREVIOUS else None
        pixels = decoded(animation, frame)
        if frame.blend == OVER:
            pixels = Image.alpha_composite(canvas.crop(box), pixels)
        canvas.paste(pixels, box)
        yield canvas
        if before is not None:
            canvas = before
        elif dispose == BACKGROUND:
            canvas.paste((0, 0, 0, 0), box)


def decoded(animation: Animation, frame: Frame) -> Image.Image:
    """Decode the pixels of one frame with Pillow, as a PNG of their own."""
    header = struct.pack(">2I", frame.width, frame.height) + animation.header[8:]
    file = [SIGNATURE, chunk(b"IHDR", header)]
    file += [chunk(kind, content) for kind, content in animation.copied]
    file += [chunk(b"IDAT", b"".join(frame.data)), chunk(b"IEND", b"")]
    with Image.open(io.BytesIO(b"".join(file)), formats=["PNG"]) as picture:
        return picture.convert("RGBA")


def chunk(kind: bytes, content: bytes) -> bytes:
    """Write one chunk of a PNG."""
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )
