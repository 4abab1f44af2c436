"""Show a picture in place: in a notebook below the cell, from a script as a file to open.

Scripts write into the folder that the environment variable NUMPYGIT_PICTURES names, or into one for
temporary files; never beside the script.
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from PIL import Image


def show(picture: Image.Image, name: str) -> None:
    """Show a picture under a name such as `04_mask.png`, and say how large it is and where."""
    size = f"{picture.width} x {picture.height} pixels"
    if is_notebook():
        print(f"{name}: {size}")
        import_module("IPython.display").display(picture)  # only notebooks have it
        return
    folder = os.environ.get("NUMPYGIT_PICTURES") or Path(tempfile.gettempdir()) / "numpygit"
    Path(folder).mkdir(parents=True, exist_ok=True)
    picture.save(Path(folder) / name)
    print(f"{Path(folder) / name}: {size}")


def is_notebook() -> bool:
    """Tell whether a notebook's kernel runs this, and not a terminal."""
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"
