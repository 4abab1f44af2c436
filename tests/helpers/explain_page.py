"""Drive an explain page in headless Chromium, and ask axe-core what is wrong with it."""

from __future__ import annotations

import json
import os
import time
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

PANELS = [
    "map", "else", "follow", "seen", "importance", "hand", "mask", "lens", "heads", "vision",
    "cache",
]  # fmt: skip
SIZES = {"desk": (1280, 800), "tablet": (820, 1180), "phone": (390, 844)}


def resize(browser: Any, size: str) -> None:
    """Show pages at the size of a desk, a tablet or a phone."""
    width, height = SIZES[size]
    wanted = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", wanted)


def colour_scheme(browser: Any, scheme: str) -> None:
    """Ask for the light or the dark colours of pages."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def visit(browser: Any, page: Path) -> None:
    for log in ("browser", "performance"):
        if log in browser.log_types:
            browser.get_log(log)
    browser.get(page.as_uri())
    wait(browser, "return document.documentElement.dataset.ready === 'yes'")


def wait(browser: Any, script: str) -> None:
    end = time.monotonic() + 20
    while not browser.execute_script(script):
        assert time.monotonic() < end, script
        time.sleep(0.05)


def press(browser: Any, key: str, on: str = "document.body") -> None:
    browser.execute_script(
        f"{on}.dispatchEvent(new KeyboardEvent('keydown', {{key: arguments[0], bubbles: true}}))",
        key,
    )


def chosen(browser: Any) -> int:
    script = (
        "return [...document.querySelectorAll('#words button')]"
        ".findIndex((b) => b.getAttribute('aria-pressed') === 'true')"
    )
    return int(browser.execute_script(script))


def choose(browser: Any, word: int) -> None:
    browser.execute_script("document.querySelectorAll('#words button')[arguments[0]].click()", word)


def text(browser: Any, query: str) -> str:
    script = "return document.querySelector(arguments[0]).textContent"
    return str(browser.execute_script(script, query))


def texts(browser: Any, query: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
    return list(browser.execute_script(script, query))


def open_all(browser: Any) -> None:
    browser.execute_script(
        "document.querySelectorAll('.panel').forEach((one) => { one.open = true; })"
    )
    wait(
        browser, "return [...document.querySelectorAll('.inside')].every((i) => i.children.length)"
    )


def axe_core() -> str:
    """Read the program of axe-core: of the extra [browser], or the file that AXE_CORE names."""
    if os.environ.get("AXE_CORE"):
        return Path(os.environ["AXE_CORE"]).read_text(encoding="utf-8")
    pytest.importorskip("axe_core_python", reason="pip install numpygit[browser]")
    return (resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")


def violations(browser: Any) -> list[str]:
    """Let axe-core look at the page: what it finds serious or critical, one line each."""
    browser.execute_script(axe_core())
    found = browser.execute_async_script(
        "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']})"
        ".then((r) => done(JSON.stringify(r.violations)), (e) => done(JSON.stringify(String(e))))"
    )
    listed = json.loads(found)
    assert isinstance(listed, list), listed  # axe itself failed
    return [
        f"{one['impact']}: {one['id']}: {node['html'][:120]}"
        for one in listed
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
