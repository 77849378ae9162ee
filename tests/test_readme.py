"""README's commands run and print what it shows, and its figures are those of committed results."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run_code
from once import run_command

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
MOST_WORDS = 600


def test_it_has_at_most_600_words() -> None:
    assert len(README.split()) <= MOST_WORDS


def test_figures_are_those_of_the_committed_results() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "readme.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_make_targets_named_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = set(re.findall(r"make ([a-z]+)", README)) - {"sure"}
    assert named >= {"install", "test"}
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_ci_runs_readmes_own_test_command() -> None:
    assert re.search(r"^make test$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    "whole",
    [pytest.param(False, marks=pytest.mark.slow), pytest.param(True, marks=pytest.mark.soak)],
)
def test_a_newcomers_first_commands_print_what_is_shown(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, whole: bool
) -> None:
    """The real encoder, from nothing to an answer; numbers may differ by machine. A ninth
    of the pictures teaches the same, and all of them are learned from in `make soak`.
    """
    (tmp_path / "cfedge" / "demo").mkdir(parents=True)
    (tmp_path / "cfedge" / "demo" / "building").symlink_to(ROOT / "cfedge" / "demo" / "building")
    for command, shown in _console():
        if command.startswith(". "):
            continue
        assert command.startswith("cfedge "), command
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', command)][1:]
        done = run_command(words, tmp_path, tmp_path_factory)
        assert done.returncode == 0, done.stderr
        printed = done.stdout.strip()
        assert not shown or _without_numbers(shown) in _without_numbers(printed), printed
    code, shown = _python()
    assert code.count("[:900]") == 2
    fewer = code if whole else code.replace("[:900]", "[:100]")
    assert run_code(fewer, tmp_path).strip() == shown


def _console() -> list[tuple[str, str]]:
    """README's commands, each with what it shows of their output; … stands for the rest."""
    block = re.search(r"```console\n(.*?)```", README, re.DOTALL)
    assert block is not None
    parts = re.split(r"^\$ ", block[1], flags=re.MULTILINE)[1:]
    split = [part.partition("\n") for part in parts]
    return [(command, shown.strip().removesuffix("…")) for command, _, shown in split]


def _python() -> tuple[str, str]:
    """The lines of README's Python block, and what it shows of their output."""
    block = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert block is not None
    lines = block[1].splitlines()
    code = [line[4:] for line in lines if line.startswith((">>> ", "... "))]
    return "\n".join(code), "\n".join(line for line in lines if not line.startswith((">>>", "...")))


def _without_numbers(text: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "N", text)
