"""What `compare` says on a terminal: what was measured, which model is best, and which to ship."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from cfedge.cli.show import print_table, say
from cfedge.counted import counted, size

if TYPE_CHECKING:
    from cfedge.study.results import Study
    from cfedge.train.measures.open_set import OpenSet

__all__ = ["print_study"]


def print_study(
    data: str,
    study: Study,
    orders: int,
    jobs: int,
    best: str | None,
    ship: Callable[[str, bool], list[str]],
) -> None:
    """Print the table and what follows from it.

    Parameters
    ----------
    best
        The recommended model, or None.
    ship
        Gives the commands that make a model, by its lookup and whether its tasks have adapters.
    """
    from cfedge.study.results import CEILINGS, FLOORS, summary

    rows = summary(study)
    print_table(
        f"{data}: {counted(len(study.tasks), 'task')}, {counted(study.test_examples, 'test example')}, mean of {counted(orders, 'order')}, per sample",
        (
            "model", "last accuracy", "+-", "incremental", "task found", "in the best two", "forgetting", "backward", "passes",
            "a task adds", "for its statistics", "made in",
        ),
        [
            (
                model, f"{row['accuracy']:.4f}", f"{row['accuracy_error']:.4f}", f"{row['average_incremental']:.4f}",
                f"{row['task_identification']:.4f}", f"{row['top2']:.4f}", f"{row['forgetting']:.4f}", f"{row['backward_transfer']:+.4f}",
                f"{row['passes']:.2f}", size(int(row["task_bytes"])), size(int(row["statistics_bytes"])),
                f"{_seconds(study, model):.1f} s",
            )
            for model, row in sorted(rows.items(), key=lambda item: item[1]["accuracy"])
        ],
    )  # fmt: skip
    transfer = sum(study.forward_transfer) / len(study.forward_transfer)
    say(f"forward transfer (task given, against the same task learned alone): {transfer:+.4f}")
    beside = f", beside {counted(jobs - 1, 'other')}" if jobs > 1 else ""
    say(f"a task took {sum(study.learn_seconds) / orders:.1f} s to learn, the mean of all{beside}")
    for model, row in rows.items():
        if "calibration_error" in row:
            say(
                f"probabilities of {model}'s answers are wrong by {row['calibration_error']:.3f} on"
                " average (expected calibration error, task and label)"
            )
    if study.open_set:
        _say_open_set(study.open_set)
    if repeated := sum(study.duplicates.values()):
        say(
            f"{repeated} test inputs are also learned from, case and spaces aside: every figure"
            " is too good by what they count for"
        )
    say(f"beside the models: {', '.join((*CEILINGS, *FLOORS))}")
    _recommend(study, best, ship)


def _recommend(study: Study, best: str | None, ship: Callable[[str, bool], list[str]]) -> None:
    """Say which model is best and which to ship, and at last the commands that ship it."""
    from cfedge.lookup.rules import RULES
    from cfedge.study.results import MODELS, SHIPPED, most_accurate, summary

    rows, first = summary(study), most_accurate(study)
    built = "" if first in SHIPPED else "; it is measured alone, and cannot be shipped"
    say(f"best: {first} ({_costs(rows[first])}){built}")
    if best is None:
        say(
            f"recommended: none, since none of the models measured can be shipped; those that can:"
            f" {', '.join(SHIPPED)}"
        )
        return
    lookup, adapters = SHIPPED[best]
    far = rows[first]["accuracy"] - rows[best]["accuracy"] > rows[first]["accuracy_error"]
    near = "the best that can be shipped" if far else "the best"
    say(
        f"recommended: {best} ({MODELS[best]}; {_costs(rows[best])}), the cheapest in bytes times"
        f" passes within one standard error of {near}; {RULES[lookup].grows}"
    )
    say("make it with:")
    for line in ship(lookup, adapters):
        say(line)


def _say_open_set(found_by_order: Sequence[OpenSet]) -> None:
    """Say how well inputs of no task are told apart, the mean over orders."""
    found = [
        (one.detection.auroc, one.detection.fpr95, one.risk_coverage.area) for one in found_by_order
    ]
    auroc, fpr95, area = (sum(values) / len(found_by_order) for values in zip(*found, strict=True))
    say(
        f"inputs of no task, as shipped: AUROC {auroc:.3f}, false positives at 95 % detection"
        f" {fpr95:.1%}, mean risk over coverage {area:.3f}"
    )


def _costs(row: Mapping[str, float]) -> str:
    """What a model's accuracy costs."""
    kept, many = size(int(row["task_bytes"])), size(100 * int(row["task_bytes"]))
    return (
        f"{row['accuracy']:.4f}; each task adds {kept}, a hundred tasks {many}; {row['passes']:.2f} passes"
        " an answer"
    )


def _seconds(study: Study, model: str) -> float:
    runs = study.runs[model]
    return sum(run.seconds for run in runs) / len(runs)
