"""The tutorials run as a newcomer would run them, with the real encoders."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
PICTURES = (ROOT / "docs" / "tutorial-pictures.md").read_text("utf-8")
#: What it should answer to what the page asks.
RIGHT = {
    "we need more olive oil": "kitchen/shopping",
    "snails ate my salad": "garden/pests",
    "put on some jazz": "music/play",
}


@pytest.mark.slow
def test_a_newcomer_gets_right_answers_from_files_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'export'}")
    printed = _followed(PAGE, tmp_path)
    for asked, answer in RIGHT.items():
        told = re.findall(rf"'{asked}': (\S+)", printed)
        assert told, printed
        assert set(told) == {answer}
    assert "kitchen shopping\ngarden pests" in printed


@pytest.mark.slow
def test_a_newcomer_teaches_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'export'}")
    printed = _followed(PICTURES, tmp_path)
    assert "'photos/flower/0.jpg': photos/flower" in printed
    told = re.findall(r"'digits/digit-3/\d+\.png': (\S+)", printed)
    assert len(told) > 30
    assert told.count("digits/digit-3") > 0.9 * len(told)
    assert printed.endswith("photos temple\n")


def _followed(page: str, folder: Path) -> str:
    """Do what a page says, in its order; return all that was printed."""
    names = iter(re.findall(r"as\s+`(\w+\.csv)`", page))
    printed = ""
    for kind, block in re.findall(r"```(csv|console|python)\n(.*?)```", page, re.DOTALL):
        if kind == "csv":
            (folder / next(names)).write_text(block, encoding="utf-8")
        elif kind == "python":
            printed += _ran(["-c", block], folder)
        for command in re.findall(r"^\$ cfedge (.*)$", block, re.MULTILINE):
            code = ["-c", "from cfedge.cli import main; main()", *shlex.split(command)]
            printed += _ran(code, folder)
    return printed


def _ran(arguments: list[str], folder: Path) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments}\n{done.stderr}"
    return done.stdout
