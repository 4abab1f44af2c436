"""What there is to say about a scene: one caption, and questions with one right answer each."""

from numpy.random import Generator

from .scene import ANIMALS, COLORS, NUMBERS, THINGS, Scene, Thing

Question = tuple[str, str, str]  # its kind, the question, the answer

_ACTIONS = {
    "left": "moves to the left",
    "right": "moves to the right",
    "up": "moves up",
    "down": "moves down",
    "grows": "grows",
    "shrinks": "shrinks",
}
_WORDS = """
    a above an and animals are at below big color day does down end first front grows
    happens how in is it left many middle move moves night no of on or right say says shrinks
    sign small sticker stickers that the there to turns up what yes
"""
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def vocabulary() -> list[str]:
    """List the WordPiece tokens; a token's place in the list is its id.

    Letters and digits come twice, as the start and as the middle (`##`) of a word, so that
    a word on a sign is spelt letter by letter.
    """
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ",", "?"]
    letters = [*LETTERS, *("##" + letter for letter in LETTERS)]
    words = [*_WORDS.split(), *COLORS, *THINGS, *THINGS.values(), *NUMBERS]
    return list(dict.fromkeys([*special, *letters, *words]))


def spelt(word: str) -> bool:
    """Say whether WordPiece spells this word letter by letter, because no known word begins it."""
    return not any(word.startswith(token) for token in vocabulary() if len(token) > 1)


def noun(thing: Thing, with_size: bool = True) -> str:
    """Name a thing with its article: `an orange cat`, `a big orange cat`."""
    size = thing.size + " " if with_size and thing.size else ""
    words = f"{size}{thing.color} {thing.kind}"
    return ("an " if words[0] in "aeiou" else "a ") + words


def caption(scene: Scene) -> str:
    """Say what a scene shows, in the one way in which this world says it."""
    things = scene.things
    if scene.kind == "single":
        return noun(things[0])
    if scene.kind == "above":
        return f"{noun(things[0])} above {noun(things[1])}"
    if scene.kind == "left":
        return f"{noun(things[0])} to the left of {noun(things[1])}"
    if scene.kind == "front":
        return f"{noun(things[0], False)} in front of {noun(things[1], False)}"
    if scene.kind == "row":
        return f"{noun(things[0])}, {noun(things[1])} and {noun(things[2])}"
    if scene.kind == "count":
        first = things[0]
        words = (NUMBERS[len(things)], first.size, first.color, THINGS[first.kind])
        return " ".join(word for word in words if word)
    if scene.sign is not None:
        sign = f"a sign that says {scene.sign.text}"
        return f"{noun(things[0])} above {sign}" if things else sign
    return f"{noun(things[0], False)} {_action(scene)}"


def questions(scene: Scene, rng: Generator) -> list[Question]:
    """List questions about a scene in random order: (kind, question, the one right answer)."""
    asked = [("day", "is it day or night?", "night" if scene.night else "day")]
    if scene.kind == "clip":
        asked += _about_clip(scene)
    else:
        asked += _about_numbers(scene, rng) + _about_things(scene) + _yes_or_no(scene, rng)
    if scene.kind in ("above", "left", "front"):
        asked += _about_relation(scene, rng)
    if scene.kind == "row":
        places = zip(("on the left", "in the middle", "on the right"), scene.things, strict=True)
        asked += [("where", f"what is {place}?", noun(thing)) for place, thing in places]
    if scene.sign is not None:
        asked.append(("read", "what does the sign say?", scene.sign.text))
    return [asked[i] for i in rng.permutation(len(asked))]


def _action(scene: Scene) -> str:
    """Say what happens in a clip: `moves up`, `turns blue`."""
    return _ACTIONS.get(scene.action) or f"turns {scene.frames[-1].color}"


def _about_clip(scene: Scene) -> list[Question]:
    """Ask what happens, whether it moves, and for the colour before and after."""
    first, last = scene.frames[0], scene.frames[-1]
    moves = "yes" if scene.action in ("left", "right", "up", "down") else "no"
    asked = [
        ("happen", f"what happens to the {first.kind}?", "it " + _action(scene)),
        ("move", f"does the {first.kind} move?", moves),
        ("time", f"what color is the {first.kind} at first?", first.color),
        ("time", f"what color is the {first.kind} at the end?", last.color),
    ]
    if scene.action != "turns":
        asked.append(("color", f"what color is the {first.kind}?", first.color))
    return asked


def _about_numbers(scene: Scene, rng: Generator) -> list[Question]:
    """Ask how many there are: of one kind, of all stickers, of animals."""
    kinds = [thing.kind for thing in scene.things]
    present = sorted(set(kinds)) if kinds and rng.random() < 0.7 else list(THINGS)
    kind = present[rng.integers(len(present))]
    animals = sum(kind in ANIMALS for kind in kinds)
    return [
        ("count", f"how many {THINGS[kind]} are there?", NUMBERS[kinds.count(kind)]),
        ("stickers", "how many stickers are there?", NUMBERS[len(kinds)]),
        ("animals", "how many animals are there?", NUMBERS[animals]),
    ]


def _about_things(scene: Scene) -> list[Question]:
    """Ask for colour, size and name of every thing that the question can single out."""
    kinds = [thing.kind for thing in scene.things]
    colors = [thing.color for thing in scene.things]
    asked = []
    if scene.kind == "count":
        asked.append(("color", f"what color are the {THINGS[kinds[0]]}?", colors[0]))
    for thing in scene.things:
        if kinds.count(thing.kind) == 1:
            asked.append(("color", f"what color is the {thing.kind}?", thing.color))
            if thing.size and scene.kind != "front":
                asked.append(("size", f"is the {thing.kind} big or small?", thing.size))
        if colors.count(thing.color) == 1:
            asked.append(("what", f"what is the {thing.color} sticker?", f"a {thing.kind}"))
    return asked


def _yes_or_no(scene: Scene, rng: Generator) -> list[Question]:
    """Ask whether something is there: a thing, a thing of a colour, a sign."""
    pairs = [(thing.color, thing.kind) for thing in scene.things]
    kinds, colors = list(THINGS), list(COLORS)
    kind = kinds[rng.integers(len(kinds))]
    if pairs and rng.random() < 0.5:
        kind = pairs[rng.integers(len(pairs))][1]
    answer = "yes" if kind in [pair[1] for pair in pairs] else "no"
    asked = [("exists", f"is there a {kind}?", answer)]
    if pairs:
        color, kind = pairs[rng.integers(len(pairs))]
        if rng.random() < 0.3:
            color = colors[rng.integers(len(colors))]
        elif rng.random() < 0.3:
            kind = kinds[rng.integers(len(kinds))]
        article = "an" if color[0] in "aeiou" else "a"
        answer = "yes" if (color, kind) in pairs else "no"
        asked.append(("exists", f"is there {article} {color} {kind}?", answer))
    if rng.random() < (0.5 if scene.sign else 0.1):
        asked.append(("exists", "is there a sign?", "yes" if scene.sign else "no"))
    return asked


def _about_relation(scene: Scene, rng: Generator) -> list[Question]:
    """Ask where two things are, when their names tell them apart."""
    first, second = scene.things
    if first.kind == second.kind:
        return []
    sized = scene.kind != "front"
    there, back = {
        "above": ("above", "below"),
        "left": ("to the left of", "to the right of"),
        "front": ("in front of", ""),
    }[scene.kind]
    asked = [("where", f"what is {there} the {second.kind}?", noun(first, sized))]
    if back:
        asked.append(("where", f"what is {back} the {first.kind}?", noun(second, sized)))
    one, other = (first, second) if rng.random() < 0.5 else (second, first)
    word = there if not back or rng.random() < 0.5 else back
    answer = "yes" if (one is first) == (word == there) else "no"
    asked.append(("relation", f"is the {one.kind} {word} the {other.kind}?", answer))
    return asked
