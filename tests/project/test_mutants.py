"""The mutation probe changes what it says, and every change is still Python."""

import ast
import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("mutants", ROOT / "tests" / "mutants.py")
mutants = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mutants)


def test_small_changes_of_a_small_file(tmp_path, monkeypatch):
    source = (
        "def f(x: int, most: int = 3) -> bool:\n"
        "    '''A number, 5.'''\n"
        "    if not x < most and x > -1:\n"
        "        return True\n"
        "    return min(x, 2) == x - 1\n"
    )
    (tmp_path / "small.py").write_text(source)
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    found = {mutant.shown for mutant in mutants.mutants_of("small.py")}
    assert found == {
        "def f(x: int, most: int = 4) -> bool:",
        "if not x < most or x > -1:",
        "if  x < most and x > -1:",
        "if not x <= most and x > -1:",
        "if not x < most and x >= -1:",
        "if not x < most and x > -2:",
        "return False",
        "return max(x, 2) == x - 1",
        "return min(x, 3) == x - 1",
        "return min(x, 2) != x - 1",
        "return min(x, 2) == x + 1",
        "return min(x, 2) == x - 2",
    }


def test_every_change_of_the_model_is_python_and_has_tests():
    files = list(mutants.files_of(mutants.TARGETS))
    assert len(files) > 20
    for file in files:
        assert any(file.startswith(room) for room in mutants.TESTS), file
    for tests in mutants.TESTS.values():
        assert all((ROOT / test).exists() for test in tests)
    text = (ROOT / "numpygit/model/text.py").read_bytes()
    changes = list(mutants.mutants_of("numpygit/model/text.py"))
    assert len(changes) > 30
    for mutant in changes:
        changed = text[: mutant.start] + mutant.new.encode() + text[mutant.end :]
        assert changed != text
        ast.parse(changed)
