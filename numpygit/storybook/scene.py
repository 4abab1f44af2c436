"""What a scene of the storybook world is made of: the nouns, the colours and the rules.

A scene is data alone. `world.py` makes one up, `drawing.py` draws it, `language.py` talks about it.
All places and lengths are parts of the picture's side: x to the right, y downwards, 0 to 1.
"""

from dataclasses import dataclass

COLORS = {
    "red": (222, 46, 50),
    "orange": (247, 138, 30),
    "yellow": (250, 212, 48),
    "green": (66, 166, 80),
    "blue": (48, 112, 222),
    "purple": (134, 74, 188),
    "pink": (248, 148, 194),
}
THINGS = {  # one -> many
    "bird": "birds",
    "boat": "boats",
    "cat": "cats",
    "fish": "fish",
    "flower": "flowers",
    "heart": "hearts",
    "house": "houses",
    "tree": "trees",
}
ANIMALS = ("bird", "cat", "fish")
SIZES = {"small": (0.085, 0.100), "": (0.130, 0.150), "big": (0.185, 0.210)}  # radius: low, high
NUMBERS = ("zero", "one", "two", "three", "four", "five")
RELATIONS = ("above", "left", "front")
ACTIONS = ("left", "right", "up", "down", "grows", "shrinks", "turns")
STILLS = ("single", "above", "left", "front", "row", "count", "sign")
KINDS = (*STILLS, "clip")
FRAMES = 4

# ---- what the model never sees in training, so that a test can ask whether it composes
HELD_PAIRS = (
    ("red", "bird"),
    ("orange", "fish"),
    ("yellow", "boat"),
    ("green", "heart"),
    ("blue", "house"),
    ("purple", "cat"),
    ("pink", "tree"),
)
_WORDS = """
    bus cafe cup dog dusk east exit farm food game gold home jazz king lake lamp love map milk
    moon open park pony quiz rain ring rope ship shop silk slow snow star stop sun taxi wax west
    wolf wood xray yoga zoo
"""
HELD_WORDS = tuple(_WORDS.split())


@dataclass(frozen=True)
class Thing:
    """One sticker: what it is, where it is, how large, and how it is turned."""

    kind: str  # a key of THINGS
    color: str  # a key of COLORS
    size: str  # a key of SIZES; "" is the size nobody mentions
    x: float
    y: float
    r: float  # radius
    tint: tuple[int, int, int] = (0, 0, 0)  # added to the colour, so no two reds are quite alike
    turn: float = 0.0  # degrees
    flip: bool = False  # looks to the right instead of the left


@dataclass(frozen=True)
class Sign:
    """A wooden sign with a word or a number on it."""

    text: str
    x: float
    y: float
    height: float  # of a letter
    turn: float = 0.0


@dataclass(frozen=True)
class Scene:
    """Everything that is needed to draw a picture or a clip and to talk about it."""

    kind: str  # one of KINDS
    things: tuple[Thing, ...]  # first to last as the caption names them
    sign: Sign | None = None
    action: str = ""  # a clip: one of ACTIONS
    frames: tuple[Thing, ...] = ()  # a clip: the thing at four moments
    night: bool = False
    backdrop: int = 0  # seed of the landscape


def held_triple(first: str, relation: str, second: str) -> bool:
    """Say whether this thing-relation-thing is held out: an eighth of them are."""
    names = list(THINGS)
    i, j, k = names.index(first), names.index(second), RELATIONS.index(relation)
    return (i * 5 + j * 3 + k) % 8 == 0


def held_count(number: int, color: str, thing: str) -> bool:
    """Say whether this many things of this colour are held out: an eighth of them are."""
    i, j = list(COLORS).index(color), list(THINGS).index(thing)
    return (number * 3 + i * 2 + j) % 8 == 0


def held_number(number: int) -> bool:
    """Say whether this number is kept off the signs: a tenth of those above nine are."""
    return number >= 10 and (number * 7919) % 1009 % 10 == 3
