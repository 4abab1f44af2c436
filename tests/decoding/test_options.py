"""generation_config.json, and what config.json says of generation: read, obeyed, written.

Checks decoding/options/checks.py, decoding/options/config.py, decoding/options/kinds.py,
decoding/options/files.py.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from golden_inputs import TINY, tiny_inputs, tiny_model
from PIL import Image

import numpygit
from numpygit import GenerationConfig, GitConfig, GitForCausalLM, UserError
from numpygit.captioner import answers, captions
from numpygit.decoding.options import AUTHORS
from numpygit.decoding.options.checks import warn_of_idle
from numpygit.decoding.options.files import load_options, save_options
from numpygit.loading.fields import MOST_BEAMS

MODEL = tiny_model()
PIXELS = tiny_inputs("still")["pixel_values"]
# as it stands on the Hub beside every official checkpoint
OFFICIAL = {
    "_from_model_config": True, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0,
    "transformers_version": "4.27.0.dev0",
}  # fmt: skip


def saved(folder: Path, options: object, **config: object) -> Path:
    """Write the tiny model with a generation_config.json; a text is written as it is."""
    model = GitForCausalLM(GitConfig.from_dict({**MODEL.config.to_dict(), **config}), MODEL.params)
    model.save_pretrained(folder)
    content = options if isinstance(options, str) else json.dumps(options)
    (folder / "generation_config.json").write_text(content)
    return folder


def test_an_official_file_changes_nothing(tmp_path: Path) -> None:
    model = GitForCausalLM.from_pretrained(saved(tmp_path, OFFICIAL))
    assert model.generation_config == MODEL.generation_config
    assert model.generation_config.max_length is None
    np.testing.assert_array_equal(
        model.generate(pixel_values=PIXELS), MODEL.generate(pixel_values=PIXELS)
    )
    twenty = {**OFFICIAL, "max_length": 20}  # what transformers writes for every model
    model = GitForCausalLM.from_pretrained(saved(tmp_path, twenty))
    assert model.generate(pixel_values=PIXELS, min_length=23).shape == (2, 23)


@pytest.mark.parametrize("seed", [-1, 2.5, "7"])
def test_a_seed_is_a_whole_number(seed: object) -> None:
    with pytest.raises(UserError, match="seed is"):
        GenerationConfig().change({"do_sample": True, "seed": seed})


def test_generate_takes_its_defaults_from_the_file(tmp_path: Path) -> None:
    options = {"num_beams": 3, "max_length": 11, "eos_token_id": 60, "no_repeat_ngram_size": 1,
               "sequence_bias": [[[9, 4], 3.0], [[40], -2.0]], "top_k": None}  # fmt: skip
    model = GitForCausalLM.from_pretrained(saved(tmp_path, options))
    given = {**options, "sequence_bias": {(9, 4): 3.0, (40,): -2.0}, "top_k": 50}
    expected = MODEL.generate(pixel_values=PIXELS, **given)
    np.testing.assert_array_equal(model.generate(pixel_values=PIXELS), expected)
    assert expected.tolist() != MODEL.generate(pixel_values=PIXELS, max_length=11).tolist()
    fewer = model.generate(
        pixel_values=PIXELS, num_beams=1, max_length=6
    )  # the call has the last word
    np.testing.assert_array_equal(
        fewer, MODEL.generate(pixel_values=PIXELS, **{**given, "num_beams": 1, "max_length": 6})
    )
    own = model.generate(pixel_values=PIXELS, generation_config=GenerationConfig(max_length=6))
    np.testing.assert_array_equal(own, MODEL.generate(pixel_values=PIXELS, max_length=6))
    model.generation_config.num_beams = 1
    model.generation_config.max_length = 6
    np.testing.assert_array_equal(model.generate(pixel_values=PIXELS), fewer)


def test_an_older_checkpoint_has_its_options_in_config_json(tmp_path: Path) -> None:
    folder = saved(tmp_path, OFFICIAL, num_beams=2, max_length=9, seed=5, eos_token_id=60)
    assert GitForCausalLM.from_pretrained(folder).generation_config.num_beams == 1  # the file rules
    (folder / "generation_config.json").unlink()
    found = GitForCausalLM.from_pretrained(folder).generation_config
    assert (found.num_beams, found.max_length, found.eos_token_id) == (2, 9, 60)
    assert found.seed is None  # a seed of training is none of drawing words
    config = GitConfig(max_length=20, bos_token_id=7)
    assert GenerationConfig.from_model_config(config) == GenerationConfig(
        bos_token_id=7, eos_token_id=102, pad_token_id=0
    )


def test_options_come_back_as_they_were_saved(tmp_path: Path) -> None:
    model = GitForCausalLM(MODEL.config, MODEL.params)
    model.generation_config = GenerationConfig(
        num_beams=4, eos_token_id=[3, 17], bad_words_ids=[[5], [9, 11]], beam_form="authors",
        sequence_bias={(5, 6): -1.5}, exponential_decay_length_penalty=[2, 1.5],
        early_stopping=True,
    )  # fmt: skip
    model.save_pretrained(tmp_path)
    found = GitForCausalLM.from_pretrained(tmp_path).generation_config
    assert found == model.generation_config
    file = json.loads((tmp_path / "generation_config.json").read_text())
    assert file["sequence_bias"] == [[[5, 6], -1.5]]
    assert "num_return_sequences" not in file
    assert GenerationConfig.from_pretrained(tmp_path).num_beams == 4
    GenerationConfig(num_beams=2).save_pretrained(tmp_path / "alone")
    assert GenerationConfig.from_pretrained(tmp_path / "alone") == GenerationConfig(num_beams=2)
    with pytest.raises(AttributeError):
        model.generation_config.num_beam = 3  # a slip of the pen sets nothing


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "generation_config.json"),
        ("[1]", "generation_config.json"),
        ({"num_beams": "four"}, "num_beams is 'four', expected a whole number from 1 to 256"),
        ({"num_beams": 2.5}, "num_beams is 2.5, expected a whole number"),
        ({"num_beams": True}, "num_beams is True, expected a whole number"),
        ({"do_sample": 1}, "do_sample is 1, expected true or false"),
        ({"max_time": "soon"}, "max_time is 'soon', expected a number"),
        ({"early_stopping": "soon"}, "True, False or 'never'"),
        ({"eos_token_id": [3, "end"]}, "eos_token_id is .*, expected a whole number .* or a list"),
        ({"bad_words_ids": "swear"}, "bad_words_ids is 'swear', expected a list of a list"),
        ({"bad_words_ids": [5]}, r"bad_words_ids is \[5\], expected"),
        ({"sequence_bias": [[5, 6]]}, r"sequence_bias is \[\[5, 6\]\], expected a list of a list"),
        ({"sequence_bias": {"5": 1.0}}, "sequence_bias is"),
        ({"num_beams": 0}, "num_beams is 0, expected a whole number from 1 to 256"),
    ],
)
def test_a_file_that_cannot_be_is_told_in_plain_words(
    content: object, message: str, tmp_path: Path
) -> None:
    folder = saved(tmp_path, content)
    with pytest.raises(UserError, match=message) as told:
        GitForCausalLM.from_pretrained(folder)
    assert "generation_config.json" in str(told.value)
    assert "\n" not in str(told.value)
    with pytest.raises(UserError, match=message):
        numpygit.decoding.GenerationConfig.from_pretrained(folder)


def test_options_for_what_is_not_here_are_told_and_left_out(tmp_path: Path) -> None:
    folder = saved(tmp_path, {"guidance_scale": 1.5, "dola_layers": "low", "max_length": 7})
    with (
        pytest.warns(UserWarning, match=r"generate has no guidance_scale: .*; it is ignored"),
        pytest.warns(UserWarning, match=r"generate has no dola_layers: .*; it is ignored"),
    ):
        model = GitForCausalLM.from_pretrained(folder)
    assert model.generation_config.max_length == 7
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GitForCausalLM.from_pretrained(saved(tmp_path, {"guidance_scale": 1, "temperature": 0.5}))


@pytest.mark.parametrize(
    "options",
    [
        {"suppress_tokens": [61]},
        {"begin_suppress_tokens": [-1]},
        {"bad_words_ids": [[5, 61]]},
        {"sequence_bias": {(5, 99): 1.0}},
        {"forced_bos_token_id": 61},
        {"forced_eos_token_id": [3, 61]},
    ],
)
def test_options_name_words_of_the_vocabulary(options: dict) -> None:
    with pytest.raises(UserError, match="must name tokens from 0 to 60, the vocabulary; got"):
        MODEL.generate(pixel_values=PIXELS, **options)
    never = {"eos_token_id": 99, "min_new_tokens": 2, "max_length": 5}  # it just never comes
    never |= {"exponential_decay_length_penalty": (1, 1.5)}
    assert MODEL.generate(pixel_values=PIXELS, **never).shape == (2, 5)


# ---------------------------------------------------------------- several end tokens


def test_a_config_may_name_several_end_tokens(tmp_path: Path) -> None:
    """5.x writes them so."""
    model = GitForCausalLM.from_pretrained(saved(tmp_path, {}, eos_token_id=[3, 13, 33]))
    assert model.config.eos_token_id == [3, 13, 33]
    for options in ({}, {"num_beams": 3}, {"penalty_alpha": 0.6, "top_k": 4}):
        found = model.generate(pixel_values=PIXELS, **options)
        np.testing.assert_array_equal(
            found, MODEL.generate(pixel_values=PIXELS, **options, eos_token_id=[3, 13, 33])
        )
        assert np.isin(found[:, 1:], [3, 13, 33]).any(axis=1).all()
        assert found.shape[1] < 23
    (*_, last) = model.steps(PIXELS)
    np.testing.assert_array_equal(last.ids, model.generate(pixel_values=PIXELS))
    model(np.array([[2, 7]]))  # looks for padding at the ends of prompts
    scored = model.generate(
        pixel_values=PIXELS, return_dict_in_generate=True, output_log_probabilities=True
    )
    assert (scored.log_probabilities.words[:, -1] != 0).any()


@pytest.mark.parametrize("ends", [["end"], [], [3, -1], [3.5], [True]])
def test_end_tokens_that_cannot_be(ends: list, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": ends}))
    with pytest.raises(UserError, match=r"config\.json: eos_token_id is"):
        GitConfig.from_pretrained(tmp_path)


# ---------------------------------------------------------------- captions obey it too


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8))


def test_captions_and_answers_follow_the_file(tiny_folder: Path, picture: Image.Image) -> None:
    options = {"num_beams": 3, "max_new_tokens": 6, "num_return_sequences": 2,
               "return_dict_in_generate": True, "suppress_tokens": [50]}  # fmt: skip
    (tiny_folder / "generation_config.json").write_text(json.dumps(options))
    captioner = numpygit.load(tiny_folder)
    vocabulary = captioner.processor.vocabulary
    pixels = captioner.pixels(picture)
    quiet = {"suppress_tokens": [50, *vocabulary.unused()]}
    best = captioner.model.generate(pixel_values=pixels, **quiet).sequences[0, 1:]
    assert captioner.caption(picture) == vocabulary.decode(best.tolist())
    assert captioner.captions([picture, picture]) == [vocabulary.decode(best.tolist())] * 2
    longer = captioner.model.generate(
        pixel_values=pixels, **quiet, max_new_tokens=None, max_length=9
    )
    expected = vocabulary.decode(longer.sequences[0, 1:].tolist())
    assert captioner.caption(picture, max_length=9) == expected  # the caller has the last word
    question = vocabulary.tokenizer.id_to_token(60)
    (answer,) = answers(captioner, picture, [question])
    assert answer == captioner.answer(picture, question)
    found = captions(captioner, picture, num_return_sequences=2)
    assert [found[0].text, len(found)] == [captioner.caption(picture), 2]


def test_asking_the_authors_way_is_their_search(tiny_folder: Path, picture: Image.Image) -> None:
    captioner = numpygit.load(tiny_folder, preprocessing="original")
    question = captioner.processor.vocabulary.tokenizer.id_to_token(60)
    (found,) = captions(captioner, picture)
    assert found.text == captioner.caption(picture)
    assert list(answers(captioner, picture, [question])) == [captioner.answer(picture, question)]
    options = captioner.options()
    assert (options.num_beams, options.beam_form) == (AUTHORS.num_beams, "authors")
    assert len(captions(captioner, picture, num_return_sequences=3)) == 3


# ---------------------------------------------------------------- head masks


@pytest.mark.parametrize("beams", [1, 3])
def test_a_head_mask_holds_in_generate(beams: int) -> None:
    """4.37.2 takes it and forgets it."""
    mask = np.ones((3, 5), np.float32)
    mask[:, [0, 2]] = 0
    given = {"num_beams": beams, "max_length": 12}
    found = MODEL.generate(
        pixel_values=PIXELS,
        head_mask=mask,
        **given,
        return_dict_in_generate=True,
        output_attentions=True,
    )
    pruned = GitForCausalLM(MODEL.config, MODEL.params)
    pruned.prune_heads({layer: [0, 2] for layer in range(3)})
    np.testing.assert_array_equal(found.sequences, pruned.generate(pixel_values=PIXELS, **given))
    assert (found.sequences[:, :8] != MODEL.generate(pixel_values=PIXELS, **given)[:, :8]).any()
    for step in found.attentions:
        for layer in step:
            assert not layer[:, [0, 2]].any()
            np.testing.assert_allclose(layer[:, [1, 3, 4]].sum(axis=-1), 1, rtol=1e-5)
    called = MODEL(np.array([[2]] * 2), pixel_values=PIXELS, head_mask=mask, output_attentions=True)
    if beams == 1:
        np.testing.assert_allclose(found.attentions[0][1], called.attentions[1], atol=1e-5)
    with pytest.raises(UserError, match="head_mask must be of shape"):
        MODEL.generate(pixel_values=PIXELS, head_mask=np.ones(4))


def test_the_tiny_checkpoint_has_no_options_of_its_own() -> None:
    assert not (TINY / "generation_config.json").exists()
    assert GitForCausalLM.from_pretrained(TINY).generation_config == GenerationConfig(
        bos_token_id=2, eos_token_id=3, pad_token_id=0
    )


def test_defaults_are_those_of_the_documentation_of_transformers():
    official = {
        "min_length": 0, "do_sample": False, "early_stopping": False, "num_beams": 1,
        "num_beam_groups": 1, "temperature": 1.0, "top_k": 50, "top_p": 1.0, "typical_p": 1.0,
        "epsilon_cutoff": 0.0, "eta_cutoff": 0.0, "diversity_penalty": 0.0,
        "repetition_penalty": 1.0, "length_penalty": 1.0, "no_repeat_ngram_size": 0,
        "num_return_sequences": 1, "renormalize_logits": False, "remove_invalid_values": False,
        "output_scores": False, "return_dict_in_generate": False, "use_cache": True,
    }  # fmt: skip
    options = GenerationConfig()
    assert {name: getattr(options, name) for name in official} == official


@pytest.mark.parametrize("value", ["", (), {}, ["hot"], [[]]])
def test_nothing_and_lists_are_checked_like_other_values(value):
    with pytest.raises(UserError, match="temperature"):
        GenerationConfig().change({"temperature": value})


AT_MOST = {  # option -> values that may be, values that may not; beams are bounded by 10,000
    "num_beams": ((1, MOST_BEAMS), (0, -1, MOST_BEAMS + 1)),
    "per_node_beam_size": ((2, 3), (1, 0)),
    "temperature": ((0.01, 1.0, 99.0), (0.0, -1.0)),
    "top_p": ((0.0, 0.5, 1.0), (-0.01, 1.01)),
    "typical_p": ((0.01, 1.0), (0.0, 1.01, 2.0)),
    "min_p": ((0.0, 1.0), (-0.01, 1.01)),
    "top_k": ((0, 1, 10**9), (-1, 10**9 + 1, -(10**9) - 1)),
    "min_length": ((0, 1), (-1,)),
    "repetition_penalty": ((0.01, 2.0), (0.0, -1.0)),
    "no_repeat_ngram_size": ((0, 1, 10**9), (-1, 10**9 + 1)),
    "max_length": ((1, 10**99), (10**99 + 1, -(10**99) - 1)),
    "pad_token_id": ((0, 10**9, -(10**9)), (10**9 + 1, -(10**9) - 1)),
    "bad_words_ids": (([[1]], [[1, 2]]), ([[]], [[1], []])),
}


@pytest.mark.parametrize("name", AT_MOST)
def test_options_at_their_bounds(name: str) -> None:
    may_be, may_not = AT_MOST[name]
    for value in may_be:
        made = GenerationConfig(**{name: value}, do_sample=True).change({"seed": 1})
        assert getattr(made, name) == value
    for value in may_not:
        with pytest.raises(UserError, match=name):
            GenerationConfig(**{name: value}, do_sample=True).change({"seed": 1})


def test_numbers_beyond_all_sense_are_told_by_their_range() -> None:
    """-1 is told as too few; what is beyond a thousand million is refused before that."""
    for name in ("top_k", "num_beams", "no_repeat_ngram_size"):
        with pytest.raises(UserError, match=f"{name} is -1000000000; it must be at least"):
            GenerationConfig(**{name: -(10**9)}).change({"seed": 1})
        with pytest.raises(UserError, match="a whole number"):
            GenerationConfig(**{name: -(10**9) - 1})
    for name in ("max_length", "max_new_tokens"):
        GenerationConfig(**{name: -(10**99)})  # told when the model's positions are known


def test_as_many_texts_as_there_are_beams_or_draws() -> None:
    for beams, draws, most in ((1, False, 1), (4, False, 4), (4, True, 4), (1, True, MOST_BEAMS)):
        given = {"num_beams": beams, "do_sample": draws, "top_k": 0}
        GenerationConfig().change({**given, "num_return_sequences": most})
        for texts in (0, -1, most + 1):
            with pytest.raises(UserError, match="num_return_sequences"):
                GenerationConfig().change({**given, "num_return_sequences": texts})


def test_groups_divide_the_beams() -> None:
    for beams, groups in ((4, 1), (4, 2), (4, 4), (1, 1)):
        GenerationConfig().change({"num_beams": beams, "num_beam_groups": groups})
    for beams, groups in ((4, 3), (4, 0), (4, -2), (4, 8)):
        with pytest.raises(UserError, match="num_beam_groups"):
            GenerationConfig().change({"num_beams": beams, "num_beam_groups": groups})
    GenerationConfig().change({"num_beams": 4, "num_beam_groups": 1, "do_sample": True})


def test_every_filter_without_draws_warns_by_its_name() -> None:
    values = {"temperature": 2.0, "top_p": 0.5, "min_p": 0.5, "typical_p": 0.5,
              "epsilon_cutoff": 0.5, "eta_cutoff": 0.5}  # fmt: skip
    for name, value in values.items():
        with pytest.warns(UserWarning, match=f"{name} does nothing without do_sample=True"):
            warn_of_idle(GenerationConfig(**{name: value}))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warn_of_idle(GenerationConfig(**{name: value}, do_sample=True))
            warn_of_idle(GenerationConfig())


def test_options_as_json(tmp_path: Path) -> None:
    options = GenerationConfig(num_beams=4, max_length=9)
    assert options.to_json_string() == '{\n  "max_length": 9,\n  "num_beams": 4\n}\n'
    everything = options.to_json_string(use_diff=False)
    assert '  "top_k": 50' in everything
    assert list(json.loads(everything)) == sorted(json.loads(everything))
    save_options(tmp_path / "a" / "new" / "folder", options)
    save_options(tmp_path / "a" / "new" / "folder", options)  # which is there by now
    assert load_options(tmp_path / "a" / "new" / "folder") == options


def test_options_that_are_not_here_have_the_value_that_is_off() -> None:
    config = GenerationConfig()
    off = {"num_assistant_tokens": 5, "num_assistant_tokens_schedule": "heuristic",
           "guidance_scale": None, "encoder_repetition_penalty": 1.0,
           "encoder_no_repeat_ngram_size": 0, "generation_kwargs": {},
           "_from_model_config": False}  # fmt: skip
    assert {name: getattr(config, name) for name in off} == off
    with pytest.raises(AttributeError, match="did you mean 'num_beams'"):
        _ = config.num_beam
    with pytest.raises(UserError, match="did you mean 'num_beams'"):
        config.change({"num_beam": 2})


def test_options_as_a_dict_are_what_a_file_holds() -> None:
    options = GenerationConfig(pad_token_id=5, eos_token_id=7, sequence_bias={(1, 2): 0.5},
                               generator=np.random.default_rng(1))  # fmt: skip
    values = options.to_dict()
    assert (values["pad_token_id"], values["eos_token_id"]) == (5, 7)
    assert values["sequence_bias"] == [[[1, 2], 0.5]]
    assert "generator" not in values
    assert values["top_k"] == 50
    assert options.to_diff_dict() == {
        "pad_token_id": 5, "eos_token_id": 7, "sequence_bias": [[[1, 2], 0.5]],
    }  # fmt: skip
    options.pad_token_id = None  # the end token pads
    options.eos_token_id = None  # nothing ends a text
    assert options.to_dict()["pad_token_id"] is None
    assert options.to_dict()["eos_token_id"] is None
    assert options.to_diff_dict()["eos_token_id"] == []
    assert options.never_ends
    assert not GenerationConfig().never_ends
    assert GenerationConfig().to_dict()["eos_token_id"] is None
    assert GenerationConfig().to_diff_dict() == {}


def test_twenty_words_that_nobody_has_chosen_are_left_out() -> None:
    """Files made from a model's config repeat transformers' default of 20."""
    for length, expected in ((20, None), (19, 19), (21, 21)):
        values = {"_from_model_config": True, "max_length": length}
        assert GenerationConfig.from_dict(values).max_length == expected
        assert GenerationConfig.from_dict({"max_length": length}).max_length == length
        config = GitConfig()
        config.max_length = length
        assert GenerationConfig.from_model_config(config).max_length == expected


def test_minus_one_pads_with_the_end_token() -> None:
    options = GenerationConfig.from_dict({"pad_token_id": -1})
    assert options.to_dict()["pad_token_id"] is None


def test_flags_may_be_one_and_zero() -> None:
    for value in (1, True, np.True_):
        assert GenerationConfig(do_sample=value).do_sample is True
    for value in (0, False, np.False_):
        assert GenerationConfig(do_sample=value).do_sample is False
    for value in (2, -1, "yes", 1.5):
        with pytest.raises(UserError, match="do_sample"):
            GenerationConfig(do_sample=value)
    with pytest.raises(UserError, match="generator"):
        GenerationConfig(generator=3)


def test_whole_numbers_may_be_written_with_a_point() -> None:
    assert GenerationConfig().change({"top_k": 1e9}).top_k == 10**9
    assert GenerationConfig(num_beams=4.0).num_beams == 4


def test_options_show_what_was_changed(tmp_path: Path) -> None:
    options = GenerationConfig(num_beams=4, top_k=3)
    assert repr(options) == "GenerationConfig(num_beams=4, top_k=3)"
    assert repr(GenerationConfig()) == "GenerationConfig()"
    options.to_json_file(tmp_path / "a.json", keys_to_pop=["top_k"])
    assert (tmp_path / "a.json").read_text() == '{\n  "num_beams": 4\n}\n'
