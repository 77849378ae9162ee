"""Manifests and entries that are small to send and dear to read."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from bounded import bounded
from every import cases

from cfedge.bundle.arrays import load_arrays
from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.fileref import FileRef
from cfedge.bundle.limits import LIMITS
from cfedge.bundle.manifest import Backbone, Certificate, Manifest, Slot, Task, serialize
from cfedge.bundle.reading import parse
from cfedge.calibration import NOTHING_UNKNOWN
from cfedge.catalogue.entry import ENTRY_BYTES, Entry, TaskAdded, parse_entry
from cfedge.errors import IncompatibleError, SchemaError
from cfedge.inputs.text.spec import Text

REF = FileRef("a" * 64, 5)
CERTIFICATE = Certificate(12, 1, 0.39, 0.05, 2, None, 0, 2, 0.49)


def task(name: str, classes: list[str]) -> Task:
    return Task(name, tuple(classes), 8, 2.5, 0.05, NOTHING_UNKNOWN, CERTIFICATE, REF, REF, REF)


def manifest(**fields: Any) -> Manifest:
    backbone = Backbone(
        "tiny",
        "0" * 64,
        "int8",
        3,
        2,
        4,
        (None, 4),
        (4,),
        (Slot("q", 4, 4),),
        REF,
        REF,
        Text("text", 16, REF),
    )
    return dataclasses.replace(Manifest(backbone, (task("a", ["x", "y"]),)), **fields)


def many(count: int) -> list[str]:
    """Labels, the last one twice."""
    return [*map(str, range(count)), str(count - 1)]


def slots(count: int) -> Manifest:
    backbone = manifest().backbone
    wide = tuple(Slot(name, 1, 1) for name in many(count))
    return manifest(backbone=dataclasses.replace(backbone, slots=wide))


def of_tasks(names: Iterable[str]) -> bytes:
    """A manifest of tasks that differ in their names: written from one, as thousands take seconds."""
    one = canonical_json(dataclasses.asdict(task("NAME", ["NAMEa", "NAMEb"])))
    listed = b",".join(one.replace(b"NAME", name.encode()) for name in names)
    body = dataclasses.asdict(manifest()) | {"tasks": []}
    digest = hashlib.sha256(_with_tasks(body, listed)).hexdigest()
    return _with_tasks({**body, "sha256": digest}, listed)


def _with_tasks(body: dict[str, Any], listed: bytes) -> bytes:
    head, empty, rest = canonical_json(body).partition(b'"tasks":[]')
    assert empty
    return head + b'"tasks":[' + listed + b"]" + rest


MANIFESTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "50,000 labels, the last one twice": (
        lambda: serialize(manifest(tasks=(task("a", many(50_000)),))),
        "labels: expected each once, found '49999' twice",
    ),
    "tasks of one name": (
        lambda: of_tasks(["t"] * 100),
        "task names: expected each once, found 't' twice",
    ),
    "4,000 slots, the last one twice": (
        lambda: serialize(slots(4_000)),
        "slots: expected each once, found '3999' twice",
    ),
    "more labels than there may be": (
        lambda: serialize(manifest(tasks=(task("a", many(LIMITS.labels)),))),
        "labels: expected at most 262144, found 262145",
    ),
    "more slots than there may be": (
        lambda: serialize(slots(LIMITS.slots)),
        "slots: expected at most 4096, found 4097",
    ),
    "two million versions": (
        lambda: b'{"schema":1,"versions":{' + b'"1":"",' * 2_000_000 + b'"1":""}}',
        "manifest: expected at most 1048576 values",
    ),
    "65 versions": (
        lambda: serialize(manifest(versions={str(n): "1" for n in range(65)})),
        "versions: expected at most 64, found 65",
    ),
    "more tasks than there may be": (
        lambda: of_tasks(["t"] * (LIMITS.tasks + 1)),
        "tasks: expected at most 12000, found 12001",
    ),
    "millions of empty lists": (
        lambda: b"[" + b"[]," * 5_000_000 + b"[]]",
        "manifest: expected at most 1048576 values",
    ),
    "millions of empty objects": (
        lambda: b"[" + b"{}," * 5_000_000 + b"{}]",
        "manifest: expected at most 1048576 values",
    ),
    "millions of numbers": (
        lambda: b"[" + b"1," * 7_000_000 + b"1]",
        "manifest: expected at most 1048576 values",
    ),
    "half a million nested lists": (
        lambda: b"[" * 500_000 + b"]" * 500_000,
        "manifest: expected canonical JSON",
    ),
    "a string of 16 MB": (
        lambda: b'{"schema":1,"x":"' + b"x" * (16_000_000) + b'"}',
        "manifest: expected SHA-256",
    ),
    "a string of 16 MB of escapes": (
        lambda: b'{"schema":1,"x":"' + b"\\u0041" * 2_700_000 + b'"}',
        "manifest: expected SHA-256",
    ),
    "a number of 16 million digits": (
        lambda: b'{"schema":' + b"9" * 16_000_000 + b"}",
        "manifest: expected canonical JSON",
    ),
    "a fraction of 16 million digits": (
        lambda: b'{"schema":0.' + b"9" * 16_000_000 + b"}",
        "manifest: expected schema|manifest: expected SHA-256",
    ),
    "a hundred thousand keys": (
        lambda: json.dumps(dict.fromkeys(map(str, range(100_000)), 0)).encode(),
        "manifest: expected schema 1",
    ),
    "64 MiB of spaces": (
        lambda: b" " * (64 << 20),
        "manifest: expected at most 16777216 bytes",
    ),
}


@cases("name", MANIFESTS)
def test_a_manifest_that_is_dear_to_read_is_refused_soon(name: str) -> None:
    make, found = MANIFESTS[name]
    data = make()
    with bounded(), pytest.raises(SchemaError, match=found) as caught:
        parse(data)
    assert len(str(caught.value)) < 500


def test_ten_thousand_tasks_are_read_and_too_many_refused_before() -> None:
    more = of_tasks(["t"] * (LIMITS.tasks + 1))
    with bounded(0.4), pytest.raises(SchemaError, match="tasks: expected at most 12000"):
        parse(more)
    data = of_tasks(f"t{number}" for number in range(10_000))
    with bounded():
        assert len(parse(data).tasks) == 10_000


def entry(body: Any, kind: str = "task", **fields: Any) -> bytes:
    whole = Entry(kind, "a", "hq", 1, (), body)
    return dataclasses.replace(whole, **fields).line


def taught(classes: list[str]) -> TaskAdded:
    return TaskAdded(base="b" * 64, task=task("a", classes))


ENTRIES: dict[str, tuple[Callable[[], bytes], str]] = {
    "50,000 labels, the last one twice": (
        lambda: entry(taught(many(50_000))),
        "labels: expected each once, found '49999' twice",
    ),
    "50,000 digests that it replaces, one twice": (
        lambda: entry(taught(["x", "y"]), replaces=("c" * 64,) * 30_000),
        "replaces: expected digests in order",
    ),
    "millions of empty lists": (
        lambda: b"[" + b"[]," * (ENTRY_BYTES // 3 - 2) + b"[]]",
        "entry: expected fields",
    ),
    "a million nested lists": (
        lambda: b"[" * 1_000_000 + b"]" * 1_000_000,
        "entry: expected canonical JSON",
    ),
    "longer than an entry may be": (
        lambda: b" " * (ENTRY_BYTES + 1),
        "entry: expected at most 2097152 bytes",
    ),
    "a number of a million digits": (
        lambda: b'{"clock":' + b"9" * 1_000_000 + b"}",
        "entry: expected canonical JSON",
    ),
}


@cases("name", ENTRIES)
def test_an_entry_that_is_dear_to_read_is_refused_soon(name: str) -> None:
    make, found = ENTRIES[name]
    line = make()
    with bounded(), pytest.raises(SchemaError, match=found) as caught:
        parse_entry(line)
    assert len(str(caught.value)) < 500


def test_canonical_json_of_what_was_read_is_its_bytes() -> None:
    data = serialize(manifest())
    assert canonical_json(json.loads(data)) == data


def arrays(header: bytes, size: int | None = None) -> bytes:
    return (len(header) if size is None else size).to_bytes(8, "little") + header


ARRAYS: dict[str, Callable[[], bytes]] = {
    "a header of 90 MB": lambda: arrays(b"{" + b" " * 90_000_000 + b"}"),
    "a header that is said to have 2**63 bytes": lambda: arrays(b"{}", 1 << 63),
    "5,000 arrays of nothing": lambda: arrays(
        json.dumps(
            {str(n): {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(5_000)}
        ).encode()
    ),
    "a note of five million values": lambda: arrays(
        json.dumps({"__metadata__": {"cfedge": "[" + "1," * 5_000_000 + "1]"}}).encode()
    ),
    "a note of millions of texts": lambda: arrays(
        json.dumps(
            {"__metadata__": {"cfedge": '{"texts":[' + '"ab",' * 3_000_000 + '""]}'}}
        ).encode()
    ),
}


@cases("name", ARRAYS)
def test_arrays_whose_header_is_dear_to_read_are_refused_soon(name: str) -> None:
    data = ARRAYS[name]()
    with bounded(), pytest.raises(IncompatibleError, match="arrays: expected safetensors"):
        load_arrays(data, "arrays")
