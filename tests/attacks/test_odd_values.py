"""Values of the right type that no honest program writes: numbers that overflow what they meet, texts
where numbers belong, names without end. Each is refused by name, and costs little.
"""

from __future__ import annotations

import contextlib
import copy
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import desks
import pytest
from bounded import bounded
from clients import connect, reply
from every import cases, every

from cfedge import Engine
from cfedge.bundle.evidence import check_calibration
from cfedge.calibration import NOTHING_UNKNOWN, RATES, TERMS
from cfedge.console.job import read_note
from cfedge.device.profile_file import parse_profile
from cfedge.errors import CfedgeError, InputError, SchemaError, TaskError, UsageError
from cfedge.inputs.array.device import ArrayInputs
from cfedge.inputs.array.spec import Array
from cfedge.inputs.image.device import ImageInputs
from cfedge.inputs.image.spec import Image
from cfedge.kept.database import Database
from cfedge.publish.keys import Keys
from cfedge.report.earlier import read_old
from cfedge.report.measured import read_bench, read_parity
from cfedge.runtime.drift_file import saved_counters
from cfedge.serve.limits import Limits
from cfedge.serve.multipart import read_parts
from cfedge.store import Store
from cfedge.sync.notes import Notes
from cfedge.sync.trust import freshness
from cfedge.train.jobs.answer import Answer
from cfedge.train.jobs.answering import Answered
from cfedge.train.jobs.job import Job
from cfedge.train.workspace.backbones import kind_of
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import TaskRecord

HUGE = 10**400  # a whole number that no float holds


# Arrays


@pytest.mark.parametrize(
    "value",
    [
        ["a" * 20_000] + ["b"] * 40_000,  # NumPy gives each text the room of the longest
        [["a" * 20_000], *([["b"]] * 40_000)],
        [HUGE, 1.0],
        [[1.0], [[1.0]]],
        [{"a": 1}, 2.0],
        [None, 1.0],
        [True, "x"],
        ["1.5", "2.5"],
    ],
    ids=["texts", "nested texts", "huge", "ragged", "object", "null", "mixed", "digits"],
)
def test_no_list_of_other_things_than_numbers_becomes_an_array(value: list[object]) -> None:
    known = ArrayInputs(Array("array", "float32", (2,)))
    with bounded(), pytest.raises(InputError):
        known.prepare(known.parse(value, "input 0"))


def test_a_list_without_a_bottom_is_no_array() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    known = ArrayInputs(Array("array", "float32", (2,)))
    with bounded(), pytest.raises(InputError):
        known.prepare(known.parse(value, "input 0"))


# Bodies of forms


@pytest.mark.parametrize("piece", [b"\r\n--b", b"\r\n--b\r\n", b"\r\n--b\r\na: b\r\n\r\n"])
def test_a_form_of_a_million_parts_is_refused_in_little_memory(piece: bytes) -> None:
    known, limits = ImageInputs(Image("image", 8, 8, "squash")), Limits(body_bytes=16 << 20)
    body = (piece * (limits.body_bytes // len(piece) + 1))[2 : limits.body_bytes]
    with bounded(room_bytes=64 << 20), pytest.raises((InputError, UsageError)):
        read_parts(body + b"\r\n--b--\r\n", "multipart/form-data; boundary=b", known, limits)


def test_a_boundary_of_letters_that_no_header_has_is_no_fault_of_the_server() -> None:
    known = ImageInputs(Image("image", 8, 8, "squash"))
    with pytest.raises(UsageError):
        read_parts(b"x", "multipart/form-data; boundary=\u20ac", known, Limits())


def test_as_many_parts_as_a_request_may_have_are_read() -> None:
    known, limits = ImageInputs(Image("image", 8, 8, "squash")), Limits()
    part = b'\r\n--b\r\ncontent-disposition: form-data; name="image"\r\n\r\nx'
    task = b'\r\n--b\r\ncontent-disposition: form-data; name="task"\r\n\r\nx'
    whole = (part * limits.inputs + task)[2:] + b"\r\n--b--\r\n"
    asked = read_parts(whole, "multipart/form-data; boundary=b", known, limits)
    assert len(asked.inputs) == limits.inputs
    assert asked.task == "x"


# Numbers of a manifest


@cases(
    "change",
    [
        {"scales": (5e-324,) * TERMS},
        {"scales": (1.0, 1.0, 1e-200, 1.0, 1.0)},
        {"scales": (1e308,) * TERMS},
        {"centers": (1e308, -1e308, 0.0, 0.0, 0.0)},
        {"accepted": -1e300},
        {"accepted": 1e300},
        {"thresholds": (1e308,) * len(RATES)},
        {"thresholds": (0.0,) * (len(RATES) - 1) + (-1e308,)},
        {"thresholds": (0.0,) * (len(RATES) - 1) + (1.0,)},
        {"scales": (0.0,) * TERMS},
        {"scales": (-1.0,) * TERMS},
        {"centers": (0.0,)},
    ],
)
def test_a_calibration_by_which_a_score_is_no_number_is_refused(
    change: dict[str, object],
) -> None:
    with pytest.raises(SchemaError, match="calibration of task 'x'"):
        check_calibration("x", replace(NOTHING_UNKNOWN, **change))  # type: ignore[arg-type]


# Names


def test_an_error_about_a_task_is_short_whatever_was_asked(tiny_bundle: Path) -> None:
    engine = Engine.open(tiny_bundle)
    with bounded(), pytest.raises(TaskError) as refused:
        engine.predict(["red"], task="\u202e\x1b" * 1_000_000)
    assert len(str(refused.value)) < 1_000
    assert str(refused.value).isprintable()


CHANNELS = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "a b",
    "\x1b[31m",
    "\u202e",
    "x" * 65,
    "-x",
    "a\n",
]


def test_a_channel_has_a_name_that_is_a_files_everywhere(tmp_path: Path) -> None:
    def refused(name: str) -> None:
        with pytest.raises(UsageError, match="channel: expected"):
            Store.create(tmp_path / "store", name)
        assert not (tmp_path / "store").exists()

    every(((ascii(name), name) for name in CHANNELS), refused)
    assert Store.create(tmp_path / "store", "stable-2.x_").channel == "stable-2.x_"


# Reports, times, counters


REPORTS = [
    b'{"schema": NaN}',
    b'{"schema": 1, "clusters": Infinity}',
    b'{"schema": 1e999}',
    b'{"schema": ' + b"9" * 5_000 + b"}",
    b'{"schema": ' + str(HUGE).encode() + b"}",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'<script type="application/json" id="report-data">' * 200_000,
    b'<script type="application/json" id="report-data">{}</script>' * 100_000,
    b"\xff\xfe{}",
    b"",
]


@pytest.mark.parametrize("reads", [read_old, read_bench, read_parity, saved_counters])
def test_a_file_that_no_program_wrote_is_refused(
    reads: Callable[[Path], object], tmp_path: Path
) -> None:
    def refused(data: bytes) -> None:
        (tmp_path / "given").write_bytes(data)
        with bounded(), pytest.raises(CfedgeError) as refusal:
            reads(tmp_path / "given")
        assert "\n" not in str(refusal.value)
        assert len(str(refusal.value)) < 2_000

    every(((f"{data[:20]!r} of {len(data)}", data) for data in REPORTS), refused)


BENCH: dict[str, Any] = {
    "machine": {"machine": "x86_64", "cpu": "a", "cores": 2},
    "threads": 1,
    "latency_ms": {"p50": 1.0, "p90": 2.0, "p99": 3.0},
    "cold_start_ms": {"p50": 100.0},
    "peak_rss_bytes": 1,
    "times_ms": [1.0, 2.0],
}


def test_times_that_are_none_are_refused(tmp_path: Path) -> None:
    """Each number of a file of times in turn."""
    path = tmp_path / "times.json"
    path.write_text(json.dumps(BENCH))
    read_bench(path)

    def refused(case: tuple[tuple[Any, ...], object]) -> None:
        (*steps, last), number = case
        value = copy.deepcopy(BENCH)
        inside: Any = value
        for step in steps:
            inside = inside[step]
        inside[last] = number
        path.write_text(json.dumps(value))
        with bounded(), pytest.raises(UsageError):
            read_bench(path)

    odd = [HUGE, -HUGE, float("nan"), float("inf"), True, "1", None, []]
    every(((f"{at} {one!r:.20}", (at, one)) for at in _places(BENCH) for one in odd), refused)


def _places(value: object, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of the numbers in a JSON value."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _places(one, (*before, key))
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from _places(one, (*before, at))
    elif isinstance(value, int | float):
        yield before


DEEP = b"[" * 100_000
DEEP_READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "keys": ("keys.json", lambda path: Keys(path.parent)),
    "a job of the console": ("result.json", read_note),
    "a model's own words": ("config.json", lambda path: kind_of("local", path.parent)),
    "a store": ("store.json", lambda path: Store(path.parent).pointer()),
    "a workspace": ("workspace.json", lambda path: WorkspaceFolder(path.parent).tasks),
    "what is trusted": (
        "timestamp.json",
        lambda path: freshness(path.parent, datetime.now(timezone.utc), None),
    ),
    "a manifest that was refused": ("refused", lambda path: Notes(path.parent).check_refused("")),
    "a task's record": ("task.json", lambda path: TaskRecord.parsed(path.read_bytes(), "task")),
    "a board": ("x.toml", lambda path: parse_profile("x", "a = " + path.read_text())),
}


def test_json_without_a_bottom_is_no_fault_of_the_program(tmp_path: Path) -> None:
    def refused(case: tuple[str, Callable[[Path], object]]) -> None:
        name, reads = case
        (tmp_path / name).write_bytes(DEEP)
        with bounded(), contextlib.suppress(CfedgeError):
            reads(tmp_path / name)

    every(DEEP_READERS.items(), refused)


def test_a_workers_answers_that_are_none_fail_its_job_alone() -> None:
    def refused(data: bytes) -> None:
        job = Job("answer", "a", {"task": None}, {"inputs": "0" * 64}, {})
        answered = Answered.__new__(Answered)
        answered._answers = {}
        for files in ({"answers.json": data}, {"other.json": data}, {}):
            with bounded(), pytest.raises(CfedgeError):
                answered._take(job, Answer("w", "m", files))

    bodies = (DEEP, b"5", b"{}", b"[5]", b"[{}]", b"NaN", b"")
    every(((repr(body[:9]), body) for body in bodies), refused)


# What a console is sent


BODIES: dict[str, tuple[str, object]] = {
    "a number that SQLite has not": ("/api/erase", {"numbers": [2**63]}),
    "one that no float holds": ("/api/erase", {"numbers": [HUGE]}),
    "one below nothing": ("/api/erase", {"numbers": [-1]}),
    "a fraction": ("/api/erase", {"numbers": [1.5]}),
    "a mark of such a number": (
        "/api/mark",
        {"marks": [{"number": 2**64, "state": "aside"}]},
    ),
    "a lesson of such a number": (
        "/api/teach",
        {"change": {"kind": "new task", "task": "a"}, "numbers": [2**64]},
    ),
    "a state that is a list": ("/api/mark", {"marks": [{"number": 1, "state": []}]}),
    "a label with an escape": (
        "/api/mark",
        {"marks": [{"number": 1, "state": "labelled", "label": "\x1b[31m"}]},
    ),
    "half a character": (
        "/api/mark",
        {"marks": [{"number": 1, "state": "labelled", "label": "\ud800"}]},
    ),
    "a name of another folder": ("/api/export", {"name": "../../x"}),
    "a name that is a list": ("/api/export", {"name": ["x"]}),
    "a body without a bottom": ("/api/mark", b"[" * 100_000),
    "a body that is a number": ("/api/mark", b"9" * 5_000),
    "a change without a kind": ("/api/teach", {"change": {}}),
    "a change that is a list": ("/api/teach", {"change": [["kind", "remove"]]}),
    "a task of a million letters": ("/api/try", {"text": "red", "task": "x" * 1_000_000}),
}
PATHS = {
    "a picture of a number that SQLite has not": f"/api/kept/{2**63}/picture",
    "one of five thousand digits": f"/api/kept/{'9' * 5_000}/picture",
    "one of other digits": "/api/kept/%D9%A1/picture",
    "one of none": "/api/kept/-1/picture",
    "a job above its folder": "/api/jobs/../activate",
    "an endless page": "/api/review?offset=1e300",
    "no page": "/api/review?offset=nan",
    "groups of everything": "/api/review?alike=inf",
}


def test_no_odd_value_is_a_fault_of_the_console(console: desks.Opened) -> None:
    def refused(case: tuple[str, object]) -> None:
        path, body = case
        answer = console.ask(path, body)
        assert answer.status in (400, 404, 405, 413, 422), answer
        assert "error" in answer.body

    every(((name, case) for name, case in BODIES.items()), refused)
    every(((name, (path, None)) for name, path in PATHS.items()), refused)


def test_nobody_unknown_fills_a_consoles_memory(console: desks.Opened) -> None:
    console.cookie = ""
    answer = console.ask("/api/login", b"x" * 100_000)
    assert answer.status == 413
    assert "at most 1024 bytes" in answer.body["error"]


def test_a_body_that_never_comes_is_not_waited_for(console: desks.Opened) -> None:
    object.__setattr__(console.console.desk.bodies, "_limits", replace(Limits(), body_s=0.5))
    open_ = connect(console.url)
    with bounded():
        open_.sendall(
            b"POST /api/login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 24\r\n\r\nxx"
        )
        open_.settimeout(20)
        start = time.monotonic()
        answer = reply(open_)
    assert answer.status == 408
    assert time.monotonic() - start < 20
    open_.close()


# Where inputs are kept


def test_a_link_where_inputs_are_kept_is_not_followed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_bytes(b"")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "kept.sqlite").symlink_to(theirs)
    with pytest.raises(UsageError, match="found a link or no file"):
        Database(tmp_path / "kept", busy_s=0.1)
    assert theirs.read_bytes() == b""
