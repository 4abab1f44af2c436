"""A tutorial as a notebook: cells of a percent script, executed by a kernel.

python tests/helpers/notebook.py tutorials/*.py    # pictures shown, and seconds of each
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from run_tutorial import cells_of


def notebook_of(path: Path) -> Any:
    """Make an unexecuted notebook of a percent script."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    cells = [
        (new_markdown_cell if cell.is_prose else new_code_cell)(cell.text.rstrip("\n"))
        for cell in cells_of(path)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def execute(path: Path, folder: Path) -> Any:
    """Run all cells in a kernel of their own, in `folder`; errors of cells are raised."""
    from nbconvert.preprocessors import ExecutePreprocessor

    notebook = notebook_of(path)
    runner = ExecutePreprocessor(timeout=300, kernel_name="python3")
    runner.preprocess(notebook, {"metadata": {"path": str(folder)}})
    return notebook


def outputs_of(notebook: Any) -> list[Any]:
    """List what all cells gave out."""
    return [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]


def count_pictures(notebook: Any) -> int:
    """Count the pictures that are shown in place."""
    return sum("image/png" in out.get("data", {}) for out in outputs_of(notebook))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as empty:
            made = execute(Path(name).resolve(), Path(empty))
        took = time.perf_counter() - begun
        print(f"{Path(name).stem:28} {count_pictures(made)} pictures, {took:5.1f} s")
