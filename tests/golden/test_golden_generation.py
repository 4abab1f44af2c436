"""Generation against the official implementation: ids, scores of texts, scores of words.

How the files were made, and what was asked: `golden/make_generation.py`.
"""

from functools import partial

import numpy as np
import pytest
from generation_golden import ASKED, BLOCKED, CONFIG, FILTERED, GOLDEN, MEMORY, MIN_P, MODEL, inputs

from numpygit.decoding import sampling
from numpygit.decoding.constrained import allowed_next, build_trie
from numpygit.decoding.decode import decode
from numpygit.decoding.options import GenerationConfig
from numpygit.decoding.plan import Calls, make_plan


def run(kind: str, options: dict):
    _, ids = inputs(kind)
    options = {"output_scores": True, **options}
    if "max_new_tokens" not in options:
        options["max_length"] = 15
    calls = Calls()
    if options.pop("prefix_allowed_tokens_fn", None):
        trie = build_trie(ASKED["labels"], 3)
        calls = Calls(prefix_allowed_tokens_fn=allowed_next(trie, [ids.shape[1]] * 2, 3))
    if "sequence_bias" in options:
        options["sequence_bias"] = {tuple(words): v for words, v in options["sequence_bias"]}
    plan = make_plan(ids, config=CONFIG, options=GenerationConfig().change(options), calls=calls)
    return decode(MEMORY[kind], MODEL.params.text, plan)


@pytest.mark.parametrize("case", ASKED["cases"])
def test_ids_and_scores_are_the_official_ones(case):
    found = run(case.split("/")[0], ASKED["cases"][case])
    np.testing.assert_array_equal(found.sequences, GOLDEN[f"{case}/ids"])
    for ours, theirs in zip(found.scores, GOLDEN[f"{case}/scores"], strict=False):
        reached = theirs > BLOCKED
        np.testing.assert_array_equal(ours > BLOCKED, reached)
        np.testing.assert_allclose(ours[reached], theirs[reached], atol=3e-5)
    if f"{case}/sequences_scores" in GOLDEN:
        expected = GOLDEN[f"{case}/sequences_scores"]
        np.testing.assert_allclose(found.sequences_scores, expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("case", [name for name in ASKED["cases"] if "beams" in name])
def test_beam_indices_are_the_official_ones(case):
    found = run(case.split("/")[0], ASKED["cases"][case])
    expected = GOLDEN[f"{case}/beam_indices"]
    ours = found.beam_indices
    assert (expected[:, ours.shape[1] :] == -1).all()
    np.testing.assert_array_equal(ours, expected[:, : ours.shape[1]])


def test_the_golden_texts_end_at_many_lengths():
    ends = {row.tolist().index(3) for name, a in GOLDEN.items() if "/ids" in name for row in a
            if 3 in row}  # fmt: skip
    assert len(ends) >= 8


OUR_FILTER = {
    "TemperatureLogitsWarper": lambda temperature, keep: partial(
        sampling.scale_temperature, temperature=temperature
    ),
    "TopKLogitsWarper": lambda top_k, keep: partial(sampling.filter_top_k, count=top_k),
    "TopPLogitsWarper": lambda top_p, keep: partial(sampling.filter_top_p, mass=top_p, keep=keep),
    "TypicalLogitsWarper": lambda mass, keep: partial(
        sampling.filter_typical, mass=mass, keep=keep
    ),
    "EpsilonLogitsWarper": lambda epsilon, keep: partial(
        sampling.filter_epsilon, epsilon=epsilon, keep=keep
    ),
    "EtaLogitsWarper": lambda epsilon, keep: partial(
        sampling.filter_eta, epsilon=epsilon, keep=keep
    ),
}


@pytest.mark.parametrize("name", ASKED["filters"])
def test_filters_keep_what_the_official_ones_keep(name):
    warper, settings = ASKED["filters"][name]
    value, keep = next(iter(settings.values())), settings.get("min_tokens_to_keep", 1)
    change = OUR_FILTER[warper](value, keep)
    found = change(None, FILTERED["logits"])
    np.testing.assert_allclose(found, FILTERED[name], rtol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize(("name", "share", "keep"), [("0.1", 0.1, 1), ("0.5", 0.5, 1), ("1", 1, 3)])
def test_min_p_keeps_what_the_official_one_keeps(name, share, keep):
    found = sampling.filter_min_p(None, FILTERED["logits"], share=share, keep=keep)
    np.testing.assert_array_equal(found, MIN_P[name])
