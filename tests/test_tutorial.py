"""The tutorials run as a newcomer would run them, with the real encoders: that of texts with less
training here, both to the letter in ``make soak``.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from command_line import run_code
from once import run_command

from cfedge.confidence import upper_bound

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
PICTURES = (ROOT / "docs" / "tutorial-pictures.md").read_text("utf-8")
#: What it should answer to what the page asks.
RIGHT = {
    "we need more olive oil": "kitchen/shopping",
    "snails ate my salad": "garden/pests",
    "put on some jazz": "music/play",
}


#: An adapter is trained in few steps.
SHORTER = re.compile(r"^(\$ cfedge add .*)$", re.MULTILINE), r"\1 --epochs 1 --min-steps 10"


@pytest.mark.slow
def test_a_newcomer_gets_right_answers_from_files_of_their_own(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pattern, also = SHORTER
    page, count = pattern.subn(also, PAGE)
    assert count == 3
    _check_texts(page, tmp_path, tmp_path_factory)


@pytest.mark.soak
def test_both_tutorials_run_to_the_letter(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name, check, page in (("t", _check_texts, PAGE), ("p", _check_pictures, PICTURES)):
        (tmp_path / name).mkdir()
        check(page, tmp_path / name, tmp_path_factory)


def _check_texts(page: str, folder: Path, factory: pytest.TempPathFactory) -> None:
    printed = _followed(page, folder, factory)
    for asked, answer in RIGHT.items():
        told = re.findall(rf"'{asked}': (\S+)", printed)
        assert told, printed
        assert set(told) == {answer}
    assert "kitchen shopping\ngarden pests" in printed
    said = {_without_numbers(line.rstrip()) for line in printed.splitlines()}
    # On another machine other tasks may be confused, or none.
    shown = [line for line in _shown(PAGE) if "confused" not in line and line != "…"]
    assert shown
    for line in shown:
        begins = _without_numbers(line.removesuffix("…"))
        assert any(
            one == begins or (line.endswith("…") and one.startswith(begins)) for one in said
        ), line


def _check_pictures(page: str, folder: Path, factory: pytest.TempPathFactory) -> None:
    printed = _followed(page, folder, factory)
    assert "'photos/flower/0.jpg': photos/flower" in printed
    told = re.findall(r"'digits/digit-3/\d+\.png': (\S+)", printed)
    assert len(told) > 15
    assert told.count("digits/digit-3") > 0.9 * len(told)
    assert printed.endswith("photos temple\n")


def test_as_many_held_out_examples_as_it_says_are_needed_for_a_limit() -> None:
    rows = re.findall(r"^\| (\d+) % \| (\d+) \| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)
    assert [limit for limit, *_ in rows] == ["10", "5", "2"]
    for limit, *counts in rows:
        for wrong, count in zip((0, 1, 3), map(int, counts), strict=True):
            allowed, alpha = int(limit) / 100, 0.05 / 5
            assert (
                upper_bound(wrong, count, alpha) <= allowed < upper_bound(wrong, count - 1, alpha)
            )


def _shown(page: str) -> list[str]:
    """The lines of output that a page shows below its commands."""
    blocks = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if not line.startswith("$ ")]


def _without_numbers(text: str) -> str:
    """A line without its numbers, and a table's row without its last cell, which names a rival."""
    return re.sub(r"\d+(\.\d+)?|\s+", "#", re.sub(r"│[^│]*│$", "│", text))


def _followed(page: str, folder: Path, factory: pytest.TempPathFactory) -> str:
    """Do what a page says, in its order; return all that was printed."""
    names = iter(re.findall(r"as\s+`(\w+\.csv)`", page))
    printed = ""
    for kind, block in re.findall(r"```(csv|console|python)\n(.*?)```", page, re.DOTALL):
        if kind == "csv":
            (folder / next(names)).write_text(block, encoding="utf-8")
        elif kind == "python":
            printed += run_code(block, folder)
        for command in re.findall(r"^\$ cfedge (.*)$", block, re.MULTILINE):
            words = shlex.split(command)
            done = run_command(words, folder, factory)
            assert done.returncode == 0, f"{words}\n{done.stderr}"
            printed += done.stdout
    return printed
