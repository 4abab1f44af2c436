"""Dump what the official implementation computes, under the names of `numpygit/trace.py`.

    numpygit trace picture.png --model FOLDER -o ours.safetensors
    python golden/dump_torch.py FOLDER picture.png -o theirs.safetensors
    numpygit diff ours.safetensors theirs.safetensors

Needs the extra [golden]; tried with transformers 4.37.2 and 5.23.0. The picture is prepared and the
words are chosen by the official code; `--words-of ours.safetensors` reads the words of that file
instead, so that two programs that say different things can be compared all the same. Whoever has
changed the torch model, or has another one with the same modules, imports `dump`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from official import capture
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, GitForCausalLM

from numpygit.inside.record import IDS, Run, check_target, distance, read, save
from numpygit.loading import checkpoint
from numpygit.loading.find import BUNDLED, find


def dump(model: torch.nn.Module, pixels: torch.Tensor, ids: torch.Tensor) -> Run:
    """Run a model once on pixels and words -> every named tensor, and the noise of float32."""
    rounded = capture(model.float(), input_ids=ids, pixel_values=pixels)
    exact = capture(model.double(), input_ids=ids, pixel_values=pixels.double())
    model.float()
    noise = {name: distance(array, exact[name]) for name, array in rounded.items()}
    facts = {
        "made_by": f"transformers {transformers.__version__}, torch {torch.__version__}",
        "mode": "uncached",
        "noise": noise,
    }
    return Run({IDS: ids.numpy(), **rounded}, facts)


def load(folder: str) -> GitForCausalLM:
    """Load a checkpoint; attention is written out, so that its softmax can be watched."""
    newer = {} if transformers.__version__ < "4.48" else {"attn_implementation": "eager"}
    model = GitForCausalLM.from_pretrained(folder, **newer).float().eval()
    return right_times(model, folder)


def right_times(model: torch.nn.Module, folder: str) -> torch.nn.Module:
    """Fill the times of frames from the file.

    From 4.57 on transformers looks for `img_temporal_embedding` where official files say
    `img_temperal_embedding`, and leaves them zero or uninitialised.
    """
    named = [p for name, p in model.named_parameters() if "img_temp" in name]
    if not named:
        return model
    _, params = checkpoint.load(find(folder))
    times = torch.from_numpy(params.vision.temporal_embedding.copy())
    for parameter, time in zip(named, times, strict=True):
        parameter.data = time.reshape(1, 1, -1).clone()
    return model


def prepare(folder: str, pictures: list[str]) -> torch.Tensor:
    """Prepare a picture, or the frames of a clip, with the official processor."""
    processor = AutoImageProcessor.from_pretrained(folder, use_fast=False)
    opened = [Image.open(path).convert("RGB") for path in pictures]
    pixels = processor(opened, return_tensors="pt").pixel_values
    return pixels[None] if len(opened) > 1 else pixels


def say(model: Any, folder: str, pixels: torch.Tensor, question: str) -> torch.Tensor:
    """Let the model caption or answer -> the words it reads: all but the last, (1, T)."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    words = tokenizer(question, add_special_tokens=False).input_ids
    prompt = torch.tensor([[tokenizer.cls_token_id, *words]])
    longest = model.config.max_position_embeddings
    ids = model.generate(
        input_ids=prompt, pixel_values=pixels, max_length=longest, use_cache=False, num_beams=1
    )
    return ids[:, :-1]


def main() -> None:
    """Dump one run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint", help="a folder, 'storybook', or an id on the Hub")
    parser.add_argument("pictures", nargs="+", help="a picture, or the frames of a clip")
    parser.add_argument("-o", "--output", required=True, help="FILE.safetensors")
    parser.add_argument("--question", default="", help="words that the text starts with")
    parser.add_argument("--words-of", metavar="TRACE", help="read the words of this trace")
    options = parser.parse_args()
    target: Path = check_target(options.output)
    folder = str(BUNDLED.get(options.checkpoint, options.checkpoint))
    model = load(folder)
    pixels = prepare(folder, options.pictures)
    if options.words_of:
        ids = torch.from_numpy(np.array(read(options.words_of).tensors[IDS]))
    else:
        ids = say(model, folder, pixels, options.question)
    run = dump(model, pixels, ids)
    save(target, Run(run.tensors, {"model": options.checkpoint, **run.facts}))
    print(f"{target}: {len(run.tensors)} tensors, words {ids[0].tolist()}")


if __name__ == "__main__":
    main()
