"""The protocol of the playground: one JSON message in, some JSON events out, one after the other.

A message has `version` 1 and an `op`. The page is the same wherever it is answered: by a local
server (one POST, the events are lines of its answer) or by a worker in the browser (Pyodide).

| op | answers with the events |
|---|---|
| `hello` | `ready`: the model's sizes, the world's nouns and shapes, examples |
| `backdrop` | `backdrop`: the landscape of a scene and its sign, without stickers |
| `caption` | `picture`, `tree` (with beams), `prompt`, `word` for each word as it comes, `end` |
| `measure` | `progress` after each part of the picture hidden, the drops of all words in it |
| `gradient` | `gradient` for each word: what every patch adds to it, were the model linear |
| `tensor` | `tensor`: shape, range and a corner of one named tensor of the run |
| `source` | `source`: the text of one function of the model |
| `edit`, `reset` | `edited`; only inside a browser, a server refuses |
| `explain` | `page`: the whole page of `numpygit explain` |

`caption`, `measure`, `gradient`, `tensor` and `explain` ask about a subject, and say how to run
the model:

    picture   {"example": name} | {"scene": {...}} | {"frames": [scene, ...]} | {"file": base64}
    brush     [{"r": radius, "points": [[x, y], ...]}, ...]       parts of the picture's side
    question  "" for a caption
    heads_off [[layer, head], ...]    layers_off [layer, ...]     of the text decoder, from 0
    beams     1 for the likeliest word each time
    temperature, seed                 0 takes the likeliest word, more draws one
    random_weights                    true: the same model, untrained

Whatever cannot be done ends with one event `error`, its `text` for people. A mistake in a message
raises UserError; nothing is ignored in silence: an unknown key is a mistake.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UserError

VERSION = 1
Event = dict[str, Any]

ABOUT_A_PICTURE = ("caption", "measure", "gradient", "tensor", "explain")
OPERATIONS = ("hello", "backdrop", "source", "edit", "reset", *ABOUT_A_PICTURE)

MOST_STICKERS = 12
MOST_FRAMES = 6
MOST_POINTS = 4000
MOST_QUESTION = 200
MOST_BEAMS = 8
MOST_SOURCE = 20_000  # characters
MOST_BYTES = 12_000_000  # of a picture's file
LONGEST_SIGN = 8  # letters


@dataclass(frozen=True)
class Sticker:
    """One thing of a scene; x, y and its radius r are parts of the picture's side."""

    kind: str
    color: str
    x: float
    y: float
    r: float
    turn: float = 0.0
    flip: bool = False


@dataclass(frozen=True)
class Composed:
    """A scene that somebody put together; `sign` is a word, or "" for no sign."""

    stickers: tuple[Sticker, ...]
    night: bool = False
    backdrop: int = 0
    sign: str = ""
    sign_x: float = 0.5
    sign_y: float = 0.68


@dataclass(frozen=True)
class Stroke:
    """One stroke of the brush that hides."""

    r: float
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Subject:
    """What is asked about: exactly one of example, frames and file."""

    example: str = ""
    frames: tuple[Composed, ...] = ()
    file: bytes = b""
    brush: tuple[Stroke, ...] = ()
    question: str = ""


@dataclass(frozen=True)
class Settings:
    """How the model is run."""

    heads_off: tuple[tuple[int, int], ...] = ()
    layers_off: tuple[int, ...] = ()
    beams: int = 1
    temperature: float = 0.0
    seed: int = 0
    random_weights: bool = False


@dataclass(frozen=True)
class Request:
    """A message that has been checked."""

    op: str
    subject: Subject = field(default_factory=Subject)
    settings: Settings = field(default_factory=Settings)
    name: str = ""  # of a tensor, or of a function
    source: str = ""
    scene: Composed = field(default_factory=lambda: Composed(()))
    size: int = 512


def parse(message: Any) -> Request:
    """Check a message; raises UserError that names what is wrong."""
    given = mapping(message, "the message")
    version = given.pop("version", None)
    if version != VERSION:
        raise UserError(
            f"version is {version!r}, this playground speaks {VERSION}; reload the page"
        )
    op = given.pop("op", None)
    if op not in OPERATIONS:
        raise UserError(f"op is {op!r}, expected one of {', '.join(OPERATIONS)}")
    request = read(op, given)
    if given:
        raise UserError(f"{op} does not know {', '.join(sorted(map(str, given)))}")
    return request


def read(op: str, given: dict[str, Any]) -> Request:
    """Take out of a message what its operation knows."""
    if op == "backdrop":
        scene, size = scene_of(given.pop("scene", {})), whole(given, "size", 512, 64, 1024)
        return Request(op, scene=scene, size=size)
    name = text(given, "name", 100) if op in ("source", "edit", "tensor") else ""
    source = text(given, "source", MOST_SOURCE) if op == "edit" else ""
    if op not in ABOUT_A_PICTURE:
        return Request(op, name=name, source=source)
    return Request(op, subject_of(given), settings_of(given), name)


def subject_of(given: dict[str, Any]) -> Subject:
    """Read the picture, the brush and the question."""
    brush = tuple(stroke_of(one) for one in listed(given.pop("brush", []), "brush", 200))
    if sum(len(stroke.points) for stroke in brush) > MOST_POINTS:
        raise UserError(f"the brush has more than {MOST_POINTS} points")
    question = text(given, "question", MOST_QUESTION).strip()
    picture = mapping(given.pop("picture", None), "picture")
    if len(picture) != 1:
        raise UserError("picture must have one of example, scene, frames, file")
    ((kind, value),) = picture.items()
    if kind == "example":
        if not isinstance(value, str):
            raise UserError("example must be a name")
        return Subject(example=value, brush=brush, question=question)
    if kind == "scene":
        return Subject(frames=(scene_of(value),), brush=brush, question=question)
    if kind == "frames":
        frames = tuple(scene_of(one) for one in listed(value, "frames", MOST_FRAMES))
        if not frames:
            raise UserError("a clip needs a frame")
        return Subject(frames=frames, brush=brush, question=question)
    if kind == "file":
        return Subject(file=bytes_of(value), brush=brush, question=question)
    raise UserError(f"picture has {kind!r}, expected example, scene, frames or file")


def settings_of(given: dict[str, Any]) -> Settings:
    """Read how the model is run."""
    heads = listed(given.pop("heads_off", []), "heads_off", 10_000)
    pairs = tuple(pair_of(one) for one in heads)
    layers = tuple(
        number_in(one, "a layer", 0, 1000, whole_number=True)
        for one in listed(given.pop("layers_off", []), "layers_off", 1000)
    )
    random_weights = given.pop("random_weights", False)
    if not isinstance(random_weights, bool):
        raise UserError("random_weights must be true or false")
    return Settings(
        heads_off=pairs,
        layers_off=tuple(int(layer) for layer in layers),
        beams=whole(given, "beams", 1, 1, MOST_BEAMS),
        temperature=number_in(given.pop("temperature", 0), "temperature", 0, 10),
        seed=whole(given, "seed", 0, 0, 2**32 - 1),
        random_weights=random_weights,
    )


def scene_of(value: Any) -> Composed:
    """Read a scene."""
    given = mapping(value, "a scene")
    stickers = listed(given.pop("stickers", []), "stickers", MOST_STICKERS)
    night = given.pop("night", False)
    if not isinstance(night, bool):
        raise UserError("night must be true or false")
    scene = Composed(
        stickers=tuple(sticker_of(one) for one in stickers),
        night=night,
        backdrop=whole(given, "backdrop", 0, 0, 2**30 - 1),
        sign=text(given, "sign", LONGEST_SIGN),
        sign_x=number_in(given.pop("sign_x", 0.5), "sign_x", 0, 1),
        sign_y=number_in(given.pop("sign_y", 0.68), "sign_y", 0, 1),
    )
    if scene.sign and not (scene.sign.isascii() and scene.sign.isalnum()):
        raise UserError(f"a sign has letters a to z and digits, not {scene.sign!r}")
    refuse_rest(given, "a scene")
    return scene


def sticker_of(value: Any) -> Sticker:
    """Read a sticker; what things and colours there are, the drawing knows."""
    given = mapping(value, "a sticker")
    flip = given.pop("flip", False)
    if not isinstance(flip, bool):
        raise UserError("flip must be true or false")
    sticker = Sticker(
        kind=text(given, "kind", 20),
        color=text(given, "color", 20),
        x=number_in(given.pop("x", None), "x", -0.5, 1.5),
        y=number_in(given.pop("y", None), "y", -0.5, 1.5),
        r=number_in(given.pop("r", None), "r", 0.02, 0.6),
        turn=number_in(given.pop("turn", 0), "turn", -360, 360),
        flip=flip,
    )
    refuse_rest(given, "a sticker")
    return sticker


def stroke_of(value: Any) -> Stroke:
    """Read a stroke of the brush."""
    given = mapping(value, "a stroke")
    points = []
    for point in listed(given.pop("points", []), "points", MOST_POINTS):
        x, y = (
            listed(point, "a point", 2) if isinstance(point, list) and len(point) == 2 else (0, "")
        )
        points.append((number_in(x, "x", -1, 2), number_in(y, "y", -1, 2)))
    stroke = Stroke(r=number_in(given.pop("r", None), "r", 0.005, 0.5), points=tuple(points))
    refuse_rest(given, "a stroke")
    return stroke


def pair_of(value: Any) -> tuple[int, int]:
    """Read a layer and a head."""
    if not isinstance(value, list) or len(value) != 2:
        raise UserError(f"heads_off has {value!r}, expected [layer, head]")
    layer = number_in(value[0], "a layer", 0, 1000, whole_number=True)
    head = number_in(value[1], "a head", 0, 1000, whole_number=True)
    return int(layer), int(head)


def mapping(value: Any, what: str) -> dict[str, Any]:
    """Take a JSON object apart from the caller's."""
    if not isinstance(value, Mapping):
        raise UserError(f"{what} must be an object, got {type(value).__name__}")
    return dict(value)


def listed(value: Any, what: str, most: int) -> list[Any]:
    """Read a list of at most so many."""
    if not isinstance(value, list):
        raise UserError(f"{what} must be a list, got {type(value).__name__}")
    if len(value) > most:
        raise UserError(f"{what} has {len(value)} entries, at most {most} are allowed")
    return value


def text(given: dict[str, Any], key: str, most: int) -> str:
    """Read a text of at most so many characters; none is ""."""
    value = given.pop(key, "")
    if not isinstance(value, str):
        raise UserError(f"{key} must be a text, got {type(value).__name__}")
    if len(value) > most:
        raise UserError(f"{key} has {len(value)} characters, at most {most} are allowed")
    return value


def whole(given: dict[str, Any], key: str, default: int, low: int, high: int) -> int:
    """Read a whole number between two others."""
    return int(number_in(given.pop(key, default), key, low, high, whole_number=True))


def number_in(
    value: Any, what: str, low: float, high: float, *, whole_number: bool = False
) -> float:
    """Read a number between two others; true and NaN are none."""
    kinds = (int,) if whole_number else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool) or not math.isfinite(value):
        kind = "a whole number" if whole_number else "a number"
        raise UserError(f"{what} must be {kind}, got {value!r:.40}")
    if not low <= value <= high:
        raise UserError(f"{what} is {value!r:.40}, expected {low} to {high}")
    return value


def bytes_of(value: Any) -> bytes:
    """Decode the base64 of a picture file."""
    if not isinstance(value, str):
        raise UserError("file must be base64 text")
    if len(value) * 3 // 4 > MOST_BYTES:
        raise UserError(f"the file is larger than {MOST_BYTES:,} bytes")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError(f"file is not base64: {error}") from None


def refuse_rest(given: Mapping[str, Any], what: str) -> None:
    """Refuse what nobody has read."""
    if given:
        raise UserError(f"{what} does not know {', '.join(sorted(map(str, given)))}")
