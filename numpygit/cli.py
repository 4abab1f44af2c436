"""The command line: `numpygit caption PICTURE...`, `numpygit answer PICTURE QUESTION...`, and
`numpygit models`, the table of the official checkpoints.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from io import TextIOWrapper

from . import catalogue
from .captioner import Captioner, load
from .errors import UserError
from .processor import PREPROCESSING

DEFAULT_MODEL = "microsoft/git-base-coco"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0, or 1 when anything could not be done."""
    options = parser().parse_args(arguments)
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # for odd letters in names of files
    try:
        if options.command == "models":
            return print_models(as_json=options.json)
        jobs = list(questions(options))
        captioner = load(
            options.model,
            revision=options.revision,
            local_files_only=options.offline,
            preprocessing=options.preprocessing,
        )
        failures = 0
        for picture, question in jobs:
            failures += tell(captioner, picture, question, options)
    except UserError as error:
        return complain(str(error))
    except KeyboardInterrupt:
        return complain("stopped")
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        drop_output()
        return 1
    except OSError as error:  # such as a full disk
        drop_output()
        return complain(str(error))
    return 1 if failures else 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME",
        help="'storybook' (bundled), an id on the Hugging Face Hub, or a folder "
        f"(default: {DEFAULT_MODEL})",
    )
    shared.add_argument("--revision", metavar="REV", help="branch, tag or commit on the Hub")
    shared.add_argument("--offline", action="store_true", help="use the cache, no network")
    shared.add_argument(
        "--preprocessing",
        choices=PREPROCESSING,
        default="hf",
        help="prepare pictures and questions as the checkpoint's files say (hf), or as the "
        "authors' code does (original); words are chosen greedily in both",
    )
    shared.add_argument(
        "--max-length", type=int, metavar="N", help="most text tokens, the prompt included"
    )
    shared.add_argument("--json", action="store_true", help="print one JSON object a line")
    top = argparse.ArgumentParser(
        prog="numpygit", description="Captions and answers for pictures, in NumPy."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    caption = commands.add_parser("caption", parents=[shared], help="say what pictures show")
    caption.add_argument("pictures", nargs="+", metavar="PICTURE", help="a picture file")
    answer = commands.add_parser("answer", parents=[shared], help="answer about a picture")
    answer.add_argument("picture", metavar="PICTURE", help="a picture file")
    answer.add_argument("questions", nargs="+", metavar="QUESTION", help="a question, in quotes")
    models = commands.add_parser("models", help="list the official checkpoints")
    models.add_argument("--json", action="store_true", help="print one JSON object a line")
    return top


def print_models(*, as_json: bool) -> int:
    """Print the table of the official checkpoints; return the exit code."""
    if as_json:
        for entry in catalogue.CATALOGUE:
            print(json.dumps(catalogue.describe(entry)))
    else:
        print(catalogue.table(), flush=True)
    return 0


def questions(options: argparse.Namespace) -> Iterator[tuple[str, str | None]]:
    """List what was asked: pairs of picture and question, None for a caption."""
    if options.command == "caption":
        for picture in options.pictures:
            yield picture, None
    else:
        for question in options.questions:
            yield options.picture, question


def tell(
    captioner: Captioner, picture: str, question: str | None, options: argparse.Namespace
) -> int:
    """Print one caption or answer, word by word where a person watches; return 1 on a mistake."""
    several = len(getattr(options, "pictures", getattr(options, "questions", ()))) > 1
    subject = picture if question is None else question
    pieces = captioner.stream(picture, question, max_length=options.max_length)
    try:
        first = next(pieces, "")
        if options.json:
            text = first + "".join(pieces)
            kind = "caption" if question is None else "answer"
            asked = {} if question is None else {"question": question}
            row = {"picture": picture, **asked, kind: text, "model": captioner.name}
            print(json.dumps(row), flush=True)
            return 0
        print(f"{subject}: {first}" if several else first, end="", flush=True)
        for piece in pieces:
            print(piece, end="", flush=True)
        print(flush=True)
    except UserError as error:
        return complain(str(error))
    return 0


def complain(message: str) -> int:
    """Print one line on the error stream; return the exit code of a failure."""
    print(f"numpygit: {' '.join(message.splitlines())}", file=sys.stderr)
    return 1


def drop_output() -> None:
    """Send what is still to be written nowhere, or else Python complains when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
