"""A run -> one page that explains it: a file that needs nothing else, or a notebook's display.

    explanation = numpygit.load("storybook").explain("picture.png")
    explanation.save("page.html")
    explanation                     # in a notebook: the page itself

    traced_run.py   one run with a trace            panels.py     what the page shows of each word
    importance.py   parts of the picture, hidden    gradient.py   gradient times input
    map.py          the model in a dozen stops      stages.py     one tensor on its way
    pictures.py     what the model saw              pack.py       numbers small enough for a page

The page is `page.html` with its style and its program, and the numbers of this run as JSON.
Attention weights are rounded to 255ths of the highest of their row; numbers in text are exact.
"""

from __future__ import annotations

import html
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...huggingface.processing.picture_steps import Picture
from ...loading.write_whole import write_whole
from ..takes import Captioner
from .gradient import gradient_maps
from .importance import Progress, measured, no_progress, regions
from .map import whole_model
from .panels import TEMPERATURES, all_words, asked, attention, cache, vision
from .pictures import as_seen
from .stages import followed
from .traced_run import Run, watch

LOG = logging.getLogger("numpygit")
MOST_BYTES = 2_950_000  # of a page
MOST_WEIGHTS = (900_000, 500_000, 250_000, 0)  # of words, and of patches; the first that fits


@dataclass(frozen=True)
class Explanation:
    """What the model said, and the page that shows how it came to say it."""

    text: str
    html: str

    def save(self, path: str | Path) -> None:
        """Write the page to a file, whole or not at all."""
        try:
            write_whole(Path(path), lambda part: part.write_text(self.html, encoding="utf-8"))
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from None

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Explanation({self.text!r}, a page of {len(self.html):,} characters)"

    def _repr_html_(self) -> str:
        """Show the page in a notebook, in a frame of its own."""
        inside = html.escape(self.html, quote=True)
        style = "width:100%;height:780px;border:0"
        return f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{inside}"></iframe>'


def explain(
    captioner: Captioner,
    picture: Picture | Sequence[Picture],
    question: str | None = None,
    *,
    max_length: int | None = None,
    measure: bool = True,
    progress: Progress = no_progress,
) -> Explanation:
    """Caption a picture or answer about it, and make the page of how it came about.

    `measure` hides regions and rectangles of the picture in turn, which takes as long as looking
    at about 150 pictures; `progress` is told how many are done, of how many. Words are chosen
    greedily, whatever the preprocessing; without `max_length`, at most 24. Where numbers are too
    many for 3 MB, layers and then single heads are left out.
    """
    traced = watch(captioner, picture, question, max_length=max_length)
    data = gather(traced, question, name=name_of(picture), measure=measure, progress=progress)
    for most in MOST_WEIGHTS:
        data |= {"attention": attention(traced, most=most), "vision": vision(traced, most=most)}
        text = page(data)
        LOG.info("explain: a page of %d characters", len(text))
        if len(text) <= MOST_BYTES:
            break
    return Explanation(data["caption"], text)


def check_writable(path: str | Path) -> None:
    """Refuse a place where no page can be written, before any work."""
    target = Path(path)
    if target.is_dir():
        raise UserError(f"{path} is a folder, expected the name of a page, such as page.html")
    if not target.parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {target.parent}")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise UserError(f"{path} cannot be written: no permission in {target.parent}")


def name_of(picture: Picture | Sequence[Picture]) -> str:
    """Name the picture in the page: a file's name without its folders."""
    return Path(picture).name if isinstance(picture, str | Path) else ""


def gather(
    traced: Run,
    question: str | None,
    *,
    name: str,
    measure: bool,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Collect all that the page shows."""
    vocabulary, model = traced.captioner.processor.vocabulary, traced.captioner.name
    importance = measured(traced, progress) if measure else None
    gradient = None
    if importance is not None:
        gradient = gradient_maps(traced, np.array(importance["drops"]), regions(traced))
    return {
        "caption": vocabulary.decode(traced.token_ids),
        "question": question,
        "name": name,
        "model": model if not os.path.isdir(model) else Path(model).resolve().name,
        "prompt": [traced.token(word) for word in traced.prompt],
        "finished": traced.finished,
        "memory": traced.memory,
        "layers": traced.layers,
        "temperatures": TEMPERATURES,
        "seen": as_seen(traced),
        "words": all_words(traced),
        "importance": importance,
        "gradient": gradient,
        "map": whole_model(traced),
        "stages": followed(traced),
        "cache": cache(traced),
        "asked": asked(traced),
    }


def page(data: dict[str, Any]) -> str:
    """Put the numbers into the template: nothing in them can end the script they stand in."""
    files = resources.files(__name__) / "page"
    parts = {name: (files / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")}
    numbers = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        numbers = numbers.replace(letter, f"\\u{ord(letter):04x}")
    whole = (files / "page.html").read_text(encoding="utf-8")
    for slot, text in (
        ("{{title}}", html.escape(data["caption"] or "(no words)")),
        ("{{style}}", parts["page.css"]),
        ("{{data}}", numbers),  # before the program, and found nowhere in it
        ("{{program}}", parts["page.js"]),
    ):
        before, _, after = whole.rpartition(slot)
        whole = before + text + after
    return whole


def data_of(text: str) -> dict[str, Any]:
    """Read the numbers of a page again, for tests and other programs."""
    _, _, rest = text.partition('<script id="data" type="application/json">')
    found: dict[str, Any] = json.loads(rest.partition("</script>")[0])
    return found
