"""What `--help` says beside the options: a sentence and examples for each command, and which
command was meant where none was given.
"""

from __future__ import annotations

import argparse
import difflib
import os
import textwrap
from collections.abc import Sequence
from typing import Any

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif",
            ".mp4", ".mov", ".avi", ".mkv", ".webm")  # fmt: skip

TEXTS = {
    "caption": (
        "Say what pictures or clips show, one line a picture.",
        "numpygit caption photo.jpg                   with microsoft/git-base-coco,\n"
        "                                             706 MB, downloaded once\n"
        "numpygit caption photo.jpg -m storybook      no download, but it knows only\n"
        "                                             its own drawn world\n"
        "numpygit caption holiday/ --output captions.jsonl",
    ),
    "answer": (
        "Answer questions about a picture or clip; it is encoded once for all of them.",
        'numpygit answer photo.jpg "what color is the car?"\n'
        'numpygit answer sign.jpg "what does it say?" -m microsoft/git-base-textvqa',
    ),
    "classify": (
        "Choose the labels that suit a picture best, from a file with one label a line.",
        "numpygit classify photo.jpg --labels labels.txt --top 3",
    ),
    "explain": (
        None,
        "numpygit explain photo.jpg -m storybook -o page.html\n"
        "numpygit explain photo.jpg -o page.html --no-measure",
    ),
    "evaluate": (
        None,
        "numpygit evaluate captions.jsonl --references references.json\n"
        "numpygit evaluate results.json --answers annotations.json --report page.html\n"
        "numpygit evaluate storybook:300 -m storybook",
    ),
    "models": ("List the official checkpoints: names, sizes, what each was made for.",
               "numpygit models"),
    "train": (
        None,
        "numpygit train pictures/ --output my-model --epochs 3\n"
        "numpygit train vqa.json --answers answers.json --pictures photos --output mine",
    ),
    "lesson": (None, "numpygit lesson kites"),
    "play": (
        None,
        "numpygit play                                with storybook, in the browser\n"
        "numpygit play --model microsoft/git-base-coco\n"
        "numpygit play --static site",
    ),
    "trace": (
        "Print one line for every tensor of a run, or save all of them for `numpygit diff`.",
        "numpygit trace photo.jpg -m storybook\n"
        "numpygit trace photo.jpg -m storybook -o ours.safetensors\n"
        "numpygit trace --table",
    ),
    "diff": (
        "Compare two dumps tensor by tensor: the first that differs, and the mistake that makes it "
        "so. The other program may write .safetensors or .npz, with names of its own.",
        "numpygit diff ours.safetensors theirs.npz\n"
        "numpygit diff ours.safetensors theirs.npz --map names.txt --tolerance 0.05",
    ),
    "step": (
        "Walk through a run tensor by tensor: what each is, the line that computed it, a small "
        "picture of it; `pdb` opens the debugger there.",
        "numpygit step photo.jpg -m storybook",
    ),
    "completion": (
        "Print a script that completes commands and options in a shell.",
        "numpygit completion bash >> ~/.bashrc\n"
        "numpygit completion zsh  >> ~/.zshrc\n"
        "numpygit completion fish > ~/.config/fish/completions/numpygit.fish",
    ),
}  # fmt: skip

FIRST = (
    "numpygit caption photo.jpg                   caption a photograph: downloads\n"
    "                                             microsoft/git-base-coco, 706 MB\n"
    "numpygit caption photo.jpg -m storybook      the same with the small bundled\n"
    "                                             model, for its own drawings\n"
    "numpygit play                                open a page to try everything\n"
    "numpygit COMMAND --help                      a command, with examples"
)


def describe(top: argparse.ArgumentParser, commands: Any) -> None:
    """Give every command its description and examples."""
    top.formatter_class = argparse.RawDescriptionHelpFormatter
    top.epilog = f"to begin with:\n{indented(FIRST)}"
    for name, command in commands.choices.items():
        command.usage = usage(command)
        for group in command._action_groups:
            group.description = group.description and wrapped(group.description, 76)
        sentence, examples = TEXTS.get(name, (None, ""))
        command.description = command.description or sentence or helps(commands, name)
        if examples:
            command.formatter_class = argparse.RawDescriptionHelpFormatter
            command.description = wrapped(command.description)
            before = f"{wrapped(command.epilog)}\n\n" if command.epilog else ""
            command.epilog = f"{before}examples:\n{indented(examples)}"


def helps(commands: Any, name: str) -> str:
    """Make a sentence of the line that stands in the list of commands."""
    line = next((one.help for one in commands._choices_actions if one.dest == name), None) or name
    return f"{line[0].upper()}{line[1:]}."


def usage(command: argparse.ArgumentParser) -> str:
    """Write a usage of one line: what must be given; the options are listed below it."""
    required, positional = [], []
    for action in command._actions:
        name = str(action.metavar)
        if not action.option_strings:
            shown = "{" + ",".join(action.choices) + "}" if action.choices else name
            positional.append({"+": f"{name} [{name} ...]", "?": f"[{name}]"}.get(
                str(action.nargs), shown))  # fmt: skip
        elif action.required:
            required.append(f"{action.option_strings[0]} {name}")
    return " ".join(["%(prog)s [options]", *required, *positional])


def wrapped(text: str, width: int = 78) -> str:
    """Break a description into lines, which the raw formatter does not."""
    return textwrap.fill(text.strip(), width)


def indented(text: str) -> str:
    """Put two spaces before each line."""
    return "\n".join(f"  {line}" for line in text.splitlines())


def meant(arguments: Sequence[str], commands: Sequence[str]) -> str:
    """Say which command was meant by `numpygit PICTURE`, or a misspelt one; "" if one was given."""
    if not arguments or arguments[0] in commands or arguments[0].startswith("-"):
        return ""
    first = arguments[0]
    near = difflib.get_close_matches(first, commands, 1)
    if near:
        return f"{first!r} is no command; did you mean `numpygit {near[0]}`?"
    is_picture = first.lower().endswith(PICTURES) or os.path.exists(first)
    if not is_picture:
        return ""
    what = "its pictures show" if os.path.isdir(first) else "it shows"
    return (
        f"{first!r} is no command; `numpygit caption {first}` says what {what}, "
        f'`numpygit answer {first} "QUESTION"` answers, `numpygit --help` lists the others'
    )
