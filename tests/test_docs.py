"""The documents name what is there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import typer

from cfedge.cli import app
from cfedge.confidence import upper_bound
from cfedge.version import __version__

ROOT = Path(__file__).parent.parent
DECISIONS = ROOT / "docs" / "decisions"
#: Their words are those of their time.
JOURNALS = {"history.md"}
#: Words of before, and what the glossary calls the thing now.
OLD_WORDS = {
    r"(first|second|third|further|each|all) looks?": "cascade stage",
    r"novelty": "out-of-distribution score",
    r"check vectors?": "golden vectors",
    r"strangers?": "out of domain",
    r"(task )?retrieval": "task identification",
    r"by and by": "staged rollout",
}
GROUP = typer.main.get_command(app)
SOURCES = ("cfedge", "export", "tests", "benchmarks", "devices", "docs")


def test_every_decision_page_that_is_mentioned_is_there() -> None:
    pages = {path.name for path in DECISIONS.glob("*.md")}
    for path in _texts():
        text = path.read_text("utf-8")
        named = re.findall(r"decisions/([\w-]+\.md)", text)
        if path.parent == DECISIONS:
            named += re.findall(r"\b(\d{4}-[\w-]+\.md)", text)
        for name in named:
            assert name in pages, f"{path.relative_to(ROOT)} names decisions/{name}"


def test_every_decision_page_says_number_date_status_and_what_holds_now_first() -> None:
    pages = sorted(DECISIONS.glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in pages] == list(range(1, len(pages) + 1))
    for path in pages:
        title, head, holds, *_ = path.read_text("utf-8").split("\n\n")
        assert title.startswith(f"# {int(path.name[:4])}. "), path.name
        status = r"(accepted|superseded by \[\d{4}\])"
        assert re.match(rf"- Date: \d{{4}}-\d\d-\d\d.*\n- Status: {status}", head), path.name
        assert holds.startswith("**What holds now.** "), path.name


def test_the_index_lists_every_decision_under_its_own_title() -> None:
    rows = re.findall(r"^\| \[\d{4}\]\((.*?)\) \| (.*) \|$", _index(), re.MULTILINE)
    assert rows == [
        (path.name, path.read_text("utf-8").split("\n")[0].partition(". ")[2])
        for path in sorted(DECISIONS.glob("[0-9]*.md"))
    ]


def test_links_between_documents_lead_somewhere() -> None:
    for path in _prose():
        for target in re.findall(r"\]\(([^)\s:#]+)(?:#[\w-]*)?\)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{path.relative_to(ROOT)} links to {target}"


def test_prose_is_wrapped_at_100_columns() -> None:
    for path in _prose():
        code = False
        for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
            code ^= line.lstrip().startswith("```")
            exempt = code or line.lstrip().startswith(("|", "#", "![")) or " " not in line.strip()
            where = f"{path.relative_to(ROOT)}:{number}"
            assert exempt or len(line) <= 100, f"{where} has {len(line)} columns"


def test_documents_use_the_glossarys_words() -> None:
    for path in _prose():
        if path.name in JOURNALS:
            continue
        text = " ".join(path.read_text("utf-8").split())
        for old, now in OLD_WORDS.items():
            hit = re.search(rf"\b{old}\b", text, re.IGNORECASE)
            assert not hit, f"{path.relative_to(ROOT)} says {hit[0]!r}; the word is {now!r}"


def test_contributing_names_folders_files_and_targets_that_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for named in re.findall(r"`((?:cfedge|export|tests|devices|docs|benchmarks)/[\w/.]*)`", text):
        assert (ROOT / named).exists(), named
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", text, re.MULTILINE)):
        assert re.search(rf"^{''.join(target)}:", makefile, re.MULTILINE), target


def test_the_citation_is_of_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.search(rf"^version: {re.escape(__version__)}$", citation, re.MULTILINE)


def test_every_command_in_a_document_is_there_with_its_options() -> None:
    for path in _prose():
        if path.name in JOURNALS:
            continue
        text = path.read_text("utf-8")
        blocks = re.findall(r"```(?:sh|bash|console)\n(.*?)```", text, re.DOTALL)
        commands = re.findall(r"^(?:\$ )?cfedge ([^\n#|<]*)", "\n".join(blocks), re.MULTILINE)
        prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        commands += [
            " ".join(words.split()) for words in re.findall(r"`cfedge ([a-z][^`]*)`", prose)
        ]
        for words in commands:
            options = set(re.findall(r"(?<=\s)--[a-z0-9-]+", words)) - _options(words.split())
            assert not options, f"{path.relative_to(ROOT)}: cfedge {words}has no {options}"


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "reference.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Needs cfedge[plot]." in (ROOT / "docs" / "cli.md").read_text("utf-8")


def test_what_concepts_says_in_words_is_so() -> None:
    text = " ".join((ROOT / "docs" / "concepts.md").read_text("utf-8").split())
    results = ROOT / "benchmarks" / "results" / "clinc150.json"
    measured = json.loads(results.read_text("utf-8"))["summary"]
    assert "On CLINC150 nine answers in ten do" in text
    assert 0.87 < measured["early_exits"]["mean"] < 0.93
    assert "on CLINC150, over ten tasks, it is below one per cent" in text
    assert measured["forgetting"]["mean"] < 0.01
    study = " ".join((DECISIONS / "0010-comparison.md").read_text("utf-8").split())
    accuracy, forgetting = (
        f"{measured[name]['mean']:.3f}"[1:] for name in ("last_accuracy", "forgetting")
    )
    assert f"its last accuracy is {accuracy} and its forgetting {forgetting}" in study
    assert "less than 250 kB for fifteen labels" in text
    assert measured["task_bytes_max"] < 250_000
    assert "No error among 42 examples supports a limit of some ten per cent" in text
    assert 0.09 < upper_bound(0, 42, 0.05 / 5) < 0.11
    assert "among 300, one of some one and a half (five tasks)" in text
    assert 0.0145 < upper_bound(0, 300, 0.05 / 5) < 0.0155


def _options(words: list[str]) -> set[str]:
    """Every option of the command that `words` begin with."""
    command: click.Command = GROUP
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    return {name for option in command.params for name in [*option.opts, *option.secondary_opts]}


def test_every_document_is_listed() -> None:
    listed = (ROOT / "docs" / "README.md").read_text("utf-8")
    for path in (ROOT / "docs").rglob("*.md"):
        if path.parent != DECISIONS and path.name != "README.md":
            assert f"]({path.relative_to(ROOT / 'docs')})" in listed, path


def _index() -> str:
    return (DECISIONS / "README.md").read_text("utf-8")


def _prose() -> list[Path]:
    return [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]


def _texts() -> list[Path]:
    found = list(ROOT.glob("*.md"))
    for folder in SOURCES:
        for suffix in ("*.py", "*.md", "*.toml"):
            found += sorted((ROOT / folder).rglob(suffix))
    return found
