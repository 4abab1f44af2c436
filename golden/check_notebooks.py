"""Run the notebooks that teach GIT with transformers and with numpygit: do they print the same?

    PYTHONPATH=. python golden/check_notebooks.py NOTEBOOK.ipynb ...

The notebooks are `GIT/*.ipynb` of NielsRogge/Transformers-Tutorials; needed are torch and
transformers 4.37.2. Their cells run as they are but for one line: `from transformers import ...`
becomes `from numpygit import ...`. Stand-ins take the place of what they fetch: the bundled model,
with room for 512 words, under the name of every checkpoint, as one of stills and as one of clips;
its examples for pictures, clip and data set. The cell with the training loop is left out, because
gradients are torch's own; the cells after it run. Lines like `!pip install` are left out too.

Compared is what cells print, and what they show in their last line, word for word; numbers to
four digits, sizes whether they are written as torch.Size or as tuples.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import json
import os
import re
import sys
import tempfile
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import torch
from PIL import Image, ImageSequence

import numpygit
from numpygit.storybook import EXAMPLES

STILLS = ("git-base", "git-base-textcaps", "git-base-coco", "git-base-textvqa")
CLIPS = ("git-base-vatex", "git-base-msrvtt-qa")
FILES = {"stop_sign.png": "sign.png", "bus.png": "row.png", "eating_spaghetti.mp4": "clip.gif"}
TEXTS = {"relation.png": "a red fish", "row.png": "a small tree", "count.png": "two red boats"}
WORDS = 512


def stand_in(folder: Path, *, clips: bool) -> None:
    """Save the bundled model with room for more words; as one of stills without its times."""
    model = numpygit.GitForCausalLM.from_pretrained("storybook")
    tensors = model.state_dict()
    name = "git.embeddings.position_embeddings.weight"
    rows = WORDS - len(tensors[name])
    tensors[name] = np.concatenate([tensors[name], np.repeat(tensors[name][-1:], rows, axis=0)])
    settings: dict[str, Any] = {"max_position_embeddings": WORDS}
    processor = numpygit.GitProcessor.from_pretrained("storybook")
    processor.tokenizer.model_max_length = WORDS
    if clips:
        processor.image_processor.image_processor_type = "VideoMAEImageProcessor"
    else:
        settings["num_image_with_embedding"] = None
        tensors = {n: array for n, array in tensors.items() if "temperal" not in n}
    made = numpygit.GitForCausalLM.from_pretrained(
        None, config=model.config.changed(settings), state_dict=tensors,
        generation_config=model.generation_config,
    )  # fmt: skip
    made.save_pretrained(folder)
    processor.save_pretrained(folder)


class Video:
    """The frames of the bundled clip, again and again, as decord hands them out."""

    def __init__(self, *args: Any, **more: Any) -> None:
        with Image.open(EXAMPLES / "clip.gif") as clip:
            frames = [np.asarray(f.convert("RGB")) for f in ImageSequence.Iterator(clip)]
        self.frames = np.stack(frames).repeat(20, axis=0)

    def __len__(self) -> int:
        return len(self.frames)

    def seek(self, position: int) -> None:
        """Stay."""

    def get_batch(self, numbers: Any) -> Any:
        """Take frames by their numbers."""
        return types.SimpleNamespace(asnumpy=lambda: self.frames[numbers])

    from_file = classmethod(lambda cls, *args, **more: None)


def put_stand_ins() -> None:
    """Take the place of modules that fetch data or show videos."""

    def load_dataset(*args: Any, **more: Any) -> list[dict[str, Any]]:
        return [
            {"image": Image.open(EXAMPLES / file).convert("RGB"), "text": text}
            for file, text in TEXTS.items()
        ]

    contents = {
        "decord": {"VideoReader": Video, "cpu": int},
        "ipywidgets": {"Video": Video},
        "datasets": {"load_dataset": load_dataset},
    }
    for name, members in contents.items():
        module = types.ModuleType(name)
        vars(module).update(members)
        sys.modules[name] = module
    fetch: Any = lambda repo_id, filename, **more: str(EXAMPLES / FILES[filename])  # noqa: E731
    huggingface_hub.hf_hub_download = fetch


def cells_of(path: Path) -> Iterator[str]:
    """Go through the code of a notebook, without the training loop and the shell's lines."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        lines = "".join(cell["source"]).splitlines()
        code = "\n".join(line for line in lines if not line.lstrip().startswith(("!", "%")))
        if cell["cell_type"] == "code" and code.strip():
            yield code


def run(path: Path, library: str) -> list[str]:
    """Run a notebook -> what its cells print and show."""
    shown: list[str] = []
    space: dict[str, Any] = {"display": lambda thing: None}
    torch.manual_seed(0)
    for code in cells_of(path):
        if ".backward()" in code:
            space["device"] = "cpu"  # what the rest of the notebook needs of the cell
            continue
        tree = ast.parse(code.replace("from transformers import", f"from {library} import"))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(tree, str(path), "exec"), space)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), str(path), "eval"), space)
                if value is not None:
                    print(as_shown(value))
        shown += printed.getvalue().splitlines()
    return [re.sub(r"torch\.Size\(\[(\d+)\]\)", r"(\1,)", sizes(line)) for line in shown]


def sizes(line: str) -> str:
    """Write sizes of several axes as tuples."""
    return re.sub(r"torch\.Size\(\[([^\]]*, [^\]]*)\]\)", r"(\1)", line)


def as_shown(value: Any) -> str:
    """Write what a cell shows, so that two libraries can be compared."""
    if isinstance(value, Image.Image):
        return f"a picture of {value.size}, {np.asarray(value).mean():.2f} in the mean"
    if np.ndim(value) == 0 and hasattr(value, "item"):
        return f"{value.item():.4g}"
    if isinstance(value, list):
        return f"{len(value)} rows"
    return str(value) if isinstance(value, str | tuple) else type(value).__name__


def main() -> int:
    """Compare what both print."""
    warnings.simplefilter("ignore")
    importlib.import_module("transformers").logging.set_verbosity_error()
    put_stand_ins()
    paths, same = [Path(name).resolve() for name in sys.argv[1:]], True
    if not paths:
        print(__doc__)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in (*STILLS, *CLIPS):
            stand_in(Path("microsoft", name), clips=name in CLIPS)
        for path in paths:
            theirs, ours = run(path, "transformers"), run(path, "numpygit")
            print(f"{path.name}: {len(list(cells_of(path)))} cells")
            for one, other in zip(theirs, ours, strict=True):
                kind = "same  " if one == other else "DIFFER"
                print(f"  {kind} {one[:150]}", "" if one == other else f"| {other[:150]}")
            same &= theirs == ours
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
