"""What each technique of the room fast brings, alone: its job with it and without it, in turns.

    python tests/benchmarks/techniques.py [--rounds 7]

Seeded git-base. "Without" puts the plainer way in its place, everything else as it is. Medians;
with one thread (OPENBLAS_NUM_THREADS=1) of seconds of the processor, so that other programs matter
less. Then: ways to multiply a few rows by all matrices of the text tower, where the time of each
job goes, and what it takes to wake threads. A processor with AVX2 alone can be imitated:
OPENBLAS_CORETYPE=Haswell NPY_DISABLE_CPU_FEATURES="X86_V4 AVX512_ICL".
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

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "golden")]

from numpygit.fast import SLEEP_SOON  # noqa: E402

os.environ.setdefault(*SLEEP_SOON)  # before NumPy loads OpenBLAS

import numpy as np  # noqa: E402
from seeded import seeded_tensors  # noqa: E402

from numpygit.fast import (  # noqa: E402
    attention,
    layers,
    pool,
    products,
    teams,
    threads,
    towers,
    words,
)
from numpygit.loading.config import GitConfig  # noqa: E402
from numpygit.loading.names import params_from, tensor_shapes  # noqa: E402
from numpygit.model import layers as plain_layers  # noqa: E402
from numpygit.model import text, vision  # noqa: E402
from numpygit.model.generate import keep_rows  # noqa: E402
from numpygit.model.layers import KeyValue  # noqa: E402
from numpygit.model.text import Cache  # noqa: E402

CONFIG = GitConfig()
CORES = threads.default_threads()
CLOCK = time.process_time if CORES == 1 else time.perf_counter
Technique = tuple[str, str, Callable, Callable, Any]  # name, job, with, without, what is replaced


def whole_activation(hidden: np.ndarray, bias: np.ndarray, *, name: Any) -> None:
    """Add the bias and apply the activation as model/layers.py does: in one piece, by tanh."""
    hidden += bias[:, None]
    hidden[:] = plain_layers.activate(hidden, name=name)


def shifted_powers(keys: np.ndarray, q: np.ndarray, ones: np.ndarray) -> tuple:
    """Find the largest score of each row first, as the textbook does."""
    scores = keys @ q
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    return scores, ones @ scores


def whole_last_layer(memory: np.ndarray, p: Any, *, config: GitConfig, member: Any) -> list:
    """Run the last layer for the image tokens too, which nobody reads."""
    heads, eps = config.num_attention_heads, config.layer_norm_eps
    x, kept = towers.columns_of(memory), []
    for block in p.blocks:
        attended, kv = attention.image_attention(
            x, block.attention, heads=heads, plus=x, pictures=len(memory), member=member
        )
        x = layers.layer_norm(attended, block.attention_norm, eps=eps, member=member)
        x = layers.mlp(x, block.mlp, activation=config.hidden_act, plus=x, member=member)
        x = layers.layer_norm(x, block.mlp_norm, eps=eps, member=member)
        kept.append(kv)
    return kept


def packed(x: np.ndarray, weight: np.ndarray, *, threads: int = 1) -> np.ndarray:
    """Leave every product to OpenBLAS as it is."""
    return x @ weight.T


def copied(cache: Cache, rows: int) -> Cache:
    """Give every beam a copy of the picture, as `layers.extend` does."""
    image = tuple(
        KeyValue(i.k.repeat(rows, axis=0), i.v.repeat(rows, axis=0)) for i in cache.image_kv
    )
    return cache._replace(image_kv=image)


def one_after_the_other(
    work: Callable, count: int, *, numbers: int, heads: int, threads: int
) -> list:
    """Encode one picture after the other, each on all cores."""
    return [work(slice(i, i + 1), teams.WHOLE) for i in range(count)]


def techniques(params: Any) -> Iterator[Technique]:
    """Yield name, job, the job with the technique, the job without, and what is put in place."""
    pixels = np.random.default_rng(0).standard_normal((8, 3, 224, 224), np.float32)
    p, tower = params.text, CONFIG.vision_config
    fast = towers.fast_towers(CORES)

    def look(count: int = 1) -> Any:
        return fast.image_tokens(pixels[:count], params.vision, config=tower)

    memory = text.project(look(8), p, eps=tower.layer_norm_eps)

    def see(count: int = 1) -> Any:
        return fast.prefill(memory[:count], p, config=CONFIG)

    def begun(cache: Cache, rows: int) -> Cache:
        forked = keep_rows(cache, np.arange(len(cache.attention_mask)).repeat(rows))
        return fast.decode_step(ids[: len(forked.attention_mask)], forked, p, config=CONFIG)[1]

    ids = np.random.default_rng(1).integers(200, 9000, (8, 8))
    cache, batch = see(), begun(see(8), 1)
    beams = begun(cache, 4)

    def say(known: Cache = beams) -> Any:
        now = ids[: len(known.attention_mask), :1]
        return fast.decode_step(now, known, p, config=CONFIG)

    def plain_look() -> Any:
        return vision.image_tokens(pixels[:1], params.vision, config=tower)

    nothing: Any = contextlib.nullcontext
    put = mock.patch.object
    yield "all of them", "picture tower", look, plain_look, nothing
    yield "activation in blocks, by exp", "picture tower", look, look, lambda: put(
        layers, "activate", whole_activation)  # fmt: skip
    yield "softmax without its first pass", "picture tower", look, look, lambda: put(
        attention, "powers_of_scores", shifted_powers)  # fmt: skip
    yield "last layer: keys and values only", "text tower, picture", see, see, lambda: put(
        towers, "prefill_pictures", whole_last_layer)  # fmt: skip
    for name, replaced in {
        "a team, or hands": lambda: put(teams, "blas_sleeps_soon", lambda: False),
        "hands share attention and activation": lambda: put(teams, "HANDS", 1),
    }.items():
        yield name, "picture tower", look, look, replaced
        yield name, "text tower, picture", see, see, replaced
    yield "groups of pictures in threads", "8 pictures", lambda: look(8), lambda: look(
        8), lambda: put(towers, "in_groups", one_after_the_other)  # fmt: skip
    yield "several pictures in one product", "8 pictures", lambda: look(8), lambda: look(
        8), lambda: put(pool, "TOGETHER", 1)  # fmt: skip
    yield "beams share their picture", "a word of 4 beams", say, lambda: say(
        copied(beams, 4)), nothing  # fmt: skip
    yield "a few rows multiplied in other ways", "a word of 4 beams", say, say, lambda: put(
        words, "product", packed)  # fmt: skip
    yield "a few rows as vectors", "a word of 4 beams", say, say, lambda: put(
        products, "VECTORS", 1)  # fmt: skip
    yield "a few rows multiplied in other ways", "a word of 8 pictures", lambda: say(
        batch), lambda: say(batch), lambda: put(words, "product", packed)  # fmt: skip
    yield "pictures' attention in threads", "a word of 8 pictures", lambda: say(
        batch), lambda: say(batch), lambda: put(words, "MANY", 99)  # fmt: skip
    prompt, known = ids[:1], keep_rows(cache, np.zeros(1, np.int64))
    yield "last word's logits only", "a question of 8 words", lambda: fast.decode_step(
        prompt, known, p, config=CONFIG), lambda: text.decode_step(
        prompt, known, p, config=CONFIG), nothing  # fmt: skip


def seconds(job: Callable) -> float:
    """Time a job once."""
    start = CLOCK()
    job()
    return CLOCK() - start


PARTS = {
    "product": words,
    "activate_in_place": words,
    "mix_words": words,
    "activate": layers,
    "layer_norm": towers,
    "mix_image": attention,
}


def profile(params: Any) -> None:
    """Print where the time of a picture and of a word goes, as shares of the whole.

    What is left of a picture is its products.
    """
    spent: Counter[str] = Counter()

    def timed(room: Any, name: str) -> Callable:
        function = getattr(room, name)

        def run(*values: Any, **named: Any) -> Any:
            start = CLOCK()
            result = function(*values, **named)
            spent[name] += CLOCK() - start
            return result

        return run

    pixels = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
    memory = np.zeros((1, 197, 768), np.float32)
    fast = towers.fast_towers(CORES)
    cache = fast.prefill(memory, params.text, config=CONFIG)
    rows = keep_rows(cache, np.zeros(4, np.int64))
    jobs: dict[str, Callable] = {
        "picture tower": lambda: fast.image_tokens(
            pixels, params.vision, config=CONFIG.vision_config
        ),
        "text tower, picture": lambda: fast.prefill(memory, params.text, config=CONFIG),
        "a word": lambda: fast.decode_step(np.array([[101]]), cache, params.text, config=CONFIG),
        "a word of 4 beams": lambda: fast.decode_step(
            np.full((4, 1), 101), rows, params.text, config=CONFIG
        ),
    }
    with contextlib.ExitStack() as stack:
        for name, room in PARTS.items():
            stack.enter_context(mock.patch.object(room, name, timed(room, name)))
        for name, job in jobs.items():
            job()
            spent.clear()
            whole = sum(seconds(job) for _ in range(10)) / 10
            shares = ", ".join(f"{part} {spent[part] / 10 / whole:.0%}" for part in PARTS)
            print(f"{name}: {whole * 1e3:.1f} ms, of it {shares}")


def few_rows(params: Any, rounds: int) -> None:
    """Print what the ways to multiply a few rows take, over all products of a word."""
    p = params.text
    linears = [
        one
        for b in p.blocks
        for a in [b.attention]
        for one in (a.query, a.key, a.value, a.out, b.mlp.up, b.mlp.down)
    ]
    weights = [one.weight for one in [*linears, p.head]]
    ways: dict[str, Callable] = {
        "as one product": lambda x, w: x @ w.T,
        "in slices": products.sliced,
        "small products": lambda x, w: products.stacked(x, w)[0],
        "vectors": lambda x, w: products.vectors(x, w, threads=CORES),
        "chosen": lambda x, w: products.product(x, w, threads=CORES),
    }
    print("\n| rows | " + " | ".join(ways) + " |\n|---" + "|---" * len(ways) + "|")
    for rows in (1, 2, 4, 8, 16, 32):
        inputs = {w.shape[1]: np.ones((rows, w.shape[1]), np.float32) for w in weights}
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, multiply in ways.items():
                times[way].append(seconds(
                    lambda multiply=multiply, inputs=inputs: [
                        multiply(inputs[w.shape[1]], w) for w in weights]))  # fmt: skip
        cells = (f"{statistics.median(times[way]) * 1e3:.1f}" for way in ways)
        print(f"| {rows} | " + " | ".join(cells) + " |")
    print()


def waking() -> None:
    """Print what it takes to wake a pool that does nothing, and one in which each thread adds."""
    numbers = np.zeros((CORES, 20_000), np.float32)
    crew = pool.pool_of(CORES)
    for what, work in {
        "nothing": lambda number: None,
        "adding 20,000 numbers": lambda number: np.add(numbers[number], 1, out=numbers[number]),
    }.items():
        rested, busy = [], []
        for _ in range(50):
            time.sleep(0.002)
            rested.append(seconds(lambda work=work: crew.run(work)))
            busy.append(seconds(lambda work=work: crew.run(work)))
        alone = statistics.median(seconds(lambda work=work: work(0)) for _ in range(50))
        middle = (statistics.median(times) * 1e6 for times in (rested, busy))
        print("waking {} threads for {}: {:.0f} microseconds after a rest, {:.0f} at once, {:.0f} "
              "for one thread by itself".format(CORES, what, *middle, alone * 1e6))  # fmt: skip


def main() -> None:
    """Measure in turns and print a table, then the profile."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    threads.keep_freed_memory()  # as every model does
    params = params_from(
        seeded_tensors(tensor_shapes(CONFIG), seed=2), CONFIG, source="golden/seeded.py"
    )
    blas = threads.find_openblas()
    print(
        f"{CORES} threads, load {os.getloadavg()[0]:.1f}, {rounds} rounds, medians, "
        f"NumPy {np.__version__}, OpenBLAS for {blas.core if blas else 'another library'}\n"
    )
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
    few_rows(params, rounds)
    profile(params)
    waking()


if __name__ == "__main__":
    main()
