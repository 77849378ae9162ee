from __future__ import annotations

import pytest
from every import cases

from cfedge.console.change import Change, in_words, parse
from cfedge.errors import UsageError


def test_a_change_is_read_as_it_was_asked_for() -> None:
    assert parse({"kind": "new task", "task": "food"}) == Change("new task", "food")
    assert parse({"kind": "rename", "task": "a", "new": "b"}).is_taught is False
    assert parse({"kind": "more", "task": "a"}).is_taught


@cases(
    "value",
    [
        None,
        [],
        "rename",
        {},
        {"kind": "drop tables", "task": "a"},
        {"kind": "remove", "task": 1},
        {"kind": "remove", "task": "a", "and": "more"},
        {"kind": "rename", "task": "a"},
        {"kind": "rename", "task": "a", "new": ""},
        {"kind": "rename label", "task": "a", "new": "b"},
        {"kind": "remove label", "task": "a"},
        {"kind": "new task", "task": "a", "method": "magic"},
    ],
)
def test_what_is_no_change_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match=r"^change: expected"):
        parse(value)


def test_a_change_has_a_heading() -> None:
    assert in_words(Change("new task", "food"), 1) == "New task food, of 1 example"
    assert in_words(Change("more", "food"), 12) == "food: 12 examples more"
