"""Lines of the catalogue: the one form of each kind, and a named attack for each refusal."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from channels import backbone, task
from every import cases
from hypothesis import given
from hypothesis import strategies as st

from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.files import reference
from cfedge.calibration import NOTHING_UNKNOWN
from cfedge.catalogue.entry import (
    ENTRY_BYTES,
    Body,
    Entry,
    Measured,
    Removed,
    TaskAdded,
    parse_entry,
)
from cfedge.errors import SchemaError

BACKBONE = backbone()[0]
CARDS = task("cards")[0]
BODIES: dict[str, Body] = {
    "backbone": BACKBONE,
    "task": TaskAdded(CARDS, "b" * 64),
    "measured": Measured(
        "c" * 64, CARDS.certificate, 29.5, 0.04, NOTHING_UNKNOWN, reference(b"golden")
    ),
    "removed": Removed(True),
}
#: An entry of each kind.
ENTRIES = {
    kind: Entry(
        kind, "tiny" if kind == "backbone" else "cards", "hq", 7, ("0" * 64, "f" * 64), body
    )
    for kind, body in BODIES.items()
}
#: What the entries above are on the disk: devices in the field read this.
GOLDEN = {
    "backbone": (
        b'{"body":{"background":null,"blocks":6,"frozen_views":0,"hidden":[null,8],"input":{"kind":"text","max_tokens":32,"tokenizer":{"sha256":"d2dfa9c06feea8383e3d4cf2907916f446a682dd2d739aee8dd8d1c8dd57c47a","size":3000}},"name":"tiny","scheme":"int8-row","slots":[{"columns":24,"name":"l4.qkv","rows":8}],"source_sha256":"0000000000000000000000000000000000000000000000000000000000000000","split":4,"tail":{"sha256":"44576722a849f9f0c31fc9c656e1ab58dc347f7d3d5209a5cd1caa2ec9759259","size":3000},"trunk":{"sha256":"4ddd66566527994924820b517026a937284ad430a9c7edbb5ca1938dde58fc2c","size":3000},"views":[8,8,8],"width":8},"clock":7,"kind":"backbone","name":"tiny","replaces":["0000000000000000000000000000000000000000000000000000000000000000","ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"],"site":"hq"}'
    ),
    "task": (
        b'{"body":{"base":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","task":{"adapter":{"sha256":"5f223dabfbd72771ff27b7617d9bffbeba1f232f8158387f1d6902d768e34ddc","size":200},"calibration":{"accepted":1000000000.0,"centers":[0.0,0.0,0.0,0.0,0.0],"odds":{"limits":[],"offsets":[700.0,700.0,700.0],"slopes":[0.0,0.0,0.0]},"scales":[1.0,1.0,1.0,1.0,1.0],"thresholds":[1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0]},"certificate":{"alpha":0.05,"errors":2,"foreign":0,"foreign_caught":0,"held_out":100,"others":0,"others_caught":0,"own":0,"own_rejected":0,"rival":null,"rival_errors":0,"tasks":1,"wrong":3,"wrong_answer_at_most":0.12,"wrong_task_at_most":0.1},"classes":["cards'
        b' a","cards'
        b' b"],"false_reject_rate":0.05,"golden":{"sha256":"7c06875ddf9f701d250289e673fcd998efd0a1ab9cd3b7231616212dab0bd5e4","size":200},"name":"cards","rank":8,"same_labels":{},"signature":{"sha256":"0584aa16e5ee7dc0fdbf40cda9c2c701b6a16ce427aad328f78828f73acbbfc1","size":200},"threshold":30.0}},"clock":7,"kind":"task","name":"cards","replaces":["0000000000000000000000000000000000000000000000000000000000000000","ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"],"site":"hq"}'
    ),
    "measured": (
        b'{"body":{"calibration":{"accepted":1000000000.0,"centers":[0.0,0.0,0.0,0.0,0.0],"odds":{"limits":[],"offsets":[700.0,700.0,700.0],"slopes":[0.0,0.0,0.0]},"scales":[1.0,1.0,1.0,1.0,1.0],"thresholds":[1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0]},"certificate":{"alpha":0.05,"errors":2,"foreign":0,"foreign_caught":0,"held_out":100,"others":0,"others_caught":0,"own":0,"own_rejected":0,"rival":null,"rival_errors":0,"tasks":1,"wrong":3,"wrong_answer_at_most":0.12,"wrong_task_at_most":0.1},"false_reject_rate":0.04,"golden":{"sha256":"dd56de4137951d9c92681b03416ec15f886b4482a27e3a517d32f085244cbe5d","size":6},"of":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","threshold":29.5},"clock":7,"kind":"measured","name":"cards","replaces":["0000000000000000000000000000000000000000000000000000000000000000","ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"],"site":"hq"}'
    ),
    "removed": (
        b'{"body":{"erase":true},"clock":7,"kind":"removed","name":"cards","replaces":["0000000000000000000000000000000000000000000000000000000000000000","ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"],"site":"hq"}'
    ),
}
DIGESTS = {
    "backbone": "a17efffa38830ddac8cc659b17302ba856b0656d50fa88c7137dc626d42765a4",
    "task": "9743ee0ba2303de819a9d5dbc7da0b2c100ce4a9822009a3fa0d3c4ab4334262",
    "measured": "35668b2a1b50fdb5b83dc8ba30c781fb57f096ccae08a66414692631ac1f9002",
    "removed": "02f11ca5d8e893faedfe596b3c2cce2ef48d32559d60a530783cae89c624b607",
}


def changed(kind: str, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The line of a kind after a change to its content, in canonical form."""
    content = json.loads(GOLDEN[kind])
    change(content)
    return canonical_json(content)


def setting(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Put `value` at a path of names."""

    def change(content: dict[str, Any]) -> None:
        *folders, last = path.split(".")
        for name in folders:
            content = content[name]
        content[last] = value

    return change


@cases("kind", GOLDEN)
def test_an_entry_has_the_bytes_that_devices_in_the_field_know(kind: str) -> None:
    assert ENTRIES[kind].line == GOLDEN[kind]
    assert ENTRIES[kind].digest == DIGESTS[kind]
    assert parse_entry(GOLDEN[kind]) == ENTRIES[kind]


@cases("kind", GOLDEN)
def test_an_entry_names_its_files_by_role(kind: str) -> None:
    roles = {
        "backbone": {
            "trunk": BACKBONE.trunk,
            "tail": BACKBONE.tail,
            "tokenizer": BACKBONE.input.tokenizer,
        },
        "task": {
            "adapter of task 'cards'": CARDS.adapter,
            "signature of task 'cards'": CARDS.signature,
            "golden of task 'cards'": CARDS.golden,
        },
        "measured": {"golden of task 'cards'": reference(b"golden")},
        "removed": {},
    }
    assert ENTRIES[kind].files() == roles[kind]


def test_of_two_entries_the_later_clock_is_greater_then_the_site_then_the_digest() -> None:
    one = ENTRIES["removed"]
    made = [
        dataclasses.replace(one, clock=clock, site=site, name=name)
        for clock in (7, 10)
        for site in "abc"
        for name in "xyz"
    ]
    assert sorted(made, key=lambda entry: entry.order) == sorted(
        made, key=lambda entry: (entry.clock, entry.site, entry.digest)
    )


@pytest.mark.parametrize(
    ("line", "found"),
    [
        pytest.param(
            b"x" * (ENTRY_BYTES + 1),
            f"expected at most {ENTRY_BYTES} bytes, found {ENTRY_BYTES + 1}",
            id="too-long",
        ),
        pytest.param(
            b"\xff{}", "expected canonical JSON, found bytes that are no UTF-8", id="no-utf-8"
        ),
        pytest.param(b"{", "expected canonical JSON, found Expecting", id="no-json"),
        pytest.param(b"", "expected canonical JSON, found Expecting", id="empty"),
        pytest.param(
            b"[" * 100_000,
            "expected canonical JSON, found brackets that are nested too deep",
            id="too-deep",
        ),
        pytest.param(
            b'{"clock":' + b"9" * 5000 + b"}",
            "expected canonical JSON, found a number of thousands of digits",
            id="too-many-digits",
        ),
        pytest.param(b"[]", "expected fields .*, found list", id="a-list"),
        pytest.param(b"null", "expected fields .*, found NoneType", id="null"),
    ],
)
def test_what_is_no_json_object_is_refused(line: bytes, found: str) -> None:
    with pytest.raises(SchemaError, match=f"^entry: {found}"):
        parse_entry(line)


ATTACKS: list[Any] = [
    ("task", lambda content: content.pop("site"), "expected fields"),
    ("task", setting("note", "hello"), "expected fields"),
    ("task", setting("kind", "program"), "expected a kind of .*, found 'program'; install a newer cfedge"),
    ("task", setting("kind", ["task"]), r"expected a kind of .*, found \['task'\]"),
    ("task", setting("name", 7), "task.name: expected str, found 7"),
    ("task", setting("site", None), "task.site: expected str, found None"),
    ("task", setting("clock", "7"), "task.clock: expected int, found '7'"),
    ("task", setting("clock", 7.0), "task.clock: expected int, found 7.0"),
    ("task", setting("clock", True), "task.clock: expected int, found True"),
    ("task", setting("clock", 2**53 + 1), "task.clock: expected at most"),
    ("task", setting("clock", 0), "task.clock: expected >= 1, found 0"),
    ("task", setting("clock", -1), "task.clock: expected >= 1, found -1"),
    ("task", setting("replaces", "f" * 64), "task.replaces: expected a list, found str"),
    ("task", setting("replaces", [7]), r"task.replaces\[0\]: expected str, found 7"),
    ("task", setting("replaces", ["f" * 64, "0" * 64]), "task.replaces: expected digests in order, each once"),
    ("task", setting("replaces", ["0" * 64, "0" * 64]), "task.replaces: expected digests in order, each once"),
    ("task", setting("replaces", ["0" * 63]), "expected 64 hexadecimal digits, found '0{63}'"),
    ("task", setting("replaces", ["F" * 64]), "expected 64 hexadecimal digits, found 'F{64}'"),
    ("task", setting("replaces", ["../" + "0" * 61]), "expected 64 hexadecimal digits, found '../0"),
    ("task", setting("name", ""), r"task.name: expected 1\.\.200 characters, found ''"),
    ("task", setting("name", "n" * 201), r"task.name: expected 1\.\.200 characters, found 'n+"),
    ("task", setting("site", ""), r"task.site: expected 1\.\.200 characters, found ''"),
    ("task", setting("site", "s" * 201), r"task.site: expected 1\.\.200 characters, found 's+"),
    ("task", setting("name", "other"), "task.name: expected 'cards', found 'other'"),
    ("task", setting("body", None), "task.body: expected fields .*, found NoneType"),
    ("task", setting("body.base", "b"), "expected 64 hexadecimal digits, found 'b'"),
    ("task", setting("body.task.adapter.sha256", "../../etc/passwd"), "expected 64 hexadecimal digits, found '../../etc"),
    ("task", setting("body.task.golden.size", 0), "golden of task 'cards': expected .* bytes, found 0"),
    ("task", setting("body.task.classes", []), "expected"),
    ("task", setting("body.task.classes", ["one", "one"]), "expected"),
    ("task", setting("body.task.certificate.errors", 101), "certificate of task 'cards': expected"),
    ("task", setting("kind", "measured"), "measured.body: expected fields"),
    ("task", setting("kind", "backbone"), "backbone.body: expected fields"),
    ("backbone", setting("body.split", 6), "expected 1 <= split < blocks"),
    ("backbone", setting("body.trunk.size", -1), "trunk: expected .* bytes, found -1"),
    ("measured", setting("body.of", "0" * 65), "expected 64 hexadecimal digits"),
    ("measured", setting("body.certificate.alpha", 0), "certificate"),
    ("measured", setting("body.certificate.alpha", 0.0), "certificate of task 'cards': expected"),
    ("measured", setting("body.golden.sha256", "g" * 64), "golden of task 'cards': expected 64 hexadecimal digits"),
    ("measured", setting("body.false_reject_rate", 0.0), r"expected a rate in \(0, 1\), found 0.0"),
    ("measured", setting("body.false_reject_rate", 1.0), r"expected a rate in \(0, 1\), found 1.0"),
    ("measured", setting("body.threshold", "29.5"), "measured.body.threshold: expected float, found '29.5'"),
    ("removed", setting("body.erase", 1), "removed.body.erase: expected bool, found 1"),
    ("removed", setting("body", {}), "removed.body: expected fields"),
]  # fmt: skip


@cases(("kind", "change", "found"), ATTACKS)
def test_a_line_that_this_program_would_not_write_is_refused_naming_the_field(
    kind: str, change: Callable[[dict[str, Any]], object], found: str
) -> None:
    with pytest.raises(SchemaError, match=found) as caught:
        parse_entry(changed(kind, change))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@cases(
    "other",
    [
        pytest.param(lambda line: line.replace(b",", b", "), id="spaces"),
        pytest.param(lambda line: line + b" ", id="a-space-after"),
        pytest.param(lambda line: b"\xef\xbb\xbf" + line, id="byte-order-mark"),
        pytest.param(
            lambda line: line.replace(b'"hq"', b'"\\u0068q"'), id="an-escape-that-is-not-needed"
        ),
        pytest.param(
            lambda line: line.replace(b'"clock":7', b'"clock":6,"clock":7'), id="a-key-twice"
        ),
        pytest.param(
            lambda line: json.dumps(json.loads(line), sort_keys=False)[::1].encode(),
            id="with-other-separators",
        ),
        pytest.param(
            lambda line: json.dumps(
                dict(reversed(json.loads(line).items())), separators=(",", ":")
            ).encode(),
            id="another-order",
        ),
        pytest.param(lambda line: line.replace(b"29.5", b"29.50"), id="a-digit-too-many"),
        pytest.param(lambda line: line.replace(b"29.5", b"2.95e1"), id="an-exponent"),
        pytest.param(lambda line: line.replace(b"29.5", b"NaN"), id="nan"),
        pytest.param(lambda line: line.replace(b"29.5", b"1e999"), id="infinity"),
    ],
)
def test_another_form_of_the_same_entry_is_refused_since_its_digest_is_its_name(
    other: Callable[[bytes], bytes],
) -> None:
    line = GOLDEN["measured"]
    assert other(line) != line
    with pytest.raises(SchemaError, match="expected canonical JSON") as caught:
        parse_entry(other(line))
    assert "\n" not in str(caught.value)


def test_an_entry_of_the_longest_name_and_any_printable_characters_comes_back() -> None:
    for name in ("n" * 200, 'Ünïcode "\\ /..', "\U0001f600", "."):
        entry = Entry("removed", name, "hq", 1, (), Removed(False))
        assert parse_entry(entry.line) == entry
        assert b"\n" not in entry.line


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), kind=st.sampled_from(sorted(GOLDEN)))
def test_a_changed_byte_is_refused_or_makes_another_entry(at: int, byte: int, kind: str) -> None:
    line = bytearray(GOLDEN[kind])
    line[at % len(line)] = byte
    try:
        entry = parse_entry(bytes(line))
    except SchemaError:
        return
    assert entry.line == bytes(line)
    assert (entry.digest == DIGESTS[kind]) == (bytes(line) == GOLDEN[kind])
