"""Commands stand in groups by role, and the command line says what to do first."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import click
import typer
from every import cases
from typer.testing import CliRunner

from cfedge.cli import app
from cfedge.cli.panels import PANELS

GROUP = typer.main.get_command(app)
assert isinstance(GROUP, click.Group)
COMMANDS = GROUP.commands


def test_every_command_stands_in_one_panel() -> None:
    placed = [name for names in PANELS.values() for name in names]
    assert sorted(placed) == sorted(COMMANDS)


def test_help_lists_the_panels_in_order() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    titles = re.findall(r"^(\w+):$", shown.partition("Options:")[2], re.MULTILINE)
    assert titles == list(PANELS)


@cases("command", ["add", "compare"])
def test_options_that_few_need_stand_last_under_a_heading_of_their_own(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"]).output
    usual, _, expert = shown.partition("\nOptions:\n")[2].partition("\nExpert:\n")
    for option in ("--orthogonality", "--l1", "--l2", "--penalty", "--pool-limit", "--max-rank"):
        assert f"\n  {option} " in f"\n{expert}"
        assert f"\n  {option} " not in usual
    assert "\n  --seed " in f"\n{usual}"
    assert "\n  --seed " not in expert


def test_asked_nothing_it_says_what_to_do_first() -> None:
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 0
    named = re.findall(r"^  cfedge (\w+)", done.output, re.MULTILINE)
    assert named == ["demo", "init", "add", "export", "predict"]
    assert "For pictures: cfedge init ws --backbone lite0" in done.output
    assert max(map(len, done.output.splitlines())) <= 80
    for word, meant in {
        "teach": "add",
        "Train": "add",
        "test": "evaluate",
        "run": "predict",
    }.items():
        said = CliRunner().invoke(app, [word])
        assert (
            said.exit_code,
            f"No such command {word!r}. Did you mean {meant!r}?" in said.output,
        ) == (2, True)


@cases("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands(shell: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "from cfedge.cli import main; main()"],
        env={
            "_CFEDGE_COMPLETE": f"complete_{shell}",
            "_TYPER_COMPLETE_ARGS": "cfedge exp",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            "COMP_WORDS": "cfedge exp",
            "COMP_CWORD": "1",
            "PYTHONPATH": ":".join(sys.path),
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "export" in shown
    assert "predict" not in shown


def _walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _walk(inner, f"{path} {name}")


EVERY = [pair for name, command in COMMANDS.items() for pair in _walk(command, name)]


@cases(("path", "command"), EVERY)
def test_help_begins_with_a_sentence_that_a_list_holds_and_has_an_example(
    path: str, command: click.Command
) -> None:
    first = (command.help or "").split("\n")[0]
    assert 0 < len(first) <= 45, first
    assert first[0].isupper()
    assert first.endswith(".")
    assert f"Example: cfedge {path}" in (command.epilog or "")


#: With one of these a phrase begins that says nothing of what.
NO_SUBJECT = {"as", "for", "in", "of", "otherwise", "to", "where", "which", "with", "without"}


@cases(("path", "command"), EVERY)
def test_every_option_says_of_what(path: str, command: click.Command) -> None:
    for option in command.params:
        told = getattr(option, "help", None) or ""
        first = told.split(" ")[0].strip(",:").lower()
        assert len(told.split()) >= 2, f"{path} {option.name}: {told!r}"
        assert told[0].isupper(), f"{path} {option.name}: {told!r}"
        assert first not in NO_SUBJECT, f"{path} {option.name}: {told!r}"
        assert told.endswith((".", "?", "]", ")")), f"{path} {option.name}: {told!r}"
