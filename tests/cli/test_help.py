"""The first ten minutes: help with examples, the command that was meant, completion, Ctrl-C.

Checks cli/completion.py, cli/help_texts.py.
"""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from numpygit.cli import commands
from numpygit.cli.commands import INTERRUPTED, commands_of, main, parser
from numpygit.storybook import EXAMPLES

NAMES = list(commands_of(parser()))
PICTURE = str(EXAMPLES / "relation.png")


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_a_description(name):
    command = commands_of(parser())[name]
    assert command.description
    assert len(command.description) > 20


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_commands_that_parse(name, capsys):
    _, _, examples = (commands_of(parser())[name].epilog or "").partition("examples:\n")
    lines = [line for line in examples.splitlines() if line.strip().startswith("numpygit ")]
    assert lines
    for line in lines:
        words = shlex.split(line.partition("      ")[0].split(">")[0])
        assert parser().parse_args(words[1:]).command == name


def test_a_picture_without_a_command_is_told_which_was_meant(capsys):
    assert main([PICTURE]) == 2
    err = capsys.readouterr().err
    assert f"`numpygit caption {PICTURE}` says what it shows" in err
    assert err.count("\n") == 1
    assert main(["nowhere.jpg"]) == 2
    assert "numpygit caption nowhere.jpg" in capsys.readouterr().err


def test_a_misspelt_command_is_told_which_was_meant(capsys):
    assert main(["captoin", PICTURE]) == 2
    said = capsys.readouterr().err
    assert said == "numpygit: 'captoin' is no command; did you mean `numpygit caption`?\n"


def test_without_a_command_the_help_is_shown(capsys):
    assert main([]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("usage: numpygit")
    assert all(f"    {name}" in shown.err for name in NAMES)


@pytest.mark.parametrize("name", ["", *NAMES])
def test_help_fits_a_terminal_of_80_columns(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    command = commands_of(parser())[name] if name else parser()
    assert [line for line in command.format_help().splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_option_says_what_it_is_for(name):
    for action in commands_of(parser())[name]._actions:
        assert action.help or action.choices, action
        assert not (action.help or "").startswith("("), f"{action.help} is a default alone"


def test_a_usage_is_one_line_with_what_must_be_given(capsys):
    with pytest.raises(SystemExit):
        main(["classify", PICTURE])
    usage, *_, said = capsys.readouterr().err.splitlines()
    assert usage == "usage: numpygit classify [options] --labels FILE PICTURE"
    assert said == "numpygit classify: error: the following arguments are required: --labels"


def test_the_model_has_a_short_option(capsys):
    assert main(["caption", PICTURE, "-m", "storybook"]) == 0
    assert capsys.readouterr().out == "an orange fish in front of a green boat\n"


def test_interrupted_is_130(monkeypatch, capsys):
    def interrupted(**given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("numpygit.captioner.load", interrupted)
    assert main(["caption", "-m", "storybook", PICTURE]) == INTERRUPTED == 130
    assert capsys.readouterr().err == "numpygit: stopped\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_all_commands_and_their_options(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for name, command in commands_of(parser()).items():
        assert name in script
        for action in command._actions:
            for option in action.option_strings:
                assert option.lstrip("-") in script


def test_bash_completes(capsys):
    main(["completion", "bash"])
    script = capsys.readouterr().out
    for typed, wanted in ((["cap"], "caption"), (["diff", "--tol"], "--tolerance")):
        words = " ".join(["numpygit", *typed])
        ask = f'COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _numpygit; echo "${{COMPREPLY[@]}}"'
        ran = subprocess.run(
            ["bash", "-c", script + ask], capture_output=True, text=True, check=True
        )
        assert ran.stdout.split() == [wanted]


def test_a_folder_ends_with_a_summary(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(Path(PICTURE).read_bytes())
    (tmp_path / "b.png").write_bytes(b"no picture")
    assert main(["caption", str(tmp_path), "-m", "storybook"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("numpygit: 1 captioned, ")
    assert last.endswith(" s each, 0 had one already, 1 failed")


def test_python_dash_m_is_the_same():
    ran = subprocess.run(
        [sys.executable, "-m", "numpygit", "completion", "bash"], capture_output=True
    )
    assert ran.returncode == 0
    assert b"_numpygit" in ran.stdout


def test_the_size_is_said_before_a_download(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("numpygit.captioner.load", lambda **given: None)
    options = parser().parse_args(["caption", PICTURE, "-m", "microsoft/git-base-coco"])
    commands.load_model(options)
    said = capsys.readouterr().err
    assert said == "numpygit: microsoft/git-base-coco is not on this computer yet: 706 MB, once\n"
    options.offline = True
    commands.load_model(options)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_verbose_says_what_is_done_and_nothing_else_changes(tmp_path):
    command = [sys.executable, "-m", "numpygit", "caption", PICTURE, "-m", "storybook"]
    quiet = subprocess.run(command, capture_output=True, text=True, check=True)
    told = subprocess.run([*command, "-v"], capture_output=True, text=True, check=True)
    assert quiet.stderr == ""
    assert told.stdout == quiet.stdout
    assert told.stderr.startswith("numpygit: weights: ")
    assert told.stderr.strip().endswith("model.safetensors")
