"""What is asked about -> pictures: scenes drawn, files opened with care, the brush laid on."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image, ImageDraw

from ...errors import UserError
from ...huggingface.processing.picture_steps import InMemory, opened, reading
from ...huggingface.processing.video import decode, frame_numbers
from ...huggingface.reading import DEFAULT
from ...huggingface.reading.content import PICTURE, kind_of_bytes
from ...storybook import EXAMPLES
from ...storybook.drawing import render
from ...storybook.lettering import text_width
from ...storybook.scene import COLORS, THINGS, Scene, Sign, Thing
from ...storybook.silhouettes import PIECES
from ..protocol import Composed, Stroke, Subject

SIZE = 384  # of a drawn picture, as the examples
MOST_PIXELS = 24_000_000
MOST_FRAMES = 64
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
SIGN_HEIGHT = 0.18  # of a letter, as large as the model was taught


def frames_of(subject: Subject) -> list[Image.Image]:
    """Draw or open what is asked about, with the brush's strokes: one picture, or a clip's."""
    if subject.frames:
        frames = [draw(scene) for scene in subject.frames]
    elif subject.example:
        frames = open_frames(example(subject.example))
    else:
        frames = open_frames(subject.file)
    return [hide(frame, subject.brush) for frame in frames]


def draw(scene: Composed, size: int = SIZE) -> Image.Image:
    """Draw a scene as the bundled model knows them."""
    things = tuple(
        Thing(s.kind, s.color, "", s.x, s.y, s.r, turn=s.turn, flip=s.flip) for s in scene.stickers
    )
    for thing in things:
        if thing.kind not in THINGS:
            raise UserError(f"there is no sticker {thing.kind!r}; there are {', '.join(THINGS)}")
        if thing.color not in COLORS:
            raise UserError(f"there is no colour {thing.color!r}; there are {', '.join(COLORS)}")
    sign = sign_of(scene)
    drawn = render(Scene("single", things, sign, night=scene.night, backdrop=scene.backdrop), size)
    if isinstance(drawn, list):
        raise AssertionError("only clips are drawn as lists")
    return drawn


def sign_of(scene: Composed) -> Sign | None:
    """Place the sign; letters shrink until the board fits."""
    if not scene.sign:
        return None
    word = scene.sign.lower()
    height = min(SIGN_HEIGHT, SIGN_HEIGHT * 0.72 / text_width(word, SIGN_HEIGHT))
    return Sign(word, scene.sign_x, scene.sign_y, height)


def example(name: str) -> bytes:
    """Read one of the bundled pictures; the name is looked up, never joined to a path."""
    examples = {path.name: path for path in EXAMPLES.iterdir()}
    if name not in examples:
        raise UserError(f"there is no example {name!r}; there are {', '.join(sorted(examples))}")
    return examples[name].read_bytes()


def open_frames(data: bytes) -> list[Image.Image]:
    """Open a picture, or all frames of an animation, of a few well-known formats.

    Sizes are checked before a pixel is decoded: a small file can hold an enormous picture. What is
    done with it then is what is done with files everywhere: turned as its EXIF says, for one.
    """
    source = InMemory(data, "the file")
    if kind_of_bytes(data[:1024]) != PICTURE:
        raise UserError(f"the file is no {', '.join(FORMATS)} picture")
    with reading(source, source.name):
        with opened(source, FORMATS) as picture:
            count = len(frame_numbers(picture))
            if picture.width * picture.height * min(count, MOST_FRAMES) > MOST_PIXELS:
                raise UserError(
                    f"the picture has {picture.width} x {picture.height} pixels in {count} "
                    f"frames, at most {MOST_PIXELS:,} are opened here"
                )
            if count > MOST_FRAMES:
                raise UserError(
                    f"the clip has {count} frames, at most {MOST_FRAMES} are opened here"
                )
        return [frame() for frame in decode(source, [0], DEFAULT)]


def hide(frame: Image.Image, brush: tuple[Stroke, ...]) -> Image.Image:
    """Paint strokes with the mean colour of the picture, as explain does to hide a region."""
    if not brush:
        return frame
    painted, side = frame.copy(), min(frame.size)
    left, top = (frame.width - side) / 2, (frame.height - side) / 2  # the middle is what is seen
    mean = frame.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    pen = ImageDraw.Draw(painted)
    for stroke in brush:
        points = [(left + x * side, top + y * side) for x, y in stroke.points]
        radius = stroke.r * side
        if len(points) > 1:
            pen.line(points, fill=mean, width=max(1, round(2 * radius)), joint="curve")
        for x, y in points:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=mean)
    return painted


def png(picture: Image.Image) -> str:
    """Write a picture as base64 of a PNG."""
    out = io.BytesIO()
    picture.save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode("ascii")


def world() -> dict[str, Any]:
    """List what the page needs to draw stickers itself while they are dragged."""
    shapes = {
        kind: [
            {"paper": paper, "points": [[round(x, 3), round(y, 3)] for x, y in points.tolist()]}
            for paper, points in pieces
        ]
        for kind, pieces in PIECES.items()
    }
    return {"things": list(THINGS), "colors": COLORS, "shapes": shapes}
