"""The bundled model and the little drawn world that its pictures come from.

    >>> import numpy as np
    >>> from numpygit import storybook
    >>> scene = storybook.sample(np.random.default_rng(0), kind="row")
    >>> picture = storybook.render(scene, size=384)
    >>> text = storybook.caption(scene)

    scene.py      what a scene is made of         world.py         random scenes
    drawing.py    a scene -> a picture            landscape.py     what is behind it
    language.py   captions and questions          silhouettes.py   the shapes of things
    lettering.py  letters on signs

`sample` makes up a scene, `render` draws it, `caption` and `questions` say what is right about
it, `vocabulary` lists the words. `CHECKPOINT` is the folder of the bundled model, in the official
file format. The model knows this world and nothing else: it is no use for photographs.
"""

from pathlib import Path

from .drawing import render
from .language import caption, questions, vocabulary
from .scene import KINDS, STILLS, Scene, Sign, Thing
from .world import sample

CHECKPOINT = Path(__file__).parent / "checkpoint"
EXAMPLES = Path(__file__).parent / "examples"

__all__ = [
    "CHECKPOINT",
    "EXAMPLES",
    "KINDS",
    "STILLS",
    "Scene",
    "Sign",
    "Thing",
    "caption",
    "questions",
    "render",
    "sample",
    "vocabulary",
]
