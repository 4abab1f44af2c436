"""The eight things of the storybook world, each cut out of a few pieces of paper.

A thing fills about the circle of radius 1 around the origin, x to the right, y downwards.
Its pieces are laid down in order. What looks sideways looks to the left.
"""

import math

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Piece = tuple[str, Points]  # the paper (see `drawing.paper`), the corners


def _oval(x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Points:
    """Return an oval with centre (x, y), turned by some degrees."""
    t = np.linspace(0, 2 * math.pi, 28, endpoint=False)
    a, b = rx * np.cos(t), ry * np.sin(t)
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return np.stack([x + a * cos - b * sin, y + a * sin + b * cos], 1)


def _corners(text: str) -> Points:
    """Return a polygon from its corners: `x,y x,y x,y`."""
    return np.array([pair.split(",") for pair in text.split()], float)


def _smooth(text: str) -> Points:
    """Return a closed curve through the points `x,y x,y x,y` (Catmull-Rom)."""
    p1 = _corners(text)
    p0, p2, p3 = np.roll(p1, 1, 0), np.roll(p1, -1, 0), np.roll(p1, -2, 0)
    parts = []
    for t in (0.0, 0.2, 0.4, 0.6, 0.8):
        bend = (2 * p0 - 5 * p1 + 4 * p2 - p3) * t * t + (3 * p1 - p0 - 3 * p2 + p3) * t * t * t
        parts.append(p1 + ((p2 - p0) * t + bend) / 2)
    return np.stack(parts, 1).reshape(-1, 2)


def _mirror(points: Points) -> Points:
    """Return the same shape, left and right exchanged."""
    return points * (-1, 1)


def _bird() -> list[Piece]:
    """A round bird with one wing up."""
    return [
        ("wood", _corners("0.02,0.5 0.12,0.5 0.08,1 -0.06,1")),
        ("wood", _corners("0.3,0.5 0.4,0.5 0.42,0.98 0.28,0.98")),
        ("dark", _corners("0.4,0.1 1.12,-0.2 1.02,0.2 0.5,0.5")),
        (
            "main",
            _smooth(
                "-0.8,-0.3 -0.45,-0.68 -0.08,-0.4 0.35,-0.2 0.7,0.2 0.35,0.62 -0.2,0.62 -0.62,0.2"
            ),
        ),
        ("wood", _corners("-0.7,-0.48 -1.16,-0.24 -0.72,-0.1")),
        ("light", _smooth("-0.5,0.15 -0.15,0.1 0.1,0.45 -0.15,0.55")),
        ("dark", _smooth("-0.05,0.1 0,-0.6 0.5,-1.08 0.62,-0.5 0.5,0.12 0.2,0.3")),
        ("white", _oval(-0.46, -0.34, 0.15, 0.15)),
        ("ink", _oval(-0.49, -0.34, 0.08, 0.09)),
    ]


def _boat() -> list[Piece]:
    """A boat with two sails."""
    return [
        ("wood", _corners("-0.06,-1.02 0.06,-1.02 0.06,0.5 -0.06,0.5")),
        ("main", _corners("0.12,-0.95 0.92,0.24 0.12,0.24")),
        ("light", _corners("-0.12,-0.7 -0.12,0.24 -0.78,0.24")),
        (
            "main",
            _smooth("-1.04,0.4 0,0.42 1.04,0.4 0.86,0.74 0.62,0.92 0,0.95 -0.62,0.92 -0.86,0.74"),
        ),
        ("dark", _corners("-0.82,0.68 0.82,0.68 0.62,0.92 0,0.95 -0.62,0.92")),
    ]


def _cat() -> list[Piece]:
    """A sitting cat with a large head."""
    ear = _corners("-0.62,-0.3 -0.6,-1.06 -0.08,-0.72")
    inner = _corners("-0.5,-0.55 -0.5,-0.85 -0.24,-0.68")
    eye = _oval(-0.25, -0.32, 0.09, 0.13)
    return [
        (
            "dark",
            _smooth(
                "0.2,0.72 0.7,0.62 0.78,0.3 0.68,0 0.84,-0.12 0.98,0.04 1.02,0.5 0.82,0.88 0.4,0.98"
            ),
        ),
        (
            "main",
            _smooth("-0.56,0.94 -0.5,0.4 -0.24,0 0.24,0 0.5,0.4 0.56,0.94 0.2,1.02 -0.2,1.02"),
        ),
        ("main", ear),
        ("main", _mirror(ear)),
        ("main", _oval(0, -0.32, 0.68, 0.5)),
        ("light", inner),
        ("light", _mirror(inner)),
        ("light", _oval(0, 0.58, 0.25, 0.3)),
        ("light", _oval(0, -0.08, 0.24, 0.15)),
        ("ink", eye),
        ("ink", _mirror(eye)),
        ("ink", _corners("-0.09,-0.17 0.09,-0.17 0,-0.06")),
    ]


def _fish() -> list[Piece]:
    """A fish with a forked tail."""
    return [
        ("dark", _smooth("0.4,0 0.95,-0.62 1.08,-0.5 0.86,0 1.08,0.5 0.95,0.62")),
        ("dark", _smooth("-0.4,-0.4 -0.02,-0.86 0.2,-0.72 0.32,-0.3")),
        ("dark", _smooth("-0.2,0.45 0.12,0.84 0.24,0.4")),
        (
            "main",
            _smooth("-1.08,0.06 -0.8,-0.36 -0.3,-0.56 0.2,-0.4 0.62,0 0.2,0.42 -0.3,0.56 -0.8,0.4"),
        ),
        ("light", _smooth("-0.18,-0.42 -0.04,0 -0.18,0.44 0.02,0.42 0.14,0 0.02,-0.4")),
        ("white", _oval(-0.6, -0.1, 0.19, 0.19)),
        ("ink", _oval(-0.64, -0.1, 0.1, 0.11)),
    ]


def _flower() -> list[Piece]:
    """A flower seen from above: six petals around a bright middle."""
    turns = [k * 60 + 30 for k in range(6)]
    spots = [(0.62 * math.cos(math.radians(t)), 0.62 * math.sin(math.radians(t))) for t in turns]
    petals = [("main", _oval(x, y, 0.46, 0.34, t)) for (x, y), t in zip(spots, turns, strict=True)]
    veins = [
        ("dark", _oval(x * 0.78, y * 0.78, 0.2, 0.06, t))
        for (x, y), t in zip(spots, turns, strict=True)
    ]
    return [
        *petals,
        ("main", _oval(0, 0, 0.5, 0.5)),
        *veins,
        ("cream", _oval(0, 0, 0.33, 0.33)),
        ("wood", _oval(0, 0, 0.12, 0.12)),
    ]


def _heart() -> list[Piece]:
    """A heart with a glint."""
    t = np.linspace(0, 2 * math.pi, 44, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    heart = np.stack([x / 15.6, y / 15.2 + 0.10], 1)
    return [
        ("dark", heart),
        ("main", heart * (0.88, 0.88) + (-0.04, -0.04)),
        ("light", _oval(-0.46, -0.38, 0.2, 0.12, -42)),
    ]


def _house() -> list[Piece]:
    """A house with a chimney, a door and two windows."""
    window = _corners("-0.54,0.1 -0.2,0.1 -0.2,0.42 -0.54,0.42")
    return [
        ("dark", _corners("0.36,-0.94 0.66,-0.94 0.66,0 0.36,0")),
        ("main", _corners("-0.76,-0.2 0.76,-0.2 0.76,0.94 -0.76,0.94")),
        ("dark", _corners("-1.08,0.02 0,-0.98 1.08,0.02")),
        ("cream", window),
        ("cream", _mirror(window)),
        ("wood", _corners("-0.17,0.94 -0.17,0.5 -0.1,0.4 0.1,0.4 0.17,0.5 0.17,0.94")),
    ]


def _tree() -> list[Piece]:
    """A tree with a round, leafy crown."""
    turns = [math.radians(k * 60 - 90) for k in range(6)]
    leaves = [(0.44 * math.cos(t), 0.40 * math.sin(t) - 0.34) for t in turns]
    return [
        ("wood", _corners("-0.12,0.1 0.12,0.1 0.14,0.8 0.3,1.06 -0.3,1.06 -0.14,0.8")),
        *(("dark", _oval(x, y, 0.36, 0.36)) for x, y in leaves),
        *(("main", _oval(x * 0.96 - 0.03, y - 0.1, 0.31, 0.3)) for x, y in leaves),
        ("main", _oval(-0.03, -0.42, 0.5, 0.48)),
        ("light", _oval(-0.26, -0.7, 0.17, 0.1, -30)),
        ("light", _oval(0.28, -0.46, 0.13, 0.08, -30)),
        ("light", _oval(-0.36, -0.24, 0.13, 0.08, -30)),
        (
            "wood",
            _corners(
                "-0.06,0.4 0.06,0.4 0.05,0 0.24,-0.16 0.18,-0.22 "
                "0,-0.06 -0.18,-0.22 -0.24,-0.16 -0.05,0"
            ),
        ),
    ]


PIECES = {
    "bird": _bird(),
    "boat": _boat(),
    "cat": _cat(),
    "fish": _fish(),
    "flower": _flower(),
    "heart": _heart(),
    "house": _house(),
    "tree": _tree(),
}
