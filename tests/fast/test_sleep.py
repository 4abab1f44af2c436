"""How long OpenBLAS's threads look for work: who says so, and that nothing is left behind."""

import os
import subprocess
import sys

import pytest

from numpygit.fast import load_numpy
from numpygit.fast.threads import find_openblas

SOON = "from numpygit.fast.threads import blas_sleeps_soon as soon; import os; "
LEFT = "print(soon(), os.environ.get('OPENBLAS_THREAD_TIMEOUT'))"


def run(code: str, given: str | None = None) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_THREAD_TIMEOUT"}
    if given is not None:
        environment["OPENBLAS_THREAD_TIMEOUT"] = given
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split("\n")[-2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "given", "expected"),
    [
        ("import numpygit; numpygit.GitConfig", None, "True None"),
        ("from numpygit import load", None, "True None"),
        ("import numpy, numpygit; numpygit.GitConfig", None, "False None"),
        ("import numpygit, numpy; numpygit.GitConfig", None, "False None"),  # that loads nothing
        ("from numpygit.captioner import load", None, "False None"),
        ("import numpygit; numpygit.GitConfig", "26", "False 26"),
        ("import numpygit; numpygit.GitConfig", "", "False "),
        *(("import numpy", told, f"True {told}") for told in ("1", "20", "23")),
        *(("import numpy", told, f"False {told}") for told in ("0", "24", "-4", "soon")),
    ],
)
def test_who_loads_numpy_decides_and_the_environment_is_as_before(first, given, expected):
    assert run(f"{first}; {SOON}{LEFT}", given) == expected


@pytest.mark.skipif(find_openblas() is None, reason="NumPy here does not use OpenBLAS")
def test_threads_sleep_after_a_product():
    code = """
import os, time
os.environ["OPENBLAS_NUM_THREADS"] = "2"
import numpygit; numpygit.GitConfig
import numpy as np
matrix = np.ones((1024, 1024), np.float32)
for _ in range(3):
    matrix @ matrix
time.sleep(0.05)
start = time.process_time()
time.sleep(0.2)
print(time.process_time() - start < 0.01)
"""
    assert run(code) == "True"


def test_where_numpy_cannot_be_imported_nothing_is_left_in_the_environment(monkeypatch):
    monkeypatch.delenv("OPENBLAS_THREAD_TIMEOUT", raising=False)
    monkeypatch.delitem(sys.modules, "numpy")
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ImportError):
        load_numpy()
    assert "OPENBLAS_THREAD_TIMEOUT" not in os.environ


@pytest.mark.parametrize(("given", "expected"), [(None, "20"), ("26", "26")])
def test_in_the_command_threads_of_blas_sleep_soon_unless_the_user_says_otherwise(given, expected):
    code = (
        "import os, sys; from numpygit import cli; assert 'numpy' not in sys.modules; "
        "import numpygit.cli.commands; numpygit.cli.commands.main = lambda asked: 0; "
        "cli.main(); print(os.environ['OPENBLAS_THREAD_TIMEOUT'])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_THREAD_TIMEOUT"}
    if given:
        environment["OPENBLAS_THREAD_TIMEOUT"] = given
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == expected
