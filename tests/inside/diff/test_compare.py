"""`diff` points at the tensor where two programs part, and says which mistake it is.

Checks inside/diff/evidence.py, inside/diff/report.py, inside/diff/theirs/comparable.py,
inside/diff/numbers.py, inside/diff/rounding.py, inside/diff/rows.py.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import seeded_bugs
from golden_inputs import TINY
from safetensors.numpy import load_file, save_file
from seeded_bugs import RIGHT, SEEDED, diagnose

import numpygit
from numpygit import cli
from numpygit.errors import UserError
from numpygit.inside.diff import rows as room
from numpygit.inside.diff.compare import Comparer, compare
from numpygit.inside.diff.report import report_lines
from numpygit.inside.diff.rows import DIFF, MISSING, OK
from numpygit.inside.record import Distance, Run, read, save
from numpygit.trace import TABLE, find

EXAMPLE = Path(__file__).parents[3] / "numpygit" / "storybook" / "examples" / "relation.png"


def theirs(kind: str = "still", **changed: np.ndarray) -> Run:
    """The right run as another program would write it, with some tensors changed."""
    names = {name.replace("__", "."): array for name, array in changed.items()}
    return Run({**RIGHT[kind].tensors, **names}, {})


def official(kind: str, precision: str) -> Run:
    """The tensors of the official implementation, in golden/tiny."""
    prefix = f"{precision}/"
    tensors = load_file(TINY / f"{kind}.safetensors")
    return Run({n.removeprefix(prefix): a for n, a in tensors.items() if n.startswith(prefix)}, {})


# ---------------------------------------------------------------- seeded bugs


def test_there_are_more_than_twenty_different_bugs():
    assert len({seeded.title for seeded in SEEDED}) == len(SEEDED) > 20


@pytest.mark.parametrize("seeded", SEEDED, ids=lambda seeded: seeded.title)
def test_a_seeded_bug_is_found_where_it_is(seeded):
    report = diagnose(seeded)
    assert report.first is not None
    assert report.first.name == seeded.tensor
    assert report.first.status == DIFF
    assert seeded.hint in " ".join(report.causes)
    before = report.rows[: report.rows.index(report.first)]
    assert {row.status for row in before} <= {OK, MISSING}
    assert [row.name for row in before if row.status == MISSING] in ([], ["vision.patches"])


@pytest.mark.parametrize("seeded", SEEDED, ids=lambda seeded: seeded.title)
def test_a_seeded_bug_is_found_without_the_weights_too(seeded):
    report = diagnose(seeded, knows_model=False)
    assert report.first is not None
    assert report.first.name == seeded.tensor
    assert report.causes or report.suspects


@pytest.mark.slow
def test_the_document_shows_what_came_out():
    _, shown, _ = seeded_bugs.split_document()
    assert shown == seeded_bugs.table()


# ---------------------------------------------------------------- no false alarm


@pytest.mark.parametrize("kind", ["still", "clip"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_official_implementation_agrees(kind, precision):
    report = compare(RIGHT[kind], official(kind, precision))
    assert report.equal
    missing = [row.name for row in report.rows if row.status == MISSING]
    assert missing == ["ids", "vision.patches"]
    assert len([row for row in report.rows if row.status == OK]) > 70


def test_a_run_agrees_with_itself_and_no_measured_noise_is_said():
    report = compare(theirs(), theirs())
    assert report.equal
    assert any("no noise was measured" in note for note in report.notes)


def test_the_bound_is_eight_times_the_measured_noise():
    ours = Run({"logits": np.ones((1, 2, 3), np.float32)}, {"noise": {"logits": Distance(1, 1)}})
    for change, status in ((7.9, OK), (8.1, DIFF)):
        other = Run({"logits": ours.tensors["logits"] + np.float32(change)}, {})
        (row,) = compare(ours, other).rows
        assert row.status == status
        assert row.allowed == (8, 8)


def test_a_small_difference_everywhere_is_found_by_its_mean():
    noise = {"noise": {"logits": Distance(1.0, 0.01)}}
    ours = Run({"logits": np.zeros((1, 2, 3), np.float32)}, noise)
    one_place = ours.tensors["logits"].copy()
    one_place[0, 0, 0] = 0.4
    assert compare(ours, Run({"logits": one_place}, {})).equal
    assert not compare(ours, Run({"logits": one_place * 0 + np.float32(0.4)}, {})).equal


@pytest.mark.parametrize("blocked", [-np.inf, -1e4, np.finfo(np.float32).min])
def test_masks_may_block_with_any_low_number(blocked):
    mask = RIGHT["still"].tensors["text.mask"]
    other = np.where(mask < -1000, np.float32(blocked), mask)
    assert compare(RIGHT["still"], theirs(text__mask=other)).equal


# ---------------------------------------------------------------- shapes, order, names


def test_axes_in_another_order_are_told():
    q = RIGHT["still"].tensors["text.1.q"]
    report = compare(RIGHT["still"], theirs(**{"text.1.q": q.transpose(0, 2, 1, 3)}))
    assert report.equal
    assert any("text.1.q as (2, 16, 5, 6), its axes in another order" in n for n in report.notes)


def test_heads_that_are_not_split_are_told():
    q = RIGHT["still"].tensors["vision.0.q"]
    B, N, T, A = q.shape
    flat = q.transpose(0, 2, 1, 3).reshape(B, T, N * A)
    report = compare(RIGHT["still"], theirs(**{"vision.0.q": flat}))
    assert report.equal
    assert any("vision.0.q with the heads side by side" in note for note in report.notes)


def test_nan_is_a_difference_and_is_counted():
    words = RIGHT["still"].tensors["words"].copy()
    words[0, 0, :3] = np.nan
    report = compare(RIGHT["still"], theirs(words=words))
    assert report.first is not None
    assert report.first.name == "words"
    assert report.causes[0] == "Theirs has 3 numbers that are NaN."


def test_half_precision_without_a_known_place_is_told():
    x = RIGHT["still"].tensors["text.0.x"]
    for kind, rounded in (
        ("float16", x.astype(np.float16).astype(np.float32)),
        ("bfloat16", (x.view(np.uint32) & 0xFFFF0000).view(np.float32)),
    ):
        report = compare(RIGHT["still"], theirs(**{"text.0.x": rounded}))
        assert f"is a {kind}" in report.causes[0]


def test_words_alone_are_told():
    x = RIGHT["still"].tensors["text.0.x"].copy()
    x[:, 10:] += np.random.default_rng(0).standard_normal(x[:, 10:].shape).astype(np.float32)
    report = compare(RIGHT["still"], theirs(**{"text.0.x": x}))
    assert "10 to 15, words only" in " ".join(report.causes)


def test_what_lies_between_the_last_agreement_and_the_difference_is_named():
    tensors = dict(
        theirs(**{"text.0.weights": RIGHT["still"].tensors["text.0.weights"] * 2}).tensors
    )
    del tensors["text.0.scores"], tensors["text.0.q"]
    text = "\n".join(report_lines(compare(RIGHT["still"], Run(tensors, {}))))
    assert "Not in theirs, so not seen: text.0.q, text.0.scores." in text
    assert "MISSING text.0.q" in text


def test_other_words_come_first():
    ids = RIGHT["still"].tensors["ids"].copy()
    ids[0, 1] += 1
    report = compare(RIGHT["still"], theirs(ids=ids))
    assert report.first is not None
    assert report.first.name == "ids"
    assert "read different words" in "\n".join(report_lines(report))


def test_nothing_in_common_is_a_mistake_with_a_hint():
    x = np.zeros((1, 2, 3), np.float32)
    with pytest.raises(UserError, match=r"no tensor in common; 'Text.0.x' .* mean 'text.0.x'"):
        compare(theirs(), Run({"Text.0.x": x}, {}))
    with pytest.raises(UserError, match="holds no tensors"):
        compare(theirs(), Run({}, {}))


def test_every_tensor_has_its_usual_suspects_and_a_function():
    from numpygit.inside.diff.evidence import usual_suspects
    from numpygit.inside.diff.report import where

    for row in TABLE:
        assert usual_suspects(row.name.replace("{i}", "0"))
        assert "numpygit/" in where(row)


# ---------------------------------------------------------------- the report


@pytest.mark.slow
@pytest.mark.parametrize("every", [False, True])
def test_the_report_fits_80_columns(every):
    for seeded in SEEDED[::5]:
        lines = list(report_lines(diagnose(seeded), every=every))
        assert max(map(len, lines)) <= 80
        assert f"First difference: {seeded.tensor}" in lines


def test_layers_that_agree_are_one_line_unless_all_is_asked():
    report = compare(RIGHT["still"], theirs())
    short = [line for line in report_lines(report) if "text.1." in line]
    assert len(short) == 1
    assert "13 tensors" in short[0]
    assert len([line for line in report_lines(report, every=True) if "text.1." in line]) == 13


def test_the_comparer_stops_inside_the_run():
    seeded = next(s for s in SEEDED if s.tensor == "text.1.q")
    found = []
    comparer = Comparer(RIGHT["still"], then=lambda row: found.append(row.name))
    with seeded.bug(seeded_bugs.tiny_inputs("still"), seeded_bugs.MODEL) as (given, model):
        model.logits(
            given["input_ids"],
            given["pixel_values"],
            attention_mask=given["attention_mask"],
            trace=comparer,
        )
    assert found == ["text.1.q"]
    assert comparer.first is not None
    assert comparer.first.name == "text.1.q"
    assert len(comparer.rows) > 70


# ---------------------------------------------------------------- files and the command


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("traced") / "run.safetensors"
    command = ["trace", str(EXAMPLE), "--model", "storybook", "-o", str(path)]
    assert cli.main(command) == 0
    return path


def test_equal_files_end_with_0(traced, capsys):
    assert cli.main(["diff", str(traced), str(traced)]) == 0
    out = capsys.readouterr().out
    assert "127 OK, 0 DIFF, 0 SHAPE, 0 MISSING" in out
    assert "First difference" not in out


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_a_difference_ends_with_1_and_its_cause_needs_no_option(traced, tmp_path, capsys, suffix):
    run = read(traced)
    tensors = dict(run.tensors)
    storybook = numpygit.load("storybook").model.params.text.blocks[1].attention.key
    x = tensors["text.0.x"] @ storybook.weight.T
    heads = tensors["text.1.k"].shape[1]
    tensors["text.1.k"] = x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)
    path = tmp_path / f"theirs{suffix}"
    if suffix == ".npz":
        np.savez(path, **tensors)
    else:
        save(path, Run(tensors, {}))
    assert cli.main(["diff", str(traced), str(path)]) == 1
    out = capsys.readouterr().out
    assert "First difference: text.1.k" in out
    assert "Theirs equals ours without the bias" in out
    assert "`keys_and_values`, numpygit/model/layers.py:" in out


def test_json_has_a_row_for_each_tensor(traced, capsys):
    assert cli.main(["diff", "--json", str(traced), str(traced)]) == 0
    *rows, verdict = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert verdict["equal"] is True
    assert verdict["first_difference"] is None
    assert len(rows) == 127
    assert {row["status"] for row in rows} == {OK}


@pytest.mark.slow
def test_json_has_no_infinity(traced, tmp_path, capsys):
    tensors = {n: a for n, a in read(traced).tensors.items() if n in ("ids", "logits")}
    tensors["logits"] = tensors["logits"] + np.float32(np.nan)
    save(tmp_path / "b.safetensors", Run(tensors, {}))
    assert cli.main(["diff", "--json", str(traced), str(tmp_path / "b.safetensors")]) == 1
    *rows, verdict = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert verdict["first_difference"] == "logits"
    (row,) = [row for row in rows if row["status"] == DIFF]
    assert row["name"] == "logits"
    assert row["apart"] == {"largest": None, "mean": None}


def test_a_model_that_is_not_here_is_a_note(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ours = Run(RIGHT["still"].tensors, {"model": str(tmp_path / "gone")})
    save(tmp_path / "a.safetensors", ours)
    words = RIGHT["still"].tensors["words"]
    save(tmp_path / "b.safetensors", theirs(words=words * 2))
    assert cli.main(["diff", str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors")]) == 1
    out = capsys.readouterr().out
    assert "weights were not tried" in out
    assert "Theirs is ours times 2 everywhere." in out


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gone.safetensors", None, "no such file"),
        ("a.txt", b"x", "must end in .safetensors or .npz"),
        ("a.safetensors", b"nonsense", "damaged or cut short"),
        ("a.npz", b"nonsense", "no file of arrays"),
    ],
)
def test_files_that_cannot_be_read_are_one_line(tmp_path, capsys, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert cli.main(["diff", str(tmp_path / name), str(tmp_path / name)]) == 1
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_pickled_objects_are_never_run(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    assert cli.main(["diff", str(tmp_path / "a.npz"), str(tmp_path / "a.npz")]) == 1
    assert "no file of arrays" in capsys.readouterr().err


def test_damaged_noise_is_told(tmp_path):
    x = {"logits": np.zeros((1, 2, 3), np.float32)}
    for noise in ("{", "[1]", '{"logits": 3}', '{"logits": [1, 2, 3]}'):
        save_file(x, tmp_path / "a.safetensors", metadata={"noise": noise})
        with pytest.raises(UserError, match="`noise` cannot be read"):
            read(tmp_path / "a.safetensors")


def test_float64_of_theirs_is_said(tmp_path):
    tensors = {n: a for n, a in RIGHT["still"].tensors.items() if find(n)}
    tensors["text.0.hidden"] = tensors["text.0.hidden"].astype(np.float64)
    save_file({n: np.ascontiguousarray(a) for n, a in tensors.items()}, tmp_path / "b.safetensors")
    report = compare(RIGHT["still"], read(tmp_path / "b.safetensors"))
    assert report.equal
    assert "theirs holds float64, from text.0.hidden on" in report.notes


def test_the_factor_is_that_of_the_goldens():
    from golden_inputs import FACTOR

    assert room.FACTOR == FACTOR
