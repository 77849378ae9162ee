"""The false-reject rate that is chosen when it is asked: which threshold it takes, and what is
refused.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from channels import task
from every import every

from cfedge import Engine
from cfedge.bundle.files import read
from cfedge.calibration import NOTHING_UNKNOWN, RATES
from cfedge.errors import TaskError, UsageError
from cfedge.runtime.false_reject import Limits, check_monitor, parsed

FALLING = replace(
    NOTHING_UNKNOWN, thresholds=tuple(float(9 - place) for place in range(len(RATES)))
)
LIGHTS, DOORS = (replace(task(name)[0], calibration=FALLING) for name in ("lights", "doors"))


def test_without_a_rate_it_is_that_of_export() -> None:
    assert Limits([LIGHTS])[0] == (LIGHTS.false_reject_rate, LIGHTS.threshold)


def test_the_largest_listed_rate_that_is_not_above_what_was_asked_is_taken() -> None:
    expected = {0.005: 9.0, 0.05: 6.0, 0.07: 6.0, 0.1: 5.0, 0.3: 1.0}
    for rate, threshold in expected.items():
        stated, found = Limits([LIGHTS], rate)[0]
        assert found == threshold
        assert stated <= rate


def test_tasks_have_rates_of_their_own_and_others_keep_theirs() -> None:
    found = Limits([LIGHTS, DOORS], {"lights": 0.2})
    lights, doors = found[0], found[1]
    assert lights.threshold == 3.0
    assert doors.threshold == DOORS.threshold


def test_no_rate_is_stated_that_so_few_examples_cannot_show() -> None:
    few = replace(LIGHTS, certificate=replace(LIGHTS.certificate, own=6))
    assert Limits([few], 0.05)[0].rate == pytest.approx(1 / 7)


def test_what_cannot_be_asked_for_is_refused() -> None:
    def check(case: tuple[object, type[Exception], str]) -> None:
        asked, kind, message = case
        with pytest.raises(kind, match=message):
            Limits([LIGHTS], asked)  # type: ignore[arg-type]

    every(
        {
            "too low": (0.001, UsageError, "expected 0.005 to 0.3"),
            "too high": (0.5, UsageError, "found 0.5"),
            "no number": (float("nan"), UsageError, "expected 0.005 to 0.3"),
            "no task": ({"lifts": 0.1}, TaskError, "expected one of lights, found 'lifts'"),
        }.items(),
        check,
    )


def test_the_option_is_one_rate_or_one_for_each_task() -> None:
    assert parsed(None) is None
    assert parsed(["0.1"]) == 0.1
    assert parsed(["a=0.1", "b=0.2"]) == {"a": 0.1, "b": 0.2}
    for values in (["x"], ["0.1", "0.2"], ["a=0.1", "0.2"], ["a=b"]):
        with pytest.raises(UsageError, match="--false-reject: expected one RATE"):
            parsed(values)
    with pytest.raises(UsageError, match="--monitor: expected no --false-reject"):
        check_monitor("counts.json", 0.1)


def test_a_higher_rate_calls_no_fewer_inputs_unknown(tiny_bundle: Path) -> None:
    inputs = [
        f"{word} please" for word in ["crimson", "red", "dog", "bird", "blue", "zebra", "xylophone"]
    ]
    bundle = read(tiny_bundle)
    found = [
        [one.unknown for one in Engine(bundle, false_reject=rate).predict(inputs)]
        for rate in (0.005, 0.3)
    ]
    assert np.less_equal(*found).all()
    strict = Engine(bundle, false_reject=0.005).predict(inputs, false_reject=0.3)
    assert [one.unknown for one in strict] == found[1]


def test_limits_hold_at_every_rate_and_the_rate_is_stated(tiny_bundle: Path) -> None:
    engine = Engine(read(tiny_bundle))
    for rate in (None, 0.3):
        (one,) = engine.predict(["crimson please"], false_reject=rate)
        found, task = engine.evidence(one), engine.opened.named(one.task)
        usual, limits = task.false_reject_rate, task.certificate
        assert found["wrong_answer_at_most"] == limits.wrong_answer_at_most
        assert found["wrong_task_at_most"] == limits.wrong_task_at_most
        assert found["false_reject_rate"] == (usual if rate is None else max(rate, usual))
