"""Read every file of a folder here and with transformers, and hold the pixels against each other.

    python tests/helpers/compare_pictures.py FOLDER --peer oracle/bin/python [--cli]

`--peer` is a Python that has transformers and torch, and the same Pillow as this one, for other
versions decode otherwise. There a file is read by `load_image` and prepared by `CLIPImageProcessor`
with the settings of git-base; here by `GitImageProcessor`, with greys clipped as Pillow clips them
(`depth="clip"`), so that numbers can be equal; files that the default, which scales them, prepares
otherwise are counted apart. `--cli` captions the whole folder with the bundled model too: each file
has a caption or is named in a line of complaint. The exit code is 0 if nothing differs.

A picture 1 or 3 pixels high has its channels first, transformers thinks; it is told that they are
last. HEIC is compared where the peer has pillow-heif too. Where to find pictures:

- Pillow's own: `pip download pillow --no-deps --no-binary :all:`, then `Tests/images`.
- Photographs of many makes of cameras and telephones, and what they write besides: the sources of
  Debian 12's exiv2, libimage-exiftool-perl, golang-github-rwcarlsen-goexif, jhead, libexif and
  libheif (`apt-get source`), those of piexif and pillow-heif (as Pillow's), and the npm packages
  exif, exif-js, exif-parser, jpeg-exif and node-exif (`npm pack`). Many are cut behind their EXIF.
- `foreign_pictures.py` makes others.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
SETTINGS = {"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}}
SHAPE = (3, 224, 224)


def answer() -> None:
    """Be the peer: paths on standard input -> their pixels on standard output."""
    from contextlib import suppress

    from transformers import CLIPImageProcessor
    from transformers.image_utils import load_image

    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the libraries print
    prepare = CLIPImageProcessor(**SETTINGS)
    for line in sys.stdin:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                picture = load_image(json.loads(line))
                how = {"input_data_format": "channels_last"} if picture.height in (1, 3) else {}
                found = prepare(picture, return_tensors="np", **how)
            told = bytes([len(how)])
            body = np.ascontiguousarray(found["pixel_values"][0], np.float32).tobytes()
        except Exception as error:  # it raises whatever it stumbles over
            told = b"\0"
            body = f"{type(error).__name__}: {error}"[:300].encode()
        out.write(struct.pack("<I", len(body)) + told + body)
        out.flush()


class Peer:
    """The official implementation, in a process of its own that is started again if it dies."""

    def __init__(self, python: str) -> None:
        self.command = [python, __file__, "--answer"]
        self.running: subprocess.Popen[bytes] | None = None

    def ask(self, path: Path) -> np.ndarray | str:
        """Read a picture: -> pixels (C, H, W), or why it cannot; sets `was_told`."""
        if self.running is None or self.running.poll() is not None:
            self.running = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
        assert self.running.stdin is not None
        assert self.running.stdout is not None
        self.running.stdin.write(json.dumps(str(path)).encode() + b"\n")
        self.running.stdin.flush()
        head = self.running.stdout.read(5)
        if len(head) < 5:
            return f"died with {self.running.wait()}"
        self.was_told = bool(head[4])
        body = self.running.stdout.read(struct.unpack("<I", head[:4])[0])
        if len(body) == 4 * np.prod(SHAPE):
            return np.frombuffer(body, np.float32).reshape(SHAPE)
        return body.decode(errors="replace")


def ours(path: Path, prepare: Any) -> np.ndarray | str:
    """Read a picture: -> pixels (C, H, W), or why it cannot be."""
    from numpygit.errors import UserError

    try:
        return np.array(prepare(path, return_tensors="np")["pixel_values"][0])
    except UserError as error:
        return str(error)


def compare(folder: Path, python: str) -> Counter[str]:
    """Compare every file: -> how many ended how; what is not equal is printed."""
    from numpygit import CLIPImageProcessor, PictureOptions

    peer, ends = Peer(python), Counter[str]()
    plain, usual = CLIPImageProcessor(**SETTINGS), CLIPImageProcessor(**SETTINGS)
    plain.read_with(PictureOptions(depth="clip"))
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        here, there = ours(path, plain), peer.ask(path)
        if isinstance(here, str) and isinstance(there, str):
            end = "refused by both"
        elif isinstance(here, str):
            end = "read there only"
            print(f"{path.relative_to(folder)}: {end}: {here}")
        elif isinstance(there, str):
            end = "read here only"
            print(f"{path.relative_to(folder)}: {end}: {there}")
        elif np.array_equal(here, there):
            end = "equal, with the channels told" if peer.was_told else "equal"
            scaled = ours(path, usual)
            ends["of these scaled by default"] += not np.array_equal(here, scaled)
        else:
            most = float(np.abs(here - there).max())
            end = "equal to 1e-6" if most < 1e-6 else "different"
            print(f"{path.relative_to(folder)}: {end}: by {most:.3g}")
        ends[end] += 1
    return ends


def caption_all(folder: Path) -> tuple[int, int, list[str], str]:
    """Caption the folder: -> captions, complaints, files of which nothing was said, last line."""
    from numpygit.data.folders import find_pictures

    wanted, _ = find_pictures(folder, recursive=True, report=print)
    with tempfile.TemporaryDirectory() as place:
        output = Path(place) / "captions.jsonl"
        command = [sys.executable, "-m", "numpygit", "caption", str(folder), "--recursive",
                   "--model", "storybook", "--output", str(output)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, cwd=ROOT)
        rows = [json.loads(line)["picture"] for line in output.read_bytes().splitlines()]
    said = done.stderr.decode(errors="replace")
    *lines, last = said.splitlines()
    silent = [name for name in wanted if name not in rows and Path(name).name not in said]
    strange = [line for line in lines if not line.startswith("numpygit: ")]
    assert not strange, f"lines of others on the error stream: {strange[:5]}"
    assert len(rows) == len(set(rows))
    return len(rows), len(lines), silent, last


def main() -> int:
    """Compare as the command line asks; return the exit code."""
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("folder", type=Path, nargs="?")
    given.add_argument("--peer", default=sys.executable, metavar="PYTHON")
    given.add_argument("--cli", action="store_true", help="caption the folder too")
    given.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    asked = given.parse_args()
    if asked.answer:
        answer()
        return 0
    if asked.folder is None:
        given.error("give a folder")
    sys.path.insert(0, str(ROOT))
    ends = compare(asked.folder, asked.peer)
    print(f"{sum(ends.values()) - ends['of these scaled by default']} files: {dict(ends)}")
    silent: list[str] = []
    if asked.cli:
        rows, complaints, silent, last = caption_all(asked.folder)
        print(f"captioned {rows}, complaints {complaints}, without a word {silent[:5]}; {last}")
    return 1 if ends["different"] or silent else 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
