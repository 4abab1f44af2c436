"""The page against the local server in headless Chromium: `pytest -m browser`.

Needs Debian's packages chromium and chromium-driver, the extra [browser], and for the test of
accessibility npm, which fetches axe-core.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playground_page import SIZES, Page, open_browser

from numpygit.playground import Live
from numpygit.storybook import EXAMPLES

pytestmark = pytest.mark.browser

CAT = {"kind": "cat", "color": "blue", "x": 0.5, "y": 0.3, "r": 0.15, "turn": 0, "flip": False}
HOUSE = {**CAT, "kind": "house", "color": "red", "y": 0.7}
FIRST = "a blue cat above a red house"
TAB, ENTER, DELETE, ESCAPE, RIGHT, LEFT, DOWN, UP = (
    "\ue004", "\ue007", "\ue017", "\ue00c", "\ue014", "\ue012", "\ue015", "\ue013"
)  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    made = open_browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.quit()


@pytest.fixture(scope="module")
def live(storybook: Any) -> Iterator[Live]:
    made = Live(storybook)
    yield made
    made.close()


@pytest.fixture
def page(browser: Any, live: Live) -> Iterator[Page]:
    made = Page(browser, live.url)
    made.open()
    yield made
    assert made.log() == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dark", [False, True])
def test_the_first_screen(size: str, dark: bool, browser: Any, live: Live, tmp_path: Path) -> None:
    page = Page(browser, live.url)
    page.open(size, dark=dark)
    assert page.caption() == FIRST
    words = page.js(
        "[...document.querySelectorAll('#spoken button')].map((b) => b.firstChild.data)"
    )
    assert words == [*FIRST.split(), "end"]
    assert page.js("document.documentElement.scrollWidth") <= SIZES[size][0]
    low = page.js("document.getElementById('spoken').getBoundingClientRect().bottom")
    assert low <= SIZES[size][1]  # picture and words without scrolling
    page.picture(tmp_path / f"{size}-{'dark' if dark else 'light'}.png")
    assert page.log() == []


def test_a_sticker_is_dragged_and_the_words_follow(page: Page) -> None:
    page.drag((0.5, 0.7), (0.6, 0.5), (0.5, 0.12))
    page.settled()
    page.drag((0.5, 0.33), (0.4, 0.6), (0.5, 0.75))
    assert page.settled() == "a red house above a blue cat"
    things = page.state()["frames"][0]
    assert abs(things[0]["y"] - 0.72) < 0.06
    assert page.text("#before-text")
    assert page.js("document.querySelectorAll('#after-text ins, #before-text del').length") > 0
    page.click("#undo")
    page.click("#undo")
    assert page.settled() == FIRST
    page.click("#redo")
    page.settled()
    assert page.js("document.getElementById('redo').disabled") is False


def test_a_sticker_is_resized_by_its_handle(page: Page) -> None:
    page.drag((0.5, 0.3), (0.5, 0.3))
    x, y = page.js(
        "(() => { const c = document.querySelector('.resize');"
        "return [+c.getAttribute('cx') / 100, +c.getAttribute('cy') / 100]; })()"
    )
    page.drag((x, y), (x + 0.05, y + 0.05))
    said = page.settled()
    assert page.state()["frames"][0][0]["r"] > 0.18
    assert "big blue cat" in said


def test_stickers_are_added_recoloured_and_removed(page: Page) -> None:
    page.click('[data-color="yellow"]')
    page.click('[data-kind="fish"]')
    page.settled()
    added = page.state()["frames"][0][0]
    assert (added["kind"], added["color"]) == ("fish", "yellow")
    page.click('[data-color="green"]')  # the new one is selected
    page.settled()
    assert page.state()["frames"][0][0]["color"] == "green"
    for what, check in (
        ("bigger", lambda t: t["r"] > 0.15),
        ("smaller", lambda t: t["r"] < 0.15),
        ("flip", lambda t: t["flip"]),
        ("front", lambda t: t["kind"] == "fish"),
    ):
        page.click(f'[data-do="{what}"]')
        assert check(page.state()["frames"][0][0]), what
    page.click('[data-do="remove"]')
    assert page.settled() == FIRST


def test_night_land_and_sign(page: Page) -> None:
    before = page.js("document.getElementById('back').getAttribute('href')")
    page.click("#night")
    page.settled()
    assert page.state()["night"]
    page.until(f"document.getElementById('back').getAttribute('href') !== {json.dumps(before)}")
    page.click("#land")
    page.settled()
    page.change({"frames": [[{**CAT, "y": 0.25}]]})
    page.find("#sign").send_keys("Rain!")
    assert page.settled() == "a blue cat above a sign that says rain"
    page.drag((0.5, 0.68), (0.4, 0.72))
    page.settled()
    assert abs(page.state()["sign_x"] - 0.4) < 0.02
    page.find("#question").send_keys("what does the sign say?", ENTER)
    assert page.settled() == "rain"


def test_the_brush_hides_and_uncovers(page: Page) -> None:
    page.click("#brush")
    zigzag = [(x, y) for y in (0.16, 0.24, 0.32, 0.4, 0.46) for x in (0.32, 0.68)]
    page.drag(*zigzag)
    said = page.settled()
    assert "cat" not in said
    assert len(page.state()["brush"]) == 1
    page.click("#unbrush")
    assert page.settled() == FIRST
    page.click("#brush")
    assert page.js("document.getElementById('brush').getAttribute('aria-pressed')") == "false"


def test_a_clip_of_four_frames(page: Page) -> None:
    page.change({"frames": [[{**CAT, "kind": "bird", "color": "red"}]]})
    page.click("#clip")
    said = page.settled()
    assert said == "a red bird moves to the right"
    assert len(page.js("[...document.querySelectorAll('#film button')]")) == 4
    page.click("#film button:nth-child(3)")
    page.settled()
    assert page.state()["frame"] == 2
    page.click("#clip")
    page.settled()
    assert len(page.state()["frames"]) == 1


def test_examples(page: Page, storybook: Any) -> None:
    page.click('[data-mode="example"]')
    for path in sorted(EXAMPLES.iterdir()):
        page.click(f'[data-name="{path.name}"]')
        assert page.settled() == storybook.caption(path)
    page.click('[data-mode="scene"]')
    assert page.settled() == FIRST


def test_a_file_is_taken_whole_zoomed_and_dropped(
    page: Page, storybook: Any, tmp_path: Path
) -> None:
    path = EXAMPLES / "row.png"
    page.click('[data-mode="photo"]')
    page.find("#file").send_keys(str(path))
    page.until("playground.store.now.mode === 'photo' && playground.run().state.mode === 'photo'")
    assert page.settled() == storybook.caption(path)
    cut = Image.open(path).convert("RGB").crop((96, 96, 288, 288))
    page.change({"zoom": 2})
    expected = storybook.caption(cut)
    assert page.caption() == expected
    data = list(path.read_bytes())
    page.browser.execute_script(
        "const t = new DataTransfer(), all = new Uint8Array(arguments[0]);"
        "t.items.add(new File([all], 'a.png',"
        "{type: 'image/png'})); document.dispatchEvent(new DragEvent('drop', {dataTransfer: t,"
        "bubbles: true, cancelable: true}))", data
    )  # fmt: skip
    page.until("playground.store.now.zoom === 1")
    assert page.settled() == storybook.caption(path)
    page.browser.execute_script(
        "const t = new DataTransfer(); t.items.add(new File(['no picture'], 'a.png',"
        "{type: 'image/png'})); document.dispatchEvent(new ClipboardEvent('paste',"
        "{clipboardData: t}))"
    )
    page.until("!document.getElementById('mistake').hidden")
    assert "no picture" in page.text("#mistake")


def test_a_turned_photograph_is_shown_and_read_upright(
    page: Page, storybook: Any, tmp_path: Path
) -> None:
    upright = Image.open(EXAMPLES / "sign.png").convert("RGB").crop((0, 60, 384, 384))
    exif = Image.Exif()
    exif[0x0112] = 6  # as a telephone held upright writes it
    path = tmp_path / "turned.jpg"
    upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)
    page.click('[data-mode="photo"]')
    page.find("#file").send_keys(str(path))
    page.until("playground.store.now.mode === 'photo' && playground.run().state.mode === 'photo'")
    assert page.settled() == storybook.caption(path)
    page.change({"zoom": 1.5})
    side = 324 / 1.5
    left, top = (384 - side) / 2, (324 - side) / 2
    box = tuple(round(edge) for edge in (left, top, left + side, top + side))
    assert page.caption() == storybook.caption(Image.open(path).transpose(
        Image.Transpose.ROTATE_270).crop(box))  # fmt: skip


def test_words_attention_and_rivals(page: Page) -> None:
    page.click("#spoken button:nth-child(7)")
    assert page.js("playground.chosen()") == 6
    assert "house" in page.text("#panel-look p")
    assert page.js("document.querySelectorAll('.heads .cell').length") == 4 * 6
    before = page.js("document.getElementById('heat').toDataURL()")
    page.click('[aria-label="layer 3, head 4"]')
    assert page.js("document.getElementById('heat').toDataURL()") != before
    assert "layer 3, head 4" in page.text("#heat-note")
    pressed = page.js("[...document.querySelectorAll('.cell[aria-pressed=true]')].length")
    assert pressed == 1
    shares = page.js("[...document.querySelectorAll('#panel-look .chip')].length")
    assert shares == 7  # [CLS] and the six words before
    page.click("#tab-rivals")
    rows = page.js("[...document.querySelectorAll('.rivals .name')].map((n) => n.textContent)")
    assert rows[0] == "house"
    assert len(rows) == 6


def test_importance_is_measured_with_progress_and_can_be_stopped(page: Page) -> None:
    page.click("#tab-measure")
    page.click("#panel-measure .main")
    page.until("document.querySelector('#panel-measure progress').value > 0")
    page.click("#stop")
    page.until("document.querySelector('#panel-measure p[aria-live]').textContent === 'Stopped.'")
    page.click("#panel-measure .main")
    said = "document.querySelector('#panel-measure p[aria-live]').textContent"
    page.until(f"{said}.startsWith('Done')", 60)
    page.click("#panel-measure .chips button:nth-child(3)")
    assert page.text("#heat-note").startswith("“cat” loses")
    lost = float(
        page.text("#panel-measure .chips button:nth-child(3) small").replace("\N{MINUS SIGN}", "")
    )
    assert lost > 0.5
    page.click("#gradient")
    page.until(f"{said}.startsWith('Done')", 60)
    assert "· gradient" in page.text("#heat-note")
    page.change({"night": True})
    assert "Nothing measured" in page.text("#panel-measure p[aria-live]")


def test_switches(page: Page) -> None:
    page.click("#tab-change")
    before = page.js("playground.run().log_probability")
    for head in range(5):
        page.click(f'[data-head="3,{head}"]')
        page.settled()
    assert page.state()["heads_off"] == [[3, head] for head in range(5)]
    assert page.js("playground.run().log_probability") < before
    page.click("#as-it-was")
    assert page.settled() == FIRST
    page.click('[data-layer="3"]')
    page.click('[data-layer="2"]')
    assert page.settled() != FIRST
    for layer in range(2):
        page.click(f'[data-layer="{layer}"]')
        page.settled()
    assert "One layer must stay on" in page.text("#mistake")
    page.click("#as-it-was")
    page.settled()
    page.click("#random")
    assert page.settled() != FIRST
    page.click("#random")
    assert page.settled() == FIRST
    page.click("#dice")
    page.settled()
    assert (page.state()["temperature"], page.state()["seed"]) == (1.5, 1)
    page.find("#beams").send_keys(RIGHT, RIGHT)
    page.settled()
    page.until("!document.getElementById('tree').hidden")
    assert page.js("document.querySelectorAll('#tree .rank').length") == 3
    assert page.js("document.querySelectorAll('#tree .rank.first').length") == 1


def test_the_code_beside_shows_the_line_and_the_numbers(page: Page) -> None:
    page.click("#tab-code")
    page.until("document.querySelectorAll('#panel-code .line').length > 10")
    page.until("document.querySelector('#panel-code .line.now') !== null")
    assert 'trace("weights", weights)' in page.text(".line.now")
    low, high = page.js(
        "[...document.querySelectorAll('#panel-code .line')].slice(0, 2)"
        ".map((one) => one.getBoundingClientRect().top)"
    )
    assert high > low + 8  # a line under the other
    page.until("document.querySelector('#panel-code .numbers code') !== null")
    assert page.text("#panel-code .numbers code").endswith("text.0.weights")
    assert page.js("document.getElementById('edit')") is None  # not on a server
    page.browser.execute_script(
        "document.getElementById('stage')"
        ".dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))"
    )
    page.until("document.querySelector('#panel-code .numbers code').textContent === 'pixels'")
    page.js(
        "(() => { const s = document.querySelector('#panel-code select'); s.value = 'text.block';"
        "s.dispatchEvent(new Event('change')); })()"
    )
    page.until("document.querySelector('#panel-code pre').textContent.includes('def block')")


def test_an_address_repeats_the_scene(page: Page) -> None:
    page.change({"frames": [[{**HOUSE, "y": 0.25}, {**CAT, "y": 0.7}]], "night": True, "beams": 2})
    said = page.caption()
    assert said == "a red house above a blue cat"
    address = page.js("location.href")
    page.browser.get("about:blank")
    page.browser.get(address)
    page.until("document.documentElement.dataset.ready === 'yes'")
    assert page.caption() == said
    assert page.state()["night"]


@pytest.mark.parametrize(
    "hostile",
    [
        {"frames": [[{"kind": "<img src=x onerror=document.title='owned'>", "color": "red",
                      "x": 0.5, "y": 0.5, "r": 0.1}]]},
        {"frames": "all"},
        {"sign": "<script>"},
        {"question": "<img src=x onerror=document.title='owned'>"},
        {"brush": [{"r": 1e300, "points": [[None, 1]]}]},
        {"frame": 3},
        {"__proto__": {"polluted": 1}, "mode": "photo"},
    ],
)  # fmt: skip
def test_a_hostile_address_does_no_harm(hostile: dict[str, Any], browser: Any, live: Live) -> None:
    import base64

    text = base64.urlsafe_b64encode(json.dumps(hostile).encode()).decode().rstrip("=")
    page = Page(browser, f"{live.url}&s={text}")
    browser.get("about:blank")
    browser.get(page.url)
    page.until("document.documentElement.dataset.ready === 'yes'")
    assert "owned" not in browser.title
    assert page.js("({}).polluted") is None
    page.js("playground.change({frames: [[]], frame: 0, sign: '', question: '', brush: []})")
    page.settled()
    page.log()  # the server may have refused the first picture, in words


def test_by_keyboard_alone(page: Page) -> None:
    page.js("document.querySelector('.thing[data-number=\"0\"]').focus()")
    page.press(*[DOWN] * 3, "+", "c", "f")
    page.settled()
    cat = page.state()["frames"][0][0]
    assert cat["y"] == pytest.approx(0.36)
    assert (cat["color"], cat["flip"]) == ("purple", True)
    assert cat["r"] > 0.16
    page.press(DELETE)
    assert page.settled() == "a red house"
    page.press("b")
    assert page.js("document.getElementById('brush').getAttribute('aria-pressed')") == "true"
    page.press(ESCAPE)
    assert page.js("document.getElementById('brush').getAttribute('aria-pressed')") == "false"
    page.js("document.getElementById('tab-look').focus()")
    page.press(RIGHT)
    assert page.js("document.activeElement.id") == "tab-rivals"
    page.js("document.querySelector('#spoken button[tabindex=\"0\"]').focus()")
    before = page.js("playground.chosen()")
    page.press(RIGHT if before < 2 else LEFT)
    assert abs(page.js("playground.chosen()") - before) == 1
    seen: list[str] = []
    page.js("document.body.focus(), document.activeElement.blur()")
    for _ in range(60):
        page.press(TAB)
        seen.append(page.js("document.activeElement.id"))
    for wanted in ("undo", "brush", "night", "sign", "question", "tab-rivals"):
        assert wanted in seen, seen


def test_the_explanation_is_saved(page: Page, tmp_path: Path) -> None:
    page.browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    page.click("#explain")
    page.until("(playground.explained || 0) > 100000", 30)
    page.until("document.getElementById('status').textContent.startsWith('saved')")


# What is to be done in each lesson, and which answer is right.
LESSONS = {
    0: ("help", None),
    1: ("word", None),
    2: ("help", None),
    3: ("end", None),
    4: ("help", None),
    5: ("help", None),
}


@pytest.mark.parametrize("number", LESSONS)
def test_a_lesson_can_be_done(number: int, page: Page) -> None:
    page.click("#tab-lessons")
    page.click(f".lessons li:nth-child({number + 1}) button")
    page.settled()
    page.until("playground.run() && document.querySelector('.desk h3') !== null")
    assert page.js("document.querySelector('.desk .answers')") is None  # nothing done as yet
    how, _ = LESSONS[number]
    if how == "help":
        page.click(".desk .small")
    else:
        page.click("#spoken button.end" if how == "end" else "#spoken button:nth-child(4)")
    page.settled()
    page.until("document.querySelectorAll('.desk .answers button').length === 3")
    verdicts = []
    for answer in range(1, 4):
        page.click(f".desk .answers button:nth-child({answer})")
        verdicts.append(page.text(".desk .verdict"))
    assert sum(verdict.startswith("Right.") for verdict in verdicts) == 1, verdicts
    page.until(f"document.querySelector('.lessons li:nth-child({number + 1}) .done') !== null")


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed; it fetches axe-core")
    folder = tmp_path_factory.mktemp("axe")
    npm = ["npm", "pack", "axe-core@4", "--silent"]
    done = subprocess.run(npm, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"npm cannot fetch axe-core: {done.stderr[-200:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        file = archive.extractfile("package/axe.min.js")
        assert file is not None
        return io.TextIOWrapper(file, "utf-8").read()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_axe_finds_nothing_serious(
    size: str, dark: bool, browser: Any, live: Live, axe: str
) -> None:
    page = Page(browser, live.url)
    page.open(
        size,
        dark=dark,
        state={"brush": [{"r": 0.1, "points": [[0.5, 0.3]]}], "beams": 2},
    )
    for tab in ("look", "rivals", "measure", "change", "code", "lessons"):
        page.click(f"#tab-{tab}")
        browser.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
        found = page.wait(
            "(await axe.run(document)).violations.map((v) => [v.impact, v.id,"
            " v.nodes.map((n) => n.html.slice(0, 120)).slice(0, 3)])"
        )
        serious = [one for one in found if one[0] in ("serious", "critical")]
        assert serious == [], tab
