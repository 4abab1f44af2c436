"""What each option of generation means. That ids are the official ones is in `tests/golden`; that
batches, padding and caches change nothing, in `tests/properties`.

Checks decoding/attentions.py, decoding/beams.py, decoding/contrastive.py, decoding/logits.py,
decoding/sampling.py, decoding/scores.py.
"""

import itertools
import math
import warnings

import numpy as np
import pytest
from decoding_cases import CONFIG, END, PAD, P, memory_of, padded, run, strip
from generation_golden import MODEL, inputs
from golden_inputs import tiny_inputs

from numpygit.decoding.decode import decode, is_contrastive
from numpygit.decoding.logits import log_softmax
from numpygit.decoding.options import AUTHORS, GenerationConfig
from numpygit.decoding.plan import Calls, make_plan
from numpygit.decoding.sampling import draw, draw_several
from numpygit.errors import UserError
from numpygit.model import text
from numpygit.model.generate import keep_rows
from numpygit.trace import Recorder

PIXELS = tiny_inputs("still")["pixel_values"]
PROMPTS = [[2], [2, 7], [2, 9, 11, 5, 8], [2, 30, 4]]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "options",
    [
        {"repetition_penalty": 9.0},
        {"no_repeat_ngram_size": 1},
        {"no_repeat_ngram_size": 2},
        {"penalty_alpha": 0.95, "top_k": 3},
    ],
)
def test_padding_is_no_word_that_was_said(options, seed):
    """The padding holds the words that would be said next; 4.37.2 takes them for said."""
    memory, long = memory_of(np.random.default_rng(seed), 2), [2, *range(20, 33)]
    options = {**options, "min_new_tokens": 8}
    alone = run(memory[:1], np.array([[2, 7]]), **options).sequences[0, 2:]
    ids, mask = padded([[2, 7], long], "left")
    ids[mask == 0] = np.resize(alone, len(long) - 2)
    together = run(memory, ids, mask, **options).sequences[0, len(long) :]
    assert strip(together) == strip(alone)


def every_text(memory: np.ndarray, prompt: list[int], words: list[int], longest: int):
    """List all texts of these words, with their log-probabilities, by the definition."""
    for length in range(1, longest + 1):
        for said in itertools.product(words, repeat=length):
            ended = END in said
            if (ended and said.index(END) != length - 1) or (not ended and length < longest):
                continue
            ids = np.array([[*prompt, *said]])
            logits, _ = text.forward(memory, ids[:, :-1], P, config=CONFIG)
            scores = log_softmax(logits[0, -length:])
            yield said, float(sum(scores[i, word] for i, word in enumerate(said)))


@pytest.mark.parametrize("form", ["transformers", "authors"])
@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("seed", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2))])
def test_with_room_for_all_a_beam_search_finds_the_best_text(form, penalty, seed):
    memory, words, prompt = memory_of(np.random.default_rng(seed), 1), [END, 9, 30, 44], [2, 7]

    def weighed(said: tuple[int, ...], total: float) -> float:
        if form == "authors":  # prompt counted, end token not; Wu et al. 2016, equation 14
            return total / ((5 + 2 + len(said) - (END in said)) / 6) ** penalty
        return total / len(said) ** penalty

    expected = sorted(
        ((weighed(said, total), said) for said, total in every_text(memory, prompt, words, 4)),
        reverse=True,
    )[:3]
    found = run(
        memory,
        np.array([prompt]),
        calls=Calls(prefix_allowed_tokens_fn=lambda row, ids: words),
        max_new_tokens=4,
        num_beams=64,
        num_return_sequences=3,
        length_penalty=penalty,
        beam_form=form,
        early_stopping="never",
    )
    assert [strip(row) for row in found.sequences[:, 2:]] == [list(said) for _, said in expected]
    np.testing.assert_allclose(found.sequences_scores, [s for s, _ in expected], atol=1e-4)


def test_the_authors_defaults():
    assert (AUTHORS.num_beams, AUTHORS.length_penalty, AUTHORS.per_node_beam_size) == (4, 0.6, 2)
    options = AUTHORS.change({"max_length": 20})
    plan = make_plan(np.array([[2]]), config=CONFIG, options=options)
    found = decode(memory_of(np.random.default_rng(1), 1), P, plan)
    assert found.sequences.shape[0] == 1


def test_with_several_end_tokens_beams_keep_the_one_that_came():
    """4.37.2 writes the first of them, whichever came. The score tells: it is that of the text."""
    memory, ends = memory_of(np.random.default_rng(4), 1), [60, 17, END, 12, 30]
    found = run(
        memory, np.array([[2, 7]]), eos_token_id=ends, num_beams=6, num_return_sequences=6,
        length_penalty=0.0, output_log_probabilities=True,
    )  # fmt: skip
    assert len({strip(row)[-1] for row in found.sequences} & set(ends)) > 1
    total = found.log_probabilities.total
    np.testing.assert_allclose(found.sequences_scores, total, atol=1e-4)


def test_beams_share_the_picture():
    memory = memory_of(np.random.default_rng(0), 2)
    cache = text.prefill(memory, P, config=CONFIG)
    forked = keep_rows(cache, np.arange(2).repeat(3))
    assert forked.image_kv is cache.image_kv
    assert forked.attention_mask.shape[0] == 6
    ids = np.random.default_rng(1).integers(4, 61, (6, 4))
    shared, _ = text.decode_step(ids, forked, P, config=CONFIG)
    own, _ = text.decode_step(
        ids, text.prefill(memory.repeat(3, axis=0), P, config=CONFIG), P, config=CONFIG
    )
    np.testing.assert_allclose(shared, own, atol=1e-5)


def test_log_probabilities_are_those_of_the_definition():
    _, ids = inputs("question")
    memory = MODEL.memory(PIXELS)
    found = run(memory, ids, num_beams=3, num_return_sequences=2, output_log_probabilities=True)
    scores = found.log_probabilities
    for row, sequence in enumerate(found.sequences):
        said = strip(sequence)
        picture = memory[row // 2][None]
        logits, _ = text.forward(picture, np.array([said[:-1]]), P, config=CONFIG)
        logits = log_softmax(logits[0])
        expected = [logits[6 + i + len(ids[0]), w] for i, w in enumerate(said[len(ids[0]) :], 3)]
        np.testing.assert_allclose(scores.words[row, : len(expected)], expected, atol=1e-4)
        assert (scores.words[row, len(expected) :] == 0).all()
        np.testing.assert_allclose(scores.total[row], sum(expected), atol=1e-4)
        np.testing.assert_allclose(scores.mean[row], np.mean(expected), atol=1e-4)


# ---- sampling


def test_draws_follow_the_probabilities():
    logits = np.log(np.array([[0.5, 0.3, 0.15, 0.05]], np.float32)).repeat(20_000, axis=0)
    drawn = np.bincount(draw(logits, np.random.default_rng(3)), minlength=4) / 20_000
    np.testing.assert_allclose(drawn, [0.5, 0.3, 0.15, 0.05], atol=4 * 0.5 / math.sqrt(20_000))


def test_several_draws_are_without_replacement():
    """P(first is i, second is j) = p_i p_j / (1 - p_i)."""
    p = np.array([0.6, 0.3, 0.1])
    logits = np.log(p).astype(np.float32)[None].repeat(20_000, axis=0)
    drawn = draw_several(logits, np.random.default_rng(3), count=2)
    for i, j in itertools.permutations(range(3), 2):
        share = np.mean((drawn[:, 0] == i) & (drawn[:, 1] == j))
        assert abs(share - p[i] * p[j] / (1 - p[i])) < 4 * 0.5 / math.sqrt(20_000)


def test_forbidden_words_are_never_drawn():
    logits = np.full((1000, 5), -np.inf, np.float32)
    logits[:, [1, 3]] = 0
    assert set(draw(logits, np.random.default_rng(0)).tolist()) == {1, 3}


@pytest.mark.parametrize("beams", [1, 3])
def test_a_seed_repeats_the_draws_and_another_does_not(beams):
    memory = memory_of(np.random.default_rng(0), 2)
    options = {"do_sample": True, "num_beams": beams, "num_return_sequences": 3}
    ids = np.array([[2], [2]])
    one, same, other = (run(memory, ids, seed=s, **options).sequences for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert one.shape != other.shape or (one != other).any()
    assert len({tuple(row) for row in one.tolist()}) > 1
    generator = run(memory, ids, generator=np.random.default_rng(1), **options).sequences
    np.testing.assert_array_equal(one, generator)


def test_one_possible_word_is_what_greedy_takes():
    memory, ids = memory_of(np.random.default_rng(0), 2), np.array([[2], [2]])
    greedy = run(memory, ids).sequences
    np.testing.assert_array_equal(run(memory, ids, do_sample=True, top_k=1).sequences, greedy)
    np.testing.assert_array_equal(
        run(memory, ids, do_sample=True, top_k=0, top_p=1e-6).sequences, greedy
    )


# ---- the caller's functions


def test_a_streamer_gets_the_prompt_and_every_word():
    class Streamer:
        def __init__(self) -> None:
            self.got, self.ended = [], False

        def put(self, ids) -> None:
            self.got.append(ids.tolist())

        def end(self) -> None:
            self.ended = True

    streamer = Streamer()
    ids = MODEL.generate(
        np.array([[2, 7]]), pixel_values=PIXELS[:1], streamer=streamer, max_length=9
    )
    assert streamer.got == [[[2, 7]], *[[word] for word in ids[0, 2:].tolist()]]
    assert streamer.ended
    with pytest.raises(UserError, match="streamer cannot be used with a beam search"):
        MODEL.generate(pixel_values=PIXELS[:1], streamer=streamer, num_beams=2)


@pytest.mark.parametrize("beams", [1, 2])
def test_a_criterion_stops_all(beams):
    ids = MODEL.generate(
        pixel_values=PIXELS,
        stopping_criteria=[lambda ids, scores: ids.shape[1] >= 4],
        num_beams=beams,
        min_length=9,
    )
    assert ids.shape == (2, 4)
    assert not np.isin(ids, END).any()  # 4.37.2 writes an end token after beams that did not end


def test_processors_see_ids_and_change_logits():
    seen = []

    def process(ids, logits):
        seen.append(ids.copy())
        logits[:, :] = -np.inf
        logits[:, 40 + len(seen)] = 0
        return logits

    ids, mask = padded([[2, 9, 4], [2]], "right")
    found = MODEL.generate(
        ids, pixel_values=PIXELS, attention_mask=mask, logits_processor=[process], max_new_tokens=3
    )
    np.testing.assert_array_equal(found[:, 3:], [[41, 42, 43]] * 2)
    np.testing.assert_array_equal(seen[0], [[2, 9, 4], [PAD, PAD, 2]])


def test_allowed_words_come_without_padding_and_by_prompt():
    seen = []

    def allowed(prompt, ids):
        seen.append((prompt, ids.tolist()))
        return [30 + prompt]

    ids, mask = padded([[2, 9, 4], [2]], "left")
    options = {"attention_mask": mask, "prefix_allowed_tokens_fn": allowed, "max_new_tokens": 2}
    found = MODEL.generate(ids, pixel_values=PIXELS, **options)
    np.testing.assert_array_equal(found[:, 3:], [[30, 30], [31, 31]])
    assert seen[:2] == [(0, [2, 9, 4]), (1, [2])]
    with pytest.raises(UserError, match="allows nothing after"):
        MODEL.generate(
            ids, pixel_values=PIXELS, **{**options, "prefix_allowed_tokens_fn": lambda *_: []}
        )


def test_time_runs_out():
    ids = MODEL.generate(pixel_values=PIXELS[:1], max_time=0.0, min_length=9)
    assert ids.shape == (1, 2)


def test_a_bad_word_that_begins_with_the_whole_text_is_seen():
    """4.37.2 overlooks it: it compares the lengths of word and text by one too many."""
    prompt = np.array([[2, 7]])
    said = MODEL.generate(prompt, pixel_values=PIXELS[:1], max_length=3)[0, 2]
    other = MODEL.generate(
        prompt, pixel_values=PIXELS[:1], max_length=3, bad_words_ids=[[2, 7, int(said)]]
    )
    assert other[0, 2] != said


@pytest.mark.parametrize("beams", [1, 3])
def test_a_forbidden_end_stays_forbidden_however_long_the_text(beams):
    """4.37.2 makes nan of minus infinity there, and of the scores of all texts."""
    found = MODEL.generate(
        pixel_values=PIXELS, num_beams=beams,
        exponential_decay_length_penalty=(1, 1.5), min_new_tokens=6,
        max_new_tokens=9, return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    assert not np.isnan(found.scores).any()
    assert not np.isin(found.sequences[:, 1:7], END).any()
    assert (found.scores[5][:, END] == -np.inf).all()


# ---- what comes back


def test_going_on_from_a_cache():
    whole = MODEL.generate(pixel_values=PIXELS, max_length=12, min_length=12)
    some = MODEL.generate(
        pixel_values=PIXELS, max_length=7, min_length=7, return_dict_in_generate=True
    )
    for beams in (1, 3):
        expected = MODEL.generate(
            some.sequences, pixel_values=PIXELS, max_length=12, num_beams=beams
        )
        found = MODEL.generate(
            input_ids=some.sequences,
            past_key_values=some.past_key_values,
            max_length=12,
            num_beams=beams,
        )
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(some.sequences, whole[:, :7])
    with pytest.raises(UserError, match="the cache holds 6 words"):
        MODEL.generate(input_ids=whole[:, :5], past_key_values=some.past_key_values)


@pytest.mark.parametrize("beams", [1, 3])
def test_attentions_and_hidden_states(beams):
    """Of the first word: what an uncached look at picture and prompt shows."""
    _, ids = inputs("question")
    found = MODEL.generate(
        ids, pixel_values=PIXELS, max_new_tokens=3, min_new_tokens=3, num_beams=beams,
        return_dict_in_generate=True, output_attentions=True, output_hidden_states=True,
        output_logits=True, output_scores=True,
    )  # fmt: skip
    recorder = Recorder("text.*")
    MODEL.logits(ids, PIXELS, trace=recorder)
    rows, S = 2 * beams, 10 + 4
    assert len(found.attentions) == len(found.hidden_states) == len(found.logits) == 3
    assert found.scores[0].shape == (rows, 61)
    for i in range(3):
        first = found.attentions[0][i]
        assert first.shape == (rows, 5, S, S)
        expected = recorder.tensors[f"text.{i}.weights"].repeat(beams, axis=0)
        np.testing.assert_allclose(first, expected, atol=1e-5)
        assert found.attentions[2][i].shape == (rows, 5, 1, S + 2)
        expected = recorder.tensors[f"text.{i}.x"].repeat(beams, axis=0)
        np.testing.assert_allclose(found.hidden_states[0][i + 1], expected, atol=3e-5)
        assert found.hidden_states[2][i + 1].shape == (rows, 1, 30)
    assert found["attentions"] is found.attentions
    assert found[0] is found.sequences
    expected = recorder.tensors["text.x"].repeat(beams, axis=0)
    np.testing.assert_allclose(found.hidden_states[0][0], expected, atol=1e-5)


# ---- options


def test_an_unknown_option_is_refused_with_the_nearest_name():
    with pytest.raises(UserError, match="no option 'num_beam'; did you mean 'num_beams'"):
        MODEL.generate(pixel_values=PIXELS, num_beam=3)
    with pytest.raises(UserError, match="does not do this kind"):
        MODEL.generate(pixel_values=PIXELS, force_words_ids=[[5]])
    MODEL.generate(pixel_values=PIXELS, force_words_ids=None, max_length=3, use_cache=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_beams": 0}, "num_beams is 0; it must be at least 1"),
        ({"num_beams": 4, "num_beam_groups": 3}, "a divisor of num_beams, 4"),
        ({"num_return_sequences": 2}, "num_return_sequences is 2; it must be at most num_beams, 1"),
        ({"num_beams": 2, "early_stopping": "soon"}, "True, False or 'never'"),
        ({"beam_form": "gnmt"}, "beam_form is 'gnmt'"),
        ({"do_sample": True, "temperature": 0}, "temperature is 0; it must be more than 0"),
        ({"do_sample": True, "top_p": 1.5}, "from 0 to 1"),
        ({"do_sample": True, "top_k": -1}, "top_k is -1"),
        ({"do_sample": True, "min_p": 2}, "min_p is 2"),
        ({"repetition_penalty": 0}, "more than 0"),
        ({"repetition_penalty": float("inf")}, "repetition_penalty is inf; it must be a finite"),
        ({"num_beams": 2, "length_penalty": float("nan")}, "length_penalty is nan; .* a finite"),
        ({"do_sample": True, "temperature": float("inf")}, "temperature is inf; .* a finite"),
        ({"min_length": -1}, "min_length is -1; it must be at least 0"),
        ({"min_new_tokens": -5}, "min_new_tokens is -5, expected a whole number from 0"),
        ({"bad_words_ids": [5]}, "bad_words_ids is 5; it must be lists"),
        ({"bad_words_ids": [[]]}, "none of them empty"),
        ({"num_beams": 4, "num_beam_groups": 2, "do_sample": True}, "do not go together"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        MODEL.generate(pixel_values=PIXELS, **options)


def test_filters_without_draws_warn():
    with pytest.warns(UserWarning, match="top_p does nothing without do_sample=True"):
        MODEL.generate(pixel_values=PIXELS, top_p=0.5, max_length=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MODEL.generate(pixel_values=PIXELS, max_length=3)


def test_a_file_of_defaults():
    """The Hub's files hold `_from_model_config` and versions beside the options."""
    values = {"_from_model_config": True, "eos_token_id": 5, "transformers_version": "4.27.0.dev0"}
    config = GenerationConfig.from_dict(values)
    assert config == GenerationConfig(eos_token_id=5)
    ids = MODEL.generate(pixel_values=PIXELS, generation_config=config, num_beams=2, max_length=6)
    np.testing.assert_array_equal(
        ids, MODEL.generate(pixel_values=PIXELS, eos_token_id=5, num_beams=2, max_length=6)
    )


def test_texts_are_not_cut_at_20_words():
    assert make_plan(
        np.array([[101]]), config=type(CONFIG)(), options=GenerationConfig()
    ).max_length == 50  # fmt: skip
    assert MODEL.generate(pixel_values=PIXELS, min_length=23).shape == (2, 23)


def test_prompts_and_masks_that_cannot_be():
    with pytest.raises(UserError, match=r"attention_mask must be .* \(2, 1\); got \(2, 2\)"):
        MODEL.generate(np.full((2, 1), 2), pixel_values=PIXELS, attention_mask=np.ones((2, 2)))
    with pytest.raises(UserError, match="all padding"):
        MODEL.generate(np.full((2, 1), 2), pixel_values=PIXELS, attention_mask=np.array([[1], [0]]))
    with pytest.raises(UserError, match="word by word"):
        next(MODEL.steps(PIXELS, num_beams=2))


def test_padding_is_found_by_its_token_as_in_the_official_code():
    ids, mask = padded([[2, 9, 4], [2]], "left")
    expected = MODEL.generate(ids, pixel_values=PIXELS, attention_mask=mask, max_length=9)
    np.testing.assert_array_equal(MODEL.generate(ids, pixel_values=PIXELS, max_length=9), expected)
    ones = MODEL.generate(ids, pixel_values=PIXELS, attention_mask=np.ones_like(ids), max_length=9)
    end_is_pad = MODEL.generate(ids, pixel_values=PIXELS, max_length=9, eos_token_id=PAD)
    assert end_is_pad[1, :4].tolist() == ones[1, :4].tolist()
    start = MODEL.generate(np.full((2, 1), PAD), pixel_values=PIXELS, max_length=5)
    bos = MODEL.generate(pixel_values=PIXELS, bos_token_id=PAD, max_length=5)
    np.testing.assert_array_equal(start, bos)


def test_a_cache_must_be_a_beginning_of_the_prompt():
    rng = np.random.default_rng(5)
    ids, mask = padded([[2, 9, 11], [2, 7]], "left")
    cache = text.prefill(memory_of(rng, 2), P, config=CONFIG)
    _, two = text.decode_step(ids[:, :2], cache, P, config=CONFIG, attention_mask=mask[:, :2])
    _, three = text.decode_step(ids[:, 2:], two, P, config=CONFIG)
    expected = run(cache, ids, mask).sequences
    np.testing.assert_array_equal(run(two, ids, mask).sequences, expected)
    with pytest.raises(UserError, match="the cache holds 3 words"):
        run(three, ids, mask)  # nothing is left to read
    with pytest.raises(UserError, match="the cache holds 2 words"):
        run(two, ids, np.ones_like(mask))  # padded in another way
    with pytest.raises(UserError, match="the cache holds 3 words"):
        run(three, ids[:, :2], mask[:, :2])


def test_scores_do_not_depend_on_what_a_cache_held():
    rng = np.random.default_rng(6)
    ids = np.array([[2, 9, 11, 5]])
    cache = text.prefill(memory_of(rng, 1), P, config=CONFIG)
    _, some = text.decode_step(ids[:, :2], cache, P, config=CONFIG)
    options = {"output_log_probabilities": True, "num_beams": 3, "num_return_sequences": 2}
    expected, found = (run(c, ids, **options) for c in (cache, some))
    np.testing.assert_array_equal(found.sequences, expected.sequences)
    a, b = found.log_probabilities, expected.log_probabilities
    np.testing.assert_allclose(a.total, b.total, atol=1e-5)
    np.testing.assert_allclose(a.words, b.words, atol=1e-5)
    lengths = [len(strip(row)) - 4 for row in found.sequences]
    np.testing.assert_allclose(a.mean * lengths, a.total, rtol=1e-5)


@pytest.mark.parametrize("form", ["transformers", "authors"])
def test_texts_that_never_end_are_weighed_by_all_their_words(form):
    found = run(
        memory_of(np.random.default_rng(8), 1),
        np.array([[2, 7]]),
        max_new_tokens=5,
        eos_token_id=[],
        num_beams=3,
        num_return_sequences=3,
        length_penalty=2.0,
        beam_form=form,
        output_log_probabilities=True,
    )
    weight = ((5 + 2 + 5) / 6 if form == "authors" else 5) ** 2
    totals = found.log_probabilities.total
    np.testing.assert_allclose(found.sequences_scores, totals / weight, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "contrastive"),
    [
        ({"penalty_alpha": 0.5, "top_k": 2}, True),
        ({"penalty_alpha": 0.5, "top_k": 4}, True),
        ({"penalty_alpha": 0.5, "top_k": 1}, False),
        ({"penalty_alpha": 0.5, "top_k": 0}, False),
        ({"penalty_alpha": None, "top_k": 4}, False),
        ({"penalty_alpha": 0.0, "top_k": 4}, False),
        ({"penalty_alpha": 0.5, "top_k": 4, "do_sample": True}, False),
    ],
)
def test_contrastive_search_needs_a_penalty_and_a_choice(options, contrastive):
    plan = make_plan(np.array([[2]]), config=CONFIG, options=GenerationConfig().change(options))
    cache = text.prefill(memory_of(np.random.default_rng(1), 1), P, config=CONFIG)
    assert is_contrastive(plan, cache) is contrastive
    told = plan._replace(options=plan.options.change({"output_attentions": True}))
    if contrastive:
        with pytest.raises(UserError, match="ask for no attentions"):
            is_contrastive(told, cache)


def test_several_draws_of_a_prompt_have_attentions_each():
    found = MODEL.generate(
        np.array([[2], [2]]), pixel_values=PIXELS, max_new_tokens=2, do_sample=True, seed=3,
        num_return_sequences=3, eos_token_id=None, output_attentions=True,
        output_hidden_states=True, return_dict_in_generate=True,
    )  # fmt: skip
    assert {len(layer) for layers in found.attentions for layer in layers} == {6}
    assert {len(state) for states in found.hidden_states for state in states} == {6}


def test_where_each_word_of_a_beam_was_found():
    """Of pictures that differ, rows of beams that have not ended are those of their own picture."""
    found = run(
        memory_of(np.random.default_rng(9), 3), np.full((3, 1), 2), max_new_tokens=4,
        eos_token_id=[], num_beams=2, num_return_sequences=2,
    )  # fmt: skip
    pictures = np.arange(3).repeat(2)[:, None]
    assert found.beam_indices.shape == (6, 4)
    assert (found.beam_indices // 2 == pictures).all()
