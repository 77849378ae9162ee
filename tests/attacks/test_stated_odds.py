"""Odds and meanings that a hostile or broken bundle states: they are refused, or harmless."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
from collections.abc import Callable

import pytest
from bounded import bounded
from every import cases
from test_manifests import manifest, task

from cfedge.bundle.limits import LIMITS
from cfedge.bundle.manifest import Task, serialize
from cfedge.bundle.reading import parse
from cfedge.calibration import COVERAGES, NOTHING_UNKNOWN, STAGES, Odds
from cfedge.catalogue.entry import Entry, Measured, TaskAdded, parse_entry
from cfedge.errors import SchemaError

SOUND = Odds((0.1,) * STAGES, (0.0,) * STAGES, (0.9, 0.8))


def with_odds(odds: Odds) -> Task:
    rule = dataclasses.replace(NOTHING_UNKNOWN, odds=odds)
    return dataclasses.replace(task("a", ["x", "y"]), calibration=rule)


def as_manifest(one: Task) -> bytes:
    return serialize(manifest(tasks=(one,)))


def as_entry(one: Task) -> bytes:
    return Entry("task", "a", "hq", 1, (), TaskAdded(one, "b" * 64)).line


def as_measured(one: Task) -> bytes:
    body = Measured("a" * 64, one.certificate, 2.5, 0.05, one.calibration, one.golden)
    return Entry("measured", "a", "hq", 1, (), body).line


WAYS: dict[str, tuple[Callable[[Task], bytes], Callable[[bytes], object]]] = {
    "manifest": (as_manifest, parse),
    "entry": (as_entry, parse_entry),
    "measured": (as_measured, parse_entry),
}
#: Odds that say nothing, or too much.
ODD = {
    "no slope": dataclasses.replace(SOUND, slopes=()),
    "a slope too many": dataclasses.replace(SOUND, slopes=(0.1,) * (STAGES + 1)),
    "a wider margin that is less sure": dataclasses.replace(SOUND, slopes=(0.1, -0.1, 0.1)),
    "a slope beyond all": dataclasses.replace(SOUND, slopes=(1e308, 0.1, 0.1)),
    "an offset missing": dataclasses.replace(SOUND, offsets=(0.0, 0.0)),
    "an offset beyond all": dataclasses.replace(SOUND, offsets=(0.0, -1e308, 0.0)),
    "limits that rise": dataclasses.replace(SOUND, limits=(0.8, 0.9)),
    "a limit above one": dataclasses.replace(SOUND, limits=(1.5, 0.5)),
    "a limit below nothing": dataclasses.replace(SOUND, limits=(0.5, -0.1)),
    "a limit too many": dataclasses.replace(SOUND, limits=(0.5,) * (len(COVERAGES) + 1)),
    "a hundred thousand limits": dataclasses.replace(SOUND, limits=(0.5,) * 100_000),
}


@cases(("way", "odds"), list(itertools.product(WAYS, ODD)))
def test_odds_that_cannot_be_are_refused(way: str, odds: str) -> None:
    write, read = WAYS[way]
    read(write(with_odds(SOUND)))
    with bounded(), pytest.raises(SchemaError, match="odds of task 'a': expected 3 slopes of 0 to"):
        read(write(with_odds(ODD[odds])))


@cases(
    ("field", "text"),
    list(
        itertools.product(
            ("slopes", "offsets", "limits"), ("NaN", "Infinity", "1e999", '"0.5"', "true", "null")
        )
    ),
)
def test_what_is_no_number_is_refused(field: str, text: str) -> None:
    """As bytes that this program would not write, with the digest that belongs to them."""
    whole = as_manifest(with_odds(dataclasses.replace(SOUND, **{field: (0.123,) * STAGES})))
    stated = parse(whole).digest  # of all bytes; the member is over the rest
    assert stated
    member = whole.split(b'"sha256":"')
    place = next(at for at, part in enumerate(member) if part[64:].startswith(b'","tasks'))
    own = member[place][:64]
    changed = whole.replace(b"0.123", text.encode(), 1)
    rest = changed.replace(b',"sha256":"' + own + b'"', b"", 1)
    sealed = changed.replace(own, hashlib.sha256(rest).hexdigest().encode(), 1)
    with bounded(), pytest.raises(SchemaError):
        parse(sealed)


@cases(
    ("same", "said"),
    [
        ({"z": "yes"}, "expected labels of its classes, found 'z'"),
        ({"x": ""}, "same_labels: expected 1..200 characters"),
        ({"x": "y" * 201}, "same_labels: expected 1..200 characters"),
        ({"x": "\x1b[2J"}, "same_labels: expected printable characters"),
        ({f"{n}": "yes" for n in range(50_000)}, "expected labels of its classes"),
    ],
)
def test_meanings_of_no_label_or_of_no_use_are_refused(same: dict[str, str], said: str) -> None:
    odd = dataclasses.replace(task("a", ["x", "y"]), same_labels=same)
    with bounded(), pytest.raises(SchemaError, match=said.replace("[", r"\[")):
        parse(as_manifest(odd))


def test_all_labels_of_a_bundle_may_mean_something() -> None:
    labels = [str(n) for n in range(LIMITS.labels // 8)]
    one = dataclasses.replace(task("a", labels), same_labels=dict.fromkeys(labels, "yes"))
    with bounded():
        assert parse(as_manifest(one)).tasks[0].same_labels["7"] == "yes"


@cases("margin", [0.0, 1e300, -1e300, math.inf, -math.inf])
def test_the_steepest_odds_that_are_read_give_a_probability(margin: float) -> None:
    for sign in (1, -1):
        odds = Odds((1e3,) * STAGES, (sign * 1e3,) * STAGES, ())
        assert parse(as_manifest(with_odds(odds)))
        for stage in range(1, STAGES + 1):
            assert 0 <= odds.of_task(stage, margin) <= 1
