"""Show every array in a debugger as what it is: shape, dtype, range, mean.

    import numpygit
    numpygit.debug()                 # until the program ends, or debug().undo()
    with numpygit.debug():           # for a while
        breakpoint()

Debuggers ask each value for its `repr`: pdb's `p x`, the variables pane of VS Code, notebooks. With
this on, an array answers `float32 (1, 5, 65, 65)  0 to 0.93, mean 0.0154` in place of pages of
numbers. `print(x)` and `str(x)` still give the numbers. The environment variable NUMPYGIT_DEBUG=1
turns it on for the command line.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from types import TracebackType
from typing import Any

import numpy as np

from ..model.params import Array

FEW = 8  # so many numbers are shown themselves
_chosen: list[Any] = [None]  # what `repr` says of arrays, as last chosen here
MANY = 1_000_000  # of more than so many, evenly spread ones are looked at


class Shown:
    """Arrays are shown in one line from here on, until `undo`, or the end of a `with`."""

    def __init__(self) -> None:
        options: Any = np.get_printoptions()  # NumPy 2.0 does not say it
        self.before: Any = options.get("override_repr", _chosen[-1])
        show_arrays_by(describe_array)

    def undo(self) -> None:
        """Show arrays as before."""
        show_arrays_by(self.before)

    def __repr__(self) -> str:
        return "arrays are shown as dtype, shape, range and mean; .undo() shows them as before"

    def __enter__(self) -> Shown:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.undo()


def debug() -> Shown:
    """Show arrays as dtype, shape, range and mean wherever a debugger looks at them.

    Returns
    -------
    Shown
        Its `undo()` shows arrays as before; so does the end of a `with`.

    Examples
    --------
    >>> import numpy, numpygit
    >>> with numpygit.debug():
    ...     numpy.zeros((2, 65, 160), numpy.float32)
    float32 (2, 65, 160)  0 to 0, mean 0
    """
    return Shown()


def show_arrays_by(function: Callable[[Array], str] | None) -> None:
    """Choose what `repr` says of arrays; None for what NumPy says."""
    _chosen[:] = [function]
    try:
        np.set_printoptions(override_repr=function)
    except TypeError:  # NumPy 2.0 can do it as well, but says that it is out of fashion
        room: Any = import_module("numpy._core.arrayprint")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            room.set_string_function(function)


def describe_array(array: Array) -> str:
    """Say in one line what an array is: dtype, shape, its few numbers, or range and mean."""
    title = f"{array.dtype} {array.shape}"
    if array.size == 0:
        return f"{title}  empty"
    if array.size <= FEW or array.dtype.kind not in "fiub":
        return f"{title}  {np.array2string(array, precision=4, threshold=FEW, separator=', ')}"
    looked_at, about = array, ""
    if array.size > MANY:
        looked_at, about = sample(array), "about "
    numbers = looked_at[np.isfinite(looked_at)]
    odd = count_odd(looked_at)
    if numbers.size == 0:
        return f"{title}  {odd}"
    low, high, mean = numbers.min(), numbers.max(), numbers.mean(dtype=np.float64)
    if array.dtype.kind == "b":
        return f"{title}  {about}{mean:.0%} True"
    text = f"{title}  {about}{low:.4g} to {high:.4g}, mean {mean:.4g}"
    return f"{text}, {odd}" if odd else text


def sample(array: Array) -> Array:
    """Take evenly spread numbers, at most about a million, without copying the array."""
    step = -(-array.size // MANY)
    if array.flags.c_contiguous:
        return array.reshape(-1)[::step]
    longest = int(np.argmax(array.shape))
    kept = [slice(None)] * array.ndim
    kept[longest] = slice(None, None, min(step, array.shape[longest]))
    return array[tuple(kept)]


def count_odd(array: Array) -> str:
    """Count what is not finite: `3 NaN, 12 -inf`."""
    if array.dtype.kind != "f":
        return ""
    counts = {
        "NaN": np.isnan(array).sum(),
        "inf": np.isposinf(array).sum(),
        "-inf": np.isneginf(array).sum(),
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)
