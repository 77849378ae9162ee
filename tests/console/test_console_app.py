"""The console over HTTP: who gets in, what is refused, and what a person does in Try, Review, Tasks
and Watch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import desks
from desks import keep_food, label
from every import cases, every

from cfedge import Engine
from cfedge.bundle.files import write
from cfedge.console.access import SECURE_HEADERS
from cfedge.runtime.drift import Monitor


def test_the_page_is_sent_to_anybody_and_nothing_else_is(console: desks.Opened) -> None:
    console.cookie = ""
    scripts = sorted(resources.files("cfedge.console").joinpath("static").iterdir(), key=str)
    paths = [f"/{one.name}" for one in scripts if one.name != "index.html"]
    assert "/console.js" in paths
    for path in ("/", "/charts.css", *paths):
        answer = console.ask(path)
        assert answer.status == 200
        assert {key: answer.headers[key] for key in SECURE_HEADERS} == SECURE_HEADERS
    page = console.ask("/").body.decode()
    assert "http:" not in page.replace("http://127.0.0.1", "")
    assert "https:" not in page
    assert "style=" not in page
    assert "<script>" not in page

    def refused(path: str) -> None:
        assert console.ask(path).status == 401

    secret = ("state", "review", "tasks", "watch", "jobs", "word", "kept/1/picture")
    every(((path, f"/api/{path}") for path in secret), refused)
    assert console.ask("/api/../etc/passwd").status == 404
    assert "path: expected one of the console's" in console.ask("/static/").body["error"]


def test_a_wrong_key_gets_nothing(console: desks.Opened) -> None:
    answer = console.ask("/api/login", b"wrong")
    assert answer.status == 401
    assert "expected the one that the console printed" in answer.body["error"]
    assert "set-cookie" not in answer.headers
    cookie = console.ask("/api/login", console.console.access.key.encode()).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()


POSTS = {
    "/api/try": {"text": "red"},
    "/api/mark": {"marks": []},
    "/api/erase": {"all": True},
    "/api/teach": {"change": {"kind": "remove", "task": "colors"}},
    "/api/export": {"name": "a"},
    "/api/publish": {},
    "/api/generation": {"to": 1},
    "/api/jobs/1-a/activate": {},
    "/api/jobs/1-a/rollback": {},
    "/api/jobs/1-a/drop": {},
}


def test_no_change_is_made_for_a_foreign_page(console: desks.Opened) -> None:
    numbers = keep_food(console)

    def refused(case: tuple[str, dict[str, object], dict[str, str]]) -> None:
        path, body, headers = case
        answer = console.ask(path, body, headers=headers)
        assert answer.status in (403, 421), answer.body

    attacks = {
        "no word": {"x-cfedge-csrf": ""},
        "another word": {"x-cfedge-csrf": "0" * 64},
        "another origin": {"origin": "https://evil.example"},
        "no origin at all": {"origin": "null"},
        "another port": {"origin": "http://127.0.0.1:1"},
        "another site": {"sec-fetch-site": "cross-site"},
        "a rebound name": {"host": "evil.example"},
    }
    every(
        (
            (f"{path}, {name}", (path, body, headers))
            for path, body in POSTS.items()
            for name, headers in attacks.items()
        ),
        refused,
    )
    assert console.good("/api/state")["counts"]["waiting"] == sum(map(len, numbers.values()))
    assert console.good("/api/jobs")["jobs"] == []
    login = console.ask(
        "/api/login",
        console.console.access.key.encode(),
        headers={"origin": "https://evil.example"},
    )
    assert login.status == 403


def test_an_input_is_answered_with_its_evidence_and_its_place(console: desks.Opened) -> None:
    found = console.good("/api/try", {"text": "crimson ruby scarlet"})
    (answer,) = found["answers"]
    (expected,) = Engine.open(console.place.answers).predict(["crimson ruby scarlet"])
    assert (answer["task"], answer["label"], answer["unknown"]) == (
        expected.task, expected.label, expected.unknown,
    )  # fmt: skip
    assert found["map"].startswith('<svg class="chart"')
    assert "this input" in found["map"]
    assert 0 < found["map_shows"] <= 1
    many = console.good("/api/try", {"inputs": ["red", "kitten"]})
    assert len(many["answers"]) == 2
    assert "map" not in many


@cases(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"text": 1}', 400),
        (b'{"text": "a", "text": "b"}', 400),
        (b'{"text": " "}', 422),
        (b'{"text": "red", "task": "nothing"}', 422),
        (json.dumps({"text": "x" * 9_000}).encode(), 422),
        (b"x" * (5 << 20), 413),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
    ],
)
def test_what_cannot_be_answered_is_refused_in_one_line(
    body: bytes, status: int, console: desks.Opened
) -> None:
    answer = console.ask("/api/try", body, headers={"content-type": "application/json"})
    assert answer.status == status, answer.body
    assert "\n" not in answer.body["error"]


def test_what_is_not_known_waits_in_groups_and_what_is_known_does_not(
    console: desks.Opened,
) -> None:
    console.good("/api/try", {"text": "crimson ruby scarlet"})
    assert console.good("/api/review")["counts"]["waiting"] == 0
    keep_food(console)
    found = console.good("/api/review?alike=0.05")
    assert found["counts"]["waiting"] == found["window"] == 48
    numbers = [number for group in found["groups"] for number in group["numbers"]]
    assert len(numbers) == len(set(numbers)) == 48
    sizes = [len(group["numbers"]) for group in found["groups"]]
    assert sizes == sorted(sizes, reverse=True)
    coarse, fine = (len(console.good(f"/api/review?alike={a}")["groups"]) for a in (1.4, 0.001))
    assert coarse < fine


def test_a_decision_is_undone_by_what_it_returned(console: desks.Opened) -> None:
    numbers = keep_food(console)
    label(console, {"soup": numbers["soup"]})
    marks = [{"number": one, "state": "aside", "label": None} for one in numbers["cake"][:3]]
    before = console.good("/api/mark", {"marks": marks})["before"]
    found = console.good("/api/review")
    assert found["counts"] == {"waiting": 21, "labelled": 24, "aside": 3, "taught": 0}
    assert [(one["label"], len(one["numbers"])) for one in found["labelled"]] == [("soup", 24)]
    console.good("/api/mark", {"marks": before})
    assert console.good("/api/review")["counts"]["waiting"] == 24


def test_labels_that_cannot_be_are_refused_and_nothing_is_marked(console: desks.Opened) -> None:
    numbers = keep_food(console)["soup"]

    def refused(name: object) -> None:
        marks = [{"number": numbers[0], "state": "labelled", "label": name}]
        answer = console.ask("/api/mark", {"marks": marks})
        assert answer.status in (400, 422), answer.body
        assert len(answer.body["error"]) < 1_200

    odd = ["", "  ", "x" * 10_000, "\ud800", "a\nb", "\u202e", None, 7, ["a"]]
    every(((repr(one)[:40], one) for one in odd), refused)
    bodies = [{}, {"marks": 1}, {"marks": [1]}, {"marks": [{"number": "1", "state": "aside"}]}]
    for body in [*bodies, {"marks": [{"number": 1, "state": "sold", "label": None}]}]:
        assert console.ask("/api/mark", body).status == 400
    assert console.good("/api/review")["counts"]["waiting"] == 48
    kept = console.good("/api/mark", {"marks": [
        {"number": numbers[0], "state": "labelled", "label": "<img src=x onerror=alert(1)>"}
    ]})  # fmt: skip
    assert kept["gone"] == 0


def test_inputs_that_are_gone_are_counted_and_the_rest_is_marked(console: desks.Opened) -> None:
    numbers = keep_food(console)["soup"]
    console.good("/api/erase", {"numbers": numbers[:2]})
    marks = [{"number": one, "state": "aside", "label": None} for one in numbers[:5]]
    assert console.good("/api/mark", {"marks": marks})["gone"] == 2
    assert console.good("/api/erase", {"state": "aside"}) == {"erased": 3}
    assert console.good("/api/erase", {"all": True}) == {"erased": 43}
    assert console.ask("/api/erase", {"numbers": ["1"]}).status == 400
    assert console.ask("/api/erase", {"state": "all"}).status == 400


def test_a_long_queue_is_shown_page_by_page(console: desks.Opened) -> None:
    """tests/kept reads pages of 100,000 inputs."""
    assert console.keeper is not None
    rows = [(f"red blue {row} kitten", {"kept": "unknown"}) for row in range(10_000)]
    console.keeper.inputs.keep_several(rows)
    start = time.monotonic()
    found = console.good("/api/review")
    took = time.monotonic() - start
    assert found["counts"]["waiting"] == 10_000
    assert found["window"] == 1_500
    assert len(json.dumps(found)) < 2_000_000
    assert len(found["groups"]) <= 80
    later = console.good("/api/review?offset=9000")
    assert later["window"] == 1_000
    assert took < 60
    for odd in ("offset=-1", "offset=x", "alike=nan", "alike=9", "alike="):
        assert console.ask(f"/api/review?{odd}").status == 400


def test_without_keep_and_without_a_workspace_the_page_says_what_is_missing(
    opened: Callable[..., desks.Opened], tiny_bundle: Path
) -> None:
    console = opened(tiny_bundle)
    state = console.good("/api/state")
    assert state["written"]
    assert (state["keeps"], state["workspace"]) == (None, None)
    assert "--keep DIR" in console.ask("/api/review").body["error"]
    change = {"change": {"kind": "remove", "task": "colors"}}
    assert "cfedge console bundle ws" in console.ask("/api/teach", change).body["error"]
    assert console.good("/api/jobs")["jobs"] == []
    assert console.good("/api/watch")["kept"] is False
    assert console.good("/api/tasks")["workspace"] is None


def test_tasks_show_what_is_certified_and_can_be_exported(console: desks.Opened) -> None:
    found = console.good("/api/tasks")
    assert [task["name"] for task in found["tasks"]] == ["animals", "colors"]
    assert found["chart"].startswith("<svg")
    assert console.place.workspace is not None
    done = console.good("/api/export", {"name": "copy"})
    assert Engine.open(done["folder"]).manifest.digest == console.live.engine.manifest.digest
    again = console.ask("/api/export", {"name": "copy"})
    assert again.status == 400
    assert "free" in again.body["error"]
    for odd in ("../../etc", "a/b", "", ".hidden", "A", "x" * 100, None, 3):
        assert console.ask("/api/export", {"name": odd}).status == 400
    assert "--repo and --keys" in console.ask("/api/publish", {}).body["error"]
    assert console.ask("/api/generation", {"to": 1}).status == 400


def test_watch_counts_answers_by_minute_and_task(console: desks.Opened, tmp_path: Path) -> None:
    for _ in range(3):
        console.good("/api/try", {"inputs": ["crimson ruby", "tabby kitten purr"]})
    found = console.good("/api/watch?minutes=60")
    assert {row["task"]: row["answers"] for row in found["totals"]} == {"colors": 3, "animals": 3}
    assert set(found["charts"]) == {"answers", "drift", "unknown"}
    assert found["drift"]["alpha"] == 0.01
    assert {row["name"]: row["inputs"] for row in found["drift"]["rows"]}["colors"] == 3
    assert console.ask("/api/watch?minutes=1e9").status == 400


class Answered(NamedTuple):
    task: str
    unknown: bool
    stages: int


def test_watch_reads_another_programs_counts(
    opened: Callable[..., desks.Opened], tiny_bundle: Path, tmp_path: Path
) -> None:
    engine, file = Engine.open(tiny_bundle), tmp_path / "counts.json"
    console = opened(tiny_bundle, monitor=file)
    assert all(row["inputs"] == 0 for row in console.good("/api/watch")["drift"]["rows"])
    monitor = Monitor(engine.manifest)
    monitor.see([Answered("colors", unknown=True, stages=1)] * 400)
    monitor.save(file)
    found = console.good("/api/watch")
    assert found["source"] == str(file)
    assert any(row["alarmed"] is not None for row in found["drift"]["rows"])
    file.write_text("{")
    assert "; start the console with the file of counts" in console.good("/api/watch")["trouble"]


def test_what_another_program_exports_answers_soon_and_what_does_not_open_changes_nothing(
    opened: Callable[..., desks.Opened], tiny_bundle: Path
) -> None:
    from tiny import only

    from cfedge.bundle.files import read

    console = opened(tiny_bundle)
    write(only(read(tiny_bundle), "colors"), tiny_bundle, replace=True)
    assert console.good("/api/try", {"text": "kitten"})["answers"][0]["task"] == "colors"
    assert list(console.good("/api/state")["tasks"]) == ["colors"]
    (tiny_bundle / "manifest.json").write_bytes(b"{}")
    state = console.good("/api/state")
    assert list(state["tasks"]) == ["colors"]
    assert "manifest" in state["trouble"]
    assert console.good("/api/try", {"text": "red"})["answers"][0]["task"] == "colors"


def test_a_bundle_that_switches_during_review_loses_no_decision(console: desks.Opened) -> None:
    from tiny import only

    from cfedge.bundle.files import read

    numbers = keep_food(console)
    assert console.good("/api/review")["counts"]["waiting"] == 48
    label(console, {"soup": numbers["soup"][:5]})
    bundle = console.place.answers
    write(only(read(bundle), "colors"), bundle, replace=True)
    assert list(console.good("/api/state")["tasks"]) == ["colors"]
    label(console, {"cake": numbers["cake"][:5]})
    found = console.good("/api/review")
    assert [len(one["numbers"]) for one in found["labelled"]] == [5, 5]
    assert found["counts"]["waiting"] == 38


def test_a_full_disk_while_keeping_stops_no_answer(console: desks.Opened) -> None:
    assert console.keeper is not None
    with console.keeper.inputs._database.reading() as database:
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages}")
    for row in range(30):
        console.good("/api/try", {"text": f"zz {row} " + "yy " * 900})
    assert len(console.said) == 1
    assert "could not write the kept inputs" in console.said[0]
