"""Tests mirror the rooms: whoever looks for the tests of a module finds them by its name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import find_tests
from find_tests import PACKAGE, ROOT, TESTS, listed, nodes_of

WITHOUT_BEHAVIOUR = (
    "inside/takes.py",
    "playground/answering/takes.py",
)  # types alone: mypy checks them
AT_THE_TOP = {"test_errors.py", "test_trace.py"}  # as errors.py and trace.py
APART = {"benchmarks", "golden", "helpers", "properties", "project"}
PUBLIC = ("numpygit", "numpygit.captioner", "numpygit.trace")  # modules whose names are for all
FIVE_FILES = tuple(f"numpygit.model.{name}" for name in ("image", "layers", "vision", "text"))


def modules() -> list[str]:
    """List the modules of the package that have behaviour, the bundled world apart."""
    names = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    return [
        name
        for name in names
        if not name.startswith("storybook/")
        and not name.endswith("__init__.py")
        and name not in WITHOUT_BEHAVIOUR
    ]


def test_every_module_has_tests_that_are_found_by_its_name():
    assert len(modules()) > 150
    assert not [name for name in modules() if not find_tests.tests_of(name)]
    assert find_tests.tests_of("numpygit/data/tsv.py") == ["tests/data/test_sources.py"]
    found = find_tests.tests_of("numpygit/model/text.py")
    assert found == ["tests/model/test_text.py", "tests/properties/test_caches.py"]


def test_what_test_files_list_is_there():
    for path, names in listed().items():
        for name in names:
            assert (PACKAGE / name).is_file(), f"{path.name}: {name}"


def test_test_files_lie_in_rooms():
    assert {path.name for path in TESTS.glob("test_*.py")} == AT_THE_TOP
    rooms = {path.relative_to(TESTS).parent for path in TESTS.rglob("test_*.py")}
    for room in rooms:
        assert room.parts[:1] in [(), *((name,) for name in APART)] or (PACKAGE / room).is_dir()


# ---------------------------------------------------------------- patches


def patches() -> Iterator[tuple[Path, str, str]]:
    """List what tests replace by monkeypatch: -> test file, owner as it is written, name."""
    for path in sorted(TESTS.rglob("test_*.py")):
        if not re.search(r"(monkeypatch|patch)\.(set|del)attr\(", path.read_text(encoding="utf-8")):
            continue  # most files: quicker than reading them
        imported = imports_of(path)
        for node in nodes_of(path):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr not in ("setattr", "delattr") or not node.args:
                continue
            if ast.unparse(node.func.value) not in ("monkeypatch", "patch"):
                continue
            first = node.args[0]
            if isinstance(first, ast.Constant):
                owner, _, name = first.value.rpartition(".")
            else:
                top, _, rest = ast.unparse(first).partition(".")
                owner = ".".join(filter(None, (imported.get(top, top), rest)))
                name = ast.unparse(node.args[1]).strip("'")
            yield path, owner, name


def imports_of(path: Path) -> dict[str, str]:
    """Read what a test file imports: name there -> full name."""
    found = {}
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom):
            found |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
        if isinstance(node, ast.Import):
            found |= {one.asname or one.name: one.name for one in node.names}
    return found


def test_nothing_patches_a_private_name_of_another_module():
    """What is public, a room's face and what is foreign may be replaced, and one's own module."""
    found = list(patches())
    assert len(found) > 20
    wrong = []
    for path, owner, name in found:
        own = {module[:-3].replace("/", ".") for module in listed()[path]}
        room = path.relative_to(TESTS).parent.as_posix().replace("/", ".").strip(".")
        own.add(f"{room}.{path.stem.removeprefix('test_')}".strip("."))
        part = owner.removeprefix("numpygit.")
        is_own = any(part == module or part.startswith(f"{module}.") for module in own)
        is_public = owner in PUBLIC or owner in FIVE_FILES or not owner.startswith("numpygit")
        is_public |= is_public_class(owner) or (ROOT / owner.replace(".", "/")).is_dir()
        if name.startswith("_") or not (is_own or is_public):
            wrong.append(f"{path.relative_to(ROOT)}: {owner}.{name}")
    assert not wrong


def is_public_class(owner: str) -> bool:
    """Tell whether an owner is a class that numpygit offers to all."""
    import numpygit

    return owner.rpartition(".")[2] in numpygit.__all__
