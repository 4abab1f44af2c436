"""The largest of many numbers, which beam search looks for at every word."""

from dataclasses import replace

import numpy as np
import pytest

from numpygit.decoding.beams import (
    Hypothesis,
    Search,
    add_hypothesis,
    best_candidates,
    hypothesis_score,
    is_done,
    largest,
    split_finished,
)
from numpygit.decoding.options import GenerationConfig
from numpygit.model import text


@pytest.mark.parametrize("size", [8, 255, 2048, 5000])
@pytest.mark.parametrize("kind", ["any", "many equals", "few allowed", "none allowed", "all equal"])
def test_the_largest_and_of_equals_the_first(size, kind):
    rng = np.random.default_rng([size, len(kind)])
    values = rng.standard_normal(size).astype(np.float32)
    if kind == "many equals":
        values = np.round(values)
    elif kind == "few allowed":
        values[rng.permutation(size)[5:]] = -np.inf
    elif kind == "none allowed":
        values[:] = -np.inf
    elif kind == "all equal":
        values[:] = 3
    for count in (1, 2, 8):
        places = largest(values, count)
        assert len(set(places.tolist())) == count
        expected = np.sort(values)[::-1][:count]
        np.testing.assert_array_equal(np.sort(values[places])[::-1], expected)


def test_of_equals_the_first_ones():
    values = np.zeros(10_000, np.float32)
    values[[9_000, 70, 4_000, 71]] = [5, 5, 7, 5]
    assert largest(values, 3).tolist() == [4_000, 70, 71]


def test_not_a_number_is_no_mistake_here():
    values = np.arange(5_000, dtype=np.float32)
    values[::300] = np.nan
    assert len(largest(values, 4)) == 4


# ---------------------------------------------------------------- one step, by hand


def search_of(prompt: int = 2, **options: object) -> Search:
    """A search from a prompt of so many words; 3 ends a text."""
    ids = np.full((1, prompt), 9)
    chosen = GenerationConfig().change({"num_beams": 2, **options})
    return Search(
        options=chosen, prompt=ids, visible_prompt=ids, attention_mask=np.ones_like(ids),
        max_length=12, end=(3,), pad=0, processors=(), bias=(), rng=np.random.default_rng(0),
        decode_step=text.decode_step,
    )  # fmt: skip


def hypothesis(score: float) -> Hypothesis:
    return Hypothesis(score, np.array([9, 9, 3]), np.array([0]))


def scores(found: list[Hypothesis]) -> list[float]:
    return [one.score for one in found]


def test_there_are_candidates_enough_if_every_beam_ends_in_every_way():
    logits = np.random.default_rng(1).standard_normal((4, 30)).astype(np.float32)
    totals = np.zeros((2, 2), np.float32)
    for ends, nodes, count in (((3,), 2, 4), ((), 2, 4), ((3, 4, 5), 2, 8), ((3,), 5, 10)):
        for draws in (False, True):
            search = search_of(per_node_beam_size=nodes, do_sample=draws, top_k=0)
            found = best_candidates(logits, totals, replace(search, end=ends))
            assert found.total.shape == found.word.shape == found.beam.shape == (2, count)
            assert (np.diff(found.total, axis=1) <= 0).all()
            assert found.word.max() < 30
            assert set(found.beam.ravel().tolist()) <= {0, 1}
    few = best_candidates(logits[:, :3], totals, search_of())
    assert few.total.shape == (2, 4)
    assert best_candidates(logits[:, :1], totals, search_of()).total.shape == (2, 2)


def test_candidates_are_the_sums_of_beam_and_word():
    logits = np.array([[-1.0, -2.0, -3.0], [-1.5, -0.5, -9.0]], np.float32)
    found = best_candidates(logits, np.array([[-1.0, -1.0]], np.float32), search_of())
    np.testing.assert_array_equal(found.total, [[-1.5, -2.0, -2.5, -3.0]])
    np.testing.assert_array_equal(found.word, [[1, 0, 0, 1]])
    np.testing.assert_array_equal(found.beam, [[1, 0, 1, 0]])


@pytest.mark.parametrize(
    ("words", "form", "ended", "going"),
    [
        ([5, 6, 3, 7], "transformers", 0, [5, 6]),  # two go on: the end comes too late
        ([5, 3, 6, 7], "transformers", 1, [5, 6]),
        ([3, 3, 6, 7], "transformers", 2, [6, 7]),
        ([3, 5, 3, 7], "transformers", 1, [5, 7]),  # the second end is not among the best two
        ([3, 5, 3, 7], "authors", 2, [5, 7]),  # with the authors every end counts
    ],
)
def test_ends_count_among_the_best_and_the_others_go_on(words, form, ended, going):
    search = search_of(beam_form=form, num_return_sequences=2, length_penalty=0.0)
    totals = np.array([-1.0, -2.0, -3.0, -4.0], np.float32)
    ids, rows = np.array([[9, 9], [9, 9]]), np.zeros((2, 0), np.int64)
    found = (totals, np.array(words), np.array([0, 1, 1, 0]))
    kept, (left, new, from_rows) = split_finished(found, [], ids, rows, 2, 0, search)
    assert len(kept) == ended
    assert new.tolist() == going
    assert len(left) == len(from_rows) == 2
    assert all(one.ids.tolist() == [9, 9, 3] and len(one.rows) == 1 for one in kept)
    assert scores(kept) == [-1.0 - i for i in range(4) if words[i] == 3][:ended]


def test_of_equal_texts_those_that_came_first_stay():
    search = search_of(num_return_sequences=1)
    kept = add_hypothesis([], hypothesis(-2.0), 2, search)
    kept = add_hypothesis(kept, hypothesis(-1.0), 2, search)
    assert scores(kept) == [-2.0, -1.0]
    same = add_hypothesis(kept, hypothesis(-2.0), 2, search)
    assert same is kept
    assert scores(add_hypothesis(kept, hypothesis(-3.0), 2, search)) == [-2.0, -1.0]
    assert scores(add_hypothesis(kept, hypothesis(-1.5), 2, search)) == [-1.0, -1.5]
    authors = search_of(num_return_sequences=1, beam_form="authors")
    one = add_hypothesis([], hypothesis(-2.0), 2, authors)
    assert scores(add_hypothesis(one, hypothesis(-1.0), 2, authors)) == [-1.0]  # as many as wanted


@pytest.mark.parametrize("penalty", [-1.0, 0.0, 0.6, 2.0])
def test_texts_are_weighed_by_their_length(penalty):
    search = search_of(prompt=2, length_penalty=penalty)
    for length in (3, 5, 9):
        expected = -6.0 / (length - 2) ** penalty  # words that are new, the end among them
        for ended in (True, False):
            assert hypothesis_score(-6.0, length, ended, 0, search) == pytest.approx(expected)
    authors = search_of(prompt=2, length_penalty=penalty, beam_form="authors")
    for length in (3, 5, 9):
        for ended in (True, False):  # all words, without the end
            expected = -6.0 / ((5 + length - ended) / 6) ** penalty
            assert hypothesis_score(-6.0, length, ended, 0, authors) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "kept", "best", "done"),
    [
        ({}, [-1.0], -9.0, False),  # a text is missing yet
        ({"early_stopping": True}, [-1.0, -8.0], -0.1, True),
        ({"early_stopping": True}, [-1.0], -0.1, False),
        ({"length_penalty": 0.0}, [-1.0, -2.0], -2.0, True),  # as good is no better
        ({"length_penalty": 0.0}, [-1.0, -2.0], -1.9, False),
        ({"length_penalty": 1.0}, [-1.0, -2.0], -6.0, True),  # -6 by three new words
        ({"length_penalty": 1.0}, [-1.0, -2.0], -5.9, False),
        ({"length_penalty": 1.0, "early_stopping": "never"}, [-1.0, -2.0], -6.0, False),
        ({"length_penalty": 1.0, "early_stopping": "never"}, [-1.0, -2.0], -20.0, True),  # by ten
        ({"length_penalty": -1.0, "early_stopping": "never"}, [-1.0, -6.0], -2.0, True),  # by three
        ({"length_penalty": 1.0, "beam_form": "authors"}, [-2.0], -5.34, True),  # by (5 + 11) / 6
        ({"length_penalty": 1.0, "beam_form": "authors"}, [-2.0], -5.32, False),
    ],
)
def test_a_search_is_done_when_nothing_can_become_better(options, kept, best, done):
    search = search_of(prompt=2, **options)
    texts = [hypothesis(score) for score in kept]
    assert is_done(texts, best, 5, 2, 0, search) is done
