"""The label of a stream: the filter against its definition, and what one input alone may not do."""

from __future__ import annotations

import math
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from every import cases
from made import make_texts

from cfedge import Engine, Session
from cfedge.errors import UsageError
from cfedge.runtime.answers import Answers
from cfedge.runtime.steady import SteadyLabel

CLASSES = ("a", "b", "c")


def test_the_filter_is_the_sum_over_all_paths_of_the_chain() -> None:
    seen = [("a", 0.7), ("b", 0.5), ("b", 0.99), ("c", 0.4)]
    switch = 0.3
    steady = SteadyLabel(switch)
    for label, probability in seen:
        found = steady.see("task", CLASSES, label, probability)
    by_label = dict.fromkeys(CLASSES, 0.0)
    for path in product(CLASSES, repeat=len(seen) + 1):
        weight = 1 / 3
        for before, after, (label, probability) in zip(path, path[1:], seen, strict=False):
            believed = min(probability, 1 - switch)
            weight *= (1 - switch) * (before == after) + switch / 3
            weight *= believed if after == label else (1 - believed) / 2
        by_label[path[-1]] += weight
    best = max(by_label, key=by_label.__getitem__)
    assert found[0] == best
    assert found[1] == pytest.approx(by_label[best] / sum(by_label.values()), rel=1e-12)


@cases("count", [2, 3, 10, 100])
@cases("switch", [0.01, 0.05, 0.2])
def test_one_input_changes_no_label_that_is_settled_and_a_few_do(count: int, switch: float) -> None:
    classes = tuple(f"c{number}" for number in range(count))
    steady = SteadyLabel(switch)
    for _ in range(50):
        steady.see("task", classes, "c0", 0.999)
    assert steady.see("task", classes, "c1", 1.0)[0] == "c0"
    for _ in range(3):
        last = steady.see("task", classes, "c1", 0.999)[0]
    assert last == "c1"


def test_inputs_that_are_hardly_believed_change_nothing() -> None:
    steady = SteadyLabel(0.05)
    steady.see("task", CLASSES, "a", 0.95)
    for _ in range(20):
        label, _ = steady.see("task", CLASSES, "b", 0.34)
    assert label == "a"


def test_with_a_switch_of_one_and_in_another_task_nothing_is_kept() -> None:
    free = SteadyLabel(1.0)
    for label in ("b", "a", "c"):  # each input is for itself, whatever the order of the classes
        assert free.see("task", CLASSES, label, 0.9) == (label, 0.9)
    often = SteadyLabel(0.5)  # of two labels that is as often as not
    assert [often.see("task", ("x", "y"), one, 0.99)[0] for one in "yxyy"] == list("yxyy")
    steady = SteadyLabel(0.01)
    for _ in range(9):
        steady.see("task", CLASSES, "a", 0.99)
    assert steady.see("other", ("x", "y"), "y", 0.6)[0] == "y"
    assert steady.see("task", CLASSES, "b", 0.6)[0] == "b"
    assert steady.see("lone", ("only",), "only", 1.0) == ("only", 1.0)


@cases("switch", [0.0, -0.1, 1.1, math.nan])
def test_a_switch_that_is_no_probability_is_refused(switch: float) -> None:
    with pytest.raises(
        UsageError, match=r"label switch: expected a probability in \(0, 1\], found"
    ):
        SteadyLabel(switch)


def test_a_session_keeps_its_label_and_an_unknown_input_changes_none(tiny_bundle: Path) -> None:
    engine = Engine.open(tiny_bundle)
    rows = make_texts("colors", 6, seed=5)
    alone = engine.predict([text for text, _ in rows])
    known = [
        (text, label)
        for (text, label), one in zip(rows, alone, strict=True)
        if one.label == label and not one.unknown
    ]
    first = known[0][1]
    other = next(text for text, label in known if label != first)
    session = Session(engine, label_switch=0.01)
    for text in [text for text, label in known if label == first] * 4:
        session.predict(text)
    answer = session.predict(other)
    assert (answer.label, engine.predict([other])[0].label != first) == (first, True)
    assert session.predict("of of of of of the the").unknown
    labels = [session.predict(other).label for _ in range(4)]
    assert labels[-1] == engine.predict([other])[0].label
    assert np.count_nonzero([one != two for one, two in pairwise(labels)]) <= 1
    plain = Session(engine)
    for text in [text for text, label in known if label == first]:
        plain.predict(text)
    assert plain.predict(other).label == labels[-1]


def test_the_command_says_which_switch_and_refuses_it_without_a_session(tiny_bundle: Path) -> None:
    engine = Engine.open(tiny_bundle)
    text = make_texts("colors", 1, seed=5)[0][0]
    evidence, _ = Answers(engine, session=True, label_switch=0.1)(text)
    assert evidence["label_switch"] == 0.1
    assert evidence["wrong_task_at_most"] is evidence["wrong_answer_at_most"] is None
    assert "label_switch" not in Answers(engine, session=True)(text)[0]
    with pytest.raises(UsageError, match="--label-switch: expected --session beside it"):
        Answers(engine, label_switch=0.1)
