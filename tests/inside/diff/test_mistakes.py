"""Mistakes that were not in the first list, in a port with other layouts (`port_mistakes.py`).

Checks inside/diff/mistakes/attention.py, inside/diff/mistakes/blocks.py,
inside/diff/mistakes/parts.py, inside/diff/mistakes/picture_ends.py,
inside/diff/mistakes/pictures.py, inside/diff/mistakes/rounding.py,
inside/diff/mistakes/text_ends.py.
"""

import pytest
import trial
from port_mistakes import MISTAKES, is_aside

by_mistake = pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.title.replace(" ", "_"))
WANTED = {"inner tensors": (0.98, 0.70), "outputs of blocks": (0.98, 0.50)}


def test_there_are_more_than_sixty_and_a_third_is_aside():
    assert len({m.title for m in MISTAKES}) == len(MISTAKES) > 60
    assert 0.25 < sum(is_aside(m.title) for m in MISTAKES) / len(MISTAKES) < 0.42


@pytest.mark.slow
@pytest.mark.parametrize("aside", [False, True], ids=["seen", "aside"])
@pytest.mark.parametrize("dumped", WANTED)
def test_the_first_wrong_tensor_is_right_and_most_causes_are_named(dumped, aside):
    coarse = dumped == "outputs of blocks"
    chosen = [m for m in MISTAKES if is_aside(m.title) == aside]
    outcomes = [trial.attempt(m, coarse=coarse) for m in chosen]
    right, named = WANTED[dumped]
    assert sum(o.is_right for o in outcomes) >= right * len(outcomes)
    assert sum(o.is_named for o in outcomes) >= named * len(outcomes)
    assert [o.mistake.title for o in outcomes if o.is_misleading] == []
