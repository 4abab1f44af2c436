"""What each technique of towers.py brings, alone: its job with it and without it, in turns.

    python tests/benchmarks/techniques.py [--rounds 7]

Seeded git-base. "Without" puts the plainer way in its place, everything else as it is. Medians.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "golden")]

from seeded import seeded_tensors  # noqa: E402

from numpygit.fast import threads, towers  # noqa: E402
from numpygit.loading.config import GitConfig  # noqa: E402
from numpygit.loading.names import params_from, tensor_shapes  # noqa: E402
from numpygit.model import layers, text, vision  # noqa: E402
from numpygit.model.generate import keep_rows  # noqa: E402
from numpygit.model.layers import KeyValue  # noqa: E402
from numpygit.model.text import Cache  # noqa: E402

CONFIG = GitConfig()
CORES = threads.default_threads()


def whole_activation(hidden: np.ndarray, bias: np.ndarray, *, name: Any) -> None:
    """Add the bias and apply the activation as layers.py does: in one piece, by tanh."""
    hidden += bias[:, None]
    hidden[:] = layers.activate(hidden, name=name)


def whole_last_layer(x: np.ndarray, p: Any, *, config: GitConfig) -> list[KeyValue]:
    """Run the last layer for the image tokens too, which nobody reads."""
    kept = []
    for block in p.blocks:
        attended, own = towers.image_attention(x, block.attention, heads=config.num_attention_heads)
        x = towers.after(x, attended, block, config=config)
        kept.append(own)
    return kept


def one_by_one(work: Callable, items: list, *, threads: int) -> list:
    """Do one thing after the other, each on all cores."""
    return [work(item) for item in items]


def copied(cache: Cache, rows: int) -> Cache:
    """Give every beam a copy of the picture, as `layers.extend` does."""
    image = tuple(
        KeyValue(i.k.repeat(rows, axis=0), i.v.repeat(rows, axis=0)) for i in cache.image_kv
    )
    return cache._replace(image_kv=image)


def techniques(params: Any) -> Iterator[tuple[str, str, Callable, Callable, Any]]:
    """Yield name, job, the job with the technique, the job without, and what is put in place."""
    pixels = np.random.default_rng(0).standard_normal((8, 3, 224, 224), np.float32)
    p, tower = params.text, CONFIG.vision_config

    def look(count: int = 1) -> Any:
        return towers.image_tokens(pixels[:count], params.vision, config=tower, threads=CORES)

    memory = text.project(look(), p, eps=tower.layer_norm_eps)
    cache = towers.prefill(memory, p, config=CONFIG, threads=CORES)
    beams = keep_rows(cache, np.zeros(4, np.int64))
    words = np.random.default_rng(1).integers(200, 9000, (4, 8))
    _, beams = towers.decode_step(words, beams, p, config=CONFIG)

    def say(known: Cache = beams) -> Any:
        return towers.decode_step(words[:, :1], known, p, config=CONFIG)

    def see() -> Any:
        return towers.prefill(memory, p, config=CONFIG, threads=CORES)

    def plain_look() -> Any:
        return vision.image_tokens(pixels[:1], params.vision, config=tower)

    nothing: Any = contextlib.nullcontext
    put = mock.patch.object
    huge = 10**12
    yield "all of them", "picture tower", look, plain_look, nothing
    yield "activation in blocks, by exp", "picture tower", look, look, lambda: put(
        towers, "activate", whole_activation)  # fmt: skip
    yield "last layer: keys and values only", "text tower, picture", see, see, lambda: put(
        towers, "prefill_picture", whole_last_layer)  # fmt: skip
    yield "pictures side by side", "8 pictures", lambda: look(8), lambda: look(8), lambda: put(
        towers, "side_by_side", one_by_one)  # fmt: skip
    yield "beams share their picture", "a word of 4 beams", say, lambda: say(
        copied(beams, 4)), nothing  # fmt: skip
    yield "products in slices", "a word of 4 beams", say, say, lambda: put(towers, "SLICE", huge)
    prompt, known = words[:1], keep_rows(cache, np.zeros(1, np.int64))
    yield "last word's logits only", "a question of 8 words", lambda: towers.decode_step(
        prompt, known, p, config=CONFIG), lambda: text.decode_step(
        prompt, known, p, config=CONFIG), nothing  # fmt: skip


def seconds(job: Callable) -> float:
    """Time a job once."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def profile(params: Any) -> None:
    """Print where the time of a picture and of a word goes, as shares of the whole."""
    spent: Counter[str] = Counter()

    def timed(name: str) -> Callable:
        function = getattr(towers, name)

        def run(*values: Any, **named: Any) -> Any:
            start = time.perf_counter()
            result = function(*values, **named)
            spent[name] += time.perf_counter() - start
            return result

        return run

    parts = ["product", "layer_norm", "activate", "softmax_powers", "word_attention"]
    pixels = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
    with contextlib.ExitStack() as stack:
        for name in parts:
            stack.enter_context(mock.patch.object(towers, name, timed(name)))
        tower = CONFIG.vision_config
        memory = np.zeros((1, 197, 768), np.float32)
        cache = towers.prefill(memory, params.text, config=CONFIG, threads=CORES)
        rows = keep_rows(cache, np.zeros(4, np.int64))
        jobs: dict[str, Callable] = {
            "picture tower": lambda: towers.image_tokens(
                pixels, params.vision, config=tower, threads=CORES
            ),
            "text tower, picture": lambda: towers.prefill(
                memory, params.text, config=CONFIG, threads=CORES
            ),
            "a word": lambda: towers.decode_step(
                np.array([[101]]), cache, params.text, config=CONFIG
            ),
            "a word of 4 beams": lambda: towers.decode_step(
                np.full((4, 1), 101), rows, params.text, config=CONFIG
            ),
        }
        for name, job in jobs.items():
            job()
            spent.clear()
            whole = sum(seconds(job) for _ in range(10)) / 10
            shares = ", ".join(f"{part} {spent[part] / 10 / whole:.0%}" for part in parts)
            print(f"{name}: {whole * 1e3:.1f} ms, of it {shares}")


def main() -> None:
    """Measure in turns and print a table, then the profile."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    threads.keep_freed_memory()  # as every model does
    params = params_from(
        seeded_tensors(tensor_shapes(CONFIG), seed=2), CONFIG, source="golden/seeded.py"
    )
    print(f"{CORES} threads, load {os.getloadavg()[0]:.1f}, {rounds} rounds, medians\n")
    print("| technique | job | with | without | gain |\n|---|---|---|---|---|")
    for name, job, quick, slow, replaced in techniques(params):
        times: dict[str, list[float]] = {"with": [], "without": []}
        for turn in range(rounds + 1):
            mine = seconds(quick)
            with replaced():
                other = seconds(slow)
            if turn:
                times["with"].append(mine)
                times["without"].append(other)
        with_it, without = (statistics.median(times[key]) for key in ("with", "without"))
        gain = without / with_it - 1
        print(f"| {name} | {job} | {with_it * 1e3:.1f} ms | {without * 1e3:.1f} ms | {gain:.0%} |")
    print()
    profile(params)


if __name__ == "__main__":
    main()
