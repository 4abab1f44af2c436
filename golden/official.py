"""Ask the official implementation (transformers 4.37.2) for every tensor that has a name here.

`capture` runs a model with hooks and gives its tensors under the names of `numpygit/trace.py`.
The table there says where each lies: the output of a module, the input of a module (`... in`), or
what goes into and comes out of a softmax.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import torch

from numpygit.trace import TABLE

Calls = dict[str, list[torch.Tensor]]
SOFTMAX = {  # the modules that call softmax
    "vision": "git.image_encoder.vision_model.encoder.layers.{i}.self_attn",
    "text": "git.encoder.layer.{i}.attention.self",
}


def build(config: dict, tensors: dict[str, np.ndarray]) -> torch.nn.Module:
    """Build the official model around tensors named as in a checkpoint file."""
    from transformers import GitConfig, GitForCausalLM

    model = GitForCausalLM(GitConfig(**config)).eval()
    state = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
    model.load_state_dict(state, strict=True)
    return model


def capture(model: torch.nn.Module, **inputs: torch.Tensor) -> dict[str, np.ndarray]:
    """Run the model once and return every tensor of the table under its name here."""
    calls: Calls = defaultdict(list)
    hooks = [
        module.register_forward_hook(listen(name, calls), with_kwargs=True)
        for name, module in model.named_modules()
        if name
    ]
    running: list[str] = []  # the modules that are at work, the innermost last
    for name, module in model.named_modules():
        hooks += note_running(module, name, running)
    original = torch.nn.functional.softmax

    def softmax(scores: torch.Tensor, dim: int, **rest: object) -> torch.Tensor:
        weights = original(scores, dim=dim, **rest)
        calls[f"{running[-1]} softmax in"].append(scores.detach().clone())
        calls[f"{running[-1]} softmax out"].append(weights.detach().clone())
        return weights

    torch.nn.functional.softmax = softmax
    try:
        with torch.no_grad():
            model(**inputs, use_cache=False)
    finally:
        torch.nn.functional.softmax = original
        for hook in hooks:
            hook.remove()
    frames = inputs["pixel_values"].shape[1] if inputs["pixel_values"].ndim == 5 else 1
    return {**named_tensors(model, calls, frames), "pixels": inputs["pixel_values"].numpy()}


def note_running(module: torch.nn.Module, name: str, running: list[str]) -> list:
    """Keep a list of the modules that are at work."""

    def begin(*_: object) -> None:
        running.append(name)

    def end(*_: object) -> None:
        running.pop()

    return [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]


def listen(name: str, calls: Calls) -> Callable:
    """Make a hook that keeps what goes in and what comes out of one module."""

    def hook(module: torch.nn.Module, args: tuple, kwargs: dict, output: object) -> None:
        if args and isinstance(args[0], torch.Tensor):
            calls[f"{name} in"].append(args[0].detach().clone())
        if kwargs.get("attention_mask") is not None:
            calls[f"{name} mask"].append(kwargs["attention_mask"].detach().clone())
        first = output[0] if isinstance(output, tuple) else output
        if isinstance(first, torch.Tensor):
            calls[name].append(first.detach().clone())

    return hook


def named_tensors(model: torch.nn.Module, calls: Calls, frames: int) -> dict[str, np.ndarray]:
    """Put the captured tensors under their names here, in the shapes they have here."""
    config = model.config
    depth = {"vision": config.vision_config.num_hidden_layers, "text": config.num_hidden_layers}
    heads = {
        "vision": config.vision_config.num_attention_heads,
        "text": config.num_attention_heads,
    }
    found = {}
    for row in TABLE:
        tower = row.name.split(".")[0]
        for i in range(depth[tower] if "{i}" in row.name else 1):
            where = row.official.format(i=i)
            if row.name == "text.mask":
                where = "git.encoder mask"
            if where.startswith("softmax"):
                where = f"{SOFTMAX[tower].format(i=i)} {where}"
            kept = calls.get(where, [])
            if kept:
                name = row.name.format(i=i)
                found[name] = in_our_shape(name, kept, frames, heads.get(tower, 0))
    words = found["word_vectors"].shape
    found["place_vectors"] = np.broadcast_to(found["place_vectors"], words)
    if frames == 1:
        found.pop("clip_tokens", None)
    return found


def in_our_shape(name: str, kept: list[torch.Tensor], frames: int, heads: int) -> np.ndarray:
    """Stack the frames of a clip as the batch they are here, and split heads where we do."""
    last = name.split(".")[-1]
    if name.startswith("vision.") and last in ("scores", "weights") and kept[0].ndim == 3:
        kept = [tensor.unflatten(0, (-1, heads)) for tensor in kept]
    tensor = kept[0]
    if name.startswith("vision.") and frames > 1:
        tensor = torch.stack(kept, dim=1).flatten(0, 1)
    if last == "patch_tokens":
        tensor = tensor.flatten(2).transpose(1, 2)
    if last in ("q", "k", "v", "mixed"):
        tensor = tensor.unflatten(-1, (heads, -1)).transpose(1, 2)
    return tensor.numpy()
