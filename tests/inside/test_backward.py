"""Gradients recorded, and compared from the logits backwards."""

import pytest

from numpygit.cli.commands import main
from numpygit.inside.backward import SUSPECTS, record_backward
from numpygit.inside.diff.compare import compare
from numpygit.inside.record import IDS, Run
from numpygit.storybook import EXAMPLES
from numpygit.trace import find

PICTURE = EXAMPLES / "relation.png"


@pytest.fixture(scope="module")
def run(storybook) -> Run:
    return record_backward(storybook, PICTURE, noise=True)


def test_every_named_tensor_has_its_gradient(run):
    names = run.tensors.keys() - {IDS}
    assert len(names) > 110
    assert all(find(name) for name in names)
    assert run.facts["mode"] == "backward"
    assert float(run.facts["loss"]) < 1e-4  # the model is not surprised by its own words
    assert run.facts["noise"].keys() == names


@pytest.mark.parametrize(
    ("name", "usual"),
    [("text.2.scores", "softmax"), ("vision.1.hidden", "slope"), ("vision.2.x", "residual")],
)
def test_the_first_wrong_gradient_is_the_last_tensor(run, name, usual):
    """A mistake at `name` spoils all gradients of what was computed before it."""
    order = [n for n in run.tensors if n != IDS]  # as they were traced: backwards
    at = order.index(name)
    spoilt = {n: a * 1.5 if order.index(n) >= at else a for n, a in run.tensors.items() if n != IDS}
    theirs = Run({IDS: run.tensors[IDS], **spoilt}, {"mode": "backward"})
    report = compare(run, theirs)
    assert report.first is not None
    assert report.first.name.split(".")[:2] == name.split(".")[:2]
    assert compare(run, Run(dict(run.tensors), {"mode": "backward"})).equal
    assert any(usual in text for text in SUSPECTS.values())


@pytest.mark.slow
def test_the_command(tmp_path, capsys):
    file = tmp_path / "way_back.safetensors"
    asked = ["trace", str(PICTURE), "--model", "storybook", "--backward"]
    assert main([*asked, "-o", str(file), "--no-noise"]) == 0
    assert "tensors" in capsys.readouterr().out
    assert main(["diff", str(file), str(file), "--model", "storybook"]) == 0
    assert main([*asked, "--only", "text.3.weights"]) == 0
    assert "text.3.weights" in capsys.readouterr().out
    assert main([*asked, "--cached"]) == 1
    assert "leave --cached out" in capsys.readouterr().err
