"""Run the official test files of transformers against numpygit, through a thin face.

    PYTHONPATH=. python golden/peer_suite.py --tests FOLDER              # through the face
    PYTHONPATH=. python golden/peer_suite.py --tests FOLDER --official   # transformers itself

FOLDER holds `tests/`: a checkout of the repository of transformers at the installed version. Its
source distribution, `pip download --no-binary :all: --no-deps transformers==4.37.2`, holds the
common suites (`tests/test_*.py`); the files of GIT, CLIP, VideoMAE and of generation are in the
repository only, and have to be put beside them. Files that are missing are named, and not run.
Nothing of them is copied into this repository.

Printed is, for each class of tests, what was tried, what passed, what failed, what the official
file itself skips, and what does not apply, each with its reason.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import types
import unittest
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import transformers

from golden import peer_face

FILES = (  # of the tests, and of numpygit's own face: models first, pictures later
    "models.git.test_modeling_git",
    "models.git.test_processor_git",
    "models.clip.test_image_processing_clip",
    "models.videomae.test_image_processing_videomae",
)
NOT_APPLICABLE = {  # a test -> why it asks for torch itself
    "GitModelTest.test_headmasking": "gradients of a head mask; gradients are in numpygit.learning",
    "test_retain_grad_hidden_states_attentions": "gradients, which are in numpygit.learning",
    "GitModelTest.test_model_common_attributes": "puts in an embedding of another width, refused",
    "GitModelTest.test_training": "gradients, which are in numpygit.learning",
    "GitVisionModelTest.test_torch_fx": "torch.fx traces modules of torch",
    "GitVisionModelTest.test_torch_fx_output_loss": "torch.fx traces modules of torch",
    "test_save_load_fast_init_from_base": "puts methods of PreTrainedModel into a copied class",
    "test_constrained_beam_search_generate": "constraints are refused in one sentence, see docs",
    "test_constrained_beam_search_generate_dict_output": "constraints are refused, see docs",
    "test_forward_with_logits_to_keep": "counts no image tokens; fails on transformers 5.16 too",
    "test_inherits_generation_mixin": "a base class of transformers",
    "test_prompt_lookup_decoding_stops_at_eos": "a class of transformers, without a model",
}


def prepare(folder: Path) -> None:
    """Make `tests` of a folder importable, with stand-ins for what needs the whole checkout."""
    import _pytest.doctest
    import _pytest.pathlib

    _pytest.doctest.import_path = _pytest.pathlib.import_path  # where 4.37.2 looks for it
    sys.path.insert(0, str(folder))
    package = types.ModuleType("tests")
    package.__path__ = [str(folder / "tests")]
    sys.modules["tests"] = package
    for name in ("custom_configuration", "custom_image_processing"):
        module: Any = types.ModuleType(f"test_module.{name}")
        module.CustomConfig = module.CustomImageProcessor = object
        sys.modules[f"test_module.{name}"] = module
    sys.modules["test_module"] = types.ModuleType("test_module")
    mixin: Any = types.ModuleType("tests.test_pipeline_mixin")  # it loads tiny models of the Hub
    mixin.PipelineTesterMixin = type("PipelineTesterMixin", (), {})
    sys.modules["tests.test_pipeline_mixin"] = mixin


def suites(folder: Path, *, is_official: bool) -> Iterator[type[unittest.TestCase]]:
    """Import the official files, after the faces are in their places, and find their classes."""
    prepare(folder)
    for name in FILES:
        if not (folder / "tests" / f"{name.replace('.', '/')}.py").is_file():
            print(f"{name}: not in {folder}, not run")
            continue
        if not is_official:
            peer_face.install_images() if "image_processing" in name else peer_face.install()
        module = importlib.import_module(f"tests.{name}")
        for kind in vars(module).values():
            is_case = isinstance(kind, type) and issubclass(kind, unittest.TestCase)
            if is_case and kind.__module__ == module.__name__ and "Tester" not in kind.__name__:
                yield kind


def reason_of(suite: str, test: str) -> str | None:
    """Say why a test does not apply."""
    return NOT_APPLICABLE.get(test) or NOT_APPLICABLE.get(f"{suite}.{test}")


def run(suite: type[unittest.TestCase], test: str) -> tuple[str, str]:
    """Run one test: -> "passed", "failed" or "skipped", and the last line of what it said."""
    result = unittest.TestResult()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        suite(test).run(result)
    problems = result.failures + result.errors
    if problems:
        return "failed", problems[0][1].strip().splitlines()[-1][:200]
    if result.skipped:
        return "skipped", result.skipped[0][1]
    return "passed", ""


def main() -> int:
    """Run all files and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", type=Path, required=True, help="a folder with tests/ in it")
    parser.add_argument("--official", action="store_true", help="transformers, without the face")
    parser.add_argument("--only", default="", help="only tests with this in their names")
    chosen = parser.parse_args()
    transformers.logging.set_verbosity_error()
    failed = 0
    for suite in suites(chosen.tests, is_official=chosen.official):
        found: dict[str, list[str]] = {}
        for test in unittest.TestLoader().getTestCaseNames(suite):
            if chosen.only not in test:
                continue
            reason = None if chosen.official else reason_of(suite.__name__, test)
            kind, said = ("not applicable", reason) if reason else run(suite, test)
            found.setdefault(kind, []).append(f"    {kind}: {test}{': ' if said else ''}{said}")
        counts = ", ".join(f"{len(lines)} {kind}" for kind, lines in sorted(found.items()))
        print(f"{suite.__name__}: {sum(map(len, found.values()))} tests: {counts}")
        for kind in ("failed", "skipped", "not applicable"):
            print("\n".join(found.get(kind, [])), end="\n" if kind in found else "")
        failed += len(found.get("failed", []))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
