"""One picture for several questions, several pictures in one batch: the same words as alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from examples import examples
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from PIL import Image

import numpygit
from numpygit.captioner import Captioner
from numpygit.captioner import captioner as captioner_module
from numpygit.cli.commands import main
from numpygit.decoding.wording import Wording
from numpygit.errors import UserError
from numpygit.fast.processes.group import Work, can_fork
from numpygit.fast.processes.model_group import start
from numpygit.huggingface.models import GitForCausalLM, GitVisionModel
from numpygit.huggingface.reading import PictureOptions
from numpygit.model.generate import Step
from numpygit.model.vision import image_tokens
from numpygit.storybook import EXAMPLES
from numpygit.trace import Recorder

QUESTIONS = ["how many stars?", "what is it?", "is it red?", "what is above the big moon?"]


@pytest.fixture(scope="module")
def tiny(write_folder, tmp_path_factory) -> Captioner:
    return numpygit.load(write_folder(tmp_path_factory.mktemp("model") / "tiny"))


def picture(seed: int, size: tuple[int, int] = (18, 18)) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8))


class Counter:
    """An observer that counts how often each tensor passes."""

    def __init__(self) -> None:
        self.times: dict[str, int] = {}

    def __call__(self, name: str, value: np.ndarray) -> None:
        self.times[name] = self.times.get(name, 0) + 1


# ---------------------------------------------------------------- several questions


def test_answers_are_those_of_single_questions(tiny):
    expected = [tiny.answer(picture(1), question) for question in QUESTIONS]
    assert tiny.answers(picture(1), QUESTIONS) == expected
    assert len(set(expected)) > 1


def test_answers_about_a_clip(tiny):
    clip = [picture(1), picture(2)]
    expected = [tiny.answer(clip, question) for question in QUESTIONS]
    assert tiny.answers(clip, QUESTIONS) == expected


def test_the_picture_is_looked_at_once_for_all_questions(tiny, monkeypatch):
    count, memory = Counter(), GitForCausalLM.memory
    monkeypatch.setattr(
        GitForCausalLM, "memory", lambda *a, **k: memory(*a, **{**k, "trace": count})
    )
    tiny.answers(picture(1), QUESTIONS)
    assert count.times["vision.image_tokens"] == 1


def test_the_command_looks_at_the_picture_once(tiny, tmp_path, monkeypatch, capsys):
    count, memory = Counter(), GitForCausalLM.memory
    monkeypatch.setattr(
        GitForCausalLM, "memory", lambda *a, **k: memory(*a, **{**k, "trace": count})
    )
    picture(1).save(tmp_path / "picture.png")
    assert main(["answer", "--model", tiny.name, str(tmp_path / "picture.png"), *QUESTIONS]) == 0
    assert count.times["vision.image_tokens"] == 1
    answers = tiny.answers(picture(1), QUESTIONS)
    lines = [f"{question}: {answer}\n" for question, answer in zip(QUESTIONS, answers, strict=True)]
    assert capsys.readouterr().out == "".join(lines)


def test_a_seen_picture_passes_no_tensor_of_the_picture_again(tiny):
    first, second = Counter(), Recorder()
    cache = tiny.prefill(picture(1), trace=first)
    words = "".join(tiny.stream(cache, QUESTIONS[0], trace=second))
    assert words == tiny.answer(picture(1), QUESTIONS[0])
    assert first.times["vision.image_tokens"] == first.times["image.text.0.weights"] == 1
    assert all(name.startswith("word.") for name in second.tensors)


def test_asking_does_not_change_what_was_seen(tiny):
    cache = tiny.prefill(picture(1))
    before = [layer.k.copy() for layer in cache.image_kv]
    assert tiny.answer(cache, QUESTIONS[0]) == tiny.answer(cache, QUESTIONS[0])
    assert tiny.caption(cache) == tiny.caption(picture(1))
    for layer, copy in zip(cache.image_kv, before, strict=True):
        np.testing.assert_array_equal(layer.k, copy)


def test_the_cache_of_one_picture_serves_several_prompts(tiny):
    cache = tiny.prefill(picture(1))
    prompts = np.array([[2, 40, 41], [2, 42, 43]])
    *_, together = tiny.model.steps(cache, prompts, max_length=9)
    for row, prompt in zip(together.ids, prompts, strict=True):
        *_, alone = tiny.model.steps(cache, prompt[None], max_length=9)
        np.testing.assert_array_equal(row, alone.ids[0])


def test_questions_must_be_a_list_of_questions(tiny):
    assert tiny.answers(picture(1), []) == []
    with pytest.raises(UserError, match="give a list, or use answer"):
        tiny.answers(picture(1), "what is it?")
    with pytest.raises(UserError, match="question is empty"):
        tiny.answers(picture(1), ["what is it?", " "])


# ---------------------------------------------------------------- several pictures


@examples(25, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(5, 40), st.integers(5, 40)), max_size=7),
    st.integers(2, 23),
)
def test_captions_of_a_batch_are_those_of_single_pictures(tiny, drawn, max_length):
    pictures = [picture(seed, (height, width)) for seed, height, width in drawn]
    expected = [tiny.caption(one, max_length=max_length) for one in pictures]
    assert tiny.captions(pictures, max_length=max_length) == expected


def test_stills_and_clips_go_into_one_call(tiny):
    subjects = [picture(1), [picture(2), picture(3)], picture(4), [picture(5)]]
    assert tiny.captions(subjects) == [tiny.caption(one) for one in subjects]


@pytest.mark.parametrize("frames", [None, 4])
def test_a_list_of_pictures_that_is_no_clip_of_the_model_is_told_what_to_do(tiny, frames):
    config = replace(tiny.model.config, num_image_with_embedding=frames)
    embedding = np.zeros((frames or 0, config.vision_config.hidden_size), np.float32)
    vision = replace(tiny.model.params.vision, temporal_embedding=embedding)
    model = GitForCausalLM(config, replace(tiny.model.params, vision=vision))
    captioner = Captioner(model, tiny.processor, "some model")
    pictures = [Image.new("RGB", (30, 30), (200, 40 * i, 0)) for i in range((frames or 0) + 1)]
    takes = "clips of at most 4 frames" if frames else "stills only"
    message = f"one clip, here of {len(pictures)} frames, and some model takes {takes}; .* captions"
    for ask in (captioner.caption, captioner.prefill, lambda clip: captioner.answer(clip, "red?")):
        with pytest.raises(UserError, match=message):
            ask(pictures)
    with pytest.raises(UserError, match=message):
        captioner.captions([pictures[0], pictures])
    assert len(captioner.captions(pictures)) == len(pictures)


def test_no_pictures_have_no_captions(tiny):
    assert tiny.captions([]) == []


def test_a_broken_picture_is_named(tiny, tmp_path: Path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"broken\.png is not a picture"):
        tiny.captions([picture(1), tmp_path / "broken.png"])


def test_in_a_batch_each_caption_ends_at_its_own_end_token(tiny, monkeypatch):
    ids = np.array([[2, 40, 3, 0, 0], [2, 40, 41, 42, 3], [2, 3, 0, 0, 0]])
    last = Step(ids, ids, ids, ids, ids)
    monkeypatch.setattr(tiny.model, "steps", lambda *pixels, **settings: [last])
    decode = tiny.processor.vocabulary.decode
    expected = [decode([40]), decode([40, 41, 42]), ""]
    assert tiny.captions([picture(1), picture(2), picture(3)]) == expected


def streamed(tiny: Captioner, monkeypatch, tokens: list[str]) -> tuple[list[str], list[int]]:
    """Stream these tokens: -> the pieces, and how many tokens had come when each was yielded."""
    token_id = tiny.processor.vocabulary.tokenizer.token_to_id
    ids, come = [token_id(token) for token in tokens], []
    assert None not in ids

    def steps(*pixels: object, **settings: object):
        for count in range(1, len(ids) + 1):
            come.append(count)
            row = np.array([[2, *ids[:count]]])
            yield Step(row, row, row, row, row)

    monkeypatch.setattr(tiny.model, "steps", steps)
    pieces, when = [], []
    for piece in tiny.stream(picture(1)):
        pieces.append(piece)
        when.append(come[-1])
    return pieces, when


def test_a_piece_waits_for_the_next_token_and_no_longer(tiny, monkeypatch):
    pieces, when = streamed(tiny, monkeypatch, ["red", "a", "b", "[SEP]"])
    assert pieces == ["red", " a", " b"]
    assert when == [2, 3, 4]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["red", "?"], ["red", "?"]),
        (["red", ",", "a"], ["red", ",", " a"]),
        (["a", "##b", "c"], ["a", "b", " c"]),
        (["red", "red"], ["red", " red"]),
        (["red"], ["red"]),
        (["[SEP]"], []),
    ],
)
def test_what_a_later_token_changes_was_held_back(tiny, monkeypatch, tokens, expected):
    pieces, _ = streamed(tiny, monkeypatch, tokens)
    assert pieces == expected
    ids = [tiny.processor.vocabulary.tokenizer.token_to_id(token) for token in tokens]
    assert "".join(pieces) == tiny.processor.vocabulary.decode(ids)


def test_beams_are_ids_too(tiny):
    (ids,) = tiny.generate(tiny.processor.pixels(picture(0)), tiny.caption_prompt(), num_beams=2)
    assert isinstance(ids, np.ndarray)
    assert ids.dtype == np.int64


def test_the_authors_search_is_as_long_as_the_model_and_as_theirs(tiny):
    authors = numpygit.load(tiny.name, preprocessing="original")
    for positions, longest in ((23, 23), (1024, 1024), (2000, 1024)):
        config = replace(tiny.model.config, max_position_embeddings=positions)
        model = GitForCausalLM(config, tiny.model.params)
        options = Captioner(model, authors.processor, "tiny").options()
        assert (options.max_length, options.num_beams) == (longest, 4)


@pytest.mark.parametrize(("preprocessing", "needs_config"), [("hf", False), ("original", True)])
def test_the_authors_preprocessing_asks_the_hub_for_the_config_too(
    preprocessing, needs_config, monkeypatch
):
    asked = []

    def find(name, *, files, **options):
        asked.extend(files)
        raise UserError("as far as this")

    monkeypatch.setattr(captioner_module.loading, "find", find)
    with pytest.raises(UserError, match="as far as this"):
        numpygit.load("microsoft/git-base-coco", preprocessing=preprocessing)
    assert ("config.json" in asked) is needs_config
    assert {"preprocessor_config.json", "vocab.txt"} <= set(asked)


def test_the_network_may_be_asked_unless_it_is_forbidden(monkeypatch):
    asked = []

    def find(name, **options):
        asked.append(options["local_files_only"])
        raise UserError("as far as this")

    monkeypatch.setattr(captioner_module.loading, "find", find)
    for more in ({}, {"local_files_only": True}):
        with pytest.raises(UserError, match="as far as this"):
            numpygit.load("somebody/something", **more)
    assert asked == [False, True]


def test_the_page_in_a_notebook_is_900_pixels_high(tiny):
    for asked, height in (({}, 900), ({"height": 300}, 300)):
        live = tiny.play(**asked)
        live.close()
        assert f'height="{height}"' in live._repr_html_()


def test_models_are_arranged_for_speed_and_ports_are_free_unless_said(tiny):
    assert numpygit.load(tiny.name).model.plain is False
    assert numpygit.load(tiny.name, plain=True).model.plain is True
    live = tiny.play()
    live.close()
    assert live.server.server_address[1] >= 1024


def test_a_page_measures_what_mattered_unless_told_not_to(monkeypatch, tiny):
    asked = []
    monkeypatch.setattr(
        "numpygit.inside.explain.explain", lambda *given, **more: asked.append(more)
    )
    tiny.explain(picture(0))
    tiny.explain(picture(0), measure=False)
    assert [more["measure"] for more in asked] == [True, False]


def test_words_are_forbidden_and_words_of_nothing_refused(storybook):
    shown = storybook.caption(EXAMPLES / "sign.png")
    first = shown.split()[1]
    other = numpygit.load("storybook", wording=Wording(forbid=(first,)))
    assert first not in other.caption(EXAMPLES / "sign.png").split()
    for nothing in ("", " ", "\n"):
        wrong = numpygit.load("storybook", wording=Wording(forbid=(nothing,)))
        with pytest.raises(UserError, match="which has no words in it"):
            wrong.caption(EXAMPLES / "sign.png")


def test_who_forbids_the_network_forbids_addresses_of_pictures_too(tiny):
    for more, pictures, offline in (
        ({}, {}, False),
        ({"local_files_only": True}, {}, True),
        ({}, {"local_files_only": True}, True),
        ({"local_files_only": True}, {"local_files_only": True}, True),
    ):
        captioner = numpygit.load(tiny.name, pictures=PictureOptions(**pictures), **more)
        assert captioner.processor.options.local_files_only is offline


@pytest.mark.skipif(not can_fork(), reason="processes need Linux on x86-64")
def test_processes_do_the_work(storybook):
    helped = numpygit.load("storybook", threads=2)
    helped.model.group = start(helped.model.params, helped.model.config, size=3)
    processes = helped.model.group.processes
    done: list[str] = []

    def noted(work: Work) -> Work:
        return lambda rank, **given: done.append(work.func.__name__) or work(rank, **given)

    processes.works = [noted(work) for work in processes.works]
    pictures = sorted(EXAMPLES.glob("*.png"))[:3]

    def worked() -> tuple[list[str], set[str]]:
        found = done[:3], set(done[3:])
        done.clear()
        return found

    every = ["encode_part", "project_part", "prefill_part"], {"words_part"}
    assert helped.captions(pictures) == storybook.captions(pictures)
    assert worked() == every
    for options in ({}, {"num_beams": 3}):
        assert helped.caption(pictures[0], **options) == storybook.caption(pictures[0], **options)
        assert worked() == every
    assert helped.answer(pictures[0], QUESTIONS[0]) == storybook.answer(pictures[0], QUESTIONS[0])
    assert worked() == every
    tower = GitVisionModel(helped.model.config.vision_config, helped.model.params.vision)
    tower.threads, tower.group = 2, helped.model.group
    pixels = helped.pixels(pictures[1])
    expected = image_tokens(pixels, tower.params, config=tower.config)
    np.testing.assert_allclose(tower(pixels).last_hidden_state, expected, atol=1e-5)
    assert worked() == (["encode_part"], set())
    helped.model.group.close()
    assert helped.caption(pictures[0]) == storybook.caption(pictures[0])


@pytest.mark.skipif(not can_fork(), reason="processes need Linux on x86-64")
def test_a_small_model_has_no_processes_by_itself():
    assert numpygit.load("storybook", processes=True).model.group is None
    assert numpygit.load("storybook", threads=2).model.group is None
