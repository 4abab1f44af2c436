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
BUILD = "from setuptools import build_meta; print(build_meta.build_{}('made'))"


def built(kind: str, tmp_path: Path) -> tuple[Path, Path]:
    """Build in a copy, by the setuptools that is here: -> the copy, and what was built."""
    pytest.importorskip("setuptools", minversion="77", reason="pip install 'setuptools>=77'")
    copy = tmp_path / "source"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "golden")
    shutil.copytree(ROOT, copy, ignore=ignored)
    (copy / "made").mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-c", BUILD.format(kind)]
    ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    (archive,) = (copy / "made").iterdir()
    return copy, archive


def test_an_editable_install_is_one_path_that_mypy_follows(tmp_path):
    copy, wheel = built("editable", tmp_path)
    with zipfile.ZipFile(wheel) as file:
        (path,) = [name for name in file.namelist() if name.endswith(".pth")]
        assert file.read(path).decode().strip() == str(copy)
        assert not [name for name in file.namelist() if name.endswith("finder.py")]


def test_the_source_distribution_carries_the_package_and_no_tests(tmp_path):
    _, archive = built("sdist", tmp_path)
    with tarfile.open(archive) as file:
        names = [name.partition("/")[2] for name in file.getnames()]
    tops = {name.split("/")[0] for name in names if name}
    assert not tops & {"tests", "golden", "tutorials", "docs"}
    assert {"numpygit", "README.md", "LICENSE", "pyproject.toml"} <= tops
    for wanted in (
        "numpygit/py.typed", "numpygit/inside/explain/page/page.js",
        "numpygit/storybook/checkpoint/model.safetensors", "numpygit/model/layers.py",
    ):  # fmt: skip
        assert wanted in names
