"""The pages of the documentation: all chapters are there, and links between them lead somewhere."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("build_docs", ROOT / "docs" / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("build") / "docs"
    folder.mkdir()
    build.PAGES = folder
    build.collect()
    return folder


def test_every_chapter_and_tutorial_is_a_page(pages):
    assert (pages / "index.md").read_text(encoding="utf-8").startswith("# numpygit")
    for path in (ROOT / "docs").glob("*.md"):
        assert (pages / path.name).is_file()
    scripts = list((ROOT / "tutorials").glob("[0-9]*.py"))
    assert len(scripts) > 9
    for path in scripts:
        page = (pages / "tutorials" / f"{path.stem}.md").read_text(encoding="utf-8")
        assert page.startswith("# ")
        assert "```python" in page


def test_links_between_pages_lead_to_files(pages):
    found = 0
    for page in pages.rglob("*.md"):
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
        for target in re.findall(r'(?:\]\(|src="|href=")([^)"\s]+)', text):
            path = target.partition("#")[0]
            if path and ":" not in path:
                assert (page.parent / path).is_file(), f"{page.name}: {target}"
                found += 1
    assert found > 15


def test_the_api_shows_modules_that_there_are(pages):
    shown = re.findall(r"^::: (.+)$", "".join(p.read_text() for p in pages.glob("api/*.md")), re.M)
    assert len(shown) > 15
    for name in shown:
        path = ROOT.joinpath(*name.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), name


def test_a_script_becomes_prose_and_code():
    script = "# %% [markdown]\n# # Title\n# Words.\n\n# %%\nx = 1\n\n# %%\n\n"
    assert build.page_of_script(script) == "# Title\nWords.\n\n```python\nx = 1\n```\n"


@pytest.mark.slow
def test_the_training_in_python_runs(tmp_path, monkeypatch):
    """The lesson and the training of docs/training.md, with fewer pictures and steps."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert code.count("256") == 2
    code = code.replace("256", "4").replace('what="text"', 'what="text", steps=2')
    found: dict[str, Any] = {}
    exec(code, found)
    assert len(found["lines"]) == 2
    assert (tmp_path / "taught" / "model.safetensors").is_file()
