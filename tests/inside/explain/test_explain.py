"""The explain page: its numbers are those of the run, it is one safe file, mistakes are told.

Checks inside/explain/importance.py, inside/explain/map.py, inside/explain/pack.py,
inside/explain/panels.py, inside/explain/pictures.py, inside/explain/stages.py,
inside/explain/traced_run.py, inside/explain/gradient.py.
"""

from __future__ import annotations

import base64
import io
import math
import re
from html import unescape
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from numpygit import GitForCausalLM, PictureOptions, load
from numpygit.cli.commands import main
from numpygit.errors import UserError
from numpygit.inside.explain import Explanation, data_of
from numpygit.inside.explain.importance import cuts
from numpygit.inside.explain.pack import exact, shares, unpack_shares
from numpygit.learning.parameters import astype
from numpygit.model import text
from numpygit.model.layers import softmax
from numpygit.model.text import full_mask
from numpygit.storybook import EXAMPLES
from numpygit.trace import Recorder

pytestmark = pytest.mark.slow

PICTURE = EXAMPLES / "relation.png"
NASTY = '</script><script>{{program}}&"'


@pytest.fixture(scope="module")
def page(storybook) -> Explanation:
    return storybook.explain(PICTURE)


@pytest.fixture(scope="module")
def data(page) -> dict:
    return data_of(page.html)


@pytest.fixture(scope="module")
def traced(storybook) -> Recorder:
    """A run of its own, by another way than the page's."""
    recorder = Recorder()
    assert "".join(storybook.stream(PICTURE, trace=recorder))
    return recorder


def weights(traced: Recorder, word: int) -> np.ndarray:
    layers = [traced.tensors[f"word.{word}.text.{layer}.weights"][0, :, -1] for layer in range(4)]
    return np.stack(layers)


# ---------------------------------------------------------------- numbers


def test_the_caption_is_the_models(page, data, storybook):
    assert page.text == str(page) == data["caption"] == storybook.caption(PICTURE)
    assert [word["token"] for word in data["words"]] == [*page.text.split(), "[SEP]"]
    assert [word["is_end"] for word in data["words"]] == [False] * 9 + [True]


def test_attention_equals_the_trace(data, traced):
    heads, means = (unpack_shares(data["attention"][key]) for key in ("heads", "means"))
    everything = unpack_shares(data["attention"]["all_layers"])
    for word in range(len(data["words"])):
        true = weights(traced, word)
        for found, expected in (
            (heads[:, :, word], true),
            (means[:, word], true.mean(axis=1)),
            (everything[word], true.mean(axis=(0, 1))),
        ):
            S = expected.shape[-1]
            step = expected.max(axis=-1, keepdims=True) / 510
            assert (np.abs(found[..., :S] - expected) <= step * 1.001).all()
            assert (found[..., S:] == 0).all()


def test_rivals_are_the_likeliest_at_every_temperature(data, traced):
    for number, word in enumerate(data["words"]):
        logits = traced.tensors[f"word.{number}.logits"][0, -1]
        found = np.array([rival["logit"] for rival in word["rivals"]], np.float32)
        np.testing.assert_array_equal(found, np.sort(logits)[::-1][:10])
        assert word["rivals"][0]["token"] == word["token"]
        for t, log_sum in zip(data["temperatures"], word["log_sums"], strict=True):
            true = softmax(logits.astype(np.float64) / t).max()
            assert math.exp(float(found[0]) / t - log_sum) == pytest.approx(true, abs=1e-12)
        sure = float(np.log(softmax(logits.astype(np.float64)).max()))
        assert word["log_probability"] == pytest.approx(sure, abs=1e-12)


def test_stages_equal_the_trace(data, traced):
    count = 0
    for stage in [*data["stages"]["picture"], *chain(*data["stages"]["words"])]:
        tensor = traced.tensors[stage["name"]]
        assert stage["shape"] == list(tensor.shape)
        flat = tensor.reshape(-1, tensor.shape[-1])[: stage["of"][0]]
        np.testing.assert_array_equal(np.array(stage["corner"], np.float32), flat[:8, :8])
        assert np.float32(stage["low"]) == tensor.min()
        assert np.float32(stage["high"]) == tensor.max()
        assert len(stage["letters"].split(",")) >= tensor.ndim
        count += 1
    assert count == 7 + 8 * len(data["words"])
    assert len(data["stages"]["picture"]) + len(data["stages"]["words"][0]) == 15


def test_stages_name_a_function_where_it_stands(data):
    package = EXAMPLES.parents[1]
    for stage in [*data["stages"]["picture"], *data["stages"]["words"][0]]:
        found = re.fullmatch(r"(\w+\.py)(?:, line (\d+): (\w+))?", stage["where"])
        assert found, stage["where"]
        lines = (package / "model" / found[1]).read_text().splitlines()
        if found[2]:
            assert lines[int(found[2]) - 1].startswith(f"def {found[3]}(")


def test_one_weight_by_hand(data, traced):
    for number, word in enumerate(data["words"]):
        hand = word["by_hand"]
        name = f"text.{hand['layer']}"
        q = traced.tensors[f"word.{number}.{name}.q"][0, hand["head"], -1]
        k = traced.tensors[f"image.{name}.k"][0, hand["head"], hand["token"]]
        np.testing.assert_array_equal(np.array(hand["q"], np.float32), q)
        np.testing.assert_array_equal(np.array(hand["k"], np.float32), k)
        score = hand["product"] / math.sqrt(len(q))
        assert score == pytest.approx(hand["scores"][hand["token"]], abs=1e-5)
        computed = softmax(np.array(hand["scores"]))[hand["token"]]
        assert computed == pytest.approx(hand["weight"], rel=1e-5)
        true = traced.tensors[f"word.{number}.{name}.weights"][0, hand["head"], -1]
        assert np.float32(hand["weight"]) == true[hand["token"]]
        assert 0.01 < hand["weight"] < true.max()
        assert hand["token"] % 65 > 0


def test_the_mask_is_that_of_the_definition(data):
    rows = [row for word in data["words"] for row in word["mask"]]
    whole = full_mask(np.ones((1, len(rows)), np.int64), image=65)[0, 0, 65:, 65:]
    for row, expected in zip(rows, whole, strict=True):
        assert row == "".join("1" if open_ == 0 else "0" for open_ in expected[: len(row)])
        assert (expected[len(row) :] == -np.inf).all()


def test_the_last_lens_is_what_was_said(data):
    for word in data["words"]:
        assert len(word["lens"]) == 5
        best, share = word["lens"][-1]["best"][0]
        assert best == word["token"]
        assert share == pytest.approx(math.exp(word["log_probability"]), rel=1e-5)
    assert any(word["lens"][0]["best"][0][0] != word["token"] for word in data["words"])


def test_importance_is_a_repeated_experiment(data, storybook):
    """Hide one place by hand, and score the words without a cache."""
    importance = data["importance"]
    assert importance["rows"] == importance["columns"] == list(range(9))
    pixels = storybook.pixels(PICTURE)
    ids = storybook.processor.prompt()
    words = storybook.processor.vocabulary.tokenizer
    said = [words.token_to_id(word["token"]) for word in data["words"]]
    ids = np.array([[*ids[0], *said[:-1]]])
    hidden = pixels.copy()
    hidden[0, :, 60:96, 36:72] = pixels.mean(axis=(0, 2, 3))[:, None, None]

    def chances(given: np.ndarray) -> np.ndarray:
        logits = storybook.model.logits(ids, given)[0, 65:].astype(np.float64)
        return np.log(softmax(logits))[np.arange(len(said)), said]

    drop = chances(pixels) - chances(hidden)
    found = [drops[6 * 8 + 4] for drops in importance["drops"]]
    np.testing.assert_allclose(found, drop, atol=2e-4)
    assert max(drop) > 1  # the fish is there


def chances_of(storybook, data: dict, pixels: np.ndarray) -> np.ndarray:
    """Score the words that were said, without a cache."""
    words = storybook.processor.vocabulary.tokenizer
    said = [words.token_to_id(word["token"]) for word in data["words"]]
    ids = np.array([[*storybook.processor.prompt()[0], *said[:-1]]])
    logits = storybook.model.logits(ids, pixels)[0, 65:].astype(np.float64)
    return np.log(softmax(logits))[np.arange(len(said)), said]


def test_the_whole_picture_and_the_best_rectangle_are_hidden_again(data, storybook):
    importance, pixels = data["importance"], storybook.pixels(PICTURE)
    mean = pixels.mean(axis=(0, 2, 3))[:, None, None]
    right = chances_of(storybook, data, pixels)
    nothing = np.broadcast_to(mean, pixels.shape).astype(np.float32)
    drop = right - chances_of(storybook, data, nothing)
    np.testing.assert_allclose(importance["whole"], drop, atol=1e-3)
    for number, best in enumerate(importance["best"]):
        if best is None:
            continue
        top, bottom, left, end = (12 * edge for edge in best["box"])
        hidden = pixels.copy()
        hidden[0, :, top:bottom, left:end] = mean
        drop = right - chances_of(storybook, data, hidden)
        assert best["drop"] == pytest.approx(drop[number], abs=1e-3)
        assert best["share"] == (bottom - top) * (end - left) / 96**2
        assert best["drop"] >= 0.5 * importance["whole"][number] - 1e-3
    of_picture = [word["token"] for word, drop in zip(data["words"], drop, strict=True) if drop > 4]
    assert "fish" in of_picture
    assert importance["best"][data["words"].index(data["words"][2])] is not None


def test_masked_tokens_are_masked_again_by_the_definition(data, storybook):
    """No cache and no taken-away keys here: one mask over the whole sequence."""
    model, importance = storybook.model, data["importance"]
    words = storybook.processor.vocabulary.tokenizer
    said = [words.token_to_id(word["token"]) for word in data["words"]]
    ids = np.array([[*storybook.processor.prompt()[0], *said[:-1]]])
    memory = model.memory(storybook.pixels(PICTURE))
    seen: dict[str, np.ndarray] = {}
    text.forward(memory, ids, model.params.text, config=model.config, trace=seen.__setitem__)

    def chances(mask: np.ndarray) -> np.ndarray:
        x, _ = text.text_tower(seen["text.x"], model.params.text, config=model.config, mask=mask)
        logits = (x @ model.params.text.head.weight.T + model.params.text.head.bias)[0, 65:]
        return np.log(softmax(logits.astype(np.float64)))[np.arange(len(said)), said]

    mask = full_mask(np.ones_like(ids), image=65).copy()
    right = chances(mask)
    grid = np.zeros((8, 8), bool)
    grid[5:8, 3:6] = True  # the region in row 7, column 5, with those around it
    mask[:, :, 65:, 1:65] = np.where(grid.reshape(-1), -np.inf, mask[:, :, 65:, 1:65])
    found = [drops[6 * 8 + 4] for drops in importance["masked"]]
    np.testing.assert_allclose(found, right - chances(mask), atol=1e-3)


def test_nothing_is_correlated_where_nothing_was_measured(data):
    importance = data["importance"]
    for drops, agreement in zip(importance["drops"], importance["agreement"], strict=True):
        assert (agreement is None) == (max(map(abs, drops)) < 0.01)


def test_gradient_times_input_is_what_a_little_fading_changes(data, storybook):
    """Patches fade by a thousandth, one at a time; the forward call scores the words again."""
    config, words = storybook.model.config, storybook.processor.vocabulary
    ids = np.array([[2, *words.encode(data["caption"]), 3]])
    params = astype(storybook.model.params, np.float64)
    pixels = storybook.pixels(PICTURE).astype(np.float64)
    values = np.array(data["gradient"]["values"])
    assert values.shape == (10, 64)
    model = GitForCausalLM(config, params)

    def chance(shown: np.ndarray, word: int) -> float:
        logits = model.logits(ids[:, : word + 1], shown)[0, -1].astype(np.float64)
        logits[words.unused()] = -np.inf
        return float(logits[ids[0, word + 1]] - np.log(np.exp(logits).sum()))

    for word, patch in ((1, 20), (7, 35), (3, 42), (7, 0)):
        top, left = patch // 8 * 12, patch % 8 * 12
        less, more = pixels.copy(), pixels.copy()
        less[..., top : top + 12, left : left + 12] *= 1 - 1e-3
        more[..., top : top + 12, left : left + 12] *= 1 + 1e-3
        slope = (chance(more, word) - chance(less, word)) / 2e-3
        assert abs(slope - values[word, patch]) < 1e-4 + 1e-3 * abs(slope)


def test_gradient_times_input_agrees_as_the_page_says(data):
    drops = np.array(data["importance"]["drops"])
    for word, found in enumerate(data["gradient"]["agreement"]):
        if np.abs(drops[word]).max() < 0.01:
            assert found is None
            continue
        squares = np.array(data["gradient"]["values"][word]).reshape(8, 8)
        sums = [
            squares[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].sum()
            for row in range(8)
            for column in range(8)
        ]
        assert abs(np.corrcoef(sums, drops[word])[0, 1] - found) < 1e-4


def test_where_there_is_no_way_back_the_page_has_no_gradient(storybook, monkeypatch):
    monkeypatch.setattr("numpygit.inside.explain.gradient.MOST_NUMBERS", 10)
    assert data_of(storybook.explain(PICTURE).html)["gradient"] is None
    assert data_of(storybook.explain(PICTURE, measure=False).html)["gradient"] is None


def test_words_of_a_question_have_their_shares(storybook):
    asked = "what is the color of the fish?"
    found = data_of(storybook.explain(PICTURE, asked, measure=False).html)
    shown = unpack_shares(found["asked"])
    ids = storybook.processor.prompt(asked)
    assert found["prompt"] == [
        storybook.processor.vocabulary.tokenizer.id_to_token(i) for i in ids[0]
    ]
    recorder = Recorder("text.*.weights")
    storybook.model.logits(ids, storybook.pixels(PICTURE), trace=recorder)
    right = np.mean([recorder.tensors[f"text.{i}.weights"][0] for i in range(4)], axis=(0, 1))[65:]
    highest = right.max(axis=-1, keepdims=True)
    assert (np.abs(shown - right) <= highest / 255 * 0.51 + 1e-6).all()
    assert data_of(storybook.explain(PICTURE, measure=False).html)["asked"] is None


def test_the_map_has_the_sizes_of_the_model(data, storybook):
    config = storybook.model.config
    shapes = [stop["shape"] for stop in data["map"]]
    assert shapes[0] == "96 x 96 pixels"
    assert shapes[1] == "8 x 8 = 64"
    assert shapes[3] == f"{storybook.model.memory(storybook.pixels(PICTURE)).shape[1]} image tokens"
    assert shapes[5] == f"{config.num_hidden_layers} layers, {config.num_attention_heads} heads"
    assert shapes[6] == f"{len(storybook.model.params.text.head.bias)} words"


def test_progress_is_told(storybook):
    told: list[tuple[int, int]] = []
    storybook.explain(PICTURE, max_length=2, progress=lambda *now: told.append(now))
    assert told[-1] == (164, 164)
    assert told == sorted(told)


def test_the_picture_tower_equals_the_trace(data, traced):
    vision = data["vision"]
    assert vision["layers"] == [0, 1, 2, 3]
    found = unpack_shares(vision["weights"])
    for layer in range(4):
        true = traced.tensors[f"vision.{layer}.weights"].mean(axis=1)
        step = true.max(axis=-1, keepdims=True) / 510
        assert (np.abs(found[layer] - true) <= step * 1.001).all()
    norms = unpack_shares(vision["norms"])
    for name, row in zip(vision["names"], norms, strict=True):
        true = np.linalg.norm(traced.tensors[name], axis=-1)
        assert np.abs(row - true).max() <= true.max() / 509


def test_the_cache_grows_by_a_word_each_step(data, traced):
    cache = data["cache"]
    assert (cache["image"], cache["now"]) == (65, [1] * 10)
    kept = [
        value for name, value in traced.tensors.items() if re.match(r"word\.3\..*\.[kv]$", name)
    ]
    assert cache["bytes_of_a_token"] == sum(value.nbytes for value in kept)


def test_packing_keeps_what_it_promises():
    rng = np.random.default_rng(0)
    values = softmax(rng.standard_normal((3, 4, 50), np.float32) * 4)
    values[1, 2] = 0
    error = np.abs(unpack_shares(shares(values)) - values)
    assert (error <= values.max(axis=-1, keepdims=True) / 510 * 1.001).all()
    numbers = rng.standard_normal(1000).astype(np.float32) * np.float32(1e-3)
    np.testing.assert_array_equal(np.array(exact(numbers), np.float32), numbers)
    assert exact(np.float32(-np.inf)) is None


@pytest.mark.parametrize(("side", "parts"), [(3, 3), (8, 8), (14, 7), (23, 8), (30, 6), (40, 8)])
def test_regions_cover_a_side(side, parts):
    edges = cuts(side)
    assert len(edges) == parts + 1
    assert (edges[0], edges[-1]) == (0, side)
    assert (np.diff(edges) > 0).all()


# ---------------------------------------------------------------- pictures


def test_what_was_lost_at_the_borders(storybook):
    wide = Image.open(PICTURE).convert("RGB").resize((800, 400))
    data = data_of(storybook.explain(wide, max_length=3, measure=False).html)
    assert data["seen"]["sizes"] == [[800, 400]]
    assert data["seen"]["kept"] == [{"resized": [192, 96], "box": [0.25, 0, 0.5, 1]}]
    assert data["importance"] is None
    assert not data["finished"]
    assert len(data["words"]) == 2


@pytest.mark.parametrize(
    ("fit", "resized", "box"),
    [("squash", [96, 96], [0, 0, 1, 1]), ("pad", [96, 47], [0, -24 / 47, 1, 96 / 47])],
)
def test_the_whole_picture_is_shown_as_such(fit, resized, box):
    captioner = load("storybook", pictures=PictureOptions(fit=fit))
    white = Image.new("RGB", (960, 470), "white")
    page = captioner.explain(white, max_length=3, measure=False)
    data = data_of(page.html)
    assert data["seen"]["fit"] == fit
    assert data["seen"]["kept"] == [{"resized": resized, "box": box}]
    address = data["seen"]["pictures"][0].partition(",")[2]
    rows = np.asarray(Image.open(io.BytesIO(base64.b64decode(address))).convert("RGB"))[:, 0]
    is_white = (rows == 255).all(axis=1)
    lost = 24 if fit == "pad" else 0  # rows above the picture; an odd border is wider below
    assert is_white.nonzero()[0].tolist() == list(range(lost, lost + resized[1]))


def test_every_way_to_hold_a_picture_makes_the_same_page(storybook):
    expected = storybook.explain(PICTURE, measure=False)
    for given in (PICTURE.read_bytes(), np.asarray(Image.open(PICTURE).convert("RGB"))):
        made = storybook.explain(given, measure=False)
        assert made.text == expected.text
        assert data_of(made.html)["seen"] == data_of(expected.html)["seen"]


def test_a_clip_shows_its_frames(storybook):
    made = storybook.explain(EXAMPLES / "clip.gif", measure=False)
    data = data_of(made.html)
    assert made.text == storybook.caption(EXAMPLES / "clip.gif")
    assert len(data["seen"]["originals"]) == len(data["seen"]["pictures"]) == 4
    assert data["memory"] == 4 * 65
    assert data["vision"]["weights"]["shape"] == [4, 4, 65, 65]
    assert "clip_tokens" in [stage["name"] for stage in data["stages"]["picture"]]
    assert len(made.html.encode()) < 3_000_000


def test_other_models_and_the_authors_preparation(write_folder, tmp_path):
    import numpygit

    folder = write_folder(tmp_path / "tiny")
    for preprocessing in ("hf", "original"):
        tiny = numpygit.load(folder, preprocessing=preprocessing)
        data = data_of(tiny.explain(PICTURE, max_length=6).html)
        assert data["seen"]["grid"] == [3, 3]
        assert len(data["importance"]["drops"][0]) == 9
        assert data["attention"]["heads"]["shape"][:2] == [3, 4]


# ---------------------------------------------------------------- one safe file


def test_the_page_is_small_and_whole(page):
    assert len(page.html.encode()) < 400_000
    assert "{{" not in re.sub(r"\$\{.*", "", page.html)
    assert page.html.count("<script") == page.html.count("</script>") == 2


def test_nothing_is_loaded_from_anywhere(page):
    markup = page.html
    assert "default-src 'none'" in markup
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|<link|\bimport\b\s*\(|fetch\(", markup)
    assert re.findall(r'\s(?:src|href)="([^"]*)"', markup) == ["#importance"]


def test_what_a_user_writes_cannot_become_program(storybook):
    made = storybook.explain(PICTURE, NASTY, measure=False)
    assert made.html.count("<script") == made.html.count("</script") == 2
    data = data_of(made.html)
    assert data["question"] == NASTY
    assert data["caption"] == storybook.answer(PICTURE, NASTY)
    assert len(data["prompt"]) == storybook.processor.prompt(NASTY).shape[1] > 5
    assert len(data["words"][0]["mask"]) == len(data["prompt"])
    assert made.html.count('"use strict";') == 1


def test_the_name_of_a_file_is_data_too(storybook, tmp_path):
    path = tmp_path / "<img src=x onerror=alert(1)>.png"
    Image.open(PICTURE).save(path)
    made = storybook.explain(path, max_length=2, measure=False)
    assert "<img" not in made.html
    assert data_of(made.html)["name"] == path.name


def test_the_notebook_shows_the_same_page(page):
    frame = re.fullmatch(r'<iframe sandbox="allow-scripts" [^>]*srcdoc="([^"]*)"></iframe>',
                         page._repr_html_())  # fmt: skip
    assert frame
    assert unescape(frame[1]) == page.html
    assert "Explanation('an orange fish" in repr(page)


# ---------------------------------------------------------------- the command


def test_the_command_writes_the_page(tmp_path, capsys, data):
    target = tmp_path / "page.html"
    assert main(["explain", str(PICTURE), "--model", "storybook", "-o", str(target)]) == 0
    assert capsys.readouterr().out == data["caption"] + "\n"
    assert data_of(target.read_text(encoding="utf-8")) == data
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.png", "-o", "page.html"], "no such picture file: nowhere.png"),
        ([str(PICTURE), "-o", "no/page.html"], "there is no folder no"),
        ([str(PICTURE), "-o", "."], ". is a folder"),
        ([str(PICTURE), "-o", "page.html", "--question", " "], "the question is empty"),
        ([str(PICTURE), "-o", "page.html", "--max-length", "1"], "max_length is 1"),
    ],
)
def test_mistakes_are_told_and_leave_nothing(
    arguments, message, tmp_path: Path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "--model", "storybook", *arguments]) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_is_named_without_the_folders_around_it(write_folder, tmp_path):
    import numpygit

    tiny = numpygit.load(write_folder(tmp_path / "tiny"))
    made = tiny.explain(PICTURE, max_length=3, measure=False)
    assert data_of(made.html)["model"] == "tiny"
    assert str(tmp_path) not in made.html


def test_a_page_that_cannot_be_written(page, tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        page.save(tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_numbers_that_do_not_fit_are_left_out(storybook, monkeypatch):
    monkeypatch.setattr("numpygit.inside.explain.MOST_WEIGHTS", (0,))
    data = data_of(storybook.explain(PICTURE, measure=False).html)
    assert data["attention"]["heads"] is None
    assert data["attention"]["means"]["shape"][0] == 4
    assert data["vision"]["layers"] == [3]
    assert data["vision"]["weights"]["levels"] == 15


def test_no_frames_are_a_mistake(storybook):
    with pytest.raises(UserError, match="empty list of frames"):
        storybook.explain([])


# ---------------------------------------------------------------- full size


@pytest.mark.full
@pytest.mark.parametrize(
    ("size", "frames", "preprocessing", "grid"),
    [(224, 0, "hf", [14, 14]), (224, 6, "hf", [14, 14]), (480, 0, "original", [30, 40])],
)
def test_git_base_fits_into_a_page(size, frames, preprocessing, grid, tmp_path):
    """The sizes of git-base with seeded weights, on a picture of noise, the worst to compress."""
    from test_golden_git_base import seeded_tensors

    from numpygit.captioner import Captioner
    from numpygit.huggingface.models import GitForCausalLM
    from numpygit.huggingface.processing.authors import OriginalImageProcessor
    from numpygit.huggingface.processing.image_processor import GitImageProcessor
    from numpygit.huggingface.processing.processor import GitProcessor
    from numpygit.huggingface.processing.vocabulary import from_vocabulary
    from numpygit.loading.config import GitConfig, GitVisionConfig
    from numpygit.loading.names import params_from, tensor_shapes

    config = GitConfig(
        vision_config=GitVisionConfig(image_size=size),
        num_image_with_embedding=frames or None,
    )
    params = params_from(seeded_tensors(tensor_shapes(config), 2), config, source="seeded")
    lines = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(5, 30522))]
    (tmp_path / "vocab.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    steps = GitImageProcessor()
    if preprocessing == "original":
        steps = OriginalImageProcessor.for_size(size)
    vocabulary = from_vocabulary(tmp_path / "vocab.txt")
    captioner = Captioner(GitForCausalLM(config, params), GitProcessor(steps, vocabulary), "seeded")
    noise = np.random.default_rng(0).integers(0, 256, (max(frames, 1), 600, 800, 3), np.uint8)
    pictures = [Image.fromarray(frame) for frame in noise]
    made = captioner.explain(pictures if frames else pictures[0], measure=False)
    data = data_of(made.html)
    assert data["seen"]["grid"] == grid
    assert len(data["words"]) == 24
    assert len(made.html.encode()) < 2_960_000
    assert data["attention"]["means"]["shape"][0] == 6
