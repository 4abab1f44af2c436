"""The land behind the stickers: a sky, the sun or the moon and stars, clouds, three hills.

Nothing in it has a name in this world, so no caption and no answer can mean it.
"""

import math

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

Color = tuple[int, int, int]

# sky above, sky below, far hill, middle hill, near hill
_DAYS: tuple[tuple[Color, ...], ...] = (
    ((142, 202, 236), (240, 246, 232), (188, 220, 196), (160, 206, 160), (132, 190, 128)),
    ((250, 196, 178), (255, 240, 214), (232, 196, 186), (206, 186, 160), (176, 178, 138)),
    ((158, 220, 208), (240, 250, 230), (176, 220, 204), (150, 204, 176), (122, 184, 146)),
    ((190, 186, 236), (250, 236, 244), (204, 196, 226), (178, 186, 206), (150, 178, 172)),
    ((252, 222, 158), (255, 248, 226), (224, 222, 172), (198, 208, 146), (166, 192, 124)),
)
_NIGHTS: tuple[tuple[Color, ...], ...] = (
    ((14, 20, 60), (72, 66, 128), (50, 52, 104), (38, 44, 86), (26, 34, 68)),
    ((8, 30, 54), (42, 92, 116), (30, 74, 92), (22, 60, 74), (14, 46, 58)),
    ((36, 20, 62), (112, 66, 112), (80, 50, 96), (60, 40, 80), (44, 30, 64)),
)
_PUFFS = ((-1.0, 0.3, 0.42), (-0.3, 0.55, 0.6), (0.5, 0.42, 0.5), (1.1, 0.22, 0.34))  # of a cloud

# of a tiny star: how many long and thin steps to the right, then downwards
_SPARKLE = (
    (0, 0, -1, 0),
    (0, 1, 0, -1),
    (1, 0, 0, 0),
    (0, 1, 0, 1),
    (0, 0, 1, 0),
    (0, -1, 0, 1),
    (-1, 0, 0, 0),
    (0, -1, 0, -1),
)

# light around the sun and the moon, fading outwards
_GLOW = (
    Image.radial_gradient("L")
    .point([round(110 * max(0.0, 1 - v / 180) ** 2) for v in range(256)])
    .reduce(4)
)


def landscape(seed: int, night: bool, side: int) -> Image.Image:
    """Paint a landscape; the same seed paints the same one at any size."""
    rng = np.random.default_rng(seed)
    palettes = _NIGHTS if night else _DAYS
    top, low, *hills = palettes[rng.integers(len(palettes))]
    fade = np.linspace(0, 1.25, side)[:, None].clip(0, 1)
    column = np.asarray(top) * (1 - fade) + np.asarray(low) * fade
    stripe = Image.fromarray(column.round().astype(np.uint8)[:, None])
    im = stripe.resize((side, side), Image.Resampling.NEAREST)
    if night:
        _stars(im, rng)
    else:
        _clouds(im, rng, top)
    _light(im, rng, night)
    for layer, color in enumerate(hills):
        _hill(im, rng, layer, color, night)
    return im


def _mix(a: Color, b: Color, part: float) -> Color:
    """Mix two colours: a, with some part of b."""
    r, g, blue = (round(u + (v - u) * part) for u, v in zip(a, b, strict=True))
    return (r, g, blue)


def _stars(im: Image.Image, rng: Generator) -> None:
    """Sprinkle dots and a few tiny sparkles over the night sky."""
    side = im.width
    draw = ImageDraw.Draw(im)
    spots = rng.uniform(0, 1, (18, 3)).tolist()
    for i, (x, y, glow) in enumerate(spots):
        x, y, r = x * side, y * 0.75 * side, (0.003 + 0.003 * glow) * side
        color = _mix((110, 110, 160), (250, 246, 220), glow)
        if i < 4:
            long, thin = r * 2.6, r * 0.6
            corners = [
                (x + long * u + thin * v, y + long * p + thin * q) for u, v, p, q in _SPARKLE
            ]
            draw.polygon(corners, fill=color)
        else:
            draw.ellipse((x - r, y - r, x + r, y + r), fill=color)


def _light(im: Image.Image, rng: Generator, night: bool) -> None:
    """Hang a pale sun, or a thin moon, into the sky, with a soft glow."""
    side = im.width
    x, y, r = rng.uniform(0.12, 0.88) * side, rng.uniform(0.1, 0.3) * side, 0.075 * side
    reach = round(r * 3.2)
    glow = _GLOW.resize((2 * reach, 2 * reach), Image.Resampling.BILINEAR)
    color = (255, 250, 226)
    im.paste(color, (round(x) - reach, round(y) - reach), glow)
    draw = ImageDraw.Draw(im)
    if not night:
        draw.ellipse((x - r, y - r, x + r, y + r), fill=color)
        return
    tip = 0.32 * math.pi  # of the crescent, where the rim meets the bite taken out of it
    t = np.linspace(tip, 2 * math.pi - tip, 40)
    rim = np.stack([np.cos(t), np.sin(t)], 1)
    from_bite = math.atan2(math.sin(tip), math.cos(tip) - 0.45)
    t = np.linspace(2 * math.pi - from_bite, from_bite, 40)
    bite = np.stack([np.cos(t), np.sin(t)], 1) * math.dist((0.45, 0), rim[0]) + (0.45, 0)
    crescent = np.concatenate([rim, bite]) * r + (x, y)
    draw.polygon(crescent.ravel().tolist(), fill=color)


def _clouds(im: Image.Image, rng: Generator, sky: Color) -> None:
    """Let two paper clouds drift by."""
    side = im.width
    draw = ImageDraw.Draw(im)
    for _ in range(2):
        x, y = rng.uniform(0, 1) * side, rng.uniform(0.08, 0.5) * side
        w = rng.uniform(0.07, 0.12) * side
        color = _mix(sky, (255, 255, 255), rng.uniform(0.5, 0.7))
        for dx, up, r in _PUFFS:
            cx, cy, k = x + dx * w, y - up * w * 0.6, r * w
            draw.ellipse((cx - k, cy - k, cx + k, cy + k), fill=color)
        base = (x - 1.5 * w, y - 0.25 * w, x + 1.5 * w, y + 0.12 * w)
        try:
            draw.rounded_rectangle(base, 0.18 * w, fill=color)
        except ValueError:  # Pillow 10 cannot draw the sides, here a line, between the corners
            draw.line((base[0], y - 0.065 * w, base[2], y - 0.065 * w), fill=color)


def _hill(im: Image.Image, rng: Generator, layer: int, color: Color, night: bool) -> None:
    """Lay one strip of hills, with a light edge where the paper was cut and a shadow behind it."""
    side = im.width
    x = np.linspace(0, 1, 33)
    phase, waves = rng.uniform(0, 2 * math.pi), rng.uniform(0.7, 1.4)
    height = 0.27 - 0.08 * layer + 0.045 * np.sin(2 * math.pi * waves * x + phase)
    draw = ImageDraw.Draw(im)
    shade = _mix(color, (10, 10, 40), 0.16 if not night else 0.35)
    edge = _mix(color, (255, 255, 255), 0.38 if not night else 0.14)
    for lift, fill in ((0.016, shade), (0.008, edge), (0.0, color)):
        line = np.stack([x, 1 - height - lift], 1) * side
        draw.polygon([*line.ravel().tolist(), side, side, 0, side], fill=fill)
