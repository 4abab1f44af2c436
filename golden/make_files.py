"""Write one small GIT in every kind of file that torch and transformers write.

`files/true.safetensors` holds the numbers; the others must give the same, or what half precision
leaves of them. Folders are what a user has: weights with a config.json, or the authors' model.pt
alone. Single files are odd ways to store tensors. Run with torch 2.13 and transformers 4.37.2.
"""

from __future__ import annotations

import json
import shutil
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from authors import authors_tensors
from official import build
from safetensors.torch import save_file
from seeded import seeded_tensors

from numpygit.loading.config import GitConfig
from numpygit.loading.names import tensor_shapes

HERE = Path(__file__).parent / "files"
CONFIG = {
    "model_type": "git",
    "vocab_size": 17,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 14,
    "max_position_embeddings": 7,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "num_image_with_embedding": 2,
    "vision_config": {
        "hidden_size": 8,
        "intermediate_size": 10,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 9,
        "patch_size": 3,
    },
}
# the authors' heads are 64 wide: the smallest model whose config its shapes can tell
AUTHORS = CONFIG | {
    "hidden_size": 64,
    "num_attention_heads": 1,
    "num_hidden_layers": 1,
    "vision_config": CONFIG["vision_config"] | {"hidden_size": 64, "num_attention_heads": 1},
}
OLD = {"_use_new_zipfile_serialization": False}
Tensors = dict[str, torch.Tensor]


def draw(config: dict) -> Tensors:
    """Draw a checkpoint."""
    shapes = tensor_shapes(GitConfig.from_dict(config))
    drawn = seeded_tensors(shapes, seed=2)
    return {name: torch.from_numpy(np.array(array)) for name, array in drawn.items()}


def folder(name: str, config: dict | None = CONFIG) -> Path:
    """Make a folder anew, with a config.json if there is a config."""
    path = HERE / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    if config is not None:
        (path / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    return path


def write_official(tensors: Tensors) -> None:
    """Let the official model save itself: one file, shards, and the state of its module."""
    model = build(CONFIG, {name: t.numpy() for name, t in tensors.items()})
    for name, size in (("bin", "1GB"), ("bin_shards", "7KB")):
        path = folder(name, config=None)
        model.save_pretrained(path, safe_serialization=False, max_shard_size=size)
        (path / "generation_config.json").unlink()
    state = model.state_dict()  # with its attribute _metadata
    assert state._metadata
    # as the files of 2022 have them
    state["git.embeddings.position_ids"] = torch.arange(7)[None]
    state["git.image_encoder.vision_model.embeddings.position_ids"] = torch.arange(10)[None]
    torch.save(state, folder("bin_2022") / "pytorch_model.bin", **OLD)
    halves = {name: t.half() for name, t in state.items() if t.is_floating_point()}
    torch.save(halves, folder("bin_float16") / "pytorch_model.bin")
    brains = {name: t.bfloat16() for name, t in state.items() if t.is_floating_point()}
    torch.save(brains, folder("bin_bfloat16") / "pytorch_model.bin")
    torch.save(brains, folder("bin_bfloat16_old") / "pytorch_model.bin", **OLD)


def odd_tensors(tensors: Tensors) -> Tensors:
    """Store the same numbers in ways that the file must spell out."""
    odd = OrderedDict(tensors)
    together = torch.cat([t.flatten() for t in tensors.values()])  # one storage for all
    at = 0
    for i, (name, tensor) in enumerate(tensors.items()):
        if i % 5 == 0:
            odd[name] = together[at : at + tensor.numel()].view(tensor.shape)
        elif i % 5 == 1:
            odd[name] = torch.nn.Parameter(tensor)
        elif i % 5 == 2:  # stored the other way round, and turned back by its strides
            turned = tensor.permute(*reversed(range(tensor.ndim))).contiguous()
            odd[name] = turned.permute(*reversed(range(tensor.ndim)))
        elif i % 5 == 3:  # every other number of a wider storage, and requiring a gradient
            wide = torch.zeros(*tensor.shape, 2)
            wide[..., 1] = tensor
            odd[name] = wide[..., 1].requires_grad_()
        at += tensor.numel()
    return odd


def write_odd(tensors: Tensors) -> None:
    """Write single files with odd tensors."""
    odd = odd_tensors(tensors)
    torch.save(odd, HERE / "odd.bin")
    torch.save(odd, HERE / "odd_old.bin", **OLD)
    torch.save(odd, HERE / "odd_4.bin", pickle_protocol=4)
    few = OrderedDict(
        empty=torch.zeros(0, 3),
        number=torch.tensor(1.5),
        double=torch.tensor([1.0, 2.5], dtype=torch.float64),
        repeated=torch.tensor([1.0, 2.0, 3.0]).expand(2, 3),
        long=torch.arange(3),
        int=torch.arange(3, dtype=torch.int32),
        short=torch.arange(3, dtype=torch.int16),
        char=torch.arange(3, dtype=torch.int8),
        byte=torch.arange(3, dtype=torch.uint8),
        bool=torch.tensor([True, False]),
    )
    few["same"] = few["number"]
    torch.save({"epoch": 3, "state_dict": few, "loss": 0.5}, HERE / "few.bin")
    torch.save({"epoch": 3, "state_dict": few, "loss": 0.5}, HERE / "few_old.bin", **OLD)


def main() -> None:
    """Write all files."""
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    tensors = draw(CONFIG)
    save_file(tensors, HERE / "true.safetensors")
    write_official(tensors)
    write_odd(tensors)
    tensors = draw(AUTHORS)
    tensors["output.weight"] = tensors["git.embeddings.word_embeddings.weight"].clone()
    save_file(tensors, HERE / "true_authors.safetensors")
    (HERE / "true_authors.json").write_text(json.dumps(AUTHORS, indent=2) + "\n")
    theirs = authors_tensors(tensors)
    theirs["textual.output.weight"] = theirs["textual.embedding.words.weight"]  # tied
    torch.save({"model": theirs}, folder("authors", config=None) / "model.pt")
    prefixed = OrderedDict((f"module.{name}", tensor) for name, tensor in theirs.items())
    old = folder("authors_module", config=None) / "model.pt"
    torch.save({"model": prefixed, "iteration": 7}, old, **OLD)


if __name__ == "__main__":
    main()
