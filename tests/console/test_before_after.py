from __future__ import annotations

from cfedge.console.before_after import Figures, Row, compared, is_worse


def figures(
    right: int = 90, *, limit: float = 0.2, unknown: int = 5, held_out: int = 100
) -> Figures:
    return Figures(held_out, right, unknown, limit, 0.05, 3)


def test_what_changed_comes_first_and_a_new_task_is_not_worse() -> None:
    rows = compared(
        {"b": figures()}, {"b": figures(), "a": figures(), "z": figures(50)}, {"z": None}
    )
    assert [(row.task, row.changed, row.worse) for row in rows] == [
        ("z", True, ()),
        ("a", False, ()),
        ("b", False, ()),
    ]
    assert not is_worse(rows)


def test_one_more_wrong_answer_is_worse_and_a_limit_that_rises_a_little_is_not() -> None:
    before = {"b": figures()}
    (row,) = compared(before, {"b": figures(89)}, {})
    assert row.worse == ("89 of 100 right, 90 of 100 before",)
    (row,) = compared(before, {"b": figures(limit=0.209)}, {})
    assert row.worse == ()
    (row,) = compared(before, {"b": figures(limit=0.22)}, {})
    assert row.worse == (
        "limit 22.0%, 20.0% before: its answers are as they were, and limits hold for all tasks"
        " together",
    )
    (row,) = compared(before, {"b": figures(88, limit=0.25)}, {})
    assert row.worse == ("88 of 100 right, 90 of 100 before", "limit 25.0%, 20.0% before")
    (row,) = compared(before, {"b": figures(unknown=9)}, {})
    assert row.worse == ("9 of its own inputs called unknown, 5 before",)
    assert is_worse([row])


def test_shares_are_compared_where_more_was_held_out() -> None:
    (row,) = compared({"b": figures()}, {"b": figures(182, held_out=200)}, {"b": "b"})
    assert row.worse == ()
    (row,) = compared({"b": figures()}, {"b": figures(179, held_out=200)}, {"b": "b"})
    assert row.worse


def test_a_renamed_task_stands_beside_what_it_was_and_a_removed_one_is_gone() -> None:
    (row,) = compared({"old": figures()}, {"new": figures()}, {"new": "old"})
    assert row == Row("new", True, figures(), figures(), ())
    (row,) = compared({"old": figures()}, {}, {"old": "old"})
    assert row.after is None
