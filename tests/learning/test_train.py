"""The training loop: what it learns, what it leaves, how it goes on, and what it refuses.

Checks cli/train.py, learning/checkpoints.py, learning/curves.py, learning/lora.py,
learning/parameters.py, learning/settings.py, learning/weights.py, learning/lessons/examples.py,
learning/lessons/kept.py, learning/lessons/kite.py, learning/teacher.py, learning/validation.py.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import numpygit
from numpygit.cli.commands import main
from numpygit.errors import UserError
from numpygit.evaluation.measures import cider_d
from numpygit.learning.fast.model import loss_and_gradients
from numpygit.learning.fast.text import Batch
from numpygit.learning.lessons.kite import draw_lesson, kites, scenes
from numpygit.learning.lora import Adapted, merged, random_lora, thin_backward
from numpygit.learning.parameters import astype
from numpygit.learning.train import train
from numpygit.learning.validation import Look, cider_of
from numpygit.loading.checkpoint import load as load_params
from numpygit.model.params import named_arrays
from numpygit.storybook import CHECKPOINT, caption


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_lesson(tmp_path_factory.mktemp("lesson"), pictures=8, old=4)


def teach(lesson: Path, output: Path, **settings):
    values = {"steps": 4, "batch": 4, "look_every": 2, "save_every": 2, "rate": 3e-4, "threads": 1}
    return train(lesson, output=output, **{**values, **settings})


def test_a_lesson_holds_kites_old_pictures_and_questions(lesson):
    rows = [json.loads(line) for line in (lesson / "metadata.jsonl").read_text().splitlines()]
    assert sum("kite" in row.get("text", "") for row in rows) == 8
    assert any("question" in row for row in rows)
    assert len(list(lesson.glob("*.png"))) == 12
    with kites():
        assert "kite" in caption(scenes(1, with_kite=True, seed=3)[0])
    with pytest.raises(KeyError):
        caption_of_a_kite_without_kites()


def caption_of_a_kite_without_kites() -> None:
    made = scenes(1, with_kite=True, seed=3)[0]
    numpygit.storybook.render(made, 96)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["all", "text", "last:2", "head", "lora:4"])
def test_every_kind_learns_and_leaves_what_it_must(lesson, tmp_path, what):
    lines = teach(lesson, tmp_path, what=what, steps=6, batch=16, merge=True, validation=0.2,
                  seed=3, rate=2e-3 if "lora" in what else 5e-4)  # fmt: skip
    assert [line.step for line in lines] == list(range(1, 7))
    assert lines[-1].loss < lines[0].loss
    assert [line.step for line in lines if line.validation_loss is not None] == [2, 4, 6]
    taught, before = (load_file(f / "model.safetensors") for f in (tmp_path, CHECKPOINT))
    changed = {n for n in before if not np.array_equal(taught[n], before[n].astype(np.float32))}
    frozen = {n for n in before if "image_encoder" in n}
    assert changed
    assert (not changed & frozen) == (what != "all")
    assert all((n.endswith("query.weight") or n.endswith("value.weight")) for n in changed) == (
        what == "lora:4"
    )
    names = {path.name for path in tmp_path.iterdir()}
    assert {"config.json", "generation_config.json", "vocab.txt", "curves.html"} <= names
    assert isinstance(numpygit.load(str(tmp_path)).caption(lesson / "kite-000.png"), str)
    page = (tmp_path / "curves.html").read_text()
    assert "<polyline" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.slow
def test_muon_augmentation_smoothing_and_accumulation(lesson, tmp_path):
    lines = teach(
        lesson, tmp_path, optimizer="muon", augment=True, smoothing=0.1, accumulate=2, batch=10,
        schedule="cosine", validation=0.0,
    )  # fmt: skip
    assert lines[-1].loss < lines[0].loss
    assert lines[0].rate == pytest.approx(3e-4)
    assert lines[-1].rate < 1e-4
    assert (tmp_path / "model.safetensors").is_file()


@pytest.mark.slow
def test_accumulated_batches_are_one_large_batch(lesson, tmp_path):
    for name, settings in (("one", {"batch": 8}), ("two", {"batch": 4, "accumulate": 2})):
        teach(lesson, tmp_path / name, steps=2, validation=0.0, pieces=2, **settings)
    one, two = (load_file(tmp_path / n / "model.safetensors") for n in ("one", "two"))
    assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_lora_is_written_as_peft_writes_it(lesson, tmp_path):
    teach(lesson, tmp_path, what="lora:4", merge=True, validation=0.0, rate=1e-3)
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    assert settings["r"] == 4
    assert settings["target_modules"] == ["query", "value"]
    thin = load_file(tmp_path / "adapter_model.safetensors")
    assert len(thin) == 4 * 2 * 2
    merged, before = (load_file(f / "model.safetensors") for f in (tmp_path, CHECKPOINT))
    start = "base_model.model.git.encoder.layer.2.attention.self.value.lora_"
    product = thin[f"{start}B.weight"] @ thin[f"{start}A.weight"]
    assert np.abs(product).max() > 0
    name = "git.encoder.layer.2.attention.self.value.weight"
    expected = before[name].astype(np.float32) + settings["lora_alpha"] / 4 * product
    np.testing.assert_allclose(merged[name], expected, atol=1e-7)


def test_lora_finds_the_gradients_of_its_matrices_by_the_chain_rule():
    """Thin gradients against those of the whole matrix: dA = s B^T dW and dB = s dW A^T."""
    rng = np.random.default_rng(0)
    part = Adapted(*(rng.standard_normal(s) for s in ((7, 5), (7,), (2, 5), (7, 2))), 1.5)
    dy, x = rng.standard_normal((11, 7)), rng.standard_normal((11, 5))
    da, db = thin_backward(dy, x, part)
    np.testing.assert_allclose(da, 1.5 * part.b.T @ (dy.T @ x), rtol=1e-12)
    np.testing.assert_allclose(db, 1.5 * (dy.T @ x) @ part.a.T, rtol=1e-12)


@pytest.mark.slow
def test_lora_in_a_whole_model_has_the_gradients_of_a_small_step():
    config, params = load_params(CHECKPOINT)
    params = astype(params, np.float64)
    lora = random_lora(params, rank=3, alpha=6.0, seed=0)
    rng = np.random.default_rng(1)
    for part in lora.parts:
        part.b[:] = rng.standard_normal(part.b.shape) * 0.02
    ids = rng.integers(5, config.vocab_size, (2, 6))
    pixels = rng.standard_normal((2, 3, 96, 96))
    positions = np.broadcast_to(np.arange(6), ids.shape)
    batch = Batch(ids, np.roll(ids, -1, 1), np.ones_like(ids), positions, pixels=pixels)

    def loss() -> float:
        model = merged(params, lora)
        return loss_and_gradients(model, config, batch, count=12, what="lora:3")[0]

    _, found = loss_and_gradients(merged(params, lora), config, batch, count=12, what="lora:3")
    gradients = dict(named_arrays(found))
    for part in (lora.parts[0], lora.parts[3], lora.parts[7]):
        for kind, array in (("a", part.a), ("b", part.b)):
            gradient = gradients[part.name.removesuffix("weight") + kind]
            index = int(np.abs(gradient).argmax())
            array.flat[index] += 1e-5
            ahead = loss()
            array.flat[index] -= 2e-5
            slope = (ahead - loss()) / 2e-5
            array.flat[index] += 1e-5
            assert abs(slope - gradient.flat[index]) < 1e-6 * max(1, abs(slope))
            assert abs(slope) > 1e-5
        assert not np.any(gradients[part.name])  # nothing as wide as the matrix is worked out


def several(folder: Path) -> Path:
    """Pictures that have two captions each."""
    folder.mkdir()
    lines = []
    for i, made in enumerate(scenes(6, with_kite=False, seed=5)):
        numpygit.storybook.render(made, 96).save(folder / f"{i}.png")
        for text in (caption(made), f"is there {caption(made)}"):
            lines.append(json.dumps({"file_name": f"{i}.png", "text": text}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.slow
def test_with_several_captions_cider_chooses_the_best(tmp_path):
    lines = teach(several(tmp_path / "data"), tmp_path / "out", validation=0.5, steps=2)
    assert lines[-1].cider is not None
    state = json.loads(header_of(tmp_path / "out" / "training" / "state.safetensors"))
    best = json.loads(state["__metadata__"]["best"])
    looks = [line for line in lines if line.cider is not None]
    assert best[0] == max(line.cider for line in looks)
    assert "CIDEr-D" in (tmp_path / "out" / "curves.html").read_text()


def header_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(int.from_bytes(file.read(8), "little"))


@pytest.mark.parametrize(
    ("one", "other", "better"),
    [
        (Look(1.0, 0.5, 2.0, False, []), Look(2.0, 0.4, 9.0, False, []), True),
        (Look(1.0, 0.5, 2.0, True, []), Look(2.0, 0.4, 9.0, True, []), False),
        (Look(1.0, 0.5, None, False, []), Look(2.0, 0.5, None, False, []), True),
        (Look(1.0, 0.5, 2.0, False, []), Look(0.5, 0.5, 1.0, False, []), True),
    ],
)
def test_what_the_best_model_is_chosen_by(one, other, better):
    assert (one.score > other.score) == better


def test_cider_of_what_is_held_back_is_that_of_evaluate():
    said = ["a red cat", "an orange fish above a boat"]
    wanted = [["a red cat", "one red cat"], ["an orange fish"]]
    score = cider_d(said, wanted).all
    assert cider_of([text.upper() + "." for text in said], wanted) == score
    assert cider_of(said[:1], wanted[:1]) is None


RUN = """
import sys
from numpygit.learning.train import train
train(sys.argv[1], output=sys.argv[2], what=sys.argv[3], steps=60, batch=4, look_every=20,
      save_every=1, rate=3e-4, threads=2)
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["all", "lora:4"])
def test_killed_ten_times_it_ends_at_the_same_bits(lesson, tmp_path, what, offline):
    """Kill -9 at ten odd moments; the unbroken run and the broken one end alike."""
    commands = [
        [sys.executable, "-c", RUN, str(lesson), str(tmp_path / name), what]
        for name in ("whole", "broken")
    ]
    subprocess.run(commands[0], check=True, env=offline)
    kills, state = 0, tmp_path / "broken" / "training" / "state.safetensors"
    rng = np.random.default_rng(0)
    while kills < 10:
        before = state.stat().st_mtime_ns if state.is_file() else 0
        process = subprocess.Popen(commands[1], env=offline)
        while process.poll() is None:
            time.sleep(0.01)
            if state.is_file() and state.stat().st_mtime_ns != before:
                time.sleep(float(rng.uniform(0, 0.05)))  # in a step, or while files are written
                break
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        if process.returncode == 0:
            break
    assert kills >= 8
    subprocess.run(commands[1], check=True, env=offline)
    both = [tmp_path / name for name in ("whole", "broken")]
    for file in ("training/state.safetensors", "model.safetensors", "adapter_model.safetensors"):
        if (both[0] / file).is_file():
            one, other = (load_file(folder / file) for folder in both)
            assert one.keys() == other.keys()
            assert all(np.array_equal(one[name], other[name]) for name in one), file
    steps = [
        [line.split(",")[:3] for line in (folder / "training/log.csv").read_text().splitlines()]
        for folder in both
    ]
    assert steps[0] == steps[1]


def test_another_training_in_the_same_folder_is_refused(lesson, tmp_path):
    teach(lesson, tmp_path, steps=1, validation=0.0)
    with pytest.raises(UserError, match=r"holds a training with rate 0.0003, not 0.001"):
        teach(lesson, tmp_path, steps=1, validation=0.0, rate=1e-3)
    (tmp_path / "training" / "state.safetensors").write_bytes(b"torn")
    with pytest.raises(UserError, match=r"cannot be read: .*begin anew"):
        teach(lesson, tmp_path, steps=1, validation=0.0)


def write(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir()
    for i, (name, text) in enumerate(texts.items()):
        numpygit.storybook.render(scenes(1, with_kite=False, seed=i)[0], 96).save(folder / name)
        (folder / name).with_suffix(".txt").write_text(text)
    return folder


BAD = {
    "no text": ({"a.png": ""}, "a.png has no text"),
    "a letter that it lacks": ({"a.png": "a 東"}, "no tokens for 'a 東'"),
    "too long": ({"a.png": "a red bird " * 20}, "this model reads 32"),
    "two": ({"a.png": "ж", "b.png": "ж"}, r"a.png: .*\(and 1 more rows like this\)"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_texts_end_in_one_sentence_before_training(tmp_path, kind):
    texts, message = BAD[kind]
    folder = write(tmp_path / "data", texts)
    with pytest.raises(UserError, match=message):
        teach(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"x" * 50])
def test_bad_pictures_end_in_one_sentence_before_training(tmp_path, content):
    folder = write(tmp_path / "data", {"a.png": "a red bird", "b.png": "a red bird"})
    (folder / "b.png").write_bytes(content)
    with pytest.raises(UserError, match=r"cannot be learnt from: b\.png: .*b\.png is "):
        teach(folder, tmp_path / "out")


def test_a_picture_cut_short_is_noticed_before_training(tmp_path):
    folder = write(tmp_path / "data", {"a.png": "a red bird", "b.png": "a red bird"})
    whole = (folder / "b.png").read_bytes()
    (folder / "b.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"b\.png: .* damaged or cut short"):
        teach(folder, tmp_path / "out", steps=1, validation=0.0)
    (folder / "b.png").unlink()
    lines = teach(folder, tmp_path / "out", steps=1, validation=0.0)  # there was nothing to go on
    assert len(lines) == 1


def test_missing_pictures_and_settings_that_cannot_be(lesson, tmp_path):
    table = tmp_path / "metadata.jsonl"
    table.write_text('{"file_name": "gone.png", "text": "a red bird"}\n')
    with pytest.raises(UserError, match=r"no such picture file: .*gone.png"):
        teach(table, tmp_path / "out")
    for settings, message in (
        ({"what": "half"}, "give one of: all, text"),
        ({"what": "lora"}, "give one of: all, text"),
        ({"what": "last:99"}, "last:N can be 1 to 4"),
        ({"batch": 0}, "batch is 0"),
        ({"optimizer": "sgd"}, "adamw, muon"),
        ({"schedule": "step"}, "linear, cosine"),
        ({"validation": 1.5}, "validation is 1.5"),
        ({"speed": 3}, "unknown setting 'speed'"),
        ({"augment": True, "what": "head"}, "augment needs new states"),
    ):
        with pytest.raises(UserError, match=message):
            teach(lesson, tmp_path / "out", **settings)
        assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is a file"):
        teach(lesson, tmp_path / "file")


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_with_the_last_good_model(lesson, tmp_path):
    teach(lesson, tmp_path, steps=2, validation=0.0)
    good = load_file(tmp_path / "model.safetensors")
    broken = tmp_path / "broken"
    with (
        np.errstate(all="ignore"),
        pytest.raises(UserError, match=r"not a finite number|not finite any more"),
    ):
        teach(lesson, broken, steps=6, rate=1e20, validation=0.0, save_every=1)
    assert all(np.isfinite(array).all() for array in good.values())
    kept = (
        load_file(broken / "model.safetensors") if (broken / "model.safetensors").exists() else {}
    )
    assert all(np.isfinite(array).all() for array in kept.values())


def test_a_full_disk_is_noticed_before_training(lesson, tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 10**6))
    with pytest.raises(UserError, match=r"has 0.0 GB left on its disk; this training needs"):
        teach(lesson, tmp_path / "out")


def test_the_commands(tmp_path, capsys):
    folder, output = tmp_path / "lesson", tmp_path / "taught"
    assert main(["lesson", str(folder), "--pictures", "3", "--old", "1"]) == 0
    command = ["train", str(folder), "--output", str(output), "--steps", "2", "--batch", "2"]
    assert main([*command, "--train", "text", "--validation", "0.4", "--threads", "1"]) == 0
    told = capsys.readouterr().out
    assert "3 pictures with a kite, 1 without" in told
    assert "held back" in told
    assert f"{output}: the model" in told
    assert main([*command, "--train", "nothing", "--output", str(tmp_path / "x")]) == 1
    assert "give one of: all, text, last:N, head, lora:R" in capsys.readouterr().err
