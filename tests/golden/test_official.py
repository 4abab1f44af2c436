"""The official checkpoints: figures that others published, and captures of the official code.

    pytest -m official [-k git-base-coco]

takes models and pictures from the folder in $NUMPYGIT_OFFICIAL (git-base-coco/, cats.png, ...: the
names in golden/published.json), else from the Hub's cache, else from the network: 17 GB for all.
What cannot be had is skipped, with the reason. Clips need PyAV (`pip install av`) to be decoded.
Captures are made by golden/capture.py and lie in golden/captured.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import numpygit
from numpygit import loading
from numpygit.captioner import Captioner
from numpygit.errors import UserError
from numpygit.huggingface.models import GitForCausalLM
from numpygit.huggingface.processing.picture_steps import ImageProcessor
from numpygit.model.text import forward

GOLDEN = Path(__file__).parents[2] / "golden"
PUBLISHED = json.loads((GOLDEN / "published.json").read_text(encoding="utf-8"))
CASES = PUBLISHED["cases"]
KINDS = {"logits", "hidden", "last_logits", "last_scores", "answer"}
OFFICIAL = os.environ.get("NUMPYGIT_OFFICIAL")
HOW = (
    "run `pytest -m official` where there is a network, or set NUMPYGIT_OFFICIAL to a folder "
    "that holds it"
)

spec = importlib.util.spec_from_file_location("seeded", GOLDEN / "seeded.py")
seeded = importlib.util.module_from_spec(spec)
spec.loader.exec_module(seeded)


# ---------------------------------------------------------------- where things come from


@functools.cache
def model_folder(name: str, official: str | None) -> Path | str:
    """Find a checkpoint; or say why not. Asked once for each name."""
    own = Path(official or "") / name.partition("/")[2]
    if official and own.is_dir():
        return own
    try:
        return loading.find(name)
    except UserError as error:
        return f"no model: {error}. It would be {name.partition('/')[2]}/ there"


@functools.cache
def input_file(name: str, official: str | None, kept: Path) -> Path | str:
    """Find a picture or clip; or say why not. What has an address is kept in pytest's cache."""
    if official and (Path(official) / name).is_file():
        return Path(official) / name
    where = PUBLISHED["inputs"][name]
    if "dataset" in where:
        from huggingface_hub import hf_hub_download

        try:
            return Path(hf_hub_download(where["dataset"], where["file"], repo_type="dataset"))
        except Exception as error:  # huggingface_hub raises many kinds
            reason = str(error).strip().splitlines()[0]
            return f"no {name}: dataset {where['dataset']} on the Hub: {reason}"
    if not (kept / name).is_file():
        try:
            with (
                urllib.request.urlopen(where["url"], timeout=30) as answer,
                open(kept / "part", "wb") as part,
            ):
                shutil.copyfileobj(answer, part)
        except (urllib.error.URLError, OSError) as error:
            return f"no {name}: {where['url']}: {error}"
        (kept / "part").replace(kept / name)
    return kept / name


def or_skip(found: Path | str) -> Path:
    if isinstance(found, str):
        pytest.skip(f"{found}; {HOW}")
    return found


@functools.lru_cache(maxsize=1)
def load(folder: Path) -> Captioner:
    return numpygit.load(folder)


def read_pictures(path: Path, case: dict) -> list[Image.Image]:
    """Read the picture of a case, or the frames of its clip."""
    if path.suffix != ".mp4":
        with Image.open(path) as picture:
            return [picture.convert("RGB")]
    if importlib.util.find_spec("av") is None:
        pytest.skip(f"{path.name} needs PyAV to be decoded: pip install av")
    import av

    with av.open(str(path)) as container:
        frames = [frame.to_image() for frame in container.decode(video=0)]
    return [frames[i] for i in six_of(len(frames), seed=case["seed"])]


def six_of(frames: int, *, seed: int) -> list[int]:
    """Choose frames as sample_frame_indices does, in the docs and the conversion script."""
    end = np.random.RandomState(seed).randint(24, frames)
    chosen = np.clip(np.linspace(end - 24, end, num=6), end - 24, end - 1)
    return chosen.astype(np.int64).tolist()


def prepare(captioner: Captioner, pictures: list[Image.Image], case: dict) -> np.ndarray:
    """Turn pictures into pixels as the publisher did."""
    if "stretch" in case:
        height, width = case["stretch"]
        stretched = pictures[0].resize((width, height), Image.Resampling.BICUBIC)
        return ImageProcessor(min(height, width), height, width)(stretched)[None]
    pixels = captioner.processor.pixels(pictures if len(pictures) > 1 else pictures[0])
    return np.repeat(pixels, case.get("copies", 1), axis=0)


# ---------------------------------------------------------------- published figures


def check_case(captioner: Captioner, pictures: list[Image.Image], case: dict) -> None:
    """Compare one published figure with ours."""
    vocabulary, model = captioner.processor.vocabulary, captioner.model
    pixels = prepare(captioner, pictures, case)
    tokens = vocabulary.encode(case["text"]) if "text" in case else []
    tokens = [
        vocabulary.start_id,
        *tokens,
        *([vocabulary.end_id] if case.get("special_tokens") else []),
    ]
    prompt = np.array([tokens] * len(pixels))
    close = functools.partial(
        np.testing.assert_allclose, rtol=case.get("rtol", 0), atol=case.get("atol", 0)
    )
    if {"logits", "hidden", "last_logits"} & set(case):
        memory = model.memory(pixels, interpolate_pos_encoding="stretch" in case)
        logits, hidden = forward(memory, prompt, model.params.text, config=model.config)
        if "last_logits" in case:
            close(logits[0, -1, :3], case["last_logits"])
            return
        kind = "logits" if "logits" in case else "hidden"
        found = {"logits": logits, "hidden": hidden}[kind]
        assert list(found.shape) == case["shape"]
        close(found[0, :3, :3], case[kind])
        return
    *_, last = model.steps(pixels, prompt, max_length=case["max_length"])
    assert [vocabulary.decode(row.tolist()) for row in last.ids] == [case["answer"]] * len(pixels)
    assert "length" not in case or last.ids.shape[1] == case["length"]
    if "last_scores" in case:
        close(last.logits[0, :3], case["last_scores"])


def case_id(case: dict) -> str:
    return f"{case['model'].partition('/')[2]}-{case['id']}-{case['input']}".replace(" ", "-")


@pytest.mark.official
@pytest.mark.parametrize("case", sorted(CASES, key=lambda case: case["model"]), ids=case_id)
def test_a_published_figure(case: dict, request: pytest.FixtureRequest) -> None:
    kept = request.config.cache.mkdir("official-inputs")
    path = or_skip(input_file(case["input"], OFFICIAL, kept))
    pictures = read_pictures(path, case)  # before the model, which is the larger download
    folder = or_skip(model_folder(case["model"], OFFICIAL))
    check_case(load(folder), pictures, case)


# ---------------------------------------------------------------- captures


def check_capture(captured: dict[str, np.ndarray], model: GitForCausalLM) -> list[str]:
    """Compare everything that golden/capture.py saved; return the names of the tensors."""
    corners = {}

    def keep_corner(name: str, value: np.ndarray) -> None:
        corners[name] = seeded.corner(value).copy()

    prompt, rest = captured["prompt"], captured["corners"]
    logits = model.logits(prompt, captured["pixels"], trace=keep_corner)
    names = str(captured["names"]).split("\n")
    assert set(corners) - set(names) == {"vision.patches"}
    for name in [name for name in corners if name in names]:  # in our order: the cause comes first
        start = sum(corners[before].size for before in names[: names.index(name)])
        mine = corners[name]
        expected = rest[start : start + mine.size].reshape(mine.shape)
        unblocked = expected > -1e30
        np.testing.assert_array_equal(mine > -1e30, unblocked, err_msg=name)
        size = max(1, np.abs(expected[unblocked]).max(initial=0))
        error = np.abs(mine[unblocked] - expected[unblocked]).max(initial=0)
        assert error < 1e-4 * size, f"{name}: {error:.1e}"
    assert sum(corner.size for corner in corners.values()) == rest.size + (
        corners["vision.patches"].size
    )
    np.testing.assert_allclose(logits[0, -1], captured["last_logits"], rtol=1e-4, atol=1e-4)
    ids = captured["ids"]
    ours = model.generate(prompt, pixel_values=captured["pixels"], max_length=max(ids.shape[1], 20))
    np.testing.assert_array_equal(ours[:, : ids.shape[1]], ids)
    return names


CAPTURES = sorted((GOLDEN / "captured").glob("*.npz"))


@pytest.mark.official
@pytest.mark.parametrize("path", CAPTURES or [None], ids=lambda path: path and path.stem)
def test_a_captured_checkpoint(path: Path | None) -> None:
    if path is None:
        pytest.skip(
            "golden/captured holds nothing: python golden/capture.py MODEL PICTURE makes a file "
            "there, where torch and the model are"
        )
    captured = dict(np.load(path))
    name = str(captured["model"]) or f"microsoft/{path.stem}"
    model = load(or_skip(model_folder(name, OFFICIAL))).model
    check_capture(captured, model)


# ---------------------------------------------------------------- the machinery itself, always run


def test_every_figure_is_complete() -> None:
    assert len(CASES) == 30
    conversions = [case for case in CASES if case["id"] == "conversion"]
    assert len({case["model"] for case in conversions}) == len(conversions) == 17
    for case in CASES:
        assert len(KINDS & set(case)) >= 1, case
        assert case["input"] in PUBLISHED["inputs"]
        assert ("seed" in case) == case["input"].endswith(".mp4")
        assert case["source"]
        assert set(case) & {"answer"} or "atol" in case


def test_a_capture_agrees_tensor_by_tensor() -> None:
    captured = dict(np.load(GOLDEN / "saved" / "tiny.npz"))
    captioner = load(GOLDEN / "saved" / "tiny")
    names = check_capture(captured, captioner.model)
    assert len(names) == 15 * 3 + 13 * 2 + 13
    pixels = captioner.processor.pixels(GOLDEN / "pixels" / "rgb.png")
    np.testing.assert_allclose(pixels, captured["pixels"], rtol=0, atol=1e-6)
    prompt = captioner.processor.prompt("a red circle")
    np.testing.assert_array_equal(prompt, captured["prompt"])


def damage_logits(captured: dict[str, np.ndarray]) -> None:
    captured["last_logits"] = captured["last_logits"] + np.float32(1e-3)


def damage_tensor(captured: dict[str, np.ndarray]) -> None:
    captured["corners"][captured["corners"].size // 2] += 0.01


def damage_words(captured: dict[str, np.ndarray]) -> None:
    captured["ids"][0, -1] += 1


@pytest.mark.parametrize("damage", [damage_logits, damage_tensor, damage_words])
def test_a_capture_that_disagrees_is_noticed(damage: Callable) -> None:
    captured = dict(np.load(GOLDEN / "saved" / "tiny.npz"))
    damage(captured)
    with pytest.raises(AssertionError):
        check_capture(captured, load(GOLDEN / "saved" / "tiny").model)


def test_figures_are_compared() -> None:
    """The figures of a capture, as if somebody had published them."""
    captioner = load(GOLDEN / "saved" / "tiny")
    with Image.open(GOLDEN / "pixels" / "rgb.png") as picture:
        pictures = [picture.convert("RGB")]
    captured = np.load(GOLDEN / "saved" / "tiny.npz")
    case = {"text": "a red circle", "rtol": 1e-4, "atol": 1e-4}
    figure = captured["last_logits"][:3].tolist()
    check_case(captioner, pictures, {**case, "last_logits": figure})
    ids = captured["ids"][0].tolist()
    answer = {"answer": captioner.processor.vocabulary.decode(ids), "max_length": 20, "copies": 2}
    check_case(captioner, pictures, {**case, **answer, "length": 20})
    wrong = [
        {"last_logits": [figure[0], figure[1], figure[2] + 1e-3]},
        {**answer, "answer": answer["answer"] + " red"},
        {**answer, "length": 19},
        {**answer, "last_scores": [1e3, 1e3, 1e3]},
        {"logits": [[0.0] * 3] * 3, "shape": [1, 21, 149]},
        {"hidden": [[0.0] * 3] * 3, "shape": [1, 26 + 4, 20], "stretch": [25, 25]},
    ]
    for damaged in wrong:
        with pytest.raises(AssertionError):
            check_case(captioner, pictures, {**case, **damaged})


def test_frames_are_chosen_as_published() -> None:
    # sample_frame_indices of the docs, for a clip of 300 frames and seed 45, worked out with
    # numpy's legacy generator: six frames, four apart and a bit, the last one before the end
    chosen = six_of(300, seed=45)
    assert len(chosen) == 6
    assert chosen[-1] - chosen[0] == 23
    assert np.diff(chosen).tolist() == [4, 5, 5, 5, 4]


def test_a_reason_names_what_is_missing_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> Path:
        raise UserError("no network")

    monkeypatch.setattr(loading, "find", find)
    model_folder.cache_clear()
    found = model_folder("microsoft/git-base", None)
    model_folder.cache_clear()
    with pytest.raises(pytest.skip.Exception, match=r"no network.*git-base/.*NUMPYGIT_OFFICIAL"):
        or_skip(found)


def test_a_folder_of_ones_own_comes_first(tmp_path: Path) -> None:
    (tmp_path / "git-base").mkdir()
    (tmp_path / "cats.png").write_bytes(b"")
    assert model_folder("microsoft/git-base", str(tmp_path)) == tmp_path / "git-base"
    assert input_file("cats.png", str(tmp_path), tmp_path) == tmp_path / "cats.png"
