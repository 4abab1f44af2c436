"""Make `golden/geometries`: the six sizes of the official checkpoints, with seeded weights.

    OMP_NUM_THREADS=2 python golden/make_geometries.py [NAME ...]    # extra [golden]

One size at a time: the large ones take up to 8 GB and two minutes each. `golden/geometries.json`
holds what each config changes; weights and pixels are drawn by seed, here and in the test, so that
only answers are stored: five greedy words after a prompt, every 11th logit of the last word, and
the corners of every named tensor, one after the other in the order of `names`.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import numpy as np
import torch
from official import build, capture
from seeded import corner, seeded_pixels, seeded_tensors

from numpygit.loading.config import GitConfig
from numpygit.loading.names import tensor_shapes

HERE = Path(__file__).parent
SEED = 4
PROMPT = (101, 1037, 6302, 1997)  # [CLS] a photo of
WORDS = 5
EVERY = 11


def ask(changes: dict) -> dict[str, np.ndarray]:
    """Build one size, run it on seeded pixels, and keep what the test compares."""
    config = GitConfig.from_dict(changes)
    model = build(changes, seeded_tensors(tensor_shapes(config), seed=SEED))
    size, frames = config.vision_config.image_size, config.num_image_with_embedding
    shape = (1, frames, 3, size, size) if frames else (1, 3, size, size)
    pixels = torch.from_numpy(seeded_pixels(shape, seed=SEED))
    prompt = torch.tensor([PROMPT])
    inside = capture(model, input_ids=prompt, pixel_values=pixels)
    names = sorted(inside)
    corners = [corner(inside[name]) for name in names]
    logits = inside["logits"][0, -1].copy()
    del inside
    gc.collect()
    ids = model.generate(
        input_ids=prompt, pixel_values=pixels, max_length=len(PROMPT) + WORDS, use_cache=False
    )
    best = np.sort(logits)[::-1]
    print(f"  ids {ids[0].tolist()}, the best word leads by {best[0] - best[1]:.3f}")
    return {
        "ids": ids.numpy(),
        "last_logits": logits[::EVERY],
        "names": np.array("\n".join(names)),
        "corners": np.concatenate([c.ravel() for c in corners]).astype(np.float32),
    }


def main() -> None:
    """Write one file for each size that was asked for, all without a name."""
    sizes = json.loads((HERE / "geometries.json").read_text())
    (HERE / "geometries").mkdir(exist_ok=True)
    for name in sys.argv[1:] or sizes:
        print(name, flush=True)
        np.savez_compressed(HERE / "geometries" / f"{name}.npz", **ask(sizes[name]))
        gc.collect()


if __name__ == "__main__":
    main()
