"""Certificates that claim more than their counts allow, or that take for ever to check."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from bounded import bounded
from channels import NOW, backbone, task
from every import cases

from cfedge.bundle.limits import LIMITS
from cfedge.bundle.manifest import Certificate, Manifest, serialize
from cfedge.bundle.reading import parse
from cfedge.catalogue.entry import Entry, Measured, TaskAdded, parse_entry
from cfedge.catalogue.index import Index, utc
from cfedge.catalogue.view import manifest_of, view
from cfedge.confidence import upper_bound
from cfedge.errors import SchemaError
from cfedge.margins import Margins

TASK, _ = task("lights")
BASE, _ = backbone()


def claim(
    held_out: int,
    errors: int,
    bound: float,
    alpha: float,
    tasks: int,
    wrong: int | None = None,
    wrong_bound: float = 1.0,
) -> Certificate:
    wrong = errors if wrong is None else wrong
    return Certificate(held_out, errors, bound, alpha, tasks, None, 0, wrong, wrong_bound)


def manifest(certificate: Certificate) -> bytes:
    return serialize(Manifest(BASE, (dataclasses.replace(TASK, certificate=certificate),)))


def entry(certificate: Certificate) -> bytes:
    made = dataclasses.replace(TASK, certificate=certificate)
    return Entry("task", "lights", "hq", 1, (), TaskAdded(made, BASE.digest)).line


def measured(certificate: Certificate) -> bytes:
    body = Measured("a" * 64, certificate, 1.0, 0.05, TASK.calibration, TASK.golden)
    return Entry("measured", "lights", "hq", 1, (), body).line


READERS = {
    "manifest": lambda made: parse(manifest(made)),
    "entry": lambda made: parse_entry(entry(made)),
    "measured": lambda made: parse_entry(measured(made)),
}

CLAIMS = {
    "nothing of 4 errors of 42": claim(42, 4, 0.0, 0.05, 1),
    "the rate that was counted": claim(42, 4, 4 / 42, 0.05, 1),
    "one task's bound for ten": claim(42, 4, upper_bound(4, 42, 0.05), 0.05, 10),
    "nothing of no examples": claim(0, 0, 0.0, 0.05, 1),
    "no errors at all": claim(100, 0, 0.001, 0.05, 1),
    "a hair less": claim(42, 4, upper_bound(4, 42, 0.05) * (1 - 1e-6), 0.05, 1),
    "no wrong answer of 9 of 42": claim(42, 4, 1.0, 0.05, 1, 9, 0.0),
    "the rate of wrong answers": claim(42, 4, 1.0, 0.05, 1, 9, 9 / 42),
    "an alpha that is nothing": claim(42, 4, 0.5, 5e-324, 10**6),
}


@cases(("reader", "claim"), list(itertools.product(READERS, CLAIMS)))
def test_a_bound_below_what_the_counts_allow_is_refused(reader: str, claim: str) -> None:
    with bounded(), pytest.raises(SchemaError, match="certificate of task 'lights': expected"):
        READERS[reader](CLAIMS[claim])


@cases(
    ("reader", "counts"),
    list(
        itertools.product(
            READERS, [(LIMITS.held_out + 1, 0), (2**53, 2**52), (2**53, 2**53), (10**9, 5 * 10**8)]
        )
    ),
)
def test_counts_that_take_for_ever_are_refused(reader: str, counts: tuple[int, int]) -> None:
    with bounded(), pytest.raises(SchemaError, match="certificate of task 'lights'"):
        READERS[reader](claim(counts[0], counts[1], 1.0, 0.05, 1))


@cases(
    ("held_out", "errors", "alpha"),
    [(LIMITS.held_out, LIMITS.held_out // 2, 0.05), (LIMITS.held_out, 0, 5e-324),
     (LIMITS.held_out, LIMITS.held_out - 1, 1 - 1e-16)],
)  # fmt: skip
def test_the_dearest_counts_are_checked_in_no_time(
    held_out: int, errors: int, alpha: float
) -> None:
    with bounded():
        for tasks in range(1, 1000, 20):
            bound = upper_bound(errors, held_out, alpha / tasks)
            assert 0 <= bound <= 1


@cases("reader", READERS)
def test_what_the_counts_allow_is_taken(reader: str) -> None:
    for errors, held_out, tasks in ((4, 42, 1), (0, 1, 3), (42, 42, 1), (0, 0, 1)):
        bound = upper_bound(errors, held_out, 0.05 / tasks)
        READERS[reader](claim(held_out, errors, bound, 0.05, tasks))


def test_a_channel_of_many_tasks_of_many_examples_is_put_together_in_no_time() -> None:
    entries = [Entry("backbone", "tiny", "hq", 1, (), BASE)]
    for number in range(1000):
        held_out, errors = 1000 + number, 400 + number // 2
        made = dataclasses.replace(
            TASK,
            name=f"t{number}",
            classes=(f"{number} a", f"{number} b"),
            certificate=claim(held_out, errors, 1.0, 0.05, 1),
        )
        entries.append(Entry("task", made.name, "hq", 2, (), TaskAdded(made, BASE.digest)))
    index = Index("stable", "hq", utc(NOW), Margins(), (), None)
    with bounded():
        found = manifest_of(view(entries), index)
    assert len(found.tasks) == 1000
