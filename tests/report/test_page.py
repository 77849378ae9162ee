"""The page: one file, one style, one script, nothing from outside, and text that stays text."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html.parser
import itertools

import numpy as np
import pytest
from every import cases
from reports import made_contents

from cfedge.report import changes, dumped, page, parsed
from cfedge.report import evidence as e

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&<!--\x1b[2J\u202e"
VOID = {"br", "circle", "hr", "img", "input", "line", "link", "meta", "path", "rect"}


class Read(html.parser.HTMLParser):
    """Elements with their attributes, and the text of scripts, styles and the rest."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        place = self.open[-1] if self.open else ""
        self.inside.get(place, self.text).append(data)


@pytest.fixture(scope="module")
def plain() -> Read:
    return Read(page(made_contents()).decode("utf-8"))


def test_every_element_ends_where_it_should(plain: Read) -> None:
    assert plain.open == []


def test_the_policy_forbids_all_but_this_style_and_this_script(plain: Read) -> None:
    (policy,) = (one["content"] for tag, one in plain.elements if one.get("http-equiv"))
    digests = {
        kind: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for kind, text in (
            ("style", plain.inside["style"][0]),
            ("script", plain.inside["script"][-1]),
        )
    }
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digests['style']}'; script-src"
        f" 'sha256-{digests['script']}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert len(plain.inside["style"]) == 1
    assert len(plain.inside["script"]) == 2  # the other one is JSON, which is not run


def test_nothing_is_asked_of_anybody(plain: Read) -> None:
    for tag, attributes in plain.elements:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "action", "data", "srcset"):
            assert str(attributes.get(name, "#")).startswith(("#", "data:image/jpeg;base64,"))
    assert "url(" not in plain.inside["style"][0]
    assert "@import" not in plain.inside["style"][0]


def test_hostile_words_add_no_element(plain: Read) -> None:
    hostile = Read(page(made_contents(HOSTILE)).decode("utf-8"))
    names = [
        [tag for tag, _ in read.elements if tag != "title"] for read in (hostile, plain)
    ]  # what is cut has a tooltip
    assert names[0] == names[1]
    assert "\x1b" not in page(made_contents(HOSTILE)).decode("utf-8")
    assert "\u202e" not in page(made_contents(HOSTILE)).decode("utf-8")


def test_the_page_carries_its_own_data(plain: Read) -> None:
    found = made_contents(HOSTILE.replace("\x1b", "").replace("\u202e", ""))
    read = Read(page(found).decode("utf-8"))
    assert parsed(read.inside["script"][0].encode(), "page") == found


def test_headings_go_down_by_one_and_every_section_is_named(plain: Read) -> None:
    levels = [int(tag[1]) for tag, _ in plain.elements if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [one["id"] for _, one in plain.elements if "id" in one]
    assert len(ids) == len(set(ids))
    links = [one["href"] for tag, one in plain.elements if tag == "a"]
    assert {str(link)[1:] for link in links} <= set(ids)
    for tag, one in plain.elements:
        if tag == "section":
            assert one["aria-labelledby"] in ids
        if tag == "svg":
            assert one["role"] == "img"
            assert one["aria-label"]


def test_every_chart_has_its_table(plain: Read) -> None:
    figures = [tag for tag, _ in plain.elements if tag in ("figure", "table")]
    for place, tag in enumerate(figures):
        if tag == "figure":
            assert figures[place + 1] == "table"
    assert figures.count("figure") >= 6


#: Parts that may be missing, and the words that only they bring.
PARTS = {
    "confusion": "Within the tasks",
    "thresholds": "Risk over coverage",
    "bench": "How long an answer takes",
    "parity": "What quantising costs",
    "drift": "What a device met since",
    "golden": "Golden vectors",
}


@cases("part", list(PARTS))
def test_a_part_that_is_not_there_leaves_no_gap(part: str) -> None:
    empty: dict[str, object] = {part: () if part in ("parity", "golden") else None}
    there, gone = page(made_contents()), page(dataclasses.replace(made_contents(), **empty))  # type: ignore[arg-type]
    assert PARTS[part].encode() in there
    assert PARTS[part].encode() not in gone
    assert Read(gone.decode("utf-8")).open == []


def test_what_changed_stands_first() -> None:
    old, one = made_contents(), made_contents(tasks=1)
    assert old.bench is not None
    slower = dataclasses.replace(old.bench, p50=9.0)
    new = dataclasses.replace(old, tasks=one.tasks, clusters=one.clusters, bench=slower)
    text = page(new, changes(old, new)).decode("utf-8")
    assert "became worse" in text
    assert text.index("What changed") < text.index("What it is")
    assert "Nothing changed since the other report." in page(old, changes(old, old)).decode("utf-8")


def test_a_page_of_one_task_says_nothing_of_other_tasks_and_of_inputs_that_nobody_gave() -> None:
    found = made_contents(tasks=1)
    assert found.thresholds is not None
    (task,) = found.tasks
    certificate = dataclasses.replace(task.certificate, tasks=1, errors=0, rival=None)
    one = dataclasses.replace(
        found,
        tasks=(dataclasses.replace(task, certificate=certificate),),
        thresholds=dataclasses.replace(found.thresholds, unknown=0),
    )
    several, alone = (page(each).decode("utf-8") for each in (made_contents(), one))
    assert "<title>1 task on word - cfedge report</title>" in alone
    for words in (
        "another task answered", "Tasks: held-out inputs", "in the worst task",
        "unknown inputs are called so", "unknown called so",
    ):  # fmt: skip
        assert words in several
        assert words not in alone


def test_a_thousand_tasks_have_a_page_of_bounded_size() -> None:
    few = made_contents()
    assert few.confusion is not None
    assert few.thresholds is not None
    rng = np.random.default_rng(0)
    tasks = tuple(
        dataclasses.replace(few.tasks[0], name=f"a task with a name of its own, {number}")
        for number in range(1000)
    )
    names = tuple(task.name for task in tasks)
    forty = names[:40]
    table = e.ClassConfusion(forty[0], tuple(f"class {n}" for n in range(15)), tuple(f"class {n}" for n in range(20)), tuple(tuple(int(one) for one in row) for row in rng.integers(0, 2, (15, 20))), 0)  # fmt: skip
    text = few.confusion.examples[0]
    many = dataclasses.replace(
        few,
        tasks=tasks,
        clusters=dataclasses.replace(
            few.clusters,
            points=tuple(e.MapPoint(names[n % 1000], f"class {n}", 10, 0.1234, -0.4321) for n in range(800)),
        ),
        confusion=e.Confusion(
            forty, tuple(tuple(int(one) for one in row) for row in rng.integers(0, 2, (40, 40))), 960,
            tuple(dataclasses.replace(table, task=name) for name in names[:20]),
            tuple(dataclasses.replace(text, shown="x" * 240) for _ in range(900)), (),
        ),
        thresholds=dataclasses.replace(
            few.thresholds,
            tasks=tuple(
                e.TaskThresholds(name, 100, 25, (9.0,) * 20, (1,) * 20, (12,) * 20)
                for name in names[:100]
            ),
        ),
    )  # fmt: skip
    assert len(page(many)) < 1_500_000
    assert parsed(dumped(many), "many") == many
