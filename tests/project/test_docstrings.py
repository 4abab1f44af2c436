"""Public docstrings: their examples run, and their parameters are those of the signature."""

import ast
import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import numpygit
from numpygit.trace import Recorder

DOCUMENTED = (
    numpygit.Captioner,
    numpygit.GenerationConfig,
    numpygit.GitConfig,
    numpygit.GitForCausalLM,
    numpygit.GitImageProcessor,
    numpygit.GitModel,
    numpygit.GitProcessor,
    numpygit.GitTokenizer,
    numpygit.GitVisionConfig,
    numpygit.GitVisionModel,
    numpygit.PictureOptions,
    numpygit.Wording,
    numpygit.classify,
    numpygit.debug,
    numpygit.load,
    numpygit.pipeline,
    Recorder,
)
FUNCTIONS = (numpygit.classify, numpygit.debug, numpygit.load, numpygit.pipeline)
NEVER_RAISE = (numpygit.debug, Recorder)
OWN_SETTINGS = (numpygit.PictureOptions, numpygit.Wording)
OF_OUR_OWN = (*OWN_SETTINGS, numpygit.debug, numpygit.load, Recorder)  # no source
MODULES = sorted({public.__module__ for public in DOCUMENTED})
MADE_ELSEWHERE = {"Path", "None", "Generator", "Cache", "Git", "Vision", "Vocabulary"}
PACKAGE = Path(numpygit.__file__).parent
FOLDERS = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))
ROOMS = "|".join(path.name for path in FOLDERS if path.parent == PACKAGE)
PATH = re.compile(rf"(?<![\w/.-])(?:numpygit/)?((?:{ROOMS})/(?:\w+/)*\w+\.py)\b")
HEADING = re.compile(r"^(\w+)\n-+$", re.MULTILINE)
by_name = pytest.mark.parametrize("public", DOCUMENTED, ids=lambda public: public.__name__)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0


@by_name
def test_a_docstring_has_its_sections_and_first_says_what_the_thing_is(public):
    text = inspect.getdoc(public)
    wanted = {"Examples"}
    wanted |= {"Parameters"} if inspect.signature(public).parameters else set()
    wanted |= {"Returns"} if public in FUNCTIONS else set()
    wanted |= {"Raises"} if public not in NEVER_RAISE else set()
    assert wanted <= set(HEADING.findall(text))
    assert re.search(r"^Source: ", text, re.MULTILINE) or public in OF_OUR_OWN
    assert re.match(r"[A-Z].*?\.(\s|$)", text, re.DOTALL)


@by_name
def test_parameters_are_those_of_the_signature_each_with_its_type(public):
    parameters = inspect.signature(public).parameters
    if not parameters:
        return
    section = inspect.getdoc(public).split("Parameters\n----------\n")[1]
    section = HEADING.split(section)[0]
    named = set()
    for line in re.findall(r"^\S.*(?=\n    )", section, re.MULTILINE):
        names, _, kind = line.partition(" : ")
        assert kind or names.startswith("**"), line
        named |= {name.lstrip("*") for name in names.split(", ")}
    assert named == set(parameters)


@by_name
def test_types_of_parameters_are_public_names(public):
    """What a caller must make can be made without looking for it in the rooms."""
    section = inspect.getdoc(public).partition("Parameters\n----------\n")[2]
    kinds = re.findall(r"^\S.*? : (.*)$", HEADING.split(section)[0], re.MULTILINE)
    types = set(re.findall(r"\b[A-Z]\w*[a-z]\w*", " ".join(kinds)))
    assert [name for name in types - MADE_ELSEWHERE if not hasattr(numpygit, name)] == []


def test_what_is_shown_of_a_captioner_and_a_recorder_is_short():
    storybook = numpygit.load("storybook")
    assert repr(storybook).startswith("Captioner('storybook'")
    assert "array" not in repr(storybook)
    recorder = Recorder("text.*")
    recorder("text.0.q", storybook.model.params.vision.class_embedding)
    assert repr(recorder) == "Recorder('text.*'): 1 tensors"


def test_models_show_their_sizes():
    lines = repr(numpygit.load("storybook").model).splitlines()
    assert lines[0].startswith("GitForCausalLM with ")
    count = sum(array.size for array in numpygit.load("storybook").model.state_dict().values())
    assert f" {count:,} parameters" in lines[0]
    assert lines[1] == (
        "  vision encoder: 4 layers, width 160, 5 heads, MLP 640; 96 x 96 pixels, 64 patches of "
        "12 x 12"
    )
    assert lines[2].startswith("  text decoder: 4 layers, width 160, 5 heads")


def test_outputs_show_sizes_and_no_numbers():
    model = numpygit.load("storybook").model
    shown = repr(model([[2, 5, 6]], output_attentions=True))
    assert shown == (
        "ModelOutput(logits=float32 (1, 3, 154), past_key_values=Cache(4 layers, 1 rows, 0 image "
        "tokens, 3 words), attentions=4 x float32 (1, 5, 3, 3))"
    )


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_the_first_page_of_a_folder_names_each_of_its_files(folder):
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    page = ast.get_docstring(tree) or ""
    inside = {path.name for path in folder.glob("*.py")} - {"__init__.py", "__main__.py"}
    folders = {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}
    named = set(re.findall(r"(?<![\w/.])\w+\.py\b", page))
    assert sorted(inside - named) == []
    assert sorted(name for name in folders if name not in page) == []
    listed = re.findall(r"\w+\.py(?= {2,})", page)
    assert sorted(name for name in listed if not any(folder.rglob(name))) == []


def test_files_that_docstrings_and_comments_name_exist():
    for path in PACKAGE.rglob("*.py"):
        for name in PATH.findall(path.read_text(encoding="utf-8")):
            assert (PACKAGE / name).exists() or any(PACKAGE.rglob(name)), f"{path}: {name}"
