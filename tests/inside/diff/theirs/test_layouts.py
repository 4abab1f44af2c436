"""Tensors in other layouts are read as what they are; names and words of others are understood.

Checks inside/diff/theirs/foreign_names.py, inside/diff/theirs/words.py.
"""

import json

import numpy as np
import pytest
from trial import captioner, ours, run_port

from numpygit import cli
from numpygit.errors import UserError
from numpygit.inside.diff.compare import compare
from numpygit.inside.diff.theirs.foreign_names import known, read_map, translate
from numpygit.inside.diff.theirs.layouts import read_as_ours
from numpygit.inside.diff.theirs.words import how_ids_differ
from numpygit.inside.record import Run, save

RIGHT = ours("still").tensors
MASK = RIGHT["text.mask"]
KEEP = MASK[0, 0] == 0


def changed(**tensors: np.ndarray) -> Run:
    return Run(dict(RIGHT) | {n.replace("__", "."): a for n, a in tensors.items()}, {})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["still", "clip"])
@pytest.mark.parametrize("coarse", [False, True])
def test_a_right_port_with_other_layouts_and_names_agrees(kind, coarse):
    report = compare(ours(kind), run_port(None, kind, coarse=coarse))
    assert report.equal
    assert any("names of theirs were read as ours" in note for note in report.notes)


@pytest.mark.parametrize(
    ("mask", "how"),
    [
        (KEEP, "says what to keep"),
        (~KEEP, "says what to block"),
        (KEEP[None].astype(np.int64), "says what to keep"),
        (KEEP[None, None].astype(np.float32), "says what to keep"),
        (np.where(KEEP, 0, -100).astype(np.float32), "-100 for blocked"),
        (np.where(KEEP, 0, -1e4).astype(np.float32)[None, None], ""),
        (np.broadcast_to(KEEP, (5, *KEEP.shape)), "once for each head"),
        (KEEP[65:, 65:], "words alone"),
    ],
)
def test_masks_of_every_kind_are_read(mask, how):
    report = compare(ours("still"), changed(text__mask=mask))
    assert report.equal
    row = next(row for row in report.rows if row.name == "text.mask")
    assert how in row.how


def test_a_wrong_mask_of_another_kind_is_still_wrong():
    wrong = KEEP.copy()
    wrong[66, 70] = True
    report = compare(ours("still"), changed(text__mask=wrong))
    assert report.first is not None
    assert report.first.name == "text.mask"


def test_weak_masks_in_scores_count_as_blocked():
    scores = np.where(MASK == 0, RIGHT["text.0.scores"], -100).astype(np.float32)
    assert compare(ours("still"), changed(text__0__scores=scores)).equal


def test_logits_of_words_alone_and_of_the_last_word_are_read():
    logits = RIGHT["logits"]
    words = RIGHT["ids"].shape[1]
    for part in (logits[:, -words:], logits[:, -1:], logits[:, -1], logits[0, -words:]):
        assert compare(ours("still"), changed(logits=part)).equal
    wrong = logits[:, -words:] + np.float32(1)
    assert not compare(ours("still"), changed(logits=wrong)).equal


def test_no_number_is_changed_by_reading():
    q = RIGHT["vision.0.q"]
    B, N, T, A = q.shape
    for other in (
        q.transpose(0, 2, 1, 3), q.transpose(2, 0, 1, 3), q[0], q.reshape(B * N, T, A),
        q.transpose(0, 2, 1, 3).reshape(B, T, N * A),
    ):  # fmt: skip
        reading = read_as_ours("vision.0.q", q, other, words=None)
        assert np.array_equal(reading.theirs, q)
        assert reading.how


def in_bfloat16(x: np.ndarray) -> np.ndarray:
    """Round to the nearest number of 8 bits."""
    bits = np.ascontiguousarray(x).view(np.uint32).astype(np.uint64)
    kept = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return np.where(np.isfinite(x), kept, x)


STORED = {"float16": lambda x: x.astype(np.float16).astype(np.float32), "bfloat16": in_bfloat16}


@pytest.mark.parametrize("kind", STORED)
def test_half_precision_by_storing_is_no_fault(kind):
    stored = {n: STORED[kind](a) if a.dtype.kind == "f" else a for n, a in RIGHT.items()}
    assert not np.array_equal(stored["words"], RIGHT["words"])
    report = compare(ours("still"), Run(stored, {}))
    assert f"stored in {kind}" in " ".join(report.notes)
    assert report.equal
    assert len([row for row in report.rows if row.status == "OK"]) == len(report.rows) > 120


@pytest.mark.parametrize("kind", STORED)
def test_a_mistake_in_what_was_stored_in_half_precision_is_named(kind):
    model = captioner().model
    right = {
        n: a for n, a in RIGHT.items() if n.startswith(("ids", "pixels", "vision.0", "vision.x"))
    }
    del right["vision.0.scores"]
    key = model.params.vision.blocks[0].attention.key
    k = RIGHT["vision.0.attention_input"] @ key.weight.T
    right["vision.0.k"] = k.reshape(1, 65, 5, 32).transpose(0, 2, 1, 3)
    stored = {n: STORED[kind](a) if a.dtype.kind == "f" else a for n, a in right.items()}
    report = compare(ours("still"), Run(stored, {}), params=model.params, config=model.config)
    assert report.first is not None
    assert report.first.name == "vision.0.k"
    assert "without the bias" in report.causes[0]


def test_a_tolerance_lets_ports_of_half_precision_pass():
    rough = {n: a * np.float32(1.003) if a.dtype.kind == "f" else a for n, a in RIGHT.items()}
    assert not compare(ours("still"), Run(rough, {})).equal
    assert compare(ours("still"), Run(rough, {}), tolerance=0.01).equal
    assert not compare(ours("still"), Run(rough, {}), tolerance=0.001).equal


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("theirs", "mine"),
    [
        ("text.3.q", "text.3.q"),
        ("git.encoder.layer.2.attention.self.query", "text.2.q"),
        ("model.git.encoder.layer.2.attention.output", "text.2.after_attention"),
        ("encoder.layer.5", "text.5.x"),
        ("image_encoder.vision_model.encoder.layers.1.mlp.fc1", "vision.1.hidden"),
        ("git.image_encoder.vision_model.embeddings.patch_embedding", "vision.patch_tokens"),
        ("git.visual_projection", "memory"),
        ("output", "logits"),
        ("hidden_states.0", "text.x"),
        ("hidden_states[4]", "text.3.x"),
        ("vision_hidden_states.1", "vision.0.x"),
        ("attentions.2", "text.2.weights"),
        ("blocks.1.attn.hook_q", "text.1.q"),
        ("vision.blocks.1.hook_resid_post", "vision.1.x"),
        ("vision.blocks.0.hook_resid_pre", "vision.x"),
        ("vision.blocks.2.hook_resid_pre", "vision.1.x"),
        ("decoder.blocks.0.hook_normalized_resid_post", "text.0.x"),
        ("pixel_values", "pixels"),
        ("something.else", ""),
    ],
)
def test_names_of_others_are_understood(theirs, mine):
    assert known(theirs) == mine


def test_a_map_of_ones_own(tmp_path):
    lines = tmp_path / "names.txt"
    lines.write_text("# mine\nenc.{i}.out = vision.{i}.x\nvocab = logits\n")
    given = read_map(lines)
    assert translate(["enc.7.out", "vocab"], given=given) == {
        "enc.7.out": "vision.7.x", "vocab": "logits",
    }  # fmt: skip
    as_json = tmp_path / "names.json"
    as_json.write_text(json.dumps({"vocab": "logits"}))
    assert read_map(as_json) == {"vocab": "logits"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("vocab logits\n", "line 1: expected"),
        ("vocab = logitz\n", "no name of the table; did you mean 'logits'"),
        ("{", "is no JSON"),
        ('{"a": 3}', "one object of names"),
    ],
)
def test_maps_that_cannot_be_are_refused(tmp_path, text, said):
    path = tmp_path / "names.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        read_map(path)


@pytest.mark.slow
def test_the_command_takes_a_map_and_a_tolerance(tmp_path, capsys):
    save(tmp_path / "a.safetensors", ours("still"))
    wrong = RIGHT["logits"] * np.float32(1.001)
    np.savez(tmp_path / "b.npz", vocab=wrong)
    (tmp_path / "names.txt").write_text("vocab = logits\n")
    files = [str(tmp_path / "a.safetensors"), str(tmp_path / "b.npz")]
    mapped = ["--map", str(tmp_path / "names.txt")]
    assert cli.main(["diff", *files]) == 1
    assert "--map FILE" in capsys.readouterr().err
    np.savez(tmp_path / "b.npz", vocab=wrong, **{"text.3.x": RIGHT["text.3.x"]})
    assert cli.main(["diff", *files, *mapped]) == 1
    assert cli.main(["diff", *files, *mapped, "--tolerance", "0.01"]) == 0
    assert cli.main(["diff", *files, "--tolerance", "7"]) == 1
    assert "between 0 and 1" in capsys.readouterr().err


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda ids: ids[:, 1:], "lacks the first word, 2: the start token"),
        (lambda ids: np.pad(ids, ((0, 0), (1, 0)), constant_values=2), "start token 2 .* twice"),
        (lambda ids: np.pad(ids, ((0, 0), (0, 1)), constant_values=3), "end token .* added"),
        (lambda ids: np.pad(ids, ((0, 0), (0, 1)), constant_values=9), "one word more, 9"),
        (lambda ids: ids[:, :-1], "lacks the last word"),
        (lambda ids: np.append(ids[:, 1:], [[3]], axis=1), "shifted by one"),
        (lambda ids: ids + 1, "ours plus 1"),
        (lambda ids: ids[:, ::-1], "in another order"),
        (lambda ids: ids[0], "the same"),
    ],
)
def test_it_is_said_how_words_differ(change, said):
    ids = RIGHT["ids"]
    other = change(ids)
    if np.array_equal(np.atleast_2d(other), ids):
        assert compare(ours("still"), changed(ids=other)).equal
        return
    import re

    assert re.search(said, how_ids_differ(ids, other, captioner().model.config))


def test_other_words_do_not_stop_the_picture_and_the_words_in_common():
    from numpygit.inside.record import read_once
    from numpygit.trace import Recorder

    ids = RIGHT["ids"].copy()
    ids[0, 5] = 7
    recorder = Recorder()
    read_once(captioner(), captioner().model, RIGHT["pixels"], ids, recorder)
    theirs = Run({"ids": ids, **recorder.tensors}, {})
    report = compare(ours("still"), theirs)
    assert report.first is not None
    assert report.first.name == "ids"
    assert "the first 5 words are the same" in " ".join(report.notes)
    row = next(row for row in report.rows if row.name == "text.3.x")
    assert (row.status, row.ours) == ("OK", (1, 65 + 5, 160))
    kept = {n: a for n, a in theirs.tensors.items() if not n.startswith("vision.2.")}
    wrong = kept | {"vision.1.x": theirs.tensors["vision.1.x"] * 2}
    report = compare(ours("still"), Run(wrong, {}))
    assert report.first is not None
    assert report.first.name == "vision.1.x"
