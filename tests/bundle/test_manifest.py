"""The manifest has one byte form; anything else is refused with `SchemaError`, in one line that
names the thing.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import hypothesis
import pytest
from every import cases, every
from hypothesis import strategies as st

from cfedge.bundle.canonical import canonical_json
from cfedge.bundle.fileref import FILE_BYTES, FileRef
from cfedge.bundle.limits import LIMITS
from cfedge.bundle.manifest import SCHEMA, Backbone, Certificate, Manifest, Slot, Task, serialize
from cfedge.bundle.reading import parse
from cfedge.calibration import NOTHING_UNKNOWN
from cfedge.confidence import upper_bound
from cfedge.errors import SchemaError
from cfedge.inputs.text.spec import MOST_TOKENS, Text
from cfedge.margins import Margins
from cfedge.printable import is_seen, look

PATH = tuple[str | int, ...]
ABSENT = object()


def ref(digit: str) -> FileRef:
    return FileRef(digit * 64, 5)


def task(name: str, classes: tuple[str, ...]) -> Task:
    certificate = Certificate(
        held_out=12,
        errors=1,
        wrong_task_at_most=0.39,
        alpha=0.05,
        tasks=2,
        rival=None,
        rival_errors=0,
        wrong=2,
        wrong_answer_at_most=0.49,
    )
    return Task(
        name, classes, 8, 2.5, 0.05, NOTHING_UNKNOWN, certificate, ref("1"), ref("2"), ref("3")
    )


SMALL = Manifest(
    backbone=Backbone(
        name="tiny", source_sha256="0" * 64, scheme="int8", blocks=3, split=2, width=4, hidden=(None, 4), views=(4, 4, 4),
        slots=(Slot("l2.qkv", 4, 12), Slot("l2.o", 4, 4)), trunk=ref("a"), tail=ref("b"), input=Text("text", 16, ref("c")),
    ),
    tasks=(task("lights", ("on", "off")), task("doors", ("open", "zu\u00df"))),
    versions={"numpy": "2.0.0"},
)  # fmt: skip

#: `SMALL` as format 1 writes it. It must never change: a device in the field reads it.
GOLDEN = (
    '{"backbone":{"background":null,"blocks":3,"frozen_views":0,"hidden":[null,4],"input":{"kind":"text","max_tokens":16,"tokenizer":{"sha256":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","size":5}},"name":"tiny","scheme":"int8","slots":[{"columns":12,"name":"l2.qkv","rows":4},'
    '{"columns":4,"name":"l2.o","rows":4}],"source_sha256":"0000000000000000000000000000000000000000000000000000000000000000",'
    '"split":2,"tail":{"sha256":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","size":5},'
    '"trunk":{"sha256":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":5},"views":[4,4,4],"width":4},'
    '"lookup":"class-clusters","margins":{"second":0.0,"second_share":1.0,"tail_share":1.0,"third":0.0},"schema":1,'
    '"sha256":"22623c38420615effe9000decafae0ec3565d3248772584114f9d0bec0468ae9",'
    '"tasks":[{"adapter":{"sha256":"1111111111111111111111111111111111111111111111111111111111111111","size":5},'
    '"calibration":{"accepted":1000000000.0,"centers":[0.0,0.0,0.0,0.0,0.0],"odds":{"limits":[],"offsets":[700.0,700.0,700.0],"slopes":[0.0,0.0,0.0]},"scales":[1.0,1.0,1.0,1.0,1.0],"thresholds":[1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0]},"certificate":{"alpha":0.05,"errors":1,"foreign":0,"foreign_caught":0,"held_out":12,"others":0,"others_caught":0,"own":0,"own_rejected":0,"rival":null,"rival_errors":0,"tasks":2,"wrong":2,"wrong_answer_at_most":0.49,"wrong_task_at_most":0.39},'
    '"classes":["on","off"],"false_reject_rate":0.05,'
    '"golden":{"sha256":"3333333333333333333333333333333333333333333333333333333333333333","size":5},"name":"lights","rank":8,'
    '"same_labels":{},"signature":{"sha256":"2222222222222222222222222222222222222222222222222222222222222222","size":5},"threshold":2.5},'
    '{"adapter":{"sha256":"1111111111111111111111111111111111111111111111111111111111111111","size":5},'
    '"calibration":{"accepted":1000000000.0,"centers":[0.0,0.0,0.0,0.0,0.0],"odds":{"limits":[],"offsets":[700.0,700.0,700.0],"slopes":[0.0,0.0,0.0]},"scales":[1.0,1.0,1.0,1.0,1.0],"thresholds":[1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0,1000000000.0]},"certificate":{"alpha":0.05,"errors":1,"foreign":0,"foreign_caught":0,"held_out":12,"others":0,"others_caught":0,"own":0,"own_rejected":0,"rival":null,"rival_errors":0,"tasks":2,"wrong":2,"wrong_answer_at_most":0.49,"wrong_task_at_most":0.39},'
    '"classes":["open","zu\u00df"],"false_reject_rate":0.05,'
    '"golden":{"sha256":"3333333333333333333333333333333333333333333333333333333333333333","size":5},"name":"doors","rank":8,'
    '"same_labels":{},"signature":{"sha256":"2222222222222222222222222222222222222222222222222222222222222222","size":5},"threshold":2.5}],'
    '"versions":{"numpy":"2.0.0"}}'
).encode()
BODY: dict[str, Any] = json.loads(GOLDEN)
STATED = BODY["sha256"]


def refusal(data: bytes) -> str:
    """The message with which `data` is refused."""
    with pytest.raises(SchemaError) as caught:
        parse(data)
    message = str(caught.value)
    assert caught.type is SchemaError
    assert len(message.splitlines()) == 1, message
    return message


def sealed(body: dict[str, Any]) -> bytes:
    """Canonical bytes of `body` with the digest that belongs to it: the attack of one who can
    compute SHA-256.
    """
    body = {key: value for key, value in body.items() if key != "sha256"}
    return canonical_json({**body, "sha256": hashlib.sha256(canonical_json(body)).hexdigest()})


def sealed_text(old: str, new: str) -> bytes:
    """`GOLDEN` with one text replaced and the digest of the result, for values that Python's json
    would not write.
    """
    text = GOLDEN.decode()
    assert old in text
    text = text.replace(old, new, 1)
    digest = hashlib.sha256(text.replace(f',"sha256":"{STATED}"', "").encode()).hexdigest()
    return text.replace(STATED, digest).encode()


def changed(path: PATH, value: Any) -> dict[str, Any]:
    """A copy of `BODY` with `value` at `path`, or without `path` where the value is `ABSENT`."""
    body = copy.deepcopy(BODY)
    *above, last = path
    place: Any = body
    for step in above:
        place = place[step]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return body


def places(value: Any, path: PATH = ()) -> Iterator[tuple[PATH, Any]]:
    """Every value inside `value` with its path."""
    entries = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in entries:
        yield (*path, key), inner
        yield from places(inner, (*path, key))


PLACES = [(path, value) for path, value in places(BODY) if path != ("sha256",)]
FIELDS = [
    (path, value) for path, value in PLACES if isinstance(path[-1], str) and path[0] != "versions"
] + [(("versions",), BODY["versions"])]


def dotted(path: PATH) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(
        "."
    )


def every_place(found: Iterable[tuple[PATH, Any]], check: Callable[[PATH, Any], None]) -> None:
    """Check a property at every place; those at which it does not hold are listed by their path."""
    every(((dotted(path), (path, value)) for path, value in found), lambda case: check(*case))


# Round trip


def test_the_written_bytes_are_those_of_format_1() -> None:
    assert SCHEMA == 1
    assert serialize(SMALL) == GOLDEN
    assert parse(GOLDEN) == SMALL


def test_the_digest_is_the_sha256_of_the_bytes_without_the_digest() -> None:
    without = GOLDEN.replace(f',"sha256":"{STATED}"'.encode(), b"")
    assert hashlib.sha256(without).hexdigest() == STATED


def _with_threshold(value: float) -> Manifest:
    return dataclasses.replace(
        SMALL, tasks=(dataclasses.replace(SMALL.tasks[0], threshold=value), *SMALL.tasks[1:])
    )


def test_a_resealed_manifest_is_read_so_that_the_attacks_below_reach_their_check() -> None:
    assert sealed(BODY) == GOLDEN
    assert sealed_text('"threshold":2.5', '"threshold":2.5') == GOLDEN
    assert parse(sealed(changed(("tasks", 0, "threshold"), 4.5))) == _with_threshold(4.5)


#: What is printable, by category: drawn so, hardly anything is thrown away.
letters = st.characters(exclude_categories=("C", "Z"), include_characters=" \u200c\u200d")
texts = st.text(letters, min_size=1, max_size=12).filter(is_seen)
sizes = st.integers(1, FILE_BYTES)
axes = st.integers(1, LIMITS.axis)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
refs = st.builds(FileRef, digests, sizes)
counts = st.integers(0, 40_000)
shares = st.floats(0, 1)
slots = st.lists(
    st.builds(Slot, texts, sizes, sizes), unique_by=lambda slot: look(slot.name), max_size=3
).map(tuple)
backbones = st.builds(
    lambda split, more, **rest: Backbone(split=split, blocks=split + more, **rest),
    st.integers(1, 20), st.integers(1, 20), name=texts, source_sha256=digests, scheme=texts, width=axes, hidden=st.lists(st.none() | axes, min_size=1, max_size=8).map(tuple), views=st.lists(axes, min_size=1, max_size=8).map(tuple),
    slots=slots, trunk=refs, tail=refs, input=st.builds(Text, st.just("text"), st.integers(1, MOST_TOKENS), refs),
)  # fmt: skip


def _certificate(
    rival_errors: int,
    more: int,
    right: int,
    shares: tuple[float, float],
    alpha: float,
    tasks: int,
    rival: str | None,
) -> Certificate:
    errors, held_out = rival_errors + more, rival_errors + more + right
    least = [upper_bound(count, held_out, alpha / tasks) for count in (errors, more)]
    return Certificate(
        held_out, errors, max(shares[0], least[0]), alpha, tasks, rival if rival_errors else None, rival_errors, more, max(shares[1], least[1])
    )  # fmt: skip


certificates = st.builds(
    _certificate, counts, counts, counts, st.tuples(shares, shares), st.floats(0, 1, exclude_min=True, exclude_max=True),
    st.integers(1, 10**6), texts.map("another {}".format),
)  # fmt: skip


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    labels = draw(st.lists(texts, unique_by=look, max_size=9))
    names = draw(
        st.lists(texts, unique_by=look, min_size=len(labels) // 3, max_size=len(labels) // 3)
    )
    tasks = tuple(
        Task(
            name=name, classes=tuple(labels[3 * at : 3 * at + 3]), rank=draw(st.integers(1, 64)),
            threshold=draw(st.floats(allow_nan=False, allow_infinity=False)),
            false_reject_rate=draw(st.floats(0, 1, exclude_min=True, exclude_max=True)),
            calibration=NOTHING_UNKNOWN, certificate=draw(certificates), adapter=draw(refs), signature=draw(refs), golden=draw(refs),
        )
        for at, name in enumerate(names)
    )  # fmt: skip
    return Manifest(
        draw(backbones), tasks, margins=Margins(draw(st.floats(0, 1e6)), draw(st.floats(0, 1e6))),
        versions=draw(st.dictionaries(texts, texts, max_size=3)),
    )  # fmt: skip


often = hypothesis.settings(max_examples=300, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize("count", [75, pytest.param(1000, marks=pytest.mark.soak)])
def test_every_manifest_is_read_back_equal_and_written_back_to_the_byte(count: int) -> None:
    @hypothesis.settings(often, max_examples=count)
    @hypothesis.given(manifests())
    def is_read_back(manifest: Manifest) -> None:
        data = serialize(manifest)
        assert parse(data) == manifest
        assert serialize(parse(data)) == data

    is_read_back()


def test_every_file_has_a_role_that_names_it() -> None:
    roles = SMALL.files()
    assert set(roles) == {"trunk", "tail", "tokenizer"} | {
        f"{part} of task '{name}'"
        for name in ("lights", "doors")
        for part in ("adapter", "signature", "golden")
    }
    assert roles["tail"] == ref("b")
    assert roles["golden of task 'doors'"] == ref("3")


def test_the_backbones_digest_depends_on_all_that_it_computes_with_and_on_nothing_else() -> None:
    other: dict[str, Any] = {
        "scheme": "int4", "blocks": 4, "split": 1, "width": 5, "hidden": (4, None), "views": (4, 4), "slots": SMALL.backbone.slots[::-1],
        "trunk": ref("d"), "tail": ref("d"), "input": Text("text", 17, ref("c")), "frozen_views": 1,
    }  # fmt: skip
    names = {"name": "huge", "source_sha256": "1" * 64, "background": ref("d")}
    assert {field.name for field in dataclasses.fields(Backbone)} == {*other, *names}
    before = SMALL.backbone.digest
    for key, value in names.items():
        assert dataclasses.replace(SMALL.backbone, **{key: value}).digest == before
    for key, value in other.items():
        assert dataclasses.replace(SMALL.backbone, **{key: value}).digest != before


@cases("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        serialize(_with_threshold(value))


# Not the bytes that were written


def test_a_manifest_cut_at_any_length_is_refused() -> None:
    for end in range(len(GOLDEN)):
        assert "manifest: expected canonical JSON" in refusal(GOLDEN[:end])


def test_a_changed_value_does_not_fit_the_digest() -> None:
    def check(path: PATH, value: Any) -> None:
        other = (
            value + 1
            if isinstance(value, int | float)
            else value[:-1] or [0.5]
            if isinstance(value, str | list)
            else "x"
        )
        if path == ("schema",):
            assert "expected schema 1, found 0" in refusal(canonical_json(changed(path, 0)))
        else:
            message = refusal(canonical_json(changed(path, other)))
            assert "manifest: expected SHA-256 " in message
            assert STATED in message

    every_place(FIELDS, check)


@cases(
    "stated", ["0" * 64, STATED.upper(), STATED[:-1], STATED + "0", "", None, 0, [STATED], ABSENT]
)
def test_a_wrong_digest_is_refused(stated: Any) -> None:
    assert "expected SHA-256" in refusal(canonical_json(changed(("sha256",), stated)))


def test_a_digest_with_line_breaks_does_not_break_the_message() -> None:
    assert "expected SHA-256" in refusal(canonical_json(changed(("sha256",), "a\nforged log line")))


@cases(
    "data",
    [
        json.dumps(BODY, sort_keys=True, ensure_ascii=False).encode(),
        json.dumps(BODY, sort_keys=True, ensure_ascii=False, indent=1).encode(),
        json.dumps(BODY, sort_keys=True, separators=(",", ":")).encode(),
        json.dumps(
            dict(reversed(BODY.items())), separators=(",", ":"), ensure_ascii=False
        ).encode(),
        GOLDEN + b"\n",
        b" " + GOLDEN,
        GOLDEN.replace(b'"wrong_task_at_most":0.39', b'"wrong_task_at_most":0.390', 1),
        GOLDEN.replace(b'"wrong_task_at_most":0.39', b'"wrong_task_at_most":39e-2', 1),
        GOLDEN.replace(
            b'"wrong_task_at_most":0.39', b'"wrong_task_at_most":0.39000000000000001', 1
        ),
        GOLDEN.replace(b'"errors":1', b'"errors": 1', 1),
        GOLDEN.replace(b'"on"', b'"\\u006fn"'),
        GOLDEN.replace(b'"rival_errors":0', b'"rival_errors":-0', 1),
    ],
)
def test_the_same_content_in_other_bytes_is_refused(data: bytes) -> None:
    assert json.loads(data) == BODY
    assert "expected canonical JSON, found other spacing or order" in refusal(data)


def test_a_whole_number_in_the_place_of_a_float_is_refused() -> None:
    def check(path: PATH, value: Any) -> None:
        assert dotted(path) in refusal(sealed(changed(path, 3)))

    every_place([place for place in FIELDS if isinstance(place[1], float)], check)


@cases(
    ("old", "new"),
    [
        ('"schema":1', '"schema":1,"schema":1'),
        ('"width":4', '"width":4,"width":4'),
        ('"numpy":"2.0.0"', '"a":"1","a":"1"'),
    ],
)
def test_a_key_given_twice_is_refused(old: str, new: str) -> None:
    assert "expected each key once" in refusal(sealed_text(old, new))


@cases("number", ["NaN", "Infinity", "-Infinity"])
def test_nan_and_infinity_are_refused(number: str) -> None:
    assert f"expected finite numbers, found {number}" in refusal(
        sealed_text('"threshold":2.5', f'"threshold":{number}')
    )


@cases("number", ["1e999", "-1e999"])
def test_a_number_too_large_for_a_float_is_refused(number: str) -> None:
    assert "manifest: expected canonical JSON" in refusal(
        sealed_text('"threshold":2.5', f'"threshold":{number}')
    )


@pytest.mark.parametrize(
    ("field", "digits"),
    [
        pytest.param('"max_tokens":', 400),
        pytest.param('"max_tokens":', 30),
        pytest.param('"threshold":', 400),
        pytest.param('"max_tokens":', 5000),
        pytest.param('"threshold":', 5000),
        pytest.param('"schema":', 5000),
    ],
)
def test_a_huge_integer_is_refused(field: str, digits: int) -> None:
    value = {'"max_tokens":': "16", '"threshold":': "2.5", '"schema":': "1"}[field]
    message = refusal(sealed_text(field + value, field + "9" * digits))
    assert "manifest" in message
    assert len(message) < 300


@cases(
    "data",
    [
        GOLDEN.decode().encode("latin-1"),
        GOLDEN.decode().encode("utf-16"),
        GOLDEN.replace(b"on", b"\xff\xfe"),
        GOLDEN.replace(b"on", b"\xed\xa0\x80"),
        GOLDEN.replace(b"on", b"\xc0\xaf"),
        b"\xef\xbb\xbf" + GOLDEN,
        b"\x00" + GOLDEN,
        GOLDEN.replace(b"on", b"o\x00n"),
    ],
)
def test_bytes_that_are_not_plain_utf_8_are_refused(data: bytes) -> None:
    assert "manifest: expected canonical JSON" in refusal(data)


def test_a_lone_surrogate_is_refused() -> None:
    def check(text: str) -> None:
        assert "manifest: expected canonical JSON" in refusal(text.encode())

    fields = (
        '"name":"lights"', '"name":"tiny"', '"lookup":"class-clusters"', f'"sha256":"{STATED}"',
    )  # fmt: skip
    every(
        (
            (
                f"{field} {escape}",
                GOLDEN.decode().replace(field, f'{field.split(":")[0]}:"{escape}"'),
            )
            for field in fields
            for escape in ("\\ud800", "\\udfff", "\\udc80\\ud800")
        ),
        check,
    )


NESTED = {
    "schema": '"schema":1',
    "rows": '"rows":4',
    "wrong_task_at_most": '"wrong_task_at_most":0.39',
    "versions": '"versions":{"numpy":"2.0.0"}',
}


@pytest.mark.parametrize("depth", [1, 50, 100_000])
@cases("field", NESTED)
def test_deep_nesting_is_refused(field: str, depth: int) -> None:
    for opening, inner, closing in (("[", "", "]"), ('{"a":', "1", "}")):
        assert "manifest" in refusal(
            sealed_text(NESTED[field], f'"{field}":' + opening * depth + inner + closing * depth)
        )


@cases("field", ["rows", "wrong_task_at_most"])
def test_nesting_about_as_deep_as_the_interpreter_allows_is_refused(field: str) -> None:
    limit = sys.getrecursionlimit()
    for depth in range(limit - 150, limit + 10):
        refusal(sealed_text(NESTED[field], f'"{field}":' + '{"a":' * depth + "1" + "}" * depth))


@cases(
    "data", [b"", b"[]", b"1", b'"x"', b"null", b"true", b"{}", b"{", b"{}{}", b"PK\x03\x04", b"'"]
)
def test_what_is_not_a_json_object_of_this_format_is_refused(data: bytes) -> None:
    assert refusal(data).startswith("manifest: expected ")


def test_more_bytes_than_a_manifest_can_have_are_refused_unread() -> None:
    message = refusal(GOLDEN + b" " * LIMITS.manifest_bytes)
    assert (
        f"expected at most {LIMITS.manifest_bytes} bytes, found"
        f" {LIMITS.manifest_bytes + len(GOLDEN)}" in message
    )


# Sealed, but not of this format


@cases("schema", [SCHEMA + 1, 99, 10**30])
def test_a_newer_schema_is_refused_with_the_remedy(schema: int) -> None:
    body = {**changed(("schema",), schema), "field of the future": 1}
    assert f"expected schema <= 1, found {schema}; install a newer cfedge" in refusal(sealed(body))


@cases("schema", [0, -1, "1", "2", None, True, False, 1.0, 1.5, 2.0, [1], {}, ABSENT])
def test_what_is_not_a_schema_number_is_refused(schema: Any) -> None:
    assert "schema" in refusal(sealed(changed(("schema",), schema)))


@cases(
    ("path", "value"),
    [
        (("schema",), "x" * 10_000),
        (("sha256",), "x" * 10_000),
        (("sha256",), [1] * 10_000),
        (("backbone", "x" * 10_000), 1),
    ],
)
def test_a_long_value_does_not_flood_the_message(path: PATH, value: Any) -> None:
    body = changed(path, value)
    assert len(refusal(canonical_json(body) if path == ("sha256",) else sealed(body))) < 600


def test_a_missing_field_is_named() -> None:
    def check(path: PATH, value: Any) -> None:
        message = refusal(sealed(changed(path, ABSENT)))
        if path == ("schema",):
            assert "expected schema 1, found None" in message
        else:
            where = dotted(("manifest", *path[:-1]))
            found = sorted(
                key
                for key in value_at(path[:-1])
                if key not in (path[-1], "sha256" if len(path) == 1 else None)
            )
            assert message.startswith(f"{where}: expected fields ")
            assert f"found {found}" in message

    every_place(FIELDS, check)


def test_an_unknown_field_is_named() -> None:
    def check(path: PATH, value: Any) -> None:
        message = refusal(sealed(changed((*path, "extra"), 1)))
        assert dotted(("manifest", *path)) in message
        assert "extra" in message

    every_place([place for place in [((), BODY), *PLACES] if isinstance(place[1], dict)], check)


def value_at(path: PATH) -> Any:
    value: Any = BODY
    for step in path:
        value = value[step]
    return value


#: One value of each JSON type, and one of each that is empty or 0.
JSON_TYPES: dict[str, list[Any]] = {
    "null": [None],
    "bool": [True, False],
    "int": [1, 0],
    "float": [1.5],
    "str": ["1", ""],
    "list": [[1], []],
    "dict": [{"1": 1}, {}],
}
PYTHON = {
    type(None): "null",
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    list: "list",
    dict: "dict",
}


def test_a_value_of_any_other_json_type_is_refused_by_its_name() -> None:
    def check(path: PATH, value: Any) -> None:
        allowed = {PYTHON[type(value)]}
        if path[-1] == "rival":
            allowed = {"null", "str"}
        if path[-2:-1] == ("hidden",):
            allowed = {"null", "int"}
        if isinstance(value, float):
            allowed |= {"int"}  # its own test, above
        for kind, values in JSON_TYPES.items():
            for other in values if kind not in allowed else []:
                message = refusal(sealed(changed(path, other)))
                named = ("versions",) if path[0] == "versions" else path
                assert dotted(named) in message, (kind, other)

    every_place(PLACES, check)


NO_DIGESTS = (
    "",
    "a" * 63,
    "a" * 65,
    "A" * 64,
    "g" * 64,
    "a" * 63 + "\n",
    " " + "a" * 63,
    "\u0661" * 64,
    "../../../../etc/passwd",
    "." * 64,
)


@cases(
    ("role", "path"),
    [
        ("trunk", ("backbone", "trunk")),
        ("tail", ("backbone", "tail")),
        ("tokenizer", ("backbone", "input", "tokenizer")),
        ("adapter of task 'doors'", ("tasks", 1, "adapter")),
        ("signature of task 'doors'", ("tasks", 1, "signature")),
        ("golden of task 'lights'", ("tasks", 0, "golden")),
    ],
)
def test_a_file_that_is_not_named_by_a_sha256_is_refused(role: str, path: PATH) -> None:
    def check(digest: str) -> None:
        message = refusal(sealed(changed((*path, "sha256"), digest)))
        assert message.startswith(f"{role}: expected 64 hexadecimal digits, found {digest!r}")

    every(((repr(digest), digest) for digest in NO_DIGESTS), check)


@pytest.mark.parametrize("size", [0, -1, FILE_BYTES + 1])
@cases(
    ("role", "path"),
    [("tail", ("backbone", "tail")), ("golden of task 'doors'", ("tasks", 1, "golden"))],
)
def test_an_empty_or_too_large_file_is_refused(role: str, path: PATH, size: int) -> None:
    message = refusal(sealed(changed((*path, "size"), size)))
    assert message.startswith(f"{role}: expected 1..{FILE_BYTES} bytes, found {size}")


@cases("size", [1, FILE_BYTES])
def test_sizes_at_the_limits_are_accepted(size: int) -> None:
    assert parse(sealed(changed(("backbone", "tail", "size"), size))).backbone.tail.size == size


def test_two_tasks_may_have_labels_of_the_same_name() -> None:
    read = parse(sealed(changed(("tasks", 1, "classes"), ["open", "off"])))
    assert [task.classes[-1] for task in read.tasks] == ["off", "off"]


@cases(
    ("path", "value", "expected"),
    [
        (("tasks", 1, "name"), "lights", "task names: expected each once, found 'lights' twice"),
        (
            ("tasks", 0, "classes"),
            ["on", "off", "on"],
            "labels: expected each once, found 'on' twice",
        ),
        (
            ("backbone", "slots", 1, "name"),
            "l2.qkv",
            "slots: expected each once, found 'l2.qkv' twice",
        ),
        (("tasks", 0, "classes"), [], "task 'lights': expected >= 1 class"),
        (("tasks", 1, "rank"), 0, "task 'doors': expected >= 1 class, rank >= 1"),
        (("tasks", 1, "rank"), -3, "task 'doors': expected >= 1 class, rank >= 1"),
        (("tasks", 0, "false_reject_rate"), 0.0, "task 'lights': expected"),
        (("tasks", 0, "false_reject_rate"), 1.0, "task 'lights': expected"),
        (("tasks", 0, "false_reject_rate"), -0.1, "task 'lights': expected"),
        (("backbone", "split"), 0, "manifest.backbone: expected 1 <= split < blocks"),
        (("backbone", "split"), -1, "manifest.backbone: expected 1 <= split < blocks"),
        (("backbone", "split"), 3, "manifest.backbone: expected 1 <= split < blocks"),
        (("backbone", "split"), 4, "manifest.backbone: expected 1 <= split < blocks"),
        (("backbone", "width"), 0, "manifest.backbone: expected 1 <= split < blocks, 1 to 8"),
        (("backbone", "width"), LIMITS.axis + 1, "manifest.backbone: expected 1 <= split"),
        (("backbone", "hidden", 1), 0, "manifest.backbone: expected 1 <= split < blocks, 1 to 8"),
        (("backbone", "hidden"), [], "manifest.backbone: expected 1 <= split < blocks, 1 to 8"),
        (("backbone", "hidden"), [4] * 9, "manifest.backbone: expected 1 <= split < blocks"),
        (("backbone", "views", 2), 0, "manifest.backbone: expected 1 <= split < blocks, 1 to 8"),
        (("backbone", "views"), [], "manifest.backbone: expected 1 <= split < blocks, 1 to 8"),
        (("backbone", "frozen_views"), 2, "manifest.backbone.frozen_views: expected 0, or"),
        (("backbone", "frozen_views"), 4, "manifest.backbone.frozen_views: expected 0, or"),
        (("backbone", "frozen_views"), -1, "manifest.backbone.frozen_views: expected 0, or"),
        (
            ("backbone", "input", "kind"),
            "smell",
            "manifest.backbone.input.kind: expected one of array, image, text, found 'smell'",
        ),
        (
            ("backbone", "input", "max_tokens"),
            0,
            "manifest.backbone.input: expected max_tokens of 1 to 65536, found 0",
        ),
        (
            ("backbone", "input", "max_tokens"),
            MOST_TOKENS + 1,
            "manifest.backbone.input: expected max_tokens of 1 to 65536, found 65537",
        ),
        (
            ("lookup",),
            "oracle",
            "manifest.lookup: expected one of nearest-mean, lda, class-clusters, found 'oracle'; install a newer cfedge",
        ),
        (("backbone", "slots", 0, "rows"), 0, "slot 'l2.qkv': expected sizes > 0, found 0 x"),
        (
            ("tasks", 0, "certificate", "errors"),
            13,
            "certificate of task 'lights': expected rival_errors <= errors <= held_out",
        ),
        (
            ("tasks", 0, "certificate", "rival_errors"),
            2,
            "certificate of task 'lights': expected rival_errors <= errors <= held_out",
        ),
        (
            ("tasks", 0, "certificate", "rival_errors"),
            -1,
            "certificate of task 'lights': expected rival_errors <= errors <= held_out",
        ),
        (
            ("tasks", 0, "certificate", "wrong_task_at_most"),
            1.5,
            "certificate of task 'lights': expected",
        ),
        (("tasks", 0, "certificate", "wrong"), 13, "certificate of task 'lights': expected"),
        (("tasks", 0, "certificate", "wrong"), -1, "certificate of task 'lights': expected"),
        (
            ("tasks", 0, "certificate", "wrong_answer_at_most"),
            1.5,
            "certificate of task 'lights': expected",
        ),
        (("tasks", 0, "certificate", "alpha"), 0.0, "certificate of task 'lights': expected"),
        (("tasks", 0, "certificate", "tasks"), 0, "certificate of task 'lights': expected"),
        (("margins", "second"), -0.5, "manifest.margins.second: expected >= 0, found -0.5"),
        (("margins", "tail_share"), 1.5, "manifest.margins.tail_share: expected <= 1, found 1.5"),
        (
            ("margins", "second_share"),
            1.5,
            "manifest.margins.second_share: expected <= 1, found 1.5",
        ),
        (("margins", "third"), -0.5, "manifest.margins.third: expected >= 0, found -0.5"),
        (("tasks", 0, "name"), "", "task names: expected 1..200 characters, found ''"),
        (("tasks", 0, "name"), "n" * 201, "task names: expected 1..200 characters, found 'nnn"),
        (("tasks", 0, "classes", 1), "", "labels: expected 1..200 characters, found ''"),
        (("tasks", 0, "classes", 1), "n" * 201, "labels: expected 1..200 characters, found 'nnn"),
        (("backbone", "slots", 0, "name"), "", "slots: expected 1..200 characters, found ''"),
        (
            ("backbone", "slots", 0, "name"),
            "n" * 201,
            "slots: expected 1..200 characters, found 'nnn",
        ),
    ],
)
def test_a_value_out_of_its_range_is_refused(path: PATH, value: Any, expected: str) -> None:
    message = refusal(sealed(changed(path, value)))
    assert message.startswith(expected)
    assert len(message) < 300


@cases("path", [("tasks", 0, "name"), ("tasks", 0, "classes", 1), ("backbone", "slots", 0, "name")])
def test_a_name_of_200_characters_is_accepted(path: PATH) -> None:
    data = sealed(changed(path, "\u00df" * 200))
    assert serialize(parse(data)) == data


def test_a_bundle_without_tasks_is_a_manifest_and_left_to_the_engine() -> None:
    assert parse(sealed(changed(("tasks",), []))).tasks == ()


# Whatever the bytes


@often
@hypothesis.given(
    st.lists(st.tuples(st.sampled_from(["replace", "insert", "delete"]), st.integers(0, len(GOLDEN) - 1), st.integers(0, 255)), min_size=1, max_size=6)
)  # fmt: skip
def test_random_changes_of_bytes_are_refused_and_raise_nothing_else(
    edits: list[tuple[str, int, int]],
) -> None:
    data = bytearray(GOLDEN)
    for kind, at, byte in edits:
        if kind == "insert":
            data.insert(at, byte)
        elif kind == "delete":
            del data[at : at + byte // 8 + 1]
        else:
            data[at : at + 1] = bytes([byte])
    hypothesis.assume(data != GOLDEN)
    refusal(bytes(data))


@often
@hypothesis.given(st.binary(max_size=200))
def test_random_bytes_are_refused_and_raise_nothing_else(data: bytes) -> None:
    refusal(data)


#: Surrogates and line breaks included, as JSON's escapes allow them.
any_text = st.text(st.characters(), max_size=8)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(any_text | st.sampled_from(sorted(BODY)), inner, max_size=4)
    ),
    max_leaves=12,
)


@often
@hypothesis.given(any_json)
def test_random_json_is_refused_and_raises_nothing_else(value: Any) -> None:
    refusal(json.dumps(value).encode())
    if isinstance(value, dict):
        refusal(json.dumps({**value, "schema": SCHEMA}).encode())


@often
@hypothesis.given(st.sampled_from([path for path, _ in PLACES]), any_json)
def test_random_json_in_any_place_of_a_sealed_manifest_is_refused_or_is_read(
    path: PATH, value: Any
) -> None:
    body = changed(path, value)
    try:
        data = sealed(body)
    except ValueError:  # a surrogate, NaN or infinity: it has no canonical form to seal
        refusal(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())
        return
    try:
        manifest = parse(data)
    except SchemaError:
        refusal(data)
    else:
        assert parse(serialize(manifest)) == manifest
