"""Drive the page of the playground in headless Chromium, with real pointers and keys."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numpygit.storybook.scene import COLORS, THINGS

SIZES = {"desk": (1400, 900), "tablet": (820, 1180), "phone": (390, 844)}
OPTIONS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)


def open_browser(profile: Path) -> Any:
    """Start Chromium, or skip where it is not installed."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install numpygit[browser]")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("chromium and chromium-driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in [*OPTIONS.split(), f"--user-data-dir={profile}"]:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    made.set_script_timeout(120)
    return made


def random_scene(rng: np.random.Generator) -> dict[str, Any]:
    """Make up a scene as the page would send it."""
    stickers = [
        {
            "kind": str(rng.choice(list(THINGS))),
            "color": str(rng.choice(list(COLORS))),
            "x": float(rng.uniform(0.1, 0.9)),
            "y": float(rng.uniform(0.1, 0.9)),
            "r": float(rng.uniform(0.08, 0.21)),
            "turn": float(rng.uniform(-8, 8)),
            "flip": bool(rng.random() < 0.5),
        }
        for _ in range(rng.integers(0, 6))
    ]
    sign = {"sign": str(rng.choice(["rain", "7", "zoo", "cafe"]))} if rng.random() < 0.3 else {}
    night, land = bool(rng.random() < 0.4), int(rng.integers(1 << 30))
    return {"stickers": stickers, "night": night, "backdrop": land, **sign}


class Page:
    """The page, as a person uses it."""

    def __init__(self, browser: Any, url: str) -> None:
        self.browser = browser
        self.url = url

    def open(
        self, size: str = "desk", *, dark: bool = False, state: dict[str, Any] | None = None
    ) -> None:
        width, height = SIZES[size]
        shape = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.browser.get("about:blank")
        self.browser.get_log("browser")
        self.browser.get(self.url)
        self.until("document.documentElement.dataset.ready === 'yes'", 90)
        if state is not None:
            self.change(state)

    def js(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(f"return {script}", *arguments)

    def wait(self, script: str, *arguments: Any) -> Any:
        """Run something that returns a promise."""
        found = self.browser.execute_async_script(
            "const done = arguments[arguments.length - 1]; Promise.resolve().then(async () => "
            f"{script}).then(done, (e) => done({{failed: String(e.stack || e)}}))", *arguments
        )  # fmt: skip
        assert not (isinstance(found, dict) and "failed" in found), found
        return found

    def until(self, condition: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not self.js(condition):
            assert time.monotonic() < end, (condition, self.text("#mistake"))
            time.sleep(0.03)

    def change(self, parts: dict[str, Any]) -> str:
        """Change the state as controls do, and wait for the words."""
        self.js(f"playground.change({json.dumps(parts)})")
        return self.settled()

    def settled(self) -> str:
        self.wait("playground.settled()")
        return self.caption()

    def caption(self) -> str:
        return str(self.js("playground.run().text"))

    def state(self) -> dict[str, Any]:
        return dict(self.js("playground.store.now"))

    def find(self, query: str) -> Any:
        return self.browser.find_element("css selector", query)

    def text(self, query: str) -> str:
        return str(self.js("document.querySelector(arguments[0])?.textContent ?? ''", query))

    def click(self, query: str) -> None:
        element = self.find(query)
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def point(self, x: float, y: float) -> tuple[int, int]:
        """Find the place of the picture on the screen."""
        box = self.js("(() => { const b = document.getElementById('paper').getBoundingClientRect();"
                      " return [b.left, b.top, b.width]; })()")  # fmt: skip
        return round(box[0] + x * box[2]), round(box[1] + y * box[2])

    def drag(self, *points: tuple[float, float]) -> None:
        """Press at the first point of the picture, move over the others, and let go."""
        from selenium.webdriver import ActionChains

        middle = "document.getElementById('paper').scrollIntoView({block: 'center'})"
        self.browser.execute_script(middle)
        chain = ActionChains(self.browser, duration=30)
        mouse = chain.w3c_actions.pointer_action
        first, *others = [self.point(*point) for point in points]
        mouse.move_to_location(*first)
        mouse.pointer_down()
        for place in others:
            mouse.move_to_location(*place)
        mouse.pointer_up()
        chain.perform()

    def press(self, *keys: str) -> None:
        """Press keys where the focus is."""
        from selenium.webdriver import ActionChains

        chain = ActionChains(self.browser)
        for key in keys:
            chain.send_keys(key)
        chain.perform()

    def log(self) -> list[str]:
        """List what the browser complained of."""
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def picture(self, path: Path) -> None:
        """Save what is on the screen."""
        path.write_bytes(self.browser.get_screenshot_as_png())
