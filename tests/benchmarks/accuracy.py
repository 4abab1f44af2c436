"""How often the bundled model is right, measured with numpygit on scenes it has never seen.

    python tests/benchmarks/accuracy.py [--stills 2000] [--clips 1000] [--seed 1] [--processes 2]

Half of the scenes hold a combination that training never showed. Of every scene the caption and
one question are asked, and the whole text must be right, word by word.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from multiprocessing import get_context

import numpy as np

import numpygit
from numpygit import storybook

Counts = Counter[tuple[str, str, bool]]  # (set, caption or answer, right)


def ask_about(job: tuple[int, bool, bool]) -> tuple[Counts, list[str]]:
    """Draw one scene from its seed, ask twice, and count what is right."""
    seed, clip, held_out = job
    rng = np.random.default_rng([seed, 20_241_122])
    scene = storybook.sample(rng, "clip" if clip else None, held_out=held_out)
    pixels = CAPTIONER.processor.pixels(storybook.render(scene))
    asked = [("", storybook.caption(scene))]
    asked += [(q, a) for _, q, a in storybook.questions(scene, rng)[:1]]  # in random order
    counts: Counts = Counter()
    wrong = []
    for question, right in asked:
        said = say(pixels, question)
        kind = f"{'clips' if clip else 'stills'} {'held-out' if held_out else 'seen'}"
        counts[kind, "answers" if question else "captions", said == right] += 1
        if said != right:
            wrong.append(f"{kind}: {question or 'caption'} -> {said!r}, right is {right!r}")
    return counts, wrong


def say(pixels: np.ndarray, question: str) -> str:
    """Generate the whole text greedily."""
    prompt = CAPTIONER.processor.prompt(question)
    places = CAPTIONER.model.config.max_position_embeddings
    ids = CAPTIONER.model.generate(prompt, pixel_values=pixels, max_length=places)
    return CAPTIONER.processor.words.decode(ids[0, prompt.shape[1] :].tolist())


CAPTIONER = numpygit.load("storybook")


def main() -> None:
    """Ask about all scenes and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stills", type=int, default=2000)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    numbers = range(options.stills + options.clips)
    jobs = [(options.seed * 10**6 + i, i >= options.stills, i % 2 == 1) for i in numbers]
    counts: Counts = Counter()
    wrong: list[str] = []
    with get_context("spawn").Pool(options.processes) as pool:
        for found, mistakes in pool.imap_unordered(ask_about, jobs, chunksize=25):
            counts += found
            wrong += mistakes
    for kind, text in sorted({key[:2] for key in counts}):
        right, wrong_ones = counts[kind, text, True], counts[kind, text, False]
        every = right + wrong_ones
        print(f"{kind:16} {text:9} {100 * right / every:6.2f} % of {every}")
    print("\n".join(wrong))


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
