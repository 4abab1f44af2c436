"""Save the six full sizes with the official code in every file format, and load them here.

    OMP_NUM_THREADS=2 python golden/check_formats.py [NAME ...]   # extra [golden]; 8 GB, 10 minutes

Every tensor must come back bit for bit from every format, the authors' own `model.pt` among them.
From the first and the last one, five greedy words and the logits are compared with
`golden/geometries`, which the official code computed. Another process loads each folder and uses
every number; the highest memory it had is told as a multiple of the weights.
"""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from authors import authors_tensors
from official import build
from seeded import seeded_pixels, seeded_tensors

from numpygit import loading
from numpygit.errors import UserError
from numpygit.huggingface.models import GitForCausalLM
from numpygit.loading.authors import check_parameters
from numpygit.loading.config import GitConfig
from numpygit.loading.formats import read_tensors, weights_file
from numpygit.loading.formats.authors_settings import BUILT_IN

HERE = Path(__file__).parent
SEED, EVERY = 4, 11
PROMPT = np.array([[101, 1037, 6302, 1997]])
OLD = {"_use_new_zipfile_serialization": False}
MEASURE = """
import sys
from pathlib import Path
from numpygit import loading
from numpygit.huggingface.tensors import tensors_of

config, params = loading.load(Path(sys.argv[1]))
tensors = tensors_of(params, config).values()
total = sum(float(array.sum()) for array in tensors)
assert total == total
weights = sum(array.nbytes for array in tensors)
line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(1024 * int(line.split()[1]), weights)
"""


def saved(changes: dict, tensors: dict, place: Path) -> Iterator[Path]:
    """Save one model in every format, one after the other; yield each folder, then remove it."""
    model = build(changes, tensors)
    formats = {
        "one .safetensors": {"safe_serialization": True, "max_shard_size": "9GB"},
        "several .safetensors": {"safe_serialization": True, "max_shard_size": "300MB"},
        "several .bin": {"safe_serialization": False, "max_shard_size": "300MB"},
        "one .bin": {"safe_serialization": False, "max_shard_size": "9GB"},
    }
    for name, options in formats.items():
        folder = place / name
        model.save_pretrained(folder, **options)
        config = (folder / "config.json").read_text()
        yield folder
        shutil.rmtree(folder)
    state, folder = model.state_dict(), place / "older .bin"
    folder.mkdir()
    (folder / "config.json").write_text(config)
    torch.save(state, folder / "pytorch_model.bin", **OLD)
    del model
    yield folder
    shutil.rmtree(folder)
    yield from saved_as_the_authors_do(authors_tensors(state), authors_folder(changes, place))


def authors_folder(changes: dict, place: Path) -> Path:
    """Name a folder as the authors do for a model of this size: its settings are built in."""
    config = GitConfig.from_dict(changes)
    for name, settings in BUILT_IN.items():
        try:
            check_parameters(config, settings, source=name)
        except UserError:
            continue
        return place / name / "snapshot"
    raise AssertionError("the authors have no model of this size")


def saved_as_the_authors_do(theirs: dict, folder: Path) -> Iterator[Path]:
    """Write model.pt, then once more in the older layout with `module.` before every name."""
    folder.mkdir(parents=True)
    torch.save({"model": theirs}, folder / "model.pt")
    yield folder
    prefixed = {f"module.{name}": tensor for name, tensor in theirs.items()}
    torch.save({"model": prefixed, "iteration": 7}, folder / "model.pt", **OLD)
    yield folder


def memory(folder: Path) -> float:
    """Load a folder in a process of its own and use every number: highest memory over weights."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder)], capture_output=True, text=True, check=True
    )
    peak, weights = done.stdout.split()
    return int(peak) / int(weights)


def compare(name: str, changes: dict, place: Path) -> None:
    """Check one size in all formats."""
    tensors = seeded_tensors(loading.tensor_shapes(GitConfig.from_dict(changes)), seed=SEED)
    for folder in saved(changes, tensors, place):
        found = read_tensors(folder)
        assert found.keys() == tensors.keys(), found.keys() ^ tensors.keys()
        for key, tensor in tensors.items():
            assert np.array_equal(found[key].view(np.uint32), tensor.view(np.uint32)), key
        del found
        file = weights_file(folder)
        used, most = memory(folder), 1.15 if "safetensors" in file.name else 1.3
        assert used <= most, used
        label = folder.parent.name if file.name == "model.pt" else folder.name
        print(f"  {label:21} {file.name:30} {len(tensors)} tensors equal, memory {used:.3f}")
        if folder.name == "one .safetensors":
            compare_words(name, folder)
    compare_words(name, folder)


def compare_words(name: str, folder: Path) -> None:
    """Hold the logits and five words against those of the official code."""
    golden = np.load(HERE / "geometries" / f"{name}.npz")
    model = GitForCausalLM(*loading.load(folder))
    size, frames = model.config.vision_config.image_size, model.config.num_image_with_embedding
    shape = (1, frames, 3, size, size) if frames else (1, 3, size, size)
    pixels = seeded_pixels(shape, seed=SEED)
    gap = np.abs(model.logits(PROMPT, pixels)[0, -1][::EVERY] - golden["last_logits"]).max()
    ids = model.generate(PROMPT, pixel_values=pixels, max_length=golden["ids"].shape[1])
    assert gap < 1e-4, gap
    assert np.array_equal(ids, golden["ids"])
    print(f"  {'':21} logits off by {gap:.1e}, words the same", flush=True)


def main() -> None:
    """Go through the sizes that were asked for, all without a name."""
    sizes = json.loads((HERE / "geometries.json").read_text())
    for name in sys.argv[1:] or sizes:
        print(name, flush=True)
        with tempfile.TemporaryDirectory() as place:
            compare(name, sizes[name], Path(place))
        gc.collect()


if __name__ == "__main__":
    main()
