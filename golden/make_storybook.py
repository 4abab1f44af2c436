"""Make `golden/storybook.npz`: what the official implementation says of 40 storybook pictures.

    python golden/make_storybook.py     # needs the extra [golden]; takes a minute

30 stills and 10 clips are drawn once and stored, so that the test does not depend on how a version
of Pillow draws. Each gets a caption and the answer to one question: logits and ids of every step,
and the text. The official cache is off, because 4.37.2 cannot use it for stills in a clip model.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from official import build
from PIL import Image
from safetensors.numpy import load_file
from transformers import BertTokenizerFast, CLIPImageProcessor

from numpygit import storybook

HERE = Path(__file__).parent
FOLDER = storybook.CHECKPOINT
STILLS, CLIPS, SEED = 30, 10, 20_220_527


def draw() -> list[tuple[list[Image.Image], str]]:
    """Draw scenes, half of them with held-out combinations: frames and one question."""
    rng = np.random.default_rng(SEED)
    drawn = []
    for i in range(STILLS + CLIPS):
        kind = "clip" if i >= STILLS else None
        scene = storybook.sample(rng, kind, held_out=i % 2 == 1)
        picture = storybook.render(scene)
        frames = picture if isinstance(picture, list) else [picture]
        drawn.append((frames, storybook.questions(scene, rng)[0][1]))
    return drawn


def ask(model: torch.nn.Module, pixels: torch.Tensor, prompt: list[int]) -> dict[str, np.ndarray]:
    """Generate greedily; return the ids and the logits of every step."""
    answer = model.generate(
        pixel_values=pixels,
        input_ids=torch.tensor([prompt]),
        max_length=model.config.max_position_embeddings,
        use_cache=False,
        return_dict_in_generate=True,
        output_scores=True,
    )
    return {"ids": answer.sequences[0].numpy(), "logits": torch.cat(answer.scores).numpy()}


def main() -> None:
    """Write pictures, pixels, ids, logits and texts."""
    config = json.loads((FOLDER / "config.json").read_text())
    tensors = load_file(FOLDER / "model.safetensors")
    model = build(config, {name: array.astype(np.float32) for name, array in tensors.items()})
    processor = CLIPImageProcessor.from_pretrained(FOLDER)
    tokenizer = BertTokenizerFast(str(FOLDER / "vocab.txt"), do_lower_case=True)
    arrays: dict[str, np.ndarray] = {}
    texts = []
    for i, (frames, question) in enumerate(draw()):
        pixels = processor(frames, return_tensors="pt").pixel_values
        pixels = pixels[None] if len(frames) > 1 else pixels
        arrays[f"{i}/frames"] = np.stack([np.asarray(frame) for frame in frames])
        row = {"question": question}
        for kind, text in (("caption", ""), ("answer", question)):
            words = tokenizer(text, add_special_tokens=False).input_ids
            prompt = [tokenizer.cls_token_id, *words]
            found = ask(model, pixels, prompt)
            arrays |= {f"{i}/{kind}/{name}": array for name, array in found.items()}
            row[kind] = tokenizer.decode(found["ids"][len(prompt) :], skip_special_tokens=True)
        texts.append(row)
        print(row)
    arrays["texts"] = np.array(json.dumps(texts))
    np.savez_compressed(HERE / "storybook.npz", **arrays)


if __name__ == "__main__":
    main()
