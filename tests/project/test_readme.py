"""Everything the README shows is true: commands, their output, Python, shapes, files."""

import doctest
import json
import math
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from golden_inputs import FACTOR, FLOOR
from hostile_files import HOSTILE

from numpygit.cli.commands import DEFAULT_MODEL, commands_of, parser
from numpygit.loading.catalogue import describe
from numpygit.loading.official_models import CATALOGUE
from numpygit.trace import Recorder

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands() -> list[tuple[str, str]]:
    """List the commands of the console blocks with the output the README shows."""
    found = []
    for kind, block in BLOCKS:
        if kind == "console":
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                found.append((command, output))
    return found


def installs(command: str) -> bool:
    return command.startswith("pip install")


def test_every_block_is_of_a_kind_that_is_known():
    kinds = {kind for kind, _ in BLOCKS}  # "" is the tree of rooms, sh needs official weights
    assert kinds == {"console", "python", "sh", ""}


def test_there_are_two_commands_which_ci_runs_from_here():
    assert [c.partition(" && ")[2].split()[0] for c, _ in commands() if installs(c)] == [
        "numpygit",
        "pytest",
    ]
    assert "grep '^\\$ pip install' README.md" in CI


def test_what_needs_official_weights_says_so_and_parses():
    (block,) = (block for kind, block in BLOCKS if kind == "sh")
    for line in block.splitlines():
        command, *rest = shlex.split(line, comments=True)
        assert command == "numpygit"
        assert commands_of(parser())[rest[0]].parse_args(rest[1:]).model == DEFAULT_MODEL
    assert README.split(f"```sh\n{block}```\n\n")[1].startswith("**Nobody has run these two here**")
    size = describe(next(one for one in CATALOGUE if one.name == DEFAULT_MODEL))["download_bytes"]
    assert f"# {DEFAULT_MODEL}: {size / 1e6:.0f} MB, downloaded once" in block


@pytest.mark.parametrize(("command", "output"), commands())
def test_commands_print_what_the_readme_shows(command, output):
    if installs(command):
        command = command.partition(" && ")[2]
    if command == "pytest":
        assert output.strip() == ""  # this very run
        return
    words = shlex.split(command)
    assert words[0] == "numpygit"
    run = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout == output
    assert run.stderr == ""


def test_python_blocks_print_what_the_readme_shows(monkeypatch):
    monkeypatch.chdir(ROOT)
    text = "".join(block for kind, block in BLOCKS if kind == "python")
    test = doctest.DocTestParser().get_doctest(text, {}, "README", "README.md", 0)
    failures, attempted = doctest.DocTestRunner().run(test)
    assert attempted > 3
    assert failures == 0


def rows(heading: str) -> list[list[str]]:
    """List the rows of the table under a heading, each as its cells."""
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_the_followed_tensor_has_these_shapes(storybook):
    recorder = Recorder()
    example = ROOT / "numpygit" / "storybook" / "examples" / "relation.png"
    list(storybook.stream(example, trace=recorder))
    followed = rows("Follow one tensor")
    assert len(followed) >= 12
    for name, shape, function, _ in followed:
        assert str(recorder.tensors[name].shape) == shape, name
        module, _, called = function.partition(".py: ")
        assert (
            f"def {called}(" in (ROOT / "numpygit" / folder_of(module) / f"{module}.py").read_text()
        )


def folder_of(module: str) -> str:
    return "huggingface/processing" if module == "processor" else "model"


def test_the_files_to_read_exist_and_are_as_long_as_it_says():
    total = 0
    for name, lines, _ in rows("Read it in this order, in `numpygit/model/`"):
        real = len((ROOT / "numpygit" / "model" / name).read_text().splitlines())
        assert int(lines) == -(-real // 10) * 10, f"{name} has {real} lines"
        total += real
    assert total <= 800


def test_the_counts_it_gives_are_true():
    asked = json.loads((ROOT / "golden/generation/asked.json").read_text(encoding="utf-8"))
    published = json.loads((ROOT / "golden/published.json").read_text(encoding="utf-8"))
    assert len(list((ROOT / "tutorials").glob("[0-9]*.py"))) >= 12
    assert "[The tutorials]" in README
    assert README.count(f"the {len(CATALOGUE)} official checkpoints") == 2
    assert len(re.findall(r"\d+ official checkpoints", README)) == 2
    assert f"official ids on {len(asked['cases'])} recorded cases" in README
    assert f"checks {len(published['cases'])} published figures" in README
    assert f"than {FACTOR} times as far" in README
    assert f"is itself, or 1e{math.log10(FLOOR):.0f}." in README


def test_the_counts_in_words_are_true():
    assert "Five files hold the whole model" in README
    assert len(rows("Read it in this order, in `numpygit/model/`")) == 5
    breakpoints = README.split("Five breakpoints that matter:\n\n")[1].split("\n\n")[0]
    assert len(re.findall("^- `", breakpoints, re.MULTILINE)) == 5
    assert "In all six geometries" in README
    assert len(list((ROOT / "golden/geometries").glob("*.npz"))) == 6
    lessons = (ROOT / "numpygit/playground/page/lessons.js").read_text(encoding="utf-8")
    assert "six lessons" in README
    assert len(re.findall('^    title: "', lessons, re.MULTILINE)) == 6
    assert "hundreds of hostile" in README
    assert len(HOSTILE) >= 200


@pytest.mark.slow
def test_there_are_as_many_tests_as_it_says():
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTEST_ADDOPTS": ""}  # with -v it would list otherwise
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    collected = re.findall(r"^tests/.*: (\d+)$", done.stdout, re.MULTILINE)
    said = re.search(r"more than ([\d,]+) tests", README)[1]
    assert sum(map(int, collected)) > int(said.replace(",", ""))


def test_the_tree_names_every_room():
    tree = README.split("```\nnumpygit/\n")[1].split("```")[0]
    names = {path.name for path in (ROOT / "numpygit").iterdir() if path.suffix in ("", ".py")}
    for name in names - {"__init__.py", "__main__.py", "__pycache__"}:
        assert f"{name}{'' if name.endswith('.py') else '/'}" in tree, name


def test_the_readme_is_short_and_its_links_lead_somewhere():
    assert len(README.splitlines()) <= 180
    for target in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", README):
        path = target[0] or target[1]
        assert path.startswith("https://") or (ROOT / path).exists(), path
