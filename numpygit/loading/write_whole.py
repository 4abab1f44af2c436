"""Write a file whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import UserError
from ..model.params import Array


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside the file first, then put the result in its place in one step."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        write(Path(name))
        os.chmod(name, 0o644)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def write_tensors(path: Path, tensors: Mapping[str, Array], facts: Mapping[str, str]) -> None:
    """Write a .safetensors file, whole or not at all; `facts` are its metadata.

    Raises UserError without the package `safetensors`, which only writing needs.
    """
    try:
        from safetensors.numpy import save_file
    except ImportError:
        raise UserError(f"{path} needs the package safetensors: pip install safetensors") from None
    write_whole(path, lambda to: save_file(dict(tensors), to, metadata=dict(facts)))
