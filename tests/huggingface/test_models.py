"""The three classes: arguments, outputs, continuing from a cache, and what they refuse.

Checks huggingface/arguments.py, huggingface/call.py, huggingface/edit_params.py,
huggingface/outputs.py, huggingface/models/causal_lm.py, huggingface/models/towers.py,
loading/random_weights.py.
"""

import inspect
import warnings

import numpy as np
import pytest
from golden_inputs import tiny_inputs, tiny_model

from numpygit import GitConfig, GitForCausalLM, GitModel, GitVisionConfig, GitVisionModel, UserError
from numpygit.huggingface.edit_params import mask_heads
from numpygit.trace import Recorder

MODEL = tiny_model()
BODY = GitModel(MODEL.config, MODEL.params)
TOWER = GitVisionModel(MODEL.config.vision_config, MODEL.params.vision)
STILL, CLIP = tiny_inputs("still"), tiny_inputs("clip")
IDS, PIXELS = STILL["input_ids"], STILL["pixel_values"]
CLOSE = {"atol": 3e-5}
STRETCHED = {"interpolate_pos_encoding": True}


# ---------------------------------------------------------------- signatures, shapes, outputs


def test_arguments_have_the_documented_names_and_order() -> None:
    body = ["input_ids", "attention_mask", "position_ids", "pixel_values", "head_mask",
            "inputs_embeds"]  # fmt: skip
    rest = ["past_key_values", "use_cache", "output_attentions", "output_hidden_states",
            "return_dict"]  # fmt: skip
    names = list(inspect.signature(MODEL.forward).parameters)
    assert names[: len(body) + len(rest) + 1] == [*body, "labels", *rest]
    assert {"interpolate_pos_encoding", "logits_to_keep"} <= set(names)
    names = list(inspect.signature(BODY.forward).parameters)
    assert names[: len(body) + len(rest)] == [*body, *rest]
    assert next(iter(inspect.signature(TOWER.forward).parameters)) == "pixel_values"


@pytest.mark.parametrize(
    "pixels", [None, PIXELS, CLIP["pixel_values"], CLIP["pixel_values"][:, :1]]
)
@pytest.mark.parametrize("mask", [None, STILL["attention_mask"]])
def test_shapes(pixels: np.ndarray | None, mask: np.ndarray | None) -> None:
    M = 0 if pixels is None else 10 * (1 if pixels.ndim == 4 else pixels.shape[1])
    asked = {"pixel_values": pixels, "attention_mask": mask, "output_attentions": True,
             "output_hidden_states": True}  # fmt: skip
    outputs = MODEL(IDS, **asked)
    assert outputs.logits.shape == (2, M + 6, 61)
    assert [h.shape for h in outputs.hidden_states] == [(2, M + 6, 30)] * 4
    assert [a.shape for a in outputs.attentions] == [(2, 5, M + 6, M + 6)] * 3
    for weights in outputs.attentions:
        np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
        assert not weights[:, :, :M, M:].any()  # pictures never look at words
    body = BODY(IDS, **asked)
    assert body.last_hidden_state.shape == (2, M + 6, 30)
    np.testing.assert_array_equal(body.last_hidden_state, body.hidden_states[-1])
    np.testing.assert_array_equal(body.last_hidden_state, outputs.hidden_states[-1])


def test_the_picture_tower() -> None:
    outputs = TOWER(PIXELS, output_attentions=True, output_hidden_states=True)
    assert outputs.last_hidden_state.shape == (2, 10, 28)
    assert [h.shape for h in outputs.hidden_states] == [(2, 10, 28)] * 3
    assert [a.shape for a in outputs.attentions] == [(2, 4, 10, 10)] * 2
    # the last hidden state is normalised, the last of hidden_states is not
    assert np.abs(outputs.last_hidden_state - outputs.hidden_states[-1]).max() > 0.1
    recorder = Recorder("vision.image_tokens")
    MODEL.memory(PIXELS, trace=recorder)
    np.testing.assert_array_equal(
        outputs.last_hidden_state, recorder.tensors["vision.image_tokens"]
    )
    with pytest.raises(AttributeError, match="pooler_output"):
        _ = outputs.pooler_output
    (last,) = TOWER(PIXELS, return_dict=False)
    np.testing.assert_allclose(last, outputs[0], atol=1e-5)  # by fast/towers.py


def test_outputs_by_attribute_key_number_and_as_a_tuple() -> None:
    asked = {"pixel_values": PIXELS, "output_attentions": True, "output_hidden_states": True}
    outputs = MODEL(IDS, **asked)
    assert list(outputs) == ["logits", "past_key_values", "hidden_states", "attentions"]
    assert outputs.loss is None
    assert outputs["logits"] is outputs.logits is outputs[0]
    assert outputs[1:3] == (outputs.past_key_values, outputs.hidden_states)
    assert len(outputs) == 4
    assert dict(outputs)["attentions"] is outputs.attentions
    with pytest.raises(KeyError):
        _ = outputs["loss"]
    with pytest.raises(AttributeError, match="no 'pooler'; it has: loss, logits"):
        _ = outputs.pooler
    plain = MODEL(IDS, **asked, return_dict=False)
    assert type(plain) is tuple
    for one, other in zip(plain, outputs.to_tuple(), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
    assert list(MODEL(IDS, use_cache=False)) == ["logits"]


def test_the_config_says_what_is_returned_when_the_call_does_not() -> None:
    values = {**MODEL.config.to_dict(), "output_hidden_states": True, "return_dict": False}
    model = GitForCausalLM(GitConfig.from_dict(values | {"use_cache": False}), MODEL.params)
    _, hidden = model(IDS)
    assert len(hidden) == 4
    assert list(model(IDS, return_dict=True, output_hidden_states=False)) == ["logits"]


def test_the_last_logits_can_be_kept_alone() -> None:
    whole = MODEL(IDS, pixel_values=PIXELS).logits
    last = MODEL(IDS, pixel_values=PIXELS, logits_to_keep=2)
    np.testing.assert_allclose(last.logits, whole[:, -2:], **CLOSE)


def test_a_call_twice_gives_the_same_bits_and_changes_nothing() -> None:
    embeds = MODEL.get_input_embeddings()[IDS]
    kept = embeds.copy()
    one = MODEL(inputs_embeds=embeds, pixel_values=PIXELS).logits
    two = MODEL(inputs_embeds=embeds, pixel_values=PIXELS).logits
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(embeds, kept)  # the official code adds positions in place
    np.testing.assert_array_equal(one, MODEL(IDS, pixel_values=PIXELS).logits)


def test_frames_as_a_list_are_a_clip() -> None:
    clip = CLIP["pixel_values"]
    frames = [clip[:, f] for f in range(3)]
    whole = MODEL(IDS, pixel_values=clip).logits
    np.testing.assert_array_equal(MODEL(IDS, pixel_values=frames).logits, whole)
    pictures = list(PIXELS)
    np.testing.assert_array_equal(
        MODEL(IDS, pixel_values=pictures).logits, MODEL(IDS, pixel_values=PIXELS).logits
    )
    one_frame = MODEL(IDS, pixel_values=PIXELS[:, None]).logits
    assert np.abs(one_frame - MODEL(IDS, pixel_values=PIXELS).logits).max() > 1e-3


def test_a_clip_changes_with_its_temporal_embeddings() -> None:
    """From 4.57 on, transformers does not find them in official files."""
    from dataclasses import replace

    vision = replace(
        MODEL.params.vision, temporal_embedding=MODEL.params.vision.temporal_embedding[::-1]
    )
    other = GitForCausalLM(MODEL.config, replace(MODEL.params, vision=vision))
    clip = CLIP["pixel_values"]
    one, two = MODEL(IDS, pixel_values=clip).logits, other(IDS, pixel_values=clip).logits
    assert np.abs(one - two).max() > 1e-2


# ---------------------------------------------------------------- continuing


def test_words_and_their_vectors_continue_alike() -> None:
    first = MODEL(IDS[:, :3], pixel_values=PIXELS).past_key_values
    embeds = MODEL.get_input_embeddings()[IDS[:, 3:]]
    np.testing.assert_array_equal(
        MODEL(inputs_embeds=embeds, past_key_values=first).logits,
        MODEL(IDS[:, 3:], past_key_values=first).logits,
    )


def test_a_picture_beside_a_cache_is_not_read_again() -> None:
    """In 4.x every step passes it again; the cache here remembers it."""
    first = MODEL(IDS[:, :3], pixel_values=PIXELS).past_key_values
    seen = []
    MODEL(IDS[:, 3:], pixel_values=PIXELS, past_key_values=first,
          trace=lambda name, value: seen.append(name))  # fmt: skip
    assert "vision.x" not in seen
    blind = MODEL(IDS[:, :3]).past_key_values
    with pytest.raises(UserError, match="without a picture; pass pixel_values in the first"):
        MODEL(IDS[:, 3:], pixel_values=PIXELS, past_key_values=blind)


def test_given_positions_are_used() -> None:
    shifted = MODEL(IDS, position_ids=np.arange(6)[None] + 3).logits
    assert np.abs(shifted - MODEL(IDS).logits).max() > 0.1
    same = MODEL(IDS, position_ids=np.arange(6)[None]).logits
    np.testing.assert_array_equal(same, MODEL(IDS).logits)


def test_positions_that_begin_again_are_used_beside_a_picture() -> None:
    """5.23 takes them for several texts in a row, and ends in an IndexError."""
    places = np.array([[0, 1, 2, 0, 1, 2]])
    again = MODEL(IDS, position_ids=places, pixel_values=PIXELS).logits
    vectors = MODEL.get_input_embeddings()[IDS]
    table = MODEL.params.text.position_embedding
    moved = vectors + table[places] - table[:6]  # the same places, put into the words by hand
    expected = MODEL(inputs_embeds=moved, pixel_values=PIXELS).logits
    np.testing.assert_allclose(again, expected, **CLOSE)
    assert np.abs(again - MODEL(IDS, pixel_values=PIXELS).logits).max() > 0.1


# ---------------------------------------------------------------- heads, words, other parameters


def test_a_head_mask_silences_heads() -> None:
    off = np.ones((3, 5), np.float32)
    off[1, [0, 3]] = 0
    masked = MODEL(IDS, pixel_values=PIXELS, head_mask=off, output_attentions=True)
    plain = MODEL(IDS, pixel_values=PIXELS, output_attentions=True)
    assert not masked.attentions[1][:, [0, 3]].any()
    np.testing.assert_array_equal(masked.attentions[0], plain.attentions[0])
    pruned = GitForCausalLM(MODEL.config, MODEL.params)
    pruned.prune_heads({1: [0, 3]})
    np.testing.assert_array_equal(pruned(IDS, pixel_values=PIXELS).logits, masked.logits)
    ones = MODEL(IDS, pixel_values=PIXELS, head_mask=np.ones(5)).logits
    np.testing.assert_array_equal(ones, plain.logits)


def test_a_head_mask_is_the_weights_multiplied() -> None:
    """The definition: weights * mask before they mix the values."""
    mask = np.array([1, 0.5, 0, 1, 2], np.float32)
    masked = mask_heads(MODEL.params, mask, heads=5)
    recorder = Recorder("text.0.mixed", "text.0.attended")
    MODEL.logits(IDS, trace=recorder)
    mixed = recorder.tensors["text.0.mixed"] * mask[:, None, None]
    p = MODEL.params.text.blocks[0].attention.out
    expected = mixed.transpose(0, 2, 1, 3).reshape(2, 6, 30) @ p.weight.T + p.bias
    again = Recorder("text.0.attended")
    GitForCausalLM(MODEL.config, masked).logits(IDS, trace=again)
    np.testing.assert_allclose(again.tensors["text.0.attended"], expected, atol=1e-5)


def test_a_head_mask_holds_for_cached_words_too() -> None:
    mask = np.array([[1, 0, 1, 0.5, 1]] * 3, np.float32)
    whole = MODEL(IDS, pixel_values=PIXELS, head_mask=mask).logits
    first = MODEL(IDS[:, :4], pixel_values=PIXELS, head_mask=mask).past_key_values
    second = MODEL(IDS[:, 4:], past_key_values=first, head_mask=mask).logits
    np.testing.assert_allclose(second, whole[:, -2:], **CLOSE)


def test_input_embeddings_can_be_read_and_replaced() -> None:
    for model in (GitModel(MODEL.config, MODEL.params), GitForCausalLM(MODEL.config, MODEL.params)):
        before = model.get_input_embeddings()
        assert before.shape == (61, 30)
        model.set_input_embeddings(np.zeros_like(before))
        assert not model.get_input_embeddings().any()
        with pytest.raises(UserError, match=r"shape \(V, 30\); got \(61, 3\)"):
            model.set_input_embeddings(np.zeros((61, 3)))
    assert MODEL.get_input_embeddings().any()
    assert TOWER.get_input_embeddings().shape == (28, 243)


@pytest.mark.parametrize("size", [50, 70])
def test_the_vocabulary_can_be_cut_and_extended(size: int) -> None:
    config = GitConfig.from_dict(MODEL.config.to_dict())
    model = GitForCausalLM(config, MODEL.params)
    resized = model.resize_token_embeddings(size)
    kept = min(size, 61)
    ids = IDS % 40
    assert resized.shape == (size, 30)
    assert config.vocab_size == model.config.vocab_size == size
    logits = model(ids, pixel_values=PIXELS).logits
    assert logits.shape[-1] == size
    np.testing.assert_allclose(
        logits[..., :kept], MODEL(ids, pixel_values=PIXELS).logits[..., :kept], **CLOSE
    )
    assert MODEL.config.vocab_size == 61


def test_tied_words_stay_tied() -> None:
    config = GitConfig.from_dict({**MODEL.config.to_dict(), "tie_word_embeddings": True})
    model = GitForCausalLM(config, seed=1)
    assert np.shares_memory(model.get_output_embeddings(), model.get_input_embeddings())
    model.resize_token_embeddings(80)
    assert np.shares_memory(model.get_output_embeddings(), model.get_input_embeddings())


def test_an_activation_may_be_a_function() -> None:
    def half(x: np.ndarray) -> np.ndarray:
        return x * np.float32(0.5)

    values = MODEL.config.to_dict()
    values["hidden_act"] = values["vision_config"]["hidden_act"] = half
    model = GitForCausalLM(GitConfig.from_dict(values), MODEL.params)
    recorder = Recorder("text.0.hidden", "text.0.activated", "vision.0.*")
    model.logits(IDS, PIXELS, trace=recorder)
    for tower in ("text", "vision"):
        hidden = recorder.tensors[f"{tower}.0.hidden"]
        np.testing.assert_array_equal(recorder.tensors[f"{tower}.0.activated"], hidden / 2)


def test_chunked_thinking_is_the_same() -> None:
    config = GitConfig.from_dict({**MODEL.config.to_dict(), "chunk_size_feed_forward": 2})
    chunked = GitForCausalLM(config, MODEL.params)
    np.testing.assert_array_equal(chunked(IDS).logits, MODEL(IDS).logits)


# ---------------------------------------------------------------- a model of settings alone

SMALL = {
    "vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 37, "max_position_embeddings": 512, "bos_token_id": 98,
    "eos_token_id": 98, "pad_token_id": 98,
    "vision_config": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
                      "intermediate_size": 37, "image_size": 32, "patch_size": 16},
}  # fmt: skip


def test_random_parameters_are_spread_as_the_config_says() -> None:
    config = GitConfig(**{**SMALL, "initializer_range": 0.5, "num_image_with_embedding": 3})
    p = GitForCausalLM(config).params
    assert abs(p.text.blocks[1].mlp.up.weight.std() - 0.5) < 0.05
    assert abs(p.vision.blocks[1].mlp.up.weight.std() - 0.02) < 0.002
    assert not p.text.word_embedding[98].any()
    assert p.text.word_embedding[97].any()
    assert not p.vision.temporal_embedding.any()
    assert not p.text.head.bias.any()
    assert (p.text.blocks[0].attention_norm.weight == 1).all()
    assert (p.vision.pre_norm.weight == 1).all()
    assert (p.text.projection_norm.weight == 1).all()


def test_a_seed_gives_the_same_model() -> None:
    config = GitConfig(**SMALL)
    one, two, other = GitModel(config, seed=5), GitModel(config, seed=5), GitModel(config, seed=6)
    ids = np.array([[1, 2, 3]])
    np.testing.assert_array_equal(one(ids)[0], two(ids)[0])
    assert np.abs(one(ids)[0] - other(ids)[0]).max() > 0.1
    tower = GitVisionModel(config.vision_config, seed=5)
    pixels = np.random.default_rng(0).standard_normal((1, 3, 32, 32), np.float32)
    inside = GitVisionModel(config.vision_config, one.params.vision)
    np.testing.assert_array_equal(tower(pixels)[0], inside(pixels)[0])


def test_one_model_in_three_classes() -> None:
    model = GitForCausalLM(GitConfig(**SMALL))
    assert isinstance(model.git, GitModel)
    assert model.eval() is model
    ids = np.array([[1, 2, 3]])
    asked = model(ids, output_hidden_states=True).hidden_states[-1]
    np.testing.assert_array_equal(model.git(ids).last_hidden_state, asked)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "You have to specify either input_ids or inputs_embeds"),
        ({"input_ids": IDS, "inputs_embeds": np.zeros((2, 6, 30))}, "cannot specify both"),
        ({"inputs_embeds": np.zeros((2, 6))}, r"\(B, T, 30\); got \(2, 6\)"),
        ({"inputs_embeds": np.zeros((2, 6, 31))}, r"\(B, T, 30\); got \(2, 6, 31\)"),
        ({"input_ids": IDS, "attention_mask": np.ones((2, 5))}, r"\(2, 6\): words only.*\(2, 5\)"),
        ({"input_ids": IDS, "attention_mask": np.ones((2, 16))}, "image tokens are never masked"),
        ({"input_ids": IDS, "head_mask": np.ones(3)}, r"\(5,\).*or \(3, 5\).*got \(3,\)"),
        ({"input_ids": IDS, "head_mask": np.ones((2, 5))}, r"got \(2, 5\)"),
        ({"input_ids": IDS, "pixel_values": np.zeros((2, 3, 27))}, "rank 4"),
        ({"input_ids": IDS, "pixel_values": np.zeros((2, 5, 3, 27, 27))}, "clip of 5 frames"),
        ({"input_ids": IDS, "pixel_values": np.zeros((2, 3, 30, 27))}, "Input image size"),
        ({"input_ids": IDS, "pixel_values": np.zeros((3, 3, 27, 27))}, "3 pictures and 2 rows"),
        ({"input_ids": IDS, "pixel_values": [PIXELS[0], PIXELS[0, :, 1:]]}, "makes no array"),
        ({"input_ids": IDS, "past_key_values": ((PIXELS, PIXELS),)}, "an earlier call returned"),
        ({"input_ids": IDS, "position_ids": np.full((1, 6), 23)}, "23 positions"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(arguments: dict, message: str) -> None:
    for model in (MODEL, BODY):
        with pytest.raises(UserError, match=message):
            model(**arguments)


def test_a_cache_of_other_rows_is_refused() -> None:
    past = MODEL(IDS).past_key_values
    with pytest.raises(UserError, match="2 rows; this call has 3 layers and 1 rows"):
        MODEL(IDS[:1], past_key_values=past)


def test_the_picture_tower_refuses_too() -> None:
    with pytest.raises(UserError, match="You have to specify pixel_values"):
        TOWER()
    with pytest.raises(UserError, match="Clips go into GitModel"):
        TOWER(CLIP["pixel_values"])
    larger = TOWER(np.zeros((1, 3, 36, 27), np.float32), interpolate_pos_encoding=True)
    assert larger.last_hidden_state.shape == (1, 4 * 3 + 1, 28)


def test_padding_without_a_mask_is_warned_of() -> None:
    padded = np.array([[5, 6, 0]])
    with pytest.warns(UserWarning, match="there is no attention_mask"):
        MODEL(padded)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MODEL(padded, attention_mask=np.array([[1, 1, 0]]))


def test_configs_of_the_tower_alone() -> None:
    small = GitVisionModel(GitVisionConfig(hidden_size=8, intermediate_size=9, num_hidden_layers=1,
                                           num_attention_heads=2, image_size=8, patch_size=4,
                                           num_channels=1))  # fmt: skip
    assert small(np.zeros((1, 1, 8, 8), np.float32)).last_hidden_state.shape == (1, 5, 8)
