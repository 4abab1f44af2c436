"""Make `golden/original.npz`: pictures as the authors' own test code prepares them.

    python golden/make_original.py      # needs the extra [golden] and torchvision; seconds

The authors' transforms are those of torchvision, run here; only MinMaxResizeForTest is their own,
written down here again from microsoft/GenerativeImage2Text at faae4fb. The pictures are seeded.
The same file holds logits of `golden/tiny` with embedded words of size 1e-4, normalised with the
authors' epsilon 1e-8 and with 1e-12: at that size the two differ. For comparison it holds what
the official processor of clips, VideoMAEImageProcessor, makes of two frames at its full size: its
settings file, and every 16th pixel.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from official import build
from PIL import Image
from safetensors.numpy import load_file
from torchvision.transforms import (
    CenterCrop,
    Compose,
    InterpolationMode,
    Normalize,
    Resize,
    ToTensor,
)
from torchvision.transforms.functional import resize

HERE = Path(__file__).parent
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
# (width, height, size, longest): longest 0 for the centre crop; smaller numbers than the models'
# keep the file small, and the models' own are there once each
CASES = [
    (60, 40, 24, 0),
    (40, 61, 24, 0),
    (53, 37, 25, 0),  # 35 wide after the resize: an even rest of 10
    (37, 53, 24, 0),  # 34 high
    (24, 27, 24, 0),  # a rest of 3: 1.5 is rounded to 2
    (29, 24, 24, 0),  # a rest of 5: 2.5 is rounded to 2
    (31, 24, 24, 0),  # a rest of 7: 3.5 is rounded to 4
    (24, 24, 24, 0),
    (60, 40, 24, 32),  # 36 > 32: the longer side decides
    (40, 50, 24, 32),
    (45, 45, 24, 32),
    (24, 31, 24, 32),
    (100, 9, 24, 32),
    (9, 100, 24, 32),
    (70, 31, 24, 32),
]
SIZES = [  # width, height -> what the models at 480/640 and 420/560 get
    (640, 480), (480, 640), (500, 375), (375, 500), (724, 544), (1024, 680), (300, 300),
    (640, 427), (481, 640), (480, 480), (2000, 150), (427, 640), (333, 500), (420, 999),
]  # fmt: skip


class MinMaxResizeForTest:
    """The authors' resize for questions: proportions kept, both sides limited."""

    def __init__(self, size: int, longest: int) -> None:
        self.size, self.longest = size, longest

    def get_size(self, width: int, height: int) -> tuple[int, int]:
        """Choose height and width."""
        size, short, long = self.size, float(min(width, height)), float(max(width, height))
        if long / short * size > self.longest:
            size = round(self.longest * short / long)
        if (width <= height and width == size) or (height <= width and height == size):
            return height, width
        if width < height:
            return int(size * height / width), size
        return size, int(size * width / height)

    def __call__(self, picture: Image.Image) -> Image.Image:
        size = self.get_size(*picture.size)
        return resize(picture, size, interpolation=InterpolationMode.BICUBIC)


def drawn(width: int, height: int) -> Image.Image:
    """Draw a noisy picture; `tests/huggingface/processing/test_authors.py` draws it alike."""
    rng = np.random.default_rng([height, width])
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


def prepare(picture: Image.Image, size: int, longest: int) -> np.ndarray:
    """Run the authors' chain of transforms."""
    shape = (
        [MinMaxResizeForTest(size, longest)]
        if longest
        else [Resize(size, interpolation=InterpolationMode.BICUBIC), CenterCrop(size)]
    )
    return Compose([*shape, ToTensor(), Normalize(*CLIP)])(picture).numpy()


def tiny_logits(eps: float) -> np.ndarray:
    """Run `golden/tiny` on small embeddings with another epsilon for embedded words."""
    tensors = load_file(HERE / "tiny" / "model.safetensors")
    for name in ("word_embeddings", "position_embeddings"):
        tensors[f"git.embeddings.{name}.weight"] *= np.float32(1e-4)
    model = build(json.loads((HERE / "tiny" / "config.json").read_text()), tensors)
    model.git.embeddings.LayerNorm.eps = eps
    still = load_file(HERE / "tiny" / "still.safetensors")
    with torch.no_grad():
        answer = model(
            input_ids=torch.from_numpy(still["input/input_ids"]),
            pixel_values=torch.from_numpy(still["input/pixel_values"]),
        )
    return answer.logits.numpy()


def hub_clip() -> tuple[str, np.ndarray]:
    """Run the Hub's processor of clips on two frames: its settings, every 16th pixel."""
    from transformers import VideoMAEImageProcessor

    processor = VideoMAEImageProcessor()
    frames = [np.asarray(drawn(320, 240)), np.asarray(drawn(321, 240))]
    pixels = processor(frames, return_tensors="np").pixel_values
    return processor.to_json_string(), pixels[..., ::16, ::16]


def main() -> None:
    """Write pixels, sizes and logits."""
    arrays = {}
    for width, height, size, longest in CASES:
        name = f"pixels/{width}x{height}/{size}/{longest}"
        arrays[name] = prepare(drawn(width, height), size, longest)
        print(name, arrays[name].shape)
    for size, longest in ((480, 640), (420, 560)):
        rule = MinMaxResizeForTest(size, longest)
        arrays[f"sizes/{size}"] = np.array([[*s, *rule.get_size(*s)] for s in SIZES])
    for eps in (1e-8, 1e-12):
        arrays[f"logits/{eps:g}"] = tiny_logits(eps)
    settings, arrays["clip/pixels"] = hub_clip()
    arrays["clip/settings"] = np.array(settings)
    np.savez_compressed(HERE / "original.npz", **arrays)


if __name__ == "__main__":
    main()
