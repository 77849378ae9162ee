"""README's commands and figures are true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from cfedge.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_figures_are_those_of_the_committed_results() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "readme.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_named_is_there_with_its_options() -> None:
    lines = re.findall(r"(?:^|\s)\.venv/bin/cfedge ([a-z]+)([^\n#|]*)", README)
    assert {name for name, _ in lines} >= {"init", "add", "list", "export", "predict", "bench"}
    for name, rest in lines:
        group = [name, rest.split()[0]] if name == "keys" else [name]
        text = CliRunner().invoke(app, [*group, "--help"]).output
        assert "Usage" in text, name
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in text, f"{name} {option}"


def test_make_targets_named_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"make ([a-z]+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_ci_runs_readmes_own_test_command() -> None:
    assert "make test" in README
    assert re.search(r"^make test$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_no_document_has_a_place_left_open() -> None:
    for path in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]:
        assert not re.search(r"@@|TODO|FIXME", path.read_text("utf-8")), path


def test_no_document_names_a_path_of_one_machine() -> None:
    for path in [
        ROOT / "README.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "benchmarks" / "results").glob("*.json"),
    ]:
        assert not re.search(r"/(?:work|root|home|tmp)/", path.read_text("utf-8")), path
