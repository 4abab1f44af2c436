"""Build the documentation: README, tutorials, the chapters of docs/, and the API, as one site.

    pip install -e ".[docs]" && python docs/build.py          # -> site/, warnings are errors
    python docs/build.py --serve                              # and look at it while you write

Chapters stay where they are; they are copied into build/docs, links between them are bent, and
percent scripts become pages. Nothing is loaded from elsewhere when a page is read.
"""

from __future__ import annotations

import argparse
import json
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "build" / "docs"
CHAPTERS = {  # file in the repository -> page
    "README.md": "index.md",
    "tutorials/README.md": "tutorials/index.md",
    "docs/glossary.md": "glossary.md",
    "docs/diff.md": "diff.md",
    "docs/training.md": "training.md",
    "docs/official-bugs.md": "official-bugs.md",
    "golden/README.md": "golden.md",
    "tests/benchmarks/README.md": "benchmarks.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
PROCESSING = ("processor", "image_processor", "tokenizer", "vocabulary")
API = {  # page -> what it shows
    "captioner": (
        "Captioner and load",
        ["numpygit.captioner.captioner", "numpygit.captioner.ask", "numpygit.decoding.wording"],
    ),
    "huggingface": (
        "The names of Hugging Face",
        [
            "numpygit.huggingface.models",
            *(f"numpygit.huggingface.processing.{name}" for name in PROCESSING),
            "numpygit.huggingface.pipeline.tasks",
            "numpygit.huggingface.reading.options",
        ],
    ),
    "config": ("Configs", ["numpygit.loading.config", "numpygit.decoding.options"]),
    "model": (
        "The model, in reading order",
        [f"numpygit.model.{name}" for name in ("image", "layers", "vision", "text", "generate")],
    ),
    "decoding": (
        "Decoding",
        [
            f"numpygit.decoding.{name}"
            for name in ("decode", "logits", "sampling", "beams", "constrained", "scores")
        ],
    ),
    "training": ("Training", ["numpygit.learning.train", "numpygit.learning.settings"]),
    "trace": ("Trace and debug", ["numpygit.trace", "numpygit.inside.debug"]),
}
LINK = re.compile(r'(\]\(|src="|href=")([^)"\s]+)')


def main() -> None:
    """Collect the pages and let mkdocs build or serve them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help="show the pages while you write")
    options = parser.parse_args()
    shutil.rmtree(PAGES, ignore_errors=True)
    collect()
    task = ["serve"] if options.serve else ["build", "--clean"]
    command = [sys.executable, "-m", "mkdocs", *task, "--strict", "-f", ROOT / "build/mkdocs.yml"]
    sys.exit(subprocess.run(command, cwd=ROOT).returncode)


def collect() -> None:
    """Write every page into build/docs."""
    chapters = dict(CHAPTERS)
    for path in sorted((ROOT / "docs").glob("*.md")):
        chapters.setdefault(f"docs/{path.name}", path.name)
    scripts = sorted((ROOT / "tutorials").glob("[0-9]*.py"))
    chapters |= {f"tutorials/{path.name}": f"tutorials/{path.stem}.md" for path in scripts}
    for source, page in chapters.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if source.endswith(".py"):
            text = page_of_script(text)
        write(page, bent(text, source, page, chapters))
    (PAGES.parent / "mkdocs.yml").write_text(navigation(list(chapters.values())))
    for name, (title, modules) in API.items():
        shown = "\n\n".join(f"::: {module}" for module in modules)
        write(f"api/{name}.md", f"# {title}\n\n{shown}\n")


def navigation(pages: Iterable[str]) -> str:
    """Write mkdocs' settings with the order of the pages: chapters, tutorials, API."""
    tutorials = sorted(page for page in pages if page.startswith("tutorials/"))
    tutorials.remove("tutorials/index.md")
    api = [f"api/{name}.md" for name in API]
    others = [page for page in pages if page not in ("index.md", "tutorials/index.md", *tutorials)]
    return json.dumps(
        {
            "INHERIT": str(ROOT / "docs/mkdocs.yml"),
            "docs_dir": str(PAGES),
            "site_dir": str(ROOT / "site"),
            "nav": [
                "index.md",
                {"Tutorials": ["tutorials/index.md", *tutorials]},
                {"API": api},
                {"Chapters": others},
            ],
        }
    )


def write(page: str, text: str) -> None:
    """Write one page."""
    path = PAGES / page
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def page_of_script(text: str) -> str:
    """Make a page of a percent script: prose as it is, code in blocks."""
    parts = []
    for cell in re.split(r"^# %%", text, flags=re.MULTILINE)[1:]:
        kind, _, body = cell.partition("\n")
        if "[markdown]" in kind:
            parts.append(re.sub(r"^# ?", "", body, flags=re.MULTILINE).strip())
        elif body.strip():
            parts.append(f"```python\n{body.strip()}\n```")
    return "\n\n".join(parts) + "\n"


def bent(text: str, source: str, page: str, chapters: dict[str, str]) -> str:
    """Let links lead to pages; files that are no page are copied beside, if they are pictures."""

    def bend(match: re.Match[str]) -> str:
        target, _, part = match[2].partition("#")
        if not target or ":" in target:
            return match[0]
        where = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        to = chapters.get(where) or copied(where)
        if to is None:
            return match[0].replace(match[2], "#")
        here = posixpath.relpath(to, posixpath.dirname(page) or ".")
        return match[1] + here + (f"#{part}" if part else "")

    return LINK.sub(bend, text)


def copied(where: str) -> str | None:
    """Copy a picture to the pages; other files of the repository are no pages."""
    path = ROOT / where
    if path.suffix not in (".png", ".jpg", ".gif", ".svg") or not path.is_file():
        return None
    to = f"pictures/{where.replace('/', '-')}"
    (PAGES / to).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, PAGES / to)
    return to


if __name__ == "__main__":
    main()
