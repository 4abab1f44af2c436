"""What is uploaded: the package and nothing that could not run."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CAPTION = "an orange fish in front of a green boat\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Build all archives in a copy, with the setuptools that is here: no network."""
    pytest.importorskip("setuptools", minversion="77", reason="pip install 'setuptools>=77'")
    copy = tmp_path_factory.mktemp("distribution") / "source"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "golden", "build")
    shutil.copytree(ROOT, copy, ignore=ignored)
    (copy / "made").mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    for kind in ("sdist", "wheel", "editable"):
        code = f"from setuptools import build_meta; build_meta.build_{kind}('made/{kind}')"
        (copy / "made" / kind).mkdir()
        command = [sys.executable, "-c", code]
        ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr[-2000:]
    return copy / "made"


def test_an_editable_install_is_one_path_that_mypy_follows(made):
    (wheel,) = (made / "editable").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        (path,) = [name for name in file.namelist() if name.endswith(".pth")]
        assert file.read(path).decode().strip() == str(made.parent)
        assert not [name for name in file.namelist() if name.endswith("finder.py")]


def test_the_source_distribution_carries_the_package_and_no_tests(made):
    (archive,) = (made / "sdist").glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = [name.partition("/")[2] for name in file.getnames()]
    tops = {name.split("/")[0] for name in names if name}
    assert not tops & {"tests", "golden", "tutorials", "docs"}
    assert {"numpygit", "README.md", "LICENSE", "pyproject.toml"} <= tops
    assert set(files_of_the_package()) <= set(names)


def test_the_wheel_holds_every_file_and_runs_outside_the_repository(made, tmp_path, offline):
    (archive,) = (made / "wheel").glob("*.whl")
    with zipfile.ZipFile(archive) as file:
        held = [name for name in file.namelist() if ".dist-info/" not in name]
        file.extractall(tmp_path / "site")
    assert sorted(held) == sorted(files_of_the_package())
    picture = tmp_path / "picture.png"
    shutil.copyfile(ROOT / "numpygit/storybook/examples/relation.png", picture)
    where = [sys.executable, "-c", "import numpygit; print(numpygit.__file__)"]
    caption = [sys.executable, "-m", "numpygit", "caption", "-m", "storybook", str(picture)]
    environment = offline | {"PYTHONPATH": str(tmp_path / "site")}
    for command, expected in (
        (where, f"{tmp_path / 'site' / 'numpygit' / '__init__.py'}\n"),
        (caption, CAPTION),
    ):
        ran = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert ran.stdout == expected
        assert ran.stderr == ""


def files_of_the_package() -> list[str]:
    """List the files of numpygit/, as the repository has them."""
    paths = (path for path in (ROOT / "numpygit").rglob("*") if path.is_file())
    return [path.relative_to(ROOT).as_posix() for path in paths if "__pycache__" not in path.parts]
