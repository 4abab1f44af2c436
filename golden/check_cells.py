"""Run what tutorial notebooks of GIT do with transformers and with numpygit: the same texts?

    PYTHONPATH=. python golden/check_cells.py    # where torch and transformers 4.37.2 are

The cells differ in their import line alone. The checkpoint is the bundled model as one of stills,
so that the official cache can be used. Captions, an answer, a batch, and fine-tuning up to the
training loop: the data set, its loader, a first loss.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import warnings
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import numpygit
from numpygit.storybook import EXAMPLES


def stand_in(folder: str) -> None:
    """Save the bundled model without its temporal embeddings."""
    model = numpygit.GitForCausalLM.from_pretrained("storybook")
    tensors = {n: a for n, a in model.state_dict().items() if "temperal" not in n}
    config = model.config.changed({"num_image_with_embedding": None})
    stills = numpygit.GitForCausalLM.from_pretrained(
        None, config=config, state_dict=tensors, generation_config=model.generation_config
    )
    stills.save_pretrained(folder)
    numpygit.GitProcessor.from_pretrained("storybook").save_pretrained(folder)


def cells(library: str, name: str) -> list[Any]:
    """Do what the notebooks do -> all that they print."""
    module = importlib.import_module(library)  # the import line
    processor = module.AutoProcessor.from_pretrained(name)
    model = module.AutoModelForCausalLM.from_pretrained(name)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    printed: list[Any] = []
    pictures = [
        Image.open(EXAMPLES / f"{n}.png").convert("RGB") for n in ("relation", "row", "sign")
    ]
    for picture in pictures[:2]:
        inputs = processor(images=picture, return_tensors="pt").to(device)
        ids = model.generate(pixel_values=inputs.pixel_values, max_length=30)
        printed.append(processor.batch_decode(ids, skip_special_tokens=True)[0])
    pixels = processor(images=pictures[2], return_tensors="pt").pixel_values.to(device)
    question = processor(text="what does the sign say?", add_special_tokens=False).input_ids
    prompt = torch.tensor([processor.tokenizer.cls_token_id, *question]).unsqueeze(0).to(device)
    ids = model.generate(pixel_values=pixels, input_ids=prompt, max_length=30)
    printed += processor.batch_decode(ids, skip_special_tokens=True)
    printed += processor.batch_decode(ids[:, prompt.shape[1] :], skip_special_tokens=True)
    batch = processor(images=pictures[:2], return_tensors="pt").pixel_values.to(device)
    ids = model.generate(pixel_values=batch, max_length=30)
    printed.append(processor.batch_decode(ids, skip_special_tokens=True))

    class Captions(Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return 4

        def __getitem__(self, number: int) -> dict[str, Any]:
            encoding = processor(images=pictures[0], text="a red fish", padding="max_length",
                                 max_length=20, return_tensors="pt")  # fmt: skip
            return {name: value.squeeze() for name, value in encoding.items()}

    item = Captions()[0]
    printed.append({name: tuple(value.shape) for name, value in item.items()})
    printed.append(processor.decode(item["input_ids"], skip_special_tokens=True))
    rows = next(iter(DataLoader(Captions(), batch_size=2)))
    printed.append({name: tuple(value.shape) for name, value in rows.items()})
    ids, mask = rows["input_ids"], rows["attention_mask"]
    outputs = model(ids, attention_mask=mask, pixel_values=rows["pixel_values"], labels=ids)
    printed.append(round(float(outputs.loss), 3))
    return printed


def main() -> int:
    """Compare what both print."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        stand_in(name)
        theirs, ours = cells("transformers", name), cells("numpygit", name)
    for one, other in zip(theirs, ours, strict=True):
        print("same  " if one == other else "DIFFER", one, "" if one == other else other)
    return int(theirs != ours)


if __name__ == "__main__":
    sys.exit(main())
