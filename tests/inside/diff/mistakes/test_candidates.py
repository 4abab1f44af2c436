"""Candidates one by one: other ways to resize and cut, a stale cache, the layer before the last.

Checks inside/diff/mistakes/attention.py, inside/diff/mistakes/blocks.py,
inside/diff/mistakes/bridge.py, inside/diff/mistakes/heads.py, inside/diff/mistakes/masks.py,
inside/diff/mistakes/parts.py, inside/diff/mistakes/picture_ends.py,
inside/diff/mistakes/pictures.py, inside/diff/mistakes/sizes.py, inside/diff/mistakes/text_ends.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from PIL import Image
from port_mistakes import MEAN, STD, Mistake, right
from trial import attempt, captioner, ours, picture_of

from numpygit.inside.diff.compare import Report, compare
from numpygit.inside.record import Run, record
from numpygit.model import text
from numpygit.storybook import EXAMPLES
from numpygit.trace import Recorder

Array = np.ndarray
R = Image.Resampling


def wide() -> Image.Image:
    return picture_of("wide")


def prepared(array: Array) -> Array:
    share = np.moveaxis(np.asarray(array, np.float32) / np.float32(255), -1, 0)
    return ((share - MEAN) / STD)[None].astype(np.float32)


def about_pixels(array: Array) -> Report:
    model = captioner().model
    theirs = Run({"pixels": prepared(array)}, {})
    return compare(ours("wide"), theirs, params=model.params, config=model.config, picture=wide())


# ---------------------------------------------------------------- sizes and cuts


def middle(array: Array) -> Array:
    top, left = (array.shape[0] - 96) // 2, (array.shape[1] - 96) // 2
    return array[top : top + 96, left : left + 96]


def short(method: R, edge: int = 96) -> Array:
    return np.asarray(wide().resize((edge * 240 // 150, edge), method))


def framed(colour: int, top: int = 18) -> Array:
    whole = np.full((96, 96, 3), colour, np.uint8)
    whole[top : top + 60] = np.asarray(wide().resize((96, 60), R.BICUBIC))
    return whole


def cubic_by_hand(a: float = -0.75) -> Array:
    """Four taps in each direction around pixel centres, without antialiasing, one by one."""
    x = np.asarray(wide(), np.float64)
    for axis, new in ((0, 96), (1, 153)):
        old, made = x.shape[axis], []
        for place in range(new):
            at = (place + 0.5) * old / new - 0.5
            start = int(np.floor(at)) - 1
            total = 0.0
            for tap in range(start, start + 4):
                d = abs(at - tap)
                weight = (
                    (a + 2) * d**3 - (a + 3) * d**2 + 1
                    if d <= 1
                    else a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
                )
                total = total + weight * np.take(x, min(max(tap, 0), old - 1), axis=axis)
            made.append(total)
        x = np.stack(made, axis=axis)
    return middle(x)


def floored_nearest() -> Array:
    x = np.asarray(wide())
    rows = (np.arange(96) * 150 / 96).astype(int)
    columns = (np.arange(153) * 240 / 153).astype(int)
    return middle(x[rows][:, columns])


WAYS: dict[str, tuple[Callable[[], Array], str]] = {
    **{
        f"{name}, shorter side": (lambda m=method: middle(short(m)), f"{name.lower()} (Pillow)")
        for name, method in (
            ("nearest", R.NEAREST), ("box", R.BOX), ("bilinear", R.BILINEAR),
            ("hamming", R.HAMMING), ("lanczos", R.LANCZOS),
        )
    },
    "squashed, bilinear": (lambda: np.asarray(wide().resize((96, 96), R.BILINEAR)), "squashed"),
    "squashed": (lambda: np.asarray(wide().resize((96, 96), R.BICUBIC)), "squashed"),
    "the middle first": (
        lambda: np.asarray(wide().crop((45, 0, 195, 150)).resize((96, 96), R.BICUBIC)),
        "the middle cut out first",
    ),
    "top left": (lambda: short(R.BICUBIC)[:96, :96], "top left corner"),
    "bottom right": (lambda: short(R.BICUBIC)[-96:, -96:], "bottom right corner"),
    "8/7 first": (lambda: middle(short(R.BICUBIC, 109)), "8/7"),
    "not resized": (lambda: middle(np.asarray(wide())), "not resized"),
    "black frame": (lambda: framed(0), "filled up to a square with black around"),
    "white frame": (lambda: framed(255), "filled up to a square with white around"),
    "grey frame": (lambda: framed(128), "filled up to a square with grey (128) around"),
    "black below": (lambda: framed(0, top=0), "with black at the end"),
    "bicubic by hand": (cubic_by_hand, "bicubic without antialiasing, align_corners=False"),
    "nearest, rounded down": (floored_nearest, "nearest, rounded down"),
    "a pixel to the right": (lambda: short(R.BICUBIC)[:, 29:125], "cut 1 pixel to the right"),
    "two steps": (
        lambda: middle(
            np.asarray(wide().resize((204, 128), R.BICUBIC).resize((153, 96), R.BICUBIC))
        ),
        "in two steps, the shorter side to 128 first",
    ),
    "red and blue exchanged": (lambda: middle(short(R.BICUBIC))[..., ::-1], "red and blue"),
    "green first": (lambda: middle(short(R.BICUBIC))[..., [1, 0, 2]], "green, red, blue"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_each_way_to_resize_and_cut_is_named(name):
    make, hint = WAYS[name]
    report = about_pixels(make())
    assert report.first is not None
    assert report.first.name == "pixels"
    assert report.causes[0].startswith("Theirs equals ours ")
    assert hint in report.causes[0]


def test_the_right_way_is_no_difference():
    assert about_pixels(middle(short(R.BICUBIC))).equal


def test_without_the_picture_ways_to_resize_are_not_tried():
    theirs = Run({"pixels": prepared(middle(short(R.LANCZOS)))}, {})
    model = captioner().model
    report = compare(ours("wide"), theirs, params=model.params, config=model.config)
    assert not any("resized" in cause for cause in report.causes)


# ---------------------------------------------------------------- the cache


@cache
def cached() -> Run:
    return record(captioner(), EXAMPLES / "relation.png", cached=True, noise=True)


def second_word(layers: list[int], part: str) -> dict[str, Array]:
    """Choose the first word rightly, then read it with keys or values of other layers."""
    model, recorder = captioner().model, Recorder()
    ids = cached().tensors["ids"]
    seen = text.prefill(
        model.memory(captioner().pixels(EXAMPLES / "relation.png")), model.params.text,
        config=model.config,
    )  # fmt: skip
    _, seen = text.decode_step(ids[:, :1], seen, model.params.text, config=model.config)
    kv = tuple(
        layer._replace(**{part: getattr(seen.image_kv[i], part)})
        for layer, i in zip(seen.image_kv, layers, strict=True)
    )
    text.decode_step(
        ids[:, 1:2], seen._replace(image_kv=kv), model.params.text, config=model.config,
        trace=recorder,
    )  # fmt: skip
    right_part = {
        n: a for n, a in cached().tensors.items() if n.startswith(("ids", "image.", "word.0."))
    }
    return right_part | {f"word.1.{name}": array for name, array in recorder.tensors.items()}


@pytest.mark.parametrize(
    ("part", "tensor", "hint"),
    [
        ("k", "word.1.text.1.scores", "with the image's keys of the layer before"),
        ("v", "word.1.text.1.mixed", "with the image's values of the layer before"),
    ],
)
def test_a_cache_of_the_layer_before_is_named(part, tensor, hint):
    model = captioner().model
    theirs = Run(second_word([0, 0, 1, 2], part), {"mode": "cached"})
    report = compare(cached(), theirs, params=model.params, config=model.config)
    assert report.first is not None
    assert report.first.name == tensor
    assert hint in report.causes[0]
    right = Run(second_word([0, 1, 2, 3], part), {"mode": "cached"})
    assert compare(cached(), right, params=model.params, config=model.config).equal


def test_keys_that_are_written_to_the_cache_of_the_next_layer_are_named():
    tensors = dict(cached().tensors)
    tensors["image.text.1.k"] = tensors["image.text.0.k"]
    model = captioner().model
    report = compare(cached(), Run(tensors, {}), params=model.params, config=model.config)
    assert report.first is not None
    assert report.first.name == "image.text.1.k"
    assert "with the k of the layer before" in report.causes[0]


# ---------------------------------------------------------------- the layer before the last


def penultimate(normed: bool) -> dict[str, Callable]:
    def after_layers(self, x):
        x = self.dumped["vision.blocks.3.hook_resid_pre"]
        return right("after_layers")(self, x) if normed else x

    return {"after_layers": after_layers}


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("normed", [True, False])
def test_the_layer_before_the_last_of_the_picture_tower_is_named(normed, coarse):
    title = f"penultimate {normed}"
    mistake = Mistake(title, "vision.image_tokens", ("penultimate",), penultimate(normed))
    outcome = attempt(mistake, coarse=coarse)
    assert outcome.is_right
    assert outcome.is_named


@pytest.mark.parametrize("coarse", [False, True])
def test_the_layer_before_the_last_of_the_text_tower_is_named(coarse):
    def head(self, x):
        return right("head")(self, self.dumped["text.blocks.3.hook_resid_pre"])

    mistake = Mistake("penultimate text", "logits", ("penultimate",), {"head": head})
    outcome = attempt(mistake, coarse=coarse)
    assert outcome.is_right
    assert outcome.is_named
