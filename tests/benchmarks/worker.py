"""One of the programs that speed.py measures: it waits for a job, does it, and reports.

    python worker.py (numpygit|transformers|floor|torch-floor) FOLDER

Reads one JSON object a line, {"job": NAME, "repeats": N}, and answers with seconds and result; of a
folder it does the batches that "share": [NUMBER, OF HOW MANY, PICTURES IN ALL] names. Or
{"picture": N, "ids": [...], "words": [...]}, and answers with the logits of these words there; or
{"picture": N, "texts": [[...], ...]}, and answers with the logarithm of each one's likelihood.
Runs in the peers' environments too, so that only what a program needs is imported.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

WORDS = 20
QUESTIONS = [[101, *range(2000 + 40 * i, 2000 + 40 * i + 7)] for i in range(10)]
ANSWER = 5  # words
BATCHES = (8, 32)  # pictures at once, of a folder

Jobs = dict[str, Callable[..., Any]]
Logits = Callable[[int, list[int]], Any]  # of a picture and a text: (T, V)
Share = tuple[int, int, int | None]
ALL: Share = (0, 1, None)


def pixels_of(count: int) -> np.ndarray:
    """Draw pictures as a processor would prepare them: (count, 3, 224, 224)."""
    return np.random.default_rng(0).standard_normal((count, 3, 224, 224), np.float32)


def batches(folder: Path, size: int, share: Share) -> list[list[str]]:
    """List the pictures of a folder, a few at a time: this program's share of them."""
    number, count, pictures = share
    paths = sorted(str(path) for path in (folder / "pictures").glob("*.jpg"))[:pictures]
    return [paths[i : i + size] for i in range(0, len(paths), size)][number::count]


def jobs_of_numpygit(folder: Path) -> tuple[Jobs, Logits]:
    """Do the jobs with numpygit."""
    import numpygit

    processes = "OPENBLAS_THREAD_TIMEOUT" in os.environ  # as the command has both
    captioner = numpygit.load(folder, processes=processes)
    model = captioner.model
    tower = numpygit.GitVisionModel(model.config.vision_config, model.params.vision)
    tower.group = model.group
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

    def caption_folder(size: int, share: Share = ALL) -> list[list[str]]:
        return [
            captioner.captions(batch, max_length=WORDS + 1)
            for batch in batches(folder, size, share)
        ]

    def logits(picture: int, ids: list[int]) -> Any:
        return model.logits(np.array([ids]), pixels[picture : picture + 1])[0, -len(ids) :]

    def see() -> Any:
        return tower(pixels[:1]).last_hidden_state

    return jobs_named(see, write, questions, caption_folder), logits


def jobs_of_transformers(folder: Path) -> tuple[Jobs, Logits]:
    """Do the jobs with transformers and torch."""
    import torch
    import transformers
    from PIL import Image

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    model = transformers.GitForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
    # Pillow's resizing: that of torchvision, the default where it is there, gives other pixels, and
    # with random weights other words.
    pillow = getattr(transformers, "CLIPImageProcessorPil", transformers.CLIPImageProcessor)
    processor = transformers.GitProcessor(
        pillow.from_pretrained(folder), transformers.AutoTokenizer.from_pretrained(folder)
    )
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

    def caption_folder(size: int, share: Share = ALL) -> list[list[str]]:
        texts = []
        for batch in batches(folder, size, share):
            opened = [Image.open(path) for path in batch]
            prepared = processor(images=opened, return_tensors="pt").pixel_values
            ids = model.generate(
                start.repeat(len(batch), 1), pixel_values=prepared, max_length=WORDS + 1, **ends
            )
            texts.append(processor.batch_decode(ids, skip_special_tokens=True))
        return texts

    def tower() -> Any:
        return model.git.image_encoder(pixels[:1]).last_hidden_state.numpy()

    def logits(picture: int, ids: list[int]) -> Any:
        seen = pixels[picture : picture + 1]
        found = model(input_ids=torch.tensor([ids]), pixel_values=seen).logits
        return found[0, -len(ids) :].numpy()

    return jobs_named(tower, write, questions, caption_folder), logits


def jobs_named(
    tower: Callable[[], Any],
    write: Callable[..., Any],
    questions: Callable[[], Any],
    folder: Callable[..., Any],
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
        **{f"folder, {size} at once": partial(folder, size) for size in BATCHES},
    }


def in_numpy() -> Callable[[np.ndarray], Any]:
    """Multiply in NumPy: arrays stay as they are."""
    return np.asarray


def in_torch() -> Callable[[np.ndarray], Any]:
    """Multiply in torch: arrays become tensors."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.set_grad_enabled(False)
    return torch.from_numpy


def jobs_of_floor(folder: Path, of: Callable[[np.ndarray], Any]) -> Jobs:
    """Do nothing but the matrix products that no program can avoid."""
    from safetensors.numpy import load_file

    tensors = {name: of(t) for name, t in load_file(folder / "model.safetensors").items()}
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

    def ones(*shape: int) -> Any:
        return of(np.ones(shape, np.float32))

    def multiply(weights: list[Any], rows: int) -> None:
        inputs = {size: ones(rows, size) for size in {w.shape[1] for w in weights}}
        for weight in weights:
            inputs[weight.shape[1]] @ weight.T

    def attend(rows: int, queries: int, layers: int) -> None:
        q = ones(rows, heads, queries, width // heads)
        kv = ones(rows, heads, tokens, width // heads)
        for _ in range(layers):
            q @ kv.swapaxes(2, 3) @ kv

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


def no_logits(picture: int, ids: list[int]) -> Any:
    """Say that products alone have no words."""
    raise SystemExit("products alone have no logits")


def likelihood(logits: np.ndarray, ids: list[int]) -> float:
    """Add up the log-probabilities of all words after the first: logits (T, V), ids (T,)."""
    exact = logits[:-1].astype(np.float64)
    highest = exact.max(axis=1)
    sums = highest + np.log(np.exp(exact - highest[:, None]).sum(axis=1))
    return float((exact[np.arange(len(exact)), ids[1:]] - sums).sum())


def answer_about_words(asked: dict[str, Any], logits: Logits) -> dict[str, Any]:
    """Answer with the logits of some words, or with the likelihoods of whole texts."""
    if "texts" in asked:
        texts = asked["texts"]
        return {"scores": [likelihood(logits(asked["picture"], ids), ids) for ids in texts]}
    return {"logits": logits(asked["picture"], asked["ids"])[-1][asked["words"]].tolist()}


def seconds_of_processor() -> float:
    """Count the seconds of processor of this process, and of the children that it has now."""
    used, ticks = time.process_time(), os.sysconf("SC_CLK_TCK")
    for task in Path("/proc/self/task").glob("*/children"):
        for child in task.read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            used += (int(fields[11]) + int(fields[12])) / ticks  # proc(5): utime, stime
    return used


def main() -> None:
    """Answer until nobody asks."""
    kind, folder = sys.argv[1], Path(sys.argv[2])
    if kind in ("floor", "torch-floor"):
        library = in_numpy() if kind == "floor" else in_torch()
        jobs, logits = jobs_of_floor(folder, library), no_logits
    else:
        makers = {"numpygit": jobs_of_numpygit, "transformers": jobs_of_transformers}
        jobs, logits = makers[kind](folder)
    print(json.dumps({"jobs": list(jobs)}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "picture" in asked:
            print(json.dumps(answer_about_words(asked, logits)), flush=True)
            continue
        job, seconds, result = jobs[asked["job"]], [], None
        for _ in range(asked["repeats"]):
            start = time.perf_counter()
            result = job(share=asked["share"]) if "share" in asked else job()
            seconds.append(time.perf_counter() - start)
        used = seconds_of_processor()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        answer = {"seconds": seconds, "result": result, "used": used, "peak": peak}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
