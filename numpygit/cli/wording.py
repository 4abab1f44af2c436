"""Options of the command line: how pictures are read, how captions shall be, what commands take."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import NotFoundError, UserError, complain

if TYPE_CHECKING:
    from ..decoding.wording import Wording
    from ..huggingface.reading import PictureOptions

# No room is imported with this file, so that --help is quick; a test holds these names equal.
FORMATS = ("jsonl", "csv", "coco", "vqa", "tar", "parquet")  # as in data/sinks
PREPROCESSING = ("hf", "original")  # as in huggingface/processing/processor.py
KINDS = ("all", "text", "last:N", "head", "lora:R")  # as in learning/parameters.py
SCHEDULES = ("linear", "cosine", "constant")  # as in learning/optimizers.py
FITS, DEPTHS = ("crop", "squash", "pad"), ("scale", "clip")  # as in huggingface/reading
SAMPLES = ("frames", "time")
EXISTING = ("skip", "overwrite", "append")  # as in data/sinks/files.py
ENGINES = ("local", "ray")
EXIT_CODES = "The exit code is 0 if all tensors that both hold agree, and else 1."
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
    from ..huggingface.reading import PictureOptions

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
    from ..decoding.wording import Wording

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
    add_picture_options(choose)
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


def add_explain(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Describe the command that makes a page."""
    explain = commands.add_parser(
        "explain",
        parents=parents,
        help="make a page that shows how a caption came about",
        description="Make one page that shows how a caption or an answer came about. Words are "
        "chosen greedily, at most 24 unless --max-length says more. To measure what mattered, "
        "the picture is looked at about 150 times more, with parts of it hidden.",
    )
    add_picture_options(explain)
    explain.add_argument("picture", metavar="PICTURE", help="a picture or clip file")
    explain.add_argument("--question", metavar="TEXT", help="a question, in quotes")
    explain.add_argument("-o", "--output", required=True, metavar="PAGE.html", help="the page")
    explain.add_argument(
        "--no-measure", action="store_true", help="leave out what mattered: about ten times faster"
    )


def add_dataset_options(caption: argparse.ArgumentParser) -> None:
    """Describe what is said of data sets."""
    group = caption.add_argument_group(
        "data sets and many machines",
        "Tables (metadata.jsonl, .csv), COCO's and VQA's .json, the authors' .tsv, shards (.tar) "
        "and .parquet hold many pictures; questions are answered. --output may also be "
        "results.json for COCO's or VQA's servers, a new .tar, or .parquet. Each run goes on "
        "where the last one was stopped.",
    )
    group.add_argument("--format", choices=FORMATS, help="of the output (default: by its ending)")
    group.add_argument(
        "--pictures", dest="folder", metavar="DIR", help="the folder of pictures that a file names"
    )
    group.add_argument(
        "--shard",
        metavar="I/N",
        help="only the share I of N, from 0/N on; captions.jsonl becomes captions-I-of-N.jsonl",
    )
    group.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes, which share the mapped weights: for "
        "many pictures (--threads is for a few)",
    )
    group.add_argument("--engine", choices=ENGINES, default="local", help="ray: on a Ray cluster")
    group.add_argument("--address", metavar="ADDRESS", help="of the Ray cluster (default: local)")


def add_evaluate(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    command = commands.add_parser(
        "evaluate",
        parents=parents,
        help="score captions or answers against references",
        description="Score captions (BLEU, ROUGE-L, CIDEr-D, exact match, WER) or answers (VQA "
        "accuracy). RESULTS: COCO's or VQA's results, .jsonl, .csv, .tsv, .parquet, .tar, or a "
        "folder with text files. With --model, RESULTS is what is to be captioned first; "
        "storybook:3000 draws 3,000 scenes of the bundled model's world.",
    )
    command.add_argument("results", metavar="RESULTS", help="what was said, or with --model: where")
    command.add_argument(
        "--references", "--questions", metavar="FILE", help="what should be said: any data set"
    )
    command.add_argument("--answers", metavar="FILE", help="VQA's annotations, or a .tsv of texts")
    command.add_argument("--pictures", metavar="DIR", help="the folder of pictures a file names")
    command.add_argument("--output", metavar="FILE", help="with --model: keep what was said")
    command.add_argument("--max-length", type=int, metavar="N", help="most text tokens")
    command.add_argument("--batch-size", type=int, default=8, metavar="N", help="pictures at once")
    command.add_argument("--workers", type=int, metavar="N", help="processes, for many pictures")
    command.add_argument(
        "--java", action=argparse.BooleanOptionalAction, help="Stanford's tokeniser and METEOR "
        "(default: where java and the extra [evaluate] are there)",
    )  # fmt: skip
    command.add_argument(
        "--spice", action=argparse.BooleanOptionalAction, help="SPICE, which downloads 400 MB at "
        "its first use (default: where java is and it has done so)",
    )  # fmt: skip
    command.add_argument("--per-picture", metavar="FILE", help="write a .jsonl of every picture")
    command.add_argument("--report", metavar="PAGE.html", help="make a page with the pictures")
    command.set_defaults(model=None)


def add_inside(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Describe the three commands."""
    run = argparse.ArgumentParser(add_help=False)
    add_picture_options(run)
    run.add_argument("--question", metavar="Q", help="answer this question, else caption")
    run.add_argument(
        "--cached", action="store_true", help="word by word, as captions are made: word.0.logits"
    )
    trace = commands.add_parser(
        "trace", parents=[shared, run], help="print or save every tensor of a run"
    )
    trace.add_argument("picture", nargs="?", metavar="PICTURE", help="a picture or clip file")
    trace.add_argument("-o", "--output", metavar="FILE", help="save as FILE.safetensors")
    trace.add_argument(
        "--only", action="append", default=[], metavar="NAME",
        help="only these names, such as 'text.*.weights'; may be given several times",
    )  # fmt: skip
    trace.add_argument(
        "--no-noise", action="store_true", help="save without the second run, in float64, that "
        "measures the rounding of each tensor for `diff`",
    )  # fmt: skip
    trace.add_argument(
        "--backward", action="store_true", help="gradients of the loss of its own words, of every "
        "tensor, in place of the tensors",
    )  # fmt: skip
    trace.add_argument("--table", action="store_true", help="list the names and their meanings")
    add_diff(commands)
    step = commands.add_parser(
        "step", parents=[shared, run], help="walk through a run, tensor by tensor"
    )
    step.add_argument("picture", metavar="PICTURE", help="a picture or clip file")


def add_diff(commands: Any) -> None:
    """Describe `diff`."""
    diff = commands.add_parser(
        "diff", help="find the first tensor in which two runs differ", epilog=EXIT_CODES
    )
    diff.add_argument("ours", metavar="OURS", help="a trace of numpygit")
    diff.add_argument(
        "theirs",
        metavar="THEIRS",
        help="another trace, or a .safetensors or .npz of another program",
    )
    diff.add_argument(
        "-m", "--model", metavar="NAME", help="whose weights help to find the cause (default: the "
        "one that OURS was made with)",
    )  # fmt: skip
    diff.add_argument(
        "--map", metavar="FILE", help="names of theirs: lines `their.{i}.name = text.{i}.q`, or "
        "JSON; our own names and those of Hugging Face and TransformerLens need none",
    )  # fmt: skip
    diff.add_argument(
        "--tolerance", type=float, metavar="X", help="how far apart tensors may be, relative to "
        "their size, for ports that are not float32 by design (bfloat16: 0.05)",
    )  # fmt: skip
    diff.add_argument("--all", action="store_true", help="go on after the first difference")
    diff.add_argument(
        "--json", action="store_true", help="print one JSON object a tensor, and a last one with "
        "the first difference, its causes and the notes",
    )  # fmt: skip
