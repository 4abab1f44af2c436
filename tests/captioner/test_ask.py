"""Classes from a list, scored captions, several questions: against the uncached definition.

Checks decoding/constrained.py.
"""

import math

import numpy as np
import pytest
from examples import examples
from generation_golden import MODEL
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from numpygit.captioner import Captioner, answers, captions, classify
from numpygit.decoding.constrained import allowed_next, best_of, build_trie, score_texts
from numpygit.decoding.logits import log_softmax
from numpygit.decoding.options import GenerationConfig
from numpygit.errors import UserError
from numpygit.huggingface.models import GitForCausalLM
from numpygit.huggingface.processing.processor import GitProcessor
from numpygit.loading.checkpoint import load
from numpygit.model import text
from numpygit.storybook import EXAMPLES

P, CONFIG = MODEL.params.text, MODEL.config
END = 3


def by_definition(memory: np.ndarray, prompt: list[int], words: list[int]) -> float:
    """Read everything at once; add up the log-probabilities of the words and the end token."""
    ids = [*prompt, *words, END]
    logits, _ = text.forward(memory, np.array([ids[:-1]]), P, config=CONFIG)
    scores = log_softmax(logits[0, -len(words) - 1 :])
    return float(sum(scores[i, word] for i, word in enumerate(ids[len(prompt) :])))


@st.composite
def lists(draw_from: st.DrawFn):
    rng = np.random.default_rng(draw_from(st.integers(0, 10_000)))
    prompt = [2, *rng.integers(4, 61, draw_from(st.integers(0, 3))).tolist()]
    lengths = draw_from(st.lists(st.integers(1, 4), min_size=1, max_size=40))
    texts = [rng.integers(4, 10, n).tolist() for n in lengths]  # few words: many beginnings alike
    return rng.standard_normal((1, 7, 30)).astype(np.float32), prompt, texts


@examples(25)
@given(lists())
def test_scores_are_exact(asked):
    memory, prompt, texts = asked
    cache = text.prefill(memory, P, config=CONFIG)
    found = score_texts(cache, np.array([prompt]), texts, P, config=CONFIG, end=END)
    expected = [by_definition(memory, prompt, words) for words in texts]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@examples(25)
@given(lists())
def test_beams_wide_enough_find_the_best_of_the_list(asked):
    memory, prompt, texts = asked
    texts = [list(words) for words in dict.fromkeys(map(tuple, texts))]
    cache = text.prefill(memory, P, config=CONFIG)
    given = {"config": CONFIG, "top": 3}
    exact = best_of(cache, np.array([prompt]), texts, P, **given)
    found = best_of(cache, np.array([prompt]), texts, P, beams=len(texts) + 1, **given)
    assert [scored.number for scored in found] == [scored.number for scored in exact]
    scores = [scored.log_probability for scored in exact]
    np.testing.assert_allclose([scored.log_probability for scored in found], scores, atol=1e-4)


@examples(25)
@given(lists())
def test_greedy_search_in_a_trie_follows_the_likeliest_branch(asked):
    memory, prompt, texts = asked
    cache = text.prefill(memory, P, config=CONFIG)
    found = best_of(cache, np.array([prompt]), texts, P, config=CONFIG, top=1, beams=1)
    said: list[int] = []
    while END not in said:
        ids = np.array([[*prompt, *said]])
        logits, _ = text.forward(memory, ids, P, config=CONFIG)
        branches = {(*words, END)[len(said)] for words in texts if words[: len(said)] == said}
        said.append(max(branches, key=lambda word: logits[0, -1, word]))
    assert texts[found[0].number] == said[:-1]


def test_a_trie_allows_what_goes_on():
    allowed = allowed_next(build_trie([[5, 6], [5], [7, 8]], END), [2], END)
    assert sorted(allowed(0, np.array([2, 9]))) == [5, 7]
    assert sorted(allowed(0, np.array([2, 9, 5]))) == [END, 6]
    assert allowed(0, np.array([2, 9, 5, 6])) == [END]
    assert allowed(0, np.array([2, 9, 5, 6, END])) == [END]
    assert allowed(0, np.array([2, 9, 44])) == [END]


@pytest.fixture(scope="module")
def captioner(write_folder, tmp_path_factory) -> Captioner:
    folder = write_folder(tmp_path_factory.mktemp("asking") / "tiny")
    return Captioner(GitForCausalLM(*load(folder)), GitProcessor.from_folder(folder), "tiny")


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    return Image.fromarray(pixels)


def labels_of(captioner: Captioner) -> list[str]:
    known = [captioner.processor.vocabulary.tokenizer.id_to_token(i) for i in range(40, 140)]
    plain = [word for word in known if word.isalpha()]
    return [*plain[:6], f"{plain[0]} {plain[7]}", f"{plain[8]} {plain[9]} {plain[1]}"]


def test_classes_of_a_picture(captioner, picture):
    labels = labels_of(captioner)
    found = classify(captioner, picture, labels, top=3)
    everything = classify(captioner, picture, labels, top=len(labels))
    assert found == everything[:3]
    assert sorted(label.label for label in everything) == sorted(labels)
    assert math.isclose(sum(label.share for label in everything), 1, rel_tol=1e-6)
    scores = [label.log_probability for label in everything]
    assert scores == sorted(scores, reverse=True)
    beams = classify(captioner, picture, labels, top=1, beams=6)
    assert beams[0].label == found[0].label
    assert beams[0].share is None


def test_classes_that_cannot_be(captioner, picture):
    with pytest.raises(UserError, match="give labels"):
        classify(captioner, picture, [])
    with pytest.raises(UserError, match=r"give labels, .* got \[' '\]"):
        classify(captioner, picture, ["a", " "])
    with pytest.raises(UserError, match="top is 0"):
        classify(captioner, picture, ["a"], top=0)


def test_answers_are_those_of_one_question_alone(captioner, picture):
    first, second, third, *_ = labels_of(captioner)
    questions = [f"{first}?", f"{second} {third}", second]
    found = list(answers(captioner, picture, questions, max_length=15))
    assert found == [captioner.answer(picture, q, max_length=15) for q in questions]
    with pytest.raises(UserError, match="a question is empty"):
        next(answers(captioner, picture, [" "]))


def test_the_picture_is_encoded_once_for_all_questions(captioner, picture, monkeypatch):
    seen = []
    memory = GitForCausalLM.memory
    monkeypatch.setattr(GitForCausalLM, "memory", lambda *a, **k: seen.append(1) or memory(*a, **k))
    list(answers(captioner, picture, ["a", "b", "c"], max_length=8))
    assert len(seen) == 1


def test_captions_with_scores(captioner, picture):
    found = captions(captioner, picture, num_beams=3, num_return_sequences=2, max_length=9)
    assert len(found) == 2
    for caption in found:
        scores = [score for _, score in caption.words]
        assert math.isclose(caption.log_probability, sum(scores), rel_tol=1e-5)
        assert math.isclose(caption.mean, sum(scores) / len(scores), rel_tol=1e-5)
    greedy = captions(captioner, picture, max_length=9)
    assert [scored.text for scored in greedy] == [captioner.caption(picture, max_length=9)]


def test_placeholders_are_not_said_in_captions(captioner, picture, monkeypatch):
    pixels = captioner.processor.pixels(picture)
    said = captioner.model.generate(pixel_values=pixels, max_length=4)[0, 1:].tolist()
    monkeypatch.setattr(captioner.processor.vocabulary, "placeholders", said)
    other = captions(captioner, picture, max_length=4)[0]
    names = {captioner.processor.vocabulary.tokenizer.id_to_token(i) for i in said}
    assert not names & {word for word, _ in other.words}
    assert other.text == captioner.caption(picture, max_length=4)
    assert captioner.model.generate(pixel_values=pixels, max_length=4)[0, 1:].tolist() == said


def test_the_placeholders_of_a_vocabulary(tmp_path):
    from numpygit.huggingface.processing.vocabulary import from_vocabulary

    tokens = ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused99]"]
    (tmp_path / "vocab.txt").write_text("\n".join([*tokens, "cat"]) + "\n")
    assert from_vocabulary(tmp_path / "vocab.txt").unused() == [1, 2, 7]


def test_scores_need_no_options(captioner, picture):
    options = GenerationConfig().change({"output_log_probabilities": True})
    assert options.output_log_probabilities
    assert len(captions(captioner, picture, max_new_tokens=1)[0].words) == 1


def test_no_texts_and_empty_ones_are_refused():
    cache = text.prefill(np.zeros((1, 7, 30), np.float32), P, config=CONFIG)
    for texts in ([], [[]], [[5], []], [[], [5, 6]]):
        with pytest.raises(UserError, match="at least one text"):
            best_of(cache, np.array([[2]]), texts, P, config=CONFIG, top=1)


def test_five_labels_are_named_unless_more_are_asked_for(captioner, picture):
    labels = labels_of(captioner)
    assert len(classify(captioner, picture, labels)) == 5
    assert len(classify(captioner, picture, labels[:3])) == 3
    assert len(classify(captioner, picture, labels, top=7)) == 7
    assert len(classify(captioner, picture, labels, top=99)) == len(labels)
    assert len(classify(captioner, picture, labels, top=2, beams=4)) == 2


def test_a_text_with_scores_begins_with_what_it_was_given_and_ends_with_its_end(storybook):
    vocabulary = storybook.processor.vocabulary
    end = vocabulary.tokenizer.id_to_token(vocabulary.end_id)
    options = {"num_beams": 8, "num_return_sequences": 8, "length_penalty": 0.0}
    found = captions(storybook, EXAMPLES / "sign.png", begin="a green", **options)
    assert all(one.text.startswith("a green ") for one in found)
    assert len({len(one.words) for one in found}) > 1  # shorter ones were filled up
    for one in found:
        tokens = [token for token, _ in one.words]
        assert end not in tokens[:-1]
        assert one.log_probability == pytest.approx(sum(score for _, score in one.words), abs=1e-4)
        assert one.mean == pytest.approx(one.log_probability / len(one.words), abs=1e-5)


def test_one_label_may_be_asked_for(captioner, picture):
    labels = labels_of(captioner)
    (best,) = classify(captioner, picture, labels, top=1)
    assert best == classify(captioner, picture, labels)[0]
    for top in (0, -1, 1.5, "2", None):
        with pytest.raises(UserError, match="top is"):
            classify(captioner, picture, labels, top=top)


def test_a_text_that_was_cut_short_has_all_its_words(storybook):
    (found,) = captions(storybook, EXAMPLES / "sign.png", max_length=4)
    assert [token for token, _ in found.words] == found.text.split()
    assert len(found.words) == 3
