"""Mistakes that causes were not written for, in a port with other layouts: how many are named.

`port_mistakes.py` is the first list, `new_port_mistakes.py` has those that were written after its
causes. The whole takes a quarter of an hour: `pytest -m full`; here one part that was kept aside.
"""

import new_port_mistakes
import port_mistakes
import pytest
import trial

FULL = [pytest.mark.full]
WANTED = {"inner tensors": (0.98, 0.70), "outputs of blocks": (0.98, 0.50)}
LISTS = {
    "first": (port_mistakes.MISTAKES, port_mistakes.is_aside),
    "new": (new_port_mistakes.NEW, new_port_mistakes.is_aside),
    "later": (new_port_mistakes.LATER, lambda title: False),
    "last": (new_port_mistakes.LAST, lambda title: False),
}
PARTS = [
    pytest.param(name, aside, marks=[pytest.mark.slow] if name == "new" and aside else FULL)
    for name in LISTS
    for aside in (False, True)
    if name in ("first", "new") or not aside
]


def test_there_are_many_and_a_part_of_them_is_aside():
    for listed, is_aside in (LISTS["first"], LISTS["new"]):
        assert len({m.title for m in listed}) == len(listed) > 50
        assert 0.25 < sum(is_aside(m.title) for m in listed) / len(listed) < 0.6
    titles = [m.title for listed, _ in LISTS.values() for m in listed]
    assert len(set(titles)) == len(titles) > 180


@pytest.mark.parametrize("dumped", WANTED)
@pytest.mark.parametrize(("name", "aside"), PARTS)
def test_the_first_wrong_tensor_is_right_and_most_causes_are_named(name, dumped, aside):
    listed, is_aside = LISTS[name]
    coarse = dumped == "outputs of blocks"
    chosen = [m for m in listed if is_aside(m.title) == aside]
    outcomes = [trial.attempt(m, coarse=coarse) for m in chosen]
    right, named = WANTED[dumped]
    assert sum(o.is_right for o in outcomes) >= right * len(outcomes)
    assert sum(o.is_named for o in outcomes) >= named * len(outcomes)
    assert [o.mistake.title for o in outcomes if o.is_misleading] == []
