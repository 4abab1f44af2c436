"""Load the model and look at the picture that the command line names."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from ..errors import NotFoundError, UserError, complain, shown
from . import wording

if TYPE_CHECKING:
    from ..captioner import Captioner
    from ..model.text import Cache


def load_model(options: argparse.Namespace) -> Captioner:
    """Load the model that was asked for."""
    from ..captioner import load
    from ..huggingface.reading.address import is_address

    pictures = getattr(options, "pictures", None) or [options.picture]
    if not any(is_address(p) or p == "-" or os.path.exists(p) for p in pictures):
        # before a model is downloaded for nothing
        raise NotFoundError(f"no such picture file: {shown(', '.join(pictures), 300)}")
    announce_download(options)
    return load(**in_processes(how_to_load(options)))


def subject_of(name: str) -> str | bytes:
    """Say what is meant by the name of a picture: "-" is what comes through standard input."""
    if name != "-":
        return name
    if sys.stdin is None:
        raise UserError("there is no standard input to read a picture from")
    return sys.stdin.buffer.read()


def look(captioner: Captioner, name: str) -> Cache:
    """Look at a picture once, to say several things about it."""
    return captioner.prefill(subject_of(name))


def announce_download(options: argparse.Namespace) -> None:
    """Say how large an official model is before it is downloaded."""
    from ..huggingface.reading.address import is_offline
    from ..loading import catalogue
    from ..loading.find import find
    from ..loading.official_models import CATALOGUE

    entry = next((e for e in CATALOGUE if options.model == e.name), None)
    if entry is None or options.offline or is_offline():
        return
    try:
        find(options.model, revision=options.revision, local_files_only=True)
    except UserError:
        megabytes = catalogue.describe(entry)["download_bytes"] / 1e6
        complain(f"{options.model} is not on this computer yet: {megabytes:.0f} MB, once")


def in_processes(how: dict[str, Any]) -> dict[str, Any]:
    """Add that processes help where the model is loaded, where that can be."""
    from ..fast.processes.group import can_fork

    return {**how, "processes": can_fork() and not how["plain"]}


def how_to_load(options: argparse.Namespace) -> dict[str, Any]:
    """Collect what `load` takes, so that other processes can load the same model."""
    return {
        "name": options.model,
        "base": options.base,
        "revision": options.revision,
        "local_files_only": options.offline,
        "token": options.token,
        "cache_dir": options.cache_dir,
        "preprocessing": options.preprocessing,
        "threads": options.threads,
        "plain": options.plain,
        "pictures": wording.picture_options(options),
        "wording": wording.wording(options),
    }
