"""A name on the Hugging Face Hub -> a folder of its files in the Hub's cache.

Weights are fetched so that a download that was stopped, or killed, goes on where it broke off: what
has arrived stays in the cache, and the rest is asked for. The whole is held against its checksum.
Whatever goes wrong ends in one sentence.
"""

from __future__ import annotations

import os
import re
import shutil
import warnings
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from ...errors import NotFoundError, UserError
from ..adapter import SETTINGS, is_adapter
from ..adapter import WEIGHTS as ADAPTER_WEIGHTS
from ..formats import WEIGHTS, kinds
from .keywords import environment
from .push import without

CONFIG_FILES = ("config.json",)
GENERATION_FILES = ("generation_config.json",)
PICTURE_FILES = ("preprocessor_config.json", "processor_config.json")  # the latter: transformers 5
WORD_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json",
              "added_tokens.json")  # fmt: skip
SMALL_FILES = (*CONFIG_FILES, *GENERATION_FILES, *PICTURE_FILES, *WORD_FILES)
# About half of the official repositories have only pytorch_model.bin on main; it is as good, so
# it is taken before the conversion that waits at a pull request.
SAFETENSORS = ("model.safetensors", "model.safetensors.index.json", "model-*.safetensors")
PYTORCH = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*.bin")
CONVERTED = "refs/pr/1"  # where the Hub keeps the safetensors of repositories whose main has none


class Access(NamedTuple):
    """How the Hub is asked: which revision, with which token, through which cache."""

    revision: str | None = None
    token: str | bool | None = None
    cache_dir: str | Path | None = None
    force_download: bool = False

    @property
    def cache(self) -> str:
        """The folder of the cache."""
        from huggingface_hub import constants

        return str(self.cache_dir or constants.HF_HUB_CACHE)


def download(
    name: str,
    *,
    revision: str | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    subfolder: str = "",
    variant: str | None = None,
    use_safetensors: bool | None = None,
    files: Sequence[str] | None = None,
) -> Path:
    """Bring the needed files of a Hub repository into the cache and return their folder.

    These are all that a model needs, or only those named in `files`, which may be missing.
    `token` is handed to huggingface_hub and goes nowhere else.
    """
    from_environment = environment()
    offline = bool(local_files_only or from_environment.get("local_files_only"))
    access = Access(revision, token, cache_dir or from_environment.get("cache_dir"), force_download)
    attempts = attempts_of(access, variant, use_safetensors) if files is None else [(access, ())]
    for asked, weights in attempts:
        wanted = wanted_of(files, weights, subfolder)
        try:
            whole = fetched(name, asked, wanted, () if subfolder else weights, offline)
        except UserError:
            raise
        except Exception as error:  # huggingface_hub raises many kinds; each becomes one sentence
            if asked != access and type(error).__name__ == "RevisionNotFoundError":
                break  # nobody has converted this repository
            raise why_not_downloaded(name, asked, error) from error
        folder = Path(whole, subfolder)
        found = any((folder / kind).is_file() for kind in kinds(variant, use_safetensors))
        if files is not None or found or is_adapter(folder):
            return folder
    tried = f"at {revision}" if revision else f"neither at main nor at {CONVERTED}"
    weights_of = f" of the variant {variant!r}" if variant else ""
    raise NotFoundError(f"{name} has no {WEIGHTS} and no pytorch_model.bin{weights_of}, {tried}")


def wanted_of(files: Sequence[str] | None, weights: Sequence[str], subfolder: str) -> list[str]:
    """List the patterns of the files to bring: those of an adapter too, in place of a model."""
    whole = (*SMALL_FILES, *ADAPTER_WEIGHTS)
    wanted = [*(whole if files is None else files), SETTINGS, *weights]
    return [f"{subfolder}/{pattern}" if subfolder else pattern for pattern in wanted]


def fetched(
    name: str, access: Access, wanted: list[str], weights: tuple[str, ...], offline: bool
) -> str:
    """Fetch files into the cache, the large ones so that they can go on: -> their folder."""
    from huggingface_hub import snapshot_download

    if not offline and not access.force_download:
        fetch_weights(name, access, weights)
    return str(
        snapshot_download(name, allow_patterns=wanted, local_files_only=offline, **access._asdict())
    )


def attempts_of(
    access: Access, variant: str | None, use_safetensors: bool | None
) -> list[tuple[Access, tuple[str, ...]]]:
    """List where weights may be, and what they are called, in the order to ask."""
    middle = f".{variant}" if variant else ""
    safe, torch = (
        tuple(pattern.replace(end, f"{middle}{end}") for pattern in patterns)
        for patterns, end in ((SAFETENSORS, ".safetensors"), (PYTORCH, ".bin"))
    )
    if variant:
        safe = (*safe, f"model.safetensors.index{middle}.json")
        torch = (*torch, f"pytorch_model.bin.index{middle}.json")
    attempts = [] if use_safetensors is False else [(access, safe)]
    attempts += [] if use_safetensors else [(access, torch)]
    if access.revision is None and use_safetensors is not False:
        attempts.append((access._replace(revision=CONVERTED), safe))
    return attempts


def fetch_weights(name: str, access: Access, patterns: tuple[str, ...]) -> None:
    """Fetch the weights of a repository into the cache, each from where it broke off.

    huggingface_hub would fetch them too, but throws away what a stopped download has brought.
    """
    from huggingface_hub import HfApi

    if not patterns:
        return
    try:
        api = HfApi(token=access.token)
        found = api.model_info(name, revision=access.revision, timeout=10)
    except Exception:  # it will be asked again: snapshot_download falls back on the cache
        return
    for sibling in found.siblings or ():
        file = sibling.rfilename
        if any(fnmatch(file, pattern) for pattern in patterns) and not file.endswith(".json"):
            fetch(name, file, access, commit=found.sha)


def fetch(name: str, file: str, access: Access, *, commit: str | None) -> None:
    """Fetch one large file to where the cache keeps it, called by its SHA-256."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import repo_folder_name
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    cache, folder = Path(access.cache), repo_folder_name(repo_id=name, repo_type="model")
    target = cache / folder / "snapshots" / str(commit) / file
    if target.exists():
        return
    url = hf_hub_url(name, file, revision=commit)
    metadata = get_hf_file_metadata(url, token=access.token)
    if not re.fullmatch("[0-9a-f]{64}", metadata.etag or "") or metadata.size is None:
        return  # a small file, which comes as a whole
    digest = str(metadata.etag)
    blob = cache / folder / "blobs" / digest
    lock = cache / ".locks" / folder / f"{digest}.lock"
    for path in (blob, lock, target):
        path.parent.mkdir(parents=True, exist_ok=True)
    links = has_symlinks(cache / folder)
    with WeakFileLock(lock):  # against another process that fetches the same
        if target.exists() or (blob.exists() and links):
            return
        if blob.exists():
            place_whole(blob, target)
            return
        part = blob.with_name(f"{digest}.incomplete")
        bring(part, url, file, name, access, size=metadata.size)
        check_sum(name, file, part, digest)
        # without links huggingface_hub would copy it: twice the room, half a file if that breaks
        part.replace(blob if links else target)


def bring(part: Path, url: str, file: str, name: str, access: Access, *, size: int) -> None:
    """Download what a part of a file still lacks, after looking whether the disk has room."""
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    with part.open("ab") as target:
        if target.tell() > size:  # no part of this file
            target.seek(0)
            target.truncate()
        arrived = target.tell()
        check_space(name, size - arrived, access.cache)
        if arrived < size:
            http_get(
                url,
                target,
                resume_size=arrived,
                headers=build_hf_headers(token=access.token),
                expected_size=size,
                displayed_filename=file,
            )


def has_symlinks(folder: Path) -> bool:
    """Tell whether the cache can link to its files, as huggingface_hub finds out."""
    from huggingface_hub.file_download import are_symlinks_supported

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # huggingface_hub recommends links at length
        return bool(are_symlinks_supported(folder))


def place_whole(whole: Path, target: Path) -> None:
    """Put a file of the cache where it is looked for, without links: whole, or not at all.

    A hard link takes no room; where there is none, a copy is made beside and then put in place.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.incomplete")
    part.unlink(missing_ok=True)
    try:
        os.link(whole, part)
    except OSError:
        shutil.copyfile(whole, part)
    part.replace(target)


def check_space(name: str, needed: int, cache: str) -> None:
    """Refuse a download that the disk has no room for."""
    free = shutil.disk_usage(cache).free
    if needed > free:
        raise UserError(
            f"{name} needs {needed / 1e6:.0f} MB more, and the disk of the cache ({cache}) has "
            f"{free / 1e6:.0f} MB free; HF_HOME, or cache_dir, names another place for it"
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


def kept_models(cache: Path) -> list[str]:
    """List the models of the GIT family whose weights are in the cache."""
    found = set()
    for kind in ("model.safetensors", "pytorch_model.bin"):
        for path in cache.glob(f"models--*git*/snapshots/*/{kind}"):
            folder = path.parents[2].name.removeprefix("models--")
            if path.exists():
                found.add(folder.replace("--", "/", 1))
    return sorted(found)


def why_not_downloaded(name: str, access: Access, error: Exception) -> UserError:
    """Say in one sentence why a download failed, and what helps; never with the token."""
    cache, revision = access.cache, access.revision
    kept = kept_models(Path(cache))
    there = f"complete in the cache: {', '.join(kept)}" if kept else "no other model is kept there"
    bundled = "the bundled model 'storybook' needs no download, but is for its own drawings only"
    reason = (str(error.__cause__ or error).strip() or type(error).__name__).splitlines()[0]
    reason = without(reason.rstrip("."), access.token)
    types = {kind.__name__ for kind in type(error).__mro__}  # where they live differs by version
    if "GatedRepoError" in types:  # first, because it is a kind of "not found"
        return UserError(f"{name} asks for an agreement: accept it on the Hub and log in there")
    if "RevisionNotFoundError" in types:
        return NotFoundError(f"{name} has no revision {revision!r} on the Hub")
    if "RepositoryNotFoundError" in types:
        return NotFoundError(
            f"there is no folder {name!r}, and the Hub has no public model of that name; {bundled}"
        )
    if "HFValidationError" in types:
        return NotFoundError(f"{name!r} cannot be the name of a model on the Hub: {reason}")
    if types & {"LocalEntryNotFoundError", "OfflineModeIsEnabled"}:
        cause = type(error.__cause__).__name__
        is_offline = cause in ("NoneType", "OfflineModeIsEnabled")
        where = "no network" if is_offline else f"the Hub cannot be reached ({reason})"
        return NotFoundError(
            f"{where}, and {name} is not complete in the cache ({cache}); {there}; {bundled}"
        )
    return UserError(
        f"could not download {name} into the cache ({cache}): {reason}; what has arrived of its "
        f"weights is kept, and the next start goes on from there; {bundled}"
    )
