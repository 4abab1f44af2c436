"""`numpygit completion SHELL`: a script for bash, zsh or fish, made from the parser itself."""

from __future__ import annotations

import argparse
from typing import Any

SHELLS = ("bash", "zsh", "fish")


def add_command(commands: Any) -> None:
    """Describe the command."""
    command = commands.add_parser("completion", help="complete commands and options in a shell")
    command.add_argument("shell", choices=SHELLS, help="whose language the script is in")


def options_of(command: argparse.ArgumentParser) -> list[str]:
    """List the options of a command."""
    return [option for action in command._actions for option in action.option_strings]


def script(shell: str, commands: dict[str, argparse.ArgumentParser]) -> str:
    """Write the script."""
    if shell == "fish":
        return fish(commands)
    before = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return before + bash(commands)


def bash(commands: dict[str, argparse.ArgumentParser]) -> str:
    """Write a function for bash: commands first, then the options of the command, or files."""
    cases = "\n".join(
        f"    {name}) words='{' '.join(options_of(command))}' ;;"
        for name, command in commands.items()
    )
    return f"""\
_numpygit() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{" ".join(commands)}' -- "$word")); return
  fi
  case ${{COMP_WORDS[1]}} in
{cases}
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}}
complete -o filenames -F _numpygit numpygit
"""


def fish(commands: dict[str, argparse.ArgumentParser]) -> str:
    """Write lines for fish."""
    lines = [f"complete -c numpygit -n __fish_use_subcommand -f -a '{' '.join(commands)}'"]
    for name, command in commands.items():
        seen = f"-n '__fish_seen_subcommand_from {name}'"
        for option in options_of(command):
            kind = "-l" if option.startswith("--") else "-s"
            lines.append(f"complete -c numpygit {seen} {kind} {option.lstrip('-')}")
    return "\n".join(lines) + "\n"
