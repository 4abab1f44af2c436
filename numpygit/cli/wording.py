"""Options of the command line: how pictures are read, how captions shall be, what commands take."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError, complain

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
    ("num_beams", "beam search with N beams"),
    ("num_return_sequences", "N captions of one picture, with their scores"),
    ("no_repeat_ngram_size", "no N tokens in a row come twice"),
    ("min_length", "at least N text tokens, the prompt included"),
    ("max_new_tokens", "at most N text tokens after the prompt"),
    ("top_k", "draw from the N likeliest tokens only"),
    ("seed", "of the draws: the same seed gives the same caption"),
)
NUMBERS = (
    ("temperature", "draw words; below 1 likely ones come more often, above 1 less"),
    ("top_p", "draw from the likeliest tokens, whose probabilities add up to X (nucleus)"),
    ("repetition_penalty", "above 1: tokens that came before become less likely"),
    ("length_penalty", "beam search: above 0 prefers longer captions, below 0 shorter"),
)
MOST_LABELS = 2**24  # bytes of a file of labels
DRAWN = ("temperature", "top_k", "top_p", "seed")  # these ask for a draw


def add_picture_options(command: argparse.ArgumentParser) -> None:
    """Describe how pictures are read and fitted."""
    group = command.add_argument_group("how pictures are read")
    group.add_argument("--fit", choices=FITS, default="crop", help="crop: the centre square; "
                       "squash: all, distorted; pad: all and borders (default: crop)")  # fmt: skip
    group.add_argument(
        "--background",
        metavar="COLOUR",
        help="put behind transparent pictures, such as white or #808080",
    )
    group.add_argument("--depth", choices=DEPTHS, default="scale",
                       help="16-bit greys to 8 bits: scaled, or clipped at 255 as Pillow does "
                       "(default: scale)")  # fmt: skip
    group.add_argument(
        "--to-srgb", action="store_true", help="convert colours to sRGB by the file's ICC profile"
    )
    group.add_argument(
        "--no-turn", action="store_true", help="ignore the orientation that the camera noted (EXIF)"
    )
    group.add_argument("--sample", choices=SAMPLES, default="frames",
                       help="frames of a clip: evenly by number or by time")  # fmt: skip


def add_word_options(command: argparse.ArgumentParser) -> None:
    """Describe how captions shall be; the names are those of `generate`."""
    group = command.add_argument_group("how words are chosen")
    group.add_argument(
        "--begin",
        default="",
        metavar="TEXT",
        help="captions begin with TEXT, and the model goes on from there",
    )
    group.add_argument(
        "--prefix",
        default="",
        metavar="TEXT",
        help="put before each caption; the model does not see it",
    )
    group.add_argument("--suffix", default="", metavar="TEXT", help="put after each caption")
    group.add_argument(
        "--forbid",
        action="append",
        default=[],
        metavar="WORD",
        help="a word that no caption may contain; may be given several times",
    )
    group.add_argument(
        "--do-sample",
        action="store_true",
        help="draw words at random by their probability; see --seed",
    )
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
    choose.add_argument(
        "--labels", required=True, metavar="FILE", help="a text file, one label a line"
    )
    choose.add_argument(
        "--top", type=int, default=5, metavar="K", help="print the K likeliest (default: 5)"
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
    from ..loading.formats.small_files import read_text

    lines = read_text(path, longest=MOST_LABELS).split("\n")
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
        "the model runs about 150 times more, each time with a part of the picture hidden.",
    )
    add_picture_options(explain)
    explain.add_argument("picture", metavar="PICTURE", help="a picture or clip file")
    explain.add_argument("--question", metavar="TEXT", help="explain the answer to this question")
    explain.add_argument(
        "-o", "--output", required=True, metavar="PAGE.html", help="the file to write"
    )
    explain.add_argument(
        "--no-measure",
        action="store_true",
        help="do not measure what mattered: about ten times faster",
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
    group.add_argument("--format", choices=FORMATS, help="of --output (default: by its ending)")
    group.add_argument(
        "--pictures", dest="folder", metavar="DIR", help="where the pictures are that a file names"
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
        help="processes, which share the mapped weights: for many pictures; --threads is for a few",
    )
    group.add_argument(
        "--engine", choices=ENGINES, default="local", help="ray: run on a Ray cluster"
    )
    group.add_argument("--address", metavar="ADDRESS", help="of the Ray cluster (default: local)")


def add_evaluate(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    command = commands.add_parser(
        "evaluate",
        parents=parents,
        help="score captions or answers against references",
        description="Score captions (BLEU, ROUGE-L, CIDEr-D, exact match, WER) or answers (VQA "
        "accuracy). RESULTS: COCO's or VQA's results, .jsonl, .csv, .tsv, .parquet, .tar, or a "
        "folder with text files. With --model, RESULTS is a folder or data set that this model "
        "captions first; storybook:3000 draws 3,000 scenes of the bundled model's world.",
    )
    command.add_argument(
        "results", metavar="RESULTS", help="captions or answers; with --model: pictures"
    )
    command.add_argument(
        "--references",
        "--questions",
        metavar="FILE",
        help="the right captions, or VQA's questions: any data set",
    )
    command.add_argument("--answers", metavar="FILE", help="VQA's annotations, or a .tsv of texts")
    command.add_argument(
        "--pictures", metavar="DIR", help="where the pictures are that a file names"
    )
    add_scoring(command)


def add_scoring(command: argparse.ArgumentParser) -> None:
    """Describe how a model captions first, what is measured, and where the scores go."""
    command.add_argument("--output", metavar="FILE", help="with --model: write its captions there")
    command.add_argument("--max-length", type=int, metavar="N", help="at most N text tokens")
    command.add_argument(
        "--batch-size", type=int, default=8, metavar="N", help="pictures in a batch (default: 8)"
    )
    command.add_argument("--workers", type=int, metavar="N", help="processes, for many pictures")
    command.add_argument(
        "--java", action=argparse.BooleanOptionalAction, help="Stanford's tokeniser and METEOR "
        "(default: where java and the extra [evaluate] are there)",
    )  # fmt: skip
    command.add_argument(
        "--spice", action=argparse.BooleanOptionalAction, help="SPICE, which downloads 400 MB at "
        "its first use (default: where java is and it has done so)",
    )  # fmt: skip
    command.add_argument(
        "--per-picture", metavar="FILE", help="write the scores of each picture (.jsonl)"
    )
    command.add_argument(
        "--report", metavar="PAGE.html", help="write a page with the best and worst pictures"
    )


def add_inside(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Describe the three commands."""
    run = argparse.ArgumentParser(add_help=False)
    add_picture_options(run)
    run.add_argument(
        "--question", metavar="TEXT", help="the answer to this question, not a caption"
    )
    run.add_argument(
        "--cached",
        action="store_true",
        help="word by word with the KV cache, as "
        "captions are generated (word.0.logits, ...), not in one pass over the whole text",
    )
    trace = commands.add_parser(
        "trace", parents=[shared, run], help="print or save every tensor of a run"
    )
    trace.add_argument("picture", nargs="?", metavar="PICTURE", help="a picture or clip file")
    trace.add_argument("-o", "--output", metavar="FILE", help="save all tensors (.safetensors)")
    trace.add_argument(
        "--only", action="append", default=[], metavar="NAME",
        help="only these names, such as 'text.*.weights'; may be given several times",
    )  # fmt: skip
    trace.add_argument(
        "--no-noise", action="store_true", help="save without a second run in float64, which "
        "measures how far rounding moves each tensor; `diff` allows that much",
    )  # fmt: skip
    trace.add_argument(
        "--backward", action="store_true", help="the gradient of every tensor in place of the "
        "tensor; the loss is that of the words that the model generates",
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
