"""The site as files in headless Chromium: Python inside the browser. `pytest -m pyodide`.

PYODIDE_DIR names the folder of a Pyodide 0.27.7 distribution with NumPy and Pillow: the release
`pyodide-0.27.7.tar.bz2` of github.com/pyodide/pyodide, unpacked. Nothing is fetched from elsewhere.
"""

from __future__ import annotations

import functools
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playground_page import Page, open_browser, random_scene

import numpygit
from numpygit.inside.explain import data_of
from numpygit.playground import write_site
from numpygit.storybook import EXAMPLES

pytestmark = pytest.mark.pyodide


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serve files, count their bytes, and say nothing."""

    sent = 0

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def copyfile(self, source: Any, outputfile: Any) -> None:
        Quiet.sent += os.fstat(source.fileno()).st_size
        super().copyfile(source, outputfile)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = os.environ.get("PYODIDE_DIR")
    if not folder:
        pytest.skip("set PYODIDE_DIR to the folder of a Pyodide 0.27.7 distribution")
    site = write_site(tmp_path_factory.mktemp("site"), pyodide=Path(folder))
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))
    )
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    browser = open_browser(tmp_path_factory.mktemp("chromium"))
    made = Page(browser, f"http://127.0.0.1:{server.server_address[1]}/")
    made.open()
    yield made
    assert made.log() == []
    browser.quit()
    server.shutdown()
    server.server_close()


def test_it_starts_by_itself_and_fetches_nothing_elsewhere(page: Page) -> None:
    assert page.caption() == "a blue cat above a red house"
    page.until("(document.getElementById('back').getAttribute('href') || '').startsWith('data:')")
    names = page.js("performance.getEntriesByType('resource').map((one) => one.name)")
    assert names
    assert all(name.startswith(page.url) for name in names)
    assert 15e6 < Quiet.sent < 30e6  # each file once: checked, then used from the cache


def test_the_examples_word_for_word(page: Page, storybook: Any) -> None:
    page.click('[data-mode="example"]')
    for path in sorted(EXAMPLES.iterdir()):
        page.click(f'[data-name="{path.name}"]')
        assert page.settled() == storybook.caption(path)
    page.click('[data-mode="scene"]')
    page.settled()


def test_a_composed_scene_and_a_question(page: Page) -> None:
    page.drag((0.5, 0.7), (0.6, 0.5), (0.5, 0.12))
    page.settled()
    page.drag((0.5, 0.33), (0.4, 0.6), (0.5, 0.75))
    assert page.settled() == "a red house above a blue cat"
    assert page.change({"question": "what color is the cat?"}) == "blue"
    page.change({"question": ""})


def test_words_equal_caption_in_100_composed_scenes(page: Page, tmp_path: Path) -> None:
    # drawn inside the browser by its Pillow; the very picture is captioned here once more
    import base64
    import io

    rng = np.random.default_rng(11)
    captioner = numpygit.load("storybook")
    for _ in range(100):
        scene = random_scene(rng)
        said = page.change(
            {"frames": [scene.pop("stickers")], "frame": 0, "sign": scene.pop("sign", ""), **scene}
        )
        picture = page.js("playground.run().picture").split(",")[1]
        drawn = Image.open(io.BytesIO(base64.b64decode(picture)))
        assert said == captioner.caption(drawn)
    page.change({"frames": [[]], "sign": ""})


def test_a_function_is_edited_run_mistaken_and_reset(page: Page) -> None:
    page.change(page.js("({frames: playground.store.now.frames, night: false, backdrop: 3})"))
    before = page.caption()
    page.click("#tab-code")
    page.until("document.querySelectorAll('#panel-code .line').length > 5")
    page.js(
        "(() => { const s = document.querySelector('#panel-code select');"
        "s.value = 'layers.softmax'; s.dispatchEvent(new Event('change')); })()"
    )
    page.until("document.querySelector('#panel-code pre').textContent.includes('def softmax')")
    page.click("#edit")
    write = (
        "(() => { const t = document.querySelector('#panel-code textarea');"
        "t.value = t.value.replace(arguments[0], arguments[1]); })()"
    )
    verdict = "document.querySelector('#panel-code .verdict').textContent"
    page.js(write, "np.exp(scores - highest)", "np.exq(scores - highest)")
    page.click("#run")
    page.until(f"{verdict}.includes('AttributeError')", 30)
    assert page.text("#panel-code .verdict").startswith("line ")
    page.js(write, "np.exq(scores - highest)", "np.exp(0 * scores)")
    page.click("#run")
    page.until(f"{verdict}.includes('With your layers.softmax')", 30)
    assert page.settled() != before
    page.js(write, "np.exp(0 * scores)", "np.exp(scores)\n    while True:\n        pass")
    page.click("#run")
    page.until("!document.getElementById('halt').hidden", 30)
    page.click("#halt")
    page.until(f"{verdict}.includes('Your text is still here')", 90)
    assert page.settled() == before
    page.click("#reset")
    page.until(f"{verdict}.includes('are the original ones again')", 30)
    assert page.settled() == before


def test_measuring_and_the_page_of_explain(page: Page, tmp_path: Path) -> None:
    page.change({"mode": "example", "example": "relation.png"})
    page.click("#tab-measure")
    page.click("#panel-measure .main")
    page.until("document.querySelector('#panel-measure progress').value > 0.2", 60)
    page.click("#stop")
    page.until("document.querySelector('#panel-measure p[aria-live]').textContent === 'Stopped.'")
    page.browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    page.click("#explain")
    page.until("document.getElementById('status').textContent.startsWith('saved')", 90)
    page.until("true")
    for _ in range(100):
        found = list(tmp_path.glob("*.html"))
        if found:
            break
        page.wait("new Promise((go) => setTimeout(go, 50))")
    html = found[0].read_text(encoding="utf-8")
    assert data_of(html)["caption"] == "an orange fish in front of a green boat"
