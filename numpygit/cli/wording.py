"""Options of the command line: how pictures are fitted and read, and how captions shall be."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from ..decoding.wording import Wording
from ..errors import NotFoundError, UserError, complain
from ..huggingface.reading import PictureOptions
from ..huggingface.reading.options import DEPTHS, FITS, SAMPLES

WHOLE = (  # options of generate that are whole numbers, and what they do
    ("num_beams", "search with N beams"),
    ("num_return_sequences", "N captions of one picture, with their scores"),
    ("no_repeat_ngram_size", "repeat no N words in a row"),
    ("min_length", "least text tokens, the prompt included"),
    ("max_new_tokens", "most text tokens beside the prompt"),
    ("top_k", "draw from the N likeliest words"),
    ("seed", "of the draw: the same seed gives the same caption"),
)
NUMBERS = (
    ("temperature", "draw words, the likelier the lower X is"),
    ("top_p", "draw from the likeliest words that have the share X of the probability"),
    ("repetition_penalty", "above 1: words that were said become unlikelier"),
    ("length_penalty", "of beams: above 0 longer captions, below 0 shorter ones"),
)
DRAWN = ("temperature", "top_k", "top_p", "seed")  # these ask for a draw


def add_picture_options(command: argparse.ArgumentParser) -> None:
    """Describe how pictures are read and fitted."""
    group = command.add_argument_group("how pictures are read")
    group.add_argument("--fit", choices=FITS, default="crop", help="the centre square; the whole "
                       "picture: out of proportion, or with borders (default: crop)")  # fmt: skip
    group.add_argument("--background", metavar="COLOUR", help="lay transparent pictures on it")
    group.add_argument("--depth", choices=DEPTHS, default="scale",
                       help="greys of 16 bits: scaled, or clipped as Pillow does")  # fmt: skip
    group.add_argument("--to-srgb", action="store_true", help="follow the ICC profile of a file")
    group.add_argument("--no-turn", action="store_true", help="leave out the camera's rotation")
    group.add_argument("--sample", choices=SAMPLES, default="frames",
                       help="frames of a clip evenly by number or by time")  # fmt: skip


def add_word_options(command: argparse.ArgumentParser) -> None:
    """Describe how captions shall be; the names are those of `generate`."""
    group = command.add_argument_group("how words are chosen")
    group.add_argument("--begin", default="", metavar="TEXT", help="the caption continues it")
    group.add_argument("--prefix", default="", metavar="TEXT", help="put before the caption")
    group.add_argument("--suffix", default="", metavar="TEXT", help="put behind the caption")
    group.add_argument(
        "--forbid", action="append", default=[], metavar="WORD", help="may be given several times"
    )
    group.add_argument("--do-sample", action="store_true", help="draw words, see --seed")
    for name, what in WHOLE:
        group.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N", help=what)
    for name, what in NUMBERS:
        group.add_argument(f"--{name.replace('_', '-')}", type=float, metavar="X", help=what)


def picture_options(options: argparse.Namespace) -> PictureOptions:
    """Collect how pictures are read; the defaults for commands that do not ask."""
    if not hasattr(options, "fit"):
        return PictureOptions()
    return PictureOptions(
        turn=not options.no_turn,
        depth=options.depth,
        background=options.background,
        to_srgb=options.to_srgb,
        fit=options.fit,
        sample=options.sample,
    )


def wording(options: argparse.Namespace) -> Wording:
    """Collect how captions shall be; the defaults for commands that do not ask."""
    if not hasattr(options, "begin"):
        return Wording()
    given: dict[str, Any] = {}
    for name, _ in (*WHOLE, *NUMBERS):
        value = getattr(options, name)
        if value is not None:
            given[name] = value
    if given.pop("num_return_sequences", 1) < 1:
        raise UserError("--num-return-sequences must be at least 1")
    if options.do_sample or any(name in given for name in DRAWN):
        given["do_sample"] = True
    return Wording(options.begin, options.prefix, options.suffix, tuple(options.forbid), given)


def version() -> str:
    """Look up the version of this package."""
    from .. import __version__  # the package is complete when a command runs

    return __version__


def add_classify(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Describe the command that chooses from labels."""
    choose = commands.add_parser("classify", parents=[shared], help="choose from labels")
    choose.add_argument("picture", metavar="PICTURE", help="a picture or clip file")
    choose.add_argument("--labels", required=True, metavar="FILE", help="one label a line")
    choose.add_argument(
        "--top", type=int, default=5, metavar="K", help="how many, the likeliest first (default: 5)"
    )


def add_caption(commands: Any, parents: list[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Describe the command that captions, but for what is said of folders and data sets."""
    caption: argparse.ArgumentParser = commands.add_parser(
        "caption", parents=parents, help="say what pictures show"
    )
    caption.add_argument(
        "pictures",
        nargs="+",
        metavar="PICTURE",
        help="pictures and clips: files, folders, patterns, addresses, or - for standard input",
    )
    add_word_options(caption)
    add_picture_options(caption)
    return caption


def read_labels(path: Path) -> list[str]:
    """Read labels, one a line; one that comes again is reported and counts once."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise NotFoundError(f"no such file of labels: {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a text of labels: {error}") from None
    labels = [line.strip() for line in lines if line.strip()]
    if not labels:
        raise UserError(f"{path} has no labels in it; write one a line")
    again = [label for label, times in Counter(labels).items() if times > 1]
    if again:
        complain(f"{path} has labels more than once, each counts once: {', '.join(again)}")
    return list(dict.fromkeys(labels))
