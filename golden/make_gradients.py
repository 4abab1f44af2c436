"""Make `golden/gradients`: what the official implementation's gradients are, in float64.

    python golden/make_gradients.py              # extra [golden]; tiny and storybook, seconds
    python golden/make_gradients.py git-base     # the git-base geometry: 6 GB, a minute

transformers 4.37.2 runs in double precision without dropout, and torch goes backwards. Of tiny
models every gradient is kept whole, of all parameters and of every tensor that has a name in
`numpygit/trace.py`; of larger ones a digest of each (`gradient_cases.py`). The library's own loss
takes the wrong rows for stills in a clip model (docs/official-bugs.md), so the logits of the words
are cut off here, and the loss is torch's; smoothing is the authors' SmoothLabelCrossEntropyLoss.
`training.json` holds ten steps of torch.optim.AdamW and the schedules of transformers.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gradient_cases import CASES, Case, digest, draw
from official import build, named_tensors
from seeded import seeded_tensors
from torch.nn import functional
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

HERE = Path(__file__).parent
FOLDERS = {"tiny": HERE / "tiny", "storybook": HERE.parent / "numpygit/storybook/checkpoint"}


def official_model(name: str) -> torch.nn.Module:
    """Build the official model of a case in float64."""
    from transformers import GitForCausalLM

    if name in FOLDERS:
        return GitForCausalLM.from_pretrained(FOLDERS[name]).double().eval()
    shapes = {n: tuple(p.shape) for n, p in build_empty().named_parameters()}
    return build({}, seeded_tensors(shapes, seed=2)).double().eval()


def build_empty() -> torch.nn.Module:
    """Build the git-base geometry without memory for its weights: only names and shapes."""
    from transformers import GitConfig, GitForCausalLM

    with torch.device("meta"):
        return GitForCausalLM(GitConfig())


def loss_of(logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Take the mean over all labels; logits are those of the words alone."""
    before, after = logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
    if not smoothing:
        return functional.cross_entropy(before, after, ignore_index=-100)
    used = after != -100
    shares = torch.log_softmax(before[used], 1)
    V = shares.shape[1]
    asked = torch.full_like(shares, smoothing / (V - 1))
    asked.scatter_(1, after[used][:, None], 1 - smoothing)
    return functional.kl_div(shares, asked, reduction="none").sum(1).mean()


def ask(model: torch.nn.Module, case: Case, given: dict[str, np.ndarray]) -> torch.Tensor:
    """Run the official model and go backwards; return the loss."""
    inputs = {n: torch.tensor(a) for n, a in given.items() if n != "labels"}
    logits = model(**inputs, use_cache=False).logits[:, -given["input_ids"].shape[1] :]
    loss = loss_of(logits, torch.tensor(given["labels"]), case.smoothing)
    model.zero_grad(set_to_none=True)
    loss.backward()
    return loss


@contextmanager
def watched(model: torch.nn.Module) -> Iterator[dict[str, list[torch.Tensor]]]:
    """Keep what goes in and out of every module and softmax, with its gradient to come."""
    calls: dict[str, list[torch.Tensor]] = defaultdict(list)

    def keep(name: str, tensor: Any) -> None:
        if isinstance(tensor, torch.Tensor) and tensor.requires_grad:
            tensor.retain_grad()
            calls[name].append(tensor)

    def hook(name: str) -> Any:
        def listen(module: torch.nn.Module, args: tuple, output: Any) -> None:
            keep(f"{name} in", args[0] if args else None)
            keep(name, output[0] if isinstance(output, tuple) else output)

        return listen

    def softmax(scores: torch.Tensor, dim: int, **rest: object) -> torch.Tensor:
        weights = original(scores, dim=dim, **rest)
        keep("softmax in", scores)
        keep("softmax out", weights)
        return weights

    hooks = [m.register_forward_hook(hook(name)) for name, m in model.named_modules() if name]
    original, functional.softmax = functional.softmax, softmax
    try:
        yield calls
    finally:
        functional.softmax = original
        for each in hooks:
            each.remove()


def gradients_of_tensors(model: torch.nn.Module, case: Case, given: dict) -> dict[str, np.ndarray]:
    """Give the gradient of every named tensor, in the shape it has here."""
    with watched(model) as calls:
        ask(model, case, given)
    found = {name: [t.grad for t in tensors] for name, tensors in calls.items()}
    embedded = found["git.embeddings.word_embeddings"]
    found["git.embeddings.position_embeddings"] = embedded  # broadcast there, a sum over rows
    return named_tensors(model, found, case.frames or 1)


def noise(model: torch.nn.Module, case: Case, given: dict[str, np.ndarray]) -> float:
    """Say how far torch's own float32 gradients are from those in float64, as a part of them."""
    exact = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    pixels = given["pixel_values"].astype(np.float32)
    ask(model.float(), case, {**given, "pixel_values": pixels})
    rounded = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    pairs = list(zip(rounded, exact, strict=True))
    lost = sum(((a.double() - b) ** 2).sum().item() for a, b in pairs)
    whole = sum((b**2).sum().item() for b in exact)
    ask(model.double(), case, given)
    return (lost / whole) ** 0.5


def make_case(name: str) -> None:
    """Write the golden of one case."""
    case, given = CASES[name], draw(name)
    model = official_model(case.model)
    loss = ask(model, case, given)
    arrays = {"loss": np.array(loss.item()), "noise": np.array(noise(model, case, given))}
    for parameter, tensor in model.named_parameters():
        gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        kept = gradient.numpy() if case.model == "tiny" else digest(parameter, gradient.numpy())
        arrays[f"parameter/{parameter}"] = kept
    if case.model == "tiny":
        inside = gradients_of_tensors(model, case, given)
        arrays |= {f"tensor/{n}": np.ascontiguousarray(a) for n, a in inside.items()}
    (HERE / "gradients").mkdir(exist_ok=True)
    np.savez_compressed(HERE / "gradients" / f"{name}.npz", **arrays)
    print(f"{name}: loss {loss.item():.9f}, {len(arrays) - 2} gradients")
    print(f"  torch's own float32 is off by {arrays['noise']:.1e}")


def make_training() -> None:
    """Write ten steps of torch: schedules, gradient norms, losses, and parameters at the end."""
    case, given = CASES["tiny-still"], draw("tiny-still")
    model = official_model("tiny")
    named = dict(model.named_parameters())
    plain = [n for n in named if n.endswith("bias") or "norm" in n.lower() or "projection.1" in n]
    groups = [
        {"params": [p for n, p in named.items() if n not in plain], "weight_decay": 0.05},
        {"params": [named[n] for n in plain], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98))
    schedule = get_cosine_schedule_with_warmup(optimizer, 3, 10)
    losses, norms = [], []
    for _ in range(10):
        losses.append(ask(model, case, given).item())
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        optimizer.step()
        schedule.step()
    arrays = {n: p.detach().numpy() for n, p in named.items()}
    np.savez_compressed(HERE / "gradients" / "ten-steps.npz", **arrays)
    values = {"losses": losses, "norms": norms, "undecayed": plain, "schedules": {}}
    for warm_up in (0, 3, 7):
        for kind, make in (
            ("linear", get_linear_schedule_with_warmup),
            ("cosine", get_cosine_schedule_with_warmup),
        ):
            share = make(optimizer, warm_up, 20).lr_lambdas[0]
            values["schedules"][f"{kind} {warm_up}"] = [share(step) for step in range(25)]
    text = json.dumps(values, indent=1) + "\n"
    (HERE / "gradients" / "training.json").write_text(text)
    print(f"ten steps: loss {losses[0]:.6f} to {losses[-1]:.6f}")


def main() -> None:
    """Make the goldens that are asked for."""
    torch.set_num_threads(1)
    wanted = sys.argv[1:] or [name for name in CASES if name != "git-base"]
    for name in wanted:
        make_case(name)
    if not sys.argv[1:]:
        make_training()


if __name__ == "__main__":
    main()
