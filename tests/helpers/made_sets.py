"""Small data sets of every kind, written with the standard library alone."""

from __future__ import annotations

import base64
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from numpygit import storybook


def picture(seed: int, ending: str = "png") -> bytes:
    """Draw a small picture of random colours."""
    colours = np.random.default_rng(seed).integers(0, 256, (12, 15, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(colours).save(file, {"jpg": "jpeg"}.get(ending, ending))
    return file.getvalue()


def folder(path: Path, names: list[str]) -> Path:
    """Write a folder of pictures."""
    for seed, name in enumerate(names):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(picture(seed, Path(name).suffix[1:].lower()))
    return path


def tar(path: Path, members: dict[str, bytes], kind: int = tarfile.USTAR_FORMAT) -> Path:
    """Write a tar of files."""
    with tarfile.open(path, "w", format=kind) as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def shard(path: Path, count: int, first: int = 0) -> Path:
    """Write a shard as img2dataset does."""
    members: dict[str, bytes] = {}
    for i in range(first, first + count):
        key = f"{i:09}"
        members[f"{key}.jpg"] = picture(i, "jpg")
        members[f"{key}.json"] = json.dumps({"caption": f"text {i}", "key": key}).encode()
        members[f"{key}.txt"] = f"text {i}".encode()
    return tar(path, members)


def coco(path: Path, names: dict[int, str], captions: list[tuple[int, str]]) -> Path:
    """Write COCO's captions."""
    images = [{"id": number, "file_name": name} for number, name in names.items()]
    notes = [{"id": i, "image_id": n, "caption": text} for i, (n, text) in enumerate(captions)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": notes}), encoding="utf-8")
    return path


def tsv(path: Path, pictures: dict[str, bytes]) -> Path:
    """Write the authors' file of pictures."""
    lines = [f"{key}\t{base64.b64encode(data).decode()}\n" for key, data in pictures.items()]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def scenes(path: Path, count: int) -> Path:
    """Write scenes of the bundled model's world, with their captions as an imagefolder."""
    path.mkdir(parents=True)
    rows = []
    for i in range(count):
        scene = storybook.sample(np.random.default_rng([i, 77]))
        storybook.render(scene).save(path / f"{i:03}.png")
        rows.append({"file_name": f"{i:03}.png", "text": storybook.caption(scene)})
    (path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return path


def lines(path: Path) -> list[dict]:
    """Read a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def environment(root: Path) -> dict[str, str]:
    """Make an environment for a process that imports this numpygit."""
    return {**os.environ, "PYTHONPATH": str(root)}
