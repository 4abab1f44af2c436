"""One of the programs that speed.py measures: it waits for a job, does it, and reports.

    python worker.py (numpygit|transformers|floor) FOLDER

Reads one JSON object a line, {"job": NAME, "repeats": N}, and answers with seconds and result.
Runs in the peers' environments too, so that only what a program needs is imported.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WORDS = 20
QUESTIONS = [[101, *range(2000 + 40 * i, 2000 + 40 * i + 7)] for i in range(10)]
ANSWER = 5  # words
BATCH = 8  # pictures at once, of a folder

Jobs = dict[str, Callable[[], Any]]


def pixels_of(count: int) -> np.ndarray:
    """Draw pictures as a processor would prepare them: (count, 3, 224, 224)."""
    return np.random.default_rng(0).standard_normal((count, 3, 224, 224), np.float32)


def batches(folder: Path) -> list[list[str]]:
    """List the pictures of a folder, a few at a time."""
    paths = sorted(str(path) for path in (folder / "pictures").glob("*.jpg"))
    return [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]


def jobs_of_numpygit(folder: Path) -> Jobs:
    """Do the jobs with numpygit."""
    import numpygit

    captioner = numpygit.load(folder)
    model = captioner.model
    tower = numpygit.GitVisionModel(model.config.vision_config, model.params.vision)
    pixels = pixels_of(32)

    def write(count: int, words: int = WORDS, **options: Any) -> Any:
        length = words + 1
        return model.generate(
            pixel_values=pixels[:count], min_length=length, max_length=length, **options
        )

    def questions() -> list[Any]:
        seen = model.see(pixels[:1])
        return [
            model.generate(
                input_ids=np.array([question]), past_key_values=seen,
                min_new_tokens=ANSWER, max_new_tokens=ANSWER,
            ).tolist()
            for question in QUESTIONS
        ]  # fmt: skip

    def caption_folder() -> list[str]:
        return [
            text
            for batch in batches(folder)
            for text in captioner.captions(batch, max_length=WORDS + 1)
        ]

    return jobs_named(lambda: tower(pixels[:1]).last_hidden_state, write, questions, caption_folder)


def jobs_of_transformers(folder: Path) -> Jobs:
    """Do the jobs with transformers and torch."""
    import torch
    import transformers
    from PIL import Image

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    model = transformers.GitForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
    processor = transformers.GitProcessor.from_pretrained(folder)
    pixels, start = torch.from_numpy(pixels_of(32)), torch.tensor([[101]])
    ends = {"eos_token_id": 102, "pad_token_id": 0}

    def write(count: int, words: int = WORDS, **options: Any) -> Any:
        length = words + 1
        return model.generate(
            start.repeat(count, 1), pixel_values=pixels[:count],
            min_length=length, max_length=length, **ends, **options,
        ).numpy()  # fmt: skip

    def questions() -> list[Any]:
        return [
            model.generate(
                torch.tensor([question]), pixel_values=pixels[:1],
                min_new_tokens=ANSWER, max_new_tokens=ANSWER, **ends,
            ).tolist()
            for question in QUESTIONS
        ]  # fmt: skip

    def caption_folder() -> list[str]:
        texts = []
        for batch in batches(folder):
            opened = [Image.open(path) for path in batch]
            prepared = processor(images=opened, return_tensors="pt").pixel_values
            ids = model.generate(
                start.repeat(len(batch), 1), pixel_values=prepared, max_length=WORDS + 1, **ends
            )
            texts += processor.batch_decode(ids, skip_special_tokens=True)
        return texts

    def tower() -> Any:
        return model.git.image_encoder(pixels[:1]).last_hidden_state.numpy()

    return jobs_named(tower, write, questions, caption_folder)


def jobs_named(
    tower: Callable[[], Any],
    write: Callable[..., Any],
    questions: Callable[[], Any],
    folder: Callable[[], Any],
) -> Jobs:
    """Give the jobs their names. What a job returns is compared between the programs."""
    return {
        "vision tower": lambda: np.round(tower()[0, ::50, ::100], 3).tolist(),
        "first word": lambda: write(1, words=1).tolist(),
        "greedy 20": lambda: write(1).tolist(),
        "beam 4 x 20": lambda: write(1, num_beams=4).tolist(),
        "batch 8, greedy 20": lambda: write(8).tolist(),
        "batch 32, greedy 20": lambda: write(32).tolist(),
        "ten questions": questions,
        "folder of 64": folder,
    }


def jobs_of_floor(folder: Path) -> Jobs:
    """Do nothing but the matrix products that no program can avoid, in NumPy."""
    from safetensors.numpy import load_file

    tensors = load_file(folder / "model.safetensors")
    towers = {
        "vision": "git.image_encoder.vision_model.encoder.layers.",
        "text": "git.encoder.layer.",
    }
    matrices = {
        tower: [t for name, t in sorted(tensors.items()) if name.startswith(prefix) and t.ndim == 2]
        for tower, prefix in towers.items()
    }
    word_list = tensors["output.weight"]
    width = word_list.shape[1]
    heads, tokens = 12, 197

    def multiply(weights: list[np.ndarray], rows: int) -> None:
        inputs = {size: np.ones((rows, size), np.float32) for size in {w.shape[1] for w in weights}}
        for weight in weights:
            inputs[weight.shape[1]] @ weight.T

    def attend(rows: int, queries: int, layers: int) -> None:
        q = np.ones((rows, heads, queries, width // heads), np.float32)
        kv = np.ones((rows, heads, tokens, width // heads), np.float32)
        for _ in range(layers):
            q @ kv.transpose(0, 1, 3, 2) @ kv

    def look(pictures: int) -> None:
        multiply(matrices["vision"], pictures * tokens)
        attend(pictures, tokens, 12)
        last = [w for w in matrices["text"][-6:] if w.shape == (width, width)][:2]  # keys, values
        multiply([*matrices["text"][:-6], *last], pictures * tokens)
        attend(pictures, tokens, 5)

    def write(pictures: int, words: int, rows: int) -> None:
        look(pictures)
        for _ in range(words):
            multiply([*matrices["text"], word_list], rows)
            attend(pictures, rows // pictures, 6)

    def tower() -> None:
        multiply(matrices["vision"], tokens)
        attend(1, tokens, 12)

    return {
        "vision tower": tower,
        "first word": lambda: write(1, 1, 1),
        "greedy 20": lambda: write(1, WORDS, 1),
        "beam 4 x 20": lambda: write(1, WORDS, 4),
        "batch 8, greedy 20": lambda: write(8, WORDS, 8),
        "batch 32, greedy 20": lambda: write(32, WORDS, 32),
    }


def main() -> None:
    """Answer until nobody asks."""
    makers = {
        "numpygit": jobs_of_numpygit,
        "transformers": jobs_of_transformers,
        "floor": jobs_of_floor,
    }
    jobs = makers[sys.argv[1]](Path(sys.argv[2]))
    print(json.dumps({"jobs": list(jobs)}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        job, seconds, result = jobs[asked["job"]], [], None
        for _ in range(asked["repeats"]):
            start = time.perf_counter()
            result = job()
            seconds.append(time.perf_counter() - start)
        used = time.process_time()
        print(json.dumps({"seconds": seconds, "result": result, "used": used}), flush=True)


if __name__ == "__main__":
    main()
