"""Writing folders for `save_pretrained`, and bringing them to the Hugging Face Hub.

Uploads go through huggingface_hub. A token is handed to it and goes nowhere else: no file that is
written here ever holds one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

from ...errors import UserError, expect

# what an upload may be told; the right column means nothing to the Hub's present interface
UPLOAD = {
    "commit_message", "commit_description", "token", "use_auth_token", "private", "create_pr",
    "revision", "tags", "repo_id",
}  # fmt: skip
IDLE = {
    "use_temp_dir", "organization", "repo_url", "repo_path_or_name", "ignore_metadata_errors",
    "save_peft_format", "legacy_format", "working_dir",
}  # fmt: skip


class Saves(Protocol):
    """Anything that can write itself into a folder."""

    def save_pretrained(self, save_directory: str | Path) -> Any:
        """Write into a folder."""


def made_folder(save_directory: str | Path) -> Path:
    """Make the folder that something is saved into. Raises UserError where a file is in the way."""
    expect("save_directory", save_directory, (str, PathLike), "the name of a folder")
    folder = Path(save_directory)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; give the name of a folder to save into")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def check_saving(keywords: Mapping[str, Any], *, more: Sequence[str] = ()) -> None:
    """Refuse keywords of `save_pretrained` that nobody knows; None and False change nothing."""
    accepted = UPLOAD | IDLE | set(more)
    unknown = sorted(n for n, v in keywords.items() if n not in accepted and v not in (None, False))
    if unknown:
        raise UserError(f"save_pretrained has no {', '.join(unknown)}; it has "
                        f"{', '.join(sorted(accepted | {'push_to_hub'}))}")  # fmt: skip


def push(thing: Saves, repo_id: str, **keywords: Any) -> str:
    """Save something into a folder of its own, and upload that: -> the address of the commit."""
    saving = {n: keywords.pop(n) for n in ("max_shard_size", "safe_serialization") if n in keywords}
    check_saving(keywords)
    with tempfile.TemporaryDirectory() as name:
        thing.save_pretrained(name, **saving)
        files = sorted(path.name for path in Path(name).iterdir())
        return push_folder(Path(name), files, **{**keywords, "repo_id": repo_id})


def push_folder(folder: Path, files: Sequence[str], **keywords: Any) -> str:
    """Upload files of a folder, the repository being made if need be: -> the commit's address."""
    from huggingface_hub import HfApi

    token = keywords.get("token", keywords.get("use_auth_token"))
    repo_id = keywords.get("repo_id") or folder.name
    api = HfApi(token=token)
    try:
        made = api.create_repo(repo_id, private=keywords.get("private"), exist_ok=True)
        done = api.upload_folder(
            repo_id=made.repo_id,
            folder_path=folder,
            allow_patterns=list(files),
            commit_message=keywords.get("commit_message") or f"Upload {', '.join(files)[:60]}",
            commit_description=keywords.get("commit_description"),
            revision=keywords.get("revision"),
            create_pr=keywords.get("create_pr"),
        )
    except Exception as error:  # huggingface_hub raises many kinds; each becomes one sentence
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"could not upload to {repo_id} on the Hub: {without(reason, token)}; log in with "
            "`hf auth login`, or pass token=..."
        ) from None
    return str(done)


def without(text: str, token: object) -> str:
    """Strike a token out of a message."""
    return text.replace(token, "***") if isinstance(token, str) and token else text
