"""The options that do not wait for the rooms, and say the same as they do."""

import subprocess
import sys
from pathlib import Path

import pytest

import numpygit
from numpygit.cli import wording as options
from numpygit.cli.commands import parser
from numpygit.data import sinks
from numpygit.data.sinks import files
from numpygit.huggingface.processing import processor
from numpygit.huggingface.reading import options as reading
from numpygit.learning import optimizers, parameters

ROOT = Path(numpygit.__file__).parents[1]


def test_the_choices_are_those_of_the_rooms():
    assert options.FORMATS == sinks.FORMATS
    assert options.PREPROCESSING == processor.PREPROCESSING
    assert options.EXISTING == files.EXISTING
    for name in ("FITS", "DEPTHS", "SAMPLES"):
        assert getattr(options, name) == getattr(reading, name)
    assert options.KINDS == parameters.KINDS
    assert options.SCHEDULES == optimizers.SCHEDULES


@pytest.mark.parametrize("command", ["--help", "caption --help", "evaluate --help", "diff --help"])
def test_help_imports_no_room_and_no_numpy(command):
    code = (
        "import atexit, sys; from numpygit.cli import main\n"
        "rooms = [f'numpygit.{room}' for room in ('captioner', 'model', 'fast', 'data')]\n"
        "atexit.register(lambda: print([n for n in ('numpy', *rooms) if n in sys.modules]))\n"
        f"main({command.split()})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0
    assert "usage: numpygit" in run.stdout
    assert run.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["explain a.png -o page.html", "classify a.png --labels l.txt"])
def test_every_command_with_a_picture_says_how_it_is_read(command):
    given = parser().parse_args([*command.split(), "--fit", "pad", "--background", "white"])
    found = options.picture_options(given)
    assert (found.fit, found.background) == ("pad", "white")
