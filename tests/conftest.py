"""Fixtures for all tests: a tiny model in a complete checkpoint folder, and the bundled model."""

from __future__ import annotations

import gc
import json
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import examples
import numpy as np
import pytest
from checkpoints import Tensors, WriteFolder
from safetensors.numpy import save_file

import numpygit
from numpygit.captioner import Captioner
from numpygit.loading.config import GitConfig, GitVisionConfig
from numpygit.loading.names import tensor_shapes

VOCABULARY = Path(__file__).parents[1] / "golden" / "words" / "vocab.txt"
NEEDS = ("browser", "full", "java", "official", "pyodide", "ray", "spark")  # more than Python


def pytest_configure(config: pytest.Config) -> None:
    """Try properties on fewer examples where `-m "not slow"` asks for a quick run."""
    examples.quick = "not slow" in config.getoption("-m")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs more than Python, unless `-m` speaks of it: as in `-m "not slow"`."""
    asked = config.getoption("-m")
    unasked = {mark for mark in NEEDS if mark not in asked}
    left_out = {item for item in items if unasked & {mark.name for mark in item.iter_markers()}}
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives to the end: thousands of tests and their tables."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Give it all back: plugins that end with a report, as hypothesis', ask the collector."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def no_power_cuts() -> Iterator[None]:
    """Let nothing wait until the disk has written it: no such file outlives its test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(scope="session")
def tiny_config() -> GitConfig:
    """A GIT whose sizes all differ, for the 149 words of golden/words/vocab.txt."""
    return GitConfig(
        vision_config=GitVisionConfig(
            hidden_size=12,
            intermediate_size=26,
            num_hidden_layers=2,
            num_attention_heads=3,
            image_size=18,
            patch_size=6,
        ),
        vocab_size=149,
        hidden_size=20,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=34,
        max_position_embeddings=23,
        bos_token_id=2,
        eos_token_id=3,
        num_image_with_embedding=2,
    )


@pytest.fixture(scope="session")
def tiny_tensors(tiny_config: GitConfig) -> Tensors:
    """Random numbers for every tensor of the tiny model, the same in every run."""
    rng = np.random.default_rng(3)
    tensors = {}
    for name, shape in tensor_shapes(tiny_config).items():
        spread = np.float32(1 / math.sqrt(math.prod(shape[1:]) or 1))
        tensors[name] = rng.standard_normal(shape, np.float32) * spread
    return tensors


@pytest.fixture(scope="session")
def write_folder(tiny_config: GitConfig, tiny_tensors: Tensors) -> WriteFolder:
    """Get a function that writes a complete checkpoint folder; its arguments replace parts."""

    def write(
        folder: Path,
        *,
        config: dict | None = None,
        tensors: Tensors | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Path:
        folder.mkdir(exist_ok=True)
        values = {"model_type": "git", **asdict(tiny_config)} if config is None else config
        (folder / "config.json").write_text(json.dumps(values, indent=2), encoding="utf-8")
        size = tiny_config.vision_config.image_size
        settings = {"size": {"shortest_edge": size}, "crop_size": {"height": size, "width": size}}
        (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
        shutil.copyfile(VOCABULARY, folder / "vocab.txt")
        given = tiny_tensors if tensors is None else tensors
        save_file(given, folder / "model.safetensors", metadata=metadata)
        return folder

    return write


@pytest.fixture
def tiny_folder(write_folder: WriteFolder, tmp_path: Path) -> Path:
    """A complete checkpoint folder of the tiny model, to be damaged as a test likes."""
    return write_folder(tmp_path / "tiny")


@pytest.fixture(scope="session")
def storybook() -> Captioner:
    """The bundled model."""
    return numpygit.load("storybook")


@pytest.fixture
def offline(tmp_path: Path) -> dict[str, str]:
    """An environment for a process of its own: no network, no proxy, an empty cache."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "HF_HUB_DISABLE_SYMLINKS"
        or (not name.upper().startswith(("HF_", "PYTHON")) and not name.upper().endswith("_PROXY"))
    }
    return kept | {
        "HF_HOME": str(tmp_path / "hf_home"),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "PYTHONWARNINGS": "default",
        "OPENBLAS_NUM_THREADS": "1",  # many small processes at once need no threads of their own
    }
