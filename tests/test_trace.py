"""The table of named tensors is complete, true, and watching changes nothing.

Checks cli/inside.py, inside/record.py.
"""

import io
import json
import re
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from benchmarks.trace_off import untraced
from golden_inputs import tiny_inputs, tiny_model

import numpygit
from numpygit import cli
from numpygit.errors import UserError
from numpygit.inside.diff.theirs.foreign_names import translate
from numpygit.inside.record import names_of, read, record
from numpygit.model import layers
from numpygit.trace import TABLE, Named, Printer, Recorder, find, order

EXAMPLES = Path(numpygit.__file__).parent / "storybook" / "examples"
MODEL = tiny_model()
SIZES = {
    "vision": {"B": 6, "C": 3, "P": 9, "D": 28, "N": 4, "A": 7, "F": 52, "T": 10, "S": 10},
    "text": {"B": 2, "T": 36, "S": 36, "D": 30, "N": 5, "A": 6, "F": 44, "V": 61},
    "": {"B": 2, "C": 3, "H": 27, "W": 27, "M": 30, "D": 30, "T": 6, "S": 36, "V": 61},
}


def watched(*patterns: str) -> dict[str, np.ndarray]:
    recorder = Recorder(*patterns)
    given = tiny_inputs("clip")
    MODEL.logits(given["input_ids"], given["pixel_values"], trace=recorder)
    return recorder.tensors


def row_of(name: str) -> Named:
    place = find(name)
    assert place is not None, name
    return place.row


def test_every_name_fires_and_every_fired_name_is_listed():
    fired = {row_of(name).name for name in watched()}
    listed = {row.name for row in TABLE}
    assert len(listed) == len(TABLE)
    assert listed - fired == {"word"}  # `generate` names it, `forward` has none
    assert fired <= listed


@pytest.mark.parametrize("row", [row for row in TABLE if row.name != "word"], ids=lambda r: r.name)
def test_the_shapes_of_the_table_are_true(row):
    tower = "text" if row.name == "logits" else row.name.rpartition(".")[0].split(".")[0]
    letters = {**SIZES[tower], "patch": 9}
    if row.name == "clip_tokens":
        letters["D"] = 28
    shape = eval(row.shape, {}, letters)
    if row.name == "pixels":
        shape = (2, 3, 3, 27, 27)  # this run is a clip
    for name, value in watched(row.name.replace("{i}", "*")).items():
        assert value.shape == shape, name


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_the_functions_of_the_table_exist(row):
    import importlib

    module, _, function = row.function.partition(".")
    room = importlib.import_module(f"numpygit.model.{module}")
    assert not function or callable(getattr(room, function))


def test_watching_changes_no_bit():
    given = tiny_inputs("still")
    unwatched = tiny_model()
    unwatched.plain = True
    plain = unwatched.logits(given["input_ids"], given["pixel_values"])
    watched = MODEL.logits(given["input_ids"], given["pixel_values"], trace=Recorder())
    np.testing.assert_array_equal(plain, watched)


def test_patterns_choose_names():
    assert list(watched("text.*.weights")) == [f"text.{i}.weights" for i in range(3)]
    assert set(watched("memory", "logits")) == {"memory", "logits"}


def test_the_printer_says_name_shape_and_range():
    to = io.StringIO()
    given = tiny_inputs("still")
    MODEL.logits(given["input_ids"], given["pixel_values"], trace=Printer("memory", to=to))
    assert re.fullmatch(r"memory +\(2, 10, 30\) +-\S+ to +\S+, mean +\S+\n", to.getvalue())


# ---------------------------------------------------------------- runs with a cache, and clips


def letters_of(captioner, name: str, *, frames: int, prompt: int) -> dict[str, int]:
    """Every letter for one name of a run of the bundled model."""
    config = captioner.model.config
    tower = config.vision_config
    P = tower.num_patches
    M = frames * (P + 1)
    place = find(name)
    sizes = {"B": 1, "C": 3, "H": 96, "W": 96, "P": P, "M": M, "patch": tower.patch_size}
    if name.startswith("vision."):
        sizes |= {"B": frames, "T": P + 1, "S": P + 1}
        part = tower
    else:
        part = config
        word = re.match(r"word\.(\d+)\.", name)
        now = M if place.run == "image." else prompt if word and word[1] == "0" else 1
        seen = M if word is None else M + prompt + int(word[1])
        sizes |= {"T": now, "S": seen, "V": config.vocab_size}
    D, N = part.hidden_size, part.num_attention_heads
    return sizes | {"D": D, "N": N, "A": D // N, "F": part.intermediate_size}


@pytest.mark.parametrize(
    ("picture", "question", "frames"),
    [
        ("relation.png", None, 1),
        ("count.png", "how many trees are there?", 1),
        ("clip.gif", None, 4),
    ],
)
def test_names_and_shapes_of_a_cached_run(storybook, picture, question, frames):
    run = record(storybook, EXAMPLES / picture, question, cached=True)
    prompt = storybook.processor.prompt(question).shape[1]
    can_fire = set(names_of(storybook.model.config, cached=True))
    for name, value in run.tensors.items():
        if name == "ids" or (name == "pixels" and frames > 1):
            continue
        letters = letters_of(storybook, name, frames=frames, prompt=prompt)
        assert value.shape == eval(row_of(name).shape, {}, letters), name
        assert name in can_fire
    fired = {row_of(name).name for name in run.tensors if name != "ids"}
    lacking = {row.name for row in TABLE} - fired
    assert lacking == {"text.x"} | ({"clip_tokens"} if frames == 1 else set())  # no one sequence
    assert {find(name).run for name in run.tensors if name != "ids"} >= {"", "image.", "word.0."}


def test_every_name_that_can_fire_in_an_uncached_run_does(storybook):
    run = record(storybook, EXAMPLES / "clip.gif")
    assert set(run.tensors) == {"ids", *names_of(storybook.model.config)}


def test_names_are_taken_apart_and_strange_ones_refused():
    assert find("word.12.text.3.weights")[1:] == ("word.12.", 3)
    assert find("image.text.0.k").row.name == "text.{i}.k"
    assert find("word.0.word").row.name == "word"
    for strange in ("", "x", "text.{i}.q", "text.0", "text.a.q", "words.0.text.0.q", "audio.0.q"):
        assert find(strange) is None


@pytest.mark.parametrize("cached", [False, True])
def test_the_order_is_that_of_computation(storybook, cached):
    names = [n for n in record(storybook, EXAMPLES / "sign.png", cached=cached).tensors if find(n)]
    assert len(names) > 100
    assert all(order(a) < order(b) for a, b in pairwise(names))


def test_the_hooks_of_transformer_lens_lead_back_to_the_rows():
    hooks = {row.name: row.lens for row in TABLE if row.lens}
    assert len(hooks) == 34
    for name, lens in hooks.items():
        tower = "vision" if name.startswith("vision") else "text"
        theirs = f"{tower}.{lens}".replace("{i}", "2")
        assert translate([theirs]) == {theirs: name.replace("{i}", "2")}


def test_the_table_names_the_function_that_traces():
    seen = {}

    def watch(name, value):
        frame = sys._getframe(1)
        while frame.f_code.co_name == "scoped":
            frame = frame.f_back
        room = Path(frame.f_code.co_filename).stem
        seen[row_of(name)] = f"{room}.{frame.f_code.co_name}"

    given = tiny_inputs("clip")
    MODEL.logits(given["input_ids"], given["pixel_values"], trace=watch)
    elsewhere = {row.name for row, where in seen.items() if where != row.function}
    # computed by another function, and named by the one that called it
    assert elsewhere == {"pixels", "text.mask", "vision.patches"}


# ---------------------------------------------------------------- watching changes nothing


def test_without_the_trace_lines_the_model_is_the_same_to_the_bit(storybook):
    given = tiny_inputs("clip")
    pixels = storybook.pixels(EXAMPLES / "relation.png")
    watched_logits = MODEL.logits(given["input_ids"], given["pixel_values"], trace=Recorder())
    steps = [step.logits for step in storybook.model.steps(pixels, trace=Recorder())]
    before, unwatched = layers.attention.__code__, numpygit.load("storybook", plain=True)
    with untraced() as functions:
        assert functions > 20
        assert "trace" in before.co_varnames
        assert layers.attention.__code__ is not before
        silent = Recorder()
        plain = MODEL.logits(given["input_ids"], given["pixel_values"], trace=silent)
        plain_steps = [step.logits for step in unwatched.model.steps(pixels)]
        assert not silent.tensors
    assert layers.attention.__code__ is before
    np.testing.assert_array_equal(plain, watched_logits)
    np.testing.assert_array_equal(plain_steps, steps)


def test_what_is_watched_is_never_changed_afterwards(storybook):
    copies = {}

    def watch(name, value):
        copies[name] = (value, value.copy())

    record(storybook, EXAMPLES / "relation.png", trace=watch)
    assert len(copies) == 126
    for value, copy in copies.values():
        np.testing.assert_array_equal(value, copy)


# ---------------------------------------------------------------- the command


def trace(*arguments: object) -> int:
    return cli.main(["trace", *map(str, arguments), "--model", "storybook"])


def test_the_command_writes_tensors_and_facts(tmp_path, capsys, storybook):
    path = tmp_path / "run.safetensors"
    assert trace(EXAMPLES / "relation.png", "-o", path) == 0
    assert "127 tensors" in capsys.readouterr().out
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]
    run = read(path)
    assert run.facts["text"] == "an orange fish in front of a green boat"
    assert (run.facts["mode"], run.facts["model"]) == ("uncached", "storybook")
    assert set(run.facts["noise"]) == set(run.tensors) - {"ids"}
    direct = Recorder()
    storybook.model.logits(
        np.array(run.tensors["ids"]), storybook.pixels(EXAMPLES / "relation.png"), trace=direct
    )
    assert direct.tensors.keys() == run.tensors.keys() - {"ids"}
    for name, value in direct.tensors.items():
        np.testing.assert_array_equal(run.tensors[name], value)


@pytest.mark.slow
def test_the_noise_is_the_distance_to_float64(storybook):
    run = record(storybook, EXAMPLES / "relation.png", noise=True)
    noise = run.facts["noise"]
    assert noise["pixels"] == noise["text.mask"] == (0, 0)
    of_floats = [n for n in noise if n not in ("pixels", "text.mask", "vision.patches")]
    lookups = ("word_vectors", "place_vectors")
    assert all((noise[n].largest > 0) == (n not in lookups) for n in of_floats)
    assert max(noise[n].largest for n in of_floats) < 1e-4
    assert all(noise[n].mean <= noise[n].largest for n in noise)


@pytest.mark.slow
def test_only_some_names(tmp_path, capsys):
    path = tmp_path / "run.safetensors"
    assert trace(EXAMPLES / "sign.png", "-o", path, "--only", "text.*.weights", "--no-noise") == 0
    run = read(path)
    assert set(run.tensors) == {"ids", *(f"text.{i}.weights" for i in range(4))}
    assert "noise" not in run.facts
    capsys.readouterr()
    assert trace(EXAMPLES / "sign.png", "--only", "logits", "--only", "memory") == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == ["memory", "logits"]
    assert max(map(len, out.splitlines())) <= 80


def test_json_and_cached(capsys):
    assert trace(EXAMPLES / "sign.png", "--json", "--cached", "--only", "word.*.logits") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows] == [f"word.{i}.logits" for i in range(len(rows))]
    assert rows[0]["shape"] == [1, 1, 154]
    assert rows[0]["min"] < rows[0]["mean"] < rows[0]["max"]


def test_the_table_is_printed(capsys):
    assert trace("--table") == 0
    out = capsys.readouterr().out
    assert all(row.name in out and row.meaning in out for row in TABLE)
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give a picture"),
        (["gone.png"], "no such picture"),
        (["sign.png", "--only", "text.0.weight"], "did you mean 'text.0.weights'?"),
        (["sign.png", "--only", ""], "no tensor of this run"),
        (["sign.png", "-o", "run.txt"], "must end in .safetensors"),
        (["sign.png", "-o", "no/run.safetensors"], "is no folder"),
        (["sign.png", "--question", " "], "the question is empty"),
    ],
)
def test_mistakes_are_one_line(arguments, said, capsys, monkeypatch):
    monkeypatch.chdir(EXAMPLES)
    assert trace(*arguments) == 1
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path, monkeypatch, storybook):
    path = tmp_path / "run.safetensors"
    path.write_bytes(b"old")

    def full(tensors, to, metadata):
        Path(to).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    assert trace(EXAMPLES / "sign.png", "-o", path, "--no-noise") == 1
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]


def test_patterns_are_checked_before_the_run(storybook):
    with pytest.raises(UserError, match="no tensor of this run"):
        record(storybook, EXAMPLES / "sign.png", patterns=["word.0.logits"])
