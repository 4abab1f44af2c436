"""NumPy and Pillow alone import, load, caption, answer, explain and draw: as inside a browser."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

# ssl is missing inside a browser, too
BLOCKED = ("tokenizers", "safetensors", "huggingface_hub", "tqdm", "fcntl", "ssl", "_ssl")

BLOCK = f"""
import json, sys
sys.modules.update({{name: None for name in {BLOCKED}}})
"""

USE = """
import numpy as np
import numpygit, numpygit.cli
from numpygit import storybook
captioner = numpygit.load("storybook")
from numpygit.storybook import EXAMPLES
row = str(EXAMPLES / "row.png")
scene = storybook.sample(np.random.default_rng(3), kind="above")
picture = storybook.render(scene, size=384)
page = captioner.explain(row, measure=False)
print(json.dumps({
    "captions": [captioner.caption(str(path)) for path in sorted(EXAMPLES.glob("*.png"))],
    "answer": captioner.answer(str(EXAMPLES / "sign.png"), "what does the sign say?"),
    "clip": numpygit.load("storybook").caption(str(EXAMPLES / "clip.gif")),
    "scene": [captioner.caption(picture), storybook.caption(scene)],
    "page": len(page.html),
    "blocked": [name for name in sys.modules if name in BLOCKED and sys.modules[name]],
}))
""".replace("BLOCKED", repr(BLOCKED))


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    done = run(BLOCK + USE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_bundled_model_is_used_without_them(said: dict[str, Any], storybook: Any) -> None:
    from numpygit.storybook import EXAMPLES

    assert said["captions"] == [storybook.caption(str(p)) for p in sorted(EXAMPLES.glob("*.png"))]
    assert said["answer"] == "rain"
    assert said["clip"] == storybook.caption(str(EXAMPLES / "clip.gif"))
    assert said["scene"][0] == said["scene"][1]
    assert said["page"] > 100_000
    assert said["blocked"] == []


def test_importing_the_package_imports_none_of_them() -> None:
    done = run("import json, sys, numpygit, numpygit.cli; print(json.dumps(list(sys.modules)))")
    assert done.returncode == 0, done.stderr
    imported = set(json.loads(done.stdout))
    assert not imported & {*BLOCKED[:4], "ssl"}


@pytest.mark.slow
def test_what_needs_one_says_which(tmp_path: Any) -> None:
    done = run(
        BLOCK
        + "import numpygit\n"
        + "c = numpygit.load('storybook')\n"
        + f"c.processor.tokenizer.save_pretrained({str(tmp_path)!r})\n"
        + f"again = numpygit.GitTokenizer.from_pretrained({str(tmp_path)!r})\n"
        + "assert again.encode('a red cat') == c.processor.tokenizer.encode('a red cat')\n"
        + "try:\n"
        + f"    c.model.save_pretrained({str(tmp_path)!r})\n"
        + "except numpygit.UserError as error:\n"
        + "    print(error)\n"
    )
    assert done.returncode == 0, done.stderr
    assert "pip install safetensors" in done.stdout
