"""Every sentence of the explain page with a number in it, for every word, recomputed another way.

The page's numbers come from a run with a cache, packed into bytes. Here the whole text is read at
once without a cache, by the five files of the model, and nothing of `inside.explain` is used.
"""

from __future__ import annotations

import math
import re
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explain_page import choose, open_all, resize, text, texts, visit
from PIL import Image, ImageSequence
from playground_page import open_browser

from numpygit.huggingface.models import GitForCausalLM
from numpygit.inside.record import in_float64
from numpygit.storybook import EXAMPLES
from numpygit.trace import Recorder

pytestmark = pytest.mark.browser
MINUS, BY = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"  # as the page writes them
PERCENT = r"(?:[<>] )?[\d.]+ %"
NUMBER = rf"{MINUS}?[\d.,]+(?:e[+{MINUS}]?\d+)?"
FADING = 1e-4
ASKED = "what is the color of the fish?"


class Truth:
    """One picture or clip and the words about it, read at once."""

    def __init__(self, storybook: Any, pictures: list[Image.Image], question: str | None) -> None:
        self.model, self.words = storybook.model, storybook.processor.vocabulary
        subject = pictures[0] if len(pictures) == 1 else pictures
        said = storybook.answer(subject, question) if question else storybook.caption(subject)
        self.pixels = storybook.pixels(subject)
        self.frames = len(pictures)
        self.prompt = storybook.processor.prompt(question)[0].tolist()
        end = self.words.tokenizer.token_to_id("[SEP]")
        self.said = [*self.words.encode(said), end]
        self.M = 65 * self.frames

    @cached_property
    def ids(self) -> np.ndarray:
        return np.array([[*self.prompt, *self.said[:-1]]])

    @cached_property
    def tensors(self) -> dict[str, np.ndarray]:
        recorder = Recorder()
        self.model.logits(self.ids, self.pixels, trace=recorder)
        return recorder.tensors

    def row(self, word: int) -> int:
        """Where the token stands that a word was chosen at."""
        return self.M + len(self.prompt) - 1 + word

    def name(self, word: int) -> str:
        token = str(self.words.tokenizer.id_to_token(self.said[word]))
        return {"[SEP]": "end"}.get(token, token)

    def read(self, word: int) -> list[str]:
        """The tokens read before a word, as the page calls them."""
        ids = [*self.prompt, *self.said[:word]]
        tokens = [str(self.words.tokenizer.id_to_token(i)) for i in ids]
        return [{"[CLS]": "start"}.get(t, t.removeprefix("##")) for t in tokens]

    def weights(self, row: int) -> np.ndarray:
        """Where a token looks: (L, N, row + 1)."""
        found = [self.tensors[f"text.{i}.weights"][0, :, row, : row + 1] for i in range(4)]
        return np.stack(found).astype(np.float64)

    def shares(self, x: np.ndarray) -> np.ndarray:
        """The chances of all words at a token's vector."""
        head = self.model.params.text.head
        logits = (x @ head.weight.T + head.bias).astype(np.float64)
        logits[self.words.unused()] = -np.inf
        return np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()

    def chances(self, word: int, layer: int = 3) -> np.ndarray:
        return self.shares(self.tensors[f"text.{layer}.x"][0, self.row(word)])

    @cached_property
    def hidden(self) -> dict[tuple[int, int, int, int], np.ndarray]:
        """What each word loses when a part is hidden: all regions of the page, and rectangles."""
        others = tuple(a for a in range(self.pixels.ndim) if a != self.pixels.ndim - 3)
        mean = self.pixels.mean(axis=others, keepdims=True)
        boxes = [(max(0, y - 1), min(8, y + 2), max(0, x - 1), min(8, x + 2))
                 for y in range(8) for x in range(8)]  # fmt: skip
        edges = [(a, b) for a in range(0, 8, 2) for b in range(a + 2, 9, 2)]
        boxes += [(*down, *across) for down in edges for across in edges]
        whole, found = self.log_chances(self.pixels), {}
        for box in dict.fromkeys(boxes):
            top, bottom, left, right = (12 * edge for edge in box)
            pixels = self.pixels.copy()
            pixels[..., top:bottom, left:right] = mean
            found[box] = whole - self.log_chances(pixels)
        return found

    @cached_property
    def faded(self) -> np.ndarray:
        """What each word loses for each square that fades a little, in all frames: (64, words).

        In float64: where a word is nearly certain, float32 would show its roundings.
        """
        exact = GitForCausalLM(self.model.config, in_float64(self.model.params))
        given = self.pixels.astype(np.float64)
        whole, found = self.log_chances(given, exact), []
        for square in range(64):
            top, left = square // 8 * 12, square % 8 * 12
            pixels = given.copy()
            pixels[..., top : top + 12, left : left + 12] *= 1 - FADING
            found.append((whole - self.log_chances(pixels, exact)) / FADING)
        return np.array(found)

    def log_chances(self, pixels: np.ndarray, model: Any = None) -> np.ndarray:
        plain = {} if model is None else {"trace": lambda name, value: None}
        logits = (model or self.model).logits(self.ids, pixels, **plain)
        logits = logits[0, self.row(0) :].astype(np.float64)
        logits[:, self.words.unused()] = -np.inf
        all_words = logits - logits.max(axis=-1, keepdims=True)
        all_words -= np.log(np.exp(all_words).sum(axis=-1, keepdims=True))
        return all_words[np.arange(len(self.said)), self.said]

    def regions(self, word: int) -> np.ndarray:
        return np.array([list(self.hidden.values())[i][word] for i in range(64)])


@pytest.fixture(scope="module", params=["still", "clip", "question", "wide"])
def case(request, storybook, tmp_path_factory) -> tuple[str, Truth, Path]:
    kind = request.param
    pictures = [Image.open(EXAMPLES / "relation.png").convert("RGB")]
    if kind == "clip":
        with Image.open(EXAMPLES / "clip.gif") as clip:
            pictures = [frame.convert("RGB") for frame in ImageSequence.Iterator(clip)]
    if kind == "wide":
        pictures = [Image.open(EXAMPLES / "count.png").convert("RGB").resize((250, 170))]
    asked = ASKED if kind == "question" else None
    subject = pictures[0] if len(pictures) == 1 else pictures
    path = tmp_path_factory.mktemp("pages") / f"{kind}.html"
    storybook.explain(subject, asked, measure=kind in ("still", "clip")).save(path)
    return kind, Truth(storybook, pictures, asked), path


@pytest.fixture(scope="module")
def browser(case, tmp_path_factory) -> Any:
    made = open_browser(tmp_path_factory.mktemp("chromium"))
    resize(made, "desk")
    visit(made, case[2])
    open_all(made)
    yield made
    made.quit()


def number(shown: str) -> float:
    return float(shown.rstrip(".").replace(MINUS, "-").replace(",", ""))


def says(shown: str, share: float, *, slack: float = 0.0) -> bool:
    """Tell whether a share is what a text such as "12 %" says, rounded as it is written."""
    if shown.startswith("<"):
        return share < 0.001 + slack
    if shown.startswith(">"):
        return share > 0.9995 - slack
    digits = shown.removesuffix(" %")
    half = 0.5 * 10.0 ** -len(digits.partition(".")[2])
    return abs(float(digits) - 100 * share) <= half * 1.001 + 100 * slack


def every_word(browser: Any, truth: Truth):
    for word in range(len(truth.said)):
        choose(browser, word)
        yield word


def test_the_words_are_those_of_the_caption(browser, case):
    _, truth, _ = case
    shown = [t.strip() for t in texts(browser, "#words button")]
    assert shown == [truth.name(word) for word in range(len(truth.said))]


def test_where_it_looked_and_how_sure_it_was(browser, case):
    _, truth, _ = case
    for word in every_word(browser, truth):
        mean = truth.weights(truth.row(word)).mean(axis=(0, 1))
        frames = mean[: truth.M].reshape(truth.frames, 65)
        reading = text(browser, "#reading")
        sure, squares, classes, words = re.findall(PERCENT, reading)
        slack = float(frames.max()) / 510 * 2
        assert says(sure, truth.chances(word)[truth.said[word]])
        assert says(squares, frames[:, 1:].sum(), slack=1e-5)
        assert says(classes, frames[:, 0].sum(), slack=1e-5)
        assert says(words, mean[truth.M :].sum(), slack=1e-5)
        assert f"Having read “{truth.read(word)[-1]}”" in reading
        favourite = truth.read(word)[int(mean[truth.M :].argmax())]
        assert f"most of it on “{favourite}”" in reading
        assert f"all {64 * truth.frames} squares" in reading
        assert says(text(browser, "#most").split(",")[0], frames[:, 1:].max(), slack=slack)


def test_the_words_of_a_question(browser, case):
    kind, truth, _ = case
    if kind != "question":
        assert texts(browser, "#asked button") == []
        return
    for place in range(len(truth.prompt)):
        browser.execute_script(
            "document.querySelectorAll('#asked button')[arguments[0]].click()", place
        )
        mean = truth.weights(truth.M + place).mean(axis=(0, 1))
        squares, classes, words = re.findall(PERCENT, text(browser, "#reading"))
        assert says(squares, mean[1:65].sum(), slack=1e-5)
        assert says(classes, mean[0], slack=1e-5)
        assert says(words, mean[65:].sum(), slack=1e-5)


def test_a_touched_square(browser, case):
    _, truth, _ = case
    choose(browser, 2)
    mean = truth.weights(truth.row(2)).mean(axis=(0, 1))[: truth.M].reshape(-1, 65)[:, 1:]
    for frame, square in ((0, 0), (0, 37), (truth.frames - 1, 52)):
        browser.execute_script(
            "const c = document.querySelectorAll('#frames canvas')[arguments[0]];"
            "const r = c.getBoundingClientRect(), s = arguments[1];"
            "c.dispatchEvent(new MouseEvent('click', {bubbles: true, clientX: r.left +"
            "(s % 8 + .5) * r.width / 8, clientY: r.top +"
            "(Math.floor(s / 8) + .5) * r.height / 8}))",
            frame, square,
        )  # fmt: skip
        told = text(browser, "#spot")
        assert f"row {square // 8 + 1}, column {square % 8 + 1}: " in told
        shown = float(re.search(r"([\d.]+) % of", told)[1])
        assert abs(shown - 100 * mean[frame, square]) <= 0.006 + 100 * mean.max() / 500


def test_what_else_it_might_have_said_and_why_it_stopped(browser, case):
    _, truth, _ = case
    for word in every_word(browser, truth):
        chances = truth.chances(word)
        best = np.argsort(-chances, kind="stable")[:10]
        bars = texts(browser, "#else .bars .num")
        assert len(bars) == 11
        shares = [*chances[best], 1 - chances[best].sum()]
        for shown, share in zip(bars, shares, strict=True):
            if shown.endswith("%"):
                assert says(shown, share, slack=1e-6)
            elif shown.startswith("1 in "):
                assert number(shown.removeprefix("1 in ")) == pytest.approx(1 / share, rel=0.06)
            else:
                assert shown == "less than 1 in a billion"
                assert share < 1.1e-9
        before = " ".join(truth.read(word)[1:]) or "start"
        assert f"After “{before}”" in text(browser, "#else p")
    stopped = next(t for t in texts(browser, "#else p") if t.startswith("Why it stopped"))
    assert says(re.search(PERCENT, stopped)[0], truth.chances(len(truth.said) - 1)[truth.said[-1]])
    assert f"after “{truth.read(len(truth.said) - 1)[-1]}”" in stopped


def test_what_mattered(browser, case):
    kind, truth, _ = case
    if kind not in ("still", "clip"):
        assert "Not measured" in text(browser, "#importance .inside")
        return
    for word in every_word(browser, truth):
        told = text(browser, "#importance .inside")
        drops, rectangles = truth.regions(word), {}
        for box, lost in truth.hidden.items():
            if all(edge % 2 == 0 for edge in box):
                rectangles[box] = float(lost[word])
        assert f"each of 8 {BY} 8 regions" in told
        worst, whole = float(drops.max()), rectangles[(0, 8, 0, 8)]
        found = re.search(rf"strongest orange: .*? has ({PERCENT}) of the probability", told)
        if worst >= 0.011:
            assert says(found[1], math.exp(-worst), slack=2e-4)
        elif worst < 0.009:
            assert found is None
            assert "No single region changes" in told
        said = re.search(rf"gold one covers ({PERCENT}) of the picture; hiding it changes the "
                         rf"log-probability by ({NUMBER})", told)  # fmt: skip
        most = max(rectangles.values())
        if most >= 0.011:
            sizes = {(b - a) * (d - c) / 64 for (a, b, c, d), lost in rectangles.items()
                     if lost >= most / 2 - 1e-3}  # fmt: skip
            share, drop = said[1], -number(said[2])
            assert says(share, min(sizes))
            as_large = [lost for box, lost in rectangles.items()
                        if says(share, (box[1] - box[0]) * (box[3] - box[2]) / 64)]  # fmt: skip
            assert any(abs(drop - lost) <= 0.006 * abs(lost) + 2e-4 for lost in as_large)
            assert drop >= most / 2 - 1e-3
        hidden = re.search(rf"With the whole picture hidden: ({NUMBER})", told)
        if abs(whole) >= 0.011:
            assert -number(hidden[1]) == pytest.approx(whole, rel=0.006, abs=2e-4)
        if whole >= 0.011:
            left = re.search(rf"which leaves ({PERCENT}) of its probability", told)[1]
            assert says(left, math.exp(-whole), slack=2e-4)
        check_agreement(truth, word, drops, told)
        check_gradient(truth, word, drops, told)


def check_agreement(truth: Truth, word: int, drops: np.ndarray, told: str) -> None:
    """Attention and importance, correlated by the definition."""
    said = re.search(rf" correlate by ({NUMBER})", told.replace("-", MINUS))
    if np.abs(drops).max() < 0.009:
        assert said is None
        return
    mean = truth.weights(truth.row(word)).mean(axis=(0, 1))[: truth.M].reshape(-1, 65)[:, 1:]
    grid = mean.sum(axis=0).reshape(8, 8)
    looked = [grid[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].sum()
              for y in range(8) for x in range(8)]  # fmt: skip
    x, y = np.array(looked), drops
    right = ((x - x.mean()) * (y - y.mean())).mean() / (x.std() * y.std())
    if np.abs(drops).max() > 0.011:
        assert number(said[1]) == pytest.approx(right, abs=0.0102)


def check_gradient(truth: Truth, word: int, drops: np.ndarray, told: str) -> None:
    """Gradient times input by fading each square a little, not by a way back."""
    said = re.search(rf"correlates with what was measured by ({NUMBER})", told.replace("-", MINUS))
    if np.abs(drops).max() < 0.05:  # nothing but noise to be correlated
        return
    grid = truth.faded[:, word].reshape(8, 8)
    sums = [grid[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].sum()
            for y in range(8) for x in range(8)]  # fmt: skip
    assert number(said[1]) == pytest.approx(np.corrcoef(sums, drops)[0, 1], abs=0.03)


def test_the_gradient_of_a_touched_square(browser, case):
    kind, truth, _ = case
    if kind != "still":
        assert ("Gradient" in text(browser, "#importance .inside")) == (kind == "clip")
        return
    choose(browser, 2)
    for square in (52, 53, 45):
        browser.execute_script(
            "const c = document.querySelector('#importance canvas'), s = arguments[0];"
            "const r = c.getBoundingClientRect();"
            "c.dispatchEvent(new MouseEvent('click', {bubbles: true, clientX: r.left +"
            "(s % 8 + .5) * r.width / 8, clientY: r.top +"
            "(Math.floor(s / 8) + .5) * r.height / 8}))",
            square,
        )
        told = " ".join(texts(browser, "#importance .note"))
        shown = re.search(rf"input of the square ({NUMBER})", told.replace("-", MINUS))
        assert number(shown[1]) == pytest.approx(truth.faded[square, 2], rel=0.05, abs=2e-3)


def test_one_weight_by_hand_is_right_line_by_line(browser, case):
    _, truth, _ = case
    for word in every_word(browser, truth):
        lines = texts(browser, "#hand .products div")
        values = [[number(n) for n in re.findall(NUMBER, line)] for line in lines]
        assert len(values) == 32
        for a, b, product in values:
            assert a * b == pytest.approx(product, rel=2e-3, abs=1e-6)
        layer, head = (
            int(n) - 1
            for n in re.search(r"layer (\d+), head (\d+)", text(browser, "#hand p")).groups()
        )
        place = re.search(r"row (\d+), column (\d+)", text(browser, "#hand p"))
        square = 8 * (int(place[1]) - 1) + int(place[2]) - 1
        frame = re.search(r"frame (\d+)", text(browser, "#hand p"))
        token = 65 * (int(frame[1]) - 1 if frame else 0) + 1 + square
        true = truth.weights(truth.row(word))[layer, head, token]
        assert number(text(browser, "#run-weight")) == pytest.approx(true, rel=1e-4)
        assert number(text(browser, "#hand-weight")) == pytest.approx(true, rel=1e-4)
        score = truth.tensors[f"text.{layer}.scores"][0, head, truth.row(word), token]
        assert number(text(browser, "#hand-score")) == pytest.approx(score, abs=1e-4)
        q = truth.tensors[f"text.{layer}.q"][0, head, truth.row(word)].astype(np.float64)
        k = truth.tensors[f"text.{layer}.k"][0, head, token].astype(np.float64)
        steps = texts(browser, "#hand p .num, #hand p.num")
        assert number(steps[0]) == pytest.approx(float(q @ k), rel=1e-4, abs=1e-4)
        divided = [number(n) for n in re.findall(NUMBER, steps[1])]
        assert divided[0] / divided[1] == pytest.approx(divided[2], rel=1e-5)
        assert divided[1] == pytest.approx(math.sqrt(32), rel=1e-5)


def test_the_guess_after_every_layer(browser, case):
    _, truth, _ = case
    head = [["text.x", *(f"text.{i}.x" for i in range(4))][layer] for layer in range(5)]
    rows = browser.execute_script(
        "return [...document.querySelectorAll('table.lens tr')].slice(0, 5).map((r) =>"
        "[...r.querySelectorAll('td')].map((c) =>"
        "[c.querySelector('button').firstChild.textContent,"
        "c.querySelector('.sr').textContent]))"
    )
    best: dict[tuple[int, int], int] = {}
    for layer, cells in zip(range(4, -1, -1), rows, strict=True):
        for word, (token, share) in enumerate(cells):
            chances = truth.shares(truth.tensors[head[layer]][0, truth.row(word)])
            best[layer, word] = int(chances.argmax())
            name = str(truth.words.tokenizer.id_to_token(best[layer, word]))
            shown = {"[SEP]": "end", "[CLS]": "start"}.get(name, name)
            assert token.removeprefix("…") == shown.removeprefix("##")
            assert says(share.strip(), chances.max(), slack=1e-6)
    for word in every_word(browser, truth):
        told = next(t for t in texts(browser, "#lens p") if "best guess" in t)
        same = [best[layer, word] == truth.said[word] for layer in range(5)]
        first = next(i for i in range(5) if all(same[i:]))
        if first == 0:
            assert told.endswith("from the start on.")
            continue
        assert f"from layer {first} on" in told
        chance = truth.chances(word, layer=first - 1)[truth.said[word]]
        assert says(re.search(PERCENT, told)[0], chance, slack=1e-6)


def test_all_heads_at_once(browser, case):
    _, truth, _ = case
    for layer, head in ((0, 0), (2, 4), (3, 1)):
        browser.execute_script(
            "setHead('mean'); setLayer(arguments[0]); setHead(arguments[1])", layer, head
        )
        for word in (0, 2):
            choose(browser, word)
            weights = truth.weights(truth.row(word))[layer, head, : truth.M].reshape(-1, 65)[0, 1:]
            told = text(browser, "#heads figcaption")
            assert told.startswith(f"Layer {layer + 1}, head {head + 1}: ")
            together, brightest = re.findall(PERCENT, told)
            slack = float(truth.weights(truth.row(word))[layer, head].max()) / 500
            assert says(together, weights.sum(), slack=1e-5)
            assert says(brightest, weights.max(), slack=slack)
    browser.execute_script("setLayer('all')")


def test_inside_the_picture_tower(browser, case):
    _, truth, _ = case
    for layer in (0, 3):
        weights = truth.tensors[f"vision.{layer}.weights"].mean(axis=1)[0].astype(np.float64)
        for square in (-1, 0, 37, 63):
            browser.execute_script(
                "state.seer = arguments[0]; state.patch = arguments[1]; draw()", layer, square
            )
            told = texts(browser, "#vision figcaption")[0]
            row = weights[square + 1]
            slack = float(row.max()) / 500
            shown = re.findall(PERCENT, told)
            assert says(shown[0], row[1:].max(), slack=slack)
            assert says(shown[1], row[0], slack=slack)
            if square >= 0:
                assert says(shown[2], row[square + 1], slack=slack)
                assert f"row {square // 8 + 1}, column {square % 8 + 1}" in told
    names = texts(browser, "#vision select[aria-label='whose vectors'] option")
    for number_, name in enumerate(names):
        browser.execute_script("state.norm = arguments[0]; draw()", number_)
        lengths = np.linalg.norm(truth.tensors[name][0, 1:].astype(np.float64), axis=-1)
        low, high = (
            number(n)
            for n in re.findall(r"[\d.]+(?:e[+]\d+)?", texts(browser, "#vision figcaption")[1])[:2]
        )
        step = float(np.linalg.norm(truth.tensors[name][0], axis=-1).max()) / 500
        assert low == pytest.approx(lengths.min(), rel=6e-3, abs=step)
        assert high == pytest.approx(lengths.max(), rel=6e-3, abs=step)


def test_what_is_kept_between_words(browser, case):
    """Bytes and kilobytes from the arrays themselves, and the tokens counted one by one."""
    _, truth, _ = case
    told = text(browser, "#cache .inside")
    keys = [v for n, v in truth.tensors.items() if re.fullmatch(r"text\.\d\.[kv]", n)]
    tokens = keys[0].shape[2]
    of_one = sum(array.nbytes for array in keys) // tokens
    assert f"{of_one:,} bytes" in told
    picture, end = re.findall(r"([\d,]+) kB", told)
    assert number(picture) == pytest.approx(of_one * truth.M / 1024, abs=0.5)
    assert number(end) == pytest.approx(of_one * tokens / 1024, abs=0.5)
    with_cache = without = 0
    for word in range(len(truth.said)):
        read = truth.M + len(truth.prompt) + word
        without += read
        with_cache = read  # each token once
    found = re.search(
        r"works through (\d+) tokens for these (\d+) choices, without it through (\d+): "
        r"([\d.]+) times",
        told,
    )
    assert [int(found[i]) for i in (1, 2, 3)] == [with_cache, len(truth.said), without]
    assert float(found[4]) == pytest.approx(without / with_cache, abs=0.051)
    sizes = re.search(
        rf"(\d+) layers {BY} 2 \(key and value\) {BY} (\d+) heads {BY} (\d+) numbers", told
    )
    layers_, heads, width = (int(n) for n in sizes.groups())
    assert (layers_, heads, width) == (4, keys[0].shape[1], keys[0].shape[3])


def test_what_the_model_saw(browser, case):
    """What is lost at the borders, counted in pixels of the picture as Pillow cuts it."""
    kind, _, _ = case
    told = texts(browser, "#seen figcaption")
    assert f"8 {BY} 8 squares of 12 {BY} 12 pixels" in text(browser, "#seen p")
    for given in told[::2]:
        size = re.search(rf"as given: (\d+) {BY} (\d+) pixels, resized to (\d+) {BY} (\d+)", given)
        width, height, new_width, new_height = (int(n) for n in size.groups())
        scale = 96 / min(width, height)
        assert (new_width, new_height) == (int(width * scale), int(height * scale))
        marked = np.zeros((new_height, new_width), bool)
        top, left = (new_height - 96) // 2, (new_width - 96) // 2
        marked[top : top + 96, left : left + 96] = True
        lost = 1 - marked.mean()
        if lost == 0:
            assert given.endswith("nothing is lost at the borders")
        else:
            assert says(re.search(PERCENT, given)[0], lost)
    assert (kind == "wide") == ("of it is lost" in told[0])
    for model in told[1::2]:
        assert model == f"as the model has it: 96 {BY} 96 pixels, 64 squares"


def test_the_whole_model_and_the_mask(browser, case):
    _, truth, _ = case
    shapes = texts(browser, "#map .num")
    heads = truth.tensors["text.0.weights"].shape[1]
    depth = len([n for n in truth.tensors if re.fullmatch(r"vision\.\d\.x", n)])
    assert shapes == [
        "96 x 96 pixels", "8 x 8 = 64",
        f"{depth} layers, {truth.tensors['vision.0.q'].shape[1]} heads",
        f"{truth.M} image tokens", f"{len(truth.prompt)} to begin with",
        f"4 layers, {heads} heads", f"{truth.tensors['logits'].shape[-1]} words",
    ]  # fmt: skip
    mask = truth.tensors["text.mask"][0, 0]
    shown = browser.execute_script(
        "return [...document.querySelectorAll('table.mask tr')].slice(2).map((r) =>"
        "[...r.querySelectorAll('td')].slice(1).map((c) => c.classList.contains('yes')))"
    )
    right = (mask[truth.M :, truth.M :] == 0).tolist()
    assert shown == right
    assert (
        f"{truth.M} image tokens"
        in texts(browser, "table.mask th")[0] + texts(browser, "table.mask th")[1]
    )


def test_ranges_of_the_tensor_that_is_followed(browser, case):
    """Shapes, and from where to where: of the tensors that a run without a cache has too."""
    _, truth, _ = case
    for word in (0, len(truth.said) - 1):
        choose(browser, word)
        stages = browser.execute_script(
            "return [...document.querySelectorAll('.stage')].map((s) => [s.querySelector('code')"
            ".textContent, s.querySelector('.num').textContent,"
            "s.querySelector('.note').textContent])"
        )
        for name, shape, note in stages:
            low, high = (
                number(n) for n in re.search(rf"from ({NUMBER}) to ({NUMBER})", note).groups()
            )
            bare = name.removeprefix(f"word.{word}.")
            true = truth.tensors.get(bare)
            if name != bare and true is not None:
                row = truth.row(word) - (0 if true.shape[-2] > truth.row(word) else truth.M)
                true = np.take(true, [row], axis=-2)
                true = (
                    true[..., : truth.row(word) + 1]
                    if "scores" in bare or "weights" in bare
                    else true
                )
            if true is None or (word == 0 and len(truth.prompt) > 1):
                continue
            finite = true[np.isfinite(true)]
            assert low == pytest.approx(float(finite.min()), rel=1e-3, abs=2e-4), name
            assert high == pytest.approx(float(finite.max()), rel=1e-3, abs=2e-4), name
            assert shape.startswith("(")
