"""3,000 answers to be scored as VQA does, with what is hard about them; always the same."""

from __future__ import annotations

import random

WORDS = """
    yes no a an the two three ten none zero one 3 3.5 1,000 dont don't couldntve couldnt've shes
    somebody'd somebodyd Im I'm whats what's it'll itll lets let's red-ish black/white blue. dr.
    o'clock oclock y'alld've wont cat dog cats (left) "stop" left, right; 10:30 $5 50% fast-food
    u.s. hot_dog <none> @home `tick` really? wow! [x] {y} a+b 2=2 back\\slash 1,5 .5 5. ...
"""


def cases(count: int = 3000, seed: int = 15) -> list[tuple[str, list[str]]]:
    """Make up an answer, and those of ten people, again and again."""
    rng = random.Random(seed)
    known = WORDS.split()

    def text() -> str:
        words = [known[int(rng.random() * len(known))] for _ in range(1 + int(rng.random() * 3))]
        space = (" ", "  ", "\t", "\n", " ")[int(rng.random() * 5)]
        joined = space.join(words)
        return joined.upper() if rng.random() < 0.15 else joined

    found = []
    for _ in range(count):
        pool = [text() for _ in range(1 + int(rng.random() * 4))]
        near = [word.lower().replace("'", "").strip(".") for word in pool]
        given = [
            near[int(rng.random() * len(near))]
            if rng.random() < 0.2
            else pool[int(rng.random() * len(pool))]
            for _ in range(10)
        ]
        if rng.random() < 0.15:
            given = [pool[0]] * 10
        answer = given[int(rng.random() * 10)] if rng.random() < 0.8 else text()
        found.append((answer.upper() if rng.random() < 0.2 else answer, given))
    return found
