"""Labels belong to tasks; which of them mean the same is said, never guessed."""

from __future__ import annotations

import pytest
from every import cases

from cfedge.errors import TaskError
from cfedge.meanings import Meanings
from cfedge.train.examples.meanings import declared

OTHERS = {"shop": ("order", "other"), "phone": ("network", "other")}


def test_labels_of_one_name_are_apart_until_a_task_says_otherwise() -> None:
    apart = Meanings({"shop": {}, "phone": {}})
    assert not apart.any
    assert apart.same("shop", "other", "shop", "other")
    assert not apart.same("shop", "other", "phone", "other")


def test_what_one_task_declares_holds_for_all_that_have_a_label_of_that_name() -> None:
    same = Meanings({"shop": {}, "phone": {"other": "other"}, "till": {"rest": "other"}})
    assert same.any
    assert same.same("shop", "other", "phone", "other")
    assert same.same("till", "rest", "shop", "other")
    assert not same.same("shop", "order", "phone", "order")


def test_a_declaration_is_read() -> None:
    classes = ("other", "rest", "a=b")
    assert declared("till", classes, ["other"], OTHERS) == {"other": "other"}
    assert declared("till", classes, ["rest=other"], OTHERS) == {"rest": "other"}
    assert declared("till", ("a=b",), ["a=b"], {"x": ("a=b",)}) == {"a=b": "a=b"}


@cases(
    ("given", "message"),
    [
        ("mauve", "expected a label of it to be the same as another task's, found 'mauve'"),
        ("mauve=other", "found 'mauve'"),
        ("rest", "expected a label 'rest' in another task"),
        ("rest=mauve", "expected a label 'mauve' in another task"),
    ],
)
def test_what_cannot_mean_the_same_is_named(given: str, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        declared("till", ("other", "rest"), [given], OTHERS)
