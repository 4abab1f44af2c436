"""Make `golden/documentation.npz`: what the documentation's examples answer with the official code.

    python golden/make_documentation.py         # needs the extra [golden]; takes seconds

The examples of `documentation.py` run as they are, on two tiny checkpoints with seeded weights.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from documentation import EXAMPLES, answers, code_of, run, write_checkpoint

HERE = Path(__file__).parent


def main() -> None:
    """Write the file."""
    assert transformers.__version__ == "4.37.2"
    arrays: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        folders = {
            "still": write_checkpoint(Path(folder) / "still", frames=None),
            "clip": write_checkpoint(Path(folder) / "clip", frames=6),
        }
        for name, example in EXAMPLES.items():
            # the official GitVisionModel finds none of its weights in a whole GIT
            if name in ("vision_config", "config", "vision_model"):
                continue
            found = answers(run(f"import torch\n{code_of(example)}", folders))
            arrays |= {f"{name}/{key}": value for key, value in found.items()}
            print(name, {key: value.shape for key, value in found.items()}, found["printed"])
    np.savez_compressed(HERE / "documentation.npz", **arrays)


if __name__ == "__main__":
    main()
