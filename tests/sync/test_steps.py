"""What a sync does next, over every combination of what it may find: no disk, no network."""

from __future__ import annotations

import itertools
from dataclasses import fields

from cfedge.sync.steps import Facts, Step, next_step

ALL = [Facts(*values) for values in itertools.product((False, True), repeat=len(fields(Facts)))]


def test_what_is_published_and_wanted_is_installed_where_nothing_stands_against_it() -> None:
    assert next_step(Facts()) is Step.INSTALL


def test_what_is_here_is_only_tidied_up() -> None:
    assert {next_step(one) for one in ALL if one.is_here and one.wanted and not one.dry_run} == {
        Step.TIDY
    }


def test_a_dry_run_changes_nothing() -> None:
    found = {next_step(one) for one in ALL if one.dry_run}
    assert found == {Step.REPORT, Step.FAIL}


def test_a_pin_holds_unless_what_it_holds_must_go_or_nobody_vouches_for_it() -> None:
    pinned = [one for one in ALL if one.pinned and not one.is_here and one.wanted]
    held = [one for one in pinned if not one.dry_run and one.vouched and not one.must_go]
    free = [one for one in pinned if not one.dry_run and (one.must_go or not one.vouched)]
    assert {next_step(one) for one in held} == {Step.REPORT, Step.REPAIR}
    assert {next_step(one) for one in free} == {Step.INSTALL}


def test_what_is_pinned_is_repaired_when_asked_to_try_again() -> None:
    assert next_step(Facts(pinned=True, retry=True)) is Step.REPAIR
    assert next_step(Facts(pinned=True)) is Step.REPORT


def test_a_store_is_emptied_only_where_nothing_is_wanted_and_what_answers_must_go() -> None:
    cleared = [one for one in ALL if next_step(one) is Step.CLEAR]
    assert cleared == [one for one in ALL if not one.wanted and one.must_go and not one.dry_run]


def test_trying_again_changes_what_is_done_only_of_what_is_pinned() -> None:
    for one in ALL:
        other = Facts(**{**one.__dict__, "retry": not one.retry})
        assert next_step(one) is next_step(other) or Step.REPAIR in (
            next_step(one),
            next_step(other),
        )
