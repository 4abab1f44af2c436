"""Fields and defaults of the config, and what follows from them.

Checks loading/config/configs.py, loading/config/settings.py, model/config.py.
"""

import math

import pytest

from numpygit import GitConfig, GitForCausalLM, GitVisionConfig, UserError
from numpygit.loading.names import tensor_shapes

LARGE = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
}


@pytest.mark.parametrize(
    ("name", "vision", "frames", "tensors", "parameters"),
    [  # counts of the official files
        ("base", {}, None, 305, 176_619_066),
        ("base-480", {"image_size": 480}, None, 305, 177_159_738),
        ("base-video", {}, 6, 311, 176_623_674),
        ("large", LARGE, None, 497, 394_196_026),
        ("large-420", {**LARGE, "image_size": 420}, None, 497, 394_855_482),
        ("large-video", LARGE, 6, 503, 394_202_170),
    ],
)
def test_parameter_counts_of_the_official_checkpoints(name, vision, frames, tensors, parameters):
    config = GitConfig.from_dict({"vision_config": vision, "num_image_with_embedding": frames})
    shapes = tensor_shapes(config)
    assert len(shapes) == tensors
    assert sum(math.prod(shape) for shape in shapes.values()) == parameters


def test_defaults_are_those_of_the_documentation():
    c = GitConfig()
    assert (c.vocab_size, c.hidden_size, c.num_hidden_layers) == (30522, 768, 6)
    assert (c.bos_token_id, c.eos_token_id, c.pad_token_id) == (101, 102, 0)
    assert (c.hidden_act, c.layer_norm_eps, c.max_position_embeddings) == ("gelu", 1e-12, 1024)
    v = c.vision_config
    assert (v.hidden_size, v.num_hidden_layers, v.image_size, v.patch_size) == (768, 12, 224, 16)
    assert (v.hidden_act, v.layer_norm_eps) == ("quick_gelu", 1e-5)


def test_sparse_and_overfull_settings_are_fine():
    c = GitConfig.from_dict(
        {
            "model_type": "git",
            "_commit_hash": None,
            "vision_config": {"image_size": 480, "projection_dim": 512, "dropout": 0.0},
        }
    )
    known = GitVisionConfig(image_size=480, projection_dim=512, dropout=0.0)
    assert c.vision_config == known
    assert c.vision_config.projection_dim == 512
    assert GitConfig.from_dict({"vision_config": None}) == GitConfig()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hidden_size": 770}, "hidden_size 770 is not a multiple of num_attention_heads 12"),
        ({"vision_config": {"num_attention_heads": 7}}, "vision_config: hidden_size 768"),
        ({"vision_config": {"image_size": 8}}, "image_size 8 is smaller than patch_size 16"),
        ({"position_embedding_type": "rotary"}, "'rotary'; known are: absolute, relative_key"),
    ],
)
def test_settings_that_cannot_be_are_refused(given, message):
    """As in 4.37.2 when a model is made: a setting may wait for another one to be set."""
    config = GitConfig.from_dict(given)
    with pytest.raises(UserError, match=message):
        GitForCausalLM(config)
