"""A token that was passed anywhere is in no file that is written afterwards, and in no message.

Checks loading/hub/push.py.
"""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

import numpygit
from numpygit import UserError

SECRET = "hf_thisIsASecretToken"
KINDS = ["GitConfig", "GitVisionConfig", "GitForCausalLM", "GitModel", "GitVisionModel",
         "GenerationConfig", "GitProcessor", "GitImageProcessor", "GitTokenizer", "AutoConfig",
         "AutoModel", "AutoModelForCausalLM", "AutoProcessor", "AutoTokenizer",
         "AutoImageProcessor"]  # fmt: skip


def assert_no_secret(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("name", ["token", "use_auth_token"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_loaded_with_a_token_is_saved_without(
    kind: str, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    thing = getattr(numpygit, kind).from_pretrained(
        "storybook", **{name: SECRET}, cache_dir=tmp_path / "cache"
    )
    thing.save_pretrained(tmp_path / "saved", token=SECRET)
    assert_no_secret(tmp_path / "saved")
    assert SECRET not in repr(thing)
    assert SECRET not in caplog.text
    if hasattr(thing, "to_dict"):
        assert not {"token", "use_auth_token", "cache_dir"} & set(thing.to_dict())
    if hasattr(thing, "to_json_file"):
        thing.to_json_file(tmp_path / "saved" / "alone.json")
        assert_no_secret(tmp_path / "saved")


@pytest.mark.parametrize("kind", ["GitConfig", "GitVisionConfig"])
def test_a_config_never_holds_a_token(kind: str, tmp_path: Path) -> None:
    """Not as a keyword, not from a dict, not from a file that holds one."""
    made = getattr(numpygit, kind)(token=SECRET)
    made.update({"use_auth_token": SECRET})
    made.save_pretrained(tmp_path)
    assert_no_secret(tmp_path)
    (tmp_path / "config.json").write_text(f'{{"token": "{SECRET}"}}')
    read = getattr(numpygit, kind).from_json_file(tmp_path / "config.json")
    read.save_pretrained(tmp_path / "again")
    assert_no_secret(tmp_path / "again")


def test_a_file_of_picture_settings_with_a_token_is_not_passed_on(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(
        f'{{"token": "{SECRET}", "do_resize": true}}'
    )
    numpygit.GitImageProcessor.from_pretrained(tmp_path).save_pretrained(tmp_path / "saved")
    assert_no_secret(tmp_path / "saved")


class Hub:
    """Stands for huggingface_hub.HfApi: keeps what it is told."""

    told: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, token: Any = None) -> None:
        self.token = token

    def create_repo(self, repo_id: str, **more: Any) -> SimpleNamespace:
        return SimpleNamespace(repo_id=f"me/{repo_id}")

    def upload_folder(self, *, folder_path: Path, **more: Any) -> str:
        names = sorted(path.name for path in Path(folder_path).iterdir())
        texts = b"".join(path.read_bytes() for path in Path(folder_path).iterdir())
        Hub.told.append({"token": self.token, "files": names, "texts": texts, **more})
        return "https://example.org/commit"


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("GitForCausalLM", "model.safetensors"),
        ("GitConfig", "config.json"),
        ("GenerationConfig", "generation_config.json"),
        ("GitProcessor", "preprocessor_config.json"),
        ("GitImageProcessor", "preprocessor_config.json"),
        ("GitTokenizer", "vocab.txt"),
    ],
)
def test_uploads_hand_the_token_to_the_hub_alone(
    kind: str, file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    thing = getattr(numpygit, kind).from_pretrained("storybook")
    Hub.told.clear()
    found = thing.push_to_hub("mine", token=SECRET, commit_message="first")
    thing.save_pretrained(tmp_path, push_to_hub=True, repo_id="mine", token=SECRET)
    assert found == "https://example.org/commit"
    for told in Hub.told:
        assert told["token"] == SECRET
        assert told["repo_id"] == "me/mine"
        assert file in told["files"]
        assert SECRET.encode() not in told["texts"]
    assert Hub.told[0]["commit_message"] == "first"
    assert len(Hub.told) == 2


def test_a_failed_upload_does_not_show_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Hub, repo_id: str, **more: Any) -> None:
        raise RuntimeError(f"401 for {SECRET}")

    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    monkeypatch.setattr(Hub, "create_repo", fail)
    with pytest.raises(UserError, match=r"could not upload to mine .*\*\*\*") as told:
        numpygit.GitConfig().push_to_hub("mine", token=SECRET)
    assert SECRET not in str(told.value)


def test_the_token_and_the_cache_reach_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    from numpygit.cli.commands import main

    asked: list[dict[str, Any]] = []

    def snapshot(name: str, **more: Any) -> str:
        asked.append(more)
        raise OSError("no network here")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    monkeypatch.delattr("huggingface_hub.HfApi.model_info")
    wanted = {"token": SECRET, "cache_dir": "/some/cache", "revision": "v1"}
    with pytest.raises(UserError):
        numpygit.GitConfig.from_pretrained("some/model", force_download=True, **wanted)
    with pytest.raises(UserError):
        numpygit.load("some/model", **wanted)
    picture = Path(numpygit.__file__).parent / "storybook" / "examples" / "row.png"
    assert main(["caption", "--model", "some/model", "--token", SECRET, "--cache-dir",
                 "/some/cache", "--revision", "v1", str(picture)]) == 1  # fmt: skip
    for told in asked:
        assert {name: told[name] for name in wanted} == wanted
    assert asked[0]["force_download"] is True
    assert len(asked) == 3
    monkeypatch.setenv("TRANSFORMERS_CACHE", "/other/cache")
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "1")
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError):
        numpygit.GitConfig.from_pretrained("some/model")
    assert asked[-1]["cache_dir"] == "/other/cache"
    assert asked[-1]["local_files_only"] is True
