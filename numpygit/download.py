"""A name on the Hugging Face Hub -> a folder of its files in the Hub's cache.

What arrives is held against its checksum; whatever goes wrong ends in one sentence.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from .errors import NotFoundError, UserError
from .files import KINDS, WEIGHTS

SMALL_FILES = [
    "config.json",
    "preprocessor_config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
]
# About half of the official repositories have only pytorch_model.bin on main; it is as good, so
# it is taken before the conversion that waits at a pull request.
SAFETENSORS = ("model.safetensors", "model.safetensors.index.json", "model-*.safetensors")
PYTORCH = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*.bin")
CONVERTED = "refs/pr/1"  # where the Hub keeps the safetensors of repositories whose main has none
Attempt = tuple[str | None, tuple[str, ...]]  # a revision, and the names of its weights


def download(
    name: str, *, revision: str | None, local_files_only: bool, weights: bool = True
) -> Path:
    """Bring the needed files of a Hub repository into the cache and return their folder.

    Without `weights` these are the settings and the vocabulary.
    """
    from huggingface_hub import snapshot_download

    attempts: list[Attempt] = [(revision, ())]
    if weights:
        attempts = [(revision, SAFETENSORS), (revision, PYTORCH)]
    if weights and revision is None:
        attempts.append((CONVERTED, SAFETENSORS))
    started = time.time()
    for asked, patterns in attempts:
        wanted = [*SMALL_FILES, *patterns]
        try:
            folder = Path(
                snapshot_download(
                    name, revision=asked, allow_patterns=wanted, local_files_only=local_files_only
                )
            )
        except Exception as error:  # huggingface_hub raises many kinds; each becomes one sentence
            if asked != revision and type(error).__name__ == "RevisionNotFoundError":
                break  # nobody has converted this repository
            raise why_not_downloaded(name, asked, error) from error
        if not weights or any((folder / kind).is_file() for kind in KINDS):
            check_arrived(name, folder, since=started)
            return folder
    tried = f"at {revision}" if revision else f"neither at main nor at {CONVERTED}"
    raise NotFoundError(f"{name} has no {WEIGHTS} and no pytorch_model.bin, {tried}")


def check_arrived(name: str, folder: Path, *, since: float) -> None:
    """Compare large files that have just come with their checksums; remove a damaged one.

    In the cache of the Hub a large file is called by its SHA-256.
    """
    for path in folder.iterdir():
        blob = path.resolve()
        if len(blob.name) == 64 and blob.stat().st_mtime >= since:
            digest = hashlib.sha256()
            with blob.open("rb") as file:
                while piece := file.read(2**20):
                    digest.update(piece)
            if digest.hexdigest() != blob.name:
                path.unlink()
                blob.unlink()
                raise UserError(
                    f"{path.name} of {name} arrived damaged (its checksum is wrong) and has been "
                    "removed from the cache; try again"
                )


def why_not_downloaded(name: str, revision: str | None, error: Exception) -> UserError:
    """Say in one sentence why a download failed, and what helps."""
    from huggingface_hub import constants

    cache = constants.HF_HUB_CACHE
    bundled = "the bundled model needs neither network nor cache: --model storybook"
    reason = (str(error.__cause__ or error).strip() or type(error).__name__).splitlines()[0]
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
    return UserError(f"could not download {name} into the cache ({cache}): {reason}; {bundled}")
