"""The explain page in headless Chromium: `pytest -m browser`.

Needs Debian's packages chromium and chromium-driver, and the extra [browser]. A page of a still and
one of a clip are opened from files, at the width of a desk and of a phone. AXE_CORE names
another version of axe-core, a file axe.min.js.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explain_page import (
    PANELS,
    SIZES,
    choose,
    chosen,
    colour_scheme,
    open_all,
    press,
    resize,
    text,
    violations,
    visit,
    wait,
)  # fmt: skip
from playground_page import open_browser

from numpygit.inside.explain import data_of
from numpygit.storybook import EXAMPLES
from numpygit.trace import Recorder

pytestmark = pytest.mark.browser
MINUS = "\N{MINUS SIGN}"  # as the page writes it
PICTURE = EXAMPLES / "relation.png"


@pytest.fixture(scope="module")
def pages(storybook, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "still": storybook.explain(PICTURE),
        "clip": storybook.explain(EXAMPLES / "clip.gif"),
        "question": storybook.explain(PICTURE, "is it </script>?", measure=False),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "numpygit.inside.explain.MOST_WEIGHTS", (0,)
        )  # no single heads, one picture layer
        made["few"] = storybook.explain(EXAMPLES / "sign.png")
    for name, explanation in made.items():
        explanation.save(folder / f"{name}.html")
    (folder / "notebook.html").write_text(made["still"]._repr_html_(), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in [*made, "notebook"]}


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Iterator[Any]:
    made = open_browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.quit()


@pytest.fixture(params=["desk", "phone"])
def browser(request, opened) -> Any:
    resize(opened, request.param)
    return opened


def requests(browser) -> list[str]:
    events = [json.loads(row["message"])["message"] for row in browser.get_log("performance")]
    sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return [one["request"]["url"] for one in sent]


@pytest.mark.parametrize("name", ["still", "clip", "question", "few"])
def test_every_panel_opens_in_silence_and_nothing_is_asked_of_a_network(browser, pages, name):
    visit(browser, pages[name])
    data = data_of(pages[name].read_text(encoding="utf-8"))
    ids = browser.execute_script(
        "return [...document.querySelectorAll('.panel')].map((one) => one.id)"
    )
    assert ids == PANELS
    open_all(browser)
    for _ in data["words"]:
        press(browser, "ArrowRight")
        for panel in PANELS:
            assert len(text(browser, f"#{panel} .inside")) > 20, panel
    assert browser.get_log("browser") == []
    addresses = [one for one in requests(browser) if not one.startswith(("data:", "blob:"))]
    assert addresses == [pages[name].as_uri()]
    root = "document.documentElement"  # a phone's window grows with what is too wide for it
    wide = browser.execute_script(f"return {root}.scrollWidth - {root}.clientWidth")
    assert wide <= 0


def test_the_first_screen_teaches_without_a_click(browser, pages):
    visit(browser, pages["still"])
    data = data_of(pages["still"].read_text(encoding="utf-8"))
    shown = browser.execute_script(
        "return [...document.querySelectorAll('#words button')].map((b) => b.textContent.trim())"
    )
    assert shown == [*data["caption"].split(), "end"]
    word = data["words"][chosen(browser)]["token"]
    reading = text(browser, "#reading")
    assert f"the model says {word}" in reading
    height = browser.execute_script("return innerHeight")
    for query in ("#frames canvas", "#words", "#reading"):
        low = browser.execute_script(
            "return document.querySelector(arguments[0]).getBoundingClientRect().bottom", query
        )
        assert 0 < low <= height, query


def test_what_is_said_of_attention_sums_to_all_of_it(browser, pages):
    """Squares, class token and words share the attention: the sentence counts each once."""
    visit(browser, pages["still"])
    reading = text(browser, "#reading").replace("of all 64", "").replace("all 64 squares", "")
    shares = [float(n) for n in re.findall(r"(\d+(?:\.\d)?) %", reading.partition("sure).")[2])]
    assert len(shares) == 3
    assert abs(sum(shares) - 100) < 1.6  # each is rounded


def test_words_stay_in_sight_and_can_be_chosen_below(browser, pages):
    visit(browser, pages["still"])
    assert browser.execute_script("return document.querySelector('#bar').hidden")
    browser.execute_script("document.querySelector('#cache').scrollIntoView()")
    wait(browser, "return !document.querySelector('#bar').hidden")
    browser.execute_script("document.querySelectorAll('#bar button')[2].click()")
    assert chosen(browser) == 2


def test_words_of_the_question_can_be_chosen(browser, pages):
    visit(browser, pages["question"])
    buttons = browser.execute_script("return document.querySelectorAll('#asked button').length")
    data = data_of(pages["question"].read_text(encoding="utf-8"))
    assert buttons == len(data["prompt"])
    browser.execute_script("document.querySelectorAll('#asked button')[1].click()")
    assert "While the question was read" in text(browser, "#reading")
    press(browser, "ArrowRight")
    assert "the model says" in text(browser, "#reading")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["still", "clip", "question", "few"])
def test_axe_core_finds_nothing_serious(opened, pages, name, size, scheme):
    resize(opened, size)
    colour_scheme(opened, scheme)
    visit(opened, pages[name])
    open_all(opened)
    words = len(data_of(pages[name].read_text(encoding="utf-8"))["words"])
    for word in {chosen(opened), 0, words - 1}:
        choose(opened, word)
        assert violations(opened) == []


def test_axe_core_looks_at_all_of_it(opened, pages, tmp_path):
    """A page with a mistake of each kind that was found once is not passed over."""
    bad = pages["still"].read_text(encoding="utf-8").replace("</main>", (
        "<select></select><p style='color:#999;background:#aaa'>pale</p>"
        "<div role='img'></div></main>"
    ))  # fmt: skip
    (tmp_path / "bad.html").write_text(bad, encoding="utf-8")
    resize(opened, "desk")
    visit(opened, tmp_path / "bad.html")
    found = " ".join(violations(opened))
    for rule in ("select-name", "color-contrast", "role-img-alt"):
        assert rule in found


def test_everything_has_a_name_and_a_role(browser, pages):
    """What axe-core found: selects, scrolled regions and tables without names."""
    visit(browser, pages["clip"])
    open_all(browser)
    unnamed = browser.execute_script(
        "return [...document.querySelectorAll('select, canvas[role=img], .scroll, input')].filter("
        "(e) => !e.closest('label, button') && !e.ariaLabel).map((e) => e.outerHTML)"
    )
    assert unnamed == []
    headless = browser.execute_script(
        "return [...document.querySelectorAll('th')].filter((e) => !e.scope).length"
    )
    assert headless == 0


def test_keys(browser, pages):
    visit(browser, pages["still"])
    before = chosen(browser)
    assert before > 0
    press(browser, "ArrowRight")
    assert chosen(browser) == before + 1
    press(browser, "ArrowLeft")
    press(browser, "ArrowLeft")
    assert chosen(browser) == before - 1
    layer = "return document.getElementById('layer').value"
    head = "return document.getElementById('head').value"
    assert browser.execute_script(layer) == "all"
    press(browser, "ArrowUp")
    assert browser.execute_script(layer) == "0"
    press(browser, "ArrowDown")
    press(browser, "ArrowDown")
    assert browser.execute_script(layer) == "3"
    press(browser, ".")
    assert browser.execute_script(head) == "0"
    press(browser, ",")
    assert browser.execute_script(head) == "mean"
    temperature = "document.getElementById('temperature')"
    browser.execute_script(f"{temperature}.focus()")
    press(browser, "ArrowRight", temperature)
    assert chosen(browser) == before - 1  # the key is the slider's


def test_the_numbers_shown_are_those_of_the_trace(browser, pages, storybook):
    recorder = Recorder()
    list(storybook.stream(PICTURE, trace=recorder))
    visit(browser, pages["still"])
    open_all(browser)
    number = chosen(browser)
    hand = data_of(pages["still"].read_text(encoding="utf-8"))["words"][number]["by_hand"]
    row = f"word.{number}.text.{hand['layer']}"
    place = (0, hand["head"], -1, hand["token"])
    for query, name in (("#hand-score", "scores"), ("#run-weight", "weights")):
        shown = np.float32(text(browser, query).replace(MINUS, "-"))
        assert shown == recorder.tensors[f"{row}.{name}"][place]
    by_hand = float(text(browser, "#hand-weight"))
    assert by_hand == pytest.approx(recorder.tensors[f"{row}.weights"][place], rel=2e-6)
    cells = browser.execute_script(
        "return [...document.querySelectorAll('.stage')].map((s) => [s.querySelector('code')"
        ".textContent, [...s.querySelectorAll('td')].map((c) => c.textContent)])"
    )
    assert len(cells) == 15
    for name, values in cells:
        tensor = recorder.tensors[name]
        while tensor.ndim > 2:
            tensor = tensor[0]
        corner = tensor.reshape(-1, tensor.shape[-1])[:8, :8].ravel()
        found = np.array([value.replace(MINUS, "-") for value in values], np.float32)
        np.testing.assert_array_equal(found, corner, name)


def test_the_squares_and_shares_are_those_of_the_trace(browser, pages, storybook):
    recorder = Recorder("word.*.weights", "word.*.logits")
    list(storybook.stream(PICTURE, trace=recorder))
    visit(browser, pages["still"])
    number = chosen(browser)
    for head in (None, *range(5)):
        looked = browser.execute_script(
            "return [...looked(arguments[0], 2, arguments[1] ?? 'mean')]", number, head
        )
        true = recorder.tensors[f"word.{number}.text.2.weights"][0, :, -1]
        true = true.mean(axis=0) if head is None else true[head]
        assert np.abs(np.array(looked[: len(true)]) - true).max() <= true.max() / 509
    logits = recorder.tensors[f"word.{number}.logits"][0, -1].astype(np.float64)
    for step, temperature in ((9, 1.0), (19, 2.0)):
        browser.execute_script(
            "const t = document.getElementById('temperature'); t.value = arguments[0];"
            "t.dispatchEvent(new Event('input'))", step
        )  # fmt: skip
        shares = browser.execute_script(
            "return [...document.querySelectorAll('[data-share]')].map((s) => +s.dataset.share)"
        )
        powers = np.exp((logits - logits.max()) / temperature)
        true = np.sort(powers / powers.sum())[::-1][:10]
        np.testing.assert_allclose(shares, true, rtol=1e-9)


def test_a_touched_square_tells_its_share(browser, pages, storybook):
    recorder = Recorder("word.*.weights")
    list(storybook.stream(PICTURE, trace=recorder))
    visit(browser, pages["still"])
    browser.execute_script(
        "const c = document.querySelector('#frames canvas'), r = c.getBoundingClientRect();"
        "c.dispatchEvent(new MouseEvent('click', {clientX: r.left + r.width * 4.5 / 8,"
        "clientY: r.top + r.height * 6.5 / 8, bubbles: true}))"
    )
    number = chosen(browser)
    layers = [recorder.tensors[f"word.{number}.text.{i}.weights"][0, :, -1] for i in range(4)]
    share = np.stack(layers).mean(axis=(0, 1))[1 + 6 * 8 + 4]
    told = text(browser, "#spot")
    assert told.startswith("row 7, column 5: ")
    assert float(re.search(r": ([\d.]+) %", told)[1]) == pytest.approx(share * 100, abs=0.06)


def test_gradient_times_input_stands_beside_importance_and_attention(browser, pages):
    visit(browser, pages["still"])
    browser.execute_script(
        "const p = document.querySelector('#importance'); p.open = true; p.scrollIntoView()"
    )
    pictures = browser.find_elements("css selector", "#importance .three canvas")
    assert [one.get_attribute("aria-label") for one in pictures] == [
        "measured importance",
        "gradient times input",
        "attention",
    ]
    number, values = chosen(browser), data_of(pages["still"].read_text())["gradient"]["values"]
    browser.execute_script(
        "const c = arguments[0], r = c.getBoundingClientRect();"
        "c.dispatchEvent(new MouseEvent('click', {clientX: r.left + r.width * 4.5 / 8,"
        "clientY: r.top + r.height * 6.5 / 8, bubbles: true}))",
        pictures[1],
    )
    told = text(browser, "#importance").replace(MINUS, "-")
    found = re.search(r"row 7, column 5: .* input of the square (-?[\d.e-]+)\.", told)
    assert float(found[1]) == pytest.approx(values[number][6 * 8 + 4], rel=1e-6)
    assert "hiding it is no small change" in told


def test_a_link_leads_to_its_panel_and_paper_shows_all(browser, pages):
    visit(browser, pages["still"])
    browser.execute_script("document.querySelector('a[href=\"#importance\"]').click()")
    wait(browser, "return document.getElementById('importance').open")
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    wait(browser, "return [...document.querySelectorAll('.panel')].every((one) => one.open)")
    paper = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]
    assert len(paper) > 50_000
    assert browser.get_log("browser") == []


def test_a_notebook_shows_the_page_in_a_frame(browser, pages):
    browser.get(pages["notebook"].as_uri())
    frame = browser.execute_script("return document.querySelector('iframe')")
    browser.switch_to.frame(frame)
    wait(browser, "return document.documentElement.dataset.ready === 'yes'")
    assert "the model says" in text(browser, "#reading")
    browser.switch_to.default_content()
    assert browser.get_log("browser") == []
