"""Save what the official code computes for a whole checkpoint, in one command.

    python golden/capture.py microsoft/git-base-coco cats.jpg          # extra [golden], network
    python golden/capture.py microsoft/git-base-vatex 1.jpg 2.jpg ...  # the frames of a clip
    python golden/capture.py FOLDER picture.png --prompt "what is this?" --out golden/captured

Writes NAME.npz (about 1 MB): the pixels, the prompt, the corners of every named tensor, all logits
of the last word, and greedy words. `pytest -m official` then compares numpygit with every file in
golden/captured, tensor by tensor.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import transformers
from official import capture
from PIL import Image
from seeded import corner
from transformers import AutoImageProcessor, AutoTokenizer, GitForCausalLM

HERE = Path(__file__).parent


def main() -> None:
    """Capture one checkpoint on one picture or clip."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="an id on the Hugging Face Hub, or a folder")
    parser.add_argument("pictures", nargs="+", help="a picture, or the frames of a clip")
    parser.add_argument("--revision", help="branch, tag or commit on the Hub")
    parser.add_argument("--prompt", default="", help="words that the text starts with")
    parser.add_argument("--max-length", type=int, default=20)
    parser.add_argument("--out", type=Path, default=HERE / "captured")
    options = parser.parse_args()
    arrays = ask(options)
    options.out.mkdir(exist_ok=True)
    name = options.model.rstrip("/").rpartition("/")[2]
    np.savez_compressed(options.out / f"{name}.npz", **arrays)
    print(f"{options.out / name}.npz: ids {arrays['ids'][0].tolist()}")


def ask(options: argparse.Namespace) -> dict[str, np.ndarray]:
    """Run the official processor and model."""
    model = GitForCausalLM.from_pretrained(options.model, revision=options.revision).eval()
    processor = AutoImageProcessor.from_pretrained(options.model, revision=options.revision)
    tokenizer = AutoTokenizer.from_pretrained(options.model, revision=options.revision)
    pictures = [Image.open(path).convert("RGB") for path in options.pictures]
    pixels = processor(pictures, return_tensors="pt").pixel_values
    if len(pictures) > 1 and pixels.ndim == 4:
        pixels = pixels[None]
    if len(pictures) == 1 and pixels.ndim == 5:
        pixels = pixels[:, 0]
    words = tokenizer(options.prompt, add_special_tokens=False).input_ids
    prompt = torch.tensor([[tokenizer.cls_token_id, *words]])
    inside = capture(model, input_ids=prompt, pixel_values=pixels)
    ids = model.generate(
        input_ids=prompt, pixel_values=pixels, max_length=options.max_length, use_cache=False
    )
    names = sorted(inside)
    return {
        "model": np.array(options.model if options.model.count("/") == 1 else ""),
        "revision": np.array(options.revision or ""),
        "versions": np.array(f"transformers {transformers.__version__}, torch {torch.__version__}"),
        "pixels": pixels.numpy(),
        "prompt": prompt.numpy(),
        "ids": ids.numpy(),
        "last_logits": inside["logits"][0, -1],
        "names": np.array("\n".join(names)),
        "corners": np.concatenate([corner(inside[n]).ravel() for n in names]).astype(np.float32),
    }


if __name__ == "__main__":
    main()
