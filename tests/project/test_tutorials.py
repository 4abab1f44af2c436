"""The tutorials run as they are, offline; their numbers are asserted, their exercises judge.

Checks inside/show.py.
"""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from run_tutorial import Cell, cells_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "tutorials").glob("*.py"))
PICTURES = ROOT / "tutorials" / "pictures"
INDEX = (ROOT / "tutorials" / "README.md").read_text(encoding="utf-8")
BLANK = "yours = ..."
LONGEST = 18  # lines of code in a cell
FROM_ELSEWHERE = ("numpy", "PIL", "numpygit", "safetensors")

by_name = pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)


def code_of(path: Path) -> list[Cell]:
    return [cell for cell in cells_of(path) if not cell.is_prose]


def run(path: Path, offline: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", ROOT / "tests" / "helpers" / "run_tutorial.py", path],
        env=offline | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,  # a tutorial takes about a second; this is for a busy machine
    )


def test_they_are_numbered_and_the_first_eleven_are_a_course():
    numbers = [path.name[:3] for path in TUTORIALS]
    assert numbers[:11] == [f"{i:02}_" for i in range(11)]
    assert len(set(numbers)) == len(numbers)
    assert "14_" in numbers


@by_name
def test_it_runs_offline_exercises_judge_and_pictures_come_out_again(path, offline, tmp_path):
    copy = shutil.copy(path, tmp_path)
    ran = run(Path(copy), offline | {"NUMPYGIT_PICTURES": str(tmp_path / "pictures")})
    assert ran.returncode == 0, ran.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([path.name, "pictures"])
    assert f"every claim of tutorial {path.name[:2]} holds" in ran.stdout
    assert len(ran.stdout.splitlines()) > 6  # it says what it finds
    exercises, seconds = ran.stdout.splitlines()[-1].split()
    assert int(exercises) >= 2
    assert float(seconds) < 20  # of the processor, so that a busy machine does not count
    made = sorted((tmp_path / "pictures").iterdir())
    kept = sorted(PICTURES.glob(f"{path.name[:2]}_*"))
    assert made
    assert [each.name for each in made] == [each.name for each in kept]
    for new, old in zip(made, kept, strict=True):
        assert old.stat().st_size < 60_000
        with Image.open(new) as a, Image.open(old) as b:
            assert (a.size, a.mode) == (b.size, b.mode)
            difference = np.abs(np.asarray(a, np.int64) - np.asarray(b, np.int64))
        assert difference.mean() < 1  # of 255: a light rounded the other way is no change


def test_one_runs_as_a_plain_script(offline, tmp_path):
    copy = shutil.copy(TUTORIALS[10], tmp_path)
    command = [sys.executable, "-W", "error", copy]
    environment = offline | {"NUMPYGIT_PICTURES": str(tmp_path / "made")}
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, timeout=120)
    assert [each.name for each in (tmp_path / "made").iterdir()] == ["10_words.png"]


@by_name
def test_it_runs_as_a_notebook_and_shows_its_pictures_in_place(path, tmp_path):
    pytest.importorskip("nbconvert", reason="pip install numpygit[test]")
    pytest.importorskip("ipykernel", reason="pip install numpygit[test]")
    from notebook import count_pictures, execute, outputs_of

    made = execute(path, tmp_path)
    assert count_pictures(made) == path.read_text(encoding="utf-8").count("\nshow(") > 0
    said = "".join(out.get("text", "") for out in outputs_of(made))
    assert said.endswith(f"every claim of tutorial {path.name[:2]} holds\n")
    assert list(tmp_path.iterdir()) == []  # no file is written anywhere near


@by_name
def test_a_wrong_answer_is_told_what_was_expected(path):
    """The assert of every exercise has a message, so that it says more than AssertionError."""
    judges = [
        node
        for cell in code_of(path)
        for node in ast.walk(ast.parse(cell.text))
        if isinstance(node, ast.Assert) and "yours is ..." in ast.unparse(node)
    ]
    assert len(judges) >= 2
    assert all(node.msg is not None for node in judges)


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        ("# %%\nimport socket\nsocket.create_connection(('127.0.0.1', 9))\n", "must run offline"),
        ("# %%\nassert 1 == 2\n", "line 2, in <module>"),
        ("# %%\nyours = ...\n\n# %%\nsolution = 1\nassert True\n", "a wrong answer passes"),
        ("# %%\nyours = ...\n\n# %%\nsolution = 1\nassert yours in (..., 2)\n", "AssertionError"),
    ],
)
def test_the_runner_tells_what_is_wrong(cells, complaint, offline, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(cells)
    ran = run(script, offline)
    assert ran.returncode != 0
    assert complaint in ran.stderr


@by_name
def test_its_length_and_its_cells(path):
    assert 120 <= len(path.read_text(encoding="utf-8").splitlines()) <= 230
    for cell in code_of(path):
        lines = [line for line in cell.text.splitlines() if line.strip()]
        assert len([line for line in lines if not line.strip().startswith("#")]) <= LONGEST, cell


@by_name
def test_every_cell_claims_something(path):
    """Only imports, functions, blanks to be filled in and the end have no assert."""
    for cell in code_of(path):
        tree = ast.parse(cell.text)
        exempt = (ast.Import, ast.ImportFrom, ast.FunctionDef)
        has_none = all(isinstance(node, exempt) for node in tree.body)
        asserts = any(isinstance(node, ast.Assert) for node in ast.walk(tree))
        is_end = cell.text.startswith('print("every claim')
        assert has_none or asserts or is_end or cell.text.strip() == BLANK, f"line {cell.line}"


@by_name
def test_every_number_in_prose_is_asserted(path):
    """It is asserted in one of the cells that follow, or was asserted before."""
    known: set[float] = set()
    cells = [*cells_of(path), Cell("", 0, True)]
    waiting: dict[float, int] = {}
    for cell in cells:
        if not cell.is_prose:
            known |= asserted_numbers(cell.text)
            continue
        missing = {n: line for n, line in waiting.items() if n not in known}
        assert not missing, missing
        if "## Exercises" in cell.text:
            return
        waiting = dict.fromkeys(numbers_of(cell.text), cell.line)


def asserted_numbers(code: str) -> set[float]:
    """List the numbers that stand in the asserts of a cell."""
    asserts = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Assert)]
    found = [n for each in asserts for n in ast.walk(each) if isinstance(n, ast.Constant)]
    return {float(n.value) for n in found if type(n.value) in (int, float)}


def numbers_of(prose: str) -> set[float]:
    """List the numbers in prose, not those of headings, code, links and names."""
    prose = re.sub(r"`[^`]*`|\]\([^)]*\)|^#+ .*|[Tt]utorial \d\d", " ", prose, flags=re.MULTILINE)
    found = re.findall(r"(?<![\w.-])\d+(?:\.\d+)?(?![\w])", prose)
    return {float(number) for number in found}


def test_numbers_of_prose_are_found():
    assert numbers_of("# 00 x\nof 65 tokens, 0.5 (tutorial 06), float32, `7`, 8.") == {65, 0.5, 8}
    assert asserted_numbers("assert x == -65 * 1_000") == {65, 1000}


@by_name
def test_it_begins_with_what_one_learns_and_ends_with_exercises(path):
    cells = cells_of(path)
    title, _, promise = cells[0].text.partition("\n\n")
    assert re.fullmatch(rf"# {path.name[:2]} [A-Z].+", title)
    assert re.match(r"After this tutorial you can .*?[.]\n\nOpen `numpygit/", promise, re.DOTALL)
    headings = [line for cell in cells for line in cell.text.splitlines() if line[:3] == "## "]
    assert headings[-1] == "## Exercises"
    assert "solution" in cells[-2].text
    assert "every claim" in cells[-1].text


@by_name
def test_it_needs_only_what_the_package_needs(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
            for name in names:
                top = name.split(".")[0]
                assert top in FROM_ELSEWHERE or top in sys.stdlib_module_names


@by_name
def test_the_index_names_it_and_its_picture(path):
    cells = cells_of(path)
    title = cells[0].text.splitlines()[0].removeprefix("# ")
    assert f"[{title}]({path.name})" in INDEX
    for picture in PICTURES.glob(f"{path.name[:2]}_*"):
        assert f"](pictures/{picture.name})" in INDEX
        assert f'"{picture.name}")' in path.read_text(encoding="utf-8")
    for opened in re.findall(r"`(numpygit/[\w/]+\.py)`", cells[0].text):
        assert (ROOT / opened).is_file()


def test_all_links_of_the_index_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", INDEX)
    assert len(links) >= 22
    for link in links:
        assert (ROOT / "tutorials" / link).is_file(), link
    assert {link for link in links if link.startswith("pictures/")} == {
        f"pictures/{each.name}" for each in PICTURES.iterdir()
    }
