"""Ask numpygit and the official implementation for the same texts, and count where they differ.

    python golden/differential_generation.py [--runs 300] [--seed 0]   # needs the extra [golden]

Each run draws a tiny model (towers, heads, layers, activations, positions, sizes, frames), pictures
or clips, prompts of different lengths, and options: greedy or beams, groups, length penalties,
early stopping, everything that changes scores, or a list of texts to choose from. The official side
(4.37.2) gets each prompt alone, without padding and without its cache, because it is wrong with
them; ours gets all prompts in one batch, padded on either side, with the cache. Compared are ids,
and scores of texts within 1e-3. Draws cannot be compared, but what they draw from can: each run
also sends random scores through a drawn chain of sampling filters, of both programs.

A difference counts as explained by rounding only where the two best scores of some step in our
own run are closer than 1e-5. Everything else is printed with its options.
"""

from __future__ import annotations

import argparse
import math
import sys
import warnings
from collections import Counter
from typing import Any

import numpy as np
import torch
import transformers
from official import build
from seeded import seeded_tensors

from numpygit.decoding.constrained import allowed_next, build_trie
from numpygit.decoding.logits import apply
from numpygit.decoding.options import GenerationConfig
from numpygit.decoding.sampling import filters
from numpygit.huggingface.models import GitForCausalLM
from numpygit.loading.config import POSITIONS, GitConfig
from numpygit.loading.names import params_from, tensor_shapes

BOS, END, OTHER_END, PAD = 2, 3, 4, 0
MODES = ("greedy", "greedy", "beams", "beams", "beams", "groups")
ACTIVATIONS = ("quick_gelu", "gelu", "gelu_new", "relu", "silu")


def draw_config(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the sizes of a tiny model."""
    heads, seeing_heads = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    patch = int(rng.integers(3, 8))
    return {
        "vocab_size": int(rng.integers(20, 90)),
        "hidden_size": heads * int(rng.integers(4, 9)),
        "num_hidden_layers": int(rng.integers(1, 4)),
        "num_attention_heads": heads,
        "intermediate_size": int(rng.integers(10, 50)),
        "max_position_embeddings": 40,
        "bos_token_id": BOS,
        "eos_token_id": END,
        "pad_token_id": PAD,
        "hidden_act": str(rng.choice(ACTIVATIONS)),
        "position_embedding_type": str(rng.choice(POSITIONS, p=[0.6, 0.2, 0.2])),
        "num_image_with_embedding": int(rng.integers(1, 4)) if rng.random() < 0.4 else None,
        "vision_config": {
            "hidden_size": seeing_heads * int(rng.integers(4, 9)),
            "intermediate_size": int(rng.integers(10, 40)),
            "num_hidden_layers": int(rng.integers(1, 3)),
            "num_attention_heads": seeing_heads,
            "image_size": patch * int(rng.integers(1, 4)),
            "patch_size": patch,
            "hidden_act": str(rng.choice(ACTIVATIONS)),
        },
    }


def draw_pixels(rng: np.random.Generator, config: dict[str, Any], rows: int) -> np.ndarray:
    """Draw pictures, or clips for a model of clips."""
    size = config["vision_config"]["image_size"]
    shape: tuple[int, ...] = (rows, 3, size, size)
    if config["num_image_with_embedding"]:
        frames = int(rng.integers(1, config["num_image_with_embedding"] + 1))
        shape = (rows, frames, 3, size, size)
    return rng.standard_normal(shape, np.float32)


def draw_options(rng: np.random.Generator, vocabulary: int) -> dict[str, Any]:
    """Draw how to generate."""
    words = lambda n: rng.integers(5, vocabulary, n).tolist()  # noqa: E731
    options: dict[str, Any] = {"max_new_tokens": int(rng.integers(1, 14))}
    mode = rng.choice(MODES)
    if mode != "greedy":
        groups = int(rng.integers(2, 4)) if mode == "groups" else 1
        beams = groups * int(rng.integers(1 if groups > 1 else 2, 4))
        options["num_beams"] = beams
        options["num_return_sequences"] = int(rng.integers(1, beams + 1))
        options["length_penalty"] = float(rng.choice([-1, 0, 0.6, 1, 2]))
        options["early_stopping"] = [False, True, "never"][rng.integers(3)]
        if groups > 1:
            options["num_beam_groups"] = groups
            options["diversity_penalty"] = float(rng.uniform(0.1, 2))
    if rng.random() < 0.2:  # few words, so that many texts begin alike
        labels = [rng.integers(5, 10, rng.integers(1, 5)).tolist() for _ in range(10)]
        return options | {"labels": labels, "max_new_tokens": 6}
    perhaps = {
        "repetition_penalty": float(rng.uniform(0.6, 2)),
        "no_repeat_ngram_size": int(rng.integers(1, 4)),
        "bad_words_ids": [words(1), words(2), words(1), [END]],
        "sequence_bias": {tuple(words(1)): 2.0, tuple(words(2)): -3.0, tuple(words(2)): 4.0},
        "min_new_tokens": int(rng.integers(1, 6)),
        "suppress_tokens": words(4),
        "begin_suppress_tokens": words(6),
        "forced_eos_token_id": END,
        "exponential_decay_length_penalty": (int(rng.integers(0, 4)), float(rng.uniform(1, 1.5))),
        "renormalize_logits": True,
        "eos_token_id": [END, OTHER_END],
        "allowed": sorted({END, *words(9)}),
    }
    chosen = rng.choice(list(perhaps), int(rng.integers(0, 4)), replace=False)
    return options | {str(name): perhaps[name] for name in chosen}


def draw_prompts(rng: np.random.Generator, rows: int, vocabulary: int) -> list[list[int]]:
    """Draw prompts of different lengths, or just start tokens."""
    if rng.random() < 0.3:
        return [[BOS] for _ in range(rows)]
    return [[BOS, *rng.integers(5, vocabulary, rng.integers(0, 6)).tolist()] for _ in range(rows)]


def padded(prompts: list[list[int]], side: str) -> tuple[np.ndarray, np.ndarray]:
    """Put prompts into one array, padded on one side."""
    T = max(len(prompt) for prompt in prompts)
    ids, mask = np.full((len(prompts), T), PAD), np.zeros((len(prompts), T), np.int64)
    for row, prompt in enumerate(prompts):
        place = slice(T - len(prompt), T) if side == "left" else slice(0, len(prompt))
        ids[row, place], mask[row, place] = prompt, 1
    return ids, mask


def theirs(model: Any, pixels: np.ndarray, prompt: list[int], options: dict) -> list[tuple]:
    """Ask the official model about one prompt: continuations and scores."""
    options = dict(options)
    allowed, labels = options.pop("allowed", None), options.pop("labels", None)
    if allowed:
        options["prefix_allowed_tokens_fn"] = lambda row, ids: allowed
    if labels:
        texts = [[*label, END] for label in labels]
        options["prefix_allowed_tokens_fn"] = lambda row, ids: spelled(texts, ids[len(prompt) :])
    answer = model.generate(
        pixel_values=torch.from_numpy(pixels),
        input_ids=torch.tensor([prompt]),
        **options,
        use_cache=False,
        return_dict_in_generate=True,
        output_scores=True,
    )
    scores = [0.0] * len(answer.sequences)
    if "num_beams" in options:
        scores = answer.sequences_scores.tolist()
    if any(torch.isnan(step).any() for step in answer.scores):
        scores = [math.nan] * len(scores)
    said = [strip(ids[len(prompt) :]) for ids in answer.sequences.tolist()]
    return list(zip(said, scores, strict=True))


def ours(
    model: GitForCausalLM, pixels: np.ndarray, prompts: list, options: dict, side: str
) -> tuple[list[list[tuple]], float]:
    """Ask numpygit about all prompts; also how close the closest choice was."""
    ids, mask = padded(prompts, side)
    options = dict(options)
    allowed, labels = options.pop("allowed", None), options.pop("labels", None)
    permit = (lambda row, ids: allowed) if allowed else None
    if labels:
        permit = allowed_next(build_trie(labels, END), [len(prompt) for prompt in prompts], END)
    answer: Any = model.generate(
        ids,
        pixel_values=pixels,
        attention_mask=mask,
        prefix_allowed_tokens_fn=permit,
        **options,
        return_dict_in_generate=True,
        output_scores=True,
    )
    said = [strip(row[ids.shape[1] :]) for row in answer.sequences.tolist()]
    each = len(said) // len(prompts)
    scores = [0.0] * len(said) if answer.sequences_scores is None else answer.sequences_scores
    pairs = list(zip(said, [float(s) for s in scores], strict=True))
    rows = [pairs[i * each : (i + 1) * each] for i in range(len(prompts))]
    return rows, min(closest(step) for step in answer.scores)


def spelled(texts: list[list[int]], said: torch.Tensor) -> list[int]:
    """Find by comparing, without a trie, which words may come next."""
    so_far = said.tolist()
    fitting = [t for t in texts if t[: len(so_far)] == so_far and len(t) > len(so_far)]
    return sorted({text[len(so_far)] for text in fitting}) or [END]


def compare_filters(official: Any, rng: np.random.Generator, vocabulary: int) -> str:
    """Send scores through a chain of sampling filters of both programs: -> "filters equal", or not.

    Where the chains keep other words, "filters rounding" says that probabilities moved by one
    part in a million would have made ours keep what theirs keep.
    """
    perhaps = {
        "temperature": float(rng.uniform(0.2, 3)),
        "top_k": int(rng.integers(1, vocabulary + 5)),
        "top_p": float(rng.uniform(0.05, 1)),
        "typical_p": float(rng.uniform(0.05, 1)),
        "epsilon_cutoff": float(rng.uniform(1e-4, 0.3)),
        "eta_cutoff": float(rng.uniform(1e-4, 0.3)),
        "renormalize_logits": True,
    }
    chosen = rng.choice(list(perhaps), int(rng.integers(1, 5)), replace=False)
    options = {"top_k": 0} | {str(name): perhaps[name] for name in chosen}
    beams = int(rng.choice([1, 3]))
    scores = rng.standard_normal((4, vocabulary), np.float32) * np.float32(rng.uniform(0.2, 5))
    scores[1:3, rng.integers(0, vocabulary, vocabulary // 3)] = -np.inf
    asked = {"do_sample": True, "num_beams": beams, "eos_token_id": [END, OTHER_END]}
    theirs = official._get_logits_warper(transformers.GenerationConfig(**asked, **options))
    expected = theirs(None, torch.from_numpy(scores.copy())).numpy()
    changes = filters(GenerationConfig(do_sample=True, **options), keep=1 if beams == 1 else 3)

    def is_equal(given: np.ndarray) -> bool:
        return np.allclose(apply(changes, None, given), expected, rtol=1e-4, atol=1e-4)

    if is_equal(scores):
        return "filters equal"
    if any(is_equal(scores * np.float32(1 + shift)) for shift in (1e-6, -1e-6, 3e-6, -3e-6)):
        return "filters rounding"
    print(f"filters differ: {options}, beams {beams}")
    return "filters differ"


def closest(scores: np.ndarray) -> float:
    """Return the smallest distance between the best four words of any row."""
    best = np.sort(scores, axis=1)[:, -4:]
    gaps = np.diff(np.where(np.isfinite(best), best, np.nan), axis=1)
    return float(np.nanmin(gaps)) if np.isfinite(gaps).any() else float("inf")


def strip(ids: list[int]) -> list[int]:
    """Drop padding behind the end."""
    while ids and ids[-1] == PAD:
        ids = ids[:-1]
    return ids


def compare(left: list[tuple], right: list[tuple], options: dict) -> str:
    """Say how two lists of texts differ: "" for not at all.

    "end token": with several end tokens the official beams write the first, whichever came.
    "official nan": the decay of length makes nan of an end token that is forbidden.
    "unreached": texts that take the place of missing ones, with a score of -1e9; in float32 all
    of them are alike, and their order is chance.
    """
    several = isinstance(options.get("eos_token_id"), list) and "num_beams" in options
    found = ""
    for (ids, score), (their_ids, their_score) in zip(left, right, strict=True):
        close = abs(score - their_score) <= 1e-3 * max(1, abs(their_score))
        if ids == their_ids and (close or math.isnan(their_score)):
            continue
        if math.isnan(their_score):
            return "official nan"
        if max(score, their_score) < -1e6:
            found = found or "unreached"
        elif several and close and ids[:-1] == their_ids[:-1] and their_ids[-1] == END:
            found = "end token"
        else:
            return "ids" if ids != their_ids else "score"
    return found


def way_of(options: dict) -> str:
    """Name the way to generate that was drawn."""
    way = "beams" if "num_beams" in options else "greedy"
    way = "groups" if "num_beam_groups" in options else way
    return f"{way} from a list" if "labels" in options else way


def compare_run(seed: int, run: int, ways: Counter[str], counts: Counter[str]) -> None:
    """Draw one model and what to ask it, ask both programs, count and print what differs."""
    rng = np.random.default_rng([seed, run])
    config = draw_config(rng)
    tensors = seeded_tensors(tensor_shapes(GitConfig.from_dict(config)), seed=run)
    tensors["output.bias"][[END, OTHER_END]] += np.float32(rng.uniform(0, 3))
    official = build(config, tensors)
    settings = GitConfig.from_dict(config)
    model = GitForCausalLM(settings, params_from(tensors, settings, source="drawn"))
    prompts = draw_prompts(rng, int(rng.integers(1, 4)), config["vocab_size"])
    pixels = draw_pixels(rng, config, len(prompts))
    options = draw_options(rng, config["vocab_size"])
    side = str(rng.choice(["left", "right"]))
    ways.update([way_of(options), compare_filters(official, rng, config["vocab_size"])])
    mine, gap = ours(model, pixels, prompts, options, side)
    for row, prompt in enumerate(prompts):
        expected = theirs(official, pixels[row : row + 1], prompt, options)
        verdict = compare(mine[row], expected, options) or "equal"
        if verdict in ("ids", "score") and gap < 1e-5:
            verdict = "rounding"
        counts[verdict] += 1
        counts["texts"] += len(expected)
        if verdict != "equal":
            print(f"run {run} row {row}: {verdict}, gap {gap:.1e}, {options}")
            print(f"   ours   {mine[row]}\n   theirs {expected}")


def main() -> int:
    """Run and count; the exit code is 1 if a disagreement has no explanation."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(2)
    ways: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for run in range(arguments.runs):
        compare_run(arguments.seed, run, ways, counts)
    texts = counts.pop("texts")
    print(f"{arguments.runs} models, {counts.total()} prompts, {texts} texts: {dict(counts)}")
    print(f"searches and chains of filters: {dict(ways)}")
    return 1 if counts["ids"] or counts["score"] or ways["filters differ"] else 0


if __name__ == "__main__":
    sys.exit(main())
