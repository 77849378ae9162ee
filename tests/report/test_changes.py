"""What changed: each kind of change is told once, with the right verdict, and nothing else is."""

from __future__ import annotations

import dataclasses
from typing import Any

from every import cases
from reports import made_contents

from cfedge.report.changes import Change, changes, record
from cfedge.report.contents import Contents

OLD = made_contents()


def _task(**fields: Any) -> Contents:
    first = dataclasses.replace(OLD.tasks[0], **fields)
    return dataclasses.replace(OLD, tasks=(first, *OLD.tasks[1:]))


def _certificate(**fields: Any) -> Contents:
    return _task(certificate=dataclasses.replace(OLD.tasks[0].certificate, **fields))


def _thresholds(**fields: Any) -> Contents:
    assert OLD.thresholds is not None
    return dataclasses.replace(OLD, thresholds=dataclasses.replace(OLD.thresholds, **fields))


def _bench(p50: float) -> Contents:
    assert OLD.bench is not None
    return dataclasses.replace(OLD, bench=dataclasses.replace(OLD.bench, p50=p50))


def _backbone(**fields: Any) -> Contents:
    return dataclasses.replace(OLD, backbone=dataclasses.replace(OLD.backbone, **fields))


#: By name: the new report, and what is told of it.
CASES = {
    "nothing": (OLD, []),
    "a new task": (dataclasses.replace(OLD, tasks=(*OLD.tasks, made_contents("x").tasks[0])), [Change("task x 0", "none", "new, 3 classes", "other")]),
    "a task gone": (dataclasses.replace(OLD, tasks=OLD.tasks[:1]), [Change("task word 1", "3 classes", "removed", "other")]),
    "a class more": (_task(classes=(*OLD.tasks[0].classes, "more")), [Change("task word 0: classes", "3", "4 (+ more)", "other")]),
    "another class": (_task(classes=("new", *OLD.tasks[0].classes[1:])), [Change("task word 0: classes", "3", "3 (+ new, - word label 0)", "other")]),
    "a higher bound": (_certificate(wrong_task_at_most=0.2), [Change("task word 0: wrong task, at most", "18%", "20%", "worse")]),
    "a lower bound": (_certificate(wrong_answer_at_most=0.1), [Change("task word 0: wrong answers, at most", "21%", "10%", "better")]),
    "more wrong answers": (_certificate(wrong=5), [Change("task word 0: held-out answers that are wrong", "7.5%", "12%", "worse")]),
    "a hair's breadth": (_certificate(wrong_task_at_most=0.1801), []),
    "another threshold": (_task(threshold=9.0), [Change("task word 0: called unknown above", "7.0", "9.0", "other")]),
    "a larger task": (_task(size_bytes=60_000), [Change("task word 0: size", "50,000 bytes", "60,000 bytes", "worse")]),
    "slower": (_bench(1.5), [Change("time of an answer, median", "1.1 ms", "1.5 ms", "worse")]),
    "faster": (_bench(0.9), [Change("time of an answer, median", "1.1 ms", "0.9 ms", "better")]),
    "fewer unknown caught": (_thresholds(caught=(0.5, 0.7, 0.9)), [Change("unknown inputs that are caught", "80%", "70%", "worse")]),
    "another scheme": (_backbone(scheme="float32"), [Change("scheme", "word", "float32", "other")]),
    "a smaller backbone": (_backbone(size_bytes=20_000_000), [Change("backbone's size", "23,000,000 bytes", "20,000,000 bytes", "better")]),
    "another version": (dataclasses.replace(OLD, versions={"word": "2"}), [Change("version of word", "word", "2", "other")]),
    "a bundle of the workspace": (dataclasses.replace(_task(size_bytes=900), of="bundle"), []),
    "no bench now": (dataclasses.replace(OLD, bench=None, thresholds=None), []),
}  # fmt: skip


@cases("name", list(CASES))
def test_each_change_is_told_with_its_verdict(name: str) -> None:
    new, wanted = CASES[name]
    assert list(changes(OLD, new)) == wanted


def test_what_became_worse_stands_first() -> None:
    first = dataclasses.replace(
        OLD.tasks[0].certificate, wrong_task_at_most=0.1, wrong_answer_at_most=0.3
    )
    new = _task(certificate=first, threshold=9.0)
    verdicts = [one.verdict for one in changes(OLD, new)]
    assert verdicts == ["worse", "better", "other"]
    assert record(changes(OLD, new))[0]["verdict"] == "worse"
