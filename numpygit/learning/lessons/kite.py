"""A lesson for the bundled model: pictures of a sticker that it has never seen, a kite.

`draw_lesson` writes a folder that `numpygit train` learns from: pictures with kites and their
captions, and if wished old pictures with captions and questions, which keep what was known. The
word needs no new token: the vocabulary spells it with the letters that it has for signs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...loading.write_whole import write_whole
from ...storybook import Scene, caption, questions, render, sample, scene, silhouettes

SIZE = 96
KITE = {
    "tail": "-0.05,0.55 0.05,0.55 0.3,1.06 0.2,1.08",
    "sail": "0,-1.05 0.72,-0.2 0,0.78 -0.72,-0.2",
    "upper left": "0,-1.05 0,-0.2 -0.72,-0.2",
    "lower right": "0,0.78 0,-0.2 0.72,-0.2",
    "bow": "0.06,0.8 0.36,0.68 0.34,0.92",
    "second bow": "0.14,0.98 0.4,0.86 0.42,1.08",
}
PAPERS = ("wood", "main", "dark", "light", "dark", "dark")


@contextmanager
def kites() -> Iterator[None]:
    """Let the world have kites for a while; inside another such while nothing changes."""
    if "kite" in scene.THINGS:
        yield
        return
    corners = [np.array([xy.split(",") for xy in line.split()], float) for line in KITE.values()]
    scene.THINGS["kite"] = "kites"
    silhouettes.PIECES["kite"] = list(zip(PAPERS, corners, strict=True))
    try:
        yield
    finally:
        del scene.THINGS["kite"], silhouettes.PIECES["kite"]


def scenes(count: int, *, with_kite: bool, seed: int) -> list[Scene]:
    """Make up stills, all with a kite in them or all as the world was before."""
    rng = np.random.default_rng([seed, with_kite])
    found: list[Scene] = []
    with kites():
        while len(found) < count:
            made = sample(rng)
            if any(thing.kind == "kite" for thing in made.things) == with_kite:
                found.append(made)
    return found


def texts_of(made: Scene, rng: np.random.Generator, *, asked: bool) -> Iterator[dict[str, Any]]:
    """The rows of a picture: its caption, and if wished two questions with their answers."""
    with kites():
        yield {"text": caption(made)}
        for _, question, answer in questions(made, rng)[: 2 if asked else 0]:
            if "kite" not in question or any(thing.kind == "kite" for thing in made.things):
                yield {"question": question, "answer": answer}


def draw_lesson(folder: str | Path, *, pictures: int = 256, old: int = 256, seed: int = 0) -> Path:
    """Write pictures and `metadata.jsonl`: `pictures` with a kite, `old` without one.

    Returns the folder. Raises UserError for numbers below 1 and 0, and a folder that is a file.
    """
    folder = Path(folder)
    if pictures < 1 or old < 0:
        raise UserError(f"a lesson needs 1 picture or more, and 0 old ones or more; got {pictures}")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; give the name of a folder to draw into")
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, 2])
    lines = []
    for with_kite, count, name in ((True, pictures, "kite"), (False, old, "old")):
        for i, made in enumerate(scenes(count, with_kite=with_kite, seed=seed)):
            file = f"{name}-{i:03}.png"
            with kites():
                picture = render(made, SIZE)
            assert not isinstance(picture, list)
            picture.save(folder / file)
            rows = texts_of(made, rng, asked=not with_kite)
            lines += [json.dumps({"file_name": file, **row}) for row in rows]
    text = "\n".join(lines) + "\n"
    write_whole(folder / "metadata.jsonl", lambda path: path.write_text(text, encoding="utf-8"))
    return folder
