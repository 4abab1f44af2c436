"""Every operation of `diff` gives the tensor that the model traced.

Checks inside/diff/search.py, inside/diff/scene.py, inside/diff/trying.py.
"""

import numpy as np
import pytest
from trial import captioner, ours

from numpygit.inside.diff.operations import operation_of, tensors_of
from numpygit.inside.diff.scene import At, Scene
from numpygit.inside.diff.search import sources_of, unseen
from numpygit.inside.diff.trying import following
from numpygit.inside.record import BLOCKED, record
from numpygit.storybook import EXAMPLES
from numpygit.trace import find


def scene(tensors: dict[str, np.ndarray]) -> Scene:
    model = captioner().model
    return Scene(tensors, model.params, model.config)


def check(tensors: dict[str, np.ndarray]) -> None:
    given = scene(tensors)
    for name, traced in tensors.items():
        if find(name) is None or name.endswith("word"):
            continue
        made = operation_of(name)(At(tensors_of(given), name))
        assert made.shape == traced.shape, name
        blocked = traced < BLOCKED
        assert np.array_equal(made < BLOCKED, blocked), name
        apart = np.abs(np.where(blocked, 0, made) - np.where(blocked, 0, traced)).max()
        assert apart <= 1e-5 * max(1, np.abs(traced[~blocked]).max()), name


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["still", "clip"])
def test_operations_give_what_was_traced(kind):
    check(ours(kind).tensors)


def test_operations_give_what_was_traced_with_a_cache():
    check(record(captioner(), EXAMPLES / "relation.png", cached=True).tensors)


def test_what_lies_between_is_found_backwards():
    given = scene(ours("still").tensors)
    there = {"vision.0.x", "vision.1.x"}
    gap = unseen("vision.1.x", given, there.__contains__)
    assert next(iter(gap)) == "vision.1.attention_input"
    assert "vision.1.scores" in gap
    assert "vision.0.x" not in gap
    assert all(name.startswith("vision.1.") for name in gap)
    assert sources_of("vision.1.scores", given) == {"vision.1.q", "vision.1.k"}
    assert following({"vision.1.thought"}, gap) == {"vision.1.thought", "vision.1.x"}


def test_without_the_model_the_gap_is_the_tensor_itself_or_what_needs_no_weights():
    given = Scene(ours("still").tensors)
    assert list(unseen("text.0.attended", given, lambda name: False)) == ["text.0.attended"]
