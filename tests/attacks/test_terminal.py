"""Names and texts that take hold of the terminal that they are shown on."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from bounded import bounded
from every import cases
from test_manifests import manifest, task

import cfedge.cli
from cfedge.bundle.manifest import Manifest, Slot, serialize
from cfedge.bundle.reading import parse
from cfedge.catalogue.entry import Entry, TaskAdded, parse_entry
from cfedge.cli.show import TerminalProgress, print_json, print_table, say
from cfedge.cli.shown_answer import show_answer
from cfedge.errors import CfedgeError, SchemaError, TaskError
from cfedge.printable import escaped, is_printable
from cfedge.train.examples.labels import check_task
from cfedge.train.jobs.answer import Answer, as_record, from_record

ODD = {
    "an escape that clears the screen": "x\x1b[2Jx",
    "an escape that says a link": "x\x1b]8;;https://example.com\x1b\\x",
    "an escape of one character": "x\x9b2Jx",
    "a bell": "x\x07",
    "a backspace": "safe\x08\x08\x08\x08evil",
    "a carriage return": "evil\rsafe",
    "a line break": "x\ncfedge: done",
    "a next line": "x\x85y",
    "a line separator": "x\u2028y",
    "a paragraph separator": "x\u2029y",
    "a tab": "x\ty",
    "a NUL": "x\0y",
    "a delete": "x\x7fy",
    "an override from right to left": "x\u202etxt.exe",
    "an isolate from right to left": "x\u2067y\u2069",
    "a mark from right to left": "x\u200fy",
    "an Arabic letter mark": "x\u061cy",
    "a space of no width": "li\u200bghts",
    "a byte order mark": "\ufefflights",
    "a soft hyphen": "li\u00adghts",
    "invisible letters": "x\U000e0041\U000e0042",
    "a character that is no character": "x\uffff",
    "a private character": "x\ue000",
    "a space that is no space": "x\u00a0y",
    "spaces alone": "  ",
    "a filler of Hangul alone": "\u3164",
    "an empty pattern of Braille": "\u2800",
    "joiners alone": "\u200c\u200d",
    "a choice of drawing without a letter": "\ufe0f",
}
MARKUP = {
    "an end of nothing": "[/x]",
    "an end of all": "[/]",
    "a link": "[link=https://example.com]x[/link]",
    "a colour": "[red]x",
    "a blinking word": "[blink]x[/blink]",
    "a command": "[@click=app.quit]x[/]",
    "an escaped bracket": "\\[x]",
    "an emoji by name": ":skull:",
}


def named(name: str) -> dict[str, Manifest]:
    """The name in each place of a manifest."""
    backbone = manifest().backbone
    return {
        "task names": manifest(tasks=(task(name, ["x", "y"]),)),
        "labels": manifest(tasks=(task("a", [name, "y"]),)),
        "backbone.name": manifest(backbone=dataclasses.replace(backbone, name=name)),
        "backbone.scheme": manifest(backbone=dataclasses.replace(backbone, scheme=name)),
        "slots": manifest(backbone=dataclasses.replace(backbone, slots=(Slot(name, 4, 4),))),
        "versions": manifest(versions={name: "1"}),
    }


@cases("name", ODD)
def test_a_manifest_with_a_name_that_is_not_printable_is_refused(name: str) -> None:
    for place, whole in named(ODD[name]).items():
        data = serialize(whole)
        with bounded(), pytest.raises(SchemaError, match=f"{place}: expected printable") as caught:
            parse(data)
        assert is_printable(str(caught.value))


def test_a_version_that_is_not_printable_is_refused() -> None:
    with pytest.raises(SchemaError, match="versions: expected printable"):
        parse(serialize(manifest(versions={"numpy": "2\x1b[2J"})))


@cases("name", ODD)
def test_an_entry_with_a_name_that_is_not_printable_is_refused(name: str) -> None:
    odd = ODD[name]
    body = TaskAdded(base="b" * 64, task=task("a", ["x", "y"]))
    entries = {
        "name": Entry("task", odd, "hq", 1, (), body),
        "site": Entry("task", "a", odd, 1, (), body),
        "labels": dataclasses.replace(
            Entry("task", "a", "hq", 1, (), TaskAdded(base="b" * 64, task=task("a", [odd, "y"])))
        ),
    }
    for place, entry in entries.items():
        with bounded(), pytest.raises(SchemaError, match=f"{place}: expected printable") as caught:
            parse_entry(entry.line)
        assert is_printable(str(caught.value))


@cases("name", ODD)
def test_a_label_that_is_not_printable_is_not_learned(name: str) -> None:
    with bounded(), pytest.raises(TaskError, match="expected labels of printable") as caught:
        check_task("other", (ODD[name], "y"))
    assert is_printable(str(caught.value))


@cases("name", ["می‌روم", "क्‍ष", "Straße", "日本語", "👩‍🔬", "naïve", "a b"])
def test_names_of_all_languages_are_taken(name: str) -> None:
    for whole in named(name).values():
        assert parse(serialize(whole)) == whole
    assert escaped(name) == name


def shown(show: Callable[[], object]) -> str:
    out = io.StringIO()
    with redirect_stdout(out), bounded():
        show()
    return out.getvalue()


@cases("name", ODD)
def test_nothing_odd_is_shown_whatever_is_asked(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = ODD[name]
    say(odd)
    say(odd, error=True)
    with TerminalProgress(f"{odd} ").track(odd, 1) as advance:
        advance(1)
    print_table(odd, (odd, odd), [(odd, odd)])
    captured = capfd.readouterr()
    for line in [*captured.out.split("\n"), *captured.err.split("\n")]:
        assert is_printable(line)
    assert escaped(odd) in captured.out
    assert is_printable(str(CfedgeError(odd)))


@cases("name", ODD)
def test_json_is_one_line_that_reads_back(name: str) -> None:
    value: Any = {ODD[name]: [ODD[name], "\ud800"]}
    line = shown(lambda: print_json(value))
    assert line.endswith("\n")
    assert is_printable(line[:-1])
    assert json.loads(line) == value


@cases("name", MARKUP)
def test_a_table_shows_markup_as_it_is(name: str) -> None:
    text = MARKUP[name]
    out = shown(lambda: print_table(text, (f"column {text}",), [(f"cell {text}",)]))
    assert out.count(text) == 3
    assert "\x1b" not in out


def test_commands_print_in_no_other_way() -> None:
    folder = Path(cfedge.cli.__file__).parent
    found = [
        f"{path.name}:{node.lineno}"
        for path in sorted(folder.glob("*.py"))
        if path.name not in ("show.py", "drawing.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (isinstance(node, ast.Name) and node.id == "print")
        or (isinstance(node, ast.Attribute) and node.attr in ("echo", "secho"))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "rich")
    ]
    assert found == []


def test_an_entry_with_half_a_character_in_its_site_is_refused() -> None:
    line = Entry("task", "a", "hq", 1, (), TaskAdded(task("a", ["x", "y"]), "b" * 64)).line
    with bounded(), pytest.raises(SchemaError, match="site: expected printable characters"):
        parse_entry(line.replace(b'"hq"', b'"\\ud800"'))


def test_an_argument_of_100_000_letters_is_repeated_in_part(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    long = "\x1b" + "x" * 100_000
    given: list[list[str]] = [
        [long],
        ["predict", "none", "a", "--threads", long],
        ["predict", "none", "a", f"--{long}"],
        ["rollback", "none", long],
        ["keys", long],
        ["devices", long],
        ["init", str(tmp_path / "ws"), "--backbone", long],
    ]
    for arguments in given:
        with bounded(), pytest.raises(SystemExit):
            cfedge.cli.main(arguments)
        said = capfd.readouterr()
        assert len(said.out + said.err) < 3_000
        assert all(map(is_printable, said.err.splitlines()))
    assert str(CfedgeError(f"{'x' * 100_000}: expected a, found b; do c")).endswith("; do c")
    answer = {"task": "a", "label": "b", "margin": 1.0, "runner_up": "c", "unknown": False}
    show_answer(repr(long), {**answer, "probability": 0.9, "ms": 1.0}, json=False)
    line = capfd.readouterr().out
    assert len(line) < 3_000
    assert line.endswith("a/b (90%); margin 1.0 over c, 1.0 ms\n")


def test_what_a_worker_says_is_a_line_of_bounded_length_or_no_answer() -> None:
    long = "\x1b[2J\n" * 100_000
    said = {"note": long, "refused": long, "worker": long, "machine": long}
    with bounded():
        answer = from_record({**as_record(Answer("w", "m")), **said, "error": ["TaskError", long]})
        for words in (answer.note, answer.refused, answer.worker, answer.machine, answer.error):
            assert is_printable(str(words))
            assert len(str(words)) < 10_000
        for odd in ({"seconds": 10**400}, {"error": ["a"]}, {"files": {"a": "b"}}, {"missing": 5}):
            with pytest.raises(CfedgeError, match="expected an answer of cfedge"):
                from_record({**as_record(Answer("w", "m")), **odd})
