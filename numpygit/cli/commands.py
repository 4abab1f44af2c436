"""The command line: `numpygit caption`, `answer`, `classify`, `models`, the table of the official
checkpoints, and `trace`, `diff`, `step`, `explain`, which look inside.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError, complain, is_watched, shown
from . import completion, play, train, wording
from .help_texts import describe, meant
from .loading import load_model, look, subject_of
from .wording import EXISTING, PREPROCESSING, add_dataset_options, add_evaluate, add_inside

if TYPE_CHECKING:
    from ..captioner import Captioner
    from ..model.text import Cache

DEFAULT_MODEL = "microsoft/git-base-coco"
ANSWER_MODEL = "microsoft/git-base-vqav2"
INTERRUPTED = 130  # 128 + SIGINT, as shells expect


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0, or 1 when anything could not be done."""
    described = parser()
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        described.print_help(sys.stderr)
        return 2
    hint = meant(given, list(commands_of(described)))
    if hint:
        complain(hint)
        return 2
    options = described.parse_args(arguments)
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # for odd letters in names of files
    try:
        import numpy as np  # here and below: what a command needs is imported by it

        from ..huggingface.reading.lines import error_stream_is_ours

        if getattr(options, "verbose", False):
            show_log()
        with np.errstate(all="ignore"), warnings.catch_warnings(), error_stream_is_ours():
            # numbers that are not finite end in one sentence, and warnings are one line each
            warnings.showwarning = show_note
            failures = run_command(options)
    except UserError as error:
        return complain(str(error))
    except KeyboardInterrupt:
        complain("stopped")
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        drop_output()
        return 1
    except OSError as error:  # such as a full disk
        drop_output()
        return complain(str(error))
    return 1 if failures else 0


def show_note(message: Warning | str, *where: Any, **more: Any) -> None:
    """Print a warning as one line, without the place in the code that it comes from."""
    complain(f"note: {message}")


def show_log() -> None:
    """Show what the library logs, on the error stream."""
    import logging

    logging.basicConfig(format="numpygit: %(message)s")
    logging.getLogger("numpygit").setLevel(logging.INFO)


def shared_options(model: str | None = DEFAULT_MODEL) -> argparse.ArgumentParser:
    """Describe what every command with a model takes; `evaluate` has None by default."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "-m", "--model", default=model, metavar="NAME", help="'storybook' (bundled), an id on the "
        f"Hugging Face Hub, or a folder (default: {model or 'score RESULTS as they are'})",
    )  # fmt: skip
    shared.add_argument("--base", metavar="NAME", help="base model of a PEFT adapter")
    shared.add_argument("--revision", metavar="REV", help="branch, tag or commit on the Hub")
    shared.add_argument(
        "--offline", action="store_true", help="use what was downloaded before, no network"
    )
    shared.add_argument(
        "--token", metavar="TOKEN", help="access token of the Hub (default: HF_TOKEN)"
    )
    shared.add_argument(
        "--cache-dir", metavar="FOLDER", help="where downloads are kept (default: HF_HOME)"
    )
    shared.add_argument(
        "--preprocessing",
        choices=PREPROCESSING,
        default="hf",
        help="prepare pictures and questions as the checkpoint's files say and choose words "
        "greedily (hf), or do both as the authors' code does, with a beam search (original)",
    )
    shared.add_argument(
        "--threads", type=int, metavar="N", help="cores to use (default: all that are allowed)"
    )
    shared.add_argument(
        "--plain",
        action="store_true",
        help="run numpygit/model alone, without its faster twin, numpygit/fast",
    )
    shared.add_argument("--json", action="store_true", help="print one JSON object a line")
    shared.add_argument(
        "-v", "--verbose", action="store_true", help="report each step on the error stream"
    )
    return shared


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    shared = shared_options()
    length = argparse.ArgumentParser(add_help=False)
    length.add_argument(
        "--max-length", type=int, metavar="N", help="at most N text tokens, the prompt included"
    )
    top = argparse.ArgumentParser(
        prog="numpygit", description="Captions and answers for pictures, in NumPy."
    )
    top.add_argument("--version", action="version", version=f"numpygit {wording.version()}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    caption = wording.add_caption(commands, [shared, length])
    add_folder_options(caption)
    add_dataset_options(caption)
    answering = [shared_options(ANSWER_MODEL), length]
    answer = commands.add_parser("answer", parents=answering, help="answer about a picture")
    wording.add_picture_options(answer)
    answer.add_argument("picture", metavar="PICTURE", help="a picture or clip file")
    answer.add_argument("questions", nargs="+", metavar="QUESTION", help="a question, in quotes")
    wording.add_classify(commands, shared)
    wording.add_explain(commands, parents=[shared, length])
    add_evaluate(commands, [shared_options(None)])
    models = commands.add_parser("models", help="list the official checkpoints")
    models.add_argument("--json", action="store_true", help="print one JSON object a line")
    add_inside(commands, shared)
    play.add_command(commands)
    train.add_commands(commands)
    completion.add_command(commands)
    describe(top, commands)
    return top


def commands_of(top: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """List the commands of the parser."""
    return next(a.choices for a in top._actions if isinstance(a, argparse._SubParsersAction))


def print_models(*, as_json: bool) -> int:
    """Print the table of the official checkpoints; return the exit code."""
    from ..loading import catalogue
    from ..loading.official_models import CATALOGUE

    if as_json:
        for entry in CATALOGUE:
            print(json.dumps(catalogue.describe(entry)))
    else:
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print(catalogue.table(columns), flush=True)
    return 0


def add_folder_options(caption: argparse.ArgumentParser) -> None:
    """Describe what is said of a folder of pictures."""
    group = caption.add_argument_group(
        "a folder of pictures",
        "Stopped and started again, the command goes on with the pictures that have no caption "
        "in the output yet. A picture that cannot be read is reported and left out; the exit code "
        "is then 1, and the next start tries it again. Names that begin with a dot are left out.",
    )
    group.add_argument("--recursive", action="store_true", help="look into folders inside it too")
    group.add_argument(
        "--batch-size", type=int, default=8, metavar="N", help="pictures in a batch (default: 8)"
    )
    group.add_argument(
        "--output",
        metavar="FILE",
        help="captions.jsonl or captions.csv, one row a picture; or an ending alone, .txt or "
        ".caption, for a text file beside each picture (default: print)",
    )
    group.add_argument(
        "--existing",
        choices=EXISTING,
        default="skip",
        help="pictures that have a caption already: skip them, write it anew, or append another "
        "(default: skip); an empty text file is no caption",
    )


def run_command(options: argparse.Namespace) -> int:
    """Do what was asked; return how many pictures or questions it could not be done for."""
    if options.command == "play":
        return play.run_command(options)
    if options.command == "models":
        return print_models(as_json=options.json)
    if options.command == "completion":
        print(completion.script(options.shell, commands_of(parser())), end="")
        return 0
    if options.command in ("trace", "diff", "step"):
        from . import inside

        return inside.run_command(options, load_model)
    if options.command in ("train", "lesson"):
        return train.run_command(options)
    if options.command == "answer":
        captioner = load_model(options)
        cache = look(captioner, options.picture)
        return sum(print_text(captioner, cache, options, question=q) for q in options.questions)
    if options.command == "explain":
        return write_page(options)
    if options.command == "classify":
        return choose_label(options)
    if options.command == "evaluate":
        from . import evaluate

        return evaluate.evaluate(options)
    from . import dataset

    if dataset.is_meant(options):
        return dataset.caption(options)
    captioner = load_model(options)
    return sum(caption_one(captioner, picture, options) for picture in options.pictures)


def choose_label(options: argparse.Namespace) -> int:
    """Print the labels that suit a picture best, each with its share of the probability."""
    from ..captioner import classify

    labels = wording.read_labels(Path(options.labels))
    if options.top < 1:
        raise UserError(f"--top is {options.top}, it must be at least 1")
    captioner = load_model(options)
    cache = look(captioner, options.picture)
    for found in classify(captioner, cache, labels, top=options.top):
        if options.json:
            row = {"picture": options.picture, **found._asdict(), "model": captioner.name}
            print(json.dumps(row), flush=True)
        else:
            print(f"{found.share:7.2%}  {found.label}", flush=True)
    return 0


def write_page(options: argparse.Namespace) -> int:
    """Write the page that explains a caption or an answer, and print the words."""
    from ..inside.explain import check_writable

    check_writable(options.output)
    captioner = load_model(options)
    made = captioner.explain(
        subject_of(options.picture),
        options.question,
        max_length=options.max_length,
        measure=not options.no_measure,
        progress=show_progress,
    )
    made.save(options.output)
    row = {"picture": options.picture, "text": made.text, "page": options.output}
    print(json.dumps({**row, "model": captioner.name}) if options.json else made.text, flush=True)
    return 0


def show_progress(done: int, total: int) -> None:
    """Say how far the measuring is, where a person watches."""
    if is_watched():
        end = "\r" if done < total else "\n"
        print(f"measuring what mattered: {done} of {total}", end=end, file=sys.stderr, flush=True)


def caption_one(captioner: Captioner, picture: str, options: argparse.Namespace) -> int:
    """Print the caption of one picture, or several with their scores; return 1 on a mistake."""
    from ..captioner import captions

    count = options.num_return_sequences or 1
    try:
        cache = look(captioner, picture)
        if count == 1:
            return print_text(captioner, cache, options, name=picture)
        length = {} if options.max_length is None else {"max_length": options.max_length}
        for scored in captions(captioner, cache, num_return_sequences=count, **length):
            row = {"picture": picture, "caption": scored.text, "mean": scored.mean,
                   "log_probability": scored.log_probability, "model": captioner.name}  # fmt: skip
            several = f"{shown(picture)}: " if len(options.pictures) > 1 else ""
            line = f"{several}{scored.mean:8.3f}  {scored.text}"
            print(json.dumps(row) if options.json else line, flush=True)
    except UserError as error:
        return complain(str(error))
    return 0


def print_text(
    captioner: Captioner,
    cache: Cache,
    options: argparse.Namespace,
    question: str | None = None,
    name: str = "",
) -> int:
    """Print one caption or answer, word by word where a person watches; return 1 on a mistake."""
    picture = options.picture if question is not None else name
    several = len(getattr(options, "pictures", getattr(options, "questions", ()))) > 1
    pieces = captioner.stream(cache, question, max_length=options.max_length)
    try:
        first = next(pieces, "")
        if options.json:
            text = first + "".join(pieces)
            kind = "caption" if question is None else "answer"
            asked = {} if question is None else {"question": question}
            row = {"picture": picture, **asked, kind: text, "model": captioner.name}
            print(json.dumps(row), flush=True)
            return 0
        print(f"{shown(question or picture)}: {first}" if several else first, end="", flush=True)
        for piece in pieces:
            print(piece, end="", flush=True)
        print(flush=True)
    except UserError as error:
        return complain(str(error))
    return 0


def drop_output() -> None:
    """Send what is still to be written nowhere, or else Python complains when it ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
