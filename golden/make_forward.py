"""Make `golden/forward.npz`: what the official forward answers on some of the random tiny models.

    python golden/make_forward.py          # needs the extra [golden]; takes seconds

The cases are among those of `differential_forward.py`, chosen so that every kind of positions, many
activations, head masks, vectors for words, clips and padding are there. The file holds config,
arguments and answers; the weights are drawn again by `seeded.py`. Under `smoothing/` is torch's
answer to the authors' smoothed loss, on logits and labels of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from differential_forward import both
from random_models import draw_case

HERE = Path(__file__).parent
SEEDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15, 17, 22)


def smoothed_loss(logits: torch.Tensor, labels: torch.Tensor, eps: float) -> torch.Tensor:
    """The authors' loss: KL divergence from a smoothed label, ignored labels left out."""
    used = labels != -100
    logits, labels = logits[used], labels[used]
    V = logits.shape[1]
    one_hot = torch.zeros_like(logits).scatter(1, labels[:, None], 1)
    asked = one_hot * (1 - eps) + (1 - one_hot) * eps / (V - 1)
    shares = torch.nn.LogSoftmax(dim=1)(logits)
    return torch.nn.KLDivLoss(reduction="none")(shares, asked).sum(dim=1).mean()


def main() -> None:
    """Write the file."""
    arrays: dict[str, np.ndarray] = {}
    for seed in SEEDS:
        case = draw_case(seed)
        _, theirs, _ = both(case)
        arrays[f"{seed}/config"] = np.array(json.dumps(case.config))
        arrays |= {f"{seed}/input/{name}": a for name, a in case.inputs.items()}
        arrays[f"{seed}/logits"] = theirs.logits.numpy()
        if theirs.loss is not None:
            arrays[f"{seed}/loss"] = theirs.loss.numpy()
        for kind in ("hidden_states", "attentions"):
            for i, layer in enumerate(theirs[kind]):
                arrays[f"{seed}/{kind}/{i}"] = layer.numpy()
    rng = np.random.default_rng(5)
    logits = (4 * rng.standard_normal((12, 31))).astype(np.float32)
    labels = rng.integers(0, 31, 12)
    labels[[2, 7]] = -100
    smoothed = smoothed_loss(torch.from_numpy(logits), torch.from_numpy(labels), 0.1)
    arrays |= {"smoothing/logits": logits, "smoothing/labels": labels,
               "smoothing/loss": smoothed.numpy()}  # fmt: skip
    np.savez_compressed(HERE / "forward.npz", **arrays)
    print(f"{len(SEEDS)} cases, {(HERE / 'forward.npz').stat().st_size} bytes")


if __name__ == "__main__":
    main()
