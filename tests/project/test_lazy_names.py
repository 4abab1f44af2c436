"""`import numpygit` waits for nothing; every public name comes when it is asked for."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import numpygit

SOURCE = Path(numpygit.__file__).read_text()
ROOT = Path(numpygit.__file__).parents[1]


def declared() -> dict[str, tuple[str, str]]:
    """Public name -> module and name there, as the imports for type checkers have it."""
    tree = ast.parse(SOURCE)
    block = next(node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    return {
        name.asname or name.name: (f".{node.module}", name.name)
        for node in block.body
        for name in node.names
    }


def test_the_type_checkers_imports_the_table_and_all_have_the_same_names():
    assert sorted(declared()) == sorted(numpygit.WHERE) == sorted(numpygit.__all__)
    assert set(numpygit.__all__) <= set(dir(numpygit))


@pytest.mark.parametrize("name", numpygit.__all__)
def test_a_name_is_what_its_module_has(name):
    module, original = declared()[name]
    imported = __import__(f"numpygit{module}", fromlist=[original])
    assert getattr(numpygit, name) is getattr(imported, original)


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return done.stdout.strip()


def test_importing_the_package_imports_nothing_else():
    code = "import sys, numpygit; print([n for n in sys.modules if n.startswith('numpy')])"
    assert run(code) == "['numpygit']"


def test_loading_and_captioning_the_bundled_model_imports_no_helper():
    picture = "numpygit/storybook/examples/count.png"
    code = f"import sys, numpygit; numpygit.load('storybook').caption({picture!r}); "
    imported = run(f"{code} print(*sys.modules)").split()
    assert "numpygit.captioner" in imported
    assert not {"huggingface_hub", "safetensors", "tqdm", "numpygit.inside"} & set(imported)


def test_rooms_come_when_they_are_asked_for_and_nothing_else_does():
    assert run("import numpygit; print(numpygit.trace.__name__)") == "numpygit.trace"
    assert numpygit.fast is import_module("numpygit.fast")
    for name in ("nothing", "_nothing", "__path_of_nothing__"):
        with pytest.raises(AttributeError, match=f"'numpygit' has no attribute '{name}'"):
            getattr(numpygit, name)


def test_names_that_are_modules_are_the_five_files():
    code = "from numpygit import generate, text; print(generate.__name__, text.__name__)"
    assert run(code) == "numpygit.model.generate numpygit.model.text"
