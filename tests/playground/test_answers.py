"""What the playground answers: the words of `caption`, and numbers that are those of the trace.

Checks playground/answering/code.py, playground/answering/measuring.py,
playground/answering/pictures.py, playground/answering/variants.py, playground/answering/words.py.
"""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playground_page import random_scene

from numpygit.decoding.logits import log_softmax
from numpygit.huggingface.models import GitForCausalLM
from numpygit.inside.explain import data_of
from numpygit.inside.explain.importance import measured
from numpygit.inside.explain.traced_run import watch
from numpygit.inside.record import in_float64
from numpygit.model import layers
from numpygit.playground import Playground
from numpygit.playground.answering.pictures import draw, frames_of, hide, png
from numpygit.playground.protocol import Stroke, parse
from numpygit.storybook import EXAMPLES
from numpygit.storybook.scene import THINGS
from numpygit.trace import Recorder

PICTURES = sorted(path.name for path in EXAMPLES.iterdir())
PAIR = {
    "scene": {
        "stickers": [
            {"kind": "cat", "color": "blue", "x": 0.5, "y": 0.3, "r": 0.15},
            {"kind": "house", "color": "red", "x": 0.5, "y": 0.7, "r": 0.15},
        ],
        "backdrop": 3,
    }
}


@pytest.fixture(scope="module")
def playground(storybook: Any) -> Playground:
    return Playground(storybook)


def ask(playground: Playground, **message: Any) -> list[dict[str, Any]]:
    return list(playground.handle({"version": 1, **message}))


def text(playground: Playground, picture: dict[str, Any], **more: Any) -> str:
    end = ask(playground, op="caption", picture=picture, **more)[-1]
    assert end["event"] == "end", end
    return end["text"]


@pytest.mark.slow
def test_words_equal_caption_in_100_composed_scenes(playground: Playground, storybook: Any) -> None:
    rng = np.random.default_rng(5)
    for _ in range(100):
        scene = random_scene(rng)
        subject = parse({"version": 1, "op": "caption", "picture": {"scene": scene}}).subject
        assert text(playground, {"scene": scene}) == storybook.caption(draw(subject.frames[0]))


@pytest.mark.parametrize("name", PICTURES)
def test_examples_and_files_say_what_caption_says(
    name: str, playground: Playground, storybook: Any
) -> None:
    expected = storybook.caption(EXAMPLES / name)
    data = base64.b64encode((EXAMPLES / name).read_bytes()).decode()
    assert text(playground, {"example": name}) == text(playground, {"file": data}) == expected


def test_a_question_is_answered(playground: Playground, storybook: Any) -> None:
    question = "what does the sign say?"
    said = text(playground, {"example": "sign.png"}, question=question)
    assert said == storybook.answer(EXAMPLES / "sign.png", question) == "rain"


def test_frames_are_a_clip(playground: Playground, storybook: Any) -> None:
    frames = [
        {"stickers": [{"kind": "bird", "color": "red", "x": x, "y": 0.5, "r": 0.14}]}
        for x in (0.2, 0.4, 0.6, 0.8)
    ]
    subject = parse({"version": 1, "op": "caption", "picture": {"frames": frames}}).subject
    said = text(playground, {"frames": frames})
    assert said == storybook.caption([draw(frame) for frame in subject.frames])
    assert "moves" in said


def test_words_carry_the_numbers_of_the_trace(playground: Playground, storybook: Any) -> None:
    events = ask(playground, op="caption", picture={"example": "relation.png"})
    words = [event for event in events if event["event"] == "word"]
    recorder = Recorder("word.*.weights", "word.*.logits")
    list(storybook.stream(EXAMPLES / "relation.png", trace=recorder))
    assert words[-1]["is_end"]
    assert words[-1]["text"] == events[-1]["text"]
    total = 0.0
    for number, word in enumerate(words):
        logits = recorder.tensors[f"word.{number}.logits"][0, -1].astype(np.float64)
        true = np.exp(logits - logits.max())
        true /= true.sum()
        assert word["probability"] == pytest.approx(true.max(), rel=1e-5)
        assert word["rivals"][0] == [word["token"], word["probability"]]
        rivals = [p for _, p in word["rivals"]]
        np.testing.assert_allclose(rivals, np.sort(true)[::-1][: len(rivals)], rtol=2e-3)
        total += np.log(true.max())
        parts = np.frombuffer(base64.b64decode(word["weights"]), np.uint8).reshape(word["shape"])
        weights = parts / 255 * np.array(word["highest"])[..., None]
        for layer in range(4):
            seen = recorder.tensors[f"word.{number}.text.{layer}.weights"][0, :, -1]
            highest = seen.max(axis=-1, keepdims=True)
            assert (np.abs(weights[layer] - seen) <= highest / 509 + 2e-6).all()
    assert events[-1]["log_probability"] == pytest.approx(total, abs=1e-6)
    assert events[-1]["shapes"]["logits"] == [1, 1, 154]


def test_heads_that_are_off_add_nothing(playground: Playground, storybook: Any) -> None:
    pixels, prompt = storybook.pixels(EXAMPLES / "row.png"), storybook.processor.prompt()
    mask = np.ones((4, 5), np.float32)
    mask[2, [0, 3]] = 0
    options = storybook.options()
    found = storybook.model.generate(
        pixel_values=pixels, input_ids=prompt, head_mask=mask, generation_config=options
    )
    expected = storybook.processor.vocabulary.decode(found[0, 1:].tolist())
    said = text(playground, {"example": "row.png"}, heads_off=[[2, 0], [2, 3]])
    assert said == expected


def test_a_layer_that_is_off_is_left_out(playground: Playground) -> None:
    events = ask(playground, op="caption", picture=PAIR, layers_off=[1, 3])
    words = [event for event in events if event["event"] == "word"]
    assert words[0]["layers"] == [0, 2]
    assert words[0]["shape"][0] == 2
    assert events[-1]["text"] != text(playground, PAIR)


def test_beams_are_those_of_generate(playground: Playground, storybook: Any) -> None:
    picture = {
        "scene": {
            "stickers": [
                {"kind": "bird", "color": "purple", "x": 0.6, "y": 0.39, "r": 0.19},
                {"kind": "flower", "color": "blue", "x": 0.3, "y": 0.71, "r": 0.13},
            ],
            "backdrop": 3,
        }
    }
    events = ask(playground, op="caption", picture=picture, beams=4)
    tree = next(event for event in events if event["event"] == "tree")
    subject = parse({"version": 1, "op": "caption", "picture": picture}).subject
    options = storybook.options().change({"num_beams": 4, "num_return_sequences": 4})
    pixels, prompt = storybook.pixels(draw(subject.frames[0])), storybook.processor.prompt()
    found = storybook.model.generate(
        pixel_values=pixels, input_ids=prompt, generation_config=options
    )
    texts = [storybook.processor.vocabulary.decode(row[1:].tolist()) for row in found]
    assert [one["text"] for one in tree["texts"]] == texts
    assert events[-1]["text"] == texts[0] != text(playground, picture)
    assert tree["texts"][0]["log_probability"] == pytest.approx(
        events[-1]["log_probability"], abs=1e-5
    )
    leaves = count_leaves(tree["root"])
    assert leaves == 4


def count_leaves(node: dict[str, Any]) -> int:
    return ("rank" in node) + sum(count_leaves(child) for child in node["children"])


def test_drawn_words_come_again_with_their_seed(playground: Playground) -> None:
    said = [text(playground, PAIR, temperature=4, seed=seed) for seed in range(6)]
    assert len(set(said)) > 3
    assert [text(playground, PAIR, temperature=4, seed=seed) for seed in range(6)] == said


def test_random_weights_know_nothing(playground: Playground) -> None:
    events = ask(playground, op="caption", picture=PAIR, random_weights=True)
    first = next(event for event in events if event["event"] == "word")
    assert first["probability"] < 20 / 154
    assert text(playground, PAIR) == "a blue cat above a red house"


def test_the_brush_hides(playground: Playground) -> None:
    brush = [{"r": 0.2, "points": [[0.46, 0.24], [0.54, 0.36], [0.5, 0.3]]}]
    assert "cat" not in text(playground, PAIR, brush=brush)


def test_the_brush_paints_the_mean_colour_and_nothing_else() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    picture = Image.fromarray(pixels)
    painted = np.asarray(hide(picture, (Stroke(0.1, ((0.5, 0.5),)),)))
    changed = (painted != pixels).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert abs(rows.mean() - 30) < 1.5
    assert abs(columns.mean() - 45) < 1.5
    assert changed.sum() < 200
    inside = painted[30, 45].astype(int)
    assert np.abs(inside - pixels.reshape(-1, 3).mean(axis=0)).max() <= 1
    assert hide(picture, ()) is picture


@pytest.mark.slow
def test_measuring_equals_the_page_of_explain(playground: Playground, storybook: Any) -> None:
    events = ask(playground, op="measure", picture={"example": "row.png"})
    assert [event["event"] for event in events] == ["progress"] * 16
    assert [event["done"] for event in events] == list(range(4, 65, 4))
    drops = np.concatenate([event["drops"] for event in events])
    expected = measured(watch(storybook, EXAMPLES / "row.png"))
    assert (events[0]["rows"], events[0]["columns"]) == (expected["rows"], expected["columns"])
    np.testing.assert_allclose(drops.T, np.array(expected["drops"]), atol=2e-4)


@pytest.mark.slow
def test_gradients_are_slopes_of_the_log_probability(
    playground: Playground, storybook: Any
) -> None:
    events = ask(playground, op="gradient", picture={"example": "relation.png"})
    caption = storybook.caption(EXAMPLES / "relation.png")
    assert len(events) == len(caption.split()) + 1
    pixels, prompt = storybook.pixels(EXAMPLES / "relation.png"), storybook.processor.prompt()
    options = storybook.options()
    ids = storybook.model.generate(pixel_values=pixels, input_ids=prompt, generation_config=options)
    exact = GitForCausalLM(storybook.model.config, in_float64(storybook.model.params))
    number, row, column = 2, 4, 4  # of "fish", a patch on it
    values = np.array(events[number]["values"]).reshape(8, 8)
    step = 1e-4  # how much of the patch fades
    found = []
    for part in (1 - step, 1 + step):
        faded = pixels.astype(np.float64)
        faded[:, :, row * 12 : row * 12 + 12, column * 12 : column * 12 + 12] *= part
        logits = exact.logits(ids[:, :-1], faded)[0, -len(ids[0]) + 1 + number]
        found.append(float(log_softmax(logits[None])[0, ids[0, 1 + number]]))
    slope = (found[1] - found[0]) / (2 * step)
    assert values[row, column] == pytest.approx(slope, rel=2e-3, abs=1e-6)


@pytest.mark.slow
def test_a_tensor_is_that_of_the_trace(playground: Playground, storybook: Any) -> None:
    recorder = Recorder()
    list(storybook.stream(EXAMPLES / "sign.png", trace=recorder))
    for name in ("pixels", "vision.2.q", "memory", "image.text.0.scores", "word.1.text.3.weights",
                 "word.2.logits", "word.0.text.mask"):  # fmt: skip
        (event,) = ask(playground, op="tensor", picture={"example": "sign.png"}, name=name)
        true = recorder.tensors[name]
        assert event["shape"] == list(true.shape), name
        assert (event["low"], event["high"]) == (float(true.min()), float(true.max())), name
        corner = true.reshape(-1, true.shape[-1])[:8, :8]
        np.testing.assert_array_equal(np.array(event["corner"]), corner.astype(float), name)


def test_the_whole_explanation(playground: Playground, storybook: Any) -> None:
    (event,) = ask(playground, op="explain", picture={"example": "count.png"})
    assert data_of(event["html"])["caption"] == storybook.caption(EXAMPLES / "count.png")


def test_the_page_is_told_what_it_needs(playground: Playground) -> None:
    (ready,) = ask(playground, op="hello")
    assert (ready["layers"], ready["heads"], ready["side"], ready["clips"]) == (4, 5, 8, 4)
    assert ready["things"] == list(THINGS)
    assert set(ready["shapes"]) == set(THINGS)
    assert {"layers.attention", "text.block", "vision.cut_patches"} <= set(ready["functions"])
    assert not ready["editable"]
    for row in ready["tensors"]:
        file, function = row["in"].split(".") if "." in row["in"] else (row["in"], None)
        assert function is None or f"{file}.{function}" in ready["functions"], row


def test_sources_are_those_of_the_files(playground: Playground) -> None:
    import inspect

    (event,) = ask(playground, op="source", name="layers.softmax")
    assert event["source"] == inspect.getsource(layers.softmax)
    assert event["file"] == "numpygit/model/layers.py"


def test_pictures_and_backdrops_are_sent(playground: Playground) -> None:
    (event,) = ask(playground, op="backdrop", scene={"night": True, "backdrop": 5}, size=96)
    picture = Image.open(io.BytesIO(base64.b64decode(event["png"])))
    assert picture.size == (96, 96)
    events = ask(playground, op="caption", picture=PAIR)
    subject = parse({"version": 1, "op": "caption", "picture": PAIR}).subject
    assert events[0]["frames"] == [png(frames_of(subject)[0])]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"op": "caption", "picture": {"example": "../../captioner.py"}}, "there is no example"),
        ({"op": "caption", "picture": {"file": "AAAA"}}, "the file is no PNG"),
        ({"op": "caption", "picture": {"scene": {"stickers": [
            {"kind": "cow", "color": "red", "x": 0, "y": 0, "r": 0.1}]}}}, "no sticker 'cow'"),
        ({"op": "caption", "picture": {"scene": {"stickers": [
            {"kind": "cat", "color": "grey", "x": 0, "y": 0, "r": 0.1}]}}}, "no colour 'grey'"),
        ({"op": "caption", "picture": PAIR, "heads_off": [[9, 0]]}, "cannot prune heads"),
        ({"op": "caption", "picture": PAIR, "layers_off": [9]}, "there are layers 0 to 3"),
        ({"op": "caption", "picture": PAIR, "layers_off": [0, 1, 2, 3]}, "one layer must stay on"),
        ({"op": "caption", "picture": PAIR, "question": "why " * 40}, "there is room for 31"),
        ({"op": "tensor", "picture": PAIR, "name": "secrets"}, "there is no tensor 'secrets'"),
        ({"op": "tensor", "picture": PAIR, "name": "word.30.logits"}, "this run has no tensor"),
        ({"op": "source", "name": "os.system"}, "there is no function 'os.system'"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_error(
    message: dict[str, Any], said: str, playground: Playground
) -> None:
    events = ask(playground, **message)
    assert [event["event"] for event in events if event["event"] == "error"] == ["error"]
    assert said in events[-1]["text"]


# ---------------------------------------------------------------- pictures that mean harm


def as_file(data: bytes) -> dict[str, str]:
    return {"file": base64.b64encode(data).decode()}


def encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    "orientation", [6, *(pytest.param(i, marks=pytest.mark.slow) for i in (2, 5, 8))]
)
def test_a_file_is_turned_as_its_exif_says(
    form: str, orientation: int, playground: Playground, storybook: Any
) -> None:
    upright = Image.open(EXAMPLES / "sign.png").convert("RGB")
    stored = {2: Image.Transpose.FLIP_LEFT_RIGHT, 5: Image.Transpose.TRANSPOSE,
              6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(upright.transpose(stored), form, exif=exif, quality=95)
    assert text(playground, as_file(data)) == storybook.caption(EXAMPLES / "sign.png")


def test_greys_of_16_bits_are_not_white(playground: Playground, storybook: Any) -> None:
    grey = np.asarray(Image.open(EXAMPLES / "sign.png").convert("L")).astype(np.uint16) * 257
    data = encoded(Image.fromarray(grey), "PNG")
    assert text(playground, as_file(data)) == storybook.caption(data)
    assert "rain" in text(playground, as_file(data))


@pytest.mark.parametrize("form", ["TIFF", "BMP", "ICO", "PPM", "TGA", "PDF"])
def test_other_formats_are_refused(form: str, playground: Playground) -> None:
    data = encoded(Image.new("RGB", (32, 32)), form)
    assert ask(playground, op="caption", picture=as_file(data))[-1]["event"] == "error"


@pytest.mark.slow
def test_enormous_pictures_are_refused_before_they_are_decoded(playground: Playground) -> None:
    import tracemalloc

    data = encoded(Image.new("L", (12_000, 12_000)), "PNG")  # 144 million pixels, few bytes
    assert len(data) < 500_000
    tracemalloc.start()
    (event,) = ask(playground, op="caption", picture=as_file(data))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert event["event"] == "error"
    assert peak < 40_000_000


def test_long_animations_are_refused(playground: Playground) -> None:
    frames = [Image.new("L", (8, 8), shade) for shade in range(100)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert "at most 64" in ask(playground, op="caption", picture=as_file(data))[-1]["text"]


@pytest.mark.parametrize("length", [0, 10, 100, 1000, 20_000])
def test_cut_files_are_one_error(length: int, playground: Playground) -> None:
    data = (EXAMPLES / "row.png").read_bytes()[:length]
    event = ask(playground, op="caption", picture=as_file(data))[-1]
    assert event["event"] == "error"
    assert "Traceback" not in event["text"]


# ---------------------------------------------------------------- other code


def test_a_server_takes_no_code(playground: Playground) -> None:
    before = layers.softmax
    for op in ("edit", "reset"):
        message = {"op": op, "name": "layers.softmax", "source": "def softmax(x): 1"}
        if op == "reset":
            message = {"op": op}
        (event,) = ask(playground, **message)
        assert "browser version only" in event["text"]
    assert layers.softmax is before


def test_edited_code_runs_and_goes_again(storybook: Any) -> None:
    playground, before = Playground(storybook, editable=True), layers.softmax
    (event,) = ask(playground, op="source", name="layers.softmax")
    source = event["source"]
    expected = text(playground, PAIR)
    try:
        flat = source.replace("np.exp(scores - highest)", "np.exp(0 * scores)")
        assert flat != source
        assert ask(playground, op="edit", name="layers.softmax", source=flat)[0]["edits"] == [
            "layers.softmax"
        ]
        assert text(playground, PAIR) != expected
        (shown,) = ask(playground, op="source", name="layers.softmax")
        assert (shown["source"], shown["edited"]) == (flat, True)
        wrong = source.replace("np.exp(", "np.exq(")
        ask(playground, op="edit", name="layers.softmax", source=wrong)
        event = ask(playground, op="caption", picture=PAIR)[-1]
        line = next(i for i, row in enumerate(wrong.split("\n"), 1) if "exq" in row)
        assert event["text"].startswith(f"line {line}: AttributeError")
        (event,) = ask(playground, op="edit", name="layers.softmax", source="def softmax(x:\n")
        assert event["event"] == "error"
        for other in ("x = 1", "def other(x):\n    return x", "import os"):
            (event,) = ask(playground, op="edit", name="layers.softmax", source=other)
            assert "must define softmax" in event["text"]
    finally:
        ask(playground, op="reset")
    assert layers.softmax is before
    assert text(playground, PAIR) == expected
