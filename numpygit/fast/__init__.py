"""The same model arranged for speed. Read `model/` first, then towers.py.

towers.py      the vision encoder and the text decoder, twins of those in model/
layers.py      linear, norm, MLP for image tokens      attention.py   their attention
words.py       layers for words, a few rows at a time  products.py    products of few rows
pool.py        threads that share work                 teams.py       threads on one picture
threads.py     the threads of OpenBLAS
processes/     processes in place of threads
limits.py      cores that a process may use            memory.py      memory that it may have

Here is what happens before NumPy is imported, so that nothing is imported above.
"""

from __future__ import annotations

import os
import sys

# OpenBLAS reads this once, while NumPy loads it. By default its threads look for more work for 2^26
# or 2^28 cycles, up to an eighth of a second, before they sleep: on cores that Python's own threads
# want (teams.py). Here it is 2^20 cycles, half a millisecond.
SLEEP_SOON = ("OPENBLAS_THREAD_TIMEOUT", "20")
_loaded_with: list[str] = []  # the value, where NumPy was loaded here


def load_numpy() -> None:
    """Import NumPy so that OpenBLAS's threads sleep soon, and leave the environment as it was.

    Nothing is done where NumPy is loaded already, or the user has set the variable.
    """
    variable, value = SLEEP_SOON
    if "numpy" in sys.modules or variable in os.environ:
        return
    os.environ[variable] = value
    try:
        import numpy  # noqa: F401
    finally:
        del os.environ[variable]
    _loaded_with.append(value)


def blas_timeout() -> str:
    """Tell the value that OpenBLAS has read, as far as that can be known; "" for its default."""
    return _loaded_with[0] if _loaded_with else os.environ.get(SLEEP_SOON[0], "")
