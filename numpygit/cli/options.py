"""What the commands with many options take. No room is imported here, so that --help is quick."""

from __future__ import annotations

import argparse
from typing import Any

FORMATS = ("jsonl", "csv", "coco", "vqa", "tar", "parquet")  # as in data/sinks
PREPROCESSING = ("hf", "original")  # as in huggingface/processing/processor.py
KINDS = ("all", "text", "last:N", "head", "lora:R")  # as in learning/parameters.py
SCHEDULES = ("linear", "cosine", "constant")  # as in learning/optimizers.py
ENGINES = ("local", "ray")
EXIT_CODES = "The exit code is 0 if all tensors that both hold agree, and else 1."


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
        "--workers", type=int, metavar="N", help="processes, which share the mapped weights"
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
    command.add_argument("--workers", type=int, metavar="N", help="processes")
    command.add_argument("--java", action="store_true", help="Stanford's tokeniser and METEOR too")
    command.add_argument(
        "--spice", action="store_true", help="SPICE too; it downloads 400 MB at its first use"
    )
    command.add_argument("--per-picture", metavar="FILE", help="write a .jsonl of every picture")
    command.add_argument("--report", metavar="PAGE.html", help="make a page with the pictures")
    command.set_defaults(model=None)


def add_inside(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Describe the three commands."""
    run = argparse.ArgumentParser(add_help=False)
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
