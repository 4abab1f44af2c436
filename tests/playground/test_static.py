"""The site as files: complete, of this version, and refused where a distribution is not whole."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from numpygit.errors import NotFoundError, UserError
from numpygit.playground import static, write_site
from numpygit.playground.server import page_files


def test_the_site_is_whole(tmp_path: Path) -> None:
    site = write_site(tmp_path / "site")
    settings = json.loads((site / "settings.json").read_text())
    assert settings["pyodide"] == f"https://cdn.jsdelivr.net/pyodide/v{static.PYODIDE}/full/"
    assert set(settings["integrity"]) == set(static.INTEGRITY)
    assert all(re.fullmatch(r"sha384-[\w+/]{64}", one) for one in settings["integrity"].values())
    page = (site / "index.html").read_text(encoding="utf-8")
    assert 'data-home="browser"' in page
    assert "https://cdn.jsdelivr.net" in page
    for name in page_files():
        assert (site / name).is_file()
    for named in re.findall(r'(?:src|href)="([^"#:]+)"', page):
        assert (site / named).is_file(), named
    for script in [*site.glob("*.js"), *site.glob("*.mjs")]:
        for named in re.findall(r'from "\./([^"]+)"', script.read_text(encoding="utf-8")):
            assert (site / named).is_file(), named


@pytest.mark.slow
def test_the_wheel_is_this_package_and_runs_alone(tmp_path: Path) -> None:
    site = write_site(tmp_path / "site")
    (wheel,) = site.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "unpacked")
    assert write_site(site) == site
    program = (
        "import sys; sys.modules.update({m: None for m in "
        "('tokenizers', 'safetensors', 'huggingface_hub', 'tqdm', 'fcntl')})\n"
        f"sys.path.insert(0, {str(tmp_path / 'unpacked')!r})\n"
        "import numpygit\n"
        "from numpygit.playground.answers import Playground\n"
        "playground = Playground(numpygit.load('storybook'), editable=True)\n"
        "*_, end = playground.handle({'version': 1, 'op': 'caption', "
        "'picture': {'example': 'sign.png'}})\n"
        "print(numpygit.__file__, end['text'], sep='\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    where, said = done.stdout.splitlines()
    assert Path(where).is_relative_to(tmp_path)
    assert said == "a purple bird above a sign that says rain"


@pytest.mark.slow
def test_pip_takes_the_wheel(tmp_path: Path) -> None:
    (wheel,) = write_site(tmp_path / "site").glob("*.whl")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet",
         "--target", str(tmp_path / "installed"), str(wheel)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "installed" / "numpygit" / "playground" / "page" / "app.js").is_file()


def distribution(folder: Path, **changes: bytes) -> Path:
    folder.mkdir()
    packages = {name: {"file_name": f"{name}.whl"} for name in static.PACKAGES}
    files: dict[str, bytes] = {name: name.encode() for name in static.INTEGRITY}
    files["pyodide-lock.json"] = json.dumps({"packages": packages}).encode()
    files |= {f"{name}.whl": b"wheel" for name in static.PACKAGES}
    for name, data in {**files, **changes}.items():
        if data:
            (folder / name).write_bytes(data)
    return folder


def test_a_distribution_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = {name: static.integrity(name.encode()) for name in static.INTEGRITY}
    monkeypatch.setattr(static, "INTEGRITY", hashes)
    site = write_site(tmp_path / "site", pyodide=distribution(tmp_path / "pyodide"))
    copied = {path.name for path in (site / "pyodide").iterdir()}
    assert copied == {*static.INTEGRITY, "numpy.whl", "pillow.whl"}
    assert "cdn" not in (site / "index.html").read_text(encoding="utf-8")
    settings = json.loads((site / "settings.json").read_text())
    for name, expected in settings["integrity"].items():
        assert static.integrity((site / "pyodide" / name).read_bytes()) == expected


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"pyodide-lock.json": b""}, NotFoundError, "holds no pyodide-lock.json"),
        ({"pyodide-lock.json": b"{}"}, UserError, "cannot be read"),
        ({"numpy.whl": b""}, NotFoundError, "lacks numpy.whl"),
        ({"pyodide.asm.wasm": b""}, NotFoundError, "lacks pyodide.asm.wasm"),
        ({}, UserError, f"is not of Pyodide {static.PYODIDE}"),
    ],
)
def test_a_distribution_that_is_not_whole_is_refused(
    changes: dict[str, bytes], kind: Any, said: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=said):
        write_site(tmp_path / "site", pyodide=distribution(tmp_path / "pyodide", **changes))
    assert not (tmp_path / "site").exists()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="is not empty and holds no playground"):
        write_site(tmp_path)
    with pytest.raises(UserError, match="is a file"):
        write_site(tmp_path / "mine.txt")
