"""Make `golden/generation`: what the official implementation generates, and how it was asked.

    python golden/make_generation.py    # needs the extra [golden]; takes a minute

The random model of `golden/tiny` gets a caption, a question or a clip to go on from, with every
option that changes words: ids, scores of whole texts and scores of single words are kept. The
official cache is off, because 4.37.2 reads padding and pictures wrongly with it. The filters
of sampling are asked directly, with random logits: draws cannot be compared, what they draw from
can. `min_p` is not in 4.37.2; `make_min_p.py` asks 5.23 for it.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from make_tiny import CONFIG
from make_tiny import HERE as TINY
from official import build
from safetensors.numpy import load_file, save_file

HERE = Path(__file__).parent / "generation"
END, OTHER_END = 3, 17


def beams(number: int, **options: Any) -> dict[str, Any]:
    """Ask for a beam search."""
    return {"num_beams": number, **options}


# name -> what `generate` is given; every case runs with the still, its prompt, and the clip
CASES: dict[str, dict[str, Any]] = {
    "greedy": {},
    "greedy_two_ends": {"eos_token_id": [END, OTHER_END]},
    "repetition_penalty": {"repetition_penalty": 1.8},
    "repetition_reward": {"repetition_penalty": 0.7},
    "no_repeat_ngram": {"no_repeat_ngram_size": 2},
    "no_repeat_word": {"no_repeat_ngram_size": 1},
    "bad_words": {"bad_words_ids": "likely"},
    "sequence_bias": {"sequence_bias": "likely"},
    "min_length": {"min_length": 12, "eos_token_id": list(range(3, 40))},
    "min_new_tokens": {"min_new_tokens": 6, "eos_token_id": list(range(3, 40))},
    "max_new_tokens": {"max_new_tokens": 4},
    "forced_bos": {"forced_bos_token_id": 9},
    "forced_eos": {"forced_eos_token_id": END},
    "suppress": {"suppress_tokens": list(range(4, 45))},
    "begin_suppress": {"begin_suppress_tokens": list(range(20, 61))},
    "decay": {"exponential_decay_length_penalty": [2, 1.9]},
    "prefix_allowed": {"prefix_allowed_tokens_fn": "trie"},
    "prefix_allowed_beams": beams(3, prefix_allowed_tokens_fn="trie", num_return_sequences=2),
    "together": {
        "repetition_penalty": 1.3, "no_repeat_ngram_size": 2, "min_length": 8,
        "suppress_tokens": [5, 6], "forced_eos_token_id": END, "renormalize_logits": True,
    },
    "beams_2": beams(2),
    "beams_3": beams(3, num_return_sequences=3),
    "beams_4": beams(4, num_return_sequences=2),
    "beams_two_ends": beams(3, num_return_sequences=3, eos_token_id=[END]),
    "beams_no_repeat": beams(3, no_repeat_ngram_size=2, repetition_penalty=1.4),
    "beams_min_length": beams(3, min_length=9),
    "beams_forced_eos": beams(3, forced_eos_token_id=END, num_return_sequences=2),
    "beams_bad_words": beams(3, bad_words_ids="likely"),
    "groups_2": beams(4, num_beam_groups=2, diversity_penalty=1.5, num_return_sequences=4),
    "groups_3": beams(6, num_beam_groups=3, diversity_penalty=0.4, num_return_sequences=3),
    "groups_repeat": beams(
        4, num_beam_groups=2, diversity_penalty=0.7, repetition_penalty=1.5, num_return_sequences=2
    ),
}  # fmt: skip
for penalty in (-1.0, 0.0, 0.6, 1.0, 2.0):
    for early in (False, True, "never"):
        options = beams(3, length_penalty=penalty, early_stopping=early, num_return_sequences=2)
        CASES[f"beams_penalty_{penalty:g}_early_{early}"] = options

# contrastive search: 4.37.2 stops with an error where there is a picture, so only words are given
CONTRASTIVE: dict[str, dict[str, Any]] = {
    "contrastive": {"penalty_alpha": 0.6, "top_k": 4},
    "contrastive_6": {"penalty_alpha": 0.3, "top_k": 6, "no_repeat_ngram_size": 2},
    "contrastive_strong": {"penalty_alpha": 0.9, "top_k": 3, "eos_token_id": [END, OTHER_END]},
}

# so that texts end at many lengths, the head's bias of the end token is raised
ENDING = 1.6
LABELS = [[5, 9], [5, 9, 30], [5, 12, 7], [44], [44, 8, 8, 13], [23, 5]]


def inputs(kind: str) -> dict[str, torch.Tensor]:
    """Take pixels and a prompt: a caption of stills, a question to them, a question to clips."""
    arrays = load_file(TINY / f"{'clip' if kind == 'clip' else 'still'}.safetensors")
    start = np.full((2, 1), CONFIG["bos_token_id"])
    question = np.concatenate([start, arrays["input/input_ids"][:, :3]], axis=1)
    ids = start if kind == "caption" else question
    return {
        "pixel_values": torch.from_numpy(arrays["input/pixel_values"]),
        "input_ids": torch.from_numpy(ids),
    }


def trie_function(length: int) -> Any:
    """Allow only LABELS after a prompt, spelled out without a trie."""
    texts = [[*label, END] for label in LABELS]

    def allowed(row: int, ids: torch.Tensor) -> list[int]:
        said = ids[length:].tolist()
        fitting = [t for t in texts if t[: len(said)] == said and len(t) > len(said)]
        return sorted({text[len(said)] for text in fitting}) or [END]

    return allowed


def fill_in(options: dict[str, Any], given: dict[str, torch.Tensor], greedy: list) -> dict:
    """Put in place what depends on the prompt or on what greedy search says."""
    options = dict(options)
    T = given["input_ids"].shape[1]
    first, second, third = greedy[0][T : T + 3]
    if options.get("bad_words_ids") == "likely":
        options["bad_words_ids"] = [[first], [second, third], [END], [greedy[1][T + 1]]]
    if options.get("sequence_bias") == "likely":
        options["sequence_bias"] = {(first, second): -4.0, (greedy[1][T],): 2.5, (40,): 1.0}
    if options.get("prefix_allowed_tokens_fn") == "trie":
        options["prefix_allowed_tokens_fn"] = trie_function(T)
    return options


def ask(model: Any, given: dict[str, torch.Tensor], options: dict) -> dict[str, np.ndarray]:
    """Generate; return ids, scores of texts, and scores of every word in the first two steps."""
    options = {"max_length": 15, **options}
    if "max_new_tokens" in options:
        del options["max_length"]
    answer = model.generate(
        **given,
        **options,
        use_cache="pixel_values" not in given,
        return_dict_in_generate=True,
        output_scores=True,
    )
    found = {"ids": answer.sequences.numpy(), "scores": torch.stack(answer.scores[:2]).numpy()}
    if options.get("num_beams", 1) > 1:
        found["sequences_scores"] = answer.sequences_scores.numpy()
        if options.get("num_beam_groups", 1) == 1:  # 4.37.2 mixes the groups' indices up
            found["beam_indices"] = answer.beam_indices.numpy()
    return {name: np.ascontiguousarray(array) for name, array in found.items()}


FILTERS = {
    "temperature": ("TemperatureLogitsWarper", {"temperature": 0.7}),
    "top_k": ("TopKLogitsWarper", {"top_k": 5}),
    "top_p": ("TopPLogitsWarper", {"top_p": 0.8}),
    "top_p_low": ("TopPLogitsWarper", {"top_p": 0.01, "min_tokens_to_keep": 2}),
    "typical_p": ("TypicalLogitsWarper", {"mass": 0.6}),
    "typical_p_low": ("TypicalLogitsWarper", {"mass": 0.05, "min_tokens_to_keep": 3}),
    "epsilon_cutoff": ("EpsilonLogitsWarper", {"epsilon": 0.02}),
    "epsilon_high": ("EpsilonLogitsWarper", {"epsilon": 0.9, "min_tokens_to_keep": 2}),
    "eta_cutoff": ("EtaLogitsWarper", {"epsilon": 0.05}),
}


def ask_filters() -> dict[str, np.ndarray]:
    """Run the official filters on random logits, some of them already -inf."""
    logits = np.random.default_rng(5).standard_normal((6, 61)).astype(np.float32) * 2
    logits[2:4, ::3] = -np.inf
    found = {"logits": logits}
    for name, (warper, settings) in FILTERS.items():
        changed = getattr(transformers, warper)(**settings)(None, torch.from_numpy(logits.copy()))
        found[name] = changed.numpy()
    return found


def tensors_that_end() -> dict[str, np.ndarray]:
    """Take the tiny model and let its texts end sooner."""
    tensors = load_file(TINY / "model.safetensors")
    tensors["output.bias"] = tensors["output.bias"].copy()
    tensors["output.bias"][[END, OTHER_END]] += ENDING
    return tensors


def main() -> None:
    """Write ids and scores of every case."""
    warnings.filterwarnings("ignore")
    HERE.mkdir(exist_ok=True)
    model = build(CONFIG, tensors_that_end())
    model.generation_config = transformers.GenerationConfig.from_model_config(model.config)
    arrays: dict[str, np.ndarray] = {}
    asked: dict[str, dict] = {}
    for kind in ("caption", "question", "clip"):
        given = inputs(kind)
        greedy = ask(model, given, {"eos_token_id": 60})["ids"].tolist()
        for name, case in CASES.items():
            options = fill_in(case, given, greedy)
            found = ask(model, given, options)
            arrays |= {f"{kind}/{name}/{what}": array for what, array in found.items()}
            if "sequence_bias" in options:
                bias = options["sequence_bias"]
                options["sequence_bias"] = [[list(words), value] for words, value in bias.items()]
            if "prefix_allowed_tokens_fn" in options:
                options["prefix_allowed_tokens_fn"] = "trie"
            asked[f"{kind}/{name}"] = options
    for name, options in CONTRASTIVE.items():
        found = ask(model, {"input_ids": inputs("question")["input_ids"]}, options)
        arrays |= {f"text/{name}/{what}": array for what, array in found.items()}
        asked[f"text/{name}"] = options
    save_file(arrays, HERE / "generated.safetensors")
    save_file(ask_filters(), HERE / "filters.safetensors")
    told = {"ending": ENDING, "labels": LABELS, "filters": FILTERS, "cases": asked}
    (HERE / "asked.json").write_text(json.dumps(told, indent=1) + "\n")
    lengths = {len(row) for name, a in arrays.items() if name.endswith("/ids") for row in a}
    print(f"{len(asked)} cases; lengths {sorted(lengths)}")


if __name__ == "__main__":
    main()
