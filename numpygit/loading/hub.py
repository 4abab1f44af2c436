"""A name on the Hugging Face Hub -> a folder of its files in the Hub's cache.

Weights are fetched so that a download that was stopped, or killed, goes on where it broke off: what
has arrived stays in the cache, and the rest is asked for. The whole is held against its checksum.
Whatever goes wrong ends in one sentence.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from ..errors import NotFoundError, UserError
from .formats import KINDS, WEIGHTS

CONFIG_FILES = ("config.json",)
GENERATION_FILES = ("generation_config.json",)
PICTURE_FILES = ("preprocessor_config.json",)
WORD_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt")
SMALL_FILES = (*CONFIG_FILES, *GENERATION_FILES, *PICTURE_FILES, *WORD_FILES)
# About half of the official repositories have only pytorch_model.bin on main; it is as good, so
# it is taken before the conversion that waits at a pull request.
SAFETENSORS = ("model.safetensors", "model.safetensors.index.json", "model-*.safetensors")
PYTORCH = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*.bin")
CONVERTED = "refs/pr/1"  # where the Hub keeps the safetensors of repositories whose main has none
Attempt = tuple[str | None, tuple[str, ...]]  # a revision, and the names of its weights


def download(
    name: str, *, revision: str | None, local_files_only: bool, files: Sequence[str] | None = None
) -> Path:
    """Bring the needed files of a Hub repository into the cache and return their folder.

    These are all that a model needs, or only those named in `files`, which may be missing.
    """
    from huggingface_hub import snapshot_download

    attempts: list[Attempt] = [(revision, SAFETENSORS), (revision, PYTORCH)]
    if revision is None:
        attempts.append((CONVERTED, SAFETENSORS))
    for asked, weights in attempts if files is None else [(revision, ())]:
        wanted = [*(SMALL_FILES if files is None else files), *weights]
        try:
            if not local_files_only:
                fetch_weights(name, asked, weights)
            folder = Path(
                snapshot_download(
                    name, revision=asked, allow_patterns=wanted, local_files_only=local_files_only
                )
            )
        except UserError:
            raise
        except Exception as error:  # huggingface_hub raises many kinds; each becomes one sentence
            if asked != revision and type(error).__name__ == "RevisionNotFoundError":
                break  # nobody has converted this repository
            raise why_not_downloaded(name, asked, error) from error
        if files is not None or any((folder / kind).is_file() for kind in KINDS):
            return folder
    tried = f"at {revision}" if revision else f"neither at main nor at {CONVERTED}"
    raise NotFoundError(f"{name} has no {WEIGHTS} and no pytorch_model.bin, {tried}")


def fetch_weights(name: str, revision: str | None, patterns: tuple[str, ...]) -> None:
    """Fetch the weights of a repository into the cache, each from where it broke off.

    huggingface_hub would fetch them too, but throws away what a stopped download has brought.
    """
    from huggingface_hub import HfApi

    if not patterns:
        return
    try:
        found = HfApi().model_info(name, revision=revision, timeout=10)
    except Exception:  # it will be asked again: snapshot_download falls back on the cache
        return
    for sibling in found.siblings or ():
        file = sibling.rfilename
        if any(fnmatch(file, pattern) for pattern in patterns) and not file.endswith(".json"):
            fetch(name, file, commit=found.sha)


def fetch(name: str, file: str, *, commit: str | None) -> None:
    """Fetch one large file to where the cache keeps it, called by its SHA-256."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get, repo_folder_name
    from huggingface_hub.utils import WeakFileLock, build_hf_headers  # type: ignore[attr-defined]

    cache, folder = constants.HF_HUB_CACHE, repo_folder_name(repo_id=name, repo_type="model")
    if (Path(cache) / folder / "snapshots" / str(commit) / file).exists():
        return
    url = hf_hub_url(name, file, revision=commit)
    known = get_hf_file_metadata(url)
    if not re.fullmatch("[0-9a-f]{64}", known.etag or "") or known.size is None:
        return  # a small file, which comes as a whole
    whole = Path(cache) / folder / "blobs" / str(known.etag)
    part = whole.with_name(f"{known.etag}.incomplete")
    lock = Path(cache) / ".locks" / folder / f"{known.etag}.lock"
    for place in (whole, lock):
        place.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):  # against another process that fetches the same
        if whole.exists():
            return
        with part.open("ab") as target:
            if target.tell() > known.size:  # no part of this file
                target.seek(0)
                target.truncate()
            come = target.tell()
            check_space(name, known.size - come, cache)
            if come < known.size:
                http_get(
                    url,
                    target,
                    resume_size=come,
                    headers=build_hf_headers(),
                    expected_size=known.size,
                    displayed_filename=file,
                )
        check_sum(name, file, part, str(known.etag))
        part.replace(whole)


def check_space(name: str, needed: int, cache: str) -> None:
    """Refuse a download that the disk has no room for."""
    free = shutil.disk_usage(cache).free
    if needed > free:
        raise UserError(
            f"{name} needs {needed / 1e6:.0f} MB more, and the disk of the cache ({cache}) has "
            f"{free / 1e6:.0f} MB free; HF_HOME names another place for it"
        )


def check_sum(name: str, file: str, path: Path, expected: str) -> None:
    """Compare a file that has arrived with its SHA-256; remove a damaged one."""
    import hashlib  # not before it is needed: it takes a while

    digest = hashlib.sha256()
    with path.open("rb") as content:
        while piece := content.read(2**20):
            digest.update(piece)
    if digest.hexdigest() != expected:
        path.unlink()
        raise UserError(
            f"{file} of {name} arrived damaged (its checksum is wrong) and has been removed from "
            "the cache; try again"
        )


def why_not_downloaded(name: str, revision: str | None, error: Exception) -> UserError:
    """Say in one sentence why a download failed, and what helps."""
    from huggingface_hub import constants

    cache = constants.HF_HUB_CACHE
    bundled = "the bundled model needs neither network nor cache: --model storybook"
    reason = (str(error.__cause__ or error).strip() or type(error).__name__).splitlines()[0]
    reason = reason.rstrip(".")
    kinds = {kind.__name__ for kind in type(error).__mro__}  # where they live differs by version
    if "GatedRepoError" in kinds:  # first, because it is a kind of "not found"
        return UserError(f"{name} asks for an agreement: accept it on the Hub and log in there")
    if "RevisionNotFoundError" in kinds:
        return NotFoundError(f"{name} has no revision {revision!r} on the Hub")
    if "RepositoryNotFoundError" in kinds:
        return NotFoundError(
            f"there is no folder {name!r}, and the Hub has no public model of that name; {bundled}"
        )
    if "HFValidationError" in kinds:
        return NotFoundError(f"{name!r} cannot be the name of a model on the Hub: {reason}")
    if kinds & {"LocalEntryNotFoundError", "OfflineModeIsEnabled"}:
        cause = type(error.__cause__).__name__
        is_offline = cause in ("NoneType", "OfflineModeIsEnabled")
        where = "no network" if is_offline else f"the Hub cannot be reached ({reason})"
        return NotFoundError(
            f"{where}, and {name} is not complete in the cache ({cache}); {bundled}"
        )
    return UserError(
        f"could not download {name} into the cache ({cache}): {reason}; what has arrived of its "
        f"weights is kept, and the next start goes on from there; {bundled}"
    )
