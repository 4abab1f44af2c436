"""Make up scenes: what is in them and where, by chance, but never in a way one could dispute.

`sample(rng)` gives a scene whose combinations the bundled model was trained on;
`sample(rng, held_out=True)` one with a combination that it never saw (see `scene.py`).
"""

import codecs
import math
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from .language import spelt
from .lettering import text_width
from .scene import (
    ACTIONS,
    COLORS,
    HELD_PAIRS,
    HELD_WORDS,
    KINDS,
    SIZES,
    STILLS,
    THINGS,
    Scene,
    Sign,
    Thing,
    held_count,
    held_number,
    held_triple,
)

Pair = tuple[str, str]  # colour, thing

_SHARES = (0.10, 0.13, 0.13, 0.11, 0.12, 0.15, 0.26)  # of the stills, in the order of STILLS
_SHAPES = ("cv", "vc", "cvc", "cvc", "vcv", "cvcv", "cvcc", "cvvc", "vccv", "ccvc")
_REACH = 1.12  # a sticker with its border ends within this many radii

# Invented words must not come out rude. The list is turned by 13 letters: nobody needs to read it.
_RUDE = codecs.decode(
    "nff shx shp spx fug fuvg phz gvg qvx qvp pbx pbp cvf cbb avt snt trl wrj anm fex xxx frk nahf "
    "nefr ohz fyhg gjn phag pag jnax jax cbea cea encr xvyy qvr uryy qnza penc obbo ubr ubzb fcvp "
    "xvx tbbx jbc cnx wnc avc pbba qlx chff int pyvg cvff crr ghe fhx fbo ugi fgq kkk hev ahq sng "
    "htyl ung zhss xhx phx dhrr encv fzhg jubr fpng",
    "rot13",
).split()


def sample(rng: Generator, kind: str | None = None, held_out: bool = False) -> Scene:
    """Make up one scene.

    rng: where chance comes from; the same generator state gives the same scene.
    kind: one of `scene.KINDS`; None picks a still at random ("clip" must be asked for).
    held_out: with a combination that training never shows, instead of without one.
    Raises ValueError for an unknown kind.
    """
    if kind is None:
        kind = STILLS[rng.choice(len(STILLS), p=_SHARES)]
    if kind not in KINDS:
        raise ValueError(f"unknown kind of scene: {kind!r}; known are {', '.join(KINDS)}")
    scene = None
    while scene is None:
        scene = _MAKERS[kind](rng, kind, held_out)
    return replace(scene, night=bool(rng.random() < 0.35), backdrop=int(rng.integers(1 << 30)))


def _pick(rng: Generator, options: tuple[str, ...] | list[str]) -> str:
    """Pick one of several words."""
    return options[rng.integers(len(options))]


def _pair(rng: Generator, held: bool = False) -> Pair:
    """Pick a colour and a thing: a held-out pair, or any other."""
    if held:
        return HELD_PAIRS[rng.integers(len(HELD_PAIRS))]
    while True:
        pair = (_pick(rng, list(COLORS)), _pick(rng, list(THINGS)))
        if pair not in HELD_PAIRS:
            return pair


def _thing(
    rng: Generator, pair: Pair, size: str, x: float = 0.5, y: float = 0.5, r: float = 0.0
) -> Thing:
    """Make a thing of this size, with a little chance in its colour and its turn."""
    red, green, blue = (int(v) for v in rng.integers(-10, 11, 3))
    radius = r or float(rng.uniform(*SIZES[size]))
    turn, flip = float(rng.uniform(-8, 8)), bool(rng.random() < 0.5)
    return Thing(pair[1], pair[0], size, x, y, radius, (red, green, blue), turn, flip)


def _single(rng: Generator, kind: str, held: bool) -> Scene:
    """One thing anywhere."""
    thing = _thing(rng, _pair(rng, held), _pick(rng, list(SIZES)))
    edge = thing.r * _REACH + 0.02
    x, y = rng.uniform(edge, 1 - edge, 2).tolist()
    return Scene(kind, (replace(thing, x=x, y=y),))


def _two(rng: Generator, kind: str, held: bool) -> tuple[Pair, Pair] | None:
    """Pick two pairs for a relation; if held, a pair or the thing-relation-thing is held out."""
    by_pair = held and rng.random() < 0.5
    first, second = _pair(rng, by_pair), _pair(rng)
    if by_pair and rng.random() < 0.5:
        first, second = second, first
    if not by_pair and held_triple(first[1], kind, second[1]) != held:
        return None
    return first, second


def _relation(rng: Generator, kind: str, held: bool) -> Scene | None:
    """Two things, one above or to the left of the other, and hardly aslant."""
    pairs = _two(rng, kind, held)
    sizes = (_pick(rng, list(SIZES)), _pick(rng, list(SIZES)))
    if pairs is None or (pairs[0] == pairs[1] and sizes[0] == sizes[1]):
        return None
    first, second = (_thing(rng, pair, size) for pair, size in zip(pairs, sizes, strict=True))
    edge_1, edge_2 = first.r * _REACH + 0.02, second.r * _REACH + 0.02
    gap = (first.r + second.r) * _REACH + 0.04
    free = 1 - edge_1 - edge_2 - gap
    if free < 0:
        return None
    start = edge_1 + rng.uniform(0, 1) * free
    end = rng.uniform(start + gap, 1 - edge_2)
    edge, slant = max(edge_1, edge_2), min(0.10, (end - start) / 3)
    side_1 = rng.uniform(edge, 1 - edge)
    side_2 = float(np.clip(side_1 + rng.uniform(-slant, slant), edge, 1 - edge))
    if kind == "above":
        return Scene(kind, (replace(first, x=side_1, y=start), replace(second, x=side_2, y=end)))
    return Scene(kind, (replace(first, x=start, y=side_1), replace(second, x=end, y=side_2)))


def _front(rng: Generator, kind: str, held: bool) -> Scene | None:
    """A small thing at the foot of a large one."""
    pairs = _two(rng, kind, held)
    if pairs is None or pairs[0][0] == pairs[1][0]:
        return None
    large = float(rng.uniform(0.27, 0.31))
    edge = large * _REACH + 0.02
    x, y = rng.uniform(edge, 1 - edge), rng.uniform(edge, 0.98 - edge)
    behind = _thing(rng, pairs[1], "big", x, y, large)
    near_x, near_y = x + rng.uniform(-0.13, 0.13), y + large * rng.uniform(0.5, 0.72)
    near = _thing(rng, pairs[0], "small", near_x, near_y, float(rng.uniform(0.10, 0.115)))
    return Scene(kind, (near, behind))


def _row(rng: Generator, kind: str, held: bool) -> Scene | None:
    """Three different things of three colours side by side."""
    pairs = [_pair(rng), _pair(rng), _pair(rng)]
    if held:
        pairs[rng.integers(3)] = _pair(rng, True)
    if len({color for color, _ in pairs}) < 3 or len({thing for _, thing in pairs}) < 3:
        return None
    y = rng.uniform(0.22, 0.78)
    things = []
    for pair, x in zip(pairs, (0.18, 0.5, 0.82), strict=True):
        dx, dy = rng.uniform(-0.02, 0.02), rng.uniform(-0.06, 0.06)
        things.append(_thing(rng, pair, "", x + dx, y + dy, float(rng.uniform(0.118, 0.134))))
    return Scene(kind, tuple(things))


def _count(rng: Generator, kind: str, held: bool) -> Scene | None:
    """Two to five things of one kind, colour and size, apart from each other."""
    number = int(rng.integers(2, 6))
    by_pair = held and rng.random() < 0.4
    pair = _pair(rng, by_pair)
    if not by_pair and held_count(number, *pair) != held:
        return None
    size = _pick(rng, ("small", "")) if number < 5 else "small"
    edge, apart = SIZES[size][1] * _REACH + 0.02, 2 * SIZES[size][1] * _REACH + 0.03
    spots: list[list[float]] = []
    for spot in rng.uniform(edge, 1 - edge, (100, 2)).tolist():
        if len(spots) < number and all(math.dist(spot, other) > apart for other in spots):
            spots.append(spot)
    if len(spots) < number:
        return None
    r = float(rng.uniform(*SIZES[size]))
    first = _thing(rng, pair, size, r=r)
    turns = rng.uniform(-8, 8, number).tolist()
    things = [replace(first, x=x, y=y, turn=t) for (x, y), t in zip(spots, turns, strict=True)]
    return Scene(kind, tuple(things))


def _invented(rng: Generator) -> str:
    """Make up a word of two to four letters, half of them pronounceable, none of them known."""
    every, vowels, others = "abcdefghijklmnopqrstuvwxyz", "aeiou", "bcdfghjklmnpqrstvwxyz"
    while True:
        if rng.random() < 0.5:
            word = "".join(_pick(rng, list(every)) for _ in range(rng.integers(2, 5)))
        else:
            shape = _pick(rng, _SHAPES)
            word = "".join(_pick(rng, list(others if c == "c" else vowels)) for c in shape)
        rude = any(part in word for part in _RUDE)
        if spelt(word) and word not in HELD_WORDS and not rude:
            return word


def _written(rng: Generator, held: bool) -> str | None:
    """Choose what a sign says: a number or an invented word; if held, a held-out one or a word."""
    if rng.random() < 0.45:
        digits = int(rng.integers(1, 4))
        number = int(rng.integers(0 if digits == 1 else 10 ** (digits - 1), 10**digits))
        return str(number) if held_number(number) == held else None
    return _pick(rng, HELD_WORDS) if held else _invented(rng)


def _sign(rng: Generator, kind: str, held: bool) -> Scene | None:
    """A sign with a word or a number, and often a thing above it."""
    by_text = held and rng.random() < 0.7
    text = _written(rng, by_text)
    if text is None:
        return None
    height = float(rng.uniform(0.165, 0.195))
    half = max(text_width(text, height) / 2 + 0.07, 0.2)
    x, y, turn = rng.uniform(half, 1 - half), rng.uniform(0.5, 0.72), rng.uniform(-4, 4)
    by_thing = held and not by_text
    if not by_thing and rng.random() < 0.5:
        return Scene(kind, (), Sign(text, x, y, height, turn))
    near = float(np.clip(x + rng.uniform(-0.12, 0.12), 0.2, 0.8))
    thing = _thing(rng, _pair(rng, by_thing), "", near, rng.uniform(0.19, 0.23))
    return Scene(kind, (thing,), Sign(text, x, rng.uniform(0.62, 0.74), height, turn))


def _clip(rng: Generator, kind: str, held: bool) -> Scene:
    """One thing that moves, grows, shrinks or changes its colour in four frames."""
    action = _pick(rng, ACTIONS)
    thing = _thing(rng, _pair(rng, held), "")
    if action in ("left", "right", "up", "down"):
        frames = _moving(rng, thing, action)
    elif action == "turns":
        frames = _turning(rng, thing)
    else:
        sizes = np.linspace(rng.uniform(0.08, 0.11), rng.uniform(0.20, 0.25), 4).tolist()
        sizes = sizes if action == "grows" else sizes[::-1]
        x, y = rng.uniform(0.32, 0.68, 2).tolist()
        frames = [replace(thing, x=x, y=y, r=r) for r in sizes]
    return Scene(kind, (frames[0],), action=action, frames=tuple(frames))


def _moving(rng: Generator, thing: Thing, action: str) -> list[Thing]:
    """Move a thing across the picture; it looks where it goes."""
    way = np.linspace(rng.uniform(0.18, 0.32), rng.uniform(0.68, 0.82), 4)
    if action in ("left", "up"):
        way = way[::-1]
    aside = rng.uniform(0.26, 0.74) + np.linspace(0, rng.uniform(-0.06, 0.06), 4)
    spots = list(zip(way.tolist(), aside.tolist(), strict=True))
    if action in ("up", "down"):
        return [replace(thing, x=b, y=a) for a, b in spots]
    return [replace(thing, x=a, y=b, flip=action == "right") for a, b in spots]


def _turning(rng: Generator, thing: Thing) -> list[Thing]:
    """Keep a thing where it is and change its colour after the second or the third frame."""
    x, y = rng.uniform(0.26, 0.74, 2).tolist()
    color = thing.color
    while color == thing.color or (color, thing.kind) in HELD_PAIRS:
        color = _pick(rng, list(COLORS))
    before = replace(thing, x=x, y=y)
    when = int(rng.integers(2, 4))
    return [before] * when + [replace(before, color=color)] * (4 - when)


_MAKERS = {
    "single": _single,
    "above": _relation,
    "left": _relation,
    "front": _front,
    "row": _row,
    "count": _count,
    "sign": _sign,
    "clip": _clip,
}
