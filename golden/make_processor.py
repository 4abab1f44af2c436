"""Make `golden/processor.npz`: what the official processors make of texts and arrays.

    python golden/make_processor.py         # needs the extra [golden]; takes seconds

Texts for the small vocabulary of `golden/words`, with every setting; pictures as arrays, channels
first and last, and a clip as a list of frames.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from transformers import BertTokenizerFast, CLIPImageProcessor, GitProcessor, VideoMAEImageProcessor

HERE = Path(__file__).parent
TEXTS = ["how many stars?", "a red fish to the left of the big blue house", "what"]
TEXT_CASES = [
    {"text": TEXTS[0]},
    {"text": TEXTS[0], "return_tensors": "np"},
    {"text": TEXTS},
    {"text": TEXTS, "padding": True, "return_tensors": "np"},
    {"text": TEXTS, "padding": "longest", "add_special_tokens": False, "return_tensors": "np"},
    {"text": TEXTS, "padding": "max_length", "max_length": 7, "truncation": True,
     "return_tensors": "np"},
    {"text": TEXTS, "padding": "max_length", "max_length": 20, "return_tensors": "np"},
    {"text": TEXTS, "max_length": 5, "truncation": True},
    {"text": TEXTS[1], "max_length": 5},
    {"text": ["how", "many", "stars"], "is_split_into_words": True},
    {"text": [["how", "many"], ["stars"]], "is_split_into_words": True, "padding": True,
     "return_tensors": "np"},
    {"text": TEXTS[0], "add_special_tokens": False, "return_attention_mask": False},
    {"text": ""},
]  # fmt: skip
SIZES = {"size": {"shortest_edge": 20}, "crop_size": {"height": 16, "width": 18}}


def main() -> None:
    """Write the file."""
    tokenizer = BertTokenizerFast(
        vocab_file=str(HERE / "words" / "vocab.txt"),
        model_input_names=["input_ids", "attention_mask"],
    )
    arrays: dict[str, np.ndarray] = {}
    stills = GitProcessor(CLIPImageProcessor(**SIZES), tokenizer)
    for i, case in enumerate(TEXT_CASES):
        found = {name: np.asarray(v).tolist() if isinstance(v, np.ndarray) else v
                 for name, v in stills(**case).items()}  # fmt: skip
        arrays[f"text/{i}"] = np.array(json.dumps([case, found]))
    tokenizer.padding_side = "left"
    left = stills(text=TEXTS, padding=True, return_tensors="np")
    arrays |= {f"left/{name}": value for name, value in left.items()}
    picture = np.random.default_rng(8).integers(0, 256, (26, 33, 3), dtype=np.uint8)
    frames = [np.roll(picture, 3 * i, axis=1) for i in range(4)]
    clips = GitProcessor(VideoMAEImageProcessor(**SIZES), tokenizer)
    arrays |= {
        "picture": picture,
        "last": stills(images=picture, return_tensors="np").pixel_values,
        "first": stills(images=picture.transpose(2, 0, 1), return_tensors="np").pixel_values,
        "two": stills(images=frames[:2], return_tensors="np").pixel_values,
        "unscaled": stills(images=picture / 255.0, do_rescale=False,
                           return_tensors="np").pixel_values,
        "plain": stills(images=picture, do_normalize=False, do_resize=False,
                        return_tensors="np").pixel_values,
        "other": stills(images=picture, size={"shortest_edge": 30}, crop_size=24,
                        return_tensors="np").pixel_values,
        "clip": clips(images=frames, return_tensors="np").pixel_values,
        "clips": clips(images=[frames[:2], frames[2:]], return_tensors="np").pixel_values,
    }  # fmt: skip
    np.savez_compressed(HERE / "processor.npz", **arrays)
    print({name: value.shape for name, value in arrays.items() if value.shape})


if __name__ == "__main__":
    main()
