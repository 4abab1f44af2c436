"""`numpygit train` teaches a model from pictures with texts; `numpygit lesson` draws some."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from .wording import KINDS, SCHEDULES

if TYPE_CHECKING:
    from tqdm import tqdm

    from ..learning.curves import Line

ABOUT = """
A killed training goes on where it last saved when the same command is given again, to the same
weights. Padding is never a label here, so losses are higher than those of the Hugging Face guide,
whose labels are mostly padding: compare what models say, not losses.
"""


def add_commands(commands: Any) -> None:
    """Describe both commands."""
    parser = commands.add_parser(
        "train", help="teach a model from pictures with texts", epilog=ABOUT
    )
    parser.add_argument(
        "data", nargs="+", metavar="DATA", help="a folder of pictures with .txt or .caption files "
        "or metadata.jsonl, or a file of COCO, VQA, TSV, tar or parquet",
    )  # fmt: skip
    add_where(parser)
    add_how(parser)
    lesson = commands.add_parser(
        "lesson", help="draw pictures of a new word, kite, to teach storybook"
    )
    lesson.add_argument("folder", metavar="FOLDER", help="where to write them")
    lesson.add_argument("--pictures", type=int, default=256, metavar="N",
                        help="pictures with a kite (default: 256)")  # fmt: skip
    lesson.add_argument("--old", type=int, default=256, metavar="N",
                        help="pictures without one, against forgetting (default: 256)")  # fmt: skip
    lesson.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the scenes (default: 0)"
    )


def add_where(parser: argparse.ArgumentParser) -> None:
    """Describe what is read and written."""
    add = parser.add_argument
    add("-m", "--model", default="storybook", metavar="NAME",
        help="to begin with: 'storybook', an id on the Hugging Face Hub, or a folder "
        "(default: storybook)")  # fmt: skip
    add(
        "--output",
        required=True,
        metavar="DIR",
        help="for the model, its curves, and what is needed to go on",
    )
    add("--answers", metavar="FILE", help="the texts, where they are in a second file: VQA, TSV")
    add("--pictures", metavar="DIR", help="where the pictures are that a file names")
    add("--validation", default="0.1", metavar="SHARE|DATA",
        help="a share of the pictures to hold back, or other data (default: 0.1)")  # fmt: skip
    add("--threads", type=int, metavar="N", help="cores to use (default: all that are allowed)")


def add_how(parser: argparse.ArgumentParser) -> None:
    """Describe how to train."""
    add, unset = parser.add_argument, argparse.SUPPRESS  # the defaults are those of Settings
    add("--train", dest="what", default="all", metavar="WHAT",
        help=f"what is trained: {', '.join(KINDS)} (default: all); text is the text decoder, "
        "last:N its last N layers, head the vocabulary head, lora:R LoRA of rank R")  # fmt: skip
    add("--epochs", type=float, default=unset, metavar="N", help="over the data (default: 10)")
    add("--steps", type=int, metavar="N", help="how many steps, instead of epochs")
    add("--batch", type=int, default=unset, metavar="N", help="pictures in a batch (default: 32)")
    add("--accumulate", type=int, default=1, metavar="N",
        help="batches whose gradients make a step (default: 1)")  # fmt: skip
    add("--rate", type=float, metavar="R",
        help="learning rate (default: 5e-5 * 768 / width; LoRA and head: 10 x that)")  # fmt: skip
    add("--schedule", choices=SCHEDULES, default=unset,
        help="how the learning rate falls (default: linear)")  # fmt: skip
    add("--warm-up", type=float, default=unset, metavar="SHARE",
        help="share of the steps in which the learning rate rises (default: 0.1)")  # fmt: skip
    add("--optimizer", choices=("adamw", "muon"), default=unset,
        help="muon: for matrices of layers, adamw for the rest (default: adamw)")  # fmt: skip
    add("--decay", type=float, default=unset, metavar="D", help="weight decay (default: 0.01)")
    add("--smoothing", type=float, default=0.0, metavar="S",
        help="label smoothing (default: 0; the authors' code: 0.1)")  # fmt: skip
    add("--augment", action="store_true", help="crop pictures at random, as the authors do")
    add("--merge", action="store_true", help="with LoRA, write the whole model too")
    add("--save-every", type=int, default=100, metavar="N",
        help="steps between two saved states (default: 100)")  # fmt: skip
    add("--look-every", type=int, metavar="N",
        help="steps between two validations (default: an epoch)")  # fmt: skip
    add("--seed", type=int, default=0, metavar="N",
        help="of the order, LoRA and crops (default: 0)")  # fmt: skip


def run_command(options: argparse.Namespace) -> int:
    """Do what was asked."""
    if options.command == "lesson":
        from ..learning.lessons.kite import draw_lesson

        folder = draw_lesson(
            options.folder, pictures=options.pictures, old=options.old, seed=options.seed
        )
        print(f"{folder}: {options.pictures} pictures with a kite, {options.old} without")
        return 0
    from ..learning.settings import Settings
    from ..learning.train import train

    values = vars(options)
    settings = {name: values[name] for name in Settings.__dataclass_fields__ if name in values}
    share = as_share(options.validation)
    settings["validation"] = share or 0.0
    progress = Progress()
    train(
        options.data if len(options.data) > 1 else options.data[0],
        options.model,
        output=options.output,
        answers=options.answers,
        pictures=options.pictures,
        validation_data=options.validation if share is None else None,
        threads=options.threads,
        observe=progress,
        **settings,
    )
    progress.close()
    print(f"{options.output}: the model; {options.output}/curves.html: what happened")
    return 0


def as_share(text: str) -> float | None:
    """Read a share; None for what is no number, and so a place where other data lies."""
    try:
        return float(text)
    except ValueError:
        return None


class Progress:
    """A line that shows loss, rate, pictures a second and the time left; looks get lines of their
    own.
    """

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None

    def __call__(self, line: Line, total: int) -> None:
        if self.bar is None:
            from tqdm import tqdm

            self.bar = tqdm(
                initial=line.step - 1, total=total, unit="step", file=sys.stderr, disable=None
            )
        self.bar.update(1)
        self.bar.set_postfix_str(
            f"loss {line.loss:.4f}, rate {line.rate:.1e}, {line.pictures_per_second:.0f} pictures/s"
        )
        if line.validation_loss is not None:
            self.bar.clear()
            print(as_text(line), flush=True)

    def close(self) -> None:
        """End the line."""
        if self.bar is not None:
            self.bar.close()


def as_text(line: Line) -> str:
    """Say what a look found, with one sample."""
    text = f"step {line.step}: loss {line.loss:.4f}, held back {line.validation_loss:.4f}, "
    text += f"{100 * (line.exact_match or 0):.1f} % of texts right word for word"
    if line.cider is not None:
        text += f", CIDEr-D {line.cider:.2f}"
    samples = json.loads(line.samples or "[]")
    if samples:
        key, wanted, caption = samples[line.step % len(samples)]
        text += f"; {key}: {caption!r}" + ("" if caption == wanted else f", not {wanted!r}")
    return text
