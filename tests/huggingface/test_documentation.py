"""The examples of the GIT documentation run, with the changes that a user makes and no others.

On tiny checkpoints the answers are those of the official code (golden/make_documentation.py); on
the bundled model they run through.
"""

from pathlib import Path

import numpy as np
import pytest
from documentation import EXAMPLES, answers, changed, code_of, run, write_checkpoint

import numpygit
from numpygit.loading.find import BUNDLED

ROOT = Path(__file__).parents[2]
PAGE = ROOT.parent / "shared" / "data" / "git-documentation-v4.37.2.txt"
GOLDEN = np.load(ROOT / "golden" / "documentation.npz")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("documentation")
    return {
        "still": write_checkpoint(root / "still", frames=None),
        "clip": write_checkpoint(root / "clip", frames=6),
    }


@pytest.mark.parametrize("name", ["model", "caption", "answer", "clip"])
def test_an_example_answers_as_the_official_code_does(name: str, folders: dict[str, Path]) -> None:
    found = answers(run(changed(code_of(EXAMPLES[name])), folders))
    expected = {key.split("/")[1]: GOLDEN[key] for key in GOLDEN if key.startswith(f"{name}/")}
    assert set(found) == set(expected)
    for key, value in expected.items():
        if value.dtype.kind == "f":
            np.testing.assert_allclose(found[key], value, atol=2e-5, err_msg=key)
        else:
            np.testing.assert_array_equal(found[key], value, err_msg=key)


def test_the_picture_tower_example_has_the_weights_of_the_checkpoint(
    folders: dict[str, Path],
) -> None:
    """The official GitVisionModel leaves them all random, and says so in a warning."""
    space = run(changed(code_of(EXAMPLES["vision_model"])), folders)
    whole = numpygit.GitForCausalLM.from_pretrained(folders["still"])
    tower = numpygit.GitVisionModel(whole.config.vision_config, whole.params.vision)
    expected = tower(space["inputs"]["pixel_values"]).last_hidden_state
    np.testing.assert_array_equal(space["last_hidden_state"], expected)


@pytest.mark.slow
def test_a_model_of_settings_alone(folders: dict[str, Path]) -> None:
    space = run(changed(code_of(EXAMPLES["vision_config"])), folders)
    assert space["configuration"] == numpygit.GitVisionConfig()
    assert space["model"].config is space["configuration"]
    small = changed(code_of(EXAMPLES["config"])).replace("GitConfig()", "GitConfig(vocab_size=200)")
    assert run(small, folders)["model"].config.vocab_size == 200


@pytest.mark.skipif(not BUNDLED["storybook"].exists(), reason="the bundled model is not there")
@pytest.mark.parametrize("name", ["vision_model", "model", "caption", "answer", "clip"])
def test_the_examples_run_on_the_bundled_model(name: str) -> None:
    code = changed(code_of(EXAMPLES[name]))
    places = numpygit.GitConfig.from_pretrained("storybook").max_position_embeddings
    code = code.replace("max_length=50", f"max_length={places}")  # it has fewer than 50 places
    # its file asks for stills; frames become a clip one level higher
    code = code.replace(
        'processor(images=list(frames), return_tensors="np").pixel_values',
        'processor(images=list(frames), return_tensors="np").pixel_values[None]',
    )
    folder = BUNDLED["storybook"]
    assert answers(run(code, {"still": folder, "clip": folder}))


@pytest.mark.skipif(not PAGE.exists(), reason="the page of the documentation is not there")
def test_the_examples_are_those_of_the_documentation_to_the_letter() -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()
    code = [line.rstrip() for line in page if line.startswith((">>>", "..."))]
    ours = [line.rstrip() for example in EXAMPLES.values() for line in example.splitlines()]
    assert code == [line for line in ours if line.startswith((">>>", "..."))]
    # what a user changes: import lines, "pt", and one line of torch
    new = [changed(line) for line in code]
    several = [(a, b) for a, b in zip(code, new, strict=True) if a != b]
    assert len(several) == 7 + 5 + 1
    for before, after in several:
        assert "transformers" in before or '"pt"' in before or "torch." in before
        assert "numpygit" in after or '"np"' in after or "np." in after
