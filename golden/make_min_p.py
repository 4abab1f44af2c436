"""Make `golden/generation/min_p.safetensors`: the filter that transformers 4.37.2 lacks.

python golden/make_min_p.py         # needs torch and transformers 5.23.0, no 4.37.2
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.numpy import load_file, save_file
from transformers import MinPLogitsWarper

HERE = Path(__file__).parent / "generation"
FILTERS = {"0.1": (0.1, 1), "0.5": (0.5, 1), "1": (1.0, 3)}  # share, words to keep


def main() -> None:
    """Run the official filter on the logits of the other filters."""
    logits = load_file(HERE / "filters.safetensors")["logits"]
    found = {}
    for name, (share, keep) in FILTERS.items():
        warper = MinPLogitsWarper(share, min_tokens_to_keep=keep)
        found[name] = warper(None, torch.from_numpy(logits.copy())).numpy()
    save_file(found, HERE / "min_p.safetensors")


if __name__ == "__main__":
    main()
