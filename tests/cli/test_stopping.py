"""Ctrl-C is one line at any moment: while modules are imported, and where Python would drop it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from numpygit.storybook import EXAMPLES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal on Windows"),
]
ROOT = Path(__file__).parents[2]
AT_IMPORT = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

from numpygit.cli import main
sys.meta_path.insert(0, Finder())
sys.argv = ["numpygit", "caption", {picture!r}, "--model", "storybook"]
sys.exit(main())
"""
DROPPED = """
import os, signal, sys

class Dropping:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

import numpygit.cli, numpygit.cli.commands
numpygit.cli.commands.main = lambda arguments: Dropping() and print("went on")
sys.exit(numpygit.cli.main())
"""
AFTER = """
import atexit, os, signal, sys
import numpygit.cli
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
sys.argv = ["numpygit", "models"]
sys.exit(numpygit.cli.main())
"""


def not_ignored() -> None:
    """Take Ctrl-C as from a terminal, also where a shell in the background ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(program: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          env=environment, timeout=60, preexec_fn=not_ignored)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["argparse", "numpygit.cli.commands", "numpy", "numpy.exceptions", "numpy._core._internal",
     "PIL.Image", "tokenizers", "huggingface_hub", "numpygit.captioner", "numpygit.fast.pool",
     "numpygit.decoding.decode"],
)  # fmt: skip
def test_while_a_module_is_imported(name: str) -> None:
    done = run(AT_IMPORT.format(name=name, picture=str(EXAMPLES / "sign.png")))
    assert (done.stderr, done.returncode) in (
        ("numpygit: stopped\n", 128 + signal.SIGINT),
        ("", 0),  # nobody imported that module here
    )
    if name in ("numpy", "PIL.Image", "numpygit.captioner"):
        assert done.returncode == 130


def test_where_python_would_print_it_and_go_on() -> None:
    done = run(DROPPED)
    assert (done.stdout, done.stderr, done.returncode) == ("", "numpygit: stopped\n", 130)


def test_after_the_command_it_means_nothing() -> None:
    done = run(AFTER)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "microsoft/git-base-coco" in done.stdout
