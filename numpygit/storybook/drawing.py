"""Draw a scene: a paper landscape by day or night, stickers with soft shadows, a wooden sign.

Everything is drawn at twice the size that is asked for and then reduced, so edges are soft.
"""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .landscape import landscape
from .lettering import text_strokes, text_width
from .scene import COLORS, Scene, Sign, Thing
from .silhouettes import PIECES

Color = tuple[int, int, int]

_FIXED = {
    "white": (255, 255, 255),
    "cream": (255, 247, 222),
    "wood": (122, 82, 56),
    "ink": (46, 38, 54),
}
_BORDER = 0.019  # white border of a sticker
_PLANK, _EDGE, _PAPER = (146, 102, 68), (98, 66, 44), (252, 246, 230)


def render(scene: Scene, size: int = 96) -> Image.Image | list[Image.Image]:
    """Draw a scene as an RGB picture of size x size, or a clip as four of them."""
    backdrop = landscape(scene.backdrop, scene.night, size * 2)
    if scene.kind != "clip":
        return _reduced(_drawn(backdrop, scene.sign, scene.things, scene.night), size)
    moments = [(moment,) for moment in scene.frames]
    return [_reduced(_drawn(backdrop.copy(), None, m, scene.night), size) for m in moments]


def paper(name: str, color: Color) -> Color:
    """Return the colour of one piece of a sticker: its own, darker, lighter, or a fixed one."""
    if name == "dark":
        return _mixed(color, (40, 20, 60), 0.26)
    if name == "light":
        return _mixed(color, (255, 255, 255), 0.42)
    return _FIXED.get(name, color)


def _drawn(
    im: Image.Image, sign: Sign | None, things: tuple[Thing, ...], night: bool
) -> Image.Image:
    """Lay the sign and the stickers on a landscape, the last named thing first."""
    if sign is not None:
        _draw_sign(im, sign)
    for thing in reversed(things):
        _draw_sticker(im, thing, night)
    return im


def _reduced(im: Image.Image, size: int) -> Image.Image:
    """Shrink the canvas to the size that was asked for."""
    return im.resize((size, size), Image.Resampling.BICUBIC)


def _mixed(a: Color, b: Color, part: float) -> Color:
    """Mix two colours: a, with some part of b."""
    return (
        round(a[0] + (b[0] - a[0]) * part),
        round(a[1] + (b[1] - a[1]) * part),
        round(a[2] + (b[2] - a[2]) * part),
    )


def _draw_sticker(im: Image.Image, thing: Thing, night: bool) -> None:
    """Draw one thing: its shadow, its white border, its pieces of paper."""
    side = im.width
    turn = math.radians(thing.turn)
    cos, sin = math.cos(turn), math.sin(turn)
    place = np.array([[cos, -sin], [sin, cos]]) * (thing.r * side)
    if thing.flip:
        place = np.array([[-1.0, 0.0], [0.0, 1.0]]) @ place
    reach = math.ceil((thing.r * 1.15 + 0.05) * side)
    left, top = round(thing.x * side) - reach, round(thing.y * side) - reach
    centre = (thing.x * side - left, thing.y * side - top)
    names = [name for name, _ in PIECES[thing.kind]]
    flats = [(points @ place + centre).ravel().tolist() for _, points in PIECES[thing.kind]]
    border = _border(flats, reach * 2, _BORDER * side)
    shadow = border.filter(ImageFilter.BoxBlur(0.012 * side)).point(_HALF)
    offset = (left + round(0.012 * side), top + round(0.02 * side))
    im.paste((4, 4, 20) if night else (70, 60, 90), offset, shadow)
    tile = Image.new("RGB", border.size, (255, 255, 255))
    draw = ImageDraw.Draw(tile)
    base = COLORS[thing.color]
    color = (base[0] + thing.tint[0], base[1] + thing.tint[1], base[2] + thing.tint[2])
    for name, flat in zip(names, flats, strict=True):
        draw.polygon(flat, fill=paper(name, color))
    im.paste(tile, (left, top), border)


def _border(pieces: list[list[float]], side: int, width: float) -> Image.Image:
    """Return a mask of some pieces and of a border around them, its corners rounded off."""
    mask = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(mask)
    for flat in pieces:
        draw.polygon(flat, fill=255)
    return mask.filter(ImageFilter.GaussianBlur(width / 1.6)).point(_CUT)


_CUT = [min(255, max(0, (v - 6) * 25)) for v in range(256)]  # a blurred edge, made sharp again
_HALF = [v * 110 // 255 for v in range(256)]


def _draw_sign(im: Image.Image, sign: Sign) -> None:
    """Draw a post, a board with a sheet of paper on it, and the letters."""
    side = im.width
    draw = ImageDraw.Draw(im)
    half_w = max(text_width(sign.text, sign.height) / 2 + 0.06, 0.14) * side
    half_h = (sign.height / 2 + 0.055) * side
    x, y, post = sign.x * side, sign.y * side, 0.022 * side
    foot = [x - post, y, x + post, y, x + post, side, x - post, side]
    board = _board(x, y, half_w, half_h, sign.turn)
    draw.polygon(foot, fill=_PLANK, outline=_EDGE)
    draw.polygon(board, fill=_EDGE)
    draw.polygon(_board(x, y, half_w - 0.008 * side, half_h - 0.008 * side, sign.turn), fill=_PLANK)
    inner = 0.022 * side
    draw.polygon(_board(x, y, half_w - inner, half_h - inner, sign.turn), fill=_PAPER)
    pen = max(2, round(sign.height / 6 * 0.92 * side))
    for stroke in text_strokes(sign.text, sign.x, sign.y, sign.height, sign.turn):
        points = [(a * side, b * side) for a, b in stroke]
        draw.line(points, fill=_FIXED["ink"], width=pen, joint="curve")
        for a, b in (points[0], points[-1]):
            k = pen / 2 - 0.5
            draw.ellipse((a - k, b - k, a + k, b + k), fill=_FIXED["ink"])


def _board(x: float, y: float, half_w: float, half_h: float, turn: float) -> list[float]:
    """Return a rectangle with cut corners around (x, y), turned by some degrees."""
    cut = half_h * 0.16
    corners = []
    for sx, sy in ((1, -1), (1, 1), (-1, 1), (-1, -1)):
        ends = [(half_w - cut, half_h), (half_w, half_h - cut)]
        corners += [(sx * a, sy * b) for a, b in (ends if sx * sy < 0 else ends[::-1])]
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return [v for a, b in corners for v in (x + a * cos + b * sin, y - a * sin + b * cos)]
