"""Stepping through a run in the terminal: every command, by a pipe, as a person would type.

Checks inside/card.py, inside/character_pictures.py, inside/source_line.py, inside/stops.py.
"""

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import numpygit
from numpygit import cli
from numpygit.inside.character_pictures import sketch
from numpygit.inside.record import record
from numpygit.inside.source_line import line_of
from numpygit.inside.step import Walker
from numpygit.trace import TABLE

pytestmark = pytest.mark.slow

EXAMPLES = Path(numpygit.__file__).parent / "storybook" / "examples"
PICTURE = EXAMPLES / "relation.png"


@pytest.fixture
def step(monkeypatch, capsys):
    """Get a function that types commands, one a line, and returns what was printed."""

    def step(*typed: str, options: tuple = (), picture: Path = PICTURE) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in typed)))
        assert cli.main(["step", str(picture), "--model", "storybook", *options]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        assert "Traceback" not in captured.out
        return captured.out

    return step


def shown(out: str) -> list[str]:
    """List the names of the tensors that were shown."""
    return re.findall(r"^\[\d+\] (\S+)$", out, re.MULTILINE)


def test_forwards_and_backwards(step):
    out = step("n", "", "b", "b", "b", "n 3", "b 2", "q")
    assert shown(out) == [
        *("pixels", "vision.patches", "vision.patch_tokens", "vision.patches", "pixels"),
        *("vision.embedded", "vision.patches"),
    ]
    assert "this is the first" in out


def test_a_tensor_is_shown_with_letters_sentence_line_and_numbers(step, storybook):
    out = step("j text.1.weights", "q")
    card = out.split("[", 2)[2].splitlines()
    value = record(storybook, PICTURE).tensors["text.1.weights"]
    assert card[0].endswith("text.1.weights")
    assert card[1].strip() == "Attention weights: softmax of the scores."
    assert card[2].strip() == "(B, N, T, S) = (1, 5, 75, 75) float32"
    assert card[3].strip().startswith("layers.py:")
    assert card[3].strip().endswith("weights = softmax(scores)  # (B, N, T, S)")
    low, high, mean = value.min(), value.max(), value.mean(dtype=np.float64)
    assert card[4].strip().startswith(f"{low:.4g} to {high:.4g}, mean {mean:.4g}, std")


def test_jumps_go_on_and_back(step):
    out = step("j text.mask", "j vision.0.weights", "j *.scores", "j logits", "j pixels", "q")
    assert shown(out)[1:] == [
        *("text.mask", "vision.0.weights", "vision.1.scores", "logits", "pixels")
    ]


def test_stops_at_a_name_a_shape_and_the_end(step):
    typed = ("stop text.*.weights", "stop (1, *, 154)", "stops", "c", "c", "clear", "stops", "c")
    out = step(*typed, "b", "q")
    assert shown(out)[1:] == ["text.0.weights", "text.1.weights", "logits"]
    assert "stop text.*.weights:" in out
    assert "  (1, *, 154)\n" in out
    assert "there are no stops any more" in out
    assert "the run ends here: 'an orange fish in front of a green boat'" in out


def test_a_stop_at_a_shape_is_reached(step):
    assert shown(step("stop (1, *, 154)", "c", "q"))[-1] == "logits"


def test_a_stop_at_nan_finds_the_first(step, monkeypatch):
    from numpygit.model import text

    assert shown(step("stop nan", "c", "q")) == ["pixels"]  # -inf in masks is no mistake
    right = text.mlp

    def broken(x, p, **rest):
        return np.where(x > 3, np.float32(np.nan), right(x, p, **rest))

    monkeypatch.setattr(text, "mlp", broken)
    out = step("stop nan", "c", "q", options=("--cached",))
    assert shown(out) == ["pixels", "image.text.0.x"]
    assert "stop nan:" in out
    assert " NaN" in out


def test_pdb_opens_in_the_function_that_computed_the_tensor(step):
    out = step(
        "j vision.0.weights", "pdb", "p weights", "p heads", "w", "n", "p mixed", "c", "n", "q"
    )
    assert "-> mixed = weights @ all_kv.v" in out
    assert "float32 (1, 5, 65, 65)  " in out
    assert "float32 (1, 5, 65, 32)  " in out
    assert "vision.py" in out
    assert "attention()" in out
    assert shown(out)[-2:] == ["vision.0.mixed", "vision.0.joined"]  # `c` comes back here


def test_pdb_of_an_earlier_tensor_opens_at_the_newest(step):
    out = step("n", "n", "b", "pdb", "p patches", "q")
    assert "functions of earlier tensors are gone" in out
    assert "float32 (1, 64, 432)" in out
    assert out.endswith("left\n")


def test_cached_runs_go_word_by_word(step):
    out = step("stop word.*.logits", "c", "c", "q", options=("--cached",))
    assert shown(out)[-2:] == ["word.0.logits", "word.1.logits"]
    assert "what may come after the last word" in out
    assert "an " in out.rpartition("word.0.logits")[2].partition("step>")[0]


def test_questions_and_clips(step):
    out = step("j logits", "c", "q", options=("--question", "what is in front of the boat?"))
    assert "the run ends here: 'an orange fish'" in out
    out = step("n", "j clip_tokens", "q", picture=EXAMPLES / "clip.gif")
    assert shown(out)[-1] == "clip_tokens"
    assert "(1, 4, 3, 96, 96) float32" in out


def test_mistakes_are_answered_and_the_end_of_the_input_quits(step):
    out = step(
        "fly", "j", "j nowhere", "j text.0.weight", "stop", "stop (1, x)", "n x", "n 0", "b", "v"
    )
    for said in (
        *("unknown command 'fly'", "give a name", "no tensor is called 'nowhere'"),
        *("did you mean 'text.0.weights'?", "is no shape", "a number from 1 on, got 'x'"),
        *("got '0'", "this is the first"),
    ):
        assert said in out
    assert out.count("give a name") == 2
    assert out.endswith("left\n")


def test_after_the_end_one_can_still_look(step):
    out = step("c", "n", "c", "pdb", "j vision.0.q", "j text.1.q", "j foo", "l", "v", "q")
    assert out.count("the run has ended") == 3
    assert shown(out)[-2:] == ["vision.0.q", "text.1.q"]
    assert " 126 logits" in out
    assert "[[[[" in out


def test_help_lists_every_command(step):
    out = step("h", "q")
    for command in ("n", "b", "j", "c", "stop", "stops, clear", "v", "l", "pdb", "h", "q"):
        assert f"  {command}" in out


def test_all_that_is_shown_fits_80_columns(step):
    out = step("h", *["n"] * 130, "l", "q")
    assert [line for line in out.splitlines() if len(line) > 80] == []
    assert len(shown(out)) == 126


def test_arrays_are_shown_as_before_afterwards(step):
    step("n", "q")
    assert repr(np.zeros(2)) == "array([0., 0.])"


def test_a_pipe_of_a_real_process(offline):
    run = subprocess.run(
        [sys.executable, "-m", "numpygit", "step", str(PICTURE), "--model", "storybook"],
        input="n\nj text.2.weights\npdb\np weights.shape\nc\n",
        env=offline,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0
    assert run.stderr == ""
    assert "(1, 5, 75, 75)" in run.stdout
    assert shown(run.stdout)[-1] == "text.2.mixed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.png"], "no such picture"),
        ([str(PICTURE), "--question", ""], "the question is empty"),
        ([str(PICTURE), "--json"], "has no --json"),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(arguments, said, capsys):
    assert cli.main(["step", "--model", "storybook", *arguments]) == 1
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1


def test_the_line_shown_is_the_one_that_computes(storybook):
    """For every tensor the line gives its value a name, or is the function it came into."""
    walker = Walker([], (8, 8), [])
    walker.running = True
    record(storybook, EXAMPLES / "clip.gif", trace=walker)
    assert len(walker.history) == 127
    for one in walker.history:
        if one.name == "pixels":
            assert (one.file, one.function) == ("image.py", "normalise")
        else:
            assert " = " in one.source, one
    by_name = {one.name: one for one in walker.history}
    assert (
        by_name["text.mask"].source == "mask = full_mask(attention_mask, image=M)  # (B, 1, S, S)"
    )
    assert by_name["vision.1.k"].source == "k = split_heads(linear(x, p.key), heads=heads)"
    assert line_of(__file__, 1, 1)[0] == 1


# ---------------------------------------------------------------- pictures in characters


def test_attention_is_drawn_where_it_is():
    weights = np.zeros((1, 2, 3, 5 + 2), np.float32)
    weights[:, :, -1, 1 + 2] = 1  # the third of four squares
    lines = sketch("text.0.weights", weights, (2, 2))
    assert lines[1:] == ["  |    |", "  |@@  |"]
    assert "100% here" in lines[0]


def test_lengths_of_tokens_leave_the_class_token_out():
    tokens = np.ones((1, 5, 3), np.float32)
    tokens[0, 0] = 100
    tokens[0, 4] = 2
    assert sketch("vision.0.x", tokens, (2, 2))[1:] == ["  |    |", "  |  @@|"]


def test_the_mask_is_drawn():
    mask = np.float32([[0, -np.inf], [0, 0]])[None, None]
    assert sketch("text.mask", mask, (1, 1))[1:] == ["    0 #.", "    1 ##"]


def test_pictures_are_small_for_every_size():
    rng = np.random.default_rng(0)
    for side in ((1, 1), (2, 9), (14, 14), (30, 30)):
        P = side[0] * side[1]
        for row in TABLE:
            sizes = {"B": 1, "C": 3, "H": side[0] * 16, "W": side[1] * 16, "P": P, "M": P + 1}
            sizes |= {"T": P + 5, "S": P + 5, "D": 6, "N": 2, "A": 3, "F": 7, "V": 9, "patch": 2}
            value = rng.standard_normal(eval(row.shape, {}, sizes)).astype(np.float32)
            for line in sketch(row.name.replace("{i}", "0"), value, side):
                assert len(line) <= 76, row.name


def test_a_pattern_that_has_passed_goes_back(step):
    out = step("j text.0.weights", "j vision.*.x", "j pixels", "j vision.0.q", "j vision.0.q", "q")
    assert shown(out) == [
        *("pixels", "text.0.weights", "vision.3.x", "pixels", "vision.0.q", "vision.0.q"),
    ]
    assert "the run ends" not in out


def test_a_pattern_that_comes_no_more_in_a_cached_run_goes_back_at_its_end(step):
    out = step("j word.1.logits", "j word.*.memory*", "q", options=("--cached",))
    assert "no tensor is called" in out
    out = step("j word.9.logits", "j word.9.text.0.q", "q", options=("--cached",))
    assert shown(out)[-1] == "word.9.text.0.q"


def test_pixels_are_computed_where_colours_are_normalised(step):
    out = step("q")
    assert "image.py" in out
    assert "return centred / np.array(std, np.float32)" in out
