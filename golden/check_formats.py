"""Save the six full sizes with the official code in every file format, and load them here.

    OMP_NUM_THREADS=2 python golden/check_formats.py [NAME ...]   # extra [golden]; 8 GB, 10 minutes

Every tensor must come back bit for bit from every format. From the last one, five greedy words and
the logits are compared with `golden/geometries`, which the official code computed.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from official import build
from seeded import seeded_pixels, seeded_tensors

from numpygit import checkpoint
from numpygit.config import GitConfig
from numpygit.files import read_tensors, weights_file
from numpygit.model import GitForCausalLM

HERE = Path(__file__).parent
SEED, EVERY = 4, 11
PROMPT = np.array([[101, 1037, 6302, 1997]])


def saved(changes: dict, tensors: dict, place: Path) -> Iterator[Path]:
    """Let the official code save one model in every format; yield each folder, then empty it."""
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
        yield folder
    state, folder = model.state_dict(), place / "older .bin"
    folder.mkdir()
    (folder / "config.json").write_text((place / "one .bin" / "config.json").read_text())
    torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    del model, state
    gc.collect()
    yield folder


def compare(name: str, changes: dict, place: Path) -> None:
    """Check one size in all formats."""
    tensors = seeded_tensors(checkpoint.tensor_shapes(GitConfig.from_dict(changes)), seed=SEED)
    for folder in saved(changes, tensors, place):
        found = read_tensors(folder)
        assert found.keys() == tensors.keys(), found.keys() ^ tensors.keys()
        for key, tensor in tensors.items():
            assert np.array_equal(found[key].view(np.uint32), tensor.view(np.uint32)), key
        print(f"  {folder.name:21} {weights_file(folder).name:30} {len(found)} tensors equal")
    del found
    golden = np.load(HERE / "geometries" / f"{name}.npz")
    model = GitForCausalLM(*checkpoint.load(folder))
    size, frames = model.config.vision_config.image_size, model.config.num_image_with_embedding
    shape = (1, frames, 3, size, size) if frames else (1, 3, size, size)
    pixels = seeded_pixels(shape, seed=SEED)
    gap = np.abs(model.logits(PROMPT, pixels)[0, -1][::EVERY] - golden["last_logits"]).max()
    ids = model.generate(pixels, PROMPT, max_length=golden["ids"].shape[1])
    assert gap < 1e-4
    assert np.array_equal(ids, golden["ids"])
    print(f"  logits off by {gap:.1e}, words the same")


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
