"""A small alphabet for the wooden signs: each letter is a few strokes of a thick pen."""

import math

Stroke = list[tuple[float, float]]

WIDTH, HEIGHT, GAP = 4.0, 6.0, 1.7  # of a letter, and between two, in squares of its grid

_STROKES = {  # one or more lines from point to point, each point as its column 0-4 and row 0-6
    "0": "10 30 41 45 36 16 05 01 10|32 14",
    "1": "01 20 26|06 46",
    "2": "01 10 30 41 42 06 46",
    "3": "01 10 30 41 42 33 23|33 44 45 36 16 05",
    "4": "36 30 04 44",
    "5": "40 00 02 32 43 45 36 16 05",
    "6": "40 20 02 05 16 36 45 44 33 03",
    "7": "00 40 16",
    "8": "13 02 01 10 30 41 42 33 13 04 05 16 36 45 44 33",
    "9": "06 26 44 41 30 10 01 02 13 43",
    "a": "06 20 46|14 34",
    "b": "06 00 30 41 42 33 03|33 44 45 36 06",
    "c": "41 30 10 01 05 16 36 45",
    "d": "00 20 42 44 26 06 00",
    "e": "40 00 06 46|03 33",
    "f": "40 00 06|03 33",
    "g": "41 30 10 01 05 16 36 45 43 23",
    "h": "00 06|40 46|03 43",
    "i": "10 30|20 26|16 36",
    "j": "20 40|30 35 26 16 05",
    "k": "00 06|40 03 46",
    "l": "00 06 46",
    "m": "06 00 23 40 46",
    "n": "06 00 46 40",
    "o": "10 30 41 45 36 16 05 01 10",
    "p": "06 00 30 41 42 33 03",
    "q": "10 30 41 45 36 16 05 01 10|24 46",
    "r": "06 00 30 41 42 33 03|23 46",
    "s": "41 30 10 01 02 13 33 44 45 36 16 05",
    "t": "00 40|20 26",
    "u": "00 05 16 36 45 40",
    "v": "00 26 40",
    "w": "00 16 22 36 40",
    "x": "00 46|40 06",
    "y": "00 23 40|23 26",
    "z": "00 40 06 46",
}


def text_width(text: str, height: float) -> float:
    """Say how wide a text is when its letters are this high."""
    return (len(text) * (WIDTH + GAP) - GAP) * height / HEIGHT


def text_strokes(text: str, x: float, y: float, height: float, turn: float) -> list[Stroke]:
    """List the strokes of a text that is centred on (x, y) and turned by some degrees."""
    unit = height / HEIGHT
    left = -text_width(text, height) / 2
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    strokes = []
    for place, letter in enumerate(text):
        start = left + place * (WIDTH + GAP) * unit
        for line in _STROKES[letter].split("|"):
            points = [(int(point[0]), int(point[1])) for point in line.split()]
            corners = [(start + c * unit, r * unit - height / 2) for c, r in points]
            strokes.append([(x + a * cos + b * sin, y - a * sin + b * cos) for a, b in corners])
    return strokes
