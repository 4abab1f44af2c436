"""Whatever is asked of generation: cached == uncached, batch == single, left == right padding.

Checks decoding/beams.py, decoding/constrained.py, decoding/contrastive.py, decoding/decode.py,
decoding/logits.py, decoding/plan.py.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from decoding_cases import CONFIG, END, PAD, P, padded, strip
from examples import examples
from generation_golden import MODEL
from hypothesis import given
from hypothesis import strategies as st

from numpygit.decoding.beams import Search, search_beams
from numpygit.decoding.constrained import allowed_next, build_trie
from numpygit.decoding.decode import begin, chooser, steps_of
from numpygit.decoding.options import GenerationConfig
from numpygit.decoding.plan import Calls, make_plan, processors_of
from numpygit.model import text
from numpygit.trace import Recorder


@dataclass
class Request:
    """What `generate` is asked; the options choose words for certain."""

    pixels: np.ndarray | None
    prompts: list[list[int]]
    options: dict
    labels: list[list[int]] | None  # say one of these
    as_vectors: bool  # prompts as inputs_embeds

    def calls(self, prompts: list[list[int]]) -> dict:
        if self.labels is None:
            return {}
        lengths = [0 if self.as_vectors else len(prompt) for prompt in prompts]
        return {
            "prefix_allowed_tokens_fn": allowed_next(build_trie(self.labels, END), lengths, END)
        }

    def memory(self) -> np.ndarray:
        memory = MODEL.memory(self.pixels, interpolate_pos_encoding=True)
        return memory if self.pixels is not None else memory.repeat(len(self.prompts), axis=0)

    def said(self, rows: list[int], side: str = "left") -> list[tuple[list[int], float]]:
        """Ask for some rows as one batch: -> new words, and scores of a beam search."""
        prompts = [self.prompts[row] for row in rows]
        ids, mask = padded(prompts, side)
        words = {"inputs_embeds": P.word_embedding[ids]} if self.as_vectors else {"input_ids": ids}
        pixels = self.pixels
        if pixels is not None and len(pixels) > 1:  # one picture serves all
            pixels = pixels[rows]
        found = MODEL.generate(
            pixel_values=pixels, **words, attention_mask=mask,
            max_new_tokens=8, **self.calls(prompts), **self.options,
            interpolate_pos_encoding=True, return_dict_in_generate=True,
        )  # fmt: skip
        if not self.as_vectors:
            each = self.options["num_return_sequences"]
            np.testing.assert_array_equal(
                found.sequences[:, : ids.shape[1]], ids.repeat(each, axis=0)
            )
        new = found.sequences[:, 0 if self.as_vectors else ids.shape[1] :]
        scores = np.zeros(len(new)) if found.sequences_scores is None else found.sequences_scores
        return [(strip(row), score) for row, score in zip(new, scores.tolist(), strict=True)]


def assert_alike(one: list[tuple[list[int], float]], other: list[tuple[list[int], float]]) -> None:
    """Compare texts and scores; those that stand for missing ones (-1e9) are all alike."""
    assert len(one) == len(other)
    assert [ids for ids, s in one if s > -1e6] == [ids for ids, s in other if s > -1e6]
    np.testing.assert_allclose([s for _, s in one], [s for _, s in other], atol=1e-4, rtol=1e-4)


@st.composite
def requests(draw_from: st.DrawFn):
    """Stills, clips, pictures of another size, or none; several prompts; every sure way to say."""
    rng = np.random.default_rng(draw_from(st.integers(0, 10_000)))
    B = draw_from(st.integers(1, 3))
    shape = draw_from(st.sampled_from(
        [None, (3, 27, 27), (1, 3, 27, 27), (3, 3, 27, 27), (3, 18, 36), (2, 3, 9, 50)]
    ))  # fmt: skip
    pixels = None if shape is None else rng.standard_normal((B, *shape), np.float32)
    prompts = [[2, *rng.integers(4, 61, draw_from(st.integers(0, 4))).tolist()] for _ in range(B)]
    groups = draw_from(st.sampled_from([1, 1, 2]))
    beams = groups * draw_from(st.integers(1, 3))
    options = {
        "num_beams": beams,
        "num_beam_groups": groups,
        "num_return_sequences": draw_from(st.integers(1, beams)),
        "length_penalty": draw_from(st.sampled_from([-1.0, 0.0, 0.6, 2.0])),
        "early_stopping": draw_from(st.sampled_from([False, True, "never"])),
        "beam_form": draw_from(st.sampled_from(["transformers", "authors"])),
        "diversity_penalty": draw_from(st.sampled_from([0.0, 0.8])),
        "repetition_penalty": draw_from(st.sampled_from([1.0, 1.5])),
        "no_repeat_ngram_size": draw_from(st.integers(0, 2)),
        "bad_words_ids": draw_from(st.sampled_from([None, [[5], [9, 11]]])),
        "min_new_tokens": draw_from(st.sampled_from([None, 3])),
        "penalty_alpha": draw_from(st.sampled_from([None, None, 0.5])),
        "top_k": 4,
    }
    labels = None
    if draw_from(st.sampled_from([False, False, True])):
        labels = [rng.integers(4, 10, rng.integers(1, 5)).tolist() for _ in range(12)]
        # a list allows a word or two at times; nothing may be left if these are forbidden too
        options |= {"no_repeat_ngram_size": 0, "bad_words_ids": None, "min_new_tokens": None}
    return Request(pixels, prompts, options, labels, draw_from(st.booleans()))


@pytest.mark.slow
@examples(100)
@given(requests(), st.sampled_from(["left", "right"]))
def test_a_batch_gives_what_its_rows_give_alone(request_, side):
    rows = list(range(len(request_.prompts)))
    alone = [text for row in rows for text in request_.said([row])]
    assert_alike(request_.said(rows, side), alone)
    if request_.labels is not None and request_.options["num_beams"] == 1:
        assert all(ids[:-1] in request_.labels and ids[-1] == END for ids, _ in alone)


@pytest.mark.slow
@examples(60)
@given(requests())
def test_padding_on_the_left_and_on_the_right_are_alike(request_):
    rows = list(range(len(request_.prompts)))
    assert_alike(request_.said(rows, "left"), request_.said(rows, "right"))


@pytest.mark.slow
@examples(60)
@given(requests(), st.randoms(use_true_random=False))
def test_the_order_of_pictures_changes_only_the_order_of_texts(request_, random):
    rows = list(range(len(request_.prompts)))
    order = random.sample(rows, len(rows))
    before, after = request_.said(rows), request_.said(order)
    texts = np.arange(len(before)).reshape(len(rows), -1)[order].ravel()
    assert_alike(after, [before[i] for i in texts])


@pytest.mark.slow
@examples(40)
@given(requests())
def test_one_picture_serves_several_prompts_as_each_alone(request_):
    rows = list(range(len(request_.prompts)))
    if request_.pixels is not None:
        request_.pixels = request_.pixels[:1]
    assert_alike(request_.said(rows), [text for row in rows for text in request_.said([row])])


@pytest.mark.slow
@examples(80)
@given(requests(), st.sampled_from(["left", "right"]))
def test_cached_equals_uncached(request_, side):
    """Before every word, the logits are those of reading the picture and all words again."""
    ids, mask = padded(request_.prompts, side)
    chosen = GenerationConfig().change({"max_new_tokens": 8, **request_.options})
    request_.as_vectors = False
    calls = Calls(**request_.calls(request_.prompts))
    plan = make_plan(ids, config=CONFIG, options=chosen, attention_mask=mask, calls=calls)
    quiet, memory = Recorder("nothing"), request_.memory()
    cache = begin(memory, plan, P, quiet)
    K = request_.options["num_beams"]
    if K == 1:
        steps = steps_of(cache, P, plan, chooser(plan, []), [], quiet)
    else:
        changes = tuple(processors_of(plan, rows_each=K // chosen.num_beam_groups))
        search = Search(
            chosen, plan.prompt, plan.visible_prompt, plan.attention_mask, plan.max_length,
            plan.end, PAD, changes, (), np.random.default_rng(0), text.decode_step,
        )  # fmt: skip
        steps = search_beams(cache, P, search, config=CONFIG)
    before, memory = plan.prompt.repeat(K, axis=0), memory.repeat(K, axis=0)
    for step in steps:
        whole = np.ones(before.shape, np.int64)
        whole[:, : ids.shape[1]] = plan.attention_mask.repeat(K, axis=0)
        logits, _ = text.forward(memory, before, P, config=CONFIG, attention_mask=whole)
        going = ~np.isin(before[:, ids.shape[1] :], END).any(axis=1)  # what an ended text reads is
        np.testing.assert_allclose(step.logits[going], logits[going, -1], atol=5e-5)  # of no use
        before = step.ids
