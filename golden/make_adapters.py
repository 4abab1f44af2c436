"""Make `golden/adapters`: adapters that PEFT wrote for `golden/saved/tiny`, and what it merges.

    python golden/make_adapters.py     # needs torch, transformers 5.23, peft 0.21; takes seconds

A folder for each kind of LoRA, its numbers drawn at random, as `PeftModel.save_pretrained` leaves
it; `merged.npz` has the tensors that `merge_and_unload` changes, called "folder/name".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import GitForCausalLM

HERE = Path(__file__).parent
BASE, FOLDER = HERE / "saved" / "tiny", HERE / "adapters"
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"r": 4, "lora_alpha": 8, "target_modules": ["query", "value"]},
    "patterns": {
        "r": 4, "lora_alpha": 6, "use_rslora": True,
        "target_modules": ["query", "fc1", "out_proj", "visual_projection.0"],
        "rank_pattern": {"fc1": 2},
        "alpha_pattern": {"fc1": 5, "layer.1.attention.self.query": 3},
    },
    "dora": {"r": 3, "lora_alpha": 4, "use_dora": True,
             "target_modules": ["key", "dense", "patch_embedding"]},
    "tables": {"r": 2, "lora_alpha": 3, "modules_to_save": ["output"],
               "target_modules": ["word_embeddings", "patch_embedding", "query"]},
    "biases": {"r": 2, "lora_alpha": 2, "bias": "all", "target_modules": ["query", "fc2"]},
    "thin_biases": {"r": 2, "lora_alpha": 5, "lora_bias": True, "target_modules": ["value"]},
}  # fmt: skip


def main() -> None:
    """Draw, save and merge every kind."""
    changed: dict[str, np.ndarray] = {}
    for number, (kind, settings) in enumerate(KINDS.items()):
        torch.manual_seed(number)
        model = GitForCausalLM.from_pretrained(BASE)
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        adapted = get_peft_model(model, LoraConfig(**settings))
        with torch.no_grad():
            for parameter in adapted.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
        folder = FOLDER / kind
        adapted.save_pretrained(folder, safe_serialization=kind != "biases")
        (folder / "README.md").unlink()
        path = folder / "adapter_config.json"
        values = {**json.loads(path.read_text()), "base_model_name_or_path": "somebody/tiny"}
        path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
        for name, tensor in adapted.merge_and_unload().state_dict().items():
            if not torch.equal(tensor, before[name]):
                changed[f"{kind}/{name}"] = tensor.numpy()
    np.savez_compressed(FOLDER / "merged.npz", **changed)


if __name__ == "__main__":
    main()
