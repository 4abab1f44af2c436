"""The mutation probe changes what it says, and every change is still Python."""

import ast
import importlib.util
import os
from pathlib import Path

import pytest

if os.name == "nt":
    pytest.skip("the probe forks, which Windows cannot", allow_module_level=True)

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
        "def g(x, y):\n"
        "    return x.reshape(-1, y.reshape(y.size, -1)), zip(x, y, strict=True)\n"
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
        assert all((ROOT / test).exists() for test in mutants.tests_for(file)), file
    text = (ROOT / "numpygit/model/text.py").read_bytes()
    changes = list(mutants.mutants_of("numpygit/model/text.py"))
    assert len(changes) > 30
    for mutant in changes:
        changed = text[: mutant.start] + mutant.new.encode() + text[mutant.end :]
        assert changed != text
        ast.parse(changed)


def test_changes_that_change_nothing_are_changes_and_have_a_reason():
    equal = mutants.equal_changes()
    assert equal
    changes = {file: list(mutants.mutants_of(file)) for file, _ in equal}
    for (file, shown), reason in equal.items():
        assert len(reason) > 10
        if shown.startswith("any with: "):
            assert shown.removeprefix("any with: ") in (ROOT / file).read_text(encoding="utf-8")
        else:
            assert shown in {mutant.shown for mutant in changes[file]}, shown


def test_the_share_leaves_out_what_changes_nothing(capsys):
    mutant = mutants.Mutant("numpygit/model/text.py", 1, 0, 1, "x", "x = 2")
    results = [
        mutants.Result(mutant, survived, reason)
        for survived, reason in ((False, ""), (False, ""), (True, ""), (True, "a larger block"))
    ]
    mutants.report(results)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 of 3 changes were noticed, 66.7%; 1 change nothing"
    assert lines[1:] == [
        "SURVIVED numpygit/model/text.py:1  x = 2",
        "EQUAL numpygit/model/text.py:1  x = 2",
        "      a larger block",
    ]
