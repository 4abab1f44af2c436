"""The same page as files alone: Python, NumPy and numpygit run inside the browser (Pyodide).

    numpygit play --static site

writes the page, the worker and a wheel of numpygit; any web server can show them. Pyodide, NumPy
and Pillow come from Pyodide's CDN at a pinned version, each file of the core checked against its
hash before it is used; or from a folder with a distribution of that version, for use offline.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

from ..errors import NotFoundError, UserError
from .server import page_files

PYODIDE = "0.27.7"
CDN = f"https://cdn.jsdelivr.net/pyodide/v{PYODIDE}/full/"
INTEGRITY = {  # of the core, as published on npm; the lock file has the hashes of the wheels
    "pyodide.mjs": "sha384-z8L8kZDaddEtk+VNtmPcXLY83XSVlBjlabpCtT6GghMW3jSyzOEzNsL9BiKsfjcL",
    "pyodide.asm.js": "sha384-J3SxzZJh4tkb2bgoUc72zArF45FJ+ngsbiqNsmxqkkecNVpZ/bUHAM0JMp+YPVpx",
    "pyodide.asm.wasm": "sha384-wDap6JvXxf3C8g5beY3kd1xMIjAtw/oTKjTqGltdxc+B9VXnYyYBoM7hveNKilxM",
    "python_stdlib.zip": "sha384-VLeJs79hxVEBNt1hRU5Wo7VmBcyb4sdW564EJAvEWDin3Aa3QXLHm3E5mOg2GiFH",
    "pyodide-lock.json": "sha384-1cFE0bj3+mm1a83kcqiWxoaBhrf6jPPJJORlx1TComnZ0WaHwE4znlohwPXL5tUL",
}
PACKAGES = ("numpy", "pillow")
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' {source}; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self' {source}; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)


def write_site(folder: str | Path, *, pyodide: str | Path | None = None) -> Path:
    """Write the site into a folder, new or empty or written by this before; return the folder."""
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise UserError(f"{folder} is a file; give a folder for the site")
    if target.is_dir() and any(target.iterdir()) and not (target / "worker.mjs").is_file():
        raise UserError(f"{folder} is not empty and holds no playground; give a new folder")
    parts = find_distribution(Path(pyodide)) if pyodide is not None else []
    target.mkdir(parents=True, exist_ok=True)
    wheel, content = make_wheel()
    (target / wheel).write_bytes(content)
    where = "pyodide/" if parts else CDN
    hashes = {file.name: integrity(file.read_bytes()) for file in parts[: len(INTEGRITY)]}
    settings: dict[str, Any] = {"wheel": wheel, "pyodide": where, "packages": PACKAGES}
    settings["integrity"] = hashes or INTEGRITY
    for name, data in page_files().items():
        if name == "index.html":
            data = static_page(data.decode("utf-8"), where).encode()
        (target / name).write_bytes(data)
    (target / "settings.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    (target / ".nojekyll").write_text("", encoding="utf-8")  # GitHub Pages shall take all files
    if parts:
        (target / "pyodide").mkdir(exist_ok=True)
    for part in parts:
        shutil.copyfile(part, target / "pyodide" / part.name)
    return target


def static_page(page: str, pyodide: str) -> str:
    """Tell the page that there is no server, and the browser what the page may load."""
    source = "" if pyodide == "pyodide/" else "https://cdn.jsdelivr.net"
    policy = POLICY.format(source=source)
    before = '<meta charset="utf-8">'
    tag = f'{before}\n<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return page.replace(before, tag, 1).replace("<html ", '<html data-home="browser" ', 1)


def find_distribution(folder: Path) -> list[Path]:
    """List the files that are needed of a Pyodide distribution; raises where one is missing."""
    lock = folder / "pyodide-lock.json"
    if not lock.is_file():
        raise NotFoundError(f"{folder} holds no pyodide-lock.json: it is no Pyodide distribution")
    try:
        content = json.loads(lock.read_text(encoding="utf-8"))
        wheels = [content["packages"][name]["file_name"] for name in PACKAGES]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{lock} cannot be read: {error!r}") from None
    files = [folder / name for name in (*INTEGRITY, *wheels)]
    lost = [file.name for file in files if not file.is_file()]
    if lost:
        raise NotFoundError(f"{folder} lacks {', '.join(lost)}; the full distribution has them")
    for file in files[: len(INTEGRITY)]:
        is_lock = file == lock  # a distribution may hold fewer packages than the official one
        if not is_lock and integrity(file.read_bytes()) != INTEGRITY[file.name]:
            raise UserError(f"{file} is not of Pyodide {PYODIDE}, which this site is written for")
    return files


def integrity(content: bytes) -> str:
    """Hash content as browsers do for Subresource Integrity."""
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode("ascii")


def version_of(package: Path) -> str:
    """Read the version in `numpygit/__init__.py`."""
    found = re.search(r'__version__ = "(.+)"', (package / "__init__.py").read_text("utf-8"))
    if found is None:
        raise AssertionError("numpygit/__init__.py names no version")
    return found[1]


def make_wheel() -> tuple[str, bytes]:
    """Pack this package as a wheel: its name and its bytes, the same each time."""
    root = Path(__file__).parents[1]
    version = version_of(root)
    info = f"numpygit-{version}.dist-info"
    files = {
        f"numpygit/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: numpygit\nVersion: {version}\n"
        "Requires-Dist: numpy>=2.0\nRequires-Dist: pillow>=10.1\n"
    ).encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    rows = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for name, data in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(
                zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED
            )
    return f"numpygit-{version}-py3-none-any.whl", out.getvalue()
